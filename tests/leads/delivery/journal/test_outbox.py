"""The journal on disk, with real files, killed processes and full disks; without a database."""

import errno
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import pytest
from django.conf import settings

from leads.delivery.journal import census, outbox, quarantine
from leads.delivery.journal.disk import file_system_in, is_ephemeral
from leads.delivery.journal.outbox import Outbox, OutboxUnavailable
from leads.delivery.journal.segment import DAMAGED, Item, Segment, SegmentRetired, encode
from tests.support import mark

ROOT = Path(__file__).resolve().parents[4]
TEXT = '{"name":"José Ñandú 😀","phone":"+526561234567"}'.encode()

# Appends from several threads, prints each folio once its record is acknowledged, and kills itself.
WRITER = """
import os, sys, threading
from pathlib import Path
from leads.delivery.journal.outbox import Outbox
journal = Outbox([Path(name) for name in sys.argv[3:]])
def write(thread):
    for number in range(int(sys.argv[2])):
        folio = f"F-{os.getpid()}-{thread}-{number}"
        journal.append(folio, b'{"folio":"%s","pad":"%s"}' % (folio.encode(), b"x" * (number % 700)))
        os.write(1, folio.encode() + b"\\n")
threads = [threading.Thread(target=write, args=[thread]) for thread in range(int(sys.argv[1]))]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
os.kill(os.getpid(), 9)
"""


def text_of_the_writer(folio: str) -> bytes:
    number = int(folio.rsplit("-", 1)[1])
    return b'{"folio":"%s","pad":"%s"}' % (folio.encode(), b"x" * (number % 700))


class Notices(list):
    def __call__(self, what: str, **details: object) -> None:
        self.append((what, details))

    def of(self, what: str) -> list[dict[str, object]]:
        return [details for name, details in self if name == what]


@pytest.fixture
def directories(tmp_path: Path) -> list[Path]:
    return [tmp_path / "first", tmp_path / "spare"]


@pytest.fixture
def notices() -> Notices:
    return Notices()


@pytest.fixture
def journal(directories: list[Path], notices: Notices) -> Iterator[Outbox]:
    opened = Outbox(directories, notice=notices)
    yield opened
    opened.close()


@pytest.fixture
def small_disk(directories: list[Path]) -> Iterator[Path]:
    """The first directory on a disk of 1 MiB."""
    directories[0].mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directories[0]], check=True)
    yield directories[0]
    subprocess.run(["umount", "--lazy", directories[0]], check=True)


# Without Django nobody tells the outbox its secret.
WITH_A_KEY = "from leads.delivery.journal import sealing\nsealing.use(lambda: [%r])\n"


def python(script: str, *arguments: object, **options: object) -> subprocess.Popen:
    command = [sys.executable, "-c", WITH_A_KEY % settings.SECRET_KEY + script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)


def python_under_strace(trace: Path, options: Sequence[str], script: str, *arguments: object) -> str:
    command = [
        "strace",
        "-f",
        "-s",
        "200",
        "-o",
        trace,
        *options,
        sys.executable,
        "-c",
        WITH_A_KEY % settings.SECRET_KEY + script,
        *map(str, arguments),
    ]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout


