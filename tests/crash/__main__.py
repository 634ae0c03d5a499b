"""`make crash-states`: see --help. Exit code 1 when a promise was broken."""

import argparse
import multiprocessing
import os
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

# Where the states are built: in memory, because what is in them counts as synced.
MEMORY = Path("/dev/shm")


def main() -> int:
    from tests.crash import recording, scenes
    from tests.support import live

    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--scene", default="", help=f"one of: {', '.join(scene.name for scene in scenes.SCENES)}")
    parser.add_argument("--every", type=int, default=recording.EVERY, help="tear writes after every so many bytes")
    parser.add_argument("--seed", type=int, default=1, help="draws what is left at random")
    parser.add_argument("--mutant", default="", help="put a deliberate fault of tests/simulation/mutants.toml in")
    options = parser.parse_args()
    chosen = [scenes.named(options.scene)] if options.scene else scenes.SCENES
    started = time.perf_counter()
    with live.postgres() as postgres, TemporaryDirectory(prefix="folio-crash-") as folder:
        recorded = recording.record(chosen, postgres, Path(folder), mutant=options.mutant)
    say(f"{len(recorded)} scenes were recorded in {time.perf_counter() - started:.0f} s.")
    with TemporaryDirectory(prefix="folio-crash-", dir=MEMORY if MEMORY.exists() else None) as folder:
        context = multiprocessing.get_context("fork")
        one = partial(recording.try_states, every=options.every, seed=options.seed)
        with context.Pool(len(os.sched_getaffinity(0))) as pool:
            results = pool.starmap(one, [(each, Path(folder)) for each in recorded], chunksize=1)
    for each, tried in zip(recorded, results, strict=True):
        said = f"{tried.states:,} states of {each.answered} acknowledged leads, {each.pieces.syncs} syncs"
        say(f"{each.scene.name}: {said}{''.join(f'{chr(10)}    {failure}' for failure in tried.failures)}")
    failures, states = (
        [failure for tried in results for failure in tried.failures],
        sum(each.states for each in results),
    )
    outcome = "a promise was broken" if failures else "nothing was lost, doubled or made up"
    say(f"{states:,} states in {time.perf_counter() - started:.0f} s: {outcome}.")
    return int(bool(failures))


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
    os.environ.setdefault("DEBUG", "true")
    import django

    django.setup()
    sys.exit(main())
