"""The alerts worker: a daemon thread in each web process that sends alerts, so that no second process is needed.

It also writes this machine's row (leads/delivery/machines.py), mails trouble, and asks Postgres which sessions of staff
have ended (leads/staff/sessions.py). In each process, it gives back connections that staff pages no longer use.

Of the processes on a machine, the one that holds a lock on a file is on duty. Of those on duty on all machines, or when
the file cannot be created, the one that holds a lease in Postgres sends alerts (lease.py). Claiming a recipient keeps
two processes from sending the same message even then. Requests never wait for this thread.
"""

import fcntl
import json
import logging
import threading
from contextlib import suppress
from typing import IO

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from leads.alerts.lease import HeldLease
from leads.alerts.queue_age import QueueAge
from leads.alerts.regular import RegularMails
from leads.alerts.sending import manager_addresses, send_alerts
from leads.alerts.trouble_mail import TroubleMail
from leads.delivery import health, relay
from leads.delivery.health import database_state
from leads.delivery.journal.disk import make_directory, private
from leads.delivery.machines import OwnRow
from leads.errors import error_name
from leads.staff import sessions

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
        self._trouble = TroubleMail(manager_addresses)
        self._queue_age = QueueAge()
        self._row = OwnRow(self._retry_refused)
        self._lease = HeldLease()
        self._regular = RegularMails()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its current round."""
        self._is_stopping.set()
        self._thread.join()

    def _run(self) -> None:
        connections["default"].has_its_own = True  # type: ignore[attr-defined]
        while not self._is_stopping.wait(self._every_s):
            connections["default"].close_unused()  # type: ignore[attr-defined]
            for step in (
                *(self._confirm_sessions, self._write_row, self._ask_who_waits),
                *(self._send_alerts, self._look_for_trouble),
            ):
                try:
                    if self._is_on_duty():
                        step(relay.of_this_process().database_state)
                except Exception as error:  # broad: a worker that dies sends no more alerts; one that goes on may
                    self._failed(error)
        with suppress(DatabaseError, InterfaceError):
            if database_state() == "up":
                self._lease.release()
        connections["default"].close()
        if self._lock:
            self._lock.close()

    def _confirm_sessions(self, database: str) -> None:
        if database == "up":
            self._connect()
            sessions.confirm(timezone.now())

    def _ask_who_waits(self, database: str) -> None:
        if database == "up":
            self._connect()
            self._queue_age.ask_when_due()

    def _write_row(self, database: str) -> None:
        if database == "up":
            self._connect()
            self._row.write()

    def _retry_refused(self) -> None:
        relay.of_this_process().outbox.retry_quarantined()
        health.forget()

    def _send_alerts(self, database: str) -> None:
        if database != "up":
            return
        self._connect()
        if self._lease.take():
            send_alerts(timezone.now(), may_send=self._lease.renew)
            self._regular.send(timezone.now(), may_send=self._lease.renew)
        self._last_fault = ""

    def _look_for_trouble(self, _database: str) -> None:
        self._trouble.look(database=database_state(), alerts_fault=self._last_fault)  # of all processes

    def _connect(self) -> None:
        if connections["default"].connection is None:
            with relay.of_this_process().turns.connecting():
                connections["default"].ensure_connection()

    def _failed(self, error: Exception) -> None:
        is_of_database = isinstance(error, DatabaseError | InterfaceError)
        if is_of_database:
            connections["default"].close()
            relay.of_this_process().look_again()  # no alerts are sent until the relay has reached Postgres
        if (fault := error_name(error)) != self._last_fault:  # logged once, not every five seconds
            logger.warning("alerts failed: %s", fault, exc_info=None if is_of_database else error)
        self._last_fault = fault

    def _is_on_duty(self) -> bool:
        if self._lock:
            return True
        directory = settings.OUTBOX_DIRECTORIES[0]
        try:
            make_directory(directory)
            lock = open(directory / LOCK, "ab", opener=private)  # noqa: SIM115  (kept open to hold the lock)
        except OSError:
            return True  # without a lock file every process sends, and claims keep them apart
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._lock = lock
            lock.truncate(0)
            lock.write(json.dumps({"version": settings.VERSION}).encode())  # the doctor reads it
            lock.flush()
            return True
        lock.close()
        return False
