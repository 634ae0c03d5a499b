"""Another process that wants one of the processors all the time, as neighbours on a small host do."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_core_burnt() -> Iterator[None]:
    """Burn one processor while the block runs."""
    burner = multiprocessing.get_context("fork").Process(target=_burn, args=[os.getpid()])
    burner.start()
    try:
        yield
    finally:
        burner.kill()
        burner.join()


def _burn(parent: int) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    while os.getppid() == parent:  # it does not outlive a benchmark that is killed
        sum(range(1_000_000))
