"""Shows the progress of a long command: one line that is kept current on a terminal, a line every 10 s in a log."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from django.core.management.base import OutputWrapper

_EVERY_S = 0.2
_EVERY_S_IN_A_LOG = 10.0
_CELLS = 30


class Progress:
    """Shows progress on a command's stderr. As a context manager, it ends the line, and says how far it was stopped.

    what: what is counted, as in "leads exported".
    """

    def __init__(self, what: str, stderr: OutputWrapper, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._stderr, self._clock = what, stderr, clock
        self._is_terminal = stderr.isatty()
        self._started = clock()
        self._shown = self._started if not self._is_terminal else 0.0
        self._width = 0
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._width:
            self._write("\n")
        if kind and issubclass(kind, KeyboardInterrupt):
            self._write(f"{self._done:,} {self._what} when it was stopped\n")

    def show(self, done: int, fraction: float) -> None:
        """Report progress. done: how many so far; fraction: of the whole, from 0 to 1."""
        self._done = done
        now = self._clock()
        is_due = now - self._shown >= (_EVERY_S if self._is_terminal else _EVERY_S_IN_A_LOG)
        if not is_due and not (self._is_terminal and fraction >= 1):
            return
        self._shown = now
        text = f"{done:,} {self._what}, {fraction:.0%}, {self._left(now, fraction)}"
        if self._is_terminal:
            filled = round(_CELLS * fraction)
            text = f"[{'#' * filled}{'-' * (_CELLS - filled)}] {text}"
            self._write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self._write(text + "\n")

    def _left(self, now: float, fraction: float) -> str:
        took = now - self._started
        if fraction >= 1:
            return f"took {_clock_time(took)}"
        return f"{_clock_time(took / fraction - took)} left" if fraction else "just begun"

    def _write(self, text: str) -> None:
        self._stderr.write(text, style_func=str, ending="")
        self._stderr.flush()


def _clock_time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02.0f}"
