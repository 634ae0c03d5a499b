# How Python reads the column. Nothing changes in the database.

from django.db import migrations, models

import leads.snapshot


class Migration(migrations.Migration):
    dependencies = [("leads", "0005_alerts")]

    operations = [
        migrations.AlterField(
            model_name="lead",
            name="quote_data",
            field=models.JSONField(
                decoder=leads.snapshot.Decoder,
                help_text="The quote as the customer saw it.",
                verbose_name="quote",
            ),
        ),
    ]
