"""Runs histories on every processor, each in a process that has loaded delivery once."""

import gc
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple

from tests.simulation.history import Broken, History
from tests.simulation.mutants import named
from tests.simulation.world import World

CHUNK = 5

_world: World | None = None


class Result(NamedTuple):
    """Of one history. failure: what was broken, or "". lives: how many processes ran."""

    seed: int
    answered: int
    lives: int
    longest_s: float
    failure: str


def load(mutant: str = "") -> None:
    """Load delivery into this process, perhaps with a deliberate fault."""
    global _world
    logging.getLogger("leads").propagate = False
    logging.disable(logging.CRITICAL)
    _world = World(named(mutant).apply) if mutant else World()
    # Garbage of one history, found in the next, would close files there.
    gc.collect()
    gc.freeze()
    gc.disable()


def run(seed: int, trace: list[str] | None = None) -> Result:
    """Run the history of a seed. trace: gets a line for each event."""
    assert _world is not None
    _world.tracing = trace
    logging.disable(logging.CRITICAL if trace is None else logging.NOTSET)
    history, failure = History(_world, seed), ""
    try:
        history.run()
    except Broken as broken:
        failure = str(broken)
    gc.collect()
    return Result(seed, history.customers.answered, history.lives, history.longest_s, failure)


def _run_chunk(first: int) -> list[Result]:
    return [run(seed) for seed in range(first, first + CHUNK)]


def run_many(first: int, *, leads: int, seconds: float, mutant: str = "", processes: int = 0) -> Iterator[Result]:
    """Yield the results of seeds from the first one on, until so many people were answered, or the time is over.

    seconds: by the clock; with one process, of its processor time. processes: 0: as many as there are processors.
    """
    if processes == 1:
        load(mutant)
        yield from _until(map(_run_chunk, count(first, CHUNK)), leads, seconds, time.process_time)
        return
    context = multiprocessing.get_context("fork")
    with context.Pool(processes or len(os.sched_getaffinity(0)), load, [mutant]) as pool:
        yield from _until(pool.imap_unordered(_run_chunk, count(first, CHUNK)), leads, seconds, time.monotonic)


def _until(batches: Iterator[list[Result]], leads: int, seconds: float, clock: Callable[[], float]) -> Iterator[Result]:
    end, answered = clock() + seconds, 0
    for results in batches:
        for result in results:
            answered += result.answered
            yield result
        if answered >= leads or clock() > end:
            return
