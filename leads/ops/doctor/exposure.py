"""Whether anybody gets in through Supabase's data API, and whether our own role has the rights it needs."""

from collections.abc import Iterator, Sequence

from leads.ops import supabase
from leads.ops.doctor.finding import Finding, error, ok
from leads.ops.supabase import Exposure

# One screen: of a long list, so many are shown.
MOST_SHOWN = 4


def examine() -> Iterator[Finding]:
    ways_in = sorted(supabase.exposures(), key=lambda each: " may " not in each.problem)
    yield from _listed("exposure", list(_together(ways_in)), more="Mend these, then run this again.")
    if not ways_in:
        yield ok("exposure", "Supabase's data API lets nobody in")
    # Each ends in the statement that gives the right; of a hundred, those on leads tell the most.
    missing = sorted(supabase.missing_rights(), key=lambda text: f".{supabase.LEADS}" not in text)
    parts = [text.rpartition(": ") for text in missing]
    wanted = [(found, cure) for found, _, cure in parts]
    yield from _listed("rights", wanted, more="Connect as the tables' owner, which lacks none.")


def _together(ways_in: Sequence[Exposure]) -> Iterator[tuple[str, str]]:
    """Yield what is open and its cure, once for all that are open in the same way."""
    alike: dict[tuple[str, str], list[Exposure]] = {}
    for each in ways_in:
        alike.setdefault((each.problem, each.cure), []).append(each)
    for (problem, cure), (first, *others) in alike.items():
        and_more = f" and {len(others)} more" if others else ""
        yield f"{first.kind} {first.relation}{and_more}: {problem}", cure


def _listed(subject: str, faults: Sequence[tuple[str, str]], *, more: str) -> Iterator[Finding]:
    for found, cure in faults[:MOST_SHOWN]:
        yield error(subject, found, cure)
    if rest := faults[MOST_SHOWN:]:
        yield error(subject, f"and {len(rest)} more", more)
