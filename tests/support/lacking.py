"""Programs that a test needs besides Python, named by `@pytest.mark.needs("strace")`.

If one is missing the test is skipped, and the run ends with a line for each missing program. In CI, which installs them
all, the test fails instead. CI also runs all tests with every program hidden, to check that each test has its mark.
"""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.browser import CHROMIUM, CHROMIUM_SHELL


class Need(NamedTuple):
    """is_met: whether this machine has it; how: how to install it."""

    is_met: Callable[[], bool]
    how: str


def _installed(*programs: str) -> Callable[[], bool]:
    return lambda: any(map(shutil.which, programs))


def _works(*command: str) -> Callable[[], bool]:
    return lambda: bool(shutil.which(command[0])) and not subprocess.run(command, capture_output=True).returncode


def postgres_with_tls() -> Path | None:
    """Return the directory of Debian's Postgres programs. The embedded Postgres is built without TLS."""
    return next((path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)


NEEDS = {
    "chromium": Need(_installed(*CHROMIUM_SHELL), "Debian: apt install chromium chromium-headless-shell"),
    "whole chromium": Need(_installed(*CHROMIUM), "Debian: apt install chromium"),
    "pgbouncer": Need(_installed("pgbouncer"), "Debian: apt install pgbouncer"),
    "postgres with TLS": Need(lambda: bool(postgres_with_tls()), "Debian: apt install postgresql"),
    "haproxy": Need(_installed("haproxy"), "Debian: apt install haproxy"),
    "gpg": Need(_installed("gpg"), "Debian: apt install gnupg"),
    "strace": Need(_installed("strace"), "Debian: apt install strace"),
    "iptables": Need(_works("iptables", "-w", "-S"), "Debian: apt install iptables; run as root"),
    "mkfs.ext4": Need(_installed("mkfs.ext4"), "Debian: apt install e2fsprogs"),
    "systemd": Need(_works("sh", "-c", "systemctl --version && ip -V"), "Debian: apt install systemd iproute2"),
    "nginx": Need(_installed("nginx"), "Debian: apt install nginx-light"),
    "caddy": Need(_installed("caddy"), "Debian: apt install caddy"),
    "fuse": Need(Path("/dev/fuse").exists, "a kernel with FUSE; run as root"),
    "mounting": Need(_works("unshare", "--mount", "--net", "ip", "link"), "run as root; Debian: apt install iproute2"),
}


@cache
def _is_met(need: str) -> bool:
    return NEEDS[need].is_met()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"needs(what): runs only where the machine has it: {', '.join(NEEDS)}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for need in (need for mark in item.iter_markers("needs") for need in mark.args):
        if not _is_met(need):
            reason = f"{need} is missing ({NEEDS[need].how})"
            pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped"))
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count} skipped: {reason}", yellow=True)
