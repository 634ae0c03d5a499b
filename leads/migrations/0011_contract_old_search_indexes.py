# The indexes with which releases before 0.3 searched. Such a release, while it still serves, searches slowly.

import django.contrib.postgres.operations
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("leads", "0010_old_note_words"),
    ]

    operations = [
        django.contrib.postgres.operations.RemoveIndexConcurrently(model_name="lead", name="lead_phone_reversed"),
        django.contrib.postgres.operations.RemoveIndexConcurrently(model_name="lead", name="lead_name_words"),
    ]
