"""Runs Python programs of the project, each in a process with its own environment, arguments and output.

A start takes a third of the time: the process is forked from one that has imported Django and the other libraries
(preloaded.py), and nothing of the project. What is run as a host runs it, from the first line on, is in release.py.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
# The file descriptor of the socket that a program inherits.
SOCKET_FD = 100

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.support.preloaded"])


class Process:
    """A running program. args, pid and the methods are as those of subprocess.Popen."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        stdout: Path,
        stderr: Path,
        listener: socket | None = None,
    ) -> None:
        """command: the arguments of `python`: -m and a module, -c and a program, or a script; -W may precede them.

        stdout, stderr: files to append to; listener: a socket that the program inherits as SOCKET_FD.
        """
        self.args = list(command)
        self._process = _context.Process(target=_become, args=(self.args, dict(environment), stdout, stderr, listener))
        with _nothing_to_import_again():
            self._process.start()
        self.pid = self._process.pid

    def wait(self, timeout_s: float | None = None) -> int:
        """Return the exit status, as Popen does; TimeoutExpired if the program still runs after this many seconds."""
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout_s or 0)
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def run(*command: str, environment: Mapping[str, str], timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; TimeoutExpired if it takes longer than this many seconds."""
    with TemporaryDirectory(prefix="folio-run-") as directory:
        stdout, stderr = Path(directory) / "stdout", Path(directory) / "stderr"
        process = Process(command, environment=environment, stdout=stdout, stderr=stderr)
        try:
            status = process.wait(timeout_s)
        finally:
            process.kill()
        return subprocess.CompletedProcess(command, status, stdout.read_text(), stderr.read_text())


@contextmanager
def _nothing_to_import_again() -> Iterator[None]:
    """Keep multiprocessing from importing this process's __main__ module in the new process."""
    started_with, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = started_with


def _become(
    command: list[str], environment: dict[str, str], stdout: Path, stderr: Path, listener: socket | None
) -> None:
    """Give this process the environment and the output of `python COMMAND`, and run that."""
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    for path, descriptor in ((stdout, 1), (stderr, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
    if listener:
        os.dup2(listener.fileno(), SOCKET_FD)
    sys.path[:0] = [str(ROOT), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    try:
        _run(command)
    finally:
        atexit._run_exitfuncs()


def _run(command: list[str]) -> None:
    match command:
        case ["-W", action, *rest]:
            warnings.simplefilter(action)
            _run(rest)
        case ["-m", module, *rest]:
            sys.argv = [module, *rest]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", program, *rest]:
            sys.argv = ["-c", *rest]
            exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
        case [script, *_]:
            sys.argv = command
            runpy.run_path(script, run_name="__main__")