def calls(trace: str) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the first argument and the result of each system call, in the order in which they ended."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        if call := re.match(r"(\d+) +(?:(\w+)\((\d+)|<\.\.\. (\w+) resumed>)", line):
            pid, name, argument, resumed = call.groups()
            begun[pid] = argument or begun[pid]
            if result := re.search(r"= (-?\d+)", line):
                yield name or resumed, begun[pid], result[1]


def kill(journal: Outbox) -> None:
    """Leave the files as kill -9 does: nothing marked, nothing removed, every lock free."""
    for segment in filter(None, [journal._current, *journal._backlog]):
        segment.close()
    journal._current, journal._backlog = None, []


def drain(journal: Outbox) -> list[Item]:
    """Deliver every waiting record, in order."""
    delivered = []
    while batch := journal.take():
        assert len({item.folio for item in batch.items}) == len(batch.items)
        delivered += batch.items
        journal.delivered(batch)
    return delivered


def adopt_and_drain(directories: Sequence[Path], notices: Notices | None = None) -> list[Item]:
    """Return what a new process delivers from the journals of dead ones."""
    journal = Outbox(directories, notice=Notices() if notices is None else notices)
    journal.adopt()
    try:
        return drain(journal)
    finally:
        journal.close()


def folios(items: Sequence[Item]) -> list[str]:
    return [item.folio for item in items]


def the_segment(directory: Path) -> Path:
    (path,) = directory.glob("*.journal")
    return path


def remaining_files(directories: Sequence[Path]) -> list[Path]:
    """Return every file, of any kind, in the directories."""
    return [path for directory in directories for path in directory.glob("*") if path.is_file()]


# --- One record -----------------------------------------------------------------------------------------------------


def test_a_record_comes_back_as_it_was_written(directories):
    journal = Outbox(directories, clock=lambda: 1795374600.25)
    journal.append("261122-7F3K-Q2M9-X", TEXT)

    (item,) = drain(journal)

    assert (item.folio, item.at, item.text) == ("261122-7F3K-Q2M9-X", 1795374600.25, TEXT)
    assert item.data == json.loads(TEXT)


@pytest.mark.parametrize("folio", ["", "two words", "a/b", "../up", "a\nb", "ñ"])
def test_an_invalid_folio_is_refused(journal, folio):
    with pytest.raises(ValueError, match="folio"):
        journal.append(folio, b"{}")


def test_a_record_with_a_newline_is_refused(journal):
    with pytest.raises(ValueError, match="one line"):
        journal.append("A", b"{\n}")


def test_another_process_finds_a_record_as_soon_as_append_returns(journal, directories):
    journal.append("A", TEXT)
    with python("import sys; print(open(sys.argv[1]).read().count('A ~'))", the_segment(directories[0])) as reader:
        assert reader.stdout.read() == "1\n"


def test_only_the_owner_may_read_the_files(journal, directories):
    journal.append("A", TEXT)
    journal.append("B", b"{}")
    batch = journal.take()
    batch.segment.mark(batch.items[0].end)
    journal.quarantine(batch.items[1], reason="DataError 22021")

    modes = {path: path.stat().st_mode & 0o777 for path in [directories[0], *directories[0].rglob("*")]}

    assert len(modes) == 5
    assert modes == {path: 0o700 if path.is_dir() else 0o600 for path in modes}


# --- Syncs ----------------------------------------------------------------------------------------------------------


@pytest.mark.needs("strace")
def test_each_record_is_synced_once_and_before_it_is_acknowledged(tmp_path, directories):
    trace = tmp_path / "trace"
    python_under_strace(trace, ["-e", "trace=write,fdatasync,fsync"], WRITER, 1, 40, *directories)

    calls = re.findall(r"^\d+ +(write\(1,|write\(\d+, \"[0-9a-f]{8} |fdatasync|fsync)", trace.read_text(), re.MULTILINE)
    names = ["acknowledged" if call == "write(1," else call.split("(")[0] for call in calls]

    made, first, next_one = (
        ["fsync"],
        ["write", "fdatasync", "fsync", "acknowledged"],  # "fsync": of each directory above
        ["write", "fdatasync", "acknowledged"],
    )
    assert [name for name, _ in groupby(names)] == made + first + next_one * 39


def test_a_directory_whose_name_was_not_synced_is_synced_before_a_record_counts(directories, monkeypatch):
    """Another process may have made it and not have synced it yet, or its sync may have failed."""
    failures, synced, fsync = [errno.EIO], [], os.fsync

    def fails_once(fd):
        if failures:
            raise OSError(failures.pop(), "the sync of the new directory's name")
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", fails_once)
    journal = Outbox(directories[:1])
    with pytest.raises(OutboxUnavailable):
        journal.append("A", TEXT)
    assert directories[0].exists()
    journal.append("B", TEXT)
    assert synced[:2] == [str(directories[0]), str(directories[0].parent)]
    journal.close()


def test_a_record_that_is_written_during_a_sync_is_not_part_of_it(directories, monkeypatch):
    line, fdatasync = encode(Item("A", 1.0, TEXT)), os.fdatasync
    segment = Segment.create(directories[0], [line])
    end = segment.write(line)

    def meanwhile(fd):
        fdatasync(fd)
        segment.write(line)

    monkeypatch.setattr(os, "fdatasync", meanwhile)
    segment.sync(end)
    assert segment.synced == end < segment.written
    segment.close()


def test_nothing_follows_a_record_that_was_written_in_part(directories, monkeypatch):
    line = encode(Item("A", 1.0, TEXT))
    segment = Segment.create(directories[0], [line])
    monkeypatch.setattr(os, "write", lambda fd, data: len(data) - 1)
    with pytest.raises(OSError, match="the disk took"):
        segment.write(line)
    monkeypatch.undo()
    with pytest.raises(SegmentRetired):
        segment.write(line)
    segment.close()


@pytest.mark.needs("strace")
def test_concurrent_threads_need_no_more_syncs_than_records(tmp_path, directories):
    trace = tmp_path / "trace"
    acknowledged = python_under_strace(trace, ["-e", "trace=fdatasync"], WRITER, 8, 40, *directories).split()

    assert len(acknowledged) == 320
    assert 1 <= len(re.findall(r"fdatasync\(\d", trace.read_text())) <= 320


@pytest.mark.needs("strace")
def test_after_a_failed_sync_a_file_is_not_synced_again(tmp_path, directories):
    """After a failed sync the kernel may have dropped the pages, and still report success for the next sync."""
    trace = tmp_path / "trace"
    # The second sync of each thread fails.
    injected = ["-e", "trace=fdatasync,close", "-e", "inject=fdatasync:error=EIO:when=2"]
    acknowledged = python_under_strace(trace, injected, WRITER, 8, 40, *directories).split()

    failed, failures = set(), 0
    for call, fd, result in calls(trace.read_text()):
        if call == "close":
            failed.discard(fd)
            continue
        assert fd not in failed
        if result == "-1":
            failed.add(fd)
            failures += 1
    assert failures
    assert set(acknowledged) <= set(folios(adopt_and_drain(directories)))
    assert len(acknowledged) == 320


# --- Threads --------------------------------------------------------------------------------------------------------


def test_concurrent_appends_of_eight_threads_are_complete(journal, directories):
    texts = {f"{thread}-{number}": b'"%s"' % (b"%d" % thread * number) for thread in range(8) for number in range(100)}
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(journal.append, texts, texts.values()))

    assert census.verify(the_segment(directories[0])) == (800, 0, False)
    assert {item.folio: item.text for item in drain(journal)} == texts


