"""The rules of Supabase's advisor (github.com/supabase/splinter, of 2026-04-27), each in a query of our own.

Rule 12 has no query: it reads a setting of Supabase Auth. Schemas of Supabase itself are left out, as the advisor does.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, NamedTuple


class Level(StrEnum):
    ERROR = "error"
    WARN = "warn"
    INFO = "info"


class Rule(NamedTuple):
    """sql: returns one row, with the name of the object, for each fault."""

    number: int
    name: str
    level: Level
    sql: str


class Advice(NamedTuple):
    rule: str
    level: Level
    about: str


def advice(query: Callable[[str], list[Any]], rules: Iterable[Rule] | None = None) -> set[Advice]:
    """Return what the advisor says about a database. query: runs SQL and returns rows of one column; rules: or all."""
    asked = RULES if rules is None else rules
    return {Advice(rule.name, rule.level, about) for rule in asked for (about,) in query(_WITH + rule.sql)}


_WITH = """
WITH own AS (  -- relations that the advisor looks at; may_read: by a public role; is_served: by the data API
    SELECT c.*, n.nspname, n.nspname = 'public' AS is_served,
        has_table_privilege('anon', c.oid, 'SELECT') OR has_table_privilege('authenticated', c.oid, 'SELECT')
            AS may_read,
        coalesce(c.reloptions::text ~* 'security_invoker=(1|true|yes|on)', false) AS is_invoker
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'auth', 'storage', 'extensions', 'graphql',
        'graphql_public', 'realtime', 'vault')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND classid = 'pg_class'::regclass AND deptype = 'e')
), routine AS (
    SELECT p.*, p.oid::regprocedure::text AS signature, n.nspname = 'public' AS is_served
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE pronamespace IN (SELECT relnamespace FROM own)
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND classid = 'pg_proc'::regclass AND deptype = 'e')
), policy AS (
    SELECT own.relname || '.' || polname AS about, own.relrowsecurity, pg_policy.*,
        coalesce(pg_get_expr(polqual, polrelid), '') AS reads,
        coalesce(pg_get_expr(polwithcheck, polrelid), '') AS writes
    FROM pg_policy JOIN own ON own.oid = polrelid
)
"""

_ALWAYS = r"^\(*(true|1=1)\)*$"
_OF_A_REQUEST = ("auth.uid()", "auth.jwt()", "auth.role()", "auth.email()", "current_setting(")

RULES = [
    Rule(1, "unindexed_foreign_keys", Level.INFO, """
        SELECT conname FROM pg_constraint JOIN own ON own.oid = conrelid WHERE contype = 'f' AND NOT EXISTS (
            SELECT FROM pg_index WHERE indrelid = conrelid AND indisvalid
            AND (string_to_array(indkey::text, ' ')::smallint[])[1:cardinality(conkey)] = conkey
        )"""),
    Rule(2, "auth_users_exposed", Level.ERROR, """
        SELECT DISTINCT own.relname FROM own JOIN pg_rewrite ON ev_class = own.oid
        JOIN pg_depend ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
        JOIN pg_class users ON users.oid = refobjid AND users.oid = to_regclass('auth.users')
        WHERE is_served AND may_read AND (own.relkind = 'm' OR own.relkind = 'v' AND NOT (
            own.is_invoker AND users.relrowsecurity
        ))"""),
    Rule(3, "auth_rls_initplan", Level.WARN, "SELECT about FROM policy WHERE relrowsecurity AND (" + " OR ".join(
        f"lower({side}) LIKE '%{call}%' AND lower({side}) NOT LIKE '%select {call}%'"
        for side in ("reads", "writes") for call in _OF_A_REQUEST
    ) + ")"),
    Rule(4, "no_primary_key", Level.INFO, """
        SELECT relname FROM own WHERE relkind = 'r'
        AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = own.oid AND indisprimary)"""),
    Rule(5, "unused_index", Level.INFO, """
        SELECT indexrelname FROM pg_stat_user_indexes s JOIN own ON own.oid = s.relid JOIN pg_index USING (indexrelid)
        WHERE idx_scan = 0 AND NOT indisunique"""),
    Rule(6, "multiple_permissive_policies", Level.WARN, """
        SELECT polrelid::regclass || ' ' || rolname || ' ' || command FROM policy
        JOIN pg_roles ON pg_roles.oid = ANY (polroles) OR polroles = '{0}',
            unnest(CASE polcmd WHEN '*' THEN ARRAY['r', 'a', 'w', 'd'] ELSE ARRAY[polcmd::text] END) AS command
        WHERE polpermissive AND NOT rolbypassrls AND rolname NOT LIKE 'pg\\_%'
        GROUP BY polrelid, rolname, command HAVING count(*) > 1"""),
    Rule(7, "policy_exists_rls_disabled", Level.ERROR, "SELECT about FROM policy WHERE NOT relrowsecurity"),
    Rule(8, "rls_enabled_no_policy", Level.INFO, """
        SELECT relname FROM own WHERE relkind = 'r' AND relrowsecurity
        AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = own.oid)"""),
    Rule(9, "duplicate_index", Level.WARN, """
        SELECT string_agg(indexname, ', ') FROM pg_indexes JOIN own ON relname = tablename AND nspname = schemaname
        GROUP BY nspname, relname, replace(indexdef, indexname, '') HAVING count(*) > 1"""),
    Rule(10, "security_definer_view", Level.ERROR, """
        SELECT relname FROM own WHERE relkind = 'v' AND is_served AND may_read AND NOT is_invoker"""),
    Rule(11, "function_search_path_mutable", Level.WARN, """
        SELECT signature FROM routine
        WHERE NOT EXISTS (SELECT FROM unnest(proconfig) AS setting WHERE setting LIKE 'search_path=%')"""),
    Rule(13, "rls_disabled_in_public", Level.ERROR, """
        SELECT relname FROM own WHERE relkind = 'r' AND is_served AND may_read AND NOT relrowsecurity"""),
    Rule(14, "extension_in_public", Level.WARN, """
        SELECT extname FROM pg_extension
        WHERE extname <> 'plpgsql' AND extnamespace = 'public'::regnamespace"""),
    Rule(15, "rls_references_user_metadata", Level.ERROR, """
        SELECT about FROM policy
        WHERE reads || writes ~ '(auth\\.jwt\\(\\)|current_setting\\(.*request\\.jwt\\.claims).*user_metadata'"""),
    Rule(16, "materialized_view_in_api", Level.WARN, """
        SELECT relname FROM own WHERE relkind = 'm' AND is_served AND may_read"""),
    Rule(17, "foreign_table_in_api", Level.WARN, """
        SELECT relname FROM own WHERE relkind = 'f' AND is_served AND may_read"""),
    Rule(18, "unsupported_reg_types", Level.WARN, """
        SELECT relname || '.' || attname FROM own JOIN pg_attribute ON attrelid = own.oid
        WHERE atttypid::regtype::text IN ('regcollation', 'regconfig', 'regdictionary', 'regnamespace', 'regoper',
            'regoperator', 'regproc', 'regprocedure')"""),
    Rule(19, "insecure_queue_exposed_in_api", Level.ERROR, """
        SELECT relname FROM own WHERE nspname = 'pgmq' AND relname LIKE 'q\\_%' AND NOT relrowsecurity AND may_read"""),
    Rule(20, "table_bloat", Level.INFO, """
        SELECT relname FROM own WHERE relkind = 'r' AND relpages * 8192::bigint > 20 * 1024 * 1024
        AND relpages > 70 * greatest(1, (
            SELECT reltuples * (24 + sum((1 - null_frac) * avg_width)) / 8172 FROM pg_stats
            WHERE schemaname = nspname AND tablename = relname
        ))"""),
    Rule(21, "fkey_to_auth_unique", Level.ERROR, """
        SELECT conname FROM pg_constraint JOIN pg_class target ON target.oid = confrelid
        JOIN pg_namespace n ON n.oid = target.relnamespace JOIN pg_index ON indexrelid = conindid
        WHERE contype = 'f' AND n.nspname = 'auth' AND indisunique AND NOT indisprimary"""),
    Rule(22, "extension_versions_outdated", Level.WARN, """
        SELECT name FROM pg_available_extensions WHERE installed_version <> default_version"""),
    Rule(23, "sensitive_columns_exposed", Level.ERROR, """
        SELECT relname || '.' || attname FROM own JOIN pg_attribute ON attrelid = own.oid AND NOT attisdropped
        WHERE relkind = 'r' AND is_served AND may_read AND NOT relrowsecurity AND lower(attname) IN (
            'password', 'passwd', 'pwd', 'passphrase', 'secret', 'secret_key', 'private_key', 'api_key', 'token', 'jwt',
            'access_token', 'refresh_token', 'session_token', 'session_id', 'session_key', 'recovery_code', 'otp',
            'backup_code', 'verification_code', 'tax_id', 'national_id', 'credit_card', 'card_number', 'bank_account'
        )"""),
    Rule(24, "rls_policy_always_true", Level.WARN, f"""
        SELECT about FROM policy, LATERAL (SELECT
            regexp_replace(lower(reads), '\\s', '', 'g') ~ '{_ALWAYS}' AS all_rows,
            regexp_replace(lower(writes), '\\s', '', 'g') ~ '{_ALWAYS}' AS all_values
        ) AS said
        WHERE relrowsecurity AND polpermissive AND (
            polroles = '{{0}}' OR EXISTS (
                SELECT FROM pg_roles WHERE oid = ANY (polroles) AND rolname IN ('anon', 'authenticated')
            )
        ) AND (
            polcmd IN ('w', 'd', '*') AND (all_rows OR polqual IS NULL)
            OR all_values OR polwithcheck IS NULL AND polcmd = 'a'
        )"""),
    Rule(25, "public_bucket_allows_listing", Level.WARN, """
        SELECT policyname FROM pg_policies WHERE schemaname = 'storage' AND tablename = 'objects'
        AND cmd IN ('SELECT', 'ALL') AND permissive = 'PERMISSIVE' AND coalesce(qual, 'true') IN ('true', '(true)')"""),
    *(
        Rule(number, f"pg_graphql_{role}_table_exposed", Level.WARN, f"""
        SELECT relname FROM own
        WHERE relkind IN ('r', 'v', 'm', 'f') AND has_any_column_privilege('{role}', oid, 'SELECT')
        AND EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_graphql')""")
        for number, role in ((26, "anon"), (27, "authenticated"))
    ),
    *(
        Rule(number, f"{role}_security_definer_function_executable", Level.WARN, f"""
        SELECT signature FROM routine WHERE prosecdef AND is_served AND has_function_privilege('{role}', oid, 'EXECUTE')
        """)
        for number, role in ((28, "anon"), (29, "authenticated"))
    ),
]  # fmt: skip
