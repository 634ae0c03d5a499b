"""Checks what Supabase's data API exposes, and whether Django's database role has the rights it needs."""

from collections.abc import Callable, Iterator, Sequence

from leads.ops import supabase
from leads.ops.doctor.finding import Finding, error, ok, warning
from leads.ops.supabase import Exposure

# The most findings of a long list that are shown, to fit on one screen.
MOST_SHOWN = 4


def examine() -> Iterator[Finding]:
    exposures = sorted(supabase.exposures(), key=lambda each: " may " not in each.problem)
    functions = supabase.exposed_functions()
    yield from _listed("exposure", list(_grouped(exposures)), more="Close these, then run this again.")
    yield from _listed(
        "exposure",
        [(f"{each.kind} {each.relation}: {each.problem}", f"Unless that is meant: {each.cure}") for each in functions],
        more="Close those that are not meant for everybody, then run this again.",
        level=warning,
    )
    if not supabase.has_data_api():
        yield ok("exposure", "this Postgres has no data API: none of Supabase's roles")
    elif not exposures and not functions:
        where = ", ".join(supabase.examined_schemas())
        found = "Supabase's data API opens no table, view or sequence, and no function with its owner's rights"
        yield ok("exposure", f"{found}, in {where}")
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


def _listed(
    subject: str,
    faults: Sequence[tuple[str, str]],
    *,
    more: str,
    level: Callable[[str, str, str], Finding] = error,
) -> Iterator[Finding]:
    for found, cure in faults[:MOST_SHOWN]:
        yield level(subject, found, cure)
    if rest := faults[MOST_SHOWN:]:
        yield level(subject, f"and {len(rest)} more", more)
