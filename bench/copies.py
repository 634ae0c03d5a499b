"""Makes millions of leads out of some hundred thousand demo leads, in minutes: for `bench.inbox`.

A copy has another folio and another phone, and is some seconds later. Its quote and its name are those of the original,
so that names are as common as before. The indexes are built when all rows are there.
"""

from django.db import connection

# Multiplying by an odd number modulo 2^32 gives each number once, in no order. Of 32 folios, one has the right check
# character.
_COPY = """
INSERT INTO leads (
    folio, name, phone, quote_data, status, visitor_id, created_at, submitted_at, contacted_at, contacted_by,
    arrived_at, alert_stage
)
SELECT substr(folio, 1, 7) || substr(number, 1, 4) || '-' || substr(number, 5, 4) || '-0', name,
    CASE WHEN phone > '' THEN '+52000' || lpad(floor(random() * 10000000)::text, 7, '0') ELSE '' END,
    quote_data, status, visitor_id, created_at + later, submitted_at + later, contacted_at + later, contacted_by,
    arrived_at + later, alert_stage
FROM (SELECT * FROM leads WHERE id <= %(last)s) AS original, LATERAL (
    SELECT %(copy)s::int * interval '7 seconds' AS later,
        upper(lpad(to_hex((original.id * 64 + %(copy)s::int) * 2654435761 %% 4294967296), 8, '0')) AS number
) AS of_copy
"""
_EVENTS = """
INSERT INTO lead_events (lead_id, at, actor_id, kind)
SELECT id, contacted_at, contacted_by, 'contacted' FROM leads WHERE id > %(last)s AND contacted_at IS NOT NULL
"""
_INDEXES = """
SELECT pg_get_indexdef(indexrelid), indexrelid::regclass::text FROM pg_index
WHERE indrelid = 'leads'::regclass AND NOT indisprimary
"""


def multiply(wanted: int) -> None:
    """Copy all leads so often that there are about `wanted`. It takes a superuser's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), max(id) FROM leads")
        count, last = cursor.fetchone()
        copies = min(63, round(wanted / count) - 1)
        cursor.execute(_INDEXES)
        indexes = cursor.fetchall()
        cursor.execute(
            "SET maintenance_work_mem = '1GB'; SET session_replication_role = replica; SET synchronous_commit = off"
        )
        for _, name in indexes:
            cursor.execute(f"DROP INDEX {name}")
        for copy in range(1, copies + 1):
            cursor.execute(_COPY, {"last": last, "copy": copy})
        for definition, _ in indexes:
            cursor.execute(definition.replace(" ON ONLY ", " ON "))
        cursor.execute(_EVENTS, {"last": last})
        cursor.execute("RESET ALL")
