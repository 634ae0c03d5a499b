from django.db import models


class LeadDay(models.Model):
    """What the leads of one day came to, as `leads.days` counted it last. May be emptied at any time.

    rules: what it was counted by; other rules make it worthless. last_event: the newest event that was known then.
    figures: {"sources": {name: [quotes, leads, contacted]}, "products": the same, "minutes": {minutes: leads}}.
    """

    day = models.DateField(primary_key=True)
    counted_at = models.DateTimeField()
    last_event = models.BigIntegerField()
    is_outdated = models.BooleanField(default=False, db_default=False)
    rules = models.TextField()
    figures = models.JSONField()

    class Meta:
        app_label = "leads"
        db_table = "lead_days"

    def __str__(self) -> str:
        return self.day.isoformat()
