"""Checks what Supabase's data API exposes, and whether Django's database role has the rights it needs."""

from collections.abc import Iterator, Sequence

from leads.ops import supabase
from leads.ops.doctor.finding import Finding, error, ok
from leads.ops.supabase import Exposure

# The most findings of a long list that are shown, to fit on one screen.
MOST_SHOWN = 4


def examine() -> Iterator[Finding]:
    exposures = sorted(supabase.exposures(), key=lambda each: " may " not in each.problem)
    yield from _listed("exposure", list(_grouped(exposures)), more="Close these, then run this again.")
    if not exposures:
        yield ok("exposure", "Supabase's data API exposes nothing")
    # Each text ends in the statement that grants the right. Rights on leads come first, because they matter most.
    missing = sorted(supabase.missing_rights(), key=lambda text: f".{supabase.LEADS}" not in text)
    parts = [text.rpartition(": ") for text in missing]
    wanted = [(found, cure) for found, _, cure in parts]
    yield from _listed("rights", wanted, more="Connect as the tables' owner, which has all of them.")


def _grouped(exposures: Sequence[Exposure]) -> Iterator[tuple[str, str]]:
    """Yield what is open and its cure, once for all relations with the same problem and cure."""
    groups: dict[tuple[str, str], list[Exposure]] = {}
    for each in exposures:
        groups.setdefault((each.problem, each.cure), []).append(each)
    for (problem, cure), (first, *others) in groups.items():
        and_more = f" and {len(others)} more" if others else ""
        yield f"{first.kind} {first.relation}{and_more}: {problem}", cure


def _listed(subject: str, faults: Sequence[tuple[str, str]], *, more: str) -> Iterator[Finding]:
    for found, cure in faults[:MOST_SHOWN]:
        yield error(subject, found, cure)
    if rest := faults[MOST_SHOWN:]:
        yield error(subject, f"and {len(rest)} more", more)
