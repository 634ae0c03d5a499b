"""Closes Supabase's data API, and finds the rights that Django's database role lacks.

Supabase serves the schema `public` on the internet, through the roles `anon` and `authenticated`. Older projects grant
both roles everything on every new table, even on that of password hashes, and newer ones still let them empty it.
docs/supabase.md has the details. On a Postgres without those roles there is nothing to close.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from leads.ops.exposed_functions import open_functions

PUBLIC_ROLES = ["anon", "authenticated"]
SERVICE_ROLE = "service_role"
# The shop's other tools may read, add and change leads, but not delete them: `manage.py privacy erase` does that.
_OF_ROWS = ["SELECT", "INSERT", "UPDATE"]
SERVICE_RIGHTS = {"table": _OF_ROWS, "partitioned table": _OF_ROWS, "sequence": ["USAGE"]}
LEADS = "leads"
# Schemas of Postgres and of Supabase itself, which the shop can neither close nor needs to.
_OF_OTHERS = [
    "pg_catalog",
    "information_schema",
    "auth",
    "extensions",
    "graphql",
    "graphql_public",
    "realtime",
    "storage",
]

_KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
}
_HAS_ROW_SECURITY = ("table", "partitioned table")

# Every relation that the data API or Django could reach, except those of extensions. Rights are found however they are
# granted: directly, on a single column, through PUBLIC or through another role. Partitions of leads are not leads, as
# nobody needs rights on them: rows go through the table.
_RELATIONS = """
WITH django AS (
    SELECT to_regclass(name)::oid AS oid, name = %(leads)s AS is_leads FROM unnest(%(tables)s::text[]) AS name
), of_django AS (
    SELECT oid, is_leads FROM django
    UNION
    SELECT objid, is_leads FROM pg_depend JOIN django ON refobjid = django.oid
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
)
SELECT format('%%I.%%I', n.nspname, c.relname), n.nspname || '.' || c.relname, c.relkind::text,
    of_django.oid IS NOT NULL, coalesce(of_django.is_leads, false) AND NOT c.relispartition,
    pg_has_role(c.relowner, 'USAGE'), c.relrowsecurity,
    EXISTS (SELECT FROM unnest(c.reloptions) AS o WHERE o ~* '^security_invoker=(true|on|yes|1)$'),
    EXISTS (
        SELECT FROM pg_depend
        WHERE objid = c.oid AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i') AND c.relkind = 'S'
    ),
    ARRAY(
        SELECT role || ' ' || privilege
        FROM unnest(%(roles)s::text[]) AS role, unnest(
            CASE c.relkind WHEN 'S' THEN ARRAY['SELECT', 'USAGE', 'UPDATE']
            ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'] END
        ) AS privilege
        WHERE CASE
            WHEN c.relkind = 'S' THEN has_sequence_privilege(role, c.oid, privilege)
            WHEN privilege IN ('DELETE', 'TRUNCATE', 'TRIGGER') THEN has_table_privilege(role, c.oid, privilege)
            ELSE has_any_column_privilege(role, c.oid, privilege)
        END
    )
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN of_django ON of_django.oid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
AND (of_django.oid IS NOT NULL OR n.nspname = ANY (%(schemas)s))
AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND classid = 'pg_class'::regclass AND deptype = 'e')
ORDER BY n.nspname, c.relname
"""

# `public`, those that Django uses, and those that the data API is set to serve, without Supabase's own.
_SCHEMAS = """
SELECT DISTINCT nspname FROM pg_namespace WHERE nspname = ANY (
    current_schemas(false) || 'public'::name || ARRAY(
        SELECT trim(served)::name FROM pg_db_role_setting AS s JOIN pg_roles ON pg_roles.oid = s.setrole,
            unnest(s.setconfig) AS setting, unnest(string_to_array(split_part(setting, '=', 2), ',')) AS served
        WHERE rolname = 'authenticator' AND setting LIKE 'pgrst.db_schemas=%%'
        AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    )
) AND nspname <> ALL (%s) ORDER BY 1
"""

_ROLES = "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)"

# In which schemas the tables and sequences that this role creates are granted to the public roles by default.
_DEFAULTS = """
SELECT DISTINCT n.nspname, d.defaclobjtype::text
FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) AS granted
WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user) AND d.defaclobjtype IN ('r', 'S')
AND granted.grantee IN (SELECT oid FROM pg_roles WHERE rolname = ANY (%s))
AND (n.nspname = 'public' OR n.nspname = ANY (current_schemas(false)))
"""

_SCHEMA_NOT_USABLE = """
SELECT quote_ident(current_user) FROM pg_namespace
WHERE nspname = 'public' AND current_schemas(false) = '{}' AND NOT has_schema_privilege(oid, 'USAGE')
"""

# The rights of the current role on Django's tables, one row per table.
_RIGHTS = """
SELECT format('%%I.%%I', n.nspname, c.relname), quote_ident(current_user), pg_has_role(c.relowner, 'USAGE'),
    ARRAY(
        SELECT privilege FROM unnest(
            CASE WHEN c.oid = to_regclass('django_migrations') THEN ARRAY['SELECT']
            ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END
        ) AS privilege WHERE NOT has_table_privilege(c.oid, privilege)
    ),
    ARRAY(
        SELECT s.oid::regclass::text FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
        WHERE d.refobjid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'
        AND CASE s.relkind WHEN 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') END
    ),
    row_security_active(c.oid) AND NOT EXISTS (
        SELECT FROM pg_policy WHERE polrelid = c.oid AND polpermissive AND EXISTS (
            SELECT FROM unnest(polroles) AS role
            WHERE CASE WHEN role = 0 THEN true ELSE pg_has_role(role, 'USAGE') END
        )
    )
