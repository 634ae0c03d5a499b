# What each day came to, and an index, nearly empty, of what had to be restored by hand.

import django.contrib.postgres.operations
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the index is built while staff go on working

    dependencies = [
        ("leads", "0003_inbox"),
    ]

    operations = [
        migrations.CreateModel(
            name="LeadDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("counted_at", models.DateTimeField()),
                ("last_event", models.BigIntegerField()),
                ("is_outdated", models.BooleanField(db_default=False, default=False)),
                ("rules", models.TextField()),
                ("figures", models.JSONField()),
            ],
            options={
                "db_table": "lead_days",
            },
        ),
        django.contrib.postgres.operations.AddIndexConcurrently(
            model_name="leadevent",
            index=models.Index(condition=models.Q(("kind", "restored")), fields=["at"], name="lead_event_restored"),
        ),
    ]
