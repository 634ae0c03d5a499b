# Notes in a table of their own, so that no note replaces another. leads.notes stays as it is.

from functools import partial

import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import leads.customer.matching
import leads.ops.adoption

# ON DELETE CASCADE, because the last release, which may still serve, and other programs delete leads without knowing
# this table.
_CASCADE = (
    "ALTER TABLE lead_notes ADD CONSTRAINT lead_notes_lead"
    " FOREIGN KEY (lead_id) REFERENCES leads (id) ON DELETE CASCADE"
)


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("leads", "0008_phones_and_names_however_written"),
    ]

    operations = [
        migrations.CreateModel(
            name="LeadNote",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("text", models.TextField()),
                (
                    "author",
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
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="kept_notes",
                        to="leads.lead",
                    ),
                ),
            ],
            options={
                "verbose_name": "note",
                "verbose_name_plural": "notes",
                "db_table": "lead_notes",
            },
        ),
        migrations.RunPython(partial(leads.ops.adoption.match_key, table="lead_notes"), migrations.RunPython.noop),
        migrations.RunSQL(_CASCADE, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="leadnote",
            index=models.Index(fields=["lead", "-at"], name="lead_note_newest"),
        ),
        migrations.AddIndex(
            model_name="leadnote",
            index=django.contrib.postgres.indexes.GinIndex(
                leads.customer.matching.NoteWords("text"), name="lead_note_words"
            ),
        ),
    ]
