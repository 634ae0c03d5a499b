"""Checks the static files and the translations."""

from collections.abc import Iterator

from leads.ops.doctor.finding import Finding, error, ok, warning
from quoter.checks import catalogues_are_compiled, static_files_can_be_served


def examine() -> Iterator[Finding]:
    broken = static_files_can_be_served(None)
    for message in broken:
        yield error("static files", message.msg, message.hint)
    if not broken:
        yield ok("static files", "complete")
    stale = catalogues_are_compiled(None)
    for message in stale:
        yield warning("translations", message.msg, message.hint)
    if not stale:
        yield ok("translations", "compiled")
