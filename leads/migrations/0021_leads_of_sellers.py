# An index of the leads that each seller answered. New leads are not in it, so no checkout pays for it.

import django.contrib.postgres.operations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the index is built while staff go on working

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("leads", "0020_corrections"),
    ]

    operations = [
        django.contrib.postgres.operations.AddIndexConcurrently(
            model_name="lead",
            index=models.Index(
                fields=["contacted_by", "-created_at", "-id"],
                condition=models.Q(("contacted_by__isnull", False)),
                name="lead_of_seller",
            ),
        ),
    ]
