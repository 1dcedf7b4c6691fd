"""How a sparse tensor prints: its parts, as torch shows them."""

from torchlike._src.operators import promotion
from torchlike._src.tensor import dtypes, layouts, printing
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.sparse.handle import SWAPPED, SparseTensor


def sparse_repr(s: SparseTensor) -> str:
    """What ``repr(s)`` shows."""
    prefix = "tensor("
    indent = len(prefix)
    suffixes = [f"device='{s.device}'"] if s.device.type != "cpu" else []
    suffixes += [f"size={tuple(s.shape)}", f"nnz={s._nnz()}"]
    kind = s.dtype.name
    default = dtypes.OF_NUMPY[promotion.default_dtype()].name
    default_complex = "complex128" if default == "float64" else "complex64"
    if kind not in (default, default_complex, "int64", "bool"):
        suffixes.append(f"dtype=torch.{kind}")
    suffixes.append(f"layout={s.layout}")
    if s._layout is layouts.sparse_coo:
        parts = [("indices", s._parts[0])]
    else:
        names = ("ccol_indices", "row_indices") if s._layout in SWAPPED else ("crow_indices", "col_indices")
        parts = list(zip(names, s._parts, strict=True))
    lines = [f"{name}={_part(t, indent + len(name) + 1)}" for name, t in (*parts, ("values", s._data))]
    text = (",\n" + " " * indent).join(lines)
    if s._layout is layouts.sparse_coo:
        text += ",\n" + " " * indent + suffixes.pop(0)
    node = s.grad_fn
    if node is not None:
        suffixes.append(f"grad_fn=<{type(node).__name__}>")
    elif s.requires_grad:
        suffixes.append("requires_grad=True")
    shown = printing._with_suffixes(prefix + text, suffixes, indent)
    return f"Parameter containing:\n{shown}" if getattr(s, "_is_param", False) else shown


def _part(t: Tensor, indent: int) -> str:
    array = t._numpy("repr")
    if array.size:
        return f"tensor({printing.format_array(array, indent + len('tensor('))})"
    return f"tensor([], size={tuple(t.shape)})"
