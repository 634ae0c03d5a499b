# Who is waiting and who was contacted, in order, each from an index of its own; two more things that happen to a lead.
# Not built concurrently, which leaves half an index behind when it fails: what arrives meanwhile waits in the outbox.

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0002_exports_and_erasures"),
    ]

    operations = [
        migrations.AlterField(
            model_name="leadevent",
            name="kind",
            field=models.TextField(
                choices=[
                    ("contacted", "Contacted"),
                    ("reverted", "Back to waiting"),
                    ("noted", "Note changed"),
                    ("restored", "Restored from the chat"),
                    ("exported", "Exported"),
                    ("anonymised", "Anonymised"),
                ]
            ),
        ),
        migrations.AddIndex(
            model_name="lead",
            index=models.Index(
                condition=models.Q(("phone__gt", ""), ("status", "new")),
                fields=["created_at", "id"],
                name="lead_unanswered",
            ),
        ),
        migrations.AddIndex(
            model_name="lead",
            index=models.Index(
                models.OrderBy(models.F("contacted_at"), descending=True, nulls_last=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("status", "contacted")),
                name="lead_contacted",
            ),
        ),
    ]
