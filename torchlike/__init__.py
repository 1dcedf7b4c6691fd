"""PyTorch's API on JAX: ``import torchlike as torch``.

What stands here is torch's top-level namespace. Functions come from the ops' records (`_src/tensor/install.py`);
submodules are imported when they are first used.
"""

import importlib
import math
from typing import Any

from torchlike._src import engine as _engine, operators as _operators

_operators.load()

from torchlike._src.tensor import (
    conversion as _conversion,
    creation as _creation,
    devices as _devices,
    dtypes as _dtypes,
    exchange as _exchange,
    indexing as _indexing,
    install as _install,
    layouts as _layouts,
    legacy as _legacy,
    method_forms as _method_forms,
    python_functions as _python_functions,
    random_functions as _random_functions,
    removed as _removed,
    representation as _representation,
    return_types as return_types,
    shapes as _shapes,
    sparse as _sparse,
    view_copies as _view_copies,
    view_functions as _view_functions,
    window_functions as _window_functions,
)
from torchlike._src.tensor.core import (
    Size as Size,
    Tensor as Tensor,
)

_install.install()
_sparse.install()

from torchlike._src import streams as _streams
from torchlike._src.autograd import backward as _backward
from torchlike._src.autograd.modes import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled,
    is_anomaly_enabled as is_anomaly_enabled,
    is_grad_enabled as is_grad_enabled,
    is_inference as is_inference,
    is_inference_mode_enabled as is_inference_mode_enabled,
    no_grad as no_grad,
    set_anomaly_enabled as set_anomaly_enabled,
    set_grad_enabled as set_grad_enabled,
)
from torchlike._src.control_flow import cond as cond
from torchlike._src.engine.errors import (
    AcceleratorError as AcceleratorError,
    OutOfMemoryError as OutOfMemoryError,
)
from torchlike._src.explain import (
    eager as eager,
    explain as explain,
    synchronize as synchronize,
)
from torchlike._src.random.generator import (
    Generator as Generator,
    default_generator as default_generator,
)
from torchlike._src.settings import (
    are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled,
    get_default_dtype as get_default_dtype,
    get_deterministic_debug_mode as get_deterministic_debug_mode,
    get_float32_matmul_precision as get_float32_matmul_precision,
    get_num_interop_threads as get_num_interop_threads,
    get_num_threads as get_num_threads,
    is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled,
    is_warn_always_enabled as is_warn_always_enabled,
    set_default_dtype as set_default_dtype,
    set_default_tensor_type as set_default_tensor_type,
    set_deterministic_debug_mode as set_deterministic_debug_mode,
    set_float32_matmul_precision as set_float32_matmul_precision,
    set_flush_denormal as set_flush_denormal,
    set_num_interop_threads as set_num_interop_threads,
    set_num_threads as set_num_threads,
    set_warn_always as set_warn_always,
    use_deterministic_algorithms as use_deterministic_algorithms,
)
from torchlike._src.streams import (
    Event as Event,
    Stream as Stream,
)
from torchlike._src.tensor.autocast import (
    autocast_decrement_nesting as autocast_decrement_nesting,
    autocast_increment_nesting as autocast_increment_nesting,
    clear_autocast_cache as clear_autocast_cache,
    get_autocast_cpu_dtype as get_autocast_cpu_dtype,
    get_autocast_dtype as get_autocast_dtype,
    get_autocast_gpu_dtype as get_autocast_gpu_dtype,
    get_autocast_ipu_dtype as get_autocast_ipu_dtype,
    get_autocast_xla_dtype as get_autocast_xla_dtype,
    is_autocast_cache_enabled as is_autocast_cache_enabled,
    is_autocast_cpu_enabled as is_autocast_cpu_enabled,
    is_autocast_enabled as is_autocast_enabled,
    is_autocast_ipu_enabled as is_autocast_ipu_enabled,
    is_autocast_xla_enabled as is_autocast_xla_enabled,
    set_autocast_cache_enabled as set_autocast_cache_enabled,
    set_autocast_cpu_dtype as set_autocast_cpu_dtype,
    set_autocast_cpu_enabled as set_autocast_cpu_enabled,
    set_autocast_dtype as set_autocast_dtype,
    set_autocast_enabled as set_autocast_enabled,
    set_autocast_gpu_dtype as set_autocast_gpu_dtype,
    set_autocast_ipu_dtype as set_autocast_ipu_dtype,
    set_autocast_ipu_enabled as set_autocast_ipu_enabled,
    set_autocast_xla_dtype as set_autocast_xla_dtype,
    set_autocast_xla_enabled as set_autocast_xla_enabled,
)
from torchlike._src.tensor.devices import (
    device as device,
    get_default_device as get_default_device,
    set_default_device as set_default_device,
)
from torchlike._src.tensor.dtypes import (
    dtype as dtype,
    finfo as finfo,
    iinfo as iinfo,
)
from torchlike._src.tensor.exchange import from_dlpack as from_dlpack
from torchlike._src.tensor.layouts import (
    layout as layout,
    memory_format as memory_format,
)
from torchlike._src.tensor.queries import (
    can_cast as can_cast,
    is_complex as is_complex,
    is_floating_point as is_floating_point,
    is_nonzero as is_nonzero,
    is_storage as is_storage,
    is_tensor as is_tensor,
    is_vulkan_available as is_vulkan_available,
    numel as numel,
    promote_types as promote_types,
    result_type as result_type,
)
from torchlike._src.tensor.shapes import broadcast_shapes as broadcast_shapes
from torchlike._src.tensor.symbolic_numbers import (
    sym_constrain_range as sym_constrain_range,
    sym_constrain_range_for_size as sym_constrain_range_for_size,
    sym_float as sym_float,
    sym_fresh_size as sym_fresh_size,
    sym_int as sym_int,
    sym_ite as sym_ite,
    sym_max as sym_max,
    sym_min as sym_min,
    sym_not as sym_not,
    sym_sqrt as sym_sqrt,
    sym_sum as sym_sum,
)
from torchlike.random import (
    fork_rng as fork_rng,
    get_rng_state as get_rng_state,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    seed as seed,
    set_rng_state as set_rng_state,
    thread_safe_generator as thread_safe_generator,
)
from torchlike.version import __version__ as __version__

