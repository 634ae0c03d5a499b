"""What Supabase's poolers, PgBouncer, Postgres and libpq say, through a socket, and what the site makes of it."""

import gettext
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import OperationalError
from django.db.utils import IntegrityError

from leads.delivery.breaker import Fault, classify
from leads.delivery.refusals import recognised
from leads.ops.doctor.connection import explained
from settings.postgres import driver
from tests.support.proxy import Proxy

AUTH, INFRASTRUCTURE, SCHEMA = Fault.AUTH, Fault.INFRASTRUCTURE, Fault.SCHEMA
REF = "abcdefghijklmnopqrst"

# Supavisor 2.9.7: every error of lib/supavisor/errors that reaches a client, with its SQLSTATE.
SUPAVISOR = [
    ("XX000", "(EADDRNOTALLOWED) address not in tenant allow_list: {203, 0, 113, 7}", AUTH, "network restrictions"),
    ("08P01", "(EAUTHPROTOCOL) protocol violation during authentication", INFRASTRUCTURE, "the pooler itself"),
    ("XX000", "(EAUTHQUERY) user not found in the database", AUTH, "the password is wrong"),
    ("XX000", "(EAUTHQUERY) no auth_query configured for this tenant", INFRASTRUCTURE, "cannot read the user's"),
    ("XX000", "(EAUTHQUERY) authentication query failed: connection to database not", INFRASTRUCTURE, "cannot read"),
    ("XX000", "(EAUTHQUERY) auth_query connection failed", INFRASTRUCTURE, "cannot read the user's password"),
    ("XX000", "(EAUTHQUERY) auth_query secret check timed out", INFRASTRUCTURE, "cannot read the user's password"),
    ("XX000", "(EAUTHQUERY) MD5 secrets are not supported for auth_query, use require_user", INFRASTRUCTURE, "cannot"),
    ("XX000", "(EAUTHSECRETS) failed to retrieve authentication secrets: :timeout", INFRASTRUCTURE, "cannot read"),
    ("08006", "(EAUTHTIMEOUT) timeout while waiting for message", INFRASTRUCTURE, "the pooler itself"),
    ("XX000", "(ECHECKOUTFAILED) checkout failed due to %{}", INFRASTRUCTURE, "cannot reach Postgres behind it"),
    ("XX000", "(ECHECKOUTRETRIES) failed to check out a connection after multiple", INFRASTRUCTURE, "of the pooler is"),
    (
        "XX000",
        "(ECHECKOUTTIMEOUT) unable to check out connection from the pool after 60000ms in Session mode",
    )
    + (INFRASTRUCTURE, "every connection of the pooler is taken"),
    (
        "XX000",
        "(ECIRCUITBREAKER) too many authentication failures, new connections are temporarily blocked",
    )
    + (AUTH, "the pooler refuses this address"),
    (
        "XX000",
        "(ECIRCUITBREAKER) failed to retrieve database credentials after multiple attempts, new connections are",
    )
    + (AUTH, "cannot get the user's password"),
    (
        "XX000",
        "(ECIRCUITBREAKER) too many failed attempts to connect to the database, new connections are",
    )
    + (AUTH, "takes no connections for half a minute"),
    ("XX000", "(EDBHANDLEREXITED) DbHandler exited. Check logs for more information", INFRASTRUCTURE, "behind it"),
    ("XX000", "(EPROXYSTARTFAILED) failed to start proxy connection", INFRASTRUCTURE, "the pooler itself"),
    (
        "XX000",
        '(EINVALIDUSERINFO) Authentication error, reason: "Invalid format for user or db_name"',
    )
    + (AUTH, "does not name the project"),
    ("XX000", '(EJITREQUESTFAILED) failed to reach JIT provider for user "shop"', INFRASTRUCTURE, "the pooler itself"),
    ("28P01", 'password authentication failed for user "postgres"', AUTH, "the password is wrong"),
    (
        "XX000",
        "(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 15",
    )
    + (INFRASTRUCTURE, "every session of the session pooler is taken"),
    ("XX000", "(EMAXCONN) max client connections reached, limit: 200", INFRASTRUCTURE, "of the pooler is taken"),
    ("XX000", "(EMAXPOOLSREACHED) max pools count reached", INFRASTRUCTURE, "of the pooler is taken"),
    (
        "XX000",
        "(EMAXPREPARED) max prepared statements limit reached. Limit: 500 per connection",
    )
    + (INFRASTRUCTURE, "a prepared statement"),
    (
        "XX000",
        "(EMAXPREPAREDMEM) max prepared statements memory limit reached. Limit: 5.0MB per connection",
    )
    + (INFRASTRUCTURE, "a prepared statement"),
    ("XX000", f"(EMULTIPLEUSERS) multiple users matched for postgres.{REF}, check tenant", AUTH, "no such project"),
    (
        "XX000",
        "(ENOIDENTIFIER) no tenant identifier provided (external_id or sni_hostname required)",
    )
    + (AUTH, "does not name the project"),
    ("XX000", "(EPOOLCHECKOUT) pool checkout failed: :noproc", INFRASTRUCTURE, "of the pooler is taken"),
    ("XX000", "(EPOOLCONFIGNOTFOUND) pool configuration not found for {}", INFRASTRUCTURE, "the pooler itself"),
    ("XX000", "(EPOOLRANCHNOTFOUND) pool ranch listener not found for {}", INFRASTRUCTURE, "the pooler itself"),
    ("XX000", "(EPOOLTERMINATING) pool terminating: pool is terminating", INFRASTRUCTURE, "behind it"),
    ("42P05", '(EPREPAREDDUP) prepared statement "a" already exists', INFRASTRUCTURE, "a prepared statement"),
    ("26000", '(EPREPAREDNOTFOUND) prepared statement "a" does not exist', INFRASTRUCTURE, "a prepared statement"),
    ("XX000", "(EPROXYSUPERVISORUNAVAILABLE) proxy supervisor unavailable after", INFRASTRUCTURE, "the pooler itself"),
    (
        "XX000",
        "(EPSSIMPLEQUERY) transaction mode only supports prepared statements using the Extended Query Protocol",
    )
    + (INFRASTRUCTURE, "a prepared statement"),
    ("08006", "(ESSLHANDSHAKE) SSL handshake failed: :closed", INFRASTRUCTURE, "could not be made"),
    ("XX000", "(ESSLREQUIRED) SSL connection is required for user: postgres", AUTH, "only encrypted connections"),
    ("08P01", "(ESTARTUPMESSAGE) Invalid startup message: :bad_user", INFRASTRUCTURE, "a parameter of DATABASE_URL"),
    ("08P01", "(ESTARTUPPACKETTOOLARGE) Startup packet too large: 10001 bytes", INFRASTRUCTURE, "a parameter"),
    ("XX000", "(ESUBSCRIBERETRIES) failed to subscribe to tenant after multiple", INFRASTRUCTURE, "the pooler itself"),
    ("XX000", "(EBANNED) tenant is banned: unpaid", AUTH, "Supabase has blocked this project"),
    ("XX000", f"(ENOTFOUND) tenant/user postgres.{REF} not found", AUTH, "the pooler knows no such project"),
    ("XX000", "(EWORKERNOTFOUND) worker processes (manager/pool) not found", INFRASTRUCTURE, "the pooler itself"),
    ("57P01", "terminating connection due to administrator command", INFRASTRUCTURE, "is shutting down"),
]
# Supavisor before March 2026, without codes.
OLDER = [
    ("XX000", "Tenant or user not found", AUTH, "the pooler knows no such project"),
    ("XX000", "Circuit breaker open: too many authentication errors", AUTH, "the pooler refuses this address"),
    ("XX000", "Max client connections reached", INFRASTRUCTURE, "every connection of the pooler is taken"),
    (
        "XX000",
        "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size",
    )
    + (INFRASTRUCTURE, "every session of the session pooler is taken"),
]
# PgBouncer 1.18 to 1.25, src/*.c; its SQLSTATE is 08P01 for all.
PGBOUNCER = [
    ("08P01", "SASL authentication failed", AUTH, "the password is wrong"),
    ("08P01", "password authentication failed", AUTH, "the password is wrong"),
    ("08P01", "no such user", AUTH, "the password is wrong"),
    ("08P01", "PAM authentication failed", AUTH, "the password is wrong"),
    ("08P01", '"trust" authentication failed', AUTH, "the password is wrong"),
    ("08P01", "certificate authentication failed", AUTH, "the password is wrong"),
    ("08P01", "empty password returned by client", AUTH, "the password is wrong"),
    ("08P01", "login rejected", AUTH, "the password is wrong"),
    ("08P01", "no more connections allowed (max_client_conn)", INFRASTRUCTURE, "of the pooler is taken"),
    ("08P01", "client connections exceeded (max_user_client_connections)", INFRASTRUCTURE, "of the pooler is taken"),
    ("08P01", "query_wait_timeout", INFRASTRUCTURE, "of the pooler is taken"),
    ("08P01", "client_login_timeout (server down)", INFRASTRUCTURE, "behind it"),
    (
        "08P01",
        "server login has been failing, cached error: connect failed (server_login_retry)",
    )
    + (INFRASTRUCTURE, "behind it"),
    (
        "08P01",
        'server login has been failing, cached error: password authentication failed for user "shop"',
    )
    + (AUTH, "refuses the pooler's own password"),
    ("08P01", "no such database: shop", SCHEMA, "no such database"),
    ("08P01", 'database "shop" is disabled', INFRASTRUCTURE, "closed to everybody"),
    ("08P01", "pooler is shutting down", INFRASTRUCTURE, "shutting down"),
    ("08P01", "SSL required", AUTH, "only encrypted connections"),
    ("08P01", "unsupported startup parameter: options", INFRASTRUCTURE, "a parameter of DATABASE_URL"),
    ("08P01", "bouncer config error", INFRASTRUCTURE, "the pooler itself"),
]
# PostgreSQL 15 to 18.
POSTGRES = [
    ("28P01", 'password authentication failed for user "shop"', AUTH, "the password is wrong"),
    ("28000", 'no pg_hba.conf entry for host "203.0.113.7", user "shop", no encryption', AUTH, "without TLS"),
    ("57P03", "the database system is starting up", INFRASTRUCTURE, "is starting up"),
    ("57P03", "the database system is not yet accepting connections", INFRASTRUCTURE, "is starting up"),
    ("57P03", "the database system is not accepting connections", INFRASTRUCTURE, "its disk is full"),
    ("57P03", "the database system is in recovery mode", INFRASTRUCTURE, "recovers from a crash"),
    ("57P03", "the database system is shutting down", INFRASTRUCTURE, "shutting down"),
    ("53300", "sorry, too many clients already", INFRASTRUCTURE, "every connection of the server"),
    ("53300", 'too many connections for role "shop"', INFRASTRUCTURE, "of the role or the database"),
    ("28P01", "la autentificación password falló para el usuario «shop»", AUTH, "the password is wrong"),
    ("57P03", "el sistema de bases de datos no está aceptando conexiones", INFRASTRUCTURE, "its disk is full"),
    ("53300", "lo siento, ya tenemos demasiados clientes", INFRASTRUCTURE, "every connection of the server"),
]
# Codes of no release, in any case and with other text about them.
UNKNOWN = [
    ("XX000", "(EWHATEVER) the flux is low", INFRASTRUCTURE, "EWHATEVER"),
    ("XX000", "(ewhatever) the flux is low", INFRASTRUCTURE, "EWHATEVER"),
    ("XX000", "(ETOKENREFUSED) credentials are not right", AUTH, "ETOKENREFUSED"),
    ("XX000", "(EPOOLFULL) max client connections reached, limit: 7", INFRASTRUCTURE, "is taken (EPOOLFULL)"),
    ("XX000", f"(enotfound) tenant/user postgres.{REF} not found, see our status page", AUTH, "no such project"),
    ("XX000", "(EMAXCONNSESSION) something else was said", INFRASTRUCTURE, "every session of the session pooler"),
]


