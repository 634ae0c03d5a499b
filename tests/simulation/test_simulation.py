"""Short runs of the simulation, in a process of their own: it loads delivery onto a machine that is not this one."""

import ast
import os
import re
import subprocess
import sys

from tests.simulation.mutants import MUTANTS, ROOT
from tests.support.sources import nodes_of

DELIVERY = ROOT / "leads" / "delivery"
OF_THE_MACHINE = {"fcntl", "os", "pathlib", "queue", "random", "secrets", "threading", "time"}


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True)


def test_nothing_is_lost_in_any_history():
    run = simulate("--leads", "40000")
    assert run.returncode == 0, run.stdout + run.stderr
    assert int(re.match("[0-9,]+", run.stdout)[0].replace(",", "")) >= 40_000


def test_a_seed_repeats_its_history():
    traces = [ROOT / "var" / "simulation" / "12.txt"] * 2
    texts = []
    for trace in traces:
        assert simulate("--seed", "12").returncode == 0
        texts.append(trace.read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert "kill -9" in texts[0]


def test_a_deliberate_fault_is_found():
    run = simulate("--mutant", "no sync of records", "--seconds", "60")
    assert run.returncode == 1
    assert re.search("lost", run.stdout), run.stdout + run.stderr


def test_every_deliberate_fault_fits_the_code():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 30
    for mutant in MUTANTS:
        assert mutant.apply(mutant.file, (ROOT / mutant.file).read_text(encoding="utf-8"))


def test_delivery_takes_the_machine_from_one_module():
    """What it took elsewhere, no history could break."""
    wrong = {
        f"{file.relative_to(DELIVERY)}: {name}"
        for file in DELIVERY.rglob("*.py")
        if file != DELIVERY / "system.py"
        for node in nodes_of(file)
        for name in imported(node) & OF_THE_MACHINE
    }
    assert wrong == set()


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    return {str(node.module).partition(".")[0]} if isinstance(node, ast.ImportFrom) else set()
