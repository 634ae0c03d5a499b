"""Deploys the project as on a host: a clone, the Procfile, and the commands in the documents' fenced blocks."""

import os
import pty
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from types import MappingProxyType
from typing import NamedTuple

import psycopg

from tests.support.eventually import PATIENCE_S, eventually
from tests.support.live import ROOT, Site

# Bytecode is copied, because each copy would make the same again, which takes two seconds.
NOT_CLONED = shutil.ignore_patterns(".*", "var", "*.mo", "images", "tests", "bench")


def clone(directory: Path) -> Path:
    """Copy the project without the files that a build or a run creates, except bytecode."""
    shutil.copytree(ROOT, directory, ignore=NOT_CLONED)
    return directory


def processes() -> dict[str, str]:
    """Return the commands of the Procfile by their names."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    return {name: command for name, command in (line.split(": ", 1) for line in lines)}


def shell(command: str, *, cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess:
    """Run commands in bash, which stops at the first that fails."""
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", command],
        cwd=cwd,
        env=with_our_python(environment),
        capture_output=True,
        text=True,
    )


def in_a_terminal(
    command: Sequence[str], *, environment: Mapping[str, str], answers: Sequence[str], cwd: Path = ROOT
) -> str:
    """Run a command in a terminal, and answer its questions, which end in a colon; return all that was to be seen."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=with_our_python(environment),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown, unanswered = "", list(answers)
    with suppress(OSError), open(controller, "r+b", buffering=0) as screen:  # an error when the command has ended
        while select([screen], [], [], PATIENCE_S)[0]:
            shown += screen.read(1000).decode()
            if shown.rstrip(" ").endswith(":") and unanswered:
                screen.write(f"{unanswered.pop(0)}\n".encode())
    process.kill()
    assert (process.wait(), unanswered) == (0, []), shown
    return shown


def with_our_python(environment: Mapping[str, str]) -> dict[str, str]:
    return {**environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"}


@contextmanager
def serving(project: Path, environment: Mapping[str, str], log: Path, *, command: str = "") -> Iterator[Site]:
    """Yield the site that a command starts, by default the Procfile's `web`, once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = with_our_python({**environment, "PORT": str(port)})
    with log.open("wb") as output:
        start = ["bash", "-c", command or processes()["web"]]
        process = subprocess.Popen(start, cwd=project, env=variables, stdout=output, stderr=output)
    site = Site(port, variables, process, log)
    try:
        eventually(lambda: answers(site), or_show=lambda: site.log)
        yield site
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()


def answers(site: Site) -> bool:
    try:
        return site.get("/healthz").status == 200
    except OSError:
        return False


class Block(NamedTuple):
    """A fenced block of a document, under a heading of the second level."""

    heading: str
    language: str
    text: str


def blocks(document: str) -> list[Block]:
    found = []
    for section in re.split(r"^## ", (ROOT / "docs" / document).read_text(), flags=re.MULTILINE)[1:]:
        heading = section.partition("\n")[0]
        found += [Block(heading, *block) for block in re.findall(r"^```(\w+)\n(.*?)^```$", section, re.M | re.S)]
    return found


def follow(
    document: str,
    heading: str,
    *,
    environment: Mapping[str, str],
    cwd: Path = ROOT,
    instead: Mapping[str, object] = MappingProxyType({}),
) -> list[str]:
    """Run every command and every SQL statement under a heading; return the output of each block.

    instead: replacements for the examples in the text.
    """
    outputs = []
    for block in blocks(document):
        if block.heading == heading:
            text = block.text
            for example, value in instead.items():
                assert any(example in other.text for other in blocks(document)), f"{example} is no example"
                text = text.replace(example, str(value))
            outputs.append(_run_sql(text, environment) if block.language == "sql" else _run(text, cwd, environment))
    assert outputs, f"{document} has no commands under {heading}"
    return outputs


def _run(text: str, cwd: Path, environment: Mapping[str, str]) -> str:
    done = shell(text, cwd=cwd, environment=environment)
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


def _run_sql(text: str, environment: Mapping[str, str]) -> str:
    rows = []
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        for statement in filter(str.strip, text.split(";\n")):
            cursor = connection.execute(statement)
            rows += cursor.fetchall() if cursor.description else []
    return str(rows)
