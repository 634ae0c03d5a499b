"""A Postgres like Supabase's, with its roles and its default privileges, of before 2026 or of since."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from leads.delivery import relay
from tests.support import live
from tests.support.live import Postgres

# The role that owns the database and runs migrations. On Supabase it is postgres, which is no superuser either.
OWNER = "shop_owner"
PUBLIC_ROLES = ("anon", "authenticated")
ROLES = (*PUBLIC_ROLES, "service_role")
# What the API's roles get on each new object. New projects since 2026-05-30, and since 2026-10-30 new tables of older
# ones, have the second.
LEGACY = {"TABLES": "ALL", "SEQUENCES": "ALL", "FUNCTIONS": "ALL"}
SINCE_2026 = {"TABLES": "TRUNCATE, REFERENCES, TRIGGER"}


@contextmanager
def server(programs: Path | None = None) -> Iterator[Postgres]:
    """Yield a new server, because roles belong to a whole server. programs: the directory of another Postgres's."""
    with live.postgres(programs) as running:
        running.query(f"CREATE ROLE {OWNER} LOGIN CREATEROLE BYPASSRLS")
        running.query("CREATE ROLE authenticator LOGIN NOINHERIT")
        for role in ROLES:
            bypassing = "BYPASSRLS" if role == "service_role" else ""
            running.query(f"CREATE ROLE {role} NOLOGIN {bypassing}")
            running.query(f"GRANT {role} TO authenticator")
        yield running


@contextmanager
def database(
    server: Postgres,
    *,
    name: str = "shop",
    template: str = "template0",
    privileges: Mapping[str, str] = LEGACY,
) -> Iterator[str]:
    """Yield the name of a new database of OWNER with these default privileges; it is dropped at the end."""
    server.query(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}")
    try:
        with psycopg.connect(server.url, dbname=name, autocommit=True) as admin:
            admin.execute(f"ALTER SCHEMA public OWNER TO {OWNER}")
            admin.execute(f"GRANT USAGE ON SCHEMA public TO {', '.join(ROLES)}")
            for kind, granted in privileges.items():
                admin.execute(
                    f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public "
                    f"GRANT {granted} ON {kind} TO {', '.join(ROLES)}"
                )
        yield name
    finally:
        server.query(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def django_on(server: Postgres, name: str, *, user: str = OWNER) -> Iterator[None]:
    """Connect Django to a database as a role, and restore its connection settings at the end."""
    parameters = psycopg.conninfo.conninfo_to_dict(server.url)
    settings: dict[str, Any] = connection.settings_dict
    original = dict(settings)
    connection.close()
    settings.update(NAME=name, USER=user, HOST=parameters["host"], PORT="", PASSWORD="")
    try:
        yield
    finally:
        relay.stop()
        connection.close()
        settings.clear()
        settings.update(original)


@contextmanager
def as_role(server: Postgres, name: str, role: str) -> Iterator[psycopg.Connection]:
    """Yield a connection as Supabase's data API has it: logged in as authenticator, with the role set."""
    with psycopg.connect(server.url, dbname=name, user="authenticator", autocommit=True) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        yield connection
