"""What the examples share: their options, a progress bar, and a log of losses. Nothing in here knows torch."""

import argparse
import json
import pathlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any


def arguments(description: str, epochs: int, **more: Any) -> argparse.Namespace:
    """Read the options that every example has.

    Args:
        description: the example's docstring.
        epochs: how many by default.
        more: defaults of further options, by name; their types are those of the defaults.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, xla, ...")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--steps", type=int, default=None, help="stop after so many steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("data"), help="folder of datasets")
    parser.add_argument("--log", type=pathlib.Path, default=None, help="write the losses, step by step, as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    for name, default in more.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    return parser.parse_args()


class Run:
    """One training run: knows when to stop, shows how far it is, and keeps the losses.

    Losses are kept as tensors and read when a number is needed, so that keeping them does not make anything wait.
    """

    SHOW_EVERY = 10

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.losses: list[tuple[Any, ...]] = []
        self.names: tuple[str, ...] = ()
        self._bar: Any = None

    @property
    def done(self) -> bool:
        """Whether the number of steps asked for is reached."""
        return self.args.steps is not None and len(self.losses) >= self.args.steps

    def epochs(self) -> Iterator[int]:
        """The numbers of the epochs, until the run is done; then the log is written."""
        for epoch in range(self.args.epochs):
            if self.done:
                break
            yield epoch
        self._write_log()

    def batches(self, loader: Iterable[Any], epoch: int) -> Iterator[Any]:
        """The batches of one epoch, with a progress bar, until the run is done."""
        self._bar = _progress_bar(loader, f"epoch {epoch + 1}/{self.args.epochs}", self.args.quiet)
        for batch in self._bar:
            yield batch
            if self.done:
                break

    def record(self, **losses: Any) -> None:
        """Keep the losses of one step: tensors or numbers, by name."""
        self.names = tuple(losses)
        self.losses.append(tuple(x.detach() if hasattr(x, "detach") else x for x in losses.values()))
        if len(self.losses) % self.SHOW_EVERY == 0 and hasattr(self._bar, "set_postfix"):
            self._bar.set_postfix(**{name: f"{float(x):.4f}" for name, x in zip(losses, self.losses[-1], strict=True)})

    def _write_log(self) -> None:
        if self.args.log is not None:
            steps = [dict(zip(self.names, map(float, step), strict=True)) for step in self.losses]
            self.args.log.write_text(json.dumps(steps, indent=1))


def _progress_bar(loader: Iterable[Any], description: str, quiet: bool) -> Iterable[Any]:
    if quiet or not sys.stderr.isatty():
        return loader
    try:
        from tqdm import tqdm
    except ImportError:  # comes with the extra "examples"
        return loader
    return tqdm(loader, desc=description, leave=False)