FROM unnest(%s::text[]) AS name JOIN pg_class c ON c.oid = to_regclass(name) JOIN pg_namespace n ON n.oid = relnamespace
ORDER BY 1
"""


# Gives a lead of another program its folio (migration `other_programs`), and is called with the rights of that program.
_NEW_FOLIO = "lead_new_folio()"
_MAY_CALL = """
SELECT ARRAY(SELECT role FROM unnest(%s::text[]) AS role WHERE has_function_privilege(role, oid, 'EXECUTE'))
FROM pg_proc WHERE oid = to_regprocedure(%s) AND pg_has_role(proowner, 'USAGE')
"""


class CannotClose(CommandError):
    """One of Django's tables is open to the data API, and the role that Django connects with may not close it."""


class Exposure(NamedTuple):
    """One open relation. relation: schema.name; problem: a sentence on what is open; cure: SQL or a command to run."""

    relation: str
    kind: str
    problem: str
    cure: str


class _Relation(NamedTuple):
    sql_name: str
    name: str
    relkind: str
    is_of_django: bool
    is_of_leads: bool
    is_owned: bool  # by the role of this connection, or by one that it is a member of
    has_row_security: bool
    is_invoker: bool  # a view that runs with the rights of its caller
    belongs_to_a_column: bool
    rights: list[str]  # "anon SELECT"

    @property
    def kind(self) -> str:
        return _KINDS[self.relkind]

    @property
    def lacks_row_security(self) -> bool:
        return self.kind in _HAS_ROW_SECURITY and not self.has_row_security

    @property
    def public_rights(self) -> list[str]:
        return [right for right in self.rights if not right.startswith(SERVICE_ROLE)]

    @property
    def wrong_service_rights(self) -> list[str]:
        """Return the rights that the service role should not have, and those that it lacks."""
        held = {right.removeprefix(f"{SERVICE_ROLE} ") for right in self.rights if right.startswith(SERVICE_ROLE)}
        return sorted(held ^ set(SERVICE_RIGHTS.get(self.kind, []) if self.is_of_leads else []))

    @property
    def is_open(self) -> bool:
        if self.is_of_django:
            return bool(self.public_rights) or self.lacks_row_security
        # The owners of other tables decide about row level security, policies and the sequences of their columns.
        is_guarded = self.has_row_security or self.is_invoker or self.belongs_to_a_column
        return bool(self.public_rights) and not is_guarded

    def closing(self, roles: Iterable[str]) -> list[str]:
        """Return the statements that close this relation. roles: Supabase's roles that exist here."""
        what = f"{'SEQUENCE' if self.kind == 'sequence' else 'TABLE'} {self.sql_name}"
        statements = [f"ALTER TABLE {self.sql_name} ENABLE ROW LEVEL SECURITY"] if self.lacks_row_security else []
        statements.append(f"REVOKE ALL ON {what} FROM {', '.join(['PUBLIC', *roles])}")
        if self.is_of_leads and SERVICE_ROLE in roles and self.kind in SERVICE_RIGHTS:
            statements.append(f"GRANT {', '.join(SERVICE_RIGHTS[self.kind])} ON {what} TO {SERVICE_ROLE}")
        return statements


