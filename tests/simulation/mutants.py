"""Deliberate faults in the delivery code, each of which the simulation finds: `make mutants`.

Whatever survives here would be a promise that nobody checks. A fault is one replacement in one file, in memory only.
When the text to be replaced is not there exactly once, that is an error: the fault has to follow the code.
"""

import os
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_suffix(".toml")
# Of processor time.
SECONDS = 12


class Mutant(NamedTuple):
    """harmless: why the fault may be there, for those that nothing finds; docs/reliability.md says it as well."""

    name: str
    file: str
    original: str
    fault: str
    harmless: str = ""

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
    """Return whether the simulation found a fault, after how many seconds, and what it said first."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "tests.simulation", "--mutant", mutant.name, "--seconds", str(SECONDS)]
    try:
        run = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            timeout=40 * SECONDS,
        )
    except subprocess.TimeoutExpired:
        return mutant, False, time.perf_counter() - started, "it does not end"
    said = next((line for line in run.stdout.splitlines() if line.strip()), run.stderr.strip()[-300:])
    return mutant, run.returncode == 1 and "Traceback" not in run.stderr, time.perf_counter() - started, said


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