def test_nothing_is_lost_while_segments_are_created_and_removed(directories, monkeypatch):
    """Eight threads fill small segments while a relay delivers and removes them."""
    monkeypatch.setattr(outbox, "SEGMENT_BYTES", 2000)
    journal, delivered, stop = Outbox(directories), [], threading.Event()

    def deliver() -> None:
        while not stop.is_set():
            delivered.extend(drain(journal))

    relay = threading.Thread(target=deliver)
    relay.start()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: journal.append(f"F{number}", TEXT), range(2000)))
    stop.set()
    relay.join()
    delivered += drain(journal)

    assert Counter(folios(delivered)) == Counter(f"F{number}" for number in range(2000))
    journal.close()
    assert remaining_files(directories) == []


def test_closing_during_appends_loses_nothing(directories):
    journal = Outbox(directories)
    with ThreadPoolExecutor(8) as threads:
        appended = threads.map(lambda number: journal.append(f"F{number}", TEXT), range(2000))
        for _ in range(20):
            journal.close()
        list(appended)
    kill(journal)
    assert set(folios(adopt_and_drain(directories))) == {f"F{number}" for number in range(2000)}


# --- Order ----------------------------------------------------------------------------------------------------------


def test_a_batch_that_was_not_delivered_is_taken_again(journal):
    journal.append("A", TEXT)
    assert folios(journal.take().items) == ["A"]
    assert folios(drain(journal)) == ["A"]
    assert journal.take() is None


def test_a_batch_has_each_folio_once_and_keeps_the_order_of_its_records(journal):
    for folio, text in [("A", b"1"), ("B", b"2"), ("A", b"3"), ("C", b"4")]:
        journal.append(folio, text)
    batches = []
    while batch := journal.take():
        batches.append([(item.folio, item.text) for item in batch.items])
        journal.delivered(batch)
    assert batches == [[("A", b"1"), ("B", b"2")], [("A", b"3"), ("C", b"4")]]


def test_a_record_that_was_delivered_ahead_is_skipped_once(journal, directories):
    sent = [encode(Item(folio, 1.0, TEXT)) for folio in ("A", "B", "C", "D")]
    journal.delivered_ahead(sent[0])
    journal.delivered_ahead(sent[2])
    journal.append_lines(sent)
    assert census.census(directories).pending == 4
    assert folios(drain(journal)) == ["B", "D"]
    assert census.census(directories).pending == 0

    journal.append_lines(sent[:1])
    assert folios(drain(journal)) == ["A"]


def test_a_journal_whose_records_were_all_delivered_ahead_is_done(journal, directories):
    line = encode(Item("A", 1.0, TEXT))
    journal.delivered_ahead(line)
    journal.append_lines([line])
    assert journal.take() is None
    assert census.census(directories).pending == 0


