"""Checks this machine's clock, which dates quotes and folios and decides which contact details are newer."""

from collections.abc import Iterator
from datetime import UTC, datetime

from leads.ops.doctor.finding import Finding, error, ok, warning

MOST_APART_S = 5
FIRST_YEAR, LAST_YEAR = 2025, 2100
SET_IT = "Synchronise the machine's clock (NTP): timedatectl set-ntp true."


def examine(now: float) -> Iterator[Finding]:
    """Yield whether the year is plausible. now: unix time."""
    moment = datetime.fromtimestamp(now, UTC)
    if FIRST_YEAR <= moment.year < LAST_YEAR:
        yield ok("clock", f"{moment:%Y-%m-%d %H:%M} UTC")
    else:
        yield error("clock", f"this machine's year is {moment.year}, and quotes are dated with it", SET_IT)


def compare_with_postgres(apart_s: float) -> Finding:
    """Return whether the two clocks agree. apart_s: how far this machine is ahead of Postgres, negative when behind."""
    if abs(apart_s) <= MOST_APART_S:
        return ok("clock", f"within {MOST_APART_S} s of Postgres's")
    side = "ahead of" if apart_s > 0 else "behind"
    return warning("clock", f"this machine is {abs(apart_s):,.0f} s {side} Postgres", SET_IT)
