"""What staff are told, and who of them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Max, Q

MAILTO = "mailto:"


class Alert(models.Model):
    """An event that recipients are notified of once.

    One transaction at a time adds alerts, so ids become visible in order: a recipient who was notified up to an id has
    missed none below it. subject: the lead's id, or its folio in an alert of an earlier release; of leads that were set
    aside, how many; of the daily heartbeat, the day.
    """

    class Kind(models.TextChoices):
        CAME = "came"
        UNANSWERED = "unanswered"
        SET_ASIDE = "set_aside"
        ALIVE = "alive"

    kind = models.TextField(choices=Kind)
    subject = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "lead_alerts"
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject"], condition=Q(kind="alive"), name="lead_heartbeat_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @classmethod
    def last_id(cls) -> int:
        """Return the id of the newest alert, 0 when there is none."""
        return cls.objects.aggregate(last=Max("id"))["last"] or 0


class Recipient(models.Model):
    """Who is notified: a browser of a staff member, or an e-mail address."""

    # The push service's https://..., or mailto:... Secret: with a browser's address anybody can send to it.
    address = models.TextField(unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    p256dh = models.TextField(default="", db_default="")
    auth = models.TextField(default="", db_default="")
    told_up_to = models.BigIntegerField()  # the id of the last Alert that was delivered
    told_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField()
    failures = models.IntegerField(default=0, db_default=0)  # since the last delivery
    fault = models.TextField(default="", db_default="")

    class Meta:
        db_table = "alert_recipients"

    def __str__(self) -> str:
        return f"recipient {self.pk}"

    @property
    def email(self) -> str:
        """Return the e-mail address, or "" for a browser."""
        return self.address.removeprefix(MAILTO) if self.address.startswith(MAILTO) else ""

    def is_due(self, now: datetime, *, longest_pause: timedelta) -> bool:
        """Return whether the pause is over. One that is longer than any was begun by a clock that was ahead."""
        return not now < self.next_try_at <= now + longest_pause

    def claim(self, *, until: datetime) -> bool:
        """Reserve this recipient for the caller until a moment; False when another process was first."""
        is_first = self.unchanged().update(next_try_at=until) == 1
        if is_first:
            self.next_try_at = until
        return is_first

    def unchanged(self) -> models.QuerySet[Recipient]:
        """This recipient, unless another process has claimed or told it since."""
        return Recipient.objects.filter(pk=self.pk, told_up_to=self.told_up_to, next_try_at=self.next_try_at)
