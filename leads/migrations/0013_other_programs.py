# What other programs may do with the service key: write a lead without a folio, and mark one contacted, though they
# have no user here. And indexes that nothing used. Each step may be repeated, and nobody waits long for any of them.

import django.db.models.deletion
from django.db import migrations, models

import leads.models.lead
import leads.ops.adoption
from leads.ops.adoption import rows_of

# As leads.models.lead describes it; devices of earlier releases added 40 to the day. The check character is that of
# quoter.engine.folio: Horner's rule over GF(32).
NEW_FOLIO = """
CREATE OR REPLACE FUNCTION lead_new_folio() RETURNS text LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    alphabet CONSTANT text := '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
    chance CONSTANT bytea := uuid_send(gen_random_uuid());
    body text := to_char(now(), 'YYMM') || 60 + extract(day FROM now())::int;
    checked int := 0;
BEGIN
    FOR place IN 0..7 LOOP  -- without the bytes in which every UUID has the same bits
        body := body || substr(alphabet, 1 + get_byte(chance, (9 + place) % 16) % 32, 1);
    END LOOP;
    FOR place IN 1..15 LOOP
        checked := checked << 1;
        checked := CASE WHEN checked & 32 > 0 THEN checked # 37 ELSE checked END;
        IF place < 15 THEN
            checked := checked # (strpos(alphabet, substr(body, place, 1)) - 1);
        END IF;
    END LOOP;
    RETURN format('%s-%s-%s-%s', left(body, 6), substr(body, 7, 4), substr(body, 11), substr(alphabet, 1 + checked, 1));
END
$$
"""

# Of Folio's own tables: the indexes for LIKE that Django adds to every text key, though nothing asks for the beginning
# of one, and that of a lead's events alone, which lead_event_timeline begins with.
SPARE_INDEXES = """
SELECT i.oid::regclass::text FROM pg_index JOIN pg_class i ON i.oid = indexrelid
WHERE indrelid = ANY (ARRAY(SELECT to_regclass(name) FROM unnest(%s::text[]) AS name))
AND (i.relname LIKE '%%\\_like' OR i.relname LIKE 'lead\\_events\\_lead\\_id\\_%%') AND NOT indisunique
"""
OWN_TABLES = ["alert_recipients", "lead_events", "lead_leases", "lead_machines", "staff_cache"]

# Adopted tables have other statuses, and a rule of their own for their own columns.
CONTACTED = """
status = 'new' AND contacted_at IS NULL AND contacted_by IS NULL
OR status = 'contacted' AND (contacted_by IS NULL OR contacted_at IS NOT NULL)
"""
CONTACTED_IF_ADOPTED = "contacted_by IS NULL OR contacted_at IS NOT NULL"
RULES = "SELECT conname FROM pg_constraint WHERE conrelid = 'leads'::regclass AND contype = 'c'"


def drop_spare_indexes(apps, editor):
    for (name,) in rows_of(editor.connection.alias, SPARE_INDEXES, [OWN_TABLES]):
        editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def may_be_contacted_by_nobody(apps, editor):
    rules = {name for (name,) in rows_of(editor.connection.alias, RULES, [])}
    if not rules & {"lead_contacted_by_someone", "lead_contacted_new"}:
        return  # an adopted table that had one of the columns
    condition = CONTACTED if "lead_status_known" in rules else CONTACTED_IF_ADOPTED
    editor.execute("ALTER TABLE leads DROP CONSTRAINT IF EXISTS lead_contacted_new")
    editor.execute(f"ALTER TABLE leads ADD CONSTRAINT lead_contacted_new CHECK ({condition}) NOT VALID")
    editor.execute("ALTER TABLE leads VALIDATE CONSTRAINT lead_contacted_new")  # beside others who write
    editor.execute("ALTER TABLE leads DROP CONSTRAINT IF EXISTS lead_contacted_by_someone")
    editor.execute("ALTER TABLE leads RENAME CONSTRAINT lead_contacted_new TO lead_contacted_by_someone")


def must_be_contacted_by_someone(apps, editor):
    rules = {name for (name,) in rows_of(editor.connection.alias, RULES, [])}
    if "lead_contacted_by_someone" in rules:
        both = "(contacted_at IS NULL) = (contacted_by IS NULL)"
        strict = f"{both} AND (contacted_at IS NULL) = (status = 'new')"
        condition = strict if "lead_status_known" in rules else both
        editor.execute("ALTER TABLE leads DROP CONSTRAINT lead_contacted_by_someone")
        editor.execute(f"ALTER TABLE leads ADD CONSTRAINT lead_contacted_by_someone CHECK ({condition}) NOT VALID")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("leads", "0012_machines"),
        ("staff", "0001_cache"),
    ]

    operations = [
        migrations.RunSQL(NEW_FOLIO, "DROP FUNCTION IF EXISTS lead_new_folio()"),
        leads.ops.adoption.DefaultFolio(
            model_name="lead",
            name="folio",
            field=models.TextField(db_default=leads.models.lead.NewFolio(), editable=False, verbose_name="folio"),
        ),
        migrations.SeparateDatabaseAndState(
            [migrations.RunPython(may_be_contacted_by_nobody, must_be_contacted_by_someone)],
            [
                migrations.RemoveConstraint(model_name="lead", name="lead_contacted_by_someone"),
                migrations.AddConstraint(
                    model_name="lead",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("contacted_at", None), ("contacted_by", None), ("status", "new")),
                            models.Q(
                                models.Q(("contacted_by", None), ("contacted_at__isnull", False), _connector="OR"),
                                ("status", "contacted"),
                            ),
                            _connector="OR",
                        ),
                        name="lead_contacted_by_someone",
                    ),
                ),
            ],
        ),
        migrations.SeparateDatabaseAndState(
            [migrations.RunPython(drop_spare_indexes, migrations.RunPython.noop)],
            [
                migrations.AlterField(
                    model_name="leadevent",
                    name="lead",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="leads.lead",
                    ),
                ),
            ],
        ),
    ]
