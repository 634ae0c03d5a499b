"""Where log lines go: stderr, for as long as somebody takes them.

Whoever reads a service's log can hang: a frozen journal, a container's log driver, a terminal on hold. A plain handler
then waits, with every thread that has something to say behind it, and customers behind those.
"""

import logging
import os
import select
import stat

_STDERR = 2
# A pipe that says it has room has it for so many bytes (PIPE_BUF).
_PIECE = 4096


class UnblockedStream(logging.Handler):
    """Writes to stderr what it takes at once, and counts the lines that it did not."""

    def __init__(self) -> None:
        super().__init__()
        self._may_block = not _is_file(_STDERR)
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:  # broad: a line that cannot be written must not fail whoever logs it, as in logging itself
            self.handleError(record)
            return
        if self._lost:
            text = f"{self._lost} log lines were lost: nobody took them\n{text}"
        self._lost = 0 if self._write(text + "\n") else self._lost + 1

    def _write(self, text: str) -> bool:
        """Return whether all of it was taken; of a long one, a reader that hangs may have taken the beginning."""
        left = text.encode(errors="backslashreplace")
        try:
            while left:
                if self._may_block and not _has_room(_STDERR):
                    return False
                left = left[os.write(_STDERR, left[:_PIECE]) :]
        except OSError:
            return False  # nobody is there any more
        return True


def _is_file(fd: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:  # closed
        return False


def _has_room(fd: int) -> bool:
    watch = select.poll()
    watch.register(fd, select.POLLOUT)
    return any(event & select.POLLOUT for _, event in watch.poll(0))
