"""Run one example and print what it recorded; a process of its own for each run.

    python tests/examples/drive.py torch|torchlike SCRIPT ARGUMENTS

The last line printed is JSON: the losses of every step, and under torchlike how many programs had been built after
each, and how many runs there were.
"""

import json
import pathlib
import runpy
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "examples"), str(ROOT)]


def main(library: str, script: str, arguments: list[str]) -> None:
    """Run it, with `common.Run.record` taking notes."""
    import common

    found: dict[str, Any] = {"losses": [], "programs": [], "runs": []}
    plain = common.Run.record

    def record(self: Any, **losses: Any) -> None:
        plain(self, **losses)
        found["losses"].append([x.detach() for x in losses.values()])
        if library == "torchlike":
            import torchlike

            report = torchlike.explain()
            found["programs"].append(report.programs)
            found["runs"].append(report.runs)

    common.Run.record = record
    if library == "torch":
        from tests.reference import run

        run(script, arguments)
    else:
        import torchlike

        # Random numbers inside a step too are torch's, so that dropout can be compared.
        torchlike.random.set_mode("torch")
        sys.argv = [script, *arguments]
        runpy.run_path(script, run_name="__main__")
    found["losses"] = [[float(x) for x in step] for step in found["losses"]]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