def exposures() -> list[Exposure]:
    """Return every table, view and sequence that the data API's roles can use; [] on a Postgres without those roles.

    Reads the catalog of the default database, for the `examined_schemas`, other programs' tables included.
    DatabaseError when Postgres does not answer.
    """
    roles = _roles(DEFAULT_DB_ALIAS, PUBLIC_ROLES)
    return [_exposure(each, roles) for each in _relations(DEFAULT_DB_ALIAS, roles) if roles and each.is_open]


def exposed_functions() -> list[Exposure]:
    """Return every function that the data API's roles may call and that acts with its owner's rights.

    Whether that is a fault only its owner knows: many are made to be called. Otherwise as `exposures`.
    """
    roles = _roles(DEFAULT_DB_ALIAS, PUBLIC_ROLES)
    found = open_functions(DEFAULT_DB_ALIAS, roles=roles, schemas=examined_schemas()) if roles else []
    return [
        Exposure(each.name, "function", f"{' and '.join(each.roles)} may call it with its owner's rights", each.cure)
        for each in found
    ]


def has_data_api() -> bool:
    """Return whether this Postgres has the roles of Supabase's data API."""
    return bool(_roles(DEFAULT_DB_ALIAS, PUBLIC_ROLES))


def examined_schemas(using: str = DEFAULT_DB_ALIAS) -> list[str]:
    """Return `public`, the schemas that Django uses, and those that the data API is set to serve."""
    return [name for (name,) in _rows(using, _SCHEMAS, [_OF_OTHERS])]


def close_future_tables(using: str = DEFAULT_DB_ALIAS) -> None:
    """Revoke the default grants on the tables and sequences that this role will create, so that none is ever open."""
    roles = _roles(using, PUBLIC_ROLES)
    names = {"r": "TABLES", "S": "SEQUENCES"}
    quoted = connections[using].ops.quote_name
    for schema, kind in _rows(using, _DEFAULTS, [roles]) if roles else []:
        revoked = f"REVOKE ALL ON {names[kind]} FROM {', '.join(roles)}"
        _execute(using, [f"ALTER DEFAULT PRIVILEGES IN SCHEMA {quoted(schema)} {revoked}"])


def close_data_api(using: str = DEFAULT_DB_ALIAS) -> int | None:
    """Close Django's tables, views and sequences to the data API; return how many were open, or None without its roles.

    Tables get row level security. All rights of Supabase's roles are revoked, except the service role's on leads. What
    is closed already is not changed. CannotClose, with the statements for the owner to run, when an open relation
    belongs to another role.
    """
    roles = _roles(using, [*PUBLIC_ROLES, SERVICE_ROLE])
    if not roles:
        return None
    relations = [each for each in _relations(using, roles) if each.is_of_django]
    has_service_role = SERVICE_ROLE in roles
    open_ones = [each for each in relations if each.is_open or (has_service_role and each.wrong_service_rights)]
    for each in open_ones:
        if each.is_owned:
            _execute(using, each.closing(roles))
    _close_new_folio(using, roles)
    if others := [each for each in open_ones if not each.is_owned and each.is_open]:
        statements = [f"  {statement};" for each in others for statement in each.closing(roles)]
        raise CannotClose("Open to the data API, and owned by another role. It must run:\n" + "\n".join(statements))
    return sum(each.is_owned for each in open_ones)


