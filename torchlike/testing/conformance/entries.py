"""torch's operator database as entries with public names, and what one must know about some of them."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch

from torchlike.testing.conformance.bridge import name_of, resolve, translate

#: Entries whose values nobody can predict: memory that was never written.
UNDEFINED = {
    "empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided", "resize_", "resize_as_",
}  # fmt: skip
#: Entries that draw random numbers: compared in structure, dtype and shape. That the numbers are torch's own is
#: tested in tests/random, where torch promises a stream.
RANDOM = {
    "bernoulli", "cauchy", "exponential", "geometric", "log_normal", "multinomial", "normal", "rand_like", "randint",
    "randint_like", "randn", "randn_like", "uniform", "svd_lowrank", "pca_lowrank", "nn.functional.rrelu",
    "nn.functional.dropout", "nn.functional.dropout2d", "nn.functional.dropout3d", "nn.functional.alpha_dropout",
    "nn.functional.feature_alpha_dropout", "nn.functional.fractional_max_pool2d",
    "nn.functional.fractional_max_pool3d", "native_dropout_backward",
}  # fmt: skip
#: Entries whose indices are free among equal elements, unless ``stable=True`` is asked for, and which of their arguments after
#: the input is `dim`.
TIES = {"sort": 0, "argsort": 0, "topk": 1, "kthvalue": 1, "median": 0, "nanmedian": 0, "mode": 0}
#: Entries that run on CUDA alone, though the database gives some of them dtypes on the CPU; with why they have nothing to compare.
CUDA_ONLY = {
    **dict.fromkeys(
        ("jiterator_unary", "jiterator_binary", "jiterator_4inputs_with_extra_args", "jiterator_binary_return_by_ref",
         "jiterator_2inputs_2outputs"),
        "compiles CUDA source code: torch's CPU has nothing to compare with",
    ),
    **dict.fromkeys(
        ("torch.ops.aten._flash_attention_forward", "torch.ops.aten._efficient_attention_forward"),
        "a CUDA kernel: torch's CPU has nothing to compare with",
    ),
}  # fmt: skip


def wrapper_set_seed(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The database's way to make random ops repeatable, but one that lets `checks` see that numbers were drawn."""
    torch.manual_seed(42)
    return op(*args, **kwargs)


class Entry:
    """One row of `op_db`: how to call it in torch and in another library.

    Attributes:
        name: the public name with its variant, ``"linalg.norm"``, ``"div.floor_rounding"``; unique.
        info: torch's OpInfo.
    """

    def __init__(self, info: Any) -> None:
        self.info = info
        self.name = info.name + (f".{info.variant_test_name}" if info.variant_test_name else "")

    @property
    def skipped(self) -> str | None:
        """Why torch's CPU has nothing to compare with, or None."""
        if self.info.name in CUDA_ONLY:
            return CUDA_ONLY[self.info.name]
        return None if self.info.supported_dtypes("cpu") else "torch's database has no dtype for it on the CPU"

    def applies(self, check: str) -> bool:
        """Whether the database says that the check makes sense for this entry."""
        info = self.info
        return bool({
            "forward": True,
            "xla": True,
            "method": any(f is not None and f is not info.op for f in (info.method_variant, info.operator_variant)),
            "inplace": info.inplace_variant is not None or info.inplace_operator_variant is not None,
            "out": info.supports_out,
            "gradient": info.supports_autograd,
            "second": info.supports_gradgrad,
            "forward-ad": info.supports_forward_ad,
            "errors": info.error_inputs_func is not None,
        }[check])  # fmt: skip

    def dtypes(self, check: str) -> list[str]:
        """Names of the dtypes in which torch's CPU supports the check."""
        if check == "errors":  # bad inputs choose their own
            return ["float32"]
        found = self.info.supported_dtypes("cpu")
        if check in ("gradient", "second", "forward-ad"):
            found = found & self.info.supported_backward_dtypes("cpu")
        return [name_of(d) for d in found]

    @property
    def comparable(self) -> bool:
        """Whether two right implementations give the same values."""
        return self.info.name not in UNDEFINED and self.info.name not in RANDOM

    def function(self, library: Any) -> Callable[..., Any]:
        """The function form. AttributeError where the library lacks it."""
        return self._translated(self.info.op, library)

    def form(self, kind: str, library: Any) -> Callable[..., Any] | None:
        """The ``method``, ``inplace``, ``operator`` or ``inplace_operator`` form; None where torch has none."""
        found = {
            "method": self.info.method_variant,
            "inplace": self.info.inplace_variant,
            "operator": self.info.operator_variant,
            "inplace_operator": self.info.inplace_operator_variant,
        }[kind]
        return None if found is None else self._translated(found, library)

    def _translated(self, function: Callable[..., Any], library: Any) -> Callable[..., Any]:
        if library is torch or getattr(operator, getattr(function, "__name__", ""), None) is function:
            return function
        # The entry's name says more than the function does, which may be a wrapper with a set seed.
        name = self.info.name.removeprefix("torch.")
        for path in (name, f"Tensor.{name}"):
            try:
                if resolve(torch, path) is function:
                    return resolve(library, path)
            except AttributeError:
                if _exists(torch, path):
                    raise
        translated = translate(function, library)
        if translated is function and getattr(function, "__module__", "").startswith("torch"):
            raise AttributeError(f"no public name for {self.name}")
        if self.public_path is not None:
            resolve(library, self.public_path)  # a wrapper round a missing function is missing too
        return translated

    @property
    def public_path(self) -> str | None:
        """Where torch's users find it; None for what has no public name."""
        name = self.info.name.removeprefix("torch.")
        for path in (name, f"Tensor.{name}", f"Tensor.{name}_"):
            if _exists(torch, path):
                return path
        return None

    def exists(self, library: Any) -> bool:
        """Whether the library has it, under any form."""
        try:
            self.function(library)
        except AttributeError:
            return False
        return True

    def __repr__(self) -> str:
        return f"Entry({self.name})"


def _exists(library: Any, path: str) -> bool:
    try:
        resolve(library, path)
    except AttributeError:
        return False
    return True


def entries(patterns: list[str] | None = None) -> Iterator[Entry]:
    """The entries of `op_db`, those whose name starts with or equals one of `patterns` (all by default)."""
    from torch.testing._internal import common_methods_invocations as database

    database.wrapper_set_seed = wrapper_set_seed  # pyright: ignore[reportPrivateImportUsage]
    for info in database.op_db:
        entry = Entry(info)
        if matches(entry.name, patterns):
            yield entry


def matches(name: str, patterns: list[str] | None) -> bool:
    """``linalg`` selects ``linalg.norm`` but not ``linalg_x``; a trailing ``*`` any ending."""
    if not patterns:
        return True
    return any(name == p or name.startswith(p + ".") or (p.endswith("*") and name.startswith(p[:-1])) for p in patterns)
