"""Run a script written for torchlike under real torch, unchanged: the oracle of the examples.

``import torchlike...`` gives torch's module of that name; ``torchlike.vision`` is our own source, with torch in
torchlike's place (there is no torchvision here). For use in a process of its own::

    python tests/reference.py examples/gan.py --steps 50 --log losses.json
"""

import importlib
import importlib.util
import pathlib
import runpy
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent


class _TorchInstead(MetaPathFinder, Loader):
    """Finds torch's modules under torchlike's names, and our vision where it is."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname.split(".")[0] != "torchlike":
            return None
        if fullname.startswith("torchlike.vision"):
            return _source_of(fullname)
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        sys.modules[name] = importlib.import_module("torch" + name.removeprefix("torchlike"))


def _source_of(name: str) -> ModuleSpec | None:
    place = ROOT.joinpath(*name.split("."))
    if place.is_dir():
        return importlib.util.spec_from_file_location(name, place / "__init__.py", submodule_search_locations=[str(place)])
    return importlib.util.spec_from_file_location(name, place.with_suffix(".py"))


def run(script: str, arguments: list[str]) -> dict[str, Any]:
    """Run a script as ``python script arguments`` would; returns its globals."""
    torch.set_num_threads(1)
    sys.meta_path.insert(0, _TorchInstead())
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(pathlib.Path(script).resolve().parent))
    return runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
