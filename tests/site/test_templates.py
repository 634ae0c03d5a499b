"""Templates are laid out so that a change shows in a diff: one idea a line."""

from pathlib import Path

from tests.support.live import ROOT

LONGEST_LINE = 160
TEMPLATES = ROOT / "templates"

# These are not laid out yet.
EXCEPTIONS = (
    "account/",
    "admin/",
    "base.html",
    "checkout/",
    "leads/inbox/",
    "leads/staff/",
    "mfa/",
)


def templates() -> list[Path]:
    files = [path for path in TEMPLATES.rglob("*") if path.is_file()]
    return [path for path in files if not str(path.relative_to(TEMPLATES)).startswith(EXCEPTIONS)]


def test_no_line_of_a_template_is_longer_than_160_characters():
    assert templates()
    too_long = [
        f"{path.relative_to(TEMPLATES)}:{number}"
        for path in templates()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > LONGEST_LINE
    ]
    assert too_long == []
