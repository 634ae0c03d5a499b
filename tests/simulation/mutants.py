"""Deliberate faults in the delivery code, each of which the simulation finds: `make mutants`.

Whatever survives here would be a promise that nobody checks. A fault is one replacement in one file, in memory only.
When the text to be replaced is not there exactly once, that is an error: the fault has to follow the code.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_suffix(".toml")
# What a test of delivery needs.
CODE = ("leads", "quoter", "checkout", "serving", "settings", "telemetry", "templates", "static", "locale", "tests",
        "manage.py", "pyproject.toml")  # fmt: skip
# Of processor time. Most are found in a tenth of this.
SECONDS = 40


class Mutant(NamedTuple):
    """test: the existing test that finds it, in place of a history.

    harmless: why it may be there, for what nothing finds; docs/reliability.md says it as well. seed: the first one,
    where others find it late.
    """

    name: str
    file: str
    original: str
    fault: str
    test: str = ""
    harmless: str = ""
    seed: int = 1

    def apply(self, file: str, source: str) -> str:
        """Return the source of a file with the fault in it, if it is this fault's file."""
        if file != self.file:
            return source
        assert source.count(self.original) == 1, f"{self.name}: {file} does not have this once: {self.original!r}"
        return source.replace(self.original, self.fault)


MUTANTS = [Mutant(**each) for each in tomllib.loads(LIST.read_text(encoding="utf-8"))["mutant"]]


def named(name: str) -> Mutant:
    return next(mutant for mutant in MUTANTS if mutant.name == name)


def _result(mutant: Mutant) -> tuple[Mutant, bool, float, str]:
    """Return whether a fault was found, after how many seconds, and what was said."""
    started = time.perf_counter()
    try:
        is_found, said = _test(mutant) if mutant.test else _simulate(mutant)
    except subprocess.TimeoutExpired:
        is_found, said = False, "it does not end"
    return mutant, is_found, time.perf_counter() - started, said


def _simulate(mutant: Mutant) -> tuple[bool, str]:
    command = [sys.executable, "-m", "tests.simulation", "--mutant", mutant.name, "--seconds", str(SECONDS),
               "--from", str(mutant.seed)]  # fmt: skip
    run = _run(command, ROOT)
    said = next((line for line in run.stdout.splitlines() if line.strip()), run.stderr.strip()[-300:])
    return run.returncode == 1 and "Traceback" not in run.stderr, said


def _test(mutant: Mutant) -> tuple[bool, str]:
    """Run a test on a copy of the code that has the fault."""
    with tempfile.TemporaryDirectory() as folder:
        for name in CODE:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, Path(folder, name))
        file = Path(folder, mutant.file)
        file.write_text(mutant.apply(mutant.file, file.read_text(encoding="utf-8")), encoding="utf-8")
        run = _run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *mutant.test.split()], Path(folder))
    return run.returncode == 1, mutant.test


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, timeout=15 * SECONDS, check=False
    )


def main(names: list[str]) -> int:
    """Run all faults, or the named ones; print each with its result. Return 1 if one survived."""
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    survived = 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for future in as_completed([pool.submit(_result, mutant) for mutant in chosen]):
            mutant, is_found, seconds, said = future.result()
            verdict = "found" if is_found else ("harmless" if mutant.harmless else "SURVIVED")
            survived += verdict == "SURVIVED"
            print(f"{verdict:9} {seconds:5.1f} s  {mutant.name}: {said[:110]}", flush=True)  # noqa: T201
    print(f"{len(chosen)} faults, {survived} survived")  # noqa: T201
    return int(survived > 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
