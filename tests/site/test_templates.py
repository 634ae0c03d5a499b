"""Templates are laid out so that a change shows in a diff: one idea a line."""

from tests.support.live import ROOT

LONGEST_LINE = 160
TEMPLATES = ROOT / "templates"


def test_no_line_of_a_template_is_longer_than_160_characters():
    files = [path for path in TEMPLATES.rglob("*") if path.is_file()]
    assert files
    too_long = [
        f"{path.relative_to(TEMPLATES)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > LONGEST_LINE
    ]
    assert too_long == []
