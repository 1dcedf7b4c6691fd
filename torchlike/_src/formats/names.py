"""torch's names in our files: which of our classes and functions a global in a pickle means, and back.

Files hold torch's names only, so that either library reads the other's. Ours differ by the package
(``torch`` / ``torchlike``), by what we keep under ``_src``, and by what torch keeps in C.
"""

import importlib
import pickle

from torchlike._src.operators.registry import OPS

_REBUILD = "torchlike._src.formats.rebuild"
#: Modules of torch that are called differently here; the longest prefix wins.
_OURS = {
    "torch": "torchlike",
    "torch._utils": _REBUILD,
    "torch._C._nn": "torchlike.nn.functional",
    "torch._C": "torchlike",
    "torch._tensor": "torchlike",
    "torch.tensor": "torchlike",  # before torch 1.7
    "torch.storage": "torchlike.storage",
    "torchvision": "torchlike.vision",
}
#: Single names of torch that lie elsewhere here; an empty name means the module itself.
_OURS_BY_NAME = {
    ("torch._tensor", "_rebuild_from_type_v2"): (_REBUILD, "_rebuild_from_type_v2"),
    ("torch.serialization", "_get_layout"): (_REBUILD, "_get_layout"),
    ("torch._C", "_VariableFunctionsClass"): ("torchlike", ""),  # getattr(it, "tanh") is torch.tanh
    ("torch._C", "TensorBase"): ("torchlike", "Tensor"),
    ("torch._C", "_TensorBase"): ("torchlike", "Tensor"),
}
_TORCHS_BY_NAME = {
    (_REBUILD, "_rebuild_from_type_v2"): ("torch._tensor", "_rebuild_from_type_v2"),
    (_REBUILD, "_get_layout"): ("torch.serialization", "_get_layout"),
}
#: Where something from ``_src`` may be public, in this order.
_PUBLIC = ("", ".nn.functional", ".nn", ".linalg", ".fft", ".special", ".autograd", ".nn.parameter")


def our_name(module: str, name: str) -> tuple[str, str]:
    """Where torch's ``module.name`` lies here; what is not torch's stays as it is."""
    if (module, name) in _OURS_BY_NAME:
        return _OURS_BY_NAME[module, name]
    if name.endswith("Storage") and module in ("torch", "torch.cuda", "torch.storage"):
        return "torchlike.storage", name
    prefix = module
    while prefix and prefix not in _OURS:
        prefix = prefix.rpartition(".")[0]
    if not prefix or (prefix in ("torch._C", "torch._tensor", "torch.tensor") and prefix != module):
        return module, name
    return _OURS[prefix] + module[len(prefix) :], name


def torch_name(module: str, name: str) -> tuple[str, str]:
    """Under which name torch knows our ``module.name``; what is not ours stays as it is."""
    if (module, name) in _TORCHS_BY_NAME:
        return _TORCHS_BY_NAME[module, name]
    if module == _REBUILD:
        return "torch._utils", name
    if module == "torchlike.storage" and name not in ("TypedStorage", "UntypedStorage"):
        return "torch", name
    if module == "torchlike.vision" or module.startswith("torchlike.vision."):
        return module.replace("torchlike.vision", "torchvision", 1), name
    if module == "torchlike" or module.startswith("torchlike."):
        return module.replace("torchlike", "torch", 1), name
    return module, name


def torch_name_of(value: object, name: str) -> tuple[str, str] | None:
    """Under which name a file may refer to an object of ours called ``name``; None for what is not ours.

    Raises:
        PicklingError: if it has no name that torch has too.
    """
    module = getattr(value, "__module__", None) or ""
    if module.partition(".")[0] not in ("torch", "torchlike", "torchvision"):
        return None
    private = module.startswith("torchlike._src.") and module != _REBUILD
    places = [] if private else [torch_name(module, name)]
    if private or module == "torch":
        places += [("torch" + place, name) for place in _PUBLIC]
        published = (full for op in OPS.values() if value in (op.fn, op.call) for full in op.names)
        places += [(f"torch.{full}".rpartition(".")[0], full.rpartition(".")[2]) for full in published]
    for place in places:
        try:
            if find(*place) is value:
                return place
        except AttributeError:
            continue
    if module.startswith("torchlike") or any(value is op.call for op in OPS.values()):
        raise pickle.PicklingError(f"{module}.{name} has no public name, so a file that names it could not be read back")
    return None  # an object of the real torch


def find(module: str, name: str) -> object:
    """The object that torch's ``module.name`` stands for here.

    Raises:
        AttributeError: if we have no such thing.
    """
    place, ours = our_name(module, name)
    try:
        value: object = importlib.import_module(place)
        for part in ours.split(".") if ours else ():
            value = getattr(value, part)
    except (ImportError, AttributeError):
        raise AttributeError(
            f"Can't get attribute {name!r} on {module}: the file names {module}.{name}, which torchlike does not "
            "have. Save the state_dict() instead of the whole object, or define the class before loading."
        ) from None
    return value
