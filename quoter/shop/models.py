"""The table of everything that was ever published. What is served comes from the disk (served.py)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Coalesce, Now


class PublishedQuerySet(models.QuerySet["Published"]):
    def in_order(self) -> PublishedQuerySet:
        """Return what was not withdrawn, the one that begins last first."""
        begins = Coalesce("starts_at", "published_at")
        return self.filter(withdrawn_at=None).annotate(begins=begins).order_by("-begins", "-pk")

    def begun(self) -> PublishedQuerySet:
        """Return those that have begun, by Postgres's clock, the one that is in force first."""
        return self.in_order().filter(models.Q(starts_at=None) | models.Q(starts_at__lte=Now()))

    def to_come(self) -> PublishedQuerySet:
        return self.in_order().filter(starts_at__gt=Now())


class Published(models.Model):
    """A published version. Immutable, which a trigger holds; one that has not begun can be withdrawn.

    starts_at: when it begins, null: at once. published_by, withdrawn_by: a user name, which outlives the user.
    repeats: the number of the earlier version that this one brings back, 0: the first one.
    """

    class Kind(models.TextChoices):
        PRICES = "prices"
        DETAILS = "details"  # the shop's settings

    kind = models.TextField(choices=Kind)
    content = models.TextField()
    starts_at = models.DateTimeField(null=True)
    published_at = models.DateTimeField(db_default=Now())
    published_by = models.TextField()
    note = models.TextField(default="", db_default="")
    repeats = models.BigIntegerField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.TextField(default="", db_default="")

    objects = PublishedQuerySet.as_manager()

    class Meta:
        db_table = "shop_published"
        indexes = [models.Index(fields=["kind", "-id"], name="shop_published_newest")]
        default_permissions = ()
        permissions = [("change_shop", "Can change the shop's settings")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class DraftCell(models.Model):
    """A cell of the draft that all owners share: what somebody has typed and nobody has published yet.

    path: as a finding names the place; was: what the version in force had there.
    """

    kind = models.TextField(choices=Published.Kind)
    path = models.TextField()
    text = models.TextField()
    was = models.TextField()
    by = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "shop_draft_cells"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["kind", "path"], name="shop_draft_cell")]

    def __str__(self) -> str:
        return self.path
