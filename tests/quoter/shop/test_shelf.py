"""The file of published versions: whole after a crash at any moment, and damage costs only what is damaged."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quoter.shop import shelf
from quoter.shop.shelf import Mark, Shelf
from quoter.shop.version import Version
from tests.support.processes import run

OLD = Version(1, "old = 1\n", published_at=100.0)
NEW = Version(2, "new = 2\n", published_at=200.0)
TO_COME = Version(3, "later = 3\n", published_at=150.0, starts_at=900.0)

# Kills a process before each line of shelf.py that a write executes, and reads what that left.
CRASHES = """
import os, signal, sys
from pathlib import Path
from quoter.shop import shelf
from quoter.shop.shelf import Mark
from quoter.shop.version import Version

path, old, new = Path(sys.argv[1]), Version(1, "old"), Version(2, "new", 5.0)
sys.argv[2] == "first" or shelf.write(path, [old], Mark(1))

def status_when_killed_before_line(number):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    lines = 0
    def trace(frame, event, value):
        nonlocal lines
        if frame.f_code.co_filename == shelf.__file__ and event == "line":
            lines += 1
            lines == number and os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    shelf.write(path, [old, new], Mark(2))
    os._exit(0)

number = 1
while status_when_killed_before_line(number):
    found = shelf.read(path)
    print([each.number for each in found.versions], list(found.mark), found.faults)
    if found.mark == Mark(2):
        sys.argv[2] == "first" and path.unlink() or shelf.write(path, [old], Mark(1))
    number += 1
print(number, sorted(each.name for each in path.parent.iterdir()))
"""


@pytest.mark.parametrize(("given_before", "before"), [("first", "[] [0, 0] ()"), ("again", "[1] [1, 0] ()")])
def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path, given_before, before):
    path = tmp_path / "outbox" / "published" / "prices"
    done = run(
        "-c", CRASHES, str(path), given_before, environment=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    *left, end = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(left) > 25
    assert set(left) == {before, "[1, 2] [2, 0] ()"}
    assert end == f"{len(left) + 1} ['prices']"  # and nothing of those that were killed


def test_a_missing_file_is_an_empty_shelf(tmp_path):
    assert shelf.read(tmp_path / "prices") == Shelf()


def test_versions_are_in_the_order_in_which_they_begin(tmp_path):
    shelf.write(tmp_path / "prices", [TO_COME, NEW, OLD], Mark(3))
    assert shelf.read(tmp_path / "prices") == Shelf((OLD, NEW, TO_COME), Mark(3))


@given(st.data())
def test_whatever_byte_is_damaged_the_rest_is_read_and_the_damage_is_told(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("published") / "prices"
    shelf.write(path, [OLD, NEW, TO_COME], Mark(3))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
    found = shelf.read(path)
    assert found.faults
    assert set(found.versions) <= {OLD, NEW, TO_COME}
    assert len(found.versions) >= 1


@given(st.data())
def test_a_file_that_was_cut_short_tells_so(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("published") / "prices"
    shelf.write(path, [OLD, NEW], Mark(2))
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 2))])
    assert shelf.read(path).faults


def test_what_one_copy_lacks_comes_from_the_other(tmp_path):
    for name in "ab":
        shelf.write(tmp_path / name, [OLD, NEW], Mark(2))
    damaged = (tmp_path / "a").read_bytes().replace(b"new = 2", b"new = 3")
    (tmp_path / "a").write_bytes(damaged)
    found = shelf.best([shelf.read(tmp_path / name) for name in "ab"])
    assert (found.versions, len(found.faults)) == ((OLD, NEW), 1)


def test_of_two_copies_the_newer_one_counts_alone(tmp_path):
    shelf.write(tmp_path / "a", [OLD, TO_COME], Mark(3))
    shelf.write(tmp_path / "b", [OLD], Mark(3, withdrawn=1))
    assert shelf.best([shelf.read(tmp_path / name) for name in "ab"]) == Shelf((OLD,), Mark(3, 1))


def test_a_file_that_cannot_be_written_stays_as_it_is(tmp_path):
    path = tmp_path / "published" / "prices"
    shelf.write(path, [OLD], Mark(1))
    Path(f"{path}.{os.getpid()}.tmp").mkdir()  # where the new one would be written
    with pytest.raises(OSError, match="directory"):
        shelf.write(path, [NEW], Mark(2))
    assert shelf.read(path) == Shelf((OLD,), Mark(1))
