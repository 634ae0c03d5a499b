"""The request that this thread handles: its id, and what became of its lead. Plain Python."""

import random
from contextvars import ContextVar
from itertools import product

# Without vowels, so that no id is a word, and without what is confused when it is read aloud or copied: 0 and O, 1, I
# and L, 5 and S, U and V, Y.
ALPHABET = "2346789BCDFGHJKMNPQRTVWXZ"
_PAIRS = ["".join(pair) for pair in product(ALPHABET, repeat=2)][:512]


class Current:
    """One request. outcome: where its lead is, or "" without one."""

    __slots__ = ("_id", "outcome")

    def __init__(self) -> None:
        self._id = self.outcome = ""

    @property
    def id(self) -> str:
        """As in "K7QF-3M2X". Made when it is first needed: most requests say nothing."""
        if not self._id:
            bits = random.getrandbits(36)
            first, second, third, last = bits & 511, bits >> 9 & 511, bits >> 18 & 511, bits >> 27
            self._id = f"{_PAIRS[first]}{_PAIRS[second]}-{_PAIRS[third]}{_PAIRS[last]}"
        return self._id


_current: ContextVar[Current | None] = ContextVar("current", default=None)


def begin() -> Current:
    """Make a new request that of this thread, instead of an earlier one."""
    request = Current()
    _current.set(request)
    return request


def end() -> None:
    _current.set(None)


def request_id() -> str:
    """Return the id of this thread's request, as in "K7QF-3M2X", or "" outside of one."""
    request = _current.get()
    return request.id if request else ""


def note_outcome(outcome: str) -> None:
    """Note where the lead of this thread's request is, for its line in the log."""
    if request := _current.get():
        request.outcome = outcome
