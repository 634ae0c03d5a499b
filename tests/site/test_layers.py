"""Imports run one way, and what is plain Python stays plain."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# What each layer must not know of.
FORBIDDEN = {
    "quoter": {"leads", "checkout", "settings"},
    "leads": {"checkout", "settings"},
    "checkout": {"settings"},
    "settings": {"quoter", "leads", "checkout"},
}
PLAIN = [
    "text",
    "numbers",
    "measure",
    "pricebook",
    "quote",
    "explain",
    "pricing",
    "folio",
    "lint",
    "palette",
    "conversation",
]


def imported(file: Path) -> set[str]:
    """Return the top packages that a file imports, wherever in the file it does."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(("layer", "forbidden"), FORBIDDEN.items())
def test_a_layer_imports_nothing_from_above(layer, forbidden):
    files = list((ROOT / layer).rglob("*.py"))
    assert files
    above = {str(file.relative_to(ROOT)): imported(file) & forbidden for file in files}
    assert {file: names for file, names in above.items() if names} == {}


def test_the_engine_works_without_django():
    names = ", ".join(f"quoter.{name}" for name in PLAIN)
    program = f"import sys, {names}; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
