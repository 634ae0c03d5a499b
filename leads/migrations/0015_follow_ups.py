# What staff arrange with a person after the first message, and who is away. New tables only; no lead waits for them.

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("leads", "0014_quote_compression"),
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
    ]
