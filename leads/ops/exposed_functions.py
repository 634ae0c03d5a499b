"""The functions that act with their owner's rights for everybody who has a key of Supabase's data API.

Such a function (SECURITY DEFINER) may read any table, whatever row level security says. Supabase's advisor warns of the
same ones (lints 0028 and 0029), and of trigger functions, which nobody can call.
"""

from typing import NamedTuple

from django.db import connections

_FUNCTIONS = """
SELECT n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
    format('%%I.%%I(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
    ARRAY(SELECT role FROM unnest(%(roles)s::text[]) AS role WHERE has_function_privilege(role, p.oid, 'EXECUTE'))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND n.nspname = ANY (%(schemas)s)
AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND classid = 'pg_proc'::regclass AND deptype = 'e')
ORDER BY 1
"""


class OpenFunction(NamedTuple):
    """name: schema.name(arguments); roles: who may call it; cure: the statement that closes it."""

    name: str
    roles: list[str]
    cure: str


def open_functions(using: str, *, roles: list[str], schemas: list[str]) -> list[OpenFunction]:
    """Return the functions in these schemas that one of these roles may call, and that act with their owner's rights.

    Functions of extensions are left out. DatabaseError when Postgres does not answer.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(_FUNCTIONS, {"roles": roles, "schemas": schemas})
        return [
            OpenFunction(name, may_call, f"REVOKE EXECUTE ON ROUTINE {sql_name} FROM PUBLIC, {', '.join(roles)};")
            for name, sql_name, may_call in cursor.fetchall()
            if may_call
        ]
