"""Arguments that several commands take."""

from argparse import ArgumentTypeError
from datetime import date


def day(text: str) -> date:
    """Return the date of an argument such as 2026-11-28; ArgumentTypeError when it is not one."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a day of the calendar, written as 2026-11-28") from None