globals().update({_name: _fn for _name, _fn in _install.public_names().items() if "." not in _name})
globals().update({_d.name: _d for _d in _dtypes.ALL})
globals().update(_dtypes.ALIASES)
globals().update(_legacy.TYPED)

strided, sparse_coo, sparse_csr = _layouts.strided, _layouts.sparse_coo, _layouts.sparse_csr
sparse_csc, sparse_bsr, sparse_bsc, jagged = _layouts.sparse_csc, _layouts.sparse_bsr, _layouts.sparse_bsc, _layouts.jagged
contiguous_format, preserve_format = _layouts.contiguous_format, _layouts.preserve_format
legacy_contiguous_format = _layouts.contiguous_format
channels_last, channels_last_3d = _layouts.channels_last, _layouts.channels_last_3d
inf, nan, pi, e, newaxis = math.inf, math.nan, math.pi, math.e, None
has_lapack = has_spectral = True
has_mkl = has_openmp = False

_SUBMODULES = frozenset(
    """accelerator amp autograd backends compiler cpu cuda fft func futures linalg masked multiprocessing nn optim overrides
    serialization signal sparse special storage testing types utils vision""".split()
)
#: Names that live in submodules which are only imported when somebody asks.
_ELSEWHERE = {
    "BoolStorage": "storage", "ByteStorage": "storage", "CharStorage": "storage", "DoubleStorage": "storage",
    "FloatStorage": "storage", "IntStorage": "storage", "LongStorage": "storage", "ShortStorage": "storage",
    "UntypedStorage": "storage", "TypedStorage": "storage", "typename": "nn.modules._names",
    "save": "serialization", "load": "serialization", "set_printoptions": "_tensor_str", "compile": "compiler",
    "vmap": "func", "ops": "_ops", "Future": "futures", "get_device_module": "accelerator", "autocast": "amp", "GradScaler": "amp",
    "_amp_update_scale_": "amp.grad_scaler", "_amp_foreach_non_finite_check_and_unscale_": "amp.grad_scaler",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"torchlike.{name}")
    if name in _ELSEWHERE:
        found = getattr(importlib.import_module(f"torchlike.{_ELSEWHERE[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'torchlike' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES, *_ELSEWHERE})
