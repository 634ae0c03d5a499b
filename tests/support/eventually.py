"""Waiting for what comes true by itself."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 20


def eventually(
    condition: Callable[[], Any], *, within_s: float = PATIENCE_S, or_show: Callable[[], object] = str
) -> Any:
    """Return what the condition gives as soon as that is true; AssertionError when it is not true in time.

    or_show: gives what the failure says, such as a server's log.
    """
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come true within {within_s} s\n{or_show()}")
        time.sleep(0.02)
    return value
