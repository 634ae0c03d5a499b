from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Max

MAILTO = "mailto:"


class Alert(models.Model):
    """Something to tell, once. Added by one transaction at a time, so whoever was told up to one has missed none.

    subject: the lead's folio or, for the daily sign of life, the day.
    """

    class Kind(models.TextChoices):
        CAME = "came"
        UNANSWERED = "unanswered"
        ALIVE = "alive"

    kind = models.TextField(choices=Kind)
    subject = models.TextField()
    at = models.DateTimeField()

    class Meta:
        app_label = "leads"
        db_table = "lead_alerts"
        constraints = [models.UniqueConstraint(fields=["kind", "subject"], name="lead_alert_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @classmethod
    def last_id(cls) -> int:
        """Return the id of the last one, 0 before the first."""
        return cls.objects.aggregate(last=Max("id"))["last"] or 0


class Recipient(models.Model):
    """Who is told, and of what already: a browser of a member of the staff, or an e-mail address."""

    # Whoever knows a browser's can write to it: it goes into no log.
    address = models.TextField(unique=True)  # the push service's https://..., or mailto:...
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    p256dh = models.TextField(default="", db_default="")
    auth = models.TextField(default="", db_default="")
    told_up_to = models.BigIntegerField()  # the id of an Alert
    told_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField()
    failures = models.IntegerField(default=0, db_default=0)  # since it last worked
    fault = models.TextField(default="", db_default="")

    class Meta:
        app_label = "leads"
        db_table = "alert_recipients"

    def __str__(self) -> str:
        return f"recipient {self.pk}"

    @property
    def email(self) -> str:
        """Return the e-mail address, or "" for a browser."""
        return self.address.removeprefix(MAILTO) if self.address.startswith(MAILTO) else ""

    def claim(self, now: datetime, *, until: datetime) -> bool:
        """Take the telling of this one upon oneself; False when another process was first."""
        due = Recipient.objects.filter(pk=self.pk, told_up_to=self.told_up_to, next_try_at__lte=now)
        return due.update(next_try_at=until) == 1
