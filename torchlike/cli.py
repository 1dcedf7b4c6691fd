"""The command line: ``torchlike run script.py ARGS``, also as ``python -m torchlike run script.py ARGS``."""

import os
import sys
from collections.abc import Sequence

USAGE = """\
usage: torchlike run [OPTIONS] SCRIPT [ARGS ...]      run an unmodified PyTorch script on JAX
       torchlike run [OPTIONS] -m MODULE [ARGS ...]   the same for a module
       torchlike --version

In the script, and in all that it imports, `import torch` and `import torchvision` mean torchlike.

options of run:
  --explain   print, when the script ends, which programs were built and what made each run
  --eager     run every op at once, for debugging
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status; a script's own `sys.exit` passes through."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    if arguments[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"torchlike {version('torchlike')}")
        return 0
    if arguments[0] == "run":
        return _run(arguments[1:])
    return _refuse(f"unknown command {arguments[0]!r}")


def _refuse(reason: str) -> int:
    print(f"torchlike: {reason}\n\n{USAGE}", end="", file=sys.stderr)
    return 2


def _run(arguments: list[str]) -> int:
    explain = eager = module = False
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option == "--explain":
            explain = True
        elif option == "--eager":
            eager = True
        elif option == "-m":
            module = True
            break
        elif option in ("-h", "--help"):
            print(USAGE, end="")
            return 0
        else:
            return _refuse(f"run: unknown option {option!r}; options of the script come after its name")
    if not arguments:
        return _refuse(f"run: expected the name of a {'module' if module else 'script'}")
    target, rest = arguments[0], arguments[1:]
    if not module and not os.path.exists(target):
        print(f"torchlike: can't open file {os.path.abspath(target)!r}: no such file", file=sys.stderr)
        return 2

    import torchlike
    from torchlike import compat

    if explain:
        import atexit

        atexit.register(lambda: print(torchlike.explain(), file=sys.stderr))
    start = compat.run_module if module else compat.run_script
    if eager:
        with torchlike.eager():
            start(target, rest)
    else:
        start(target, rest)
    return 0
