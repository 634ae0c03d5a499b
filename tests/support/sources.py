"""The project's Python files for tests of its structure, each parsed once in a process."""

import ast
from functools import cache
from pathlib import Path


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def nodes_of(file: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file, those inside of functions as well."""
    return tuple(ast.walk(tree_of(file)))
