# What becomes of a person after the first message, in tables of their own. Whoever was written to in the last weeks is
# taken over, so that a seller's customers are there on the first day; nothing older is read.

from datetime import timedelta
from functools import partial

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.utils import timezone

import leads.ops.adoption
from leads import phones, snapshot
from leads.models.follow_up import amount_of
from leads.ops.adoption import rows_of

RECENT = timedelta(days=14)
PAGE = 500

# As for notes: other programs delete leads without knowing this table.
CASCADE = (
    "ALTER TABLE lead_outcomes ADD CONSTRAINT lead_outcomes_lead"
    " FOREIGN KEY (lead_id) REFERENCES leads (id) ON DELETE CASCADE"
)
# For LIKE, which nothing asks of this key.
SPARE = (
    "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'lead_follow_ups'::regclass AND NOT indisprimary"
)


def drop_spare_index(apps, editor):
    for (name,) in rows_of(editor.connection.alias, SPARE, []):
        editor.execute(f"DROP INDEX {name}")


def take_over(apps, editor):
    """Open a follow-up for each person whom staff wrote to lately, for the one who wrote."""
    lead, follow_up = apps.get_model("leads", "Lead"), apps.get_model("leads", "FollowUp")
    recent = lead.objects.using(editor.connection.alias).filter(
        status="contacted", contacted_at__gt=timezone.now() - RECENT, contacted_by__isnull=False, phone__gt=""
    )
    columns = ("phone", "contacted_by", "contacted_at", "quote_data")
    people = []
    for phone, seller, at, data in recent.order_by("contacted_at").values_list(*columns).iterator(PAGE):
        stored = snapshot.read(data)
        about = {"expires_at": stored.valid_until, "worth": amount_of(stored.total)}
        people.append(follow_up(key=phones.key(phone), seller_id=seller, written_at=at, **about))
        if len(people) == PAGE:
            _keep(follow_up, people, editor.connection.alias)
            people = []
    _keep(follow_up, people, editor.connection.alias)


def _keep(follow_up, people, alias):
    newest = {person.key: person for person in people if person.key}
    follow_up.objects.using(alias).bulk_create(
        newest.values(),
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["seller", "written_at", "expires_at", "worth"],
    )


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("leads", "0014_quote_compression"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Absence",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="absence",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("until", models.DateField()),
            ],
            options={
                "db_table": "staff_absences",
            },
        ),
        migrations.CreateModel(
            name="FollowUp",
            fields=[
                ("key", models.TextField(primary_key=True, serialize=False)),
                ("joined_to", models.TextField(blank=True, db_default="", default="")),
                ("written_at", models.DateTimeField(blank=True, null=True)),
                ("is_open", models.BooleanField(db_default=True, default=True)),
                ("step_at", models.DateTimeField(blank=True, null=True)),
                ("step", models.TextField(blank=True, db_default="", default="")),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("worth", models.DecimalField(blank=True, decimal_places=2, max_digits=16, null=True)),
            ],
            options={
                "db_table": "lead_follow_ups",
            },
        ),
        migrations.CreateModel(
            name="LeadOutcome",
            fields=[
                (
                    "lead",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="outcome",
                        serialize=False,
                        to="leads.lead",
                    ),
                ),
                ("kind", models.TextField(choices=[("won", "Sold"), ("lost", "Lost")])),
                ("amount", models.DecimalField(blank=True, decimal_places=2, max_digits=16, null=True)),
                ("reason", models.TextField(blank=True, db_default="", default="")),
                ("at", models.DateTimeField()),
            ],
            options={
                "db_table": "lead_outcomes",
            },
        ),
        migrations.AlterField(
            model_name="lead",
            name="set_aside",
            field=models.TextField(
                blank=True,
                choices=[
                    ("honeypot", "Honeypot"),
                    ("too_fast", "Too Fast"),
                    ("many_from_address", "Many From Address"),
                    ("many_of_phone", "Many Of Phone"),
                    ("discarded", "discarded"),
                    ("not_customer", "not a customer"),
                    ("duplicate", "duplicate"),
                    ("wrong_number", "wrong number"),
                    ("spam", "spam"),
                ],
                db_default="",
                default="",
                editable=False,
            ),
        ),
        migrations.AlterField(
            model_name="leadevent",
            name="kind",
            field=models.TextField(
                choices=[
                    ("contacted", "Contacted"),
                    ("asked_again", "Asked again"),
                    ("set_aside", "Set aside"),
                    ("brought_back", "Brought back"),
                    ("reverted", "Back to waiting"),
                    ("noted", "Note changed"),
                    ("planned", "Next step"),
                    ("handed", "Handed to a colleague"),
                    ("won", "Sold"),
                    ("lost", "Lost"),
                    ("reopened", "Open again"),
                    ("corrected", "Corrected"),
                    ("joined", "Joined with another phone"),
                    ("separated", "Separated again"),
                    ("restored", "Restored"),
                    ("exported", "Exported"),
                    ("anonymised", "Anonymised"),
                ]
            ),
        ),
        migrations.AddIndex(
            model_name="lead",
            index=models.Index(
                condition=models.Q(
                    ("set_aside__in", ("discarded", "not_customer", "duplicate", "wrong_number", "spam"))
                ),
                fields=["arrived_at", "id"],
                name="lead_put_aside",
            ),
        ),
        migrations.RunPython(drop_spare_index, migrations.RunPython.noop),
        migrations.RunPython(partial(leads.ops.adoption.match_key, table="lead_outcomes"), migrations.RunPython.noop),
        migrations.RunSQL(CASCADE, migrations.RunSQL.noop),
        migrations.AddField(
            model_name="followup",
            name="seller",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="followup",
            name="step_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="leadoutcome",
            name="by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="followup",
            index=models.Index(
                condition=models.Q(("is_open", True)), fields=["seller", "written_at"], name="lead_follow_up_seller"
            ),
        ),
        migrations.AddIndex(
            model_name="followup",
            index=models.Index(
                condition=models.Q(("is_open", True), ("step_at__isnull", False)),
                fields=["step_at"],
                name="lead_follow_up_due",
            ),
        ),
        migrations.AddIndex(
            model_name="followup",
            index=models.Index(
                condition=models.Q(("is_open", True), ("step_at__isnull", True)),
                fields=["expires_at"],
                name="lead_follow_up_expires",
            ),
        ),
        migrations.AddIndex(
            model_name="followup",
            index=models.Index(
                condition=models.Q(("joined_to__gt", "")), fields=["joined_to"], name="lead_follow_up_joined"
            ),
        ),
        migrations.AddIndex(
            model_name="leadoutcome",
            index=models.Index(fields=["at"], name="lead_outcome_at"),
        ),
        migrations.AddIndex(
            model_name="followup",
            index=models.Index(
                condition=models.Q(("is_open", True), ("joined_to", "")),
                fields=["written_at"],
                include=("worth",),
                name="lead_follow_up_written",
            ),
        ),
        migrations.AddIndex(
            model_name="followup",
            index=models.Index(
                models.OrderBy(models.F("worth"), descending=True, nulls_last=True),
                condition=models.Q(("is_open", True), ("joined_to", ""), ("step_at__isnull", True)),
                name="lead_follow_up_worth",
            ),
        ),
        migrations.RunPython(take_over, migrations.RunPython.noop),
    ]
