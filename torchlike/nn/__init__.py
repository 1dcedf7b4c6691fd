"""Neural networks: modules, parameters, and functions of tensors."""

from __future__ import annotations

from typing import Any

from torchlike.nn import attention, functional, grad, init, modules, parameter, utils
from torchlike.nn.modules import *  # noqa: F403 - torch's own way: the names are modules.__all__
from torchlike.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """The keywords that make a tensor (``device``, ``dtype``, ``memory_format``) out of a module's keywords.

    Args:
        kwargs: these keywords, or ``factory_kwargs`` with a dict of them; a keyword may not be in both.
    """
    if kwargs is None:
        return {}
    simple = {"device", "dtype", "memory_format"}
    unexpected = kwargs.keys() - simple - {"factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for key in simple & kwargs.keys():
        if key in found:
            raise TypeError(f"{key} specified twice, in **kwargs and in factory_kwargs")
        found[key] = kwargs[key]
    return found