def test_the_list_of_records_delivered_ahead_is_bounded(journal, monkeypatch):
    monkeypatch.setattr(outbox, "MOST_AHEAD", 3)
    sent = [encode(Item(f"A{number}", 1.0, TEXT)) for number in range(10)]
    for line in sent:
        journal.delivered_ahead(line)
    journal.append_lines(sent)
    assert folios(drain(journal)) == [f"A{number}" for number in range(9)]  # most of them again: harmless


def test_a_segment_is_not_finished_while_a_record_waits_for_its_sync(journal):
    """If it were finished, its file would be closed during the sync, which could then sync another file."""
    segment = journal.append("A", TEXT)
    segment.written += 1
    drain(journal)
    segment.retire()
    assert not segment.is_finished()


# --- Segments -------------------------------------------------------------------------------------------------------


def test_a_full_segment_is_removed_once_it_is_delivered(journal, directories, monkeypatch):
    monkeypatch.setattr(outbox, "SEGMENT_BYTES", 1000)
    for number in range(30):
        journal.append(f"F{number}", TEXT)
    grown = the_segment(directories[0])
    drain(journal)
    assert not grown.exists()
    journal.append("NEXT", TEXT)
    assert the_segment(directories[0]) != grown
    assert folios(drain(journal)) == ["NEXT"]


def test_a_delivered_journal_leaves_nothing_behind(journal, directories):
    journal.append("A", TEXT)
    drain(journal)
    journal.close()
    assert remaining_files(directories) == []


def test_the_segment_of_a_running_process_is_not_adopted(directories):
    script = WRITER.replace("os.kill(os.getpid(), 9)", "sys.stdin.read()")
    with python(script, 1, 3, *directories) as living:
        assert [living.stdout.readline() for _ in range(3)]
        other = Outbox(directories)
        assert other.adopt() == 0
        assert other.take() is None
        assert census.census(directories).pending == 3
        living.kill()
    assert other.adopt() == 1
    assert len(drain(other)) == 3


def test_each_dead_segment_is_adopted_by_exactly_one_process(directories):
    for number in range(40):
        before = Outbox(directories)
        before.append(f"F{number}", TEXT)
        kill(before)
    adopter = """
import sys
from pathlib import Path
from leads.delivery.journal.outbox import Outbox
journal = Outbox([Path(name) for name in sys.argv[1:]])
print("ready", flush=True)
sys.stdin.readline()
journal.adopt()
print(*[segment.path.name for segment in journal._backlog], flush=True)
sys.stdin.readline()
"""
    names = {path.name for path in directories[0].glob("*.journal")}
    adopters = [python(adopter, *directories) for _ in range(2)]
    for process in adopters:
        process.stdout.readline()
    for process in adopters:
        print(file=process.stdin, flush=True)
    adopted = [name for process in adopters for name in process.stdout.readline().split()]
    for process in adopters:
        process.communicate("\n")
    assert sorted(adopted) == sorted(names)


def test_adoption_keeps_no_more_than_a_bounded_number_of_files_open(directories):
    for number in range(150):
        before = Outbox(directories)
        before.append(f"F{number}", TEXT)
        kill(before)
    journal = Outbox(directories)
    assert journal.adopt() == outbox.MOST_HELD
    assert folios(drain(journal)) == [f"F{number}" for number in range(150)]
    assert remaining_files(directories) == []


@pytest.mark.parametrize("seed", mark.by_hand_but(4, range(8)))
def test_every_acknowledged_record_survives_a_kill(directories, seed):
    chance = random.Random(seed)
    with python(WRITER, 4, 100_000, *directories) as writer:
        acknowledged = [writer.stdout.readline().strip() for _ in range(chance.randrange(1, 1500))]
        writer.kill()
        acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]

    delivered = {item.folio: item.text for item in adopt_and_drain(directories)}

    assert set(acknowledged) <= set(delivered)
    assert delivered == {folio: text_of_the_writer(folio) for folio in delivered}
    assert remaining_files(directories) == []


# --- Damage ---------------------------------------------------------------------------------------------------------


def a_dead_segment(directories: Sequence[Path], *names: str) -> bytearray:
    """Leave a segment of a dead process; return its content."""
    before = Outbox(directories, clock=lambda: 1795374600.25)
    for name in names:
        before.append(name, TEXT)
    kill(before)
    return bytearray(the_segment(directories[0]).read_bytes())


