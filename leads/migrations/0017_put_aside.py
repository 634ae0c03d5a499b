# Why staff take a lead out, and the index of these. Whoever was written to in the last weeks is taken over, so that a
# seller's customers are there on the first day; nothing older is read.

from datetime import timedelta

from django.db import migrations, models
from django.utils import timezone

from leads import phones, snapshot
from leads.models.follow_up import amount_of

RECENT = timedelta(days=14)
PAGE = 500


def take_over(apps, editor):
    """Open a follow-up for each person whom staff wrote to lately, for the one who wrote."""
    lead, follow_up = apps.get_model("leads", "Lead"), apps.get_model("leads", "FollowUp")
    recent = lead.objects.using(editor.connection.alias).filter(
        status="contacted", contacted_at__gt=timezone.now() - RECENT, contacted_by__isnull=False, phone__gt=""
    )
    columns = ("phone", "contacted_by", "contacted_at", "quote_data")
    people = []
    for phone, seller, at, data in recent.order_by("contacted_at").values_list(*columns).iterator(PAGE):
        stored = snapshot.read(data)
        about = {"expires_at": stored.valid_until, "worth": amount_of(stored.total)}
        people.append(follow_up(key=phones.key(phone), seller_id=seller, written_at=at, **about))
        if len(people) == PAGE:
            _keep(follow_up, people, editor.connection.alias)
            people = []
    _keep(follow_up, people, editor.connection.alias)


def _keep(follow_up, people, alias):
    newest = {person.key: person for person in people if person.key}
    follow_up.objects.using(alias).bulk_create(
        newest.values(),
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["seller", "written_at", "expires_at", "worth"],
    )


class Migration(migrations.Migration):
    dependencies = [("leads", "0016_outcomes")]

    operations = [
        migrations.RunPython(take_over, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="lead",
            name="set_aside",
            field=models.TextField(
                blank=True,
                choices=[
                    ("honeypot", "Honeypot"),
                    ("too_fast", "Too Fast"),
                    ("many_from_address", "Many From Address"),
                    ("many_of_phone", "Many Of Phone"),
                    ("discarded", "discarded"),
                    ("not_customer", "not a customer"),
                    ("duplicate", "duplicate"),
                    ("wrong_number", "wrong number"),
                    ("spam", "spam"),
                ],
                db_default="",
                default="",
                editable=False,
            ),
        ),
        migrations.AlterField(
            model_name="leadevent",
            name="kind",
            field=models.TextField(
                choices=[
                    ("contacted", "Contacted"),
                    ("asked_again", "Asked again"),
                    ("set_aside", "Set aside"),
                    ("brought_back", "Brought back"),
                    ("reverted", "Back to waiting"),
                    ("noted", "Note changed"),
                    ("planned", "Next step"),
                    ("handed", "Handed to a colleague"),
                    ("won", "Sold"),
                    ("lost", "Lost"),
                    ("reopened", "Open again"),
                    ("corrected", "Corrected"),
                    ("joined", "Joined with another phone"),
                    ("separated", "Separated again"),
                    ("restored", "Restored"),
                    ("exported", "Exported"),
                    ("anonymised", "Anonymised"),
                ]
            ),
        ),
        migrations.AddIndex(
            model_name="lead",
            index=models.Index(
                condition=models.Q(
                    ("set_aside__in", ("discarded", "not_customer", "duplicate", "wrong_number", "spam"))
                ),
                fields=["arrived_at", "id"],
                name="lead_put_aside",
            ),
        ),
    ]
