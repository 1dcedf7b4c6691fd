"""torch.device, and where a tensor is made when nobody says where."""

import re
from typing import Any

import jax

from torchlike._src.engine.value import CPU, Aval, Place
from torchlike._src.tensor import dtypes

_PLATFORM = {"cpu": "cpu", "cuda": "gpu", "xla": "tpu", "tpu": "tpu"}
_TYPE = {"cpu": "cpu", "gpu": "cuda", "cuda": "cuda", "tpu": "xla"}
_KNOWN = {
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla", "lazy",
    "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone", "tpu",
}  # fmt: skip


class device:
    """A device, as ``torch.device``: ``device("cuda:1")``, ``device("cuda", 1)``; also a context and a decorator.

    ``cuda`` is JAX's GPU, ``xla`` (or ``tpu``) its TPU.

    Raises:
        RuntimeError: for a string that names no device, in torch's words.
    """

    __slots__ = ("_before", "index", "type")

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        elif isinstance(type, int):
            type, index = ("cuda", type)
        elif isinstance(type, str):
            match = re.fullmatch(r"([a-z_]+)(?::(0|[1-9]\d*))?", type)
            if match is None:
                raise RuntimeError(f"Invalid device string: '{type}'")
            name, number = match.groups()
            if number is not None and index is not None:
                raise RuntimeError(f"type (string) must not include an index because index was passed explicitly: {type}")
            if name not in _KNOWN:
                raise RuntimeError(
                    f"Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, "
                    f"vulkan, mps, meta, hpu, mtia, privateuseone device type at start of device string: {name}"
                )
            type, index = name, int(number) if number is not None else index
        else:
            raise TypeError(f"device(): argument 'type' must be str, not {type.__class__.__name__}")
        self.type = "xla" if type == "tpu" else type
        self.index = index

    def __repr__(self) -> str:
        return f"device(type='{self.type}')" if self.index is None else f"device(type='{self.type}', index={self.index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> Any:
        return device, (self.type,) if self.index is None else (self.type, self.index)

    def __enter__(self) -> "device":
        self._before = _default[0]
        _default[0] = self
        return self

    def __exit__(self, *_: object) -> None:
        _default[0] = self._before

    def __call__(self, fn: Any) -> Any:
        import functools

        @functools.wraps(fn)
        def on_device(*args: Any, **kwargs: Any) -> Any:
            with device(self.type, self.index):
                return fn(*args, **kwargs)

        return on_device


_named = device
_default: list[device] = [device("cpu")]
_current_index = {"cuda": 0, "xla": 0}


def get_default_device() -> device:
    """Where tensors are made when no device is given."""
    return device_of(place_of(_default[0]))


def set_default_device(device: Any) -> None:
    """Make tensors on this device from now on, where no device is given; None means the CPU."""
    _default[0] = _named("cpu" if device is None else device)


def count(kind: str) -> int:
    """How many devices of a type there are in this process."""
    try:
        return len(jax.local_devices(backend=_PLATFORM[kind]))
    except RuntimeError:
        return 0


def place_of(where: Any) -> Place:
    """The engine's place for a torch device (or its string, or index, or None for the default one).

    Raises:
        RuntimeError: if there is no such device here, as torch says it.
    """
    d = _default[0] if where is None else where if isinstance(where, device) else device(where)
    if d.type == "cpu":
        return CPU
    if d.type not in _PLATFORM:
        if d.type == "meta":
            raise NotImplementedError("device 'meta' is not supported: build the module on 'cpu', or use jax.eval_shape.")
        raise RuntimeError(f"torchlike has no device of type {d.type!r}: use 'cpu', 'cuda' or 'xla'.")
    n = count(d.type)
    index = _current_index[d.type] if d.index is None else d.index
    if n == 0:
        if d.type == "cuda":
            raise AssertionError(
                "Torch not compiled with CUDA enabled: JAX sees no GPU here. Install 'torchlike[cuda]' on a machine with "
                "one, or choose the device with torch.accelerator.current_accelerator() or 'cpu'."
            )
        raise RuntimeError("JAX sees no TPU here. Install 'torchlike[tpu]' on a machine with one, or use 'cpu'.")
    if index >= n:
        raise RuntimeError(f"CUDA error: invalid device ordinal: {d} was asked for, there are {n} (numbers 0 to {n - 1}).")
    return Place(_PLATFORM[d.type], index)


_devices: dict[Place, device] = {CPU: device("cpu")}


def device_of(place: Place) -> device:
    """torch's device for the engine's place."""
    found = _devices.get(place)
    if found is None:
        found = _devices[place] = device(_TYPE[place.platform], place.index)
    return found


def type_name(kind: Aval) -> str:
    """What torch's messages call the type of a tensor: ``torch.FloatTensor``, ``torch.cuda.HalfTensor``."""
    name = dtypes.OF_NUMPY[kind.dtype].storage_name.removesuffix("Storage")
    if kind.dtype.kind in "bc":
        return f"CPU{name}Type"
    return f"torch.{name}Tensor" if kind.place is CPU else f"torch.{device_of(kind.place).type}.{name}Tensor"
