"""How errors are written down: never by their message, which may hold a person."""

import traceback
from pathlib import Path


def named(error: BaseException) -> str:
    """Name an error without its message, in which Postgres repeats the row: the class, and the SQLSTATE if any."""
    code = getattr(error.__cause__, "sqlstate", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def place_of(error: BaseException) -> str:
    """Say where an error was raised: its traceback's frames hold no values, its message might."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
