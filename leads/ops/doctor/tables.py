"""Checks whether the tables are as the migrations left them. Migrations that are applied do not look again.

Of `leads` the types that adoption allows are in order, and the columns and indexes of other programs always are.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import CreateModel

from leads.ops.adoption import ADDED, REQUIRED
from leads.ops.adoption import TABLE as LEADS
from leads.ops.doctor.finding import Finding, error, ok, warning

# An adopted table may lack them.
OPTIONAL = {"lead_status_known", "lead_contacted_by_someone"}
MOST_NAMED = 3
# Types that Postgres converts without a loss, by the one that Django asks for.
ALIKE = {
    "text": ("text", "character varying"),
    "character varying": ("text", "character varying"),
    "bigint": ("bigint", "integer"),
    "integer": ("bigint", "integer"),
}

_COLUMNS = """
SELECT name, relpersistence = 'u', attname, format_type(atttypid, NULL), typtype = 'e',
    CASE WHEN typname IN ('varchar', 'bpchar') AND atttypmod > 4 THEN atttypmod - 4 END
FROM unnest(%s::text[]) AS name JOIN pg_class c ON c.oid = to_regclass(quote_ident(name))
JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped JOIN pg_type t ON t.oid = atttypid
"""
_INDEXES = """
SELECT i.relname, indisvalid FROM pg_index JOIN pg_class i ON i.oid = indexrelid
WHERE indrelid = ANY (ARRAY(SELECT to_regclass(quote_ident(name)) FROM unnest(%s::text[]) AS name))
UNION ALL
SELECT conname, true FROM pg_constraint
WHERE contype = 'c' AND conrelid = ANY (ARRAY(SELECT to_regclass(quote_ident(name)) FROM unnest(%s::text[]) AS name))
"""
_SEQUENCES = """
SELECT name, pg_get_serial_sequence(quote_ident(name), key) FROM unnest(%s::text[], %s::text[]) AS t (name, key)
"""
_SHADOWS = """
SELECT string_agg(n.nspname || '.leads', ', ' ORDER BY array_position(current_schemas(false), n.nspname))
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relname = 'leads' AND relkind IN ('r', 'p', 'v') AND n.nspname = ANY (current_schemas(false))
"""


class _Column(NamedTuple):
    type: str
    is_enum: bool
    most_characters: int | None


def examine() -> Iterator[Finding]:
    expected = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    names = [model._meta.db_table for model in expected]
    tables: dict[str, dict[str, _Column]] = {}
    unlogged = set()
    for table, is_unlogged, name, *column in _rows(_COLUMNS, [names]):
        tables.setdefault(table, {})[name] = _Column(*column)
        unlogged |= {table} if is_unlogged else set()
    indexes = dict(_rows(_INDEXES, [names, names]))
    findings = [
        *_missing(expected, tables),
        *(finding for model in expected for finding in _types(model, tables.get(model._meta.db_table, {}))),
        *(error("tables", *_of_unlogged(table)) for table in sorted(unlogged)),
        *_indexes([model for model in expected if model._meta.db_table in tables], indexes),
        *_sequences([model for model in expected if model._meta.db_table in tables]),
        *_shadows(),
    ]
    yield from findings
    if not findings:
        yield ok("tables", f"as the migrations left them: {len(tables)}")


def _missing(expected: list[type[models.Model]], tables: dict[str, dict[str, _Column]]) -> Iterator[Finding]:
    for model in expected:
        table = model._meta.db_table
        if table not in tables:
            if table != LEADS:  # the check that writes a row reports that
                cure = f"Restore it from a backup, or create it empty: `python manage.py sqlmigrate {_creator(model)}`."
                yield error("tables", f"the table {table} is gone, though its migration is applied", cure)
            continue
        for field in model._meta.local_concrete_fields:
            if field.column not in tables[table]:
                sql = _sql("add_field", model, field)
                yield error("tables", f"the table {table} lacks the column {field.column}", f"From a backup, or: {sql}")


def _creator(model: type[models.Model]) -> str:
    """Return the migration that creates the table, as sqlmigrate takes it."""
    label = model._meta.app_label
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        created = [each.name_lower for each in migration.operations if isinstance(each, CreateModel)]
        if app == label and model._meta.model_name in created:
            return f"{label} {name}"
    return f"{label} 0001"  # a table between two others


def _types(model: type[models.Model], has: dict[str, _Column]) -> Iterator[Finding]:
    table = model._meta.db_table
    adopted = REQUIRED | ADDED if table == LEADS else {}
    for field in model._meta.local_concrete_fields:
        column, wanted = has.get(str(field.column)), field.db_type(connection)
        related = field.related_model
        # References to leads have the type of its id, which an adopted table chose.
        if not column or not wanted or (related and related._meta.db_table == LEADS):
            continue
        kind = wanted.partition("(")[0].replace("varchar", "character varying")
        name = connection.ops.quote_name(str(field.column))
        if "an enum" in adopted.get(str(field.column), ()) and column.is_enum:
            continue
        if column.type not in adopted.get(str(field.column), ALIKE.get(kind, (kind,))):
            found = f"the column {field.column} of {table} is of type {column.type}, and Folio needs {wanted}"
            yield error("tables", found, f"ALTER TABLE {table} ALTER {name} TYPE {wanted} USING {name}::{wanted};")
        elif column.most_characters and column.most_characters < (getattr(field, "max_length", None) or 10**9):
            found = f"the column {field.column} of {table} takes {column.most_characters} characters, and refuses more"
            yield error("tables", found, f"ALTER TABLE {table} ALTER {name} TYPE {wanted};")


def _of_unlogged(table: str) -> tuple[str, str]:
    return f"the table {table} is unlogged: a crash of Postgres empties it", f"ALTER TABLE {table} SET LOGGED;"


def _indexes(expected: list[type[models.Model]], has: dict[str, bool]) -> Iterator[Finding]:
    wanted = {
        each.name: (model, each)
        for model in expected
        for each in (*model._meta.indexes, *model._meta.constraints)
        if each.name not in OPTIONAL
    }
    if invalid := [name for name in wanted if has.get(name) is False]:
        cure = " ".join(f"REINDEX INDEX CONCURRENTLY {name};" for name in invalid[:MOST_NAMED])
        yield error("tables", f"indexes that are not valid, as after a broken CREATE INDEX: {', '.join(invalid)}", cure)
    if gone := [name for name in wanted if name not in has]:
        found = f"indexes or constraints are gone: {', '.join(gone[:MOST_NAMED])}{' ...' if gone[MOST_NAMED:] else ''}"
        model, first = wanted[gone[0]]
        cure = _sql("add_index" if isinstance(first, models.Index) else "add_constraint", model, first)
        yield warning("tables", f"{found}; pages get slow, or what should be refused is taken", cure)


def _sql(change: str, *arguments: Any) -> str:
    """Return the statements of a change by a schema editor, such as "add_index", which does not make it."""
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        getattr(editor, change)(*arguments)
    return " ".join(map(str, editor.collected_sql))


def _sequences(expected: list[type[models.Model]]) -> Iterator[Finding]:
    """Yield the tables whose sequence gives ids that are used already, as after rows were imported with their ids.

    Without leads, of which the row that is written on trial tells it, and which may be locked.
    """
    keys = {
        model._meta.db_table: str(model._meta.pk.column)
        for model in expected
        if model._meta.db_table != LEADS and isinstance(model._meta.pk, models.AutoField | models.BigAutoField)
    }
    # An adopted table may have another default.
    sequences = {name: sequence for name, sequence in _rows(_SEQUENCES, [[*keys], [*keys.values()]]) if sequence}
    newest = {
        name: f"SELECT max({connection.ops.quote_name(keys[name])}) FROM {connection.ops.quote_name(name)}"
        for name in sequences
    }
    looks = [f"SELECT '{name}' FROM {sequences[name]} WHERE last_value < ({newest[name]})" for name in sequences]
    for (name,) in _rows(" UNION ALL ".join(looks), []) if looks else []:
        cure = f"SELECT setval('{sequences[name]}', ({newest[name]}));"
        yield error("tables", f"the sequence of ids of {name} gives ones that are used already", cure)


def _shadows() -> Iterator[Finding]:
    [(named,)] = _rows(_SHADOWS, [])
    if named and "," in named:
        found = f"there are several tables leads, and the first in search_path counts: {named}"
        yield error("tables", found, "Move the rows into one of them, and rename or drop the other.")


def _rows(sql: str, parameters: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
