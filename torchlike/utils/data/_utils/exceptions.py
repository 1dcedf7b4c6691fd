"""Bringing an exception, and the traceback it had, from one process to another."""

import sys
import traceback
from typing import Any, NoReturn


class KeyErrorMessage(str):
    """A message that KeyError prints as it is; it shows the repr of any other string."""

    def __repr__(self) -> str:
        return self


class ExceptionWrapper:
    """The exception that is being handled, as its type and the text of its traceback.

    Args:
        where: goes into the message: "in DataLoader worker process 0".
    """

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        kind, value, trace = exc_info or sys.exc_info()
        self.exc_type: Any = kind
        self.exc_msg = "".join(traceback.format_exception(kind, value, trace))
        self.where = where

    def reraise(self) -> NoReturn:
        """Raise an exception of the same type, whose message holds the original traceback."""
        message = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            message = KeyErrorMessage(message)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=message)
        try:
            exception = self.exc_type(message)
        except Exception:  # its constructor wants something else
            raise RuntimeError(message) from None
        raise exception
