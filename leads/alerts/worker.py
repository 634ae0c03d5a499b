"""The alerts worker: a daemon thread of each web process that sends alerts, so that a small shop needs no second
process.

A lock on a file lets one process of a machine do it. Without such a file, and with several machines, each recipient is
claimed in Postgres before a message. Nothing of this is on a customer's way.
"""

import fcntl
import logging
import threading
from contextlib import suppress
from typing import IO

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from leads.alerts.sending import send_alerts
from leads.delivery import relay
from leads.delivery.journal.disk import make_directory
from leads.errors import error_name

EVERY_S = 5.0
LOCK = "alerts.lock"

logger = logging.getLogger("leads.alerts")


class AlertsWorker:
    """Start it after the fork. every_s: the pause between two rounds."""

    def __init__(self, *, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts worker", daemon=True)
        self._lock: IO[bytes] | None = None
        self._last_fault = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after what it is doing."""
        self._is_stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_stopping.wait(self._every_s):
            try:
                our_relay = relay.of_this_process()
                if self._is_on_duty() and our_relay.database_state == "up":
                    if connections["default"].connection is None:
                        with our_relay.turns.connecting():
                            connections["default"].ensure_connection()
                    send_alerts(timezone.now())
                    self._last_fault = ""
            except Exception as error:  # broad: a worker that dies tells nobody any more; one that goes on may
                self._failed(error)
        connections["default"].close()
        if self._lock:
            self._lock.close()

    def _failed(self, error: Exception) -> None:
        is_of_database = isinstance(error, DatabaseError | InterfaceError)
        if is_of_database:
            connections["default"].close()
            relay.of_this_process().look_again()  # the next round comes when the relay has seen Postgres well
        if (fault := error_name(error)) != self._last_fault:  # once, not once a round
            logger.warning("alerts failed: %s", fault, exc_info=None if is_of_database else error)
        self._last_fault = fault

    def _is_on_duty(self) -> bool:
        if self._lock:
            return True
        directory = settings.OUTBOX_DIRECTORIES[0]
        try:
            make_directory(directory)
            lock = open(directory / LOCK, "ab")  # noqa: SIM115  (held as long as we are)
        except OSError:
            return True  # no disk to agree on: better twice than never
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._lock = lock
            return True
        lock.close()
        return False
