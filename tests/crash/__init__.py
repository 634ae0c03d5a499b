"""Every crash state: what a disk may hold after a power cut at any moment, adopted and delivered by the real code.

    make crash-states                             all states of all scenes
    make crash-states ARGS="--scene refused"      of one

Read in this order:

    scenes.py      what processes do: they take leads, are killed, adopt, retry
    program.py     does it, with the real code on a real disk and a real Postgres, under strace
    trace.py       reads strace's output: calls and marks, in their order
    disk.py        which pieces of these calls a power cut may leave, and which it may not take
    states.py      which of the many states are tried: losses, torn writes, any order
    adoption.py    builds a state, has the real code adopt and deliver it, and checks every lead
    recording.py   runs the scenes; __main__.py: the command line
    block_disk.py  a disk with a cache of its own, below a real ext4; real_disk.py: the scenes on it

The simulation (tests/simulation) draws crashes at random, in histories that nobody has written down. Here the calls are
those of Linux, and every moment of a few scenes is looked at.
"""
