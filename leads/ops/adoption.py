"""Adopts an existing `leads` table without changing any value in it.

The table keeps its rows, its columns with their types, and its constraints. In one transaction, Folio adds what it
needs and then writes a trial lead; when that fails, nothing is changed. It adds no constraint that could refuse rows of
the shop's other programs. docs/supabase.md lists each decision.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from datetime import datetime
from typing import Any, NamedTuple, cast

from django.core.management.base import CommandError
from django.db import DatabaseError, connections, migrations, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState
from django.utils import timezone
from psycopg.types.datetime import TimestampLoader
from psycopg.types.string import TextLoader

from leads import snapshot

TABLE = "leads"

TEXT = ("text", "character varying")
MOMENT = ("timestamp with time zone", "timestamp without time zone")
# The columns that a table must have to be adopted, each with the types that work for Folio unchanged.
REQUIRED = {
    "id": ("bigint", "integer", "uuid"),
    "name": TEXT,
    "phone": TEXT,
    "quote_data": ("jsonb", "json"),
    "status": (*TEXT, "an enum"),
    "visitor_id": TEXT,
    "created_at": MOMENT,
}
# The columns that Folio adds. A column of that name that is there already must have one of these types.
ADDED = {
    "folio": TEXT,
    "submitted_at": MOMENT,
    "contacted_at": MOMENT,
    "contacted_by": ("integer", "bigint"),
    "notes": TEXT,
}
STATUSES = ("new", "contacted")

_COLUMNS = """
SELECT attname, format_type(atttypid, NULL), atttypmod <> -1, typtype = 'e', attnotnull,
    atthasdef OR attidentity <> '', pg_get_expr(adbin, adrelid),
    ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = atttypid),
    EXISTS (
        SELECT FROM pg_index WHERE indrelid = attrelid AND indisunique AND indisvalid AND indpred IS NULL
        AND indnkeyatts = 1 AND indkey[0] = attnum
    )
FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""

_TABLE = """
SELECT relkind::text, pg_has_role(relowner, 'USAGE'), quote_ident(relowner::regrole::text), quote_ident(current_user)
FROM pg_class WHERE oid = to_regclass(%s)
"""

# The unique constraints and indexes on the folio alone.
_UNIQUE_FOLIOS = """
SELECT coalesce(quote_ident(conname), indexrelid::regclass::text), conname IS NOT NULL
FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attname = 'folio'
LEFT JOIN pg_constraint ON conindid = indexrelid AND contype = 'u'
WHERE indrelid = to_regclass(%s) AND indisunique AND NOT indisprimary AND indnkeyatts = 1 AND indkey[0] = attnum
"""
_TRIAL = """
INSERT INTO leads (folio, name, phone, quote_data, visitor_id, created_at, submitted_at)
VALUES ('trial', '', '', %s, '', now(), NULL)
"""
_TRIAL_PERSON = "UPDATE leads SET name = %s, phone = %s, submitted_at = now() WHERE folio = 'trial'"


class CannotAdopt(CommandError):
    """Folio cannot use the existing table `leads` as it is. The message says why, and what to do."""


class Column(NamedTuple):
    name: str
    type: str
    is_bounded: bool  # varchar(50)
    is_enum: bool
    is_required: bool
    has_default: bool
    default: str | None
    labels: list[str]  # of an enum
    is_unique: bool

    @property
    def kind(self) -> str:
        return "an enum" if self.is_enum else self.type


class CreateOrAdopt(migrations.CreateModel):
    """Creates the table of leads, or adopts the existing one. It can be undone only while the table is empty."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if table_exists(schema_editor.connection.alias) and not schema_editor.collect_sql:
            adopt(schema_editor, to_state.apps.get_model(app_label, self.name))
        else:
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(f"SELECT EXISTS (SELECT FROM {TABLE})")
            if cursor.fetchone() == (True,):
                raise CommandError("leads has rows, and undoing this migration would drop them. Empty it first.")
        super().database_backwards(app_label, schema_editor, from_state, to_state)


class FolioNotUnique(migrations.AlterField):
    """Removes what makes folios unique: Folio's constraint, or whatever an adopted table had for it."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if not schema_editor.collect_sql:
            for name, is_constraint in rows_of(schema_editor.connection.alias, _UNIQUE_FOLIOS, [TABLE]):
                schema_editor.execute(
                    f"ALTER TABLE {TABLE} DROP CONSTRAINT {name}" if is_constraint else f"DROP INDEX {name}"
                )
        super().database_forwards(app_label, schema_editor, from_state, to_state)


