"""PyTorch's API on JAX: ``import torchlike as torch``.

What stands here is torch's top-level namespace. Functions come from the ops' records (`_src/tensor/install.py`);
submodules are imported when they are first used.
"""

import importlib
import math
from typing import Any

from torchlike._src import engine as _engine
from torchlike._src import operators as _operators

_operators.load()

from torchlike._src.tensor import (  # noqa: E402
    conversion as _conversion,
)
from torchlike._src.tensor import (
    creation as _creation,
)
from torchlike._src.tensor import (
    devices as _devices,
)
from torchlike._src.tensor import (
    dtypes as _dtypes,
)
from torchlike._src.tensor import (
    exchange as _exchange,
)
from torchlike._src.tensor import (
    indexing as _indexing,
)
from torchlike._src.tensor import (
    install as _install,
)
from torchlike._src.tensor import (
    layouts as _layouts,
)
from torchlike._src.tensor import (
    legacy as _legacy,
)
from torchlike._src.tensor import (
    random_functions as _random_functions,
)
from torchlike._src.tensor import (
    representation as _representation,
)
from torchlike._src.tensor import (
    return_types as return_types,
)
from torchlike._src.tensor import (
    shapes as _shapes,
)
from torchlike._src.tensor import (
    view_copies as _view_copies,
)
from torchlike._src.tensor import (
    view_functions as _view_functions,
)
from torchlike._src.tensor.core import Size as Size  # noqa: E402
from torchlike._src.tensor.core import Tensor as Tensor  # noqa: E402

_install.install()

from torchlike._src.autograd import backward as _backward  # noqa: E402
from torchlike._src.autograd.modes import enable_grad as enable_grad  # noqa: E402
from torchlike._src.autograd.modes import inference_mode as inference_mode  # noqa: E402
from torchlike._src.autograd.modes import is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled  # noqa: E402
from torchlike._src.autograd.modes import is_anomaly_enabled as is_anomaly_enabled  # noqa: E402
from torchlike._src.autograd.modes import is_grad_enabled as is_grad_enabled  # noqa: E402
from torchlike._src.autograd.modes import is_inference as is_inference  # noqa: E402
from torchlike._src.autograd.modes import is_inference_mode_enabled as is_inference_mode_enabled  # noqa: E402
from torchlike._src.autograd.modes import no_grad as no_grad  # noqa: E402
from torchlike._src.autograd.modes import set_grad_enabled as set_grad_enabled  # noqa: E402
from torchlike._src.explain import eager as eager  # noqa: E402
from torchlike._src.explain import explain as explain  # noqa: E402
from torchlike._src.explain import synchronize as synchronize  # noqa: E402
from torchlike._src.random.generator import Generator as Generator  # noqa: E402
from torchlike._src.random.generator import default_generator as default_generator  # noqa: E402
from torchlike._src.settings import are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled  # noqa: E402
from torchlike._src.settings import get_default_dtype as get_default_dtype  # noqa: E402
from torchlike._src.settings import get_float32_matmul_precision as get_float32_matmul_precision  # noqa: E402
from torchlike._src.settings import get_num_threads as get_num_threads  # noqa: E402
from torchlike._src.settings import is_autocast_cpu_enabled as is_autocast_cpu_enabled  # noqa: E402
from torchlike._src.settings import is_autocast_enabled as is_autocast_enabled  # noqa: E402
from torchlike._src.settings import set_default_dtype as set_default_dtype  # noqa: E402
from torchlike._src.settings import set_float32_matmul_precision as set_float32_matmul_precision  # noqa: E402
from torchlike._src.settings import set_num_threads as set_num_threads  # noqa: E402
from torchlike._src.settings import use_deterministic_algorithms as use_deterministic_algorithms  # noqa: E402
from torchlike._src.tensor.devices import device as device  # noqa: E402
from torchlike._src.tensor.devices import get_default_device as get_default_device  # noqa: E402
from torchlike._src.tensor.devices import set_default_device as set_default_device  # noqa: E402
from torchlike._src.tensor.dtypes import dtype as dtype  # noqa: E402
from torchlike._src.tensor.dtypes import finfo as finfo  # noqa: E402
from torchlike._src.tensor.dtypes import iinfo as iinfo  # noqa: E402
from torchlike._src.tensor.exchange import from_dlpack as from_dlpack  # noqa: E402
from torchlike._src.tensor.layouts import layout as layout  # noqa: E402
from torchlike._src.tensor.layouts import memory_format as memory_format  # noqa: E402
from torchlike._src.tensor.queries import can_cast as can_cast  # noqa: E402
from torchlike._src.tensor.queries import is_complex as is_complex  # noqa: E402
from torchlike._src.tensor.queries import is_floating_point as is_floating_point  # noqa: E402
from torchlike._src.tensor.queries import is_nonzero as is_nonzero  # noqa: E402
from torchlike._src.tensor.queries import is_storage as is_storage  # noqa: E402
from torchlike._src.tensor.queries import is_tensor as is_tensor  # noqa: E402
from torchlike._src.tensor.queries import numel as numel  # noqa: E402
from torchlike._src.tensor.queries import promote_types as promote_types  # noqa: E402
from torchlike._src.tensor.queries import result_type as result_type  # noqa: E402
from torchlike._src.tensor.shapes import broadcast_shapes as broadcast_shapes  # noqa: E402
from torchlike.random import fork_rng as fork_rng  # noqa: E402
from torchlike.random import get_rng_state as get_rng_state  # noqa: E402
from torchlike.random import initial_seed as initial_seed  # noqa: E402
from torchlike.random import manual_seed as manual_seed  # noqa: E402
from torchlike.random import seed as seed  # noqa: E402
from torchlike.random import set_rng_state as set_rng_state  # noqa: E402
from torchlike.version import __version__ as __version__  # noqa: E402

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

_SUBMODULES = frozenset(
    """accelerator autograd backends compiler cuda fft linalg masked multiprocessing nn optim serialization signal special
    storage testing utils vision""".split()
)
#: Names that live in submodules which are only imported when somebody asks.
_ELSEWHERE = {
    "UntypedStorage": "storage", "TypedStorage": "storage", "typename": "nn.modules._names", "save": "serialization", "load": "serialization", "set_printoptions": "_tensor_str", "compile": "compiler",
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
