"""A deterministic simulation of delivery: the real code on a machine that is simulated, and that fails.

    make simulate                 a million answered people under faults, on every processor
    make simulate SEED=7          one history again, with everything that happened in var/simulation/7.txt
    make mutants                  every deliberate fault of mutants.toml, which the histories have to find

Read in this order:

    history.py     one history: processes serve customers, while things go wrong
    customers.py   what customers send
    faults.py      what goes wrong, and when
    ending.py      all is well again: what has to be true of every lead, every wait and every thread
    world.py       machines, their processes, and what delivery gets in place of leads/delivery/system.py
    threads.py     seeded threads, locks and virtual time
    disk.py        a disk that breaks, and what a power cut leaves of it
    files.py       os, open and Path on such disks
    postgres.py    a Postgres that breaks; table.py: what its two statements do
    loading.py     loads the real code, with a point for other threads at each attribute
    running.py     many histories on all processors; __main__.py: the command line
    mutants.py     puts deliberate faults into the code, to see that a history finds them

A history is repeated by its seed: all chance comes from it, greenlets run one at a time, and no real clock is read. It
is repeated as long as the code and Python are the same.
"""
