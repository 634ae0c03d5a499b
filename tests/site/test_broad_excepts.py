"""Code that catches every exception gives its reason, on that line or the one above: `# broad: <the reason>`."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.support.sources import nodes_of

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("quoter", "leads", "checkout", "settings", "serving", "telemetry", "bench")
BROAD = {"Exception", "BaseException"}
REASON = re.compile(r"#.*\bbroad: \w+ \w+")


def broad_lines(nodes: Iterable[ast.AST]) -> Iterator[int]:
    """Yield the lines that catch every exception: an except without a class or with a broad one, and suppress()."""
    for node in nodes:
        if isinstance(node, ast.ExceptHandler) and (node.type is None or _names(node.type) & BROAD):
            yield node.lineno
        if isinstance(node, ast.Call) and "suppress" in _names(node.func) and _names(node) & BROAD:
            yield node.lineno


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def without_reason(text: str, nodes: Iterable[ast.AST] = ()) -> list[int]:
    lines = ["", *text.splitlines()]
    return [
        line
        for line in broad_lines(nodes or ast.walk(ast.parse(text)))
        if not REASON.search(lines[line])
        and not (lines[line - 1].lstrip().startswith("#") and REASON.search(lines[line - 1]))
    ]


def test_every_broad_except_gives_its_reason():
    files = [*ROOT.glob("*.py"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))]
    assert len(files) > 100
    found = {file: without_reason(file.read_text(encoding="utf-8"), nodes_of(file)) for file in files}
    assert {file: lines for file, lines in found.items() if lines} == {}


@pytest.mark.parametrize("broad", ["except:", "except Exception:", "except (OSError, BaseException) as error:"])
def test_a_broad_except_without_a_reason_is_found(broad):
    assert without_reason(f"try:\n    pass\n{broad}\n    pass\n") == [3]
    assert without_reason(f"try:\n    pass\n{broad}  # broad: no\n    pass\n") == [3]
    assert without_reason(f"try:\n    pass\n{broad}  # broad: a thread must not die\n    pass\n") == []
    assert without_reason(f"try:\n    pass\n# broad: a thread must not die\n{broad}\n    pass\n") == []


def test_a_narrow_except_needs_no_reason():
    assert without_reason("try:\n    pass\nexcept (OSError, ValueError):\n    pass\n") == []


def test_suppressing_everything_needs_a_reason():
    assert without_reason("with suppress(OSError, Exception):\n    pass\n") == [1]
