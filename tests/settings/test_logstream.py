"""A log that nothing reads does not delay customers."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import live
from tests.support.customers import a_quote, check_out_with, traces_in
from tests.support.live import at_once

CUSTOMERS = 10


@pytest.fixture
def unread_log(tmp_path: Path) -> Iterator[int]:
    """A pipe at tmp_path/log that nothing reads but the test."""
    os.mkfifo(tmp_path / "log")
    pipe = os.open(tmp_path / "log", os.O_RDWR | os.O_NONBLOCK)
    yield pipe
    os.close(pipe)


def fill(pipe: int) -> None:
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x" * 1000 + b"\n")


def read_all(pipe: int) -> str:
    text = b""
    try:
        while True:
            text += os.read(pipe, 65536)
    except BlockingIOError:
        return text.decode()


def test_checkouts_succeed_while_nothing_reads_the_log(tmp_path, unread_log):
    into_the_pipe = ["sh", "-c", 'exec "$@" 2>"$0"', tmp_path / "log"]
    with live.site(live.NOBODY_LISTENS, under=into_the_pipe) as site:
        quotes = [a_quote(site) for _ in range(2 * CUSTOMERS)]
        fill(unread_log)
        answers = at_once(CUSTOMERS, lambda: check_out_with(site, quotes.pop()))
        assert {answer.json["warning"] for answer in answers} == {"db_down"}

        read_all(unread_log)
        answers = at_once(CUSTOMERS, lambda: check_out_with(site, quotes.pop()))
        log = read_all(unread_log)
        assert "log lines were lost because nothing read the log" in log
        assert all(f"folio={answer.json['folio']}" in log for answer in answers)
        assert not traces_in(log)
