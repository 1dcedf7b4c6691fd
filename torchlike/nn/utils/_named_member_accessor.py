"""`NamedMemberAccessor`: tensors of a module tree read, set, deleted and swapped by dotted name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torchlike._src.tensor.core import Tensor
from torchlike.nn.modules.module import Module

_MISSING: Any = object()


def set_tensor(module: Module, name: str, tensor: Tensor) -> None:
    """Set one of the module's own tensors, without the checks of an assignment."""
    if tensor is _MISSING:
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    swap_tensor(module, name, tensor, allow_missing=True)


def swap_tensor(module: Module, name: str, tensor: Any, allow_missing: bool = False) -> Any:
    """Set (or, for ``_MISSING``, delete) one of the module's own tensors; returns what was there.

    Raises:
        KeyError: for a name with a dot, or an empty one.
        AttributeError: if there is no such tensor and ``allow_missing`` is not set.
        TypeError: if either is not a tensor.
    """
    if not isinstance(module, Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if tensor is not _MISSING and not isinstance(tensor, Tensor) and tensor is not None:
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    if "." in name:
        raise KeyError('tensor name can\'t contain "."')
    if name == "":
        raise KeyError('tensor name can\'t be empty string ""')

    registry = next((r for r in (module._parameters, module._buffers) if name in r), None)
    if registry is not None:
        before = registry[name]
        if tensor is _MISSING:
            del registry[name]
        else:
            registry[name] = tensor
        return before
    before = getattr(module, name, _MISSING)
    if before is _MISSING and not allow_missing:
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    if before is not _MISSING and not isinstance(before, Tensor) and before is not None:
        raise TypeError(f"attribute `{name}`: {before} is not an instance of torch.Tensor")
    if tensor is not _MISSING:
        setattr(module, name, tensor)
    elif before is not _MISSING:
        delattr(module, name)
    return before


def swap_submodule(module: Module, name: str, submodule: Module) -> Module:
    """Set one of the module's own submodules; returns the one that was there."""
    if not isinstance(module, Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if not isinstance(submodule, Module):
        raise TypeError(f"{submodule} is not an instance of torch.nn.Module")
    if "." in name:
        raise KeyError('submodule name can\'t contain "."')
    if name == "":
        raise KeyError('submodule name can\'t be empty string ""')
    if name not in module._modules:
        raise KeyError(f"submodule {name} does not exist")
    before = module._modules[name]
    if not isinstance(before, Module):
        raise TypeError(f"{name} attribute is not an instance of torch.nn.Module")
    module._modules[name] = submodule
    return before


class NamedMemberAccessor:
    """Access to the tensors below ``module`` by dotted name; remembers the submodules it passed."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.memo: dict[str, Module] = {"": module}

    def get_submodule(self, name: str) -> Module:
        """The submodule at a dotted path, the module itself for the empty one."""
        if name not in self.memo:
            path, _, attribute = name.rpartition(".")
            parent = self.get_submodule(path)
            try:
                submodule = getattr(parent, attribute)
            except AttributeError as error:
                raise AttributeError(f"{parent._get_name()} has no attribute `{attribute}`") from error
            if not isinstance(submodule, Module):
                raise TypeError(f"submodule `{name}`: {submodule} is not an instance of torch.nn.Module")
            self.memo[name] = submodule
        return self.memo[name]

    def _owner(self, name: str) -> tuple[Module, str]:
        path, _, attribute = name.rpartition(".")
        return self.get_submodule(path), attribute

    def swap_submodule(self, path: str, value: Module) -> Module:
        """Set a submodule; returns the one that was there."""
        return swap_submodule(*self._owner(path), value)

    def get_tensor(self, name: str) -> Tensor | None:
        """The tensor at a dotted path."""
        module, attribute = self._owner(name)
        try:
            tensor = getattr(module, attribute)
        except AttributeError as error:
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`") from error
        if not isinstance(tensor, Tensor) and tensor is not None:
            raise TypeError(f"{tensor} is not an instance of torch.Tensor")
        return tensor

    def set_tensor(self, name: str, value: Tensor) -> None:
        """Set the tensor at a dotted path."""
        set_tensor(*self._owner(name), value)

    def del_tensor(self, name: str) -> None:
        """Delete the tensor at a dotted path."""
        module, attribute = self._owner(name)
        try:
            delattr(module, attribute)
        except AttributeError as error:
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`") from error

    def swap_tensor(self, name: str, value: Any, allow_missing: bool = False) -> Any:
        """Set the tensor at a dotted path; returns the one that was there."""
        return swap_tensor(*self._owner(name), value, allow_missing=allow_missing)

    def get_tensors(self, names: Iterable[str]) -> list[Tensor | None]:
        """The tensors at dotted paths."""
        return [self.get_tensor(name) for name in names]

    def set_tensors(self, names: Iterable[str], values: Iterable[Tensor]) -> None:
        """Set the tensors at dotted paths."""
        for name, value in _same_length(names, values):
            self.set_tensor(name, value)

    def set_tensors_dict(self, named_tensors: dict[str, Tensor]) -> None:
        """Set the tensors at dotted paths."""
        for name, value in named_tensors.items():
            self.set_tensor(name, value)

    def del_tensors(self, names: Iterable[str]) -> None:
        """Delete the tensors at dotted paths."""
        for name in names:
            self.del_tensor(name)

    def swap_tensors(self, names: Iterable[str], values: Iterable[Any], allow_missing: bool = False) -> list[Any]:
        """Set the tensors at dotted paths; returns those that were there."""
        return [self.swap_tensor(name, value, allow_missing) for name, value in _same_length(names, values)]

    def swap_tensors_dict(self, named_tensors: dict[str, Any], allow_missing: bool = False) -> tuple[dict[str, Any], list[str]]:
        """Set the tensors at dotted paths; returns those that were there, and the names that were not.

        If anything raises, everything is as it was.
        """
        before: dict[str, Any] = {}
        try:
            for name, tensor in named_tensors.items():
                before[name] = self.swap_tensor(name, tensor, allow_missing=True)
            missing = [name for name, tensor in before.items() if tensor is _MISSING]
            if missing and not allow_missing:
                raise RuntimeError(f"Missing key(s): {', '.join(map(repr, missing))}.")
        except Exception:
            for name, tensor in before.items():
                self.swap_tensor(name, tensor, allow_missing=True)
            raise
        return before, missing

    def check_keys(self, keys: Iterable[str]) -> tuple[list[str], list[str]]:
        """Names of tensors that are not among ``keys``, and keys that are no names of tensors."""
        given = set(keys)
        valid = {name for name, _ in self.named_tensors(remove_duplicate=False)}
        return sorted(valid - given), sorted(given - valid)

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """As `Module.named_parameters`."""
        yield from self.module.named_parameters(remove_duplicate=remove_duplicate)

    def named_buffers(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """As `Module.named_buffers`."""
        yield from self.module.named_buffers(remove_duplicate=remove_duplicate)

    def named_tensors(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Parameters, then buffers."""
        yield from self.named_parameters(remove_duplicate)
        yield from self.named_buffers(remove_duplicate)

    def named_modules(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """As `Module.named_modules`."""
        yield from self.module.named_modules(remove_duplicate=remove_duplicate)


def _same_length(names: Iterable[str], values: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    names, values = list(names), list(values)
    if len(names) != len(values):
        raise AssertionError(f"names and values must have the same length, got {len(names)} names and {len(values)} values")
    return zip(names, values, strict=True)