class DefaultFolio(migrations.AlterField):
    """Gives rows of other programs a folio, but not in an adopted table.

    There a row without a folio waits for the next migrate, which takes what the row's own quote calls its folio.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if schema_editor.collect_sql or columns_of(schema_editor.connection.alias)["folio"].is_required:
            super().database_forwards(app_label, schema_editor, from_state, to_state)


def refuse_unadoptable_table(using: str) -> None:
    """Raise CannotAdopt when there is a table `leads` that Folio cannot adopt. Call it before the first migration."""
    if table_exists(using) and (listed := obstacles(using)):
        raise CannotAdopt(
            "There is a table leads already, and Folio cannot adopt it as it is. Nothing was changed.\n"
            + "\n".join(f"  {obstacle}" for obstacle in listed)
        )


def table_exists(using: str) -> bool:
    """Return whether there is a table, or anything else, called `leads`."""
    return bool(rows_of(using, "SELECT 1 WHERE to_regclass(%s) IS NOT NULL", [TABLE]))


def obstacles(using: str) -> list[str]:
    """Return each reason why `leads` cannot be adopted, with what to do; [] when the catalog shows none."""
    ((relkind, is_owned, owner, role),) = rows_of(using, _TABLE, [TABLE])
    if relkind != "r":
        return ["leads is not an ordinary table. Give it another name, and Folio makes its own."]
    columns = columns_of(using)
    if missing := [name for name in REQUIRED if name not in columns]:
        return [f"It has no {', '.join(missing)}, so it holds something else: ALTER TABLE leads RENAME TO ...;"]
    if not is_owned:
        return [f"It belongs to {owner}, and Django connects as {role}: ALTER TABLE leads OWNER TO {role};"]
    obstacles = []
    for name, kinds in (REQUIRED | ADDED).items():
        column = columns.get(name)
        if column is None:
            continue
        if column.kind not in kinds:
            obstacles.append(_wrong_type(column, kinds))
        elif column.is_enum:
            obstacles += [
                f"{name} has no value {label}: ALTER TYPE {column.type} ADD VALUE '{label}';"
                for label in STATUSES
                if label not in column.labels
            ]
    if not columns["id"].is_unique:
        obstacles.append("id is not its primary key: ALTER TABLE leads ADD PRIMARY KEY (id);")
    if not columns["id"].has_default and columns["id"].type == "uuid":
        obstacles.append("id has no default: ALTER TABLE leads ALTER id SET DEFAULT gen_random_uuid();")
    elif not columns["id"].has_default:
        obstacles.append(
            "id has no default: ALTER TABLE leads ALTER id ADD GENERATED BY DEFAULT AS IDENTITY; "
            "SELECT setval(pg_get_serial_sequence('leads', 'id'), (SELECT max(id) FROM leads));"
        )
    for column in columns.values():
        if column.is_required and not column.has_default and column.name not in REQUIRED | ADDED:
            cure = f"ALTER TABLE leads ALTER {connections[using].ops.quote_name(column.name)} DROP NOT NULL;"
            obstacles.append(f"{column.name} is required, and Folio has no value for it: {cure}")
    if rows_of(using, f"SELECT 1 FROM {TABLE} WHERE created_at IS NULL LIMIT 1", []):
        obstacles.append(
            "Rows have no created_at, which orders them: UPDATE leads SET created_at = ... WHERE created_at IS NULL;"
        )
    return obstacles


def adopt(editor: BaseDatabaseSchemaEditor, model: type[models.Model]) -> None:
    """Add the columns, defaults and indexes that Folio needs, in the migration's transaction, and print what was done.

    Folios are filled in afterwards, by `fill_folios`. CannotAdopt, with nothing changed, when the result does not
    accept a lead.
    """
    using = editor.connection.alias
    refuse_unadoptable_table(using)
    with _errors_as_cannot_adopt():
        editor.execute("SET LOCAL lock_timeout = '10s'")
        editor.execute("SET LOCAL statement_timeout = 0")
        editor.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
        done = [*_add_columns(editor, model), *_adapt_columns(editor, columns_of(using))]
        for index in model._meta.indexes:
            editor.add_index(model, index)
        _write_trial_lead(model, using)
    _print(f"leads exists already: its {count_of(using):,} rows stay as they are.", *done, *_statuses(using))


def match_key(apps: Any, editor: BaseDatabaseSchemaEditor, *, table: str = "lead_events") -> None:
    """Give an empty table the key type of the adopted leads, so that its lead_id can refer to them."""
    key = columns_of(editor.connection.alias)["id"]
    if key.type == "uuid":
        editor.execute(f"ALTER TABLE {table} ALTER lead_id TYPE uuid USING NULL")


def register_adopted_types(*, connection: Any, **kwargs: object) -> None:
    """Make a new connection read json and timestamps without a zone as Django needs them. For `connection_created`."""
    adapters = connection.connection.adapters
    adapters.register_loader("json", TextLoader)
    adapters.register_loader("timestamp", _ZonedLoader)


class _ZonedLoader(TimestampLoader):
    """Reads a timestamp without a zone as one in the session's zone, because Postgres writes it in that zone."""

    def load(self, data: Any) -> datetime:
        zone = cast(Any, self.connection).info.timezone if self.connection else timezone.get_default_timezone()
        return super().load(data).replace(tzinfo=zone)


