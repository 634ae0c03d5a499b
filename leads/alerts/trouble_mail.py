"""Mails the manager when something needs a person: once when it begins, once when it ends. Works without Postgres."""

import logging
import smtplib
import time
from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.alerts.sending import mail_is_set_up
from leads.delivery import trouble
from leads.delivery.health import outbox_state
from leads.delivery.trouble import Begun, Trouble
from leads.privacy.forgotten import forgotten
from quoter.shop.values import shop
from telemetry import series

# How long it lasts before a mail is sent. Most outages end by themselves.
WAIT_S = {Trouble.DATABASE: 60.0, Trouble.ALERTS: 60.0, Trouble.DISK: 10.0, Trouble.ACCESS: 10.0}
RETRY_S = 60.0
MEASURE_EVERY_S = 600.0
# How often the newest leads that were delivered are looked up in Postgres, and how many: 20 ms of CPU.
COMPARE_EVERY_S = 15.0
COMPARED = 1_000
# Of the database's largest size. Supabase's free plan makes a project read-only when it is reached.
STORAGE_SHARE = 0.7

# The title, and what it means for customers and what to do.
_TEXTS: dict[Trouble, tuple[Any, Any]] = {
    Trouble.DATABASE: (
        gettext_lazy("The database takes no leads"),
        gettext_lazy("Customers still reach WhatsApp. Leads wait on the web machine: run `manage.py doctor`."),
    ),
    Trouble.OUTBOX: (
        gettext_lazy("Leads have waited for a quarter of an hour"),
        gettext_lazy("They are safe on the web machine: run `manage.py outbox status` and `manage.py doctor`."),
    ),
    Trouble.QUARANTINE: (
        gettext_lazy("The database refused a lead"),
        gettext_lazy("It is kept under Refused leads in the inbox: run `manage.py outbox list`."),
    ),
    Trouble.DAMAGED: (
        gettext_lazy("A file of waiting leads is damaged"),
        gettext_lazy("Every byte is kept: run `manage.py outbox verify`."),
    ),
    Trouble.ACCESS: (
        gettext_lazy("The site may not read or write its files of waiting leads"),
        gettext_lazy("Leads in them are neither shown nor delivered: run `manage.py doctor` as the site's user."),
    ),
    Trouble.DISK: (
        gettext_lazy("The disk for waiting leads is nearly full or cannot be read"),
        gettext_lazy("Free some space: in an outage leads wait there. Run `manage.py doctor`."),
    ),
    Trouble.STORAGE: (
        gettext_lazy("The database is nearly full"),
        gettext_lazy("When it is full, it takes no leads. Remove old ones (`manage.py purge_leads`) or enlarge it."),
    ),
    Trouble.FORGOTTEN: (
        gettext_lazy("The database has forgotten leads"),
        gettext_lazy(
            "It was restored, or a replica took over, or somebody deleted rows. The web machine still has the leads of "
            "the last days: run `manage.py outbox replay` there (docs/operations.md)."
        ),
    ),
    Trouble.ALERTS: (
        gettext_lazy("Staff are not told of new leads"),
        gettext_lazy("Look into the inbox meanwhile, and run `manage.py doctor`."),
    ),
    Trouble.PUBLISHED: (
        gettext_lazy("Published prices cannot be served"),
        gettext_lazy("Customers see the version before them. Run `manage.py doctor`, or publish them again."),
    ),
}

logger = logging.getLogger("leads.alerts")


def _is_within(seconds: float, at: float, now: float) -> bool:
    """Return whether a moment was less than so many seconds ago; not for one that a clock noted when it was ahead."""
    return 0 <= now - at < seconds


