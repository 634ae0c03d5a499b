"""What the web machines of a site share through Postgres: what waits on each, who sends alerts, and one count."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class Machine(models.Model):
    """What a web machine last said of its outbox. leads/delivery/machines.py writes and reads it.

    key: from a file in the outbox, so it outlives restarts and changes of the host's name. place: which copy of that
    file it is. refused: at most MOST_REFUSED of the leads in quarantine, as {"folio", "reason"}, without the person.
    is_durable: whether a restart leaves the disk as it is. seen_at, heard_since: when it was heard of, and since when
    without a gap, by Postgres's clock. retry_asked_at: when staff at any machine asked it to retry what was refused.
    """

    key = models.TextField(primary_key=True)
    name = models.TextField(_("name"))
    place = models.TextField()
    version = models.TextField(_("version"))
    pending = models.IntegerField(_("leads that wait"))
    oldest_at = models.DateTimeField(_("the oldest since"), null=True)
    quarantined = models.IntegerField(_("refused"))
    damaged = models.IntegerField(_("damaged files"))
    inaccessible = models.IntegerField(_("files that cannot be read"))
    refused = models.JSONField(default=list)
    is_durable = models.BooleanField()
    seen_at = models.DateTimeField(_("last heard of"))
    heard_since = models.DateTimeField()
    retry_asked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "lead_machines"
        verbose_name = _("web machine")
        verbose_name_plural = _("web machines")

    def __str__(self) -> str:
        return f"{self.name}-{self.key[:4]}"

    @property
    def has_something(self) -> bool:
        """Whether there was anything on its disk that belongs in the table of leads."""
        return bool(self.pending or self.quarantined or self.damaged or self.inaccessible)


class Lease(models.Model):
    """Who does a job that one process of all machines does. holder: a process's own name, until another has it."""

    job = models.TextField(primary_key=True)
    holder = models.TextField()
    until = models.DateTimeField()

    class Meta:
        db_table = "lead_leases"

    def __str__(self) -> str:
        return self.job


class WaitingCount(models.Model):
    """Who waits, as one process counted for the open inboxes of all machines. A cache of one row, which may be deleted.

    asked_at: when a process last began to count; the others are those of leads.inbox.live.WaitingState.
    """

    key = models.SmallIntegerField(primary_key=True, default=1)
    asked_at = models.DateTimeField()
    at = models.FloatField(null=True)
    waiting = models.IntegerField(default=0, db_default=0)
    newest = models.TextField(default="", db_default="")
    etag = models.TextField(default="", db_default="")

    objects: models.Manager[Any]

    class Meta:
        db_table = "lead_waiting_count"

    def __str__(self) -> str:
        return str(self.waiting)
