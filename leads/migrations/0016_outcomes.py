# What became of a person. It locks `leads` for a moment and no other table that is in use, so it waits for nobody who
# waits for it.

from functools import partial

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import leads.ops.adoption
from leads.ops.adoption import rows_of

# As for notes: other programs delete leads without knowing this table.
CASCADE = (
    "ALTER TABLE lead_outcomes ADD CONSTRAINT lead_outcomes_lead"
    " FOREIGN KEY (lead_id) REFERENCES leads (id) ON DELETE CASCADE"
)
# For LIKE, which nothing asks of this key. Django makes it at the end of the migration before.
SPARE = """
SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = 'lead_follow_ups'::regclass AND relname LIKE '%%\\_like'
"""


def drop_spare_index(apps, editor):
    for (name,) in rows_of(editor.connection.alias, SPARE, []):
        editor.execute(f"DROP INDEX {name}")


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("leads", "0015_follow_ups"),
    ]

    operations = [
        migrations.RunPython(drop_spare_index, migrations.RunPython.noop),
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
        migrations.AddField(
            model_name="leadoutcome",
            name="by",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunPython(partial(leads.ops.adoption.match_key, table="lead_outcomes"), migrations.RunPython.noop),
        migrations.RunSQL(CASCADE, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="leadoutcome",
            index=models.Index(fields=["at"], name="lead_outcome_at"),
        ),
    ]
