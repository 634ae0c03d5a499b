"""Dependencies run one way: between the apps and inside leads/, for Python, templates, scripts and URL names."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.sources import nodes_of, tree_of

ROOT = Path(__file__).resolve().parents[2]
APPS = ("quoter", "leads", "checkout")

# The apps that each app must not import.
FORBIDDEN = {
    "telemetry": {"quoter", "leads", "checkout", "settings"},
    "quoter": {"leads", "checkout", "settings"},
    "leads": {"checkout", "settings"},
    "checkout": {"settings"},
    "settings": {"quoter", "leads", "checkout"},
}

# The layers of leads/, the lowest first. A folder or file may import those of its own layer and of lower ones.
LAYERS = [
    {"models", "snapshot", "business_hours", "customer", "errors", "paging", "phones"},
    {"delivery"},
    {"privacy"},
    {"inbox"},
    {"alerts", "desk", "staff"},
    {"ops"},
    {"admin", "apps", "management", "migrations", "templatetags"},
]

# Modules without Django in folders where others use it.
PLAIN = [
    "quoter.conversation",
    "quoter.palette",
    "checkout.submission",
    "checkout.whatsapp",
    "leads.business_hours",
    "leads.customer",
    "leads.errors",
    "leads.phones",
]
PLAIN_FOLDERS = ["quoter/engine", "leads/delivery/journal"]
CLOCKS = {"now", "today", "localdate", "localtime", "monotonic", "utcnow"}

# The app of each template that is not in an app's folder.
OWNERS = {
    "base.html": "quoter",
    "500.html": "checkout",
    "429.html": "leads",
    "account": "leads",
    "admin": "leads",
    "mfa": "leads",
}
# The URL names of each app. Those of leads/ are of Django's admin, the login and the second factor.
NAMESPACES = {"quoter": r"quoter:", "leads": r"(?:leads|admin):|account_|mfa_", "checkout": r"checkout:"}


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {
    module_of(file): file for app in (*APPS, "settings", "telemetry") for file in sorted((ROOT / app).rglob("*.py"))
}


def names_in(node: ast.AST) -> set[str]:
    """Return the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        inner = {f"{node.module}.{alias.name}" for alias in node.names}
        return {name if name in MODULES else str(node.module) for name in inner}
    return set()


@cache
def imported(module: str) -> set[str]:
    """Return all that a module imports, inside functions as well."""
    return set().union(*map(names_in, nodes_of(MODULES[module])))


@cache
def strings(module: str) -> list[str]:
    nodes = nodes_of(MODULES[module])
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def above(app: str) -> list[str]:
    return list(APPS[APPS.index(app) + 1 :])


# --- Python -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_a_layer_imports_nothing_from_above(layer):
    modules = [module for module in MODULES if module.partition(".")[0] == layer]
    assert modules
    wrong = {
        module: names
        for module in modules
        if (names := {name.partition(".")[0] for name in imported(module)} & FORBIDDEN[layer])
    }
    assert wrong == {}


def test_every_folder_and_file_of_leads_has_a_layer_and_there_are_at_most_twenty():
    paths = [*(ROOT / "leads").glob("*.py"), *(file.parent for file in (ROOT / "leads").glob("*/__init__.py"))]
    names = {path.stem for path in paths}
    assert names - {"__init__"} == set().union(*LAYERS)
    assert len(names) <= 20


def part(module: str) -> str:
    """Return the part of an app that a module belongs to: leads.delivery.record -> leads.delivery."""
    return ".".join(module.split(".")[:2])


def test_inside_leads_nothing_imports_from_above():
    layer_of = {f"leads.{name}": number for number, names in enumerate(LAYERS) for name in names}
    wrong = [
        f"{module} imports {name}"
        for module in MODULES
        if part(module) in layer_of
        for name in sorted(imported(module))
        if layer_of.get(part(name), 0) > layer_of[part(module)]
    ]
    assert wrong == []


def module_itself(module: str) -> str:
    return module


@pytest.mark.parametrize("grain", [module_itself, part])
def test_imports_at_the_top_of_modules_have_no_cycle(grain):
    """Neither between modules nor between the parts of leads/."""
    graph: dict[str, set[str]] = {}
    for module, file in MODULES.items():
        if grain is part and not module.startswith("leads."):
            continue
        imports = set().union(*map(names_in, tree_of(file).body)) & MODULES.keys()
        graph.setdefault(grain(module), set()).update(set(map(grain, imports)) - {grain(module)})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cycle:
        pytest.fail(" -> ".join(cycle.args[1]))


