"""What delivery takes from the machine: threads and locks, clocks, chance, processes and the disk. Plain Python.

The modules of delivery import these from here alone, so that `make simulate` can run all of them on a machine of its
own, with seeded threads, virtual time and a disk that breaks (tests/simulation). For the site they are Python's own.
"""

import fcntl as fcntl
import os as os
import random as random
import secrets as secrets
import threading as threading
import time as time
from builtins import open as open
from pathlib import Path as Path
from queue import SimpleQueue as SimpleQueue
