"""Changes to gunicorn's master, so that it outlives its workers' faults and the files of its release.

Signals, of which gunicorn's documentation has the rest:

    HUP      new workers of the same release, from memory
    USR2     starts the release that is on the disk beside this one; when it cannot start, this one goes on
    WINCH    after USR2: ends the workers of this master, and brings them back if the new master dies
    TERM     ends this master; requests that have begun are answered
    QUIT     the same
"""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from gunicorn import systemd
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

RESPAWN_PAUSE_S = 1.0


def steady(server: Arbiter) -> None:
    """Change a master that has just started."""
    spawn_worker, manage_workers, end = server.spawn_worker, server.manage_workers, server.handle_term

    def spawn() -> int | None:
        try:
            pid: int = spawn_worker()
            return pid
        except OSError as error:  # no memory, no process, no file: the main loop tries again within a second
            if os.getpid() != server.pid:
                raise
            server.log.error("No worker could be started: %s", error)
            return None

    def manage() -> None:
        if not server.num_workers and not server.reexec_pid:  # the new master, for which they were ended, is gone
            server.num_workers = server.cfg.workers
        manage_workers()

    def hand_over() -> None:
        if server.reexec_pid:  # a terminal sends WINCH whenever its window changes
            server.num_workers = 0
            server.kill_workers(signal.SIGTERM)

    def finish() -> None:
        if server.reexec_pid:  # systemd would otherwise end both
            systemd.sd_notify(f"MAINPID={server.reexec_pid}", server.log)
        end()

    def keep_settings(_app: Any) -> None:
        server.num_workers = server.cfg.workers

    server.spawn_worker, server.manage_workers = spawn, manage
    server.handle_winch, server.handle_term, server.handle_quit = hand_over, finish, finish
    # A reload would read gunicorn.conf.py, which may be of another release by then, and end if it is missing.
    # It would also add a second handler to the log.
    server.app.reload, server.setup = _nothing, keep_settings


def _nothing() -> None:
    pass


def never_end_the_master(server: Arbiter) -> None:
    """Call it in a worker. Its exit status then does not tell the master to give up because it could not boot."""
    server.WORKER_BOOT_ERROR = server.APP_LOAD_ERROR = 1


def attempt(worker: Worker, *steps: Callable[[], object]) -> None:
    """Take each step of a worker's start. One that fails is logged: without it, customers are still served."""
    for step in steps:
        try:
            step()
        except Exception:  # broad: a worker that serves without its relay is better than none
            worker.log.exception("A step of a worker's start failed.")


def pause_before_the_next(worker: Worker) -> None:
    """Call it in a worker that ends. One that could not boot waits, because the master starts the next one at once."""
    if worker.pid == os.getpid() and not worker.booted:
        time.sleep(RESPAWN_PAUSE_S)
