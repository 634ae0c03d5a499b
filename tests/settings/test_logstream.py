"""A log that nobody reads holds no customer."""

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
def unread(tmp_path: Path) -> Iterator[int]:
    """A pipe at tmp_path/log that is full: our end of it, from which nobody has read yet."""
    os.mkfifo(tmp_path / "log")
    pipe = os.open(tmp_path / "log", os.O_RDWR | os.O_NONBLOCK)
    yield pipe
    os.close(pipe)


def fill(pipe: int) -> None:
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x" * 1000 + b"\n")


def drained(pipe: int) -> str:
    text = b""
    try:
        while True:
            text += os.read(pipe, 65536)
    except BlockingIOError:
        return text.decode()


def test_customers_pass_while_nobody_reads_the_log(tmp_path, unread):
    into_the_pipe = ["sh", "-c", 'exec "$@" 2>"$0"', tmp_path / "log"]
    with live.site(live.NOBODY_LISTENS, under=into_the_pipe) as site:
        quotes = [a_quote(site) for _ in range(2 * CUSTOMERS)]
        fill(unread)
        answers = at_once(CUSTOMERS, lambda: check_out_with(site, quotes.pop()))
        assert {answer.json["warning"] for answer in answers} == {"db_down"}

        drained(unread)
        answers = at_once(CUSTOMERS, lambda: check_out_with(site, quotes.pop()))
        said = drained(unread)
        assert "log lines were lost because nothing read the log" in said
        assert all(f"folio={answer.json['folio']}" in said for answer in answers)
        assert not traces_in(said)
