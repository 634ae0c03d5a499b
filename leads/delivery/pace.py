"""How a backlog and new customers share the relay. Plain Python."""

import time
from collections.abc import Callable

# While customers come, the backlog gets a ninth of the relay's time: after each step it rests for eight times as long.
# A step is STEP leads, so that no customer waits long behind one.
STEP = 50
_REST = 8
_LONGEST_REST_S = 0.5
_QUIET_S = 0.1  # without a customer for so long, the backlog need not rest


class Pace:
    """Says when the backlog may take its next step: at once when no customer came lately, else after a rest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._busy_until = self._rests_until = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether customers come."""
        return self._clock() < self._busy_until

    def customers_came(self) -> None:
        self._busy_until = self._clock() + _QUIET_S

    def stepped(self, seconds: float) -> None:
        """Count a step of the backlog that took so long."""
        self._rests_until = self._clock() + min(_REST * seconds, _LONGEST_REST_S)

    def seconds_to_next_step(self) -> float:
        """Return 0 when the backlog may go on, else in how many seconds it may, when no customer comes meanwhile."""
        now = self._clock()
        return max(0.0, min(self._rests_until, self._busy_until) - now)
