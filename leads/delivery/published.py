"""A daemon thread in each web process: what was published is served here within seconds (quoter/shop).

Each process looks at the disk once a second. Of those on a machine, the one that holds a lock on a file asks Postgres
every two seconds, unless the relay knows that Postgres is down. Requests never wait for this thread.
"""

import logging
from contextlib import suppress
from typing import IO

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connections

from leads.delivery import relay
from leads.delivery.journal import disk
from leads.delivery.system import open, threading
from leads.errors import error_name
from quoter import share
from quoter.shop import carrying, served
from quoter.shop.shelf import FOLDER

LOOK_EVERY_S = 1.0
ASK_EVERY = 2  # looks
LOCK = "lock"

logger = logging.getLogger(__name__)


class PublishedWorker:
    """Start it after the fork: a process that was forked later serves what is on the disk from its first request."""

    def __init__(self, *, every_s: float = LOOK_EVERY_S) -> None:
        self._every_s = every_s
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="published", daemon=True)
        self._lock: IO[bytes] | None = None
        self._last_fault = ""

    def start(self) -> None:
        served.look()
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its current round."""
        self._is_stopping.set()
        self._thread.join()

    def _run(self) -> None:
        connections["default"].has_its_own = True  # type: ignore[attr-defined]
        looks = 0
        while not self._is_stopping.wait(self._every_s):
            try:
                if looks % ASK_EVERY == 0 and self._is_on_duty():
                    self._carry()
                if served.look() and self._lock:
                    share.draw_in_background()  # one process of the machine draws
            except Exception as error:  # broad: a thread that dies would serve old prices for ever
                self._failed(error)
            looks += 1
        connections["default"].close()
        if self._lock:
            self._lock.close()

    def _carry(self) -> None:
        if relay.of_this_process().database_state != "up":
            return
        if connections["default"].connection is None:
            with relay.of_this_process().turns.connecting():
                connections["default"].ensure_connection()
        carrying.carry()
        self._last_fault = ""

    def _failed(self, error: Exception) -> None:
        is_of_database = isinstance(error, DatabaseError | InterfaceError)
        if isinstance(error, OperationalError | InterfaceError):  # not of a table that `migrate` has yet to make
            connections["default"].close()  # the relay finds an outage by itself
        if (fault := error_name(error)) != self._last_fault:  # logged once, not every two seconds
            logger.warning("published versions: %s", fault, exc_info=None if is_of_database else error)
        self._last_fault = fault

    def _is_on_duty(self) -> bool:
        if self._lock:
            return True
        folder = settings.OUTBOX_DIRECTORIES[0] / FOLDER
        try:
            disk.make_directory(folder)
            lock = open(folder / LOCK, "ab", opener=disk.private)  # noqa: SIM115  (kept open to hold the lock)
        except OSError:
            return True  # without a lock file every process carries, which is one small query more
        with suppress(OSError):
            if disk.lock(lock.fileno()):
                self._lock = lock
                return True
        lock.close()
        return False
