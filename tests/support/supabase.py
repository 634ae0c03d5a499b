"""A Postgres as Supabase hands it out: its roles, and its legacy rule that the public gets every new table."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from leads.delivery import relay
from tests.support import live
from tests.support.live import Postgres

# Who owns the database and runs migrations; on Supabase it is called postgres, and is no superuser either.
OWNER = "shop_owner"
PUBLIC_ROLES = ("anon", "authenticated")
ROLES = (*PUBLIC_ROLES, "service_role")


@contextmanager
def server() -> Iterator[Postgres]:
    """Yield a server of the tests' own, for roles are of a whole server."""
    with live.postgres() as running:
        running.query(f"CREATE ROLE {OWNER} LOGIN CREATEROLE BYPASSRLS")
        running.query("CREATE ROLE authenticator LOGIN NOINHERIT")
        for role in ROLES:
            bypassing = "BYPASSRLS" if role == "service_role" else ""
            running.query(f"CREATE ROLE {role} NOLOGIN {bypassing}")
            running.query(f"GRANT {role} TO authenticator")
        yield running


@contextmanager
def database(server: Postgres, *, name: str = "shop", template: str = "template0") -> Iterator[str]:
    """Yield the name of a database of the owner's with the legacy default privileges; it is dropped at the end."""
    server.query(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}")
    try:
        with psycopg.connect(server.url, dbname=name, autocommit=True) as admin:
            admin.execute(f"ALTER SCHEMA public OWNER TO {OWNER}")
            admin.execute(f"GRANT USAGE ON SCHEMA public TO {', '.join(ROLES)}")
            for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
                admin.execute(
                    f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public "
                    f"GRANT ALL ON {kind} TO {', '.join(ROLES)}"
                )
        yield name
    finally:
        server.query(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def django_on(server: Postgres, name: str, *, user: str = OWNER) -> Iterator[None]:
    """Let Django's connection lead to a database as a role, and then where it led before."""
    way = psycopg.conninfo.conninfo_to_dict(server.url)
    settings: dict[str, Any] = connection.settings_dict
    before = dict(settings)
    connection.close()
    settings.update(NAME=name, USER=user, HOST=way["host"], PORT="", PASSWORD="")
    try:
        yield
    finally:
        relay.stop()
        connection.close()
        settings.clear()
        settings.update(before)


@contextmanager
def as_role(server: Postgres, name: str, role: str) -> Iterator[psycopg.Connection]:
    """Yield a connection as the data API makes it: logged in as the authenticator, then the role."""
    with psycopg.connect(server.url, dbname=name, user="authenticator", autocommit=True) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        yield connection
