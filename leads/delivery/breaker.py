"""The circuit breaker between the relay and Postgres. Plain Python: errors and the clock come in as arguments.

Closed: calls pass. Open: calls are refused until the next attempt is due. Half-open: one trial, with a real pending
lead, because a probe such as SELECT 1 also succeeds on a database that accepts no row.
"""

from collections.abc import Callable
from dataclasses import dataclass

from psycopg.errors import ConnectionTimeout

from leads.delivery.fault import Fault as Fault
from leads.delivery.refusals import recognised
from leads.delivery.refusals.table import NO_ANSWER, Refusal
from leads.delivery.system import random, threading


@dataclass(frozen=True)
class Policy:
    """How many faults in a row open the breaker, and for how many seconds: `first`, doubling up to `longest`."""

    opens_at: int
    first: float
    longest: float


# The longest wait decides how soon a recovered database is used: within 3 s. A trial that fails during the recovery
# adds a second for a statement, or 2 s, libpq's shortest timeout, for a connection.
POLICIES = {
    Fault.TIMEOUT: Policy(opens_at=1, first=0.5, longest=0.75),
    Fault.INFRASTRUCTURE: Policy(opens_at=2, first=0.25, longest=1.5),
    Fault.SCHEMA: Policy(opens_at=1, first=1.0, longest=1.5),
    # An attempt asks turns.py whether a password may be tried, and reaches Postgres once in eleven minutes.
    Fault.AUTH: Policy(opens_at=1, first=0.5, longest=0.75),
}
# A fraction of the wait. It is added, so that processes do not try at the same moment.
JITTER = 0.2

# Classes of SQLSTATE that say nothing about a row: connection, transaction, locks, resources, the server itself. Any
# other is of the row, of a rule of the table, or of a trigger, which may invent its own.
_OF_THE_SERVER = ("08", "25", "26", "40", "53", "55", "57", "58", "F0", "HV", "XX")


# The classes with which servers and poolers refuse a connection. The words of any other error may be a customer's.
_OF_A_REFUSAL = ("08", "28", "3D000", "53", "57P", "58", "XX")
# Supavisor sends these two for prepared statements, with its own code, and psycopg has no other for them.
_OF_A_STATEMENT = ("26000", "42P05")


def classify(error: BaseException) -> Fault:
    """Return the kind of a database error, by its SQLSTATE, its type or, for a refused connection, what it says."""
    chain = _chain(error)
    names, states = _names(chain), _states(chain)
    if "PasswordRefusedLately" in names or any(state.startswith("28") for state in states):
        return Fault.AUTH
    refusal = refusal_of(error)
    if refusal and refusal.fault is Fault.AUTH:  # also where another of the host's addresses did not answer
        return Fault.AUTH
    if any(isinstance(link, TimeoutError | ConnectionTimeout) for link in chain):
        return Fault.TIMEOUT
    if refusal:
        return refusal.fault
    if any(_is_about_ids(link) for link in chain):
        return Fault.SCHEMA
    if any(state == "25006" or state.startswith(("42", "3D", "3F")) for state in states):
        return Fault.SCHEMA
    if any(not state.startswith(_OF_THE_SERVER) for state in states):
        return Fault.DATA
    if not states and names & {"DataError", "UnicodeError", "TypeError"}:
        return Fault.DATA
    return Fault.INFRASTRUCTURE


def refusal_of(error: BaseException) -> Refusal | None:
    """Return why a connection was refused or not made, or None for any other error and for one that is not known."""
    chain = _chain(error)
    names, states = _names(chain), _states(chain)
    if states and not all(state.startswith(_OF_A_REFUSAL) or state in _OF_A_STATEMENT for state in states):
        return None
    if not states and names & {"DataError", "UnicodeError", "TypeError"}:
        return None
    refusal = recognised(str(error))
    is_timeout = any(isinstance(link, TimeoutError | ConnectionTimeout) for link in chain)
    return NO_ANSWER if refusal is None and is_timeout else refusal


def is_of_the_connection(error: BaseException) -> bool:
    """Return whether a connection could not be made; False when one that was open failed or took too long."""
    refusal = refusal_of(error)
    return refusal is not None and (refusal is not NO_ANSWER or "timeout expired" in str(error))


def _chain(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    return chain


def _names(chain: list[BaseException]) -> set[str]:
    return {base.__name__ for link in chain for base in type(link).__mro__}


def _states(chain: list[BaseException]) -> list[str]:
    return [state for link in chain if (state := getattr(link, "sqlstate", None))]


def _is_about_ids(error: BaseException) -> bool:
    """Whether the sequence has no more ids, or gave one that is already used, as after a restore."""
    if getattr(error, "sqlstate", None) == "2200H":
        return True
    constraint = getattr(getattr(error, "diag", None), "constraint_name", None) or ""
    return getattr(error, "sqlstate", None) == "23505" and constraint.endswith("_pkey")


class Breaker:
    """One process's view of Postgres. Thread-safe.

    clock: seconds that never go back. on_change: called with (is_open, fault) at each opening and closing.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
        on_change: Callable[[bool, Fault | None], None] = lambda is_open, fault: None,
    ) -> None:
        self._clock, self._chance, self._on_change = clock, chance, on_change
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._openings = 0
        self._fault: Fault | None = None
        self._because = ""
        self._next_attempt_at = 0.0
        self._is_open = False
        self.has_delivered = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused; a half-open breaker still counts as open."""
        return self._is_open

    @property
    def fault(self) -> Fault | None:
        return self._fault if self._is_open else None

    @property
    def because(self) -> str:
        """Return the cause of the last fault, in words for the log."""
        return self._because

    def seconds_to_next_attempt(self) -> float:
        """Return 0 when a delivery may be tried now, else how many seconds to wait."""
        return max(0.0, self._next_attempt_at - self._clock()) if self._is_open else 0.0

    def failed(self, fault: Fault, because: str = "") -> None:
        """Count a delivery that failed. A refused row says nothing about the database. because: the cause, in words."""
        if fault is Fault.DATA:
            return
        with self._lock:
            policy = POLICIES[fault]
            self._in_a_row = self._in_a_row + 1 if fault is self._fault else 1
            changed = fault is not self._fault or not self._is_open
            if fault is not self._fault:
                self._openings = 0
            self._fault, self._because = fault, because
            if not self._is_open and self._in_a_row < policy.opens_at:
                return
            wait = min(policy.longest, policy.first * 2**self._openings)
            self._openings = min(self._openings + 1, 16)
            self._next_attempt_at = self._clock() + wait * (1 + JITTER * self._chance())
            self._is_open = True
        if changed:
            self._on_change(True, fault)

    def delivered(self) -> None:
        """Close the breaker, because Postgres accepted a row."""
        with self._lock:
            was_open, self._is_open = self._is_open, False
            self.has_delivered = True
            fault, self._fault = self._fault, None
            self._in_a_row = self._openings = 0
        if was_open:
            self._on_change(False, fault)

    def doubt(self) -> None:
        """Treat the state of Postgres as unknown until the next delivery."""
        with self._lock:
            self.has_delivered = False

    def retry_now(self) -> None:
        """Allow the next trial immediately, because a person says that the fault is repaired."""
        with self._lock:
            self._next_attempt_at = 0.0
            self._openings = 0