def test_a_tail_torn_at_any_byte_is_skipped(directories, notices):
    whole = a_dead_segment(directories, "A", "B", "C")
    path = the_segment(directories[0])
    for end in range(whole.rindex(b"\n", 0, -1) + 1, len(whole)):
        path.write_bytes(whole[:end])
        assert census.census(directories).pending == 2
        assert folios(adopt_and_drain(directories, notices)) == ["A", "B"]
        assert remaining_files(directories) == []
    assert notices == []


@pytest.mark.parametrize("flip", mark.by_hand_but(2, [0x01, ord("\n") ^ ord("a"), 0x80, 0xFF]))
def test_a_changed_byte_loses_at_most_its_own_record(directories, flip):
    whole = a_dead_segment(directories, "A", "B", "C")
    path = the_segment(directories[0])
    start, end = whole.index(b"\n") + 1, whole.rindex(b"\n", 0, -1) + 1
    for position in range(start, end - 1):
        changed = bytearray(whole)
        changed[position] ^= flip
        path.write_bytes(changed)
        notices = Notices()

        assert folios(adopt_and_drain(directories, notices)) == ["A", "C"]

        aside = directories[0] / DAMAGED / path.name
        assert aside.read_bytes() == changed
        assert len(notices.of("damaged")) == 1
        assert (census.census(directories).pending, census.census(directories).damaged) == (0, 1)
        assert remaining_files(directories) == []
        aside.unlink()


@pytest.mark.parametrize("line", mark.by_hand_but(1, [2, 1, 3]))
def test_a_changed_newline_loses_nothing(directories, line):
    whole = a_dead_segment(directories, "A", "B", "C")
    position = [at for at, byte in enumerate(whole) if byte == ord("\n")][line - 1]
    for changed in set(range(256)) - {ord("\n")}:
        whole[position] = changed
        the_segment(directories[0]).write_bytes(whole)
        assert census.census(directories).pending == 3
        if changed in (0, ord(" "), 255):
            assert folios(adopt_and_drain(directories)) == ["A", "B", "C"]
            (directories[0] / "1.journal").write_bytes(whole)


def test_damage_is_reported_once_however_often_it_is_read(directories, notices):
    whole = a_dead_segment(directories, "A", "B", "C")
    whole[whole.index(b"B ~") + 3] ^= 1
    the_segment(directories[0]).write_bytes(whole)
    journal = Outbox(directories, notice=notices)
    journal.adopt()

    for _ in range(3):
        batch = journal.take()
    # Mark records one by one, as after a refused row: the mark passes the damage before the batch is done.
    batch.segment.mark(batch.items[1].end)
    journal.delivered(batch)

    assert [details["lines"] for details in notices.of("damaged")] == [1]
    assert census.census(directories).damaged == 1


def test_a_segment_with_only_damage_is_set_aside(directories, notices):
    directories[0].mkdir()
    (directories[0] / "1.journal").write_bytes(b"\x00" * 300 + b"\nnot a record\n")
    assert adopt_and_drain(directories, notices) == []
    assert [details["lines"] for details in notices.of("damaged")] == [2]
    assert census.census(directories).damaged == 1


def test_a_segment_that_cannot_be_opened_does_not_block_others(directories, notices):
    a_dead_segment(directories, "A")
    (directories[0] / "0.journal").mkdir()
    assert folios(adopt_and_drain(directories, notices)) == ["A"]
    assert [details["segment"] for details in notices.of("unreadable")] == ["0.journal"]


@pytest.mark.needs("strace")
def test_a_segment_that_cannot_be_read_stays_and_does_not_block_others(tmp_path, directories):
    for name in "AB":
        before = Outbox(directories)
        before.append(name, TEXT)
        kill(before)
    script = """
import sys
from pathlib import Path
from leads.delivery.journal.outbox import Outbox
journal = Outbox([Path(name) for name in sys.argv[1:]], notice=lambda what, **details: print(what))
journal.adopt()
while batch := journal.take():
    print(*[item.folio for item in batch.items])
    journal.delivered(batch)
journal.adopt()
print(journal.take())
"""
    injected = ["-e", "trace=pread64", "-P", min(directories[0].glob("*.journal")), "-e", "inject=pread64:error=EIO"]
    assert python_under_strace(tmp_path / "trace", injected, script, *directories).split("\n") == [
        "unreadable",
        "B",
        "None",
        "",
    ]
    assert folios(adopt_and_drain(directories)) == ["A"]


# --- Files deleted while in use -------------------------------------------------------------------------------------


