"""Creates the trigger by which a lead that comes through Supabase's REST API is written as the relay writes it."""

from django.db import connections, transaction

from leads.delivery.erasures import IS_ERASED, IS_ERASED_BY_HASHES
from leads.delivery.upsert import UPSERT
from leads.ops.supabase import PUBLIC_ROLES, SERVICE_ROLE
from leads.snapshot.copied import IS_COPY, PERSONS, UNMARKED

NAME = "folio_copied"
# The relay's statement, with the row as the copier took it from the journal. NULL: nothing is left to insert.
BODY = f"""
BEGIN
    EXECUTE $upsert${UPSERT.replace(IS_ERASED, IS_ERASED_BY_HASHES)}$upsert$
    USING
        jsonb_build_array(to_jsonb(NEW) || jsonb_build_object('quote_data', {UNMARKED})),
        {PERSONS};
    RETURN NULL;
END
"""
# Inserts of others, and of the service role's other tools, pass at the cost of the first comparison.
_IS_COPY = f"current_user = '{SERVICE_ROLE}' AND {IS_COPY}"

_STATE = """
SELECT to_regclass('leads') IS NOT NULL AND EXISTS (SELECT FROM pg_roles WHERE rolname = %s),
    (SELECT prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE tgrelid = to_regclass('leads') AND tgname = %s AND tgenabled IN ('O', 'A')),
    (SELECT string_agg(quote_ident(name), ', ') FROM unnest(current_schemas(false)) AS name),
    ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname = ANY (%s))
"""


def is_current(using: str) -> bool:
    """Return whether the trigger is there, enabled, and of this release."""
    return _state(using)[1] == BODY


def create(using: str) -> bool:
    """Create the trigger, or replace that of another release; return whether it was. Nothing without Supabase's role.

    It has the rights of its owner, who migrates, because the service role may see neither erasures nor events.
    """
    with transaction.atomic(using=using):
        is_wanted, existing, path, public_roles = _state(using)
        if not is_wanted or existing == BODY:
            return False
        with connections[using].cursor() as cursor:
            for statement in _statements(path, public_roles):
                cursor.execute(statement)
    return True


def _state(using: str) -> tuple[bool, str | None, str, list[str]]:
    """Return whether it is wanted, its present body or None, the schemas that are looked in, and the public roles."""
    with connections[using].cursor() as cursor:
        cursor.execute(_STATE, [SERVICE_ROLE, NAME, PUBLIC_ROLES])
        [state] = cursor.fetchall()
    is_wanted, existing, path, public_roles = state
    return is_wanted, existing, path, public_roles


def _statements(path: str, public_roles: list[str]) -> list[str]:
    """path: the schemas that the connection looks in, because triggers of the shop's own may do so as well."""
    return [
        f"CREATE OR REPLACE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql "
        f"SECURITY DEFINER SET search_path = {path}, pg_temp AS $folio${BODY}$folio$",
        f"REVOKE ALL ON FUNCTION {NAME}() FROM {', '.join(['PUBLIC', *public_roles, SERVICE_ROLE])}",
        f"CREATE OR REPLACE TRIGGER {NAME} BEFORE INSERT ON leads FOR EACH ROW WHEN ({_IS_COPY}) "
        f"EXECUTE FUNCTION {NAME}()",
    ]
