"""Loads the real delivery code onto the simulated machine: once in an interpreter, before anybody else imports it.

The modules take the machine from leads/delivery/system.py, which is given the simulated one. As each is loaded, a
deliberate fault of mutants.py may be put in, and every read of an attribute becomes a point at which another thread
may go on: `entry.is_stored` becomes `point(entry).is_stored`.
"""

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import django.db
import psycopg
from django.conf import settings

from tests.simulation.postgres import Mistake

ROOT = Path(__file__).resolve().parents[2]
SIMULATED = ("leads.delivery.", "quoter.shop.durable")
POINT = "_point_"
# Below delivery, so it takes Python's own; here it is given the same as delivery.
OF_THE_MACHINE = {"os", "time", "threading"}


class Points(ast.NodeTransformer):
    """Puts a point before each use of an attribute, in functions."""

    def __init__(self, tree: ast.Module) -> None:
        self._imported = {
            (alias.asname or alias.name).partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self._depth += 1
        node.body = [self.visit(statement) for statement in node.body]
        self._depth -= 1
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        if node.value:
            node.value = self.visit(node.value)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        self.generic_visit(node)
        is_module = isinstance(node.value, ast.Name) and node.value.id in self._imported
        if self._depth and not is_module and not isinstance(node.ctx, ast.Del):
            call = ast.Call(ast.Name(POINT, ast.Load()), [node.value], [])
            node.value = ast.copy_location(call, node.value)
            ast.fix_missing_locations(node)
        return node


class Loader(importlib.abc.Loader):
    def __init__(self, path: Path, point: Callable[[Any], Any], mutate: Callable[[str, str], str]) -> None:
        self._path, self._point, self._mutate = path, point, mutate

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = str(self._path.relative_to(ROOT))
        source = self._mutate(name, self._path.read_text(encoding="utf-8"))
        if name == "quoter/shop/durable.py":
            source = source.replace("import os\n", "from leads.delivery.system import os\n")
        tree = ast.parse(source)
        if name != "leads/delivery/system.py":
            tree = Points(tree).visit(tree)
        module.__dict__[POINT] = self._point
        exec(compile(tree, str(self._path), "exec"), module.__dict__)


class Finder(importlib.abc.MetaPathFinder):
    def __init__(self, point: Callable[[Any], Any], mutate: Callable[[str, str], str]) -> None:
        self._point, self._mutate = point, mutate

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith(SIMULATED):
            return None
        base = ROOT.joinpath(*name.split("."))
        file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        loader = Loader(file, self._point, self._mutate)
        return importlib.util.spec_from_file_location(
            name, file, loader=loader, submodule_search_locations=[str(base)] if base.is_dir() else None
        )


def load(
    machine: dict[str, Any],
    *,
    point: Callable[[Any], Any],
    wrapper: Callable[[], Any],
    raw_cursor: Callable[[Any], Any],
    mutate: Callable[[str, str], str] = lambda name, source: source,
) -> SimpleNamespace:
    """Return delivery's modules, by name: record, relay, turns, upsert, notices, ...

    machine: what leads.delivery.system gets; wrapper: returns the database connection of the thread that runs.
    """
    assert "leads.delivery.system" not in sys.modules, "delivery is loaded already"
    settings.configure(
        SECRET_KEY="simulated", SECRET_KEY_FALLBACKS=[], LEAD_WAIT_MS=400, SUPABASE_REST_COPY=False, USE_TZ=True,
        OUTBOX_DIRECTORIES=[], OUTBOX_KEEP_DAYS=7,
    )  # fmt: skip

    class Connections:
        def __getitem__(self, alias: str) -> Any:
            return wrapper()

    django.db.connections = Connections()  # type: ignore[assignment]
    sys.meta_path.insert(0, Finder(point, mutate))
    system = importlib.import_module("leads.delivery.system")
    for name, value in machine.items():
        assert hasattr(system, name), name
        setattr(system, name, value)
    names = ("record", "relay", "group_commit", "turns", "upsert", "notices", "trouble", "flush")
    modules = {name: importlib.import_module(f"leads.delivery.{name}") for name in names}
    modules |= {
        name: importlib.import_module(f"leads.delivery.journal.{name}")
        for name in ("census", "kept", "outbox", "segment")
    }
    sealing = importlib.import_module("leads.delivery.journal.sealing")
    sealing.use(lambda: [settings.SECRET_KEY])
    sealing.marks()  # keys are derived once, and the first history would differ from the same one later
    settings.OUTBOX_DIRECTORIES = [machine["Path"]("/a/var/outbox"), machine["Path"]("/b/outbox-spare")]
    modules["upsert"].psycopg = SimpleNamespace(RawCursor=raw_cursor, Connection=psycopg.Connection)
    modules["upsert"].transaction = _transaction(wrapper)
    writer = importlib.import_module("leads.delivery.postgres_writer")
    writer.classify = _checked(writer.classify)
    return SimpleNamespace(**modules, settings=settings)


def _checked(classify: Callable[[BaseException], Any]) -> Callable[[BaseException], Any]:
    """Return it for errors of a database alone: any other is a mistake of the model, which would pass for an outage."""

    def checked(error: BaseException) -> Any:
        if not isinstance(error, django.db.Error | psycopg.Error | Surprise):
            raise Mistake("the model of Postgres raised something else") from error
        return classify(error)

    return checked


class Surprise(Exception):
    """An error that nobody has thought of."""


def _transaction(wrapper: Callable[[], Any]) -> SimpleNamespace:
    """Return what `upsert` uses of django.db.transaction: a transaction that is always rolled back."""

    @contextmanager
    def atomic() -> Any:
        connection = wrapper()
        connection.is_rolled_back = True
        try:
            yield
        finally:
            connection.is_rolled_back = False

    return SimpleNamespace(atomic=atomic, set_rollback=lambda value: None)
