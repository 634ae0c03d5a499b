# The table of leads, exactly as docs/architecture.md gives it, and its append-only events. A table `leads` of before is
# adopted; it then lacks lead_status_known, and its folio may be null: see docs/supabase.md.

import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

import leads.models
import leads.ops.adoption


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        leads.ops.adoption.CreateOrAdopt(
            name="Lead",
            fields=[
                ("id", leads.models.LeadKey(primary_key=True, serialize=False, verbose_name="ID")),
                ("folio", models.TextField(editable=False, unique=True, verbose_name="folio")),
                ("name", models.TextField(blank=True, db_default="", default="", verbose_name="name")),
                ("phone", models.TextField(blank=True, db_default="", default="", verbose_name="phone")),
                ("quote_data", models.JSONField(help_text="The quote as the customer saw it.", verbose_name="quote")),
                (
                    "status",
                    models.TextField(
                        choices=[("new", "New"), ("contacted", "Contacted")],
                        db_default="new",
                        default="new",
                        verbose_name="status",
                    ),
                ),
                ("visitor_id", models.TextField(blank=True, db_default="", default="", verbose_name="visitor")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="quoted at"
                    ),
                ),
                ("submitted_at", models.DateTimeField(blank=True, null=True, verbose_name="asked at")),
                ("contacted_at", models.DateTimeField(blank=True, null=True, verbose_name="contacted at")),
                ("notes", models.TextField(blank=True, db_default="", default="", verbose_name="notes")),
                (
                    "contacted_by",
                    models.ForeignKey(
                        blank=True,
                        db_column="contacted_by",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="contacted by",
                    ),
                ),
            ],
            options={
                "verbose_name": "lead",
                "verbose_name_plural": "leads",
                "db_table": "leads",
                "permissions": [("contact_lead", "Can mark a lead as contacted, or restore one")],
                "indexes": [
                    models.Index(fields=["created_at", "id"], name="lead_created"),
                    models.Index(
                        condition=models.Q(("status", "new")), fields=["created_at", "id"], name="lead_waiting"
                    ),
                    models.Index(
                        django.db.models.functions.comparison.Collate(
                            django.db.models.functions.text.Reverse("phone"), "C"
                        ),
                        name="lead_phone_reversed",
                    ),
                    django.contrib.postgres.indexes.GinIndex(leads.models.NameWords("name"), name="lead_name_words"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["new", "contacted"])), name="lead_status_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("contacted_at", None), ("contacted_by", None), ("status", "new")),
                            models.Q(
                                ("contacted_at__isnull", False),
                                ("contacted_by__isnull", False),
                                ("status", "contacted"),
                            ),
                            _connector="OR",
                        ),
                        name="lead_contacted_by_someone",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LeadEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "kind",
                    models.TextField(choices=[("contacted", "Contacted"), ("restored", "Restored from the chat")]),
                ),
                ("detail", models.TextField(db_default="", default="")),
                (
                    "actor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "lead",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="events", to="leads.lead"
                    ),
                ),
            ],
            options={
                "verbose_name": "event",
                "verbose_name_plural": "events",
                "db_table": "lead_events",
            },
        ),
        migrations.RunPython(leads.ops.adoption.match_key, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="leadevent",
            index=models.Index(fields=["lead", "-at"], name="lead_event_timeline"),
        ),
    ]
