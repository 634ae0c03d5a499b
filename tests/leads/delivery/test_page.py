"""The docstring of leads/delivery/__init__.py is complete, and its numbers are those of the code."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import leads.delivery
from leads.delivery.journal.writer import DISK_WAIT_S

DOCSTRING = leads.delivery.__doc__ or ""
ROOT = Path(__file__).resolve().parents[3]
PROMISED_MS, CHAT_OPENS_MS = 1000, 3000

SHARED = [
    "entry.Entry",
    "relay.Relay",
    "group_commit.GroupCommit",
    "postgres_writer.PostgresWriter",
    "journal.writer.JournalWriter",
    "journal.outbox.Outbox",
    "journal.segment.Segment",
]


def assigned_later(tree: ast.AST) -> Iterator[str]:
    """Yield the attributes that are assigned outside of a constructor."""
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name != "__init__")
    for node in (node for function in functions for node in ast.walk(function)):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            yield node.attr


@pytest.mark.parametrize("name", SHARED)
def test_every_field_that_changes_has_its_owner_in_the_docstring(name):
    module, _, of_class = name.rpartition(".")
    source = inspect.getsource(getattr(importlib.import_module(f"leads.delivery.{module}"), of_class))
    table = DOCSTRING.partition("WHO OWNS WHICH STATE")[2].partition("\nSTATES\n")[0]
    assert of_class in table
    assert {field for field in assigned_later(ast.parse(source)) if not re.search(rf"\b{field}\b", table)} == set()


def test_the_waits_of_a_checkout_add_up_to_less_than_the_promise():
    lead_wait_ms = number_in(ROOT / "settings" / "__init__.py", r'"LEAD_WAIT_MS", (\d+)')
    assert lead_wait_ms + 1000 * DISK_WAIT_S < PROMISED_MS
    assert f"{lead_wait_ms / 1000:g} s for Postgres (LEAD_WAIT_MS)" in DOCSTRING
    assert f"{DISK_WAIT_S:g} s for the disk (DISK_WAIT_S)" in DOCSTRING


def test_the_checkout_page_opens_the_chat_within_three_seconds():
    server_ms = number_in(ROOT / "static" / "checkout" / "checkout.js", r"SERVER_MS = (\d+)")
    disk_ms = number_in(ROOT / "static" / "checkout" / "kept.js", r"DISK_MS = (\d+)")
    assert 2 * PROMISED_MS < server_ms < server_ms + disk_ms < CHAT_OPENS_MS
    assert f"{server_ms / 1000:g} s for the answer" in DOCSTRING
    assert f"{disk_ms / 1000:g} s to keep the lead" in DOCSTRING


def number_in(file: Path, pattern: str) -> int:
    found = re.search(pattern, file.read_text(encoding="utf-8"))
    assert found, f"{file} has no {pattern}"
    return int(found[1])
