# What staff corrected of names and phones, in a new table. It locks `leads` for a moment, and no other table in use.

from functools import partial

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import leads.customer.matching
import leads.ops.adoption


def go_with_leads(apps, editor):
    """As for notes: other programs delete leads without knowing this table."""
    editor.add_cascade("lead_corrections", "lead_id", to="leads", name="lead_corrections_lead")


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("leads", "0019_estimates"),
    ]

    operations = [
        migrations.CreateModel(
            name="LeadCorrection",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("folio", models.TextField()),
                ("at", models.DateTimeField()),
                ("name", models.TextField()),
                ("phone", models.TextField()),
                ("new_name", models.TextField()),
                ("new_phone", models.TextField()),
                ("taken_back_at", models.DateTimeField(null=True)),
                (
                    "by",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "lead",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="corrections",
                        to="leads.lead",
                    ),
                ),
                (
                    "taken_back_by",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "lead_corrections",
            },
        ),
        migrations.RunPython(
            partial(leads.ops.adoption.match_key, table="lead_corrections"), migrations.RunPython.noop
        ),
        migrations.RunPython(go_with_leads, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="leadcorrection",
            index=models.Index(fields=["folio"], name="lead_correction_folio"),
        ),
        migrations.AddIndex(
            model_name="leadcorrection",
            index=models.Index(fields=["lead", "at"], name="lead_correction_lead"),
        ),
        migrations.AddIndex(
            model_name="leadcorrection",
            index=django.contrib.postgres.indexes.GinIndex(
                leads.customer.matching.PhonePieces("phone"), name="lead_correction_pieces"
            ),
        ),
        migrations.AddIndex(
            model_name="leadcorrection",
            index=django.contrib.postgres.indexes.GinIndex(
                leads.customer.matching.NameWords("name"), name="lead_correction_words"
            ),
        ),
    ]