def missing_rights() -> list[str]:
    """Return the rights that Django's database role lacks on Django's tables, each with the statement to run.

    The tables' owner has all rights, unless row level security is forced on it. DatabaseError when Postgres does not
    answer.
    """
    missing = [
        f"{role} may not use the schema public, so it sees no tables: GRANT USAGE ON SCHEMA public TO {role};"
        for (role,) in _rows(DEFAULT_DB_ALIAS, _SCHEMA_NOT_USABLE, [])
    ]
    tables = _django_tables(DEFAULT_DB_ALIAS)
    for table, role, is_owner, rights, sequences, is_hidden in _rows(DEFAULT_DB_ALIAS, _RIGHTS, [tables]):
        if rights:
            held = ", ".join(rights)
            missing.append(f"{role} may not {held} on {table}: GRANT {held} ON {table} TO {role};")
        missing += [f"{role} may not use {name}: GRANT USAGE ON SEQUENCE {name} TO {role};" for name in sequences]
        if is_hidden and is_owner:
            cure = f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;"
            missing.append(f"row level security hides every row of {table}, even from its owner: {cure}")
        elif is_hidden:
            cure = f"CREATE POLICY folio ON {table} TO {role} USING (true) WITH CHECK (true);"
            missing.append(f"row level security hides every row of {table} from {role}: {cure}")
    return missing


def _close_new_folio(using: str, roles: list[str]) -> None:
    callers = [SERVICE_ROLE] if SERVICE_ROLE in roles else []
    if any(may_call != callers for (may_call,) in _rows(using, _MAY_CALL, [roles, _NEW_FOLIO])):
        revoke = f"REVOKE ALL ON FUNCTION {_NEW_FOLIO} FROM {', '.join(['PUBLIC', *roles])}"
        grants = [f"GRANT EXECUTE ON FUNCTION {_NEW_FOLIO} TO {caller}" for caller in callers]
        _execute(using, [revoke, *grants])


def _exposure(relation: _Relation, roles: list[str]) -> Exposure:
    problems = []
    for role in roles:
        if may := [right.split()[1] for right in relation.public_rights if right.startswith(f"{role} ")]:
            problems.append(f"{role} may {', '.join(may)}")
    if relation.lacks_row_security:
        problems.append("row level security is off")
    sql = "; ".join(relation.closing(roles)) + ";"
    cure = "manage.py migrate" if relation.is_of_django and relation.is_owned else sql
    return Exposure(relation.name, relation.kind, "; ".join(problems), cure)


def _relations(using: str, roles: list[str]) -> list[_Relation]:
    parameters = {
        "roles": roles,
        "tables": _django_tables(using),
        "leads": connections[using].ops.quote_name(LEADS),
        "schemas": examined_schemas(using),
    }
    return [_Relation(*row) for row in _rows(using, _RELATIONS, parameters)]


def _django_tables(using: str) -> list[str]:
    """Return the quoted names of the tables and views of every installed app, and of `django_migrations`."""
    connection = connections[using]
    names = connection.introspection.django_table_names(only_existing=False, include_views=True)
    return [connection.ops.quote_name(name) for name in [*names, "django_migrations"]]


def _roles(using: str, names: list[str]) -> list[str]:
    existing = {name for (name,) in _rows(using, _ROLES, [names])}
    return [name for name in names if name in existing]


def _rows(using: str, sql: str, parameters: Any) -> list[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _execute(using: str, statements: list[str]) -> None:
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '10s'")  # sessions queue behind one that waits for a table's lock
        for statement in statements:
            cursor.execute(statement)