def _add_columns(editor: BaseDatabaseSchemaEditor, model: type[models.Model]) -> Iterator[str]:
    columns = columns_of(editor.connection.alias)
    added = [name for name in ADDED if name not in columns]
    for name in added:
        field = copy(cast(Any, model._meta.get_field(name)))
        # May be null, because other programs write rows without a folio; `fill_folios` adds it.
        field.null = field.null or name == "folio"
        editor.add_field(model, field)
    if "folio" in columns and not columns["folio"].is_unique:
        editor.execute(f"ALTER TABLE {TABLE} ADD CONSTRAINT leads_folio_key UNIQUE (folio)")
    if {"contacted_at", "contacted_by"} <= set(added):
        # Weaker than in Folio's own table: leads contacted earlier have neither a time nor a person.
        editor.execute(
            f"ALTER TABLE {TABLE} ADD CONSTRAINT lead_contacted_by_someone "
            "CHECK ((contacted_at IS NULL) = (contacted_by IS NULL))"
        )
    yield f"Added: {', '.join([*added, 'indexes'])}."


def _adapt_columns(editor: BaseDatabaseSchemaEditor, columns: dict[str, Column]) -> Iterator[str]:
    for column in columns.values():
        if column.type == "character varying" and column.is_bounded and column.name in REQUIRED | ADDED:
            editor.execute(f"ALTER TABLE {TABLE} ALTER {column.name} TYPE text")  # only the catalog changes
            yield f"{column.name} may have any length now."
    default = columns["status"].default
    if default is None or default.split("::")[0] != "'new'":
        editor.execute(f"ALTER TABLE {TABLE} ALTER status SET DEFAULT 'new'")
        yield f"status of a new row is 'new' unless given; it was {default or 'nothing'}."
    if not columns["created_at"].has_default:
        editor.execute(f"ALTER TABLE {TABLE} ALTER created_at SET DEFAULT now()")
        yield "created_at of a new row is now() unless given."
    if not columns["notes"].has_default:
        editor.execute(f"ALTER TABLE {TABLE} ALTER notes SET DEFAULT ''")


def _write_trial_lead(model: type[models.Model], using: str) -> None:
    """Write a quote and then its lead, as the relay does, read the lead as the admin does, and roll back."""
    with transaction.atomic(using=using):
        with connections[using].cursor() as cursor:
            cursor.execute(_TRIAL, [json.dumps({"folio": "trial", "total": "1.00"})])
            cursor.execute(_TRIAL_PERSON, ["María Peña", "+526561234567"])
        lead: Any = model._default_manager.using(using).get(folio="trial", status="new")
        stored = snapshot.read(lead.quote_data)
        if (lead.name, stored.total_text, lead.status) != ("María Peña", "$1.00", "new"):
            raise CannotAdopt("A lead that was written to leads reads back differently. Is there a trigger?")
        transaction.set_rollback(True, using=using)


@contextmanager
def _errors_as_cannot_adopt() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        # Without the message's details, which may contain a row's data.
        diagnosis = getattr(error.__cause__, "diag", None)
        reason = diagnosis.message_primary if diagnosis else type(error).__name__
        raise CannotAdopt(f"leads cannot be adopted, and was not changed: {reason}") from error


def _statuses(using: str) -> Iterator[str]:
    other_statuses = rows_of(
        using,
        f"SELECT coalesce(quote_literal(status::text), 'NULL'), count(*) FROM {TABLE} "
        "WHERE status IS NULL OR status NOT IN ('new', 'contacted') GROUP BY 1 ORDER BY 2 DESC",
        [],
    )
    if other_statuses:
        listed = ", ".join(f"{count:,} {status}" for status, count in other_statuses)
        yield f"Rows with other statuses are not listed as waiting: {listed}. For those that do wait, run:"
        yield "UPDATE leads SET status = 'new' WHERE status = ...;"


def _wrong_type(column: Column, kinds: tuple[str, ...]) -> str:
    if column.name not in REQUIRED:
        rename = f"ALTER TABLE leads RENAME {column.name} TO {column.name}_before;"
        return f"{column.name} is {column.type}, and Folio adds one that is {kinds[0]}: {rename}"
    change = f"ALTER TABLE leads ALTER {column.name} TYPE {kinds[0]} USING {column.name}::{kinds[0]};"
    return f"{column.name} is {column.type}; Folio reads and writes {' or '.join(kinds)}: {change}"


def columns_of(using: str) -> dict[str, Column]:
    return {row[0]: Column(*row) for row in rows_of(using, _COLUMNS, [TABLE])}


def count_of(using: str, condition: str = "true") -> int:
    ((count,),) = rows_of(using, f"SELECT count(*) FROM {TABLE} WHERE {condition}", [])
    return int(count)


def rows_of(using: str, sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _print(*lines: str) -> None:
    # A migration gets no output stream, and `migrate` has printed the beginning of a line.
    sys.stdout.write("\n" + "\n".join(f"    {line}" for line in lines) + "\n   ")
