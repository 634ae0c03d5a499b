"""The figures of a day, for the desk."""

from django.db import models


class LeadDay(models.Model):
    """The figures of one day's leads, as `leads.desk.days` counted them last. A cache: rows may be deleted at any time.

    rules: those it was counted by; with other rules the row is ignored. last_event: the id of the newest event then.
    figures: as `leads.desk.tallies.Day` writes them.
    """

    day = models.DateField(primary_key=True)
    counted_at = models.DateTimeField()
    last_event = models.BigIntegerField()
    is_outdated = models.BooleanField(default=False, db_default=False)
    rules = models.TextField()
    figures = models.JSONField()

    class Meta:
        db_table = "lead_days"

    def __str__(self) -> str:
        return self.day.isoformat()
