# A lead is one person who asked for one quote: the folio is unique among first leads only. The last release cannot
# write beside this, since its upsert names the folio alone; its leads wait in the outbox for the new one.

import django.db.models.functions.datetime
from django.db import migrations, models

import leads.ops.adoption
from leads.ops.adopted_folios import triggers_disabled

# Who waits keeps the order of before, and is not announced again.
WAITING = """
UPDATE leads SET
    arrived_at = coalesce(submitted_at, created_at),
    alert_stage = CASE
        WHEN created_at < now() - interval '14 days' THEN 2
        ELSE coalesce((
            SELECT max(CASE kind WHEN 'unanswered' THEN 2 ELSE 1 END) FROM lead_alerts
            WHERE subject = folio AND kind IN ('came', 'unanswered')
        ), 0)
    END
WHERE status = 'new' AND phone > ''
"""
# Without a phone but with a time, a person was erased. Nobody knows who, so no late lead of that quote is taken.
ERASED = """
INSERT INTO lead_erasures (folio, person, at)
SELECT folio, '', submitted_at FROM leads WHERE phone = '' AND submitted_at IS NOT NULL AND folio IS NOT NULL
"""


def keep_the_order(apps, editor):
    with triggers_disabled(editor.connection.alias):
        editor.execute(WAITING)


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0006_quote_data_decoder"),
    ]

    operations = [
        migrations.CreateModel(
            name="Erasure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("folio", models.TextField()),
                ("person", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={
                "db_table": "lead_erasures",
                "constraints": [models.UniqueConstraint(fields=["folio", "person"], name="lead_erased_once")],
            },
        ),
        migrations.AddField(
            model_name="lead",
            name="alert_stage",
            field=models.SmallIntegerField(
                choices=[(0, "Nothing"), (1, "Came"), (2, "Unanswered")], db_default=0, default=0, editable=False
            ),
        ),
        migrations.AddField(
            model_name="lead",
            name="arrived_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="arrived at"
            ),
        ),
        migrations.AddField(
            model_name="lead",
            name="asked_again_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="lead",
            name="is_first",
            field=models.BooleanField(db_default=True, default=True, editable=False),
        ),
        migrations.AddField(
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
                    ("restored", "Restored"),
                    ("exported", "Exported"),
                    ("anonymised", "Anonymised"),
                ]
            ),
        ),
        migrations.RunPython(keep_the_order, migrations.RunPython.noop),
        migrations.RunSQL(ERASED, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="lead",
            index=models.Index(fields=["folio"], name="lead_folio"),
        ),
        leads.ops.adoption.FolioNotUnique(
            model_name="lead",
            name="folio",
            field=models.TextField(editable=False, verbose_name="folio"),
        ),
        migrations.AddConstraint(
            model_name="lead",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_first", True)), fields=("folio",), name="lead_first"
            ),
        ),
        migrations.AddConstraint(
            model_name="lead",
            constraint=models.UniqueConstraint(
                condition=models.Q(("phone__gt", "")), fields=("folio", "phone"), name="lead_person"
            ),
        ),
        migrations.RemoveIndex(
            model_name="lead",
            name="lead_unanswered",
        ),
        migrations.AddIndex(
            model_name="lead",
            index=models.Index(
                condition=models.Q(("phone__gt", ""), ("status", "new"), ("set_aside", "")),
                fields=["arrived_at", "id"],
                name="lead_queue",
            ),
        ),
        migrations.AddIndex(
            model_name="lead",
            index=models.Index(
                condition=models.Q(("phone__gt", ""), ("status", "new"), models.Q(("set_aside", ""), _negated=True)),
                fields=["arrived_at", "id"],
                name="lead_set_aside",
            ),
        ),
        migrations.AddIndex(
            model_name="lead",
            index=models.Index(
                condition=models.Q(("phone__gt", ""), ("status", "new"), ("alert_stage__lt", 2), ("set_aside", "")),
                fields=["alert_stage", "arrived_at", "id"],
                name="lead_to_announce",
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="kind",
            field=models.TextField(
                choices=[
                    ("came", "Came"),
                    ("unanswered", "Unanswered"),
                    ("set_aside", "Set Aside"),
                    ("alive", "Alive"),
                ]
            ),
        ),
        # Heartbeats are once a day; a lead is announced again when its person asks again.
        migrations.RemoveConstraint(model_name="alert", name="lead_alert_once"),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "alive")), fields=("kind", "subject"), name="lead_heartbeat_once"
            ),
        ),
    ]