def test_deleting_an_open_file_loses_nothing(journal, directories, notices):
    for number in range(20):
        journal.append(f"F{number}", TEXT)
    the_segment(directories[0]).unlink()
    journal.append("AFTER", TEXT)
    kill(journal)

    expected = {"AFTER", *(f"F{number}" for number in range(20))}
    assert set(folios(adopt_and_drain(directories))) == expected
    assert len(notices.of("deleted")) == 1


def test_removing_a_directory_in_use_loses_nothing(journal, directories, notices):
    a_dead_segment(directories, "DEAD")
    journal.append("A", TEXT)
    journal.adopt()
    shutil.rmtree(directories[0])
    journal.append("AFTER", TEXT)
    assert {path.parent for path in remaining_files(directories)} == {directories[0]}
    kill(journal)
    assert set(folios(adopt_and_drain(directories))) == {"DEAD", "A", "AFTER"}


def test_deleted_files_are_restored_without_another_append(journal, directories):
    a_dead_segment(directories, "DEAD")
    journal.append("A", TEXT)
    journal.adopt()
    shutil.rmtree(directories[0])
    journal.adopt()
    journal.adopt()
    assert census.census(directories).pending == 2
    assert set(folios(drain(journal))) == {"A", "DEAD"}
    journal.append("NEXT", TEXT)
    assert folios(drain(journal)) == ["NEXT"]


def test_deleted_files_are_restored_in_the_spare_directory_when_the_first_is_unusable(journal, directories):
    journal.append("A", TEXT)
    shutil.rmtree(directories[0])
    directories[0].write_text("in its place")
    journal.append("AFTER", TEXT)
    kill(journal)
    assert set(folios(adopt_and_drain(directories[1:]))) == {"A", "AFTER"}


def test_concurrent_appends_lose_nothing_while_their_files_are_deleted(journal, directories):
    stop = threading.Event()

    def delete_files() -> None:
        while not stop.is_set():
            shutil.rmtree(directories[0], ignore_errors=True)
            time.sleep(0.002)

    deleter = threading.Thread(target=delete_files)
    deleter.start()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: journal.append(f"F{number}", TEXT), range(600)))
    stop.set()
    deleter.join()
    journal.adopt()
    kill(journal)
    assert set(folios(adopt_and_drain(directories))) == {f"F{number}" for number in range(600)}


# --- Disks that fail ------------------------------------------------------------------------------------------------


def fill(disk: Path, *, leave: int) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(filler, filler.stat().st_size - leave)
    assert outbox.free_bytes(disk) == leave
    return filler


@pytest.mark.needs("mounting")
def test_a_full_disk_sends_records_to_the_spare_directory_and_back(small_disk, directories, notices):
    now = 1000.0
    journal = Outbox(directories, notice=notices, clock=lambda: now)
    filler = fill(small_disk, leave=3 * 4096)
    names = [f"F{number}" for number in range(12)]
    for name in names:
        journal.append(name, b'"%s"' % (b"x" * 3000))

    torn = the_segment(small_disk).read_bytes()
    assert not torn.endswith(b"\n")
    assert 2 <= torn.count(b"\n") <= 4
    assert the_segment(directories[1]).read_bytes().count(b"\n") == 12 - torn.count(b"\n")

    for _ in range(5):  # retries that fail: no second notice, and no further files
        now += outbox.RETRY_DIRECTORY_S
        journal.append(f"STILL-{now:.0f}", b'"%s"' % (b"x" * 3000))
    assert [what for what, _ in notices] == ["ephemeral", "unwritable", "spare"]
    assert (len(list(small_disk.glob("*.journal"))), len(list(directories[1].glob("*.journal")))) == (1, 1)

    filler.unlink()
    journal.append("SOON", TEXT)
    now += outbox.RETRY_DIRECTORY_S
    assert journal.append("BACK", TEXT).path.parent == small_disk
    assert [what for what, _ in notices][3:] == ["writable again"]

    kill(journal)
    assert {*names, "SOON", "BACK"} <= set(folios(adopt_and_drain(directories, notices)))
    assert notices.of("damaged") == []
    assert remaining_files(directories) == []


