"""Streams, events, ``torch.cpu``, ``torch.cuda`` and ``torch.accelerator`` on a machine without an accelerator."""

import jax
import pytest

import torchlike
from tests.programs import Table, programs, same
from torchlike._src.engine import errors

PROGRAMS = Table({
    "a stream": lambda torch: (s := torch.Stream("cpu"), str(s), s.query(), s.synchronize(), s.is_capturing(), s.device_index,
                               s.device_type, s.stream_id, s == torch.Stream(), hash(s) == hash(torch.Stream("cpu")))[1:],
    "a stream as a context": lambda torch: str(torch.Stream("cpu").__enter__()),
    "a stream waits for another": lambda torch: torch.Stream("cpu").wait_stream(torch.Stream("cpu")),
    "a stream waits for an event": lambda torch: torch.Stream("cpu").wait_event(torch.Event("cpu")),
    "a stream records an event": lambda torch: torch.Stream("cpu").record_event(),
    "a stream on no device": lambda torch: torch.Stream("cuda"),
    "a stream on a number": lambda torch: torch.Stream(3.5),
    "an event": lambda torch: (e := torch.Event("cpu"), str(e), e.query(), e.wait(), e.synchronize(), e.event_id)[1:],
    "an event is recorded": lambda torch: torch.Event("cpu").record(),
    "an event without time": lambda torch: torch.Event("cpu").elapsed_time(torch.Event("cpu")),
    "a stream of cuda": lambda torch: torch.cuda.Stream(),
    "an event of no device": lambda torch: torch.Event("cuda"),
    "no stream of cuda": lambda torch: (torch.cuda.stream(None).__enter__(), torch.cuda.set_stream(None)),
    "cpu": lambda torch: (torch.cpu.current_device(), torch.cpu.device_count(), torch.cpu.is_available(), torch.cpu.synchronize(),
                          torch.cpu.is_initialized(), torch.cpu.set_device(0), torch.cpu.Event().query()),
    "cpu's capabilities": lambda torch: [torch.cpu.get_capabilities()[k] for k in ("architecture", "sse2", "avx2", "avx512_f", "fma3",
                                         "f16c", "aes", "num_logical_cores", "amx_tile")],
    "get_device_module": lambda torch: [torch.get_device_module(d).__name__.split(".")[-1]
                                        for d in (None, "cpu", "cuda", torch.device("cpu"))],
    "get_device_module of a number": lambda torch: torch.get_device_module(3),
    "get_device_module of nothing": lambda torch: torch.get_device_module("xyz"),
    "cuda's facts": lambda torch: (torch.cuda.memory_stats(), torch.cuda.memory_stats_as_nested_dict(), torch.cuda.host_memory_stats(),
                                   torch.cuda.get_arch_list(), torch.cuda.get_gencode_flags(), torch.cuda.is_tf32_supported(),
                                   torch.cuda.default_generators, torch.cuda.get_rng_state_all(), torch.cuda.has_magma),
    "cuda's types": lambda torch: (isinstance(torch.ones(2), torch.cuda.FloatTensor), torch.cuda.cudaStatus.ERROR_NOT_READY),
    "cuda's tensors": lambda torch: torch.cuda.FloatTensor(2),
    "old names": lambda torch: (torch.cuda.memory_cached(), torch.cuda.max_memory_cached()),
    "accelerator's stream": lambda torch: torch.accelerator.current_stream(),
    "accelerator's memory": lambda torch: torch.accelerator.memory_allocated(),
    "accelerator's info": lambda torch: torch.accelerator.get_memory_info(),
    "accelerator's index": lambda torch: torch.accelerator.set_device_index(0),
    "accelerator, no index": lambda torch: torch.accelerator.device_index(None).__enter__(),
    "accelerator, an index": lambda torch: torch.accelerator.device_index(0).__enter__(),
    "errors": lambda torch: [(e.__name__, e.__mro__[1] is RuntimeError) for e in
                             (torch.OutOfMemoryError, torch.AcceleratorError, torch.cuda.OutOfMemoryError)],
    "to devices that are not there": lambda torch: torch.ones(2).xpu(),
    "to another": lambda torch: torch.ones(2).ipu(),
})  # fmt: skip


@programs(PROGRAMS)
def test_a_program_does_the_same(program) -> None:
    if torchlike.accelerator.is_available():
        pytest.skip("torch, on the CPU, is the reference for a machine without an accelerator")
    same(program)


def test_record_stream_is_refused_on_the_cpu() -> None:
    same(lambda torch: torch.ones(2).record_stream(torch.Stream("cpu")), message=False)


def test_what_xla_says_of_memory_becomes_an_out_of_memory_error_on_accelerators() -> None:
    error = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1 byte.")
    with pytest.raises(torchlike.OutOfMemoryError, match="RESOURCE_EXHAUSTED"):
        errors.raise_as_torch(error, True)
    with pytest.raises(torchlike.AcceleratorError, match="INTERNAL"):
        errors.raise_as_torch(jax.errors.JaxRuntimeError("INTERNAL: illegal address"), True)
