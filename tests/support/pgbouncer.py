"""A PgBouncer as Supabase's dedicated pooler: SCRAM passwords, transactions or sessions."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import faults
from tests.support.cluster import free_port, listens
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.live import Postgres

CONFIGURATION = """
[databases]
postgres = host={host} user={role}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
logfile = {directory}/log
auth_type = scram-sha-256
auth_file = {directory}/users
pool_mode = {mode}
max_client_conn = {most}
default_pool_size = 50
"""
# The role in the shared pooler's form, and its host, which Folio takes for Supabase's.
USER = "postgres.abcdefghijklmnopqrst"
HOST = "aws-0-us-east-1.pooler.supabase.com"
RIGHT = "r1ght"


class PgBouncer:
    """url: for DATABASE_URL, with the right password."""

    def __init__(self, postgres: Postgres, directory: Path, *, mode: str) -> None:
        self._postgres, self._directory, self._mode, self._port = postgres, directory, mode, free_port()
        self.set(password=RIGHT)
        self.url = self.url_with(RIGHT)

    def url_with(self, password: str) -> str:
        port = "" if self._mode == "session" else "&pgbouncer=true"
        return f"postgresql://{USER}:{password}@{HOST}:{self._port}/postgres?hostaddr=127.0.0.1&sslmode=disable{port}"

    def set(self, *, password: str = RIGHT, most: int = 100) -> None:
        """Change the password of the role, or how many clients there may be, and let PgBouncer read it."""
        values = {"host": self._postgres.data, "role": faults.ROLE, "port": self._port, "directory": self._directory}
        (self._directory / "ini").write_text(CONFIGURATION.format(**values, mode=self._mode, most=most))
        (self._directory / "users").write_text(f'"{USER}" "{password}"\n')
        if running := getattr(self, "_process", None):
            reloads = self.log.count("process up") + self.log.count("got SIGHUP")
            running.send_signal(signal.SIGHUP)
            assert eventually(lambda: self.log.count("process up") + self.log.count("got SIGHUP") > reloads)
            time.sleep(0.1)  # it reads the file after it has logged the signal

    def start(self) -> None:
        command = ["pgbouncer", "--quiet", self._directory / "ini"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **self._postgres.account)
        assert eventually(lambda: listens(self._port))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE_S)

    @property
    def log(self) -> str:
        return (self._directory / "log").read_text()

    @property
    def refused(self) -> int:
        """Return how many passwords were refused: the lines that Supabase's fail2ban counts."""
        return self.log.count("closing because: SASL authentication failed")


@contextmanager
def pgbouncer(postgres: Postgres, *, mode: str) -> Iterator[PgBouncer]:
    """mode: transaction or session."""
    with TemporaryDirectory(prefix="folio-pgbouncer-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        running = PgBouncer(postgres, directory, mode=mode)
        if postgres.account:
            os.chown(directory, postgres.account["user"], postgres.account["group"])
        running.start()
        try:
            yield running
        finally:
            running.stop()
