# What there is to tell, and who is told. New tables only, which name leads by folio: no lead waits for them.

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("leads", "0004_desk"),
    ]

    operations = [
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.TextField(choices=[("came", "Came"), ("unanswered", "Unanswered"), ("alive", "Alive")]),
                ),
                ("subject", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={
                "db_table": "lead_alerts",
                "constraints": [models.UniqueConstraint(fields=("kind", "subject"), name="lead_alert_once")],
            },
        ),
        migrations.CreateModel(
            name="Recipient",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.TextField(unique=True)),
                ("p256dh", models.TextField(db_default="", default="")),
                ("auth", models.TextField(db_default="", default="")),
                ("told_up_to", models.BigIntegerField()),
                ("told_at", models.DateTimeField(null=True)),
                ("next_try_at", models.DateTimeField()),
                ("failures", models.IntegerField(db_default=0, default=0)),
                ("fault", models.TextField(db_default="", default="")),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"db_table": "alert_recipients"},
        ),
    ]
