# What several web machines share. New tables only; no lead waits for them.

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0011_contract_old_search_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Lease",
            fields=[
                ("job", models.TextField(primary_key=True, serialize=False)),
                ("holder", models.TextField()),
                ("until", models.DateTimeField()),
            ],
            options={"db_table": "lead_leases"},
        ),
        migrations.CreateModel(
            name="Machine",
            fields=[
                ("key", models.TextField(primary_key=True, serialize=False)),
                ("name", models.TextField(verbose_name="name")),
                ("place", models.TextField()),
                ("version", models.TextField(verbose_name="version")),
                ("pending", models.IntegerField(verbose_name="leads that wait")),
                ("oldest_at", models.DateTimeField(null=True, verbose_name="the oldest since")),
                ("quarantined", models.IntegerField(verbose_name="refused")),
                ("damaged", models.IntegerField(verbose_name="damaged files")),
                ("inaccessible", models.IntegerField(verbose_name="files that cannot be read")),
                ("refused", models.JSONField(default=list)),
                ("is_durable", models.BooleanField()),
                ("seen_at", models.DateTimeField(verbose_name="last heard of")),
                ("heard_since", models.DateTimeField()),
                ("retry_asked_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "web machine",
                "verbose_name_plural": "web machines",
                "db_table": "lead_machines",
            },
        ),
        migrations.CreateModel(
            name="WaitingCount",
            fields=[
                ("key", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("asked_at", models.DateTimeField()),
                ("at", models.FloatField(null=True)),
                ("waiting", models.IntegerField(db_default=0, default=0)),
                ("newest", models.TextField(db_default="", default="")),
                ("etag", models.TextField(db_default="", default="")),
            ],
            options={"db_table": "lead_waiting_count"},
        ),
    ]
