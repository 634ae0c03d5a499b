"""Three web machines with an outbox each, behind HAProxy, on one Postgres through PgBouncer."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import faults, live
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.live import Postgres, Site
from tests.support.release import blocks

POOLER = """
[databases]
postgres = host={host} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
"""


class Pooler:
    """A PgBouncer in transaction mode. Stopped, it is as a database that cannot be reached."""

    def __init__(self, postgres: Postgres, directory: Path) -> None:
        self._account, self._port, self._configuration = postgres.account, free_port(), directory / "pgbouncer.ini"
        self._configuration.write_text(POOLER.format(host=postgres.data, user=faults.ROLE, port=self._port))
        self._configuration.chmod(0o644)
        self.url = f"postgresql://{faults.ROLE}@127.0.0.1:{self._port}/postgres?pgbouncer=true"

    def start(self) -> None:
        command = ["pgbouncer", "--quiet", self._configuration]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **self._account)
        eventually(lambda: listens(self._port))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE_S)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()


@dataclass(frozen=True)
class Cluster:
    """balancer: a client of HAProxy, which takes the machines in turns; machines: by their names."""

    postgres: Postgres
    pooler: Pooler
    balancer: Site
    machines: dict[str, Site]

    def wait_for_rows(self, count: int) -> None:
        rows = "SELECT name FROM lead_machines WHERE seen_at > now() - interval '1 minute'"
        eventually(lambda: len(self.postgres.query(rows)) == count, or_show=lambda: self.balancer.log)


@contextmanager
def cluster(postgres: Postgres, **variables: str) -> Iterator[Cluster]:
    """variables: of the environment of each machine."""
    faults.give_the_tables_to_the_site(postgres)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="folio-cluster-")))
        directory.chmod(0o755)
        pooler = Pooler(postgres, directory)
        pooler.start()
        stack.callback(pooler.stop)
        machines = {
            name: stack.enter_context(live.site(pooler.url, MACHINE_NAME=name, WEB_CONCURRENCY="1", **variables))
            for name in ("web-1", "web-2", "web-3")
        }
        yield Cluster(postgres, pooler, stack.enter_context(haproxy(directory, machines)), machines)


@contextmanager
def haproxy(directory: Path, machines: dict[str, Site]) -> Iterator[Site]:
    """Run HAProxy with the configuration of docs/scale.md, and yield a client of it."""
    port = free_port()
    [text] = [block.text for block in blocks("scale.md") if block.language == "haproxy"]
    instead = {
        "bind :443 ssl crt /etc/haproxy/quotes.example.com.pem": f"bind 127.0.0.1:{port}",
        "quotes.example.com": "127.0.0.1",
        "inter 2s fall 2": "inter 200ms fall 2",
    } | {
        f"10.0.0.{number}:8000": site.url.removeprefix("http://")
        for number, site in enumerate(machines.values(), start=1)
    }
    for example, value in instead.items():
        assert example in text, f"{example} is no example"
        text = text.replace(example, value)
    configuration, log = directory / "haproxy.cfg", directory / "haproxy.log"
    configuration.write_text(text)
    path = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    with log.open("wb") as output:
        process = subprocess.Popen(["haproxy", "-f", configuration], env=path, stdout=output, stderr=output)
    client = Site(port, {}, process, log)
    try:
        eventually(lambda: listens(port), or_show=lambda: client.log)
        yield client
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
