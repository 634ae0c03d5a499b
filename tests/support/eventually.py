"""Waits for a condition, with a limit."""

import time
from collections.abc import Callable
from typing import Any

# A start takes two seconds, on a busy machine ten times as long.
PATIENCE_S = 45


def eventually(
    condition: Callable[[], Any], *, within_s: float = PATIENCE_S, or_show: Callable[[], object] = str
) -> Any:
    """Return the condition's value as soon as it is true; AssertionError if it is not true in time.

    or_show: returns more for the error's message, such as a server's log.
    """
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"the condition was not true within {within_s} s\n{or_show()}")
        time.sleep(0.02)
    return value