@pytest.fixture(scope="module")
def pooler() -> Iterator[Proxy]:
    """A server that refuses each connection in the startup protocol."""
    running = Proxy(1)
    yield running
    running.close()


def refused(pooler: Proxy, message: str, sqlstate: str) -> OperationalError:
    """Connect as the site does; return the error as Django raises it."""
    with pooler.refusing(message, sqlstate=sqlstate), pytest.raises(psycopg.OperationalError) as raised:
        driver.connect(pooler.url)
    error = OperationalError(str(raised.value))
    error.__cause__ = raised.value
    return error


@pytest.mark.parametrize(
    ("sqlstate", "message", "fault", "found"), [*SUPAVISOR, *OLDER, *PGBOUNCER, *POSTGRES, *UNKNOWN]
)
def test_every_refusal_has_its_kind_its_cause_and_its_cure(pooler, sqlstate, message, fault, found):
    error = refused(pooler, message, sqlstate)
    cause, cure = explained(error)
    assert (classify(error), found in cause) == (fault, True), cause
    assert cure != "See the server's own log."
    code = message.partition(")")[0].removeprefix("(").upper() if message.startswith("(") else ""
    assert code in cause


def test_the_words_of_a_row_that_is_refused_are_a_customer_s():
    error = IntegrityError("violates check constraint\nDETAIL:  Failing row contains (no such user, (ENOTFOUND)).")
    error.__cause__ = type("CheckViolation", (psycopg.IntegrityError,), {"sqlstate": "23514"})()
    assert classify(error) is Fault.DATA


