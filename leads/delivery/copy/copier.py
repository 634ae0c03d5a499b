"""The copier: one daemon thread per process that copies the waiting leads of the journal while Postgres is down."""

import json
from collections.abc import Callable
from enum import StrEnum

from leads.delivery.copy.rest_api import NoAnswer, RestApi
from leads.delivery.erasures import persons
from leads.delivery.journal import copied
from leads.delivery.journal.segment import Item
from leads.delivery.notices import notice
from leads.delivery.system import Path, threading
from leads.errors import error_name
from leads.snapshot.copied import can_be_marked, marked
from telemetry import series

# No customer and no thread of delivery waits for a copy.
LOOK_EVERY_S = 1.0
# After a fault: doubling up to this.
LONGEST_PAUSE_S = 60.0
# A refused key is tried seldom, because only a person can correct it.
KEY_PAUSE_S = 600.0

_OF_THE_KEY = (401, 403)
# An index of the table has the row already.
_CONFLICT = 409


class Result(StrEnum):
    COPIED = "copied"
    REFUSED = "refused"  # this lead; Postgres itself will decide on it
    FAILED = "failed"  # no lead can be copied now


class Copier:
    """Copies one process's leads, each once unless its answer gets lost. Start it after the fork.

    held: returns the files of the journal that this process delivers; is_down: whether Postgres is out of reach.
    """

    def __init__(self, api: RestApi, *, held: Callable[[], list[Path]], is_down: Callable[[], bool]) -> None:
        self._api, self._held, self._is_down = api, held, is_down
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="copier", daemon=True)
        # Only the thread uses these. Notes beside the journal say the same to other processes, if a disk takes them.
        self._offsets: dict[Path, int] = {}
        self._pause_s = 0.0
        self._last = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its current request, which nobody waits for."""
        self._is_stopping.set()

    def _run(self) -> None:
        while not self._is_stopping.wait(self._pause_s or LOOK_EVERY_S):
            if not self._is_down():
                self._pause_s = 0.0
                continue
            try:
                self._copy_waiting()
            except Exception as error:  # broad: a thread that dies copies nothing more; one that goes on may
                self._pause(LONGEST_PAUSE_S)
                self._settle(Result.FAILED, reason=error_name(error))

    def _copy_waiting(self) -> None:
        """Copy the leads that wait, in the journal's order, until Postgres is up again or the API fails."""
        held = self._held()
        self._offsets = {path: self._offsets.get(path, 0) for path in held}
        for path in held:
            start = max(self._offsets[path], copied.begin(path))
            for item, end in copied.records_after(path, start):
                if self._is_stopping.is_set() or not self._is_down():
                    return
                result = self._copy(item) if _has_person(item) else None
                if result is Result.FAILED:
                    return
                self._offsets[path] = end
                if result is Result.COPIED:
                    copied.mark(path, end)

    def _copy(self, item: Item) -> Result:
        """Send a lead. When it is refused, a list of none is taken, and it is refused again, the lead is at fault."""
        sent = row(item)
        try:
            answer = self._api.insert(sent)
            if answer.status == _CONFLICT:
                return self._settle(Result.REFUSED, reason=answer.status)
            if answer.status >= 400 and answer.status not in _OF_THE_KEY and self._api.insert(b"[]").is_taken:
                answer = self._api.insert(sent)
                if answer.status >= 400:
                    return self._settle(Result.REFUSED, reason=answer.status)
            if answer.is_taken:
                self._pause_s = 0.0
                return self._settle(Result.COPIED, folio=item.folio)
        except NoAnswer as error:
            self._pause()
            return self._settle(Result.FAILED, reason=error)
        self._pause(KEY_PAUSE_S if answer.status in _OF_THE_KEY else 0.0)
        return self._settle(Result.FAILED, reason=answer.status)

    def _pause(self, at_least_s: float = 0.0) -> None:
        self._pause_s = max(at_least_s, min(LONGEST_PAUSE_S, 2 * self._pause_s or LOOK_EVERY_S))

    def _settle(self, result: Result, **details: object) -> Result:
        """Count a result, and log it if the one before was another, or had another reason."""
        series.COPIES.add(result)
        if (now := f"{result} {details.get('reason')}") != self._last:
            self._last = now
            notice("copying" if result is Result.COPIED else f"copy {result}", **details)
        return result


def _has_person(item: Item) -> bool:
    """Return whether a record is a lead, and not a quote that nobody has asked for."""
    record = item.data
    return can_be_marked(record) and bool(record.get("phone"))


def row(item: Item) -> bytes:
    """Return the list of the one row that the API inserts for a record."""
    record = item.data
    return json.dumps([marked(record, persons(str(record["phone"])))], ensure_ascii=False).encode()
