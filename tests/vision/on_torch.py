"""The vision package on top of real torch: the same source, with ``torch`` in torchlike's place.

It is written against the public API of torch, NumPy and Pillow; so what it gives on the two libraries must agree.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import pathlib
import re
import sys
from types import ModuleType
from typing import Any

import torchlike

NAME = "vision_on_torch"
_SOURCE = pathlib.Path(torchlike.__file__).parent / "vision"


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != NAME and not name.startswith(NAME + "."):
            return None
        place = _SOURCE.joinpath(*name.split(".")[1:])
        file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if not file.exists():
            return None
        return importlib.util.spec_from_file_location(
            name, file, loader=self, submodule_search_locations=[str(place)] if place.is_dir() else None
        )

    def exec_module(self, module: ModuleType) -> None:
        text = pathlib.Path(module.__spec__.origin).read_text()
        text = text.replace("torchlike.vision", NAME)
        text = text.replace("import torchlike as torch", "import torch")
        text = re.sub(r"\btorchlike\b", "torch", text)
        exec(compile(text, module.__spec__.origin, "exec"), module.__dict__)


def vision(torch: ModuleType) -> ModuleType:
    """The vision package for a library: ``vision(torch).transforms.ToTensor()``."""
    if torch is torchlike:
        return importlib.import_module("torchlike.vision")
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    return importlib.import_module(NAME)
