"""Running code that says ``import torch``: an import hook, and a way to run scripts under it.

Once `install` has run, ``import torch...`` gives the very modules of ``torchlike...``, ``import torchvision...`` those
of ``torchlike.vision...``, and ``importlib.metadata`` knows both distributions. `run_script` and `run_module` run a
program as ``python`` would, in this process.
"""

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import io
import os
import runpy
import sys
import types
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

#: Where the modules of other distributions are found here.
ALIASES = {"torch": "torchlike", "torchvision": "torchlike.vision"}
#: Set in the environment of child processes, so that those that start Python anew install the hook too.
MARK = "TORCHLIKE_AS_TORCH"

_OTHER_TORCH = (
    "torchlike cannot stand in for torch in this process: real torch is imported already (from {where}). Start the "
    "script with `python -m torchlike run`, or call torchlike.compat.install() before anything imports torch."
)


def install() -> None:
    """Make ``import torch`` and ``import torchvision`` mean torchlike, from now on, in this process.

    Forked children inherit it; children that start Python anew through `multiprocessing` get it too.

    Raises:
        RuntimeError: real torch is imported already.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    for name in ALIASES:
        if name in sys.modules:
            raise RuntimeError(_OTHER_TORCH.format(where=getattr(sys.modules[name], "__file__", "nowhere")))
    sys.meta_path.insert(0, _Finder())
    os.environ[MARK] = "1"
    _cover_spawned_children()


def uninstall() -> None:
    """Undo `install`: ``import torch`` means what is installed again. What was imported meanwhile keeps its modules."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    os.environ.pop(MARK, None)
    for name in [name for name in sys.modules if name.partition(".")[0] in ALIASES]:
        del sys.modules[name]


def _ours(name: str) -> str | None:
    """``torch.nn`` → ``torchlike.nn``; None for modules that are none of ours."""
    top, dot, rest = name.partition(".")
    return ALIASES[top] + dot + rest if top in ALIASES else None


def _exists(module: str) -> bool:
    try:
        return module in sys.modules or importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is missing, or no package
        return False


class _Finder(importlib.abc.MetaPathFinder):
    """Answers for torch's names, before anything else is asked."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        ours = _ours(fullname)
        if ours is None:
            return None
        if not _exists(ours):
            # Raised, not returned as None: the next finder would look in our own folder and import a file twice.
            raise ModuleNotFoundError(f"No module named {fullname!r} (torchlike has no {ours!r})", name=fullname)
        return importlib.machinery.ModuleSpec(fullname, _Loader(ours), is_package=True)

    def find_distributions(self, context: Any = None) -> Iterable[importlib.metadata.Distribution]:
        """The distributions that stand for ``torch`` and ``torchvision``."""
        return [_Distribution(name) for name in ALIASES if getattr(context, "name", None) in (None, name)]


class _Loader(importlib.abc.Loader):
    """Puts the module of ours in the place of the one that was asked for: one module under two names."""

    def __init__(self, ours: str) -> None:
        self.ours = ours

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(self.ours)


class _Distribution(importlib.metadata.Distribution):
    """What ``importlib.metadata`` says of a distribution that we stand for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read_text(self, filename: str) -> str | None:
        if filename not in ("METADATA", "PKG-INFO"):
            return None
        version = getattr(importlib.import_module(ALIASES[self._name]), "__version__", "0")
        return f"Metadata-Version: 2.1\nName: {self._name}\nVersion: {version}\nSummary: torchlike in its place\n"

    def locate_file(self, path: Any) -> Path:
        return Path(__file__).parent.parent / path


def _cover_spawned_children() -> None:
    """Children that `multiprocessing` starts by "spawn" or "forkserver" import the script again, as torch's do."""
    from multiprocessing import forkserver, spawn

    original = spawn.get_command_line
    if getattr(original, "covers_torchlike", False):
        return

    def get_command_line(**kwargs: Any) -> list[str]:
        command = original(**kwargs)
        if os.environ.get(MARK) and "-c" in command:
            at = command.index("-c") + 1
            command[at] = f"import torchlike.compat; {command[at]}"
        return command

    get_command_line.covers_torchlike = True  # type: ignore[attr-defined]
    spawn.get_command_line = get_command_line
    preloaded = forkserver._forkserver._preload_modules  # type: ignore[attr-defined]
    forkserver.set_forkserver_preload(["torchlike.compat", *preloaded])


def run_script(path: str, arguments: Sequence[str] = ()) -> None:
    """Run a file as ``python path arguments`` would, under the hook: as ``__main__``, its folder first on the path.

    Args:
        path: a Python file; or a folder or zip file with a ``__main__.py``.
        arguments: ``sys.argv[1:]``.
    """
    install()
    sys.argv[:] = [path, *arguments]
    if os.path.isdir(path) or zipfile.is_zipfile(path):
        _guarded(lambda: runpy.run_path(path, run_name="__main__"))
        return
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    main = types.ModuleType("__main__")
    full = os.path.abspath(path)
    vars(main).update(__file__=full, __builtins__=builtins, __annotations__={}, __cached__=None)
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", full)
    sys.modules["__main__"] = main  # pickling and multiprocessing look the script's classes up here

    def run() -> None:
        with io.open_code(full) as file:
            source = file.read()
        exec(compile(source, path, "exec", dont_inherit=True), vars(main))

    _guarded(run)


def run_module(name: str, arguments: Sequence[str] = ()) -> None:
    """Run a module as ``python -m name arguments`` would, under the hook."""
    install()
    sys.argv[:] = [name, *arguments]  # runpy puts the file's path in place of the name
    _set_first_path(os.getcwd())
    _guarded(lambda: runpy.run_module(name, run_name="__main__", alter_sys=True))


def _set_first_path(folder: str) -> None:
    """``sys.path[0]`` as the script expects it; what is there is the working folder, or the console script's."""
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0:1] = [folder]


def _guarded(run: Callable[[], Any]) -> None:
    """Run it; an exception ends the process as it ends a script: printed, without frames of ours."""
    try:
        run()
    except SystemExit:
        raise
    except BaseException as error:
        sys.stdout.flush()
        sys.excepthook(type(error), error, _visible(error))
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)


def _visible(error: BaseException) -> types.TracebackType | None:
    """The traceback without the frames that run the script and, for a failed import, without the hook's at its end."""
    trace = error.__traceback__
    while trace is not None and _is_machinery(trace):
        trace = trace.tb_next
    if isinstance(error, ImportError) and trace is not None:
        frames = [trace]
        while frames[-1].tb_next is not None:
            frames.append(frames[-1].tb_next)
        while len(frames) > 1 and _is_machinery(frames[-1]):
            frames.pop().tb_next = None
            frames[-1].tb_next = None
    error.__traceback__ = trace
    return trace


def _is_machinery(trace: types.TracebackType) -> bool:
    filename = trace.tb_frame.f_code.co_filename
    return filename in (__file__, runpy.__file__) or filename.startswith(("<frozen runpy", "<frozen importlib"))


if os.environ.get(MARK):  # a child process that was started anew
    install()
