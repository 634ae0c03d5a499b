"""A logging handler that writes to stderr and never blocks.

The reader of a service's log can hang: a frozen journald, a container's log driver, a paused terminal. An ordinary
handler would then block every thread that logs, and so the customers.
"""

import logging
import os
import select
import stat
import threading
from collections.abc import Sequence

_STDERR = 2
# When poll() reports room in a pipe, a write of up to this many bytes does not block (PIPE_BUF).
_CHUNK_BYTES = 4096


class NonBlockingStream(logging.Handler):
    """Writes a line to stderr if that does not block; otherwise drops it, and reports later how many were dropped."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # broad: an error in logging must not reach the code that logs, as in the standard handlers
            self.handleError(record)
            return
        if stderr.lost:
            record = _about_lost(stderr.lost)
            stderr.lost = 0
            stderr.write(self.format(record))
        stderr.write(line)


class _Stderr:
    """lost: how many lines were dropped since that was last said."""

    def __init__(self) -> None:
        self.lost = 0
        self._may_block = not _is_file(_STDERR)
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        with self._lock:
            if not self._write(line + "\n"):
                self.lost += 1

    def _write(self, text: str) -> bool:
        """Return whether the whole text was written; the beginning of a long one may have been."""
        remaining = text.encode(errors="backslashreplace")
        try:
            while remaining:
                if self._may_block and not _has_room(_STDERR):
                    return False
                remaining = remaining[os.write(_STDERR, remaining[:_CHUNK_BYTES]) :]
        except OSError:
            return False  # the reader has closed its end
        return True


class AsNotice(logging.Filter):
    """Logs what strangers did wrong as information, without a traceback.

    beginnings: of the messages that this applies to; the default is all.
    """

    def __init__(self, beginnings: Sequence[str] = ("",)) -> None:
        super().__init__()
        self._beginnings = tuple(beginnings)

    def filter(self, record: logging.LogRecord) -> bool:
        if not str(record.msg).startswith(self._beginnings):
            return True
        record.levelno, record.levelname, record.exc_info = logging.INFO, "INFO", None
        return logging.root.isEnabledFor(logging.INFO)


def _about_lost(lines: int) -> logging.LogRecord:
    text = "%d log lines were lost because nothing read the log"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (lines,), None)


def _is_file(fd: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:  # closed
        return False


def _has_room(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return any(event & select.POLLOUT for _, event in poll.poll(0))


# Every line that this process logs goes through it. Handlers report what is lost.
stderr = _Stderr()
