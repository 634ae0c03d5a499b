"""Makes `leads` a partitioned table. The table of before becomes its first partition, so that no row has to move.

The catalog is changed in one transaction: it is complete, or nothing has changed. What customers send meanwhile waits
in the outbox. Everything that belongs to the table comes along: indexes, constraints, rights, policies and triggers.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from django.apps import apps
from django.core.management.base import CommandError
from django.db import DatabaseError, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from leads.ops import estimates, supabase
from leads.ops.partitions.months import (
    AHEAD,
    DEFAULT,
    TABLE,
    TRIGGER_STATES,
    Month,
    columns,
    create_partition,
    execute,
    rows,
)

# Proves that the table has no row for a later partition, so that Postgres needs not read it while it is locked.
_PROOF = "leads_end_before"
# The proof refuses leads from its month on, so it must be gone by then, even if this is killed.
_SAFE_MONTHS = 2

_TABLE = """
SELECT relkind::text, quote_ident(relowner::regrole::text), quote_ident(current_user),
    relrowsecurity, relforcerowsecurity, obj_description(oid, 'pg_class')
FROM pg_class WHERE oid = to_regclass(%s)
"""
# What would go on using the table of before: views, functions, policies of other tables, columns of its row type.
_USERS = """
SELECT DISTINCT pg_describe_object(classid, objid, 0) FROM pg_depend, pg_class t
WHERE t.oid = to_regclass(%s) AND (
    refclassid = 'pg_class'::regclass AND refobjid = t.oid OR refclassid = 'pg_type'::regclass AND refobjid = t.reltype
) AND deptype = 'n' AND classid <> 'pg_constraint'::regclass
AND NOT (classid = 'pg_policy'::regclass AND objid IN (SELECT oid FROM pg_policy WHERE polrelid = t.oid))
AND NOT (classid = 'pg_attrdef'::regclass AND objid IN (SELECT oid FROM pg_attrdef WHERE adrelid = t.oid))
AND NOT (classid = 'pg_trigger'::regclass AND objid IN (SELECT oid FROM pg_trigger WHERE tgrelid = t.oid))
UNION SELECT format('publication %%s', pubname) FROM pg_publication_rel JOIN pg_publication p ON p.oid = prpubid
WHERE prrelid = to_regclass(%s)
UNION SELECT format('table %%s', inhrelid::regclass) FROM pg_inherits WHERE inhparent = to_regclass(%s)
"""
# Unique indexes that a partitioned table cannot have, because the folio is not among their columns.
_UNIQUE = """
SELECT indexrelid::regclass::text, quote_ident(conname) FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid
AND conrelid = indrelid
WHERE indrelid = to_regclass(%s) AND (indisunique OR indisexclusion) AND NOT indisprimary AND NOT EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = indrelid AND attname = 'folio' AND attnum = ANY (indkey)
)
"""
# Foreign keys of others to this table. The type of what happens when a lead is deleted: a, r, c, n or d.
_REFERENCES = """
SELECT conrelid::regclass::text, c.relname, a.attname, conname, confdeltype::text, condeferrable AND condeferred
FROM pg_constraint JOIN pg_class c ON c.oid = conrelid
JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = conkey[1]
WHERE contype = 'f' AND confrelid = to_regclass(%s) AND conparentid = 0
"""
_INDEXES = """
SELECT indexrelid::regclass::text, c.relname, pg_get_indexdef(indexrelid), indisprimary
FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = to_regclass(%s)
"""
_FOREIGN_KEYS = """
SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND conrelid = to_regclass(%s)
"""
_TRIGGERS = """
SELECT quote_ident(tgname), tgenabled::text, pg_get_triggerdef(oid) FROM pg_trigger
WHERE tgrelid = to_regclass(%s) AND NOT tgisinternal
"""
_POLICIES = """
SELECT format('CREATE POLICY %%I ON %%s AS %%s FOR %%s TO %%s', polname, %s::text,
        CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
        CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
            ELSE 'ALL' END,
        (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(role::regrole::text) END, ', ')
            FROM unnest(polroles) AS role))
    || coalesce(' USING (' || pg_get_expr(polqual, polrelid) || ')', '')
    || coalesce(' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')', '')
