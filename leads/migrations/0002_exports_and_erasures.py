# What may be noted of a lead when its data leave or go, and who may take them out. Changes no column.

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0001_lead"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="lead",
            options={
                "permissions": [
                    ("contact_lead", "Can mark a lead as contacted, or restore one"),
                    ("export_lead", "Can export leads"),
                    ("change_price_book", "Can change the price book"),
                ],
                "verbose_name": "lead",
                "verbose_name_plural": "leads",
            },
        ),
        migrations.AlterField(
            model_name="leadevent",
            name="kind",
            field=models.TextField(
                choices=[
                    ("contacted", "Contacted"),
                    ("restored", "Restored from the chat"),
                    ("exported", "Exported"),
                    ("anonymised", "Anonymised"),
                ]
            ),
        ),
    ]
