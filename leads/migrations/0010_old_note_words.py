# An index of the words in leads.notes, which has few rows: it is built while leads are written and staff work.

import django.contrib.postgres.indexes
import django.contrib.postgres.operations
from django.db import migrations, models

import leads.models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("leads", "0009_lead_note"),
    ]

    operations = [
        # What an attempt that was interrupted has left would make the next one fail.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS lead_old_note_words", migrations.RunSQL.noop),
        django.contrib.postgres.operations.AddIndexConcurrently(
            model_name="lead",
            index=django.contrib.postgres.indexes.GinIndex(
                leads.models.OLD_NOTE_WORDS, condition=models.Q(("notes__gt", "")), name="lead_old_note_words"
            ),
        ),
    ]