FROM pg_policy WHERE polrelid = to_regclass(%s)
"""
_RIGHTS = """
SELECT format('GRANT %%s%%s ON %%s TO %%s%%s', privilege_type, names, %s::text,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(grantee::regrole::text) END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM (
    SELECT '' AS names, relowner, (aclexplode(relacl)).* FROM pg_class WHERE oid = to_regclass(%s)
    UNION ALL
    SELECT format(' (%%I)', attname), relowner, (aclexplode(attacl)).*
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE c.oid = to_regclass(%s) AND NOT attisdropped
) AS granted WHERE grantee <> relowner
"""
_GRANTEES = """
SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(grantee::regrole::text) END
FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = to_regclass(%s) AND grantee <> relowner
"""
_KEY = "SELECT attidentity::text FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'id'"
_IS_REQUIRED = "SELECT attnotnull FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'folio'"
_ESTIMATE = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(%s)"
_LOOK_FOR_PROOF = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(%s) AND conname = %s"


class CannotPartition(CommandError):
    """`leads` cannot become a partitioned table as it is. The message says why, and what to do."""


class Plan(NamedTuple):
    """What a conversion would do. first: the first month with a partition of its own; months: how many get one.

    leads: about how many rows there are; moving: how many of them go to another partition, and are written again.
    is_proved: whether Postgres reads the table before it is locked, not while.
    """

    first: Month
    months: int
    leads: int
    moving: int
    is_proved: bool

    @property
    def before(self) -> str:
        """The name that the table of before gets, as a partition."""
        return f"{TABLE}_before_{self.first.year}_{self.first.month:02d}"


def plan(using: str, *, this_month: Month, first: Month | None) -> Plan:
    """Look at the table, and change nothing. CannotPartition when it cannot be converted.

    first: as in Plan; by default so late that no row has to move.
    """
    if listed := obstacles(using):
        raise CannotPartition(
            "leads cannot be partitioned as it is. Nothing was changed.\n" + "\n".join(f"  {each}" for each in listed)
        )
    chosen = first or this_month.later(_SAFE_MONTHS)
    ((leads,),) = rows(
        using, "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(%s)", [TABLE]
    )
    ((moving,),) = rows(using, f"SELECT count(*) FROM {TABLE} WHERE {_belongs_elsewhere(chosen)}", [])
    ((is_required,),) = rows(using, _IS_REQUIRED, [TABLE])
    is_proved = is_required and not moving and chosen >= this_month.later(_SAFE_MONTHS)
    months = max(1, chosen.until(this_month.later(AHEAD)) + 1)
    return Plan(chosen, months, leads, moving, is_proved)


def obstacles(using: str) -> list[str]:
    """Return each reason why `leads` cannot be partitioned, with what to do; [] when the catalog shows none."""
    executor = MigrationExecutor(connections[using])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return ["Migrations are not applied: python manage.py migrate."]
    ((kind, owner, role, *_),) = rows(using, _TABLE, [TABLE])
    if kind != "r":
        return ["It is not an ordinary table."]
    if owner != role:
        return [f"It belongs to {owner}, and this is {role}: set DATABASE_MIGRATION_URL to the owner's."]
    own = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    listed = [
        f"{table} refers to it, and is none of Django's tables: ALTER TABLE {table} DROP CONSTRAINT {name};"
        for table, relname, _, name, _, _ in rows(using, _REFERENCES, [TABLE])
        if relname not in own
    ]
    for index, constraint in rows(using, _UNIQUE, [TABLE]):
        drop = f"ALTER TABLE {TABLE} DROP CONSTRAINT {constraint}" if constraint else f"DROP INDEX {index}"
        listed.append(f"{index} is unique without the folio, which no partitioned table can guarantee: {drop};")
    for (user,) in rows(using, _USERS, [TABLE, TABLE, TABLE]):
        listed.append(f"{user} uses it, and would see old rows only: drop it now, and create it again afterwards.")
    return listed


def convert(using: str, chosen: Plan) -> None:
    """Make the table of a plan a partitioned one. DatabaseError when Postgres refuses, with nothing changed."""
    with _proved(using, chosen), transaction.atomic(using=using):
        execute(using, "SET LOCAL lock_timeout = '10s'", "SET LOCAL statement_timeout = 0")
        execute(using, f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
        _convert(using, chosen)
        supabase.close_data_api(using)


def drop_proof(using: str) -> bool:
    """Drop what a killed conversion has left, which would refuse leads in two months; return whether it was there."""
    if is_left := proof_is_left(using):
        with transaction.atomic(using=using):
            execute(using, "SET LOCAL lock_timeout = '10s'", f"ALTER TABLE {TABLE} DROP CONSTRAINT {_PROOF}")
    return is_left


def proof_is_left(using: str) -> bool:
    return bool(rows(using, _LOOK_FOR_PROOF, [TABLE, _PROOF]))


def _belongs_elsewhere(first: Month) -> str:
    return f"(folio IS NULL OR folio >= '{first.start}')"


@contextmanager
def _proved(using: str, chosen: Plan) -> Iterator[None]:
    """Let Postgres read the whole table before it is locked, while the site goes on."""
    if not chosen.is_proved:
        yield
        return
    proof = f"CHECK (folio IS NOT NULL AND folio < '{chosen.first.start}') NOT VALID"
    with transaction.atomic(using=using):
        execute(using, "SET LOCAL lock_timeout = '10s'", f"ALTER TABLE {TABLE} ADD CONSTRAINT {_PROOF} {proof}")
    try:
        execute(using, f"ALTER TABLE {TABLE} VALIDATE CONSTRAINT {_PROOF}")
        yield
    finally:
        with suppress(DatabaseError):  # the next migrate drops it, and the doctor reports it
            drop_proof(using)


def _convert(using: str, chosen: Plan) -> None:
    carried = _carried(using)
    references = rows(using, _REFERENCES, [TABLE])
    quoted = connections[using].ops.quote_name
    for table, _, _, name, _, _ in references:
        execute(using, f"ALTER TABLE {table} DROP CONSTRAINT {quoted(name)}")
    with connections[using].schema_editor(atomic=False) as editor:
        _create_parent(using, chosen, carried)
        _move(using, chosen)
        execute(
            using,
            f"ALTER TABLE {TABLE} ATTACH PARTITION {chosen.before}"
            f" FOR VALUES FROM (MINVALUE) TO ('{chosen.first.start}')",
            f"ALTER TABLE {chosen.before} DROP CONSTRAINT IF EXISTS {_PROOF}",
        )
        replacing: Any = editor
        replacing.replace_references(TABLE, "id")
        for _, table, column, name, action, is_deferred in references:
            replacing.add_reference(table, column, to=TABLE, name=name, cascades=action == "c", deferrable=is_deferred)
    execute(using, *carried.triggers)


class _Carried(NamedTuple):
    """The statements that give the new table what belonged to the one of before."""

    rules: list[str]
    rights: list[str]
    foreign_keys: list[str]
    indexes: list[str]
    triggers: list[str]


def _carried(using: str) -> _Carried:
    ((*_, is_secured, is_forced, comment),) = rows(using, _TABLE, [TABLE])
    rules = [f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY"] * is_secured
    rules += [f"ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY"] * is_forced
    rules += [statement for (statement,) in rows(using, _POLICIES, [TABLE, TABLE])]
    if comment:
        ((text,),) = rows(using, "SELECT quote_literal(%s::text)", [comment])
        rules.append(f"COMMENT ON TABLE {TABLE} IS {text}")
    triggers = []
    for name, state, definition in rows(using, _TRIGGERS, [TABLE]):
        triggers.append(definition)
        if state == "D":
            triggers.append(f"ALTER TABLE {TABLE} DISABLE TRIGGER {name}")
        elif enabled := TRIGGER_STATES[state]:
            triggers.append(f"ALTER TABLE {TABLE} ENABLE {enabled}TRIGGER {name}")
    return _Carried(
        rules,
        [statement for (statement,) in rows(using, _RIGHTS, [TABLE, TABLE, TABLE])],
        [f"ALTER TABLE {TABLE} ADD CONSTRAINT {name} {rule}" for name, rule in rows(using, _FOREIGN_KEYS, [TABLE])],
        [definition for _, _, definition, is_primary in rows(using, _INDEXES, [TABLE]) if not is_primary],
        triggers,
    )


def _create_parent(using: str, chosen: Plan, carried: _Carried) -> None:
    """Create the empty partitioned table, and rename what has its names."""
    quoted = connections[using].ops.quote_name
    ((identity,),) = rows(using, _KEY, [TABLE])
    ((sequence,),) = rows(using, "SELECT pg_get_serial_sequence(%s, 'id')", [TABLE])
    last = rows(using, f"SELECT last_value, is_called FROM {sequence}", []) if sequence else []
    execute(using, *(f"DROP TRIGGER {name} ON {TABLE}" for name, _, _ in rows(using, _TRIGGERS, [TABLE])))
    for index, name, _, _ in rows(using, _INDEXES, [TABLE]):
        execute(using, f"ALTER INDEX {index} RENAME TO {quoted(f'{name}_before'[:63])}")
    execute(using, f"ALTER TABLE {TABLE} RENAME TO {chosen.before}")
    if identity:
        execute(using, f"ALTER TABLE {chosen.before} ALTER id DROP IDENTITY")
    execute(
        using,
        f"CREATE TABLE {TABLE} (LIKE {chosen.before} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY"
        f" EXCLUDING STATISTICS) PARTITION BY RANGE (folio)",
        f"ALTER TABLE {TABLE} DROP CONSTRAINT IF EXISTS {_PROOF}",
        *carried.rules,
    )
    if identity:
        kind = "ALWAYS" if identity == "a" else "BY DEFAULT"
        execute(using, f"ALTER TABLE {TABLE} ALTER id ADD GENERATED {kind} AS IDENTITY")
        rows(using, "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s, %s)", [TABLE, *last[0]])
    elif sequence:
        execute(using, f"ALTER SEQUENCE {sequence} OWNED BY {TABLE}.id")
    # What the defaults for new tables grant is not what this one grants.
    # Nobody needs rights on a partition.
    for table in (TABLE, chosen.before):
        execute(using, *(f"REVOKE ALL ON {table} FROM {role}" for (role,) in rows(using, _GRANTEES, [table])))
    execute(using, *carried.rights, *carried.foreign_keys, *carried.indexes)


def _move(using: str, chosen: Plan) -> None:
    """Create the other partitions, and move to them what belongs there."""
    execute(using, f"CREATE TABLE {DEFAULT} PARTITION OF {TABLE} (PRIMARY KEY (id)) DEFAULT")
    estimates.create(using, DEFAULT)
    for months in range(chosen.months):
        create_partition(using, chosen.first.later(months))
    names, moving = columns(using), _belongs_elsewhere(chosen.first)
    execute(
        using,
        f"INSERT INTO {TABLE} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {chosen.before} WHERE {moving}",
        f"DELETE FROM {chosen.before} WHERE {moving}",
        # The foreign keys of the moved rows are checked now: no table with pending checks can be changed.
        "SET CONSTRAINTS ALL IMMEDIATE",
        "SET CONSTRAINTS ALL DEFERRED",
    )
