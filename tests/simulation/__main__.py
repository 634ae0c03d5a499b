"""python -m tests.simulation"""

import argparse
import time

from tests.simulation.history import Broken, History
from tests.simulation.world import World


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--trace", action="store_true")
    options = parser.parse_args()
    import logging

    logging.disable(logging.CRITICAL)
    world = World()
    started, answered = time.perf_counter(), 0
    for seed in range(options.seed, options.seed + options.count):
        world.tracing = [] if options.trace else None
        history = History(world, seed, options.size)
        try:
            history.run()
        except Broken as broken:
            print("seed", seed, broken)
        for line in world.tracing or ():
            print(line)
        answered += history.customers.answered
        if options.count <= 20:
            print(
                "seed",
                seed,
                history.customers.answered,
                f"{world.scheduler.now:.1f}",
                history.lives,
                f"{history.longest_s:.3f}",
            )
    took = time.perf_counter() - started
    print(answered, f"{took:.1f} s", f"{answered / took:.0f}/s")
    return 0


raise SystemExit(main())
