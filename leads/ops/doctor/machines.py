"""Checks what the web machines say of themselves: who is not heard of, and on whose disk something needs a person."""

import shlex
import time
from collections.abc import Iterator

from django.db import ProgrammingError
from django.utils import timezone

from leads.delivery import machines
from leads.delivery.journal.outbox import WORRYING_S
from leads.ops.doctor.finding import Finding, error, ok, warning


def examine() -> Iterator[Finding]:
    """Yield a line on all machines, and one for each other that needs a person. `outbox` is about this machine."""
    try:
        states = machines.states()
    except ProgrammingError:
        return  # the table is missing, and the check of migrations reports that
    known = ", ".join(f"{state.name} ({'this one' if state.is_this else state.version})" for state in states)
    yield ok("machines", known)
    for state in states:
        if state.is_silent:
            yield _silent(state)
        elif not state.is_this and (what := _what(state)):
            cure = f"Run `python manage.py doctor` on {state.name}: it says what to do there."
            yield error("machines", f"{state.name}: {what}", cure)


def _silent(state: machines.State) -> Finding:
    assert state.seen_at, "a machine without a row is this one, which nobody can take for silent"
    counts = state.counts
    found = (
        f"{state.name} was last heard of at {timezone.localtime(state.seen_at):%Y-%m-%d %H:%M}; there waited then: "
        f"{counts.pending} leads, {counts.quarantined} refused, {counts.damaged} damaged segments"
    )
    cure = (
        f"Start it again; or carry its outbox over (docs/operations.md, Remove a machine), then run `python manage.py "
        f"machines forget {shlex.quote(state.name)}`."
    )
    return warning("machines", found, cure)


def _what(state: machines.State) -> str:
    """Return what needs a person on another machine's disk, or ""."""
    counts = state.counts
    parts = {
        "leads that wait for Postgres": counts.pending if counts.age_s(time.time()) > WORRYING_S else 0,
        "refused leads": counts.quarantined,
        "damaged segments": counts.damaged,
        "files that cannot be read": state.inaccessible,
    }
    return ", ".join(f"{what}: {count}" for what, count in parts.items() if count)