def test_a_refused_password_counts_although_another_address_did_not_answer():
    timeout = psycopg.errors.ConnectionTimeout(
        "connection timeout expired\nMultiple connection attempts failed. All failures were:\n"
        "- host: 'db': connection failed: FATAL:  password authentication failed for user \"shop\""
    )
    assert classify(timeout) is Fault.AUTH


# Messages of Postgres that a server says in its own language.
SAID = [
    'password authentication failed for user "%s"',
    'LDAP authentication failed for user "%s"',
    'no pg_hba.conf entry for host "%s", user "%s", database "%s", %s',
    'pg_hba.conf rejects connection for host "%s", user "%s", database "%s", %s',
    'role "%s" does not exist',
    'role "%s" is not permitted to log in',
    'database "%s" does not exist',
    'database "%s" is not currently accepting connections',
    "permission denied for database %s",
    "sorry, too many clients already",
    "remaining connection slots are reserved for non-replication superuser connections",
    'too many connections for role "%s"',
    "the database system is starting up",
    "the database system is shutting down",
    "the database system is in recovery mode",
    "the database system is not accepting connections",
    "the database system is not yet accepting connections",
]


@pytest.mark.needs("postgres with TLS")
def test_postgres_is_understood_in_every_language_of_its_catalogues():
    catalogues = sorted(Path("/usr/share/locale").glob("*/LC_MESSAGES/postgres-1*.mo"))
    for path in catalogues:
        with path.open("rb") as file:
            translated = gettext.GNUTranslations(file).gettext
        for message in SAID:
            said = f"connection failed: {translated('FATAL')}:  {translated(message).replace('%s', 'shop')}"
            known = recognised(f"connection failed: FATAL:  {message}")
            assert known
            assert recognised(said) == known, (path.parent.parent.name, said)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("connection to server at ... failed: Cannot assign requested address", "no route"),
        ("connection to server at ... failed: Network is unreachable", "no route"),
        ("could not create socket: Address family not supported by protocol", "no route"),
        ('invalid sslmode value: "no-verify"', "a parameter with a value"),
    ],
)
def test_what_libpq_says_of_this_machine_is_explained(message, found):
    assert found in explained(OperationalError(message))[0]
