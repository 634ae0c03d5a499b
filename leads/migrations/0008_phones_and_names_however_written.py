# Leads are found by any part of a phone and by the plain form of a name, however both are written. The indexes of the
# release before, lead_phone_reversed and lead_name_words, stay, because it still serves while this runs.

from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models

from leads.customer import matching


class Migration(migrations.Migration):
    dependencies = [("leads", "0007_people")]

    operations = [
        migrations.AddIndex(
            model_name="lead",
            index=models.Index(matching.PhoneKey("phone"), name="lead_phone_key"),
        ),
        migrations.AddIndex(
            model_name="lead",
            index=GinIndex(
                matching.PhonePieces("phone"),
                gin_pending_list_limit=256,
                name="lead_phone_pieces",
            ),
        ),
        migrations.AddIndex(
            model_name="lead",
            index=GinIndex(
                matching.NameWords("name"),
                gin_pending_list_limit=256,
                name="lead_name_plain_words",
            ),
        ),
    ]
