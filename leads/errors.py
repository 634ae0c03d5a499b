"""Describe errors for logs without their message, which may contain a customer's data."""

import traceback
from pathlib import Path


def error_name(error: BaseException) -> str:
    """Return an error's class and, for Postgres, its SQLSTATE, but not the message, which may repeat the row."""
    code = getattr(error.__cause__, "sqlstate", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def error_location(error: BaseException) -> str:
    """Return where an error was raised, as file:line. The traceback's frames contain no values."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
