"""Every op once, by family: pure functions of JAX arrays."""

import importlib
import pkgutil


def load() -> None:
    """Import every family, so that all ops are declared."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
