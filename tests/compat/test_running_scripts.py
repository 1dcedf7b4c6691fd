"""Unmodified scripts: what they see of torch, of their arguments and of themselves is what `python` shows them."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def launch(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, text=True, capture_output=True, timeout=120,
        env=os.environ | {"PYTHONPATH": path} | environment,
    )  # fmt: skip


def write(folder: Path, text: str, name: str = "script.py") -> str:
    (folder / name).write_text(text)
    return name


def run(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return launch("-m", "torchlike", "run", write(folder, text), *arguments, cwd=folder)


def output(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_torch_is_torchlike_module_by_module(tmp_path: Path) -> None:
    text = """
import torch, torch.nn, torch.nn.functional as F, torch.utils.data, torchvision
from torch.optim import SGD
from torch.utils.data import DataLoader
import sys, torchlike, torchlike.vision, importlib.metadata, importlib.util
assert torch is torchlike and torch.nn is torchlike.nn and F is torchlike.nn.functional
assert torch.utils.data.DataLoader is torchlike.utils.data.DataLoader is DataLoader
assert torchvision is torchlike.vision and SGD is torchlike.optim.SGD
assert sys.modules["torch.nn"] is sys.modules["torchlike.nn"]
assert torchlike.__spec__.name == "torchlike" and torchlike.nn.__spec__.name == "torchlike.nn"
assert importlib.util.find_spec("torch") and importlib.util.find_spec("torch.nn")
assert importlib.util.find_spec("numpy").name == "numpy"
print(torch.__version__, importlib.metadata.version("torch"), importlib.metadata.version("torchvision") != "0")
x = torch.tensor([1.0, 2.0], requires_grad=True)
(x * x).sum().backward()
print(x.grad.tolist(), isinstance(x, torch.Tensor))
"""
    assert output(run(tmp_path, text)).splitlines() == ["2.13.0 2.13.0 True", "[2.0, 4.0] True"]


def test_a_script_sees_itself_as_python_would_show_it(tmp_path: Path) -> None:
    text = """
import sys, os, __main__, inspect, pickle
class Thing: pass
print(__name__, __file__, sys.argv, sys.path[0], __spec__, __doc__, __package__)
print(__main__.Thing is Thing, pickle.loads(pickle.dumps(Thing)) is Thing, Thing.__module__)
print(inspect.getsource(Thing).strip(), sorted(k for k in globals() if k.startswith("__")))
"""
    name = write(tmp_path, text)
    plain = output(launch(name, "--lr", "0.1", "-m", cwd=tmp_path))
    assert output(run(tmp_path, text, "--lr", "0.1", "-m")) == plain


def test_a_traceback_shows_the_script_alone(tmp_path: Path) -> None:
    text = "def f():\n    raise ValueError('oh')\n\nf()\n"
    name = write(tmp_path, text)
    plain, ours = launch(name, cwd=tmp_path), run(tmp_path, text)
    assert ours.stderr.replace(f'"{name}"', f'"{tmp_path / name}"') == plain.stderr.replace(f'"{name}"', f'"{tmp_path / name}"')
    assert ours.returncode == plain.returncode == 1


@pytest.mark.parametrize(
    ("text", "status"), [("import sys; sys.exit(3)", 3), ("raise SystemExit('no')", 1), ("x = (", 1), ("", 0)]
)
def test_exit_statuses_pass_through(tmp_path: Path, text: str, status: int) -> None:
    done = run(tmp_path, text)
    assert done.returncode == status
    assert "torchlike" not in done.stderr


def test_what_torchlike_lacks_is_a_missing_module_with_torch_s_name(tmp_path: Path) -> None:
    text = """
try:
    import torch.not_there
except ImportError as error:
    print(type(error).__name__, error.name, str(error).split(" (")[0])
import torch.not_there.either
"""
    done = run(tmp_path, text)
    assert done.stdout == "ModuleNotFoundError torch.not_there No module named 'torch.not_there'\n"
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: No module named 'torch.not_there'")
    assert "compat.py" not in done.stderr


def test_modules_run_too_and_their_packages_see_torchlike(tmp_path: Path) -> None:
    package = tmp_path / "project"
    package.mkdir()
    write(package, "import torch\nname = torch.__name__\n", "__init__.py")
    write(package, "import sys\nfrom . import name\nprint(name, __name__, __package__, sys.argv[1:])\n", "train.py")
    done = launch("-m", "torchlike", "run", "-m", "project.train", "--epochs", "1", cwd=tmp_path)
    assert output(done) == "torchlike __main__ project ['--epochs', '1']\n"


def test_a_zip_file_with_a_main_module_runs(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("__main__.py", "import sys, torch\nprint(torch.__name__, __name__, sys.argv)\n")
    done = launch("-m", "torchlike", "run", "app.zip", "a", cwd=tmp_path)
    assert output(done) == "torchlike __main__ ['app.zip', 'a']\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_child_processes_import_torchlike_too(tmp_path: Path, method: str) -> None:
    text = f"""
import multiprocessing, torch
def child(queue):
    import torch
    queue.put(torch.__name__)
if __name__ == "__main__":
    context = multiprocessing.get_context("{method}")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(queue.get(timeout=60))
    process.join()
"""
    assert output(run(tmp_path, text)) == "torchlike\n"


def test_real_torch_in_the_same_process_is_an_error_that_says_so(tmp_path: Path) -> None:
    text = "import torch, torchlike.compat\ntorchlike.compat.install()\n"
    done = launch(write(tmp_path, text), cwd=tmp_path)
    assert done.returncode == 1
    assert "RuntimeError: torchlike cannot stand in for torch in this process" in done.stderr


def test_uninstall_brings_real_torch_back(tmp_path: Path) -> None:
    text = """
import torchlike.compat
torchlike.compat.install()
torchlike.compat.install()
import torch
print(torch.__name__)
torchlike.compat.uninstall()
import torch
print(torch.__name__)
"""
    assert output(launch(write(tmp_path, text), cwd=tmp_path)) == "torchlike\ntorch\n"


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ([], 0, "usage:"),
        (["--help"], 0, "usage:"),
        (["run"], 2, "expected the name of a script"),
        (["run", "-m"], 2, "expected the name of a module"),
        (["run", "missing.py"], 2, "no such file"),
        (["run", "--wrong", "x.py"], 2, "unknown option '--wrong'"),
        (["walk"], 2, "unknown command 'walk'"),
    ],
)
def test_the_command_line_explains_itself(tmp_path: Path, arguments: list[str], status: int, sentence: str) -> None:
    done = launch("-m", "torchlike", *arguments, cwd=tmp_path)
    assert done.returncode == status
    assert sentence in done.stdout + done.stderr


def test_explain_reports_the_programs_of_a_script(tmp_path: Path) -> None:
    text = "import torch\nx = torch.ones(3)\nfor _ in range(3):\n    x = x * 2\nprint(x.tolist())\n"
    done = launch("-m", "torchlike", "run", "--explain", write(tmp_path, text), cwd=tmp_path)
    assert output(done) == "[8.0, 8.0, 8.0]\n"
    assert "program" in done.stderr
