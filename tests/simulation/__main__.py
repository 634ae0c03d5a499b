"""`make simulate`: see --help. Exit code 1 when a promise was broken; each failure names the seed that repeats it."""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.simulation import running

SAY_EVERY_S = 60.0
TRACES = Path(__file__).resolve().parents[2] / "var" / "simulation"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--leads", type=int, default=1_000_000, help="stop when so many people were answered")
    parser.add_argument("--seconds", type=float, default=3600.0, help="stop after so long")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed; others follow it")
    parser.add_argument("--seed", type=int, help="repeat one history, and write down everything that happened in it")
    parser.add_argument("--mutant", default="", help="put a deliberate fault of mutants.py into delivery")
    options = parser.parse_args()
    if options.seed is not None:
        return repeat(options.seed, options.mutant)
    started, answered, lives, longest_s = time.perf_counter(), 0, 0, 0.0
    said_at = started
    processes = 1 if options.mutant else 0
    for result in running.run_many(
        options.first, leads=options.leads, seconds=options.seconds, mutant=options.mutant, processes=processes
    ):
        if result.failure:
            say(f"seed {result.seed}: {result.failure}")
            say(f"To repeat it: make simulate SEED={result.seed}")
            return 1
        answered, lives = answered + result.answered, lives + result.lives
        longest_s = max(longest_s, result.longest_s)
        if (now := time.perf_counter()) - said_at > SAY_EVERY_S:
            said_at = now
            print(f"{answered:,} answered, up to seed {result.seed}", file=sys.stderr, flush=True)  # noqa: T201
    seconds = time.perf_counter() - started
    say(f"{answered:,} answered by {lives:,} processes; the longest wait was {longest_s:.2f} s; nothing was lost.")
    say(f"It took {seconds:.0f} s, {answered / seconds:,.0f} a second.")
    return 0


def repeat(seed: int, mutant: str) -> int:
    running.load(mutant)
    trace: list[str] = []
    result = running.run(seed, trace)
    TRACES.mkdir(parents=True, exist_ok=True)
    file = TRACES / f"{seed}.txt"
    file.write_text("\n".join(trace) + "\n", encoding="utf-8")
    say(f"seed {seed}: {result.failure or 'no promise was broken'}")
    say(f"{result.answered} answered, {result.lives} processes; what happened is in {file}")
    return 1 if result.failure else 0


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is a part of a history
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
                  {**os.environ, "PYTHONHASHSEED": "0"})  # fmt: skip
    raise SystemExit(main())