@pytest.mark.needs("mounting")
def test_records_on_a_read_only_disk_are_delivered(small_disk, directories, notices):
    a_dead_segment(directories, "DEAD")
    journal = Outbox(directories, notice=notices)
    journal.append("A", TEXT)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], stderr=subprocess.DEVNULL)
    journal.close()  # a disk with a file open for writing cannot be remounted read-only
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

    journal = Outbox(directories, notice=notices)
    segment = journal.append("B", TEXT)
    assert segment.path.parent == directories[1]
    journal.adopt()
    assert sorted(folios(drain(journal))) == ["A", "B", "DEAD"]
    journal.adopt()
    assert drain(journal) == []  # a file that cannot be removed is kept open, and not delivered again

    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    journal.take()
    journal.close()
    assert remaining_files(directories) == []


def test_a_file_in_place_of_the_directory_sends_records_to_the_spare(journal, directories):
    directories[0].write_text("in its place")
    assert journal.append("A", TEXT).path.parent == directories[1]
    assert folios(drain(journal)) == ["A"]


def test_without_any_directory_appends_fail_immediately(journal, directories, notices):
    for directory in directories:
        directory.write_text("in its place")
    started = time.monotonic()
    for _ in range(100):
        with pytest.raises(OutboxUnavailable):
            journal.append("A", TEXT)
    assert time.monotonic() - started < 2
    assert len(notices.of("unwritable")) == 2

    directories[1].unlink()
    assert journal.append("A", TEXT).path.parent == directories[1]


def test_a_clock_that_is_set_back_does_not_exclude_a_directory(directories):
    now = 1_000_000.0
    journal = Outbox(directories, clock=lambda: now)
    directories[0].write_text("in its place")
    journal.append("A", TEXT)
    directories[0].unlink()
    now -= 500_000
    assert journal.append("B", TEXT).path.parent == directories[0]


@pytest.mark.needs("mounting")
def test_a_nearly_full_disk_is_reported_once(small_disk, directories, notices):
    journal = Outbox(directories, notice=notices)
    for _ in range(3):
        journal.adopt()
    (noticed,) = notices.of("disk low")
    assert noticed["directory"] == str(small_disk)
    assert 0 < noticed["free_bytes"] <= 1024**2

    subprocess.run(["mount", "-o", "remount,size=80m", small_disk], check=True)
    journal.adopt()
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    journal.adopt()
    assert len(notices.of("disk low")) == 2


@pytest.mark.needs("mounting")
def test_an_ephemeral_disk_is_reported_at_the_start(small_disk, directories, notices):
    Outbox(directories, notice=notices)
    assert notices.of("ephemeral")[0] == {"directory": str(small_disk), "file_system": "tmpfs"}
    assert is_ephemeral(small_disk / "not" / "there" / "yet")


