"""A finding of the doctor, and how it is printed. Plain Python, because it must work without the settings.

error: the problem harms customers, staff, leads or secrets now. warning: it will or may harm them. ok: nothing to do.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report, without secrets or personal data.

    subject: one or two words; found: the state that was found; cure: what to do about it, "" when there is nothing.
    """

    level: Level
    subject: str
    found: str
    cure: str = ""

    def __str__(self) -> str:
        line = f"{self.level:<9}{self.subject:<13}{self.found}"
        return f"{line}\n{'':<22}-> {self.cure}" if self.cure else line


def ok(subject: str, found: str) -> Finding:
    return Finding(Level.OK, subject, found)


def warning(subject: str, found: str, cure: str) -> Finding:
    return Finding(Level.WARNING, subject, found, cure)


def error(subject: str, found: str, cure: str) -> Finding:
    return Finding(Level.ERROR, subject, found, cure)


def status(findings: Sequence[Finding]) -> Level:
    """Return the worst level among the findings."""
    levels = {finding.level for finding in findings}
    return next((level for level in (Level.ERROR, Level.WARNING) if level in levels), Level.OK)


def summary(findings: Sequence[Finding]) -> str:
    """Return one line, such as "1 error, 2 warnings, 14 ok"."""
    count = Counter(finding.level for finding in findings)
    errors, warnings = count[Level.ERROR], count[Level.WARNING]
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}, {count[Level.OK]} ok"


def as_json(findings: Sequence[Finding]) -> str:
    """Return {"status": ..., "findings": [{"level", "subject", "found", "cure"}, ...]}."""
    return json.dumps({"status": status(findings), "findings": [asdict(each) for each in findings]}, indent=2)
