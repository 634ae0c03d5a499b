"""Debian's Postgres with TLS, on a port. The embedded Postgres is built without."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from tests.support.authority import Authority
from tests.support.eventually import eventually
from tests.support.lacking import postgres_with_tls


@dataclass(frozen=True)
class TlsServer:
    """A Postgres that accepts only encrypted connections by TCP. Its certificate is for the host `localhost`.

    ca: the file of its authority, for DATABASE_CA; another_ca: that of another one.
    """

    port: int
    data: Path
    authority: Authority
    another_ca: str

    @property
    def ca(self) -> str:
        return str(self.authority.certificate)

    def url(self, host: str = "localhost", query: str = "", *, database: str = "postgres") -> str:
        return f"postgresql://postgres@{host}:{self.port}/{database}?{query}"

    def query(self, *statements: str) -> None:
        """Run statements through the server's socket, which needs no TLS."""
        with psycopg.connect(self.url("", f"host={self.data}"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def present(self, *, days: int) -> None:
        """Show another certificate, which ends in so many days."""
        self.authority.certify("localhost", self.data, days=days)
        self.query("SELECT pg_reload_conf()")

    def is_ready(self) -> bool:
        with suppress(psycopg.OperationalError):
            self.query("SELECT 1")
            return True
        return False


@contextmanager
def tls_server() -> Iterator[TlsServer]:
    programs = postgres_with_tls()
    assert programs
    with TemporaryDirectory(prefix="folio-tls-") as name, socket.create_server(("127.0.0.1", 0)) as free:
        directory, data, log = Path(name), Path(name, "data"), Path(name, "log")
        directory.chmod(0o711)
        data.mkdir(mode=0o700)
        account: dict[str, Any] = {}
        if os.geteuid() == 0:  # Postgres refuses to run as root
            account = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(data, "nobody", "nogroup")
        initdb = [programs / "initdb", "--username=postgres", "--auth=trust", "--no-sync", "--locale=C", data]
        subprocess.run(initdb, check=True, cwd="/", stdout=subprocess.DEVNULL, **account)
        authority, another = Authority("authority", directory), Authority("another", directory)
        authority.certify("localhost", data)
        (data / "pg_hba.conf").write_text("local all all trust\nhostssl all all all trust\n")
        for file in ("server.crt", "server.key") if account else ():
            shutil.chown(data / file, "nobody", "nogroup")
        port = free.getsockname()[1]
        free.close()
        server = TlsServer(port, data, authority, str(another.certificate))
        (data / "postgresql.auto.conf").write_text("ssl = on\n")
        postgres = [programs / "postgres", "-D", data, "-p", str(port), "-k", data, "-c", "fsync=off"]
        with log.open("wb") as output, subprocess.Popen(postgres, cwd="/", stderr=output, **account) as process:
            try:
                eventually(server.is_ready, or_show=log.read_text)
                yield server
            finally:
                process.send_signal(signal.SIGINT)  # a fast shutdown, which does not wait for open connections
