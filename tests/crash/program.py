"""The processes of the scenes: run under strace by recording.py. Scenes come as JSON on standard input.

What is no call of the disk is written to MARKS, so that it stands in the trace at the moment at which it happens.
Each is a list in JSON, which begins with the number of the thread:

    scene NAME DIRECTORY          the calls that follow are of this scene, until the next mark of this kind
    asks FOLIO PHONE NAME         a request has come
    answered FOLIO PHONE NAME OUTCOME     the request knows where its lead is, and the customer may go
    sends IS_QUICK TEXTS          a statement goes to Postgres
    committed                     the last statement of this thread is committed
"""

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.simulation.customers import Submission, lead
from tests.simulation.loading import Finder
from tests.simulation.mutants import named

MARKS = 99
PATIENCE_S = 30.0
DIRECTORIES = ("first/outbox", "spare")


def mark(*words: Any) -> None:
    os.write(MARKS, json.dumps([threading.get_native_id(), *words]).encode())


def main(mutant: str) -> None:
    os.dup2(os.open(os.environ.get("CRASH_MARKS") or os.devnull, os.O_WRONLY), MARKS)
    if mutant:
        sys.meta_path.insert(0, Finder(lambda value=None: value, named(mutant).apply))
    import django

    django.setup()
    _set_limits()
    for name, base, lives in json.load(sys.stdin):
        mark("scene", name, base)
        for processes in lives:
            for pid in [_forked(Path(base), steps) for steps in processes]:
                os.waitpid(pid, 0)
    mark("scene", "", "")


def _set_limits() -> None:
    """Let files be rotated, directories be tried again and journals be adopted after a moment."""
    from leads.delivery import postgres_writer, relay
    from leads.delivery.journal import outbox

    outbox.SEGMENT_BYTES = 6000
    outbox.RETRY_DIRECTORY_S = 0.2
    relay.ADOPT_EVERY_S = 0.2
    upsert = postgres_writer.upsert

    def marked(texts: Sequence[bytes], *, keep: bool = True, is_quick: bool = False) -> None:
        if keep:
            mark("sends", is_quick, [text.decode() for text in texts])
        upsert(texts, keep=keep, is_quick=is_quick)
        if keep:
            mark("committed")

    postgres_writer.upsert = marked


def _forked(base: Path, steps: list[list[Any]]) -> int:
    pid = os.fork()
    if pid:
        return pid
    from django.conf import settings

    settings.OUTBOX_DIRECTORIES = [base / name for name in DIRECTORIES]
    settings.LEAD_WAIT_MS = 5000  # a slow machine is no outage
    try:
        for name, *arguments in steps:
            getattr(Process, name)(*arguments)
    except BaseException as error:
        print(f"FAILED: {steps}: {error!r}", file=sys.stderr, flush=True)  # noqa: T201
    os.kill(os.getpid(), 9)
    raise AssertionError("unreachable")


class Process:
    """The steps of scenes.py."""

    @staticmethod
    def ask(people: list[list[str]]) -> None:
        threads = [threading.Thread(target=_ask, args=person) for person in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @staticmethod
    def sql(statement: str) -> None:
        import psycopg

        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(statement)

    @staticmethod
    def delivered() -> None:
        _wait_for(lambda counted: not counted.pending)

    @staticmethod
    def refused(count: int) -> None:
        _wait_for(lambda counted: counted.quarantined >= count and not counted.pending)

    @staticmethod
    def retry() -> None:
        from leads.delivery.relay import of_this_process

        of_this_process().outbox.retry_quarantined()

    @staticmethod
    def mess() -> None:
        from leads.delivery.journal.census import segment_paths

        for path in segment_paths(_directories()):
            fd = os.open(path, os.O_WRONLY | os.O_APPEND)
            os.write(fd, b"no record\n")
            os.fsync(fd)
            os.close(fd)

    @staticmethod
    def obstruct() -> None:
        os.close(os.open(_directories()[0].parent, os.O_WRONLY | os.O_CREAT))

    @staticmethod
    def clear() -> None:
        os.unlink(_directories()[0].parent)
        time.sleep(0.3)

    @staticmethod
    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size or resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    @staticmethod
    def stop() -> None:
        from leads.delivery import relay

        relay.stop()


def _ask(folio: str, phone: str, name: str) -> None:
    from leads.delivery.record import LeadRecord, record

    now = time.time()
    sent = Submission(folio, phone, name, _moment(now) if phone else None)
    mark("asks", folio, phone, name)
    outcome = record(lead(sent, now, LeadRecord))
    mark("answered", folio, phone, name, outcome)


def _moment(now: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(now, UTC)


def _wait_for(condition: Any) -> None:
    from leads.delivery.journal.census import census
    from leads.delivery.relay import of_this_process

    of_this_process()
    end = time.monotonic() + PATIENCE_S
    while not condition(counted := census(_directories())):
        if time.monotonic() > end:
            raise AssertionError(f"still {counted}")
        time.sleep(0.02)


def _directories() -> list[Path]:
    from django.conf import settings

    directories: list[Path] = settings.OUTBOX_DIRECTORIES
    return directories


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(sys.argv[1] if len(sys.argv) > 1 else "")
