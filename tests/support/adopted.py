"""Tables `leads` of before Folio, and what the database that Django is connected to has of one."""

from typing import Any

from django.db import connection

PLAYBOOK = """
CREATE TABLE leads (
    id bigserial PRIMARY KEY, name text NOT NULL, phone text NOT NULL, quote_data jsonb NOT NULL,
    status text NOT NULL DEFAULT 'new', visitor_id text, created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO leads (name, phone, quote_data, status, created_at) VALUES
    ('Ana', '656 123 4567', '{"folio": "COT-0001", "total": "100.50", "z": 1, "a": 2}', 'new', '2026-03-01 23:30-07'),
    ('Beto', '+526561112233', '{"total": 12.5}', 'contacted', '2026-03-02 10:00-07'),
    ('Ana', '656 123 4567', '{"folio": "COT-0001"}', 'new', '2026-03-03 10:00-07'),
    ('', '', '{"folio": "  "}', 'new', '2026-03-04 10:00-07');
"""
NULLABLE = """
CREATE TABLE leads (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, phone text, quote_data jsonb, status text,
    visitor_id text, created_at timestamptz
);
INSERT INTO leads (name, phone, quote_data, status, visitor_id, created_at) VALUES
    (NULL, NULL, NULL, NULL, NULL, now()), ('Ana', NULL, '[]', 'new', 'v', now()),
    (NULL, '1', '"text"', 'new', '', now());
"""
SHORT_AND_OLD = """
CREATE TABLE leads (
    id serial PRIMARY KEY, name character varying(80), phone character varying(16), quote_data json,
    status character varying(9) DEFAULT 'new', visitor_id character varying(8),
    created_at timestamp without time zone DEFAULT now()
);
INSERT INTO leads (name, phone, quote_data, created_at) VALUES
    ('Ana', '6561234567', '{"folio":"A1",  "total": 1, "total": "2.00"}', '2026-03-01 23:30:00.123456');
CREATE INDEX leads_by_name ON leads (name);
"""
SUPABASE_S_OWN_WAY = """
CREATE TYPE lead_status AS ENUM ('new', 'contacted', 'lost');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at = clock_timestamp(); RETURN NEW; END';
CREATE TABLE sent (about text);
CREATE FUNCTION send() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO sent VALUES (NEW.name); RETURN NEW; END';
CREATE TABLE leads (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, phone text, quote_data jsonb DEFAULT '{}',
    status lead_status DEFAULT 'new', visitor_id text, created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(), email text UNIQUE, "Odd name" numeric(9, 3), tags text[],
    notes text, score int GENERATED ALWAYS AS (length(name)) STORED
);
INSERT INTO leads (name, phone, quote_data, status, email, "Odd name", tags, notes) VALUES
    ('Ana', '1', '{"folio": "260301-0000-0000-0"}', 'new', 'ana@example.com', 1.250, '{a,b}', 'call'),
    ('Beto', '2', '{"total": "abc"}', 'lost', NULL, NULL, NULL, NULL);
CREATE TRIGGER touch BEFORE UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER send AFTER INSERT OR UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION send();
CREATE TRIGGER disabled BEFORE UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE leads DISABLE TRIGGER disabled, ENABLE ALWAYS TRIGGER touch, ENABLE ROW LEVEL SECURITY;
CREATE POLICY anybody ON leads FOR INSERT TO anon WITH CHECK (true);
CREATE VIEW waiting AS SELECT id, name, created_at FROM leads WHERE status = 'new';
CREATE TABLE calls (lead_id uuid REFERENCES leads ON DELETE CASCADE);
"""
IN_CAPITALS = """
CREATE TABLE leads (
    id bigserial PRIMARY KEY, name text, phone text, quote_data jsonb, status text DEFAULT 'NEW', visitor_id text,
    created_at timestamptz
);
INSERT INTO leads (name, quote_data, status, created_at) VALUES
    ('Ana', '{}', 'NEW', now()), ('Beto', '{}', 'Won', now());
"""
WITH_FOLIOS = """
CREATE TABLE leads (
    id bigserial PRIMARY KEY, name text, phone text, quote_data jsonb, status text DEFAULT 'new', visitor_id text,
    created_at timestamptz DEFAULT now(), folio character varying(20), contacted_at timestamptz, submitted_at timestamp
);
INSERT INTO leads (name, quote_data, folio, status, contacted_at) VALUES
    ('Ana', '{"folio": "other"}', 'kept', 'contacted', now()), ('Beto', '{"folio": "kept"}', NULL, 'new', NULL);
"""
EMPTY = PLAYBOOK.partition("INSERT")[0]

TABLES = {
    "the playbook's": PLAYBOOK,
    "nullable": NULLABLE,
    "short and old types": SHORT_AND_OLD,
    "supabase's own way": SUPABASE_S_OWN_WAY,
    "in capitals": IN_CAPITALS,
    "with folios": WITH_FOLIOS,
    "empty": EMPTY,
}


def sql(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def columns() -> list[str]:
    return [name for (name,) in sql(
        "SELECT quote_ident(attname) FROM pg_attribute "
        "WHERE attrelid = 'leads'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )]  # fmt: skip


def every_byte(names: list[str]) -> bytes:
    """Return the named columns of every row, in Postgres's own binary format."""
    connection.ensure_connection()
    with connection.connection.cursor() as cursor:
        query = f"COPY (SELECT {', '.join(names)} FROM leads ORDER BY id) TO STDOUT (FORMAT binary)"
        with cursor.copy(query) as copy:
            return b"".join(bytes(piece) for piece in copy)