def test_plain_modules_work_without_django():
    in_folders = [module_of(file) for folder in PLAIN_FOLDERS for file in sorted((ROOT / folder).glob("*.py"))]
    assert "quoter.engine.pricing" in in_folders
    program = "import importlib, sys\nfor name in sys.argv[1:]:\n importlib.import_module(name)\n"
    program += " assert 'django' not in sys.modules, name"
    command = [sys.executable, "-c", program, *in_folders, *PLAIN]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", sorted((ROOT / "quoter" / "engine").glob("*.py")), ids=lambda file: file.stem)
def test_the_engine_has_no_clock(file):
    clocks = {node.attr for node in nodes_of(file) if isinstance(node, ast.Attribute)} & CLOCKS
    assert clocks == set()
    assert "time" not in imported(module_of(file))


# --- URL names, templates, tag libraries ------------------------------------------------------------------------------


def templates() -> Iterator[tuple[str, str, str]]:
    """Yield each template's app, path and text."""
    for file in sorted(path for path in (ROOT / "templates").rglob("*") if path.is_file()):
        path = file.relative_to(ROOT / "templates")
        yield OWNERS.get(path.parts[0], path.parts[0]), str(path), file.read_text(encoding="utf-8")


def libraries() -> dict[str, str]:
    """Return the app of each tag library."""
    files = [(app, file) for app in APPS for file in (ROOT / app / "templatetags").glob("*.py")]
    return {file.stem: app for app, file in files if file.stem != "__init__"}


def test_every_template_belongs_to_an_app():
    assert {app for app, _path, _text in templates()} == set(APPS)


@pytest.mark.parametrize("app", APPS)
def test_a_template_uses_nothing_from_above(app):
    higher = above(app)
    files = [rf"{each}/" for each in higher] + [rf"{name}\b" for name, owner in OWNERS.items() if owner in higher]
    used = re.compile(rf"{{% (?:extends|include|static) ['\"](?:{'|'.join(files) or '(?!)'})")
    library_of = libraries()
    wrong = []
    for owner, path, text in templates():
        if owner != app:
            continue
        wrong += [f"{path}: {found}" for found in used.findall(text)]
        loaded = {name for names in re.findall(r"{% load ([^%]+) %}", text) for name in names.split()}
        wrong += [f"{path} loads {name}" for name in sorted(loaded) if library_of.get(name, app) in higher]
    assert wrong == []


@pytest.mark.parametrize("app", APPS)
def test_no_url_name_is_from_above(app):
    names = "|".join(NAMESPACES[each] for each in above(app)) or "(?!)"
    in_python = {
        f"{module}: {text}"
        for module in MODULES
        if module.partition(".")[0] == app
        for text in strings(module)
        if re.match(rf"(?:{names})\w*$", text)
    }
    in_templates = {
        f"{path}: {found}"
        for owner, path, text in templates()
        if owner == app
        for found in re.findall(rf"{{% \w+ ['\"]((?:{names})\w*)", text)
    }
    assert in_python | in_templates == set()


@pytest.mark.parametrize("app", APPS)
def test_python_renders_no_template_from_above(app):
    files = [rf"{each}/" for each in above(app)]
    wrong = {
        f"{module}: {text}"
        for module in MODULES
        if module.partition(".")[0] == app
        for text in strings(module)
        if re.match(rf"(?:{'|'.join(files) or '(?!)'})[\w/]+\.(?:html|js|css)$", text)
    }
    assert wrong == set()


# --- Scripts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("app", APPS)
def test_a_script_imports_nothing_from_above(app):
    static = ROOT / "static"
    higher = above(app)
    found = {
        f"{file.name}: {target.relative_to(static)}"
        for file in sorted((static / app).rglob("*.js"))
        for name in re.findall(r"(?:from|import)[ (]\"(\.[^\"]+)\"", file.read_text(encoding="utf-8"))
        if (target := (file.parent / name).resolve()).relative_to(static).parts[0] in higher
    }
    assert found == set()