MOUNTINFO = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard
24 22 0:21 / /proc rw,nosuid shared:12 - proc proc rw
40 22 0:35 / /srv rw,relatime shared:20 master:3 - nfs4 10.0.0.5:/export rw,vers=4.2,addr=10.0.0.5
41 40 0:36 / /srv/local rw,relatime - xfs /dev/vdb rw
42 22 0:37 / /mnt/ma\303\261ana rw - tmpfs tmpfs rw
43 22 0:38 / /mnt/two\040words rw - fuse.sshfs ventas@host:/ rw,user_id=0
44 22 254:2 / /data rw - ext4 /dev/vdc rw
45 44 0:40 / /data rw - cifs //host/share rw
""".replace(r"\303\261", "ñ")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/outbox", "ext4"),
        ("/srv/outbox", "nfs4"),
        ("/srvive", "ext4"),
        ("/srv/local/outbox", "xfs"),
        ("/mnt/mañana/outbox", "tmpfs"),
        ("/mnt/two words/outbox", "fuse.sshfs"),
        ("/data/outbox", "cifs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_nearest_and_latest_mount(path, kind):
    assert file_system_in(MOUNTINFO, Path(path)) == kind


def test_the_file_system_is_the_one_that_findmnt_reports(tmp_path):
    answer = subprocess.run(
        ["findmnt", "--noheadings", "-o", "FSTYPE", "-T", tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert outbox.file_system(tmp_path / "not yet") == answer.stdout.strip()


def test_a_network_file_system_is_refused(directories, notices, monkeypatch):
    kinds = {directories[0]: "nfs4", directories[1]: "ext4"}
    monkeypatch.setattr(outbox, "file_system", kinds.get)  # no NFS server can run here
    journal = Outbox(directories, notice=notices)
    assert notices.of("network") == [{"directory": str(directories[0]), "file_system": "nfs4"}]
    assert journal.append("A", TEXT).path.parent == directories[1]
    assert "is on a network file system (nfs4)" in notices.of("unwritable")[0]["error"]


# --- What Postgres refuses ------------------------------------------------------------------------------------------


def test_a_refused_record_is_kept_unchanged(journal, directories, notices):
    journal.append("A", TEXT)
    (item,) = journal.take().items
    journal.quarantine(item, reason="DataError 22021")

    ((path, kept),) = quarantine.quarantined(directories)

    assert b"+526561234567" not in path.read_bytes()
    assert (kept["reason"], kept["record"], kept["journaled_at"]) == ("DataError 22021", item.data, item.at)
    assert census.census(directories).quarantined == 1


def test_a_refused_record_is_synced_with_its_name_and_stays_until_its_retry_is_on_the_disk(
    journal, directories, monkeypatch
):
    synced, fsync = [], os.fsync

    def noted(fd):
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        fsync(fd)

    def unavailable(folio, text):
        raise OutboxUnavailable(errno.EIO, "no disk")

    monkeypatch.setattr(os, "fsync", noted)
    journal.quarantine(Item("A", 1.0, TEXT), reason="a rule")
    assert str(directories[0] / quarantine.QUARANTINE) in synced

    monkeypatch.setattr(journal, "append", unavailable)
    with pytest.raises(OutboxUnavailable):
        journal.retry_quarantined()
    assert [refused["reason"] for _, refused in quarantine.quarantined(directories)] == ["a rule"]


def test_a_record_that_is_refused_again_during_its_retry_is_kept(journal, directories, monkeypatch):
    journal.append("A", b'{"folio":"A"}')
    (item,) = drain(journal)
    journal.quarantine(item, reason="DataError")
    append = journal.append

    def append_and_refuse(folio: str, text: bytes) -> None:
        append(folio, text)
        journal.quarantine(drain(journal)[0], reason="DataError, again")

    monkeypatch.setattr(journal, "append", append_and_refuse)  # as if the relay had delivered it in between
    assert journal.retry_quarantined() == 1
    assert [kept["reason"] for _, kept in quarantine.quarantined(directories)] == ["DataError, again"]


@pytest.mark.needs("mounting")
def test_with_a_full_disk_a_refused_record_goes_to_the_spare_directory(small_disk, directories):
    journal = Outbox(directories)
    item = Item("A", 1.0, b'"%s"' % (b"x" * 30_000))
    fill(small_disk, leave=2 * 4096)
    journal.quarantine(item, reason="DataError")
    ((path, kept),) = quarantine.quarantined(directories)
    assert (path.parent.parent, kept["record"]) == (directories[1], "x" * 30_000)

    directories[1].rename(directories[1].with_suffix(".away"))
    directories[1].write_text("in its place")
    with pytest.raises(OutboxUnavailable):
        journal.quarantine(item, reason="DataError")


# --- The census, and long backlogs ----------------------------------------------------------------------------------


def test_the_census_counts_all_processes_and_directories(journal, directories):
    now = 1000.0
    journal.clock = lambda: now
    journal.append("A", TEXT)
    now = 2000.0
    journal.append("B", TEXT)
    spare = Outbox(directories[1:], clock=lambda: 3000.0)
    spare.append("C", TEXT)
    assert census.census(directories) == (3, 1000.0, 0, 0, ())

    batch = journal.take()
    batch.segment.mark(batch.items[0].end)
    journal.quarantine(batch.items[1], reason="DataError")
    assert census.census(directories) == (2, 2000.0, 1, 0, ())

    drain(journal)
    drain(spare)
    assert census.census(directories) == (0, None, 1, 0, ())
    spare.close()


@pytest.mark.by_hand
def test_a_long_backlog_is_delivered_in_constant_memory(directories):
    # Anything kept for each record would take at least forty bytes, so 8 MB in all.
    records = 200_000
    directories[0].mkdir()
    with (directories[0] / "1-backlog.journal").open("wb") as file:
        for number in range(records):
            file.write(encode(Item(f"F{number}", 1795374600.0, b'{"name":"Ana"}')))
    script = """
import resource, sys
from pathlib import Path
from leads.delivery.journal.census import census
from leads.delivery.journal.outbox import Outbox
directories = [Path(name) for name in sys.argv[1:]]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
journal = Outbox(directories)
journal.adopt()
count = 0
while batch := journal.take():
    if count == 0:
        assert census(directories).pending == 200_000
    count += len(batch.items)
    journal.delivered(batch)
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    with python(script, *directories) as reader:
        count, grown_kb = map(int, reader.stdout.read().split())
    assert count == records
    assert grown_kb < 8 * 1024
    assert remaining_files(directories) == []
