"""Divides the relay's time between the backlog and new customers. Plain Python."""

from collections.abc import Callable

from leads.delivery.system import time

# While customers check out, the backlog gets a ninth of the relay's time: after each step it pauses for eight times as
# long as the step took. A step is at most STEP leads, so that no customer waits long behind it.
STEP = 50
_PAUSE_FACTOR = 8
_LONGEST_PAUSE_S = 0.5
_QUIET_S = 0.1  # after so long without a customer, the backlog does not pause


class Pace:
    """Decides when the backlog may take its next step: immediately without recent customers, else after a pause."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._busy_until = self._paused_until = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a customer came within the last _QUIET_S seconds."""
        return self._clock() < self._busy_until

    def customers_came(self) -> None:
        self._busy_until = self._clock() + _QUIET_S

    def stepped(self, seconds: float) -> None:
        """Start the pause after a step of the backlog. seconds: how long the step took."""
        self._paused_until = self._clock() + min(_PAUSE_FACTOR * seconds, _LONGEST_PAUSE_S)

    def seconds_to_next_step(self) -> float:
        """Return 0 when the backlog may go on, else for how many seconds it pauses if no customer comes meanwhile."""
        now = self._clock()
        return max(0.0, min(self._paused_until, self._busy_until) - now)
