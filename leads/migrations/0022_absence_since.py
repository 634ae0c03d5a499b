# From when on somebody is away. A column without a default of a small table, which the release before leaves empty.

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0021_leads_of_sellers")]

    operations = [
        migrations.AddField(
            model_name="absence",
            name="since",
            field=models.DateField(null=True),
        ),
    ]
