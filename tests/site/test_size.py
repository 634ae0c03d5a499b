"""Files and functions stay small enough to be read in one go."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.sources import nodes_of

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("quoter", "leads", "checkout", "settings", "serving", "telemetry", "bench")
CODE = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60


def functions(file: Path) -> Iterator[tuple[str, int]]:
    for node in nodes_of(file):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


def test_no_file_is_too_long():
    lengths = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in CODE}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FILE} == {}


def test_no_function_is_too_long():
    lengths = {f"{file.relative_to(ROOT)}: {name}": length for file in CODE for name, length in functions(file)}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FUNCTION} == {}
