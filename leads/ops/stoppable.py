"""Ends a long command in order when somebody stops it: Ctrl-C, a closed terminal, a host that restarts the machine."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal asked the command to stop. As with Ctrl-C, no code that handles errors catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stoppable:
    """Mixed into a command that takes long. Files and transactions are cleaned up, and it ends with one line.

    after_stop: what this line says of what was done and of how to go on.
    """

    after_stop = "What was done so far stays. Run it again: it goes on."

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            with signals_as_exceptions():
                return super().execute(*args, **options)  # type: ignore[misc]
        except Stopped as stopped:
            raise CommandError(f"Stopped. {self.after_stop}", returncode=128 + stopped.number) from stopped
        except KeyboardInterrupt as stopped:
            raise CommandError(f"Stopped. {self.after_stop}", returncode=128 + signal.SIGINT) from stopped


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Raise Stopped in the main thread when one of the signals arrives. In another thread nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A signal that nohup or a parent process ignores stays ignored.
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _stop) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: object) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # a second one must not interrupt the cleaning up
    raise Stopped(number)
