"""In any order of appends, deliveries, crashes and failing directories, no acknowledged record is lost."""

import shutil
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from leads.delivery.journal import census
from leads.delivery.journal.outbox import Batch, Outbox, OutboxUnavailable
from leads.delivery.journal.segment import Item, encode, records

FOLIOS = st.sampled_from("ABCD")
DIRECTORIES = st.sampled_from([0, 1])


class Journal(RuleBasedStateMachine):
    """One outbox at a time, which may be killed and replaced, and the records that it acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(mkdtemp(prefix="folio-outbox-"))
        self.directories = [self.root / "first", self.root / "spare"]
        self.now = 1000.0
        self.serial = 0
        self.broken: set[int] = set()
        self.acknowledged: set[tuple[str, bytes]] = set()
        self.answered: set[tuple[str, bytes]] = set()  # delivered, or in quarantine

    @initialize()
    def a_new_process_adopts(self) -> None:
        self.journal = Outbox(self.directories, clock=lambda: self.now)
        self.journal.adopt()

    @rule(folio=FOLIOS, seconds=st.sampled_from([0, 1, 6]))
    def append(self, folio: str, seconds: int) -> None:
        self.now += seconds
        self.serial += 1
        text = b'{"folio":"%s","serial":%d}' % (folio.encode(), self.serial)
        if len(self.broken) == 2:
            with pytest.raises(OutboxUnavailable):
                self.journal.append(folio, text)
        else:
            self.journal.append(folio, text)
            self.acknowledged.add((folio, text))

    @rule()
    def deliver(self) -> None:
        if batch := self.journal.take():
            self.answer(batch.items)
            self.journal.delivered(batch)

    @rule()
    def deliver_and_kill_before_it_is_marked(self) -> None:
        if batch := self.journal.take():
            self.answer(batch.items)
        self.kill()

    @rule()
    def kill(self) -> None:
        for segment in filter(None, [self.journal._current, *self.journal._backlog]):
            segment.close()
        self.a_new_process_adopts()

    @rule()
    def stop(self) -> None:
        self.journal.close()
        self.a_new_process_adopts()

    @precondition(lambda self: not self.broken)
    @rule(data=st.data())
    def kill_while_writing(self, data: st.DataObject) -> None:
        """Leave a torn line, which was never acknowledged."""
        for segment in filter(None, [self.journal._current, *self.journal._backlog]):
            segment.close()
        if paths := census.segment_paths(self.directories):
            line = encode(Item("TORN", self.now, b"{}"))
            with data.draw(st.sampled_from(paths)).open("ab") as file:
                file.write(line[: data.draw(st.integers(1, len(line) - 1))])
        self.a_new_process_adopts()

    @precondition(lambda self: len(self.broken) < 2)
    @rule(retried=st.booleans())
    def refuse(self, retried: bool) -> None:
        if batch := self.journal.take():
            refused = batch.items[0]
            self.journal.quarantine(refused, reason="DataError")
            batch.segment.mark(refused.end)
            self.answer([refused])
            self.journal.delivered(Batch(batch.segment, [refused], refused.end))
        if retried:
            self.journal.retry_quarantined()

    @rule(number=DIRECTORIES)
    def break_a_directory(self, number: int) -> None:
        if number not in self.broken:
            directory = self.directories[number]
            if directory.exists():
                directory.rename(directory.with_suffix(".away"))
            directory.write_text("in its place")
            self.broken.add(number)
            if self.journal._current and self.journal._current.path.parent == directory:
                self.journal._retire_if_current(self.journal._current)  # its open file would still take records

    @rule(number=DIRECTORIES)
    def repair_a_directory(self, number: int) -> None:
        if number in self.broken:
            directory = self.directories[number]
            directory.unlink()
            if directory.with_suffix(".away").exists():
                directory.with_suffix(".away").rename(directory)
            self.broken.remove(number)

    @precondition(lambda self: not self.broken)
    @rule()
    def delete_files_in_use(self) -> None:
        self.journal.adopt()
        for path in census.segment_paths(self.directories):
            path.unlink()
        self.journal.adopt()

    @invariant()
    def every_acknowledged_record_is_delivered_or_on_disk(self) -> None:
        on_disk = {(item.folio, item.text) for item in self.everything_on_disk()}
        assert self.acknowledged - self.answered <= on_disk

    def teardown(self) -> None:
        for number in list(self.broken):
            self.repair_a_directory(number)
        self.kill()
        while batch := self.journal.take():
            assert len({item.folio for item in batch.items}) == len(batch.items)
            self.answer(batch.items)
            self.journal.delivered(batch)
        self.journal.close()
        assert self.acknowledged <= self.answered
        assert census.census(self.directories)[:2] == (0, None)
        assert census.segment_paths(self.directories) == []
        assert census.census(self.directories).damaged == 0
        shutil.rmtree(self.root)

    def answer(self, items: list[Item]) -> None:
        came = {(item.folio, item.text) for item in items}
        assert came <= self.acknowledged
        self.answered |= came

    def everything_on_disk(self) -> list[Item]:
        found = []
        for path in self.root.rglob("*.journal"):
            with path.open("rb") as file:
                found += [item for line in file for item, _ in records(line) if item]
        return found


TestJournal = Journal.TestCase
TestJournal.settings = settings(stateful_step_count=40)