class TroubleMail:
    """One machine's watch. Only the alerts worker that is on duty calls it.

    recipients: called while Postgres is up; the addresses are remembered for when it is down.
    """

    def __init__(self, recipients: Callable[[], Iterable[str]], *, clock: Callable[[], float] = time.time) -> None:
        self._recipients, self._clock = recipients, clock
        self._known: dict[Trouble, Begun] | None = None  # loaded at the first look
        self._to: set[str] = set(shop.ALERT_MANAGER_EMAILS)
        self._storage = self._forgotten = ""
        self._measured_at = self._compared_at = self._failed_at = self._written_at = -inf

    def look(self, *, database: str, alerts_fault: str) -> None:
        """Compare what is wrong now with before, and mail what began or ended.

        database: the relay's state of Postgres; alerts_fault: why the last round of alerts failed, or "".
        """
        now = self._clock()
        if self._known is None:
            self._known = trouble.load(settings.OUTBOX_DIRECTORIES)
            # It is not over because this process has yet to look.
            self._forgotten = self._known.get(Trouble.FORGOTTEN, Begun(now)).detail
        if database == "up" and not _is_within(MEASURE_EVERY_S, self._measured_at, now):
            self._ask_postgres()
            self._measured_at = now
        if database == "up" and not _is_within(COMPARE_EVERY_S, self._compared_at, now):
            self._forgotten = forgotten(settings.OUTBOX_DIRECTORIES, most=COMPARED).detail
            self._compared_at = now
        present = dict(trouble.on_disk(outbox_state(), settings.OUTBOX_DIRECTORIES, now=now))
        if database == "down":
            present[Trouble.DATABASE] = ""
        if alerts_fault and database != "down":
            present[Trouble.ALERTS] = alerts_fault
        if self._storage:
            present[Trouble.STORAGE] = self._storage
        if self._forgotten:
            present[Trouble.FORGOTTEN] = self._forgotten
        self._update(present, now)

    def _ask_postgres(self) -> None:
        self._to = set(self._recipients())
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database()) / 1024 / 1024")
            size = int(cursor.fetchone()[0])
        limit = settings.DATABASE_LIMIT_MB
        self._storage = f"{size} MB / {limit} MB" if limit and size > STORAGE_SHARE * limit else ""

    def _update(self, present: dict[Trouble, str], now: float) -> None:
        assert self._known is not None
        ended = {which: begun for which, begun in self._known.items() if which not in present}
        known = {which: self._begun(which, now)._replace(detail=detail) for which, detail in present.items()}
        began = [
            which for which, begun in known.items() if not begun.is_told and now - begun.since >= WAIT_S.get(which, 0)
        ]
        over = [which for which, begun in ended.items() if begun.is_told]
        if began or over:
            if _is_within(RETRY_S, self._failed_at, now):
                return
            if not self._mail(began, known, {which: now - ended[which].since for which in over}):
                self._failed_at = now
                return
            known |= {which: known[which]._replace(is_told=True) for which in began}
        if known != self._known or (known and not _is_within(trouble.WRITE_EVERY_S, self._written_at, now)):
            trouble.store(settings.OUTBOX_DIRECTORIES, known)
            self._written_at = now
        self._known = known

    def _begun(self, which: Trouble, now: float) -> Begun:
        """Return since when something is wrong: at the latest since now, also if the clock was ahead when it began."""
        assert self._known is not None
        begun = self._known.get(which, Begun(now))
        return begun._replace(since=min(begun.since, now))

    def _mail(self, began: list[Trouble], known: dict[Trouble, Begun], over: dict[Trouble, float]) -> bool:
        """Send one mail about all; return whether it was sent, or there is nobody to send it to."""
        if not self._to or not mail_is_set_up():
            return True
        with translation.override(settings.LANGUAGE_CODE):
            lines = []
            for which in began:
                title, what = _TEXTS[which]
                detail = f" ({known[which].detail})" if known[which].detail else ""
                lines += [f"{title}{detail}.", str(what), ""]
            for which, lasted in over.items():
                minutes = max(1, round(lasted / 60))
                text = _("Over after %(minutes)d min: %(what)s.")
                lines += [text % {"minutes": minutes, "what": _TEXTS[which][0]}, ""]
            first = _TEXTS[began[0]][0] if began else _("Over: %(what)s") % {"what": _TEXTS[next(iter(over))][0]}
            lines += [_("Web machine: %(name)s") % {"name": settings.MACHINE_NAME}]
        subject = f"{shop.BUSINESS_NAME}: {first} ({settings.MACHINE_NAME})"
        mail = EmailMessage(subject, "\n".join(lines), to=sorted(self._to))
        try:
            mail.send()
        except (OSError, smtplib.SMTPException) as error:
            series.MESSAGES.add("trouble", "failed")
            logger.warning("trouble not mailed: %s", type(error).__name__)
            return False
        series.MESSAGES.add("trouble", "sent")
        return True
