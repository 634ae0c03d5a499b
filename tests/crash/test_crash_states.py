"""A power cut at any moment of some scenes: what the disk may hold then is adopted, and no acknowledged lead is lost.

`make crash-states` tries all states of all scenes; here a sample of them is tried, by hand.
"""

import json
import re
import time
from pathlib import Path

import pytest
from django.db import connection

from leads.delivery.breaker import Breaker
from leads.delivery.journal.census import census
from leads.delivery.journal.outbox import Outbox
from leads.delivery.relay import Relay
from leads.delivery.upsert import upsert
from leads.models import Lead
from tests.crash import adoption, disk, recording, states, trace
from tests.crash.recording import Recording
from tests.crash.scenes import named
from tests.support import mark
from tests.support.eventually import eventually
from tests.support.live import Postgres

# What every run takes of the scenes, and of the states of each.
TAKEN = ("killed in an outage", "refused", "the spare directory", "two processes")
MOST = 100
# One state in so many of the first two goes to a real Postgres.
SAMPLE = 300
# What the model has to say of a small program; each line is a call.
PROGRAM = r"""
1 openat(AT_FDCWD, "/b", O_RDONLY|O_DIRECTORY) = 3
1 openat(AT_FDCWD, "/b/new", O_WRONLY|O_CREAT|O_EXCL, 0600) = 4
1 write(4, "ab", 2) = 2
1 fdatasync(4) = 0
1 fsync(3) = 0
1 write(4, "cd", 2) = 2
1 fdatasync(4) = -1 EIO (Input/output error)
1 fdatasync(4) = 0
1 rename("/b/new", "/b/old") = 0
"""
FAULTS = [
    ("no sync of records", "killed in an outage"),
    ("no sync of a new file's name", "killed in an outage"),
    ("no sync of a new segment's first records", "killed in an outage"),
    ("a segment is finished before its delivery", "killed in an outage"),
    ("on the disk before it is", "an outage"),
    ("a refused record is not synced", "refused"),
    ("the quarantine's names are not synced", "refused"),
]


@pytest.fixture(scope="module")
def recorded(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    return recording.record([named(name) for name in TAKEN], postgres, tmp_path_factory.mktemp("scenes"))


def hexed(program: str) -> str:
    return re.sub(r'"([^"]*)"', lambda text: '"' + "".join(f"\\x{ord(each):02x}" for each in text[1]) + '"', program)


def test_who_was_killed_may_have_asked_for_what_is_not_there(tmp_path):
    asked = '1 openat(AT_FDCWD, "/b/none", O_RDONLY|O_DIRECTORY) = ?'
    (tmp_path / "trace").write_text(hexed(f"{PROGRAM.strip()}\n{asked}\n"))
    recorded = disk.Recorded(trace.read(tmp_path / "trace"), "/b")
    assert sorted(recorded.root.names) == ["old"]


def test_a_file_may_be_opened_while_another_process_removes_it(tmp_path):
    calls = [
        '2 openat(AT_FDCWD, "/b/old", O_RDONLY <unfinished ...>',
        '1 unlink("/b/old") = 0',
        "2 <... openat resumed>) = 5",
    ]
    (tmp_path / "trace").write_text(hexed("\n".join([*PROGRAM.strip().splitlines(), *calls]) + "\n"))
    recorded = disk.Recorded(trace.read(tmp_path / "trace"), "/b")
    assert recorded.root.names == {}


def may_be_left(tmp_path: Path, lines: int) -> list[disk.Tree]:
    """Return the trees that a power cut after so many lines of PROGRAM may leave, of whole pieces."""
    file = tmp_path / "trace"
    file.write_text(hexed("\n".join(PROGRAM.strip().splitlines()[:lines]) + "\n"))
    recorded = disk.Recorded(trace.read(file), "/b")
    begun = [piece for piece in recorded.pieces if piece.begin < lines]
    moment = states.Moment(lines, [piece for piece in begun if piece.safe_at < lines],
                           [piece for piece in begun if piece.safe_at >= lines])  # fmt: skip
    chosen = [states._state(moment, [disk.Left(piece) for piece in pieces]) for pieces in states._subsets(moment.open)]
    trees: list[disk.Tree] = []
    for state in chosen:
        tree = disk.tree_of(recorded.root, state.left)
        trees += [tree] if tree not in trees else []
    return sorted(trees, key=lambda tree: (len(tree), repr(tree)))


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (2, [{}, {"new": b""}]),
        (3, [{}, {"new": b""}, {"new": b"ab"}]),
        (4, [{}, {"new": b"ab"}]),
        (5, [{"new": b"ab"}]),
        (6, [{"new": b"ab"}, {"new": b"abcd"}]),
        (8, [{"new": b"ab"}, {"new": b"abcd"}]),
        (9, [{"new": b"ab"}, {"new": b"abcd"}, {"old": b"ab"}, {"old": b"abcd"}]),
    ],
)
def test_a_power_cut_takes_what_was_not_synced(tmp_path, lines, left):
    """A name outlives it by a sync of its directory alone, and nothing by a sync after one that failed."""
    assert may_be_left(tmp_path, lines) == left


@pytest.mark.by_hand
@pytest.mark.long
@pytest.mark.needs("strace")
def test_no_power_cut_loses_an_acknowledged_lead(recorded, tmp_path):
    for each in recorded:
        assert each.answered >= 8
        assert each.pieces.syncs >= 8
        tried = recording.try_states(each, tmp_path, most=MOST)
        assert tried.failures == []
        assert tried.states == MOST


@pytest.mark.needs("strace")
@pytest.mark.parametrize(("fault", "scene"), mark.by_hand_but(0, FAULTS))
def test_a_deliberate_fault_loses_leads(postgres, tmp_path, fault, scene):
    [faulty] = recording.record([named(scene)], postgres, tmp_path, mutant=fault)
    assert recording.try_states(faulty, tmp_path / "states", most_failures=1).failures


@pytest.mark.by_hand
@pytest.mark.needs("strace")
@pytest.mark.django_db(transaction=True)
def test_a_real_relay_delivers_crash_states_to_postgres(recorded, tmp_path):
    """As for the model of the table that the other states are delivered to, with the relay's own threads."""
    for each in recorded[:2]:
        for state, tree in list(recording.crash_states(each))[::SAMPLE]:
            known = adoption.known_at(state.moment.line, each.marks)
            Lead.objects.all().delete()
            for is_quick, records in known.statements:
                upsert([json.dumps(record).encode() for record in records], is_quick=is_quick)
            deliver(adoption.build(tree, tmp_path / "state"))
            assert {(folio, phone) for folio, phone, _ in known.answered} <= rows()
            assert len(rows()) == Lead.objects.count()


def deliver(directories: list[Path]) -> None:
    relay = Relay(Outbox(directories), Breaker(clock=time.monotonic))
    relay.outbox.retry_quarantined()
    relay.start()
    eventually(lambda: relay.database_state == "up" and census(directories).pending == 0)
    relay.stop()
    connection.close()


def rows() -> set[tuple[str, str]]:
    return set(Lead.objects.values_list("folio", "phone"))
