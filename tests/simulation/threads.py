"""Threads, locks and clocks in virtual time: greenlets, of which a seeded scheduler runs one at a time.

Time passes only when nobody can run; then the next timer is due. A thread may be replaced by another at each `point`,
which are every use of the machine (a lock, a clock, the disk, the database) and, as loading.py puts them there, every
read of an attribute, inside lines as well. Where that happens is drawn from the seed, so a seed repeats a history.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from greenlet import getcurrent, greenlet

# So many points without a timer are a livelock.
MOST_POINTS = 2_000_000
# A clock goes on by this with each look, so that a loop that looks at it ends.
LOOK_S = 1e-6


class Killed(BaseException):
    """The process of this thread was killed: the thread ends here, and changes nothing more."""


class Stuck(BaseException):
    """No thread can run, and no timer is due; or threads run and no time passes."""


class Task:
    """A thread. process: whose it is, an object with `is_dead`, or None for the world itself."""

    __slots__ = ("process", "name", "greenlet", "locals", "error", "is_done", "wakeup", "joiners")

    def __init__(self, process: Any, name: str) -> None:
        self.process, self.name = process, name
        self.greenlet: greenlet = None  # type: ignore[assignment]
        self.locals: dict[int, dict[str, Any]] = {}
        self.error: BaseException | None = None
        self.is_done = False
        self.wakeup = 0  # the number of the wait, so that a late timer of an earlier wait wakes nobody
        self.joiners: list[Task] = []


class Scheduler:
    """Runs tasks. now: virtual seconds. on_process: called with the process of the task that goes on."""

    def __init__(self, *, on_process: Callable[[Any], None]) -> None:
        self._on_process = on_process
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Forget all tasks, and start time again."""
        self.random = random.Random(seed)
        self.now = 0.0
        self.current: Task | None = None
        self._ready: list[Task] = []
        self._timers: list[tuple[float, int, Task, int]] = []
        self._count = self._points = 0
        self._hub = getcurrent()
        self._process: Any = None
        self._stuck: Stuck | None = None
        # How many points lie between two replacements, on average. Some histories are of fine grain, some of coarse.
        self.grain = self.random.choice([4, 15, 60, 250, 1000])
        self.stall = self.random.choice([0.0, 0.0, 0.0, 0.02])  # how often a replaced thread sleeps as well
        self._gap = self._next_gap()

    # --- From tasks ---------------------------------------------------------------------------------------------------

    def point(self, value: Any = None) -> Any:
        """Perhaps let others go on here; return the value."""
        self._gap -= 1
        if self._gap < 0:
            self._replace()
        return value

    def sleep(self, seconds: float) -> None:
        self.wait(max(seconds, 0.0))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until `wake`; return False when the time was up before."""
        task = self.current
        assert task is not None
        if task.process is not None and task.process.is_dead:
            raise Killed
        task.wakeup += 1
        number = task.wakeup
        if timeout_s is not None:
            self._count += 1
            heapq.heappush(self._timers, (self.now + timeout_s, self._count, task, number))
        self._go_on()
        return task.wakeup != number  # `wake` has counted on, the timer has not

    def wake(self, task: Task) -> None:
        """Have a task that waits go on; it must be waiting. One that was killed stays dead."""
        task.wakeup += 1
        if not task.is_done:
            self._ready.append(task)

    def wait_for_a_call(self, timeout_s: float) -> tuple[Callable[[], None], Callable[[], bool]]:
        """Return a function that ends the wait of this task, and the wait, for a call that others make."""
        task = self.current
        assert task is not None

        def call() -> None:
            if task not in self._ready:
                self.wake(task)

        return call, lambda: self.wait(timeout_s)

    def spawn(self, process: Any, name: str, run: Callable[[], None]) -> Task:
        task = Task(process, name)

        def life() -> None:
            try:
                run()
            except Killed:
                pass
            except BaseException as error:
                task.error = error
                if isinstance(error, Stuck):
                    self._stuck = error
            task.is_done = True
            for joiner in task.joiners:
                self.wake(joiner)

        task.greenlet = greenlet(life, parent=self._hub)
        self._ready.append(task)
        return task

    def kill(self, tasks: list[Task]) -> None:
        """End tasks where they are. Their process is dead already, so nothing of what they still do has an effect."""
        me, process = self.current, self._process
        for task in tasks:
            if task is me or task.is_done:
                continue
            if task in self._ready:
                self._ready.remove(task)
            task.wakeup += 1
            task.joiners.clear()
            task.is_done = True
            if task.greenlet:  # it has begun
                self.current = task
                self._enter(task.process)
                task.greenlet.parent = getcurrent()
                task.greenlet.throw(Killed)
        self.current = me
        self._enter(process)

    # --- From the hub -------------------------------------------------------------------------------------------------

    def run(self, until: Callable[[], bool]) -> None:
        """Run tasks until a condition, which is looked at whenever one ends."""
        self._hub = getcurrent()
        while not until():
            if self._stuck:
                raise self._stuck
            self.current = None
            task = self._next()
            self.current = task
            self._enter(task.process)
            task.greenlet.switch()

    # --- Inside -------------------------------------------------------------------------------------------------------

    def _next_gap(self) -> int:
        return int(self.random.expovariate(1 / self.grain))

    def _replace(self) -> None:
        self._gap = self._next_gap()
        self._points += self._gap + 1
        if self._points > MOST_POINTS:
            raise Stuck("threads run, and no time passes")
        task = self.current
        if task is None:
            return
        if task.process is not None:
            if task.process.is_dead:
                raise Killed
            if self.stall and self.random.random() < self.stall:
                self.wait(self.random.expovariate(100))
                return
        self._due()
        if self._ready:
            self._ready.append(task)
            self._go_on()

    def _go_on(self) -> None:
        """Let another task run, or this one again; return when this one's turn has come."""
        me, task = self.current, self._next()
        if task is not me:
            self.current = task
            self._enter(task.process)
            task.greenlet.switch()

    def _next(self) -> Task:
        self._due()
        while not self._ready:
            if not self._timers:
                raise Stuck("every thread waits, and none for a time")
            self.now = max(self.now, self._timers[0][0])
            self._points = 0
            self._due()
        self._points += 1
        ready = self._ready
        place = int(self.random.random() * len(ready))
        ready[place], ready[-1] = ready[-1], ready[place]
        return ready.pop()

    def _due(self) -> None:
        while self._timers and self._timers[0][0] <= self.now:
            _, _, task, number = heapq.heappop(self._timers)
            if task.wakeup == number and not task.is_done:
                self._ready.append(task)

    def _enter(self, process: Any) -> None:
        if process is not self._process:
            self._process = process
            self._on_process(process)


def threading_on(world: Scheduler) -> SimpleNamespace:
    """Return what `threading` offers to delivery, on a scheduler."""

    class Lock:
        def __init__(self) -> None:
            self._owner: Task | None = None
            self._waiters: deque[Task] = deque()

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            world.point()
            while self._owner is not None:
                if not blocking:
                    return False
                me = world.current
                assert me is not None
                self._waiters.append(me)
                world.wait()
            self._owner = world.current
            return True

        def release(self) -> None:
            self._owner = None
            if self._waiters:
                world.wake(self._waiters.popleft())
            world.point()

        def locked(self) -> bool:
            return self._owner is not None

        def __enter__(self) -> bool:
            return self.acquire()

        def __exit__(self, *error: object) -> None:
            self.release()

    class Condition:
        def __init__(self) -> None:
            self._lock = Lock()
            self._waiters: list[Task] = []

        def __enter__(self) -> bool:
            return self._lock.acquire()

        def __exit__(self, *error: object) -> None:
            self._lock.release()

        def wait(self, timeout: float | None = None) -> bool:
            me = world.current
            assert me is not None
            assert self._lock._owner is me
            self._waiters.append(me)
            self._release()
            try:
                return world.wait(timeout)
            finally:
                if me in self._waiters:
                    self._waiters.remove(me)
                if me.process is None or not me.process.is_dead:
                    self._lock.acquire()

        def _release(self) -> None:
            """Without a point: who waits has to be waiting before anybody can wake it."""
            self._lock._owner = None
            if self._lock._waiters:
                world.wake(self._lock._waiters.popleft())

        def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
            end = None if timeout is None else world.now + timeout
            while not (result := predicate()):
                left = None if end is None else end - world.now
                if left is not None and left <= 0:
                    break
                self.wait(left)
            return result

        def notify(self, n: int = 1) -> None:
            assert self._lock._owner is world.current
            for _ in range(min(n, len(self._waiters))):
                world.wake(self._waiters.pop(0))

        def notify_all(self) -> None:
            self.notify(len(self._waiters))

    class Event:
        def __init__(self) -> None:
            self._is_set = False
            self._waiters: list[Task] = []

        def is_set(self) -> bool:
            world.point()
            return self._is_set

        def set(self) -> None:
            world.point()
            self._is_set = True
            waiters, self._waiters = self._waiters, []
            for task in waiters:
                world.wake(task)
            world.point()

        def clear(self) -> None:
            world.point()
            self._is_set = False

        def wait(self, timeout: float | None = None) -> bool:
            world.point()
            if not self._is_set:
                me = world.current
                assert me is not None
                self._waiters.append(me)
                world.wait(timeout)
                if me in self._waiters:
                    self._waiters.remove(me)
            return self._is_set

    class Thread:
        def __init__(self, *, target: Callable[[], None], name: str, daemon: bool = True) -> None:
            self._target, self.name = target, name
            self.task: Task | None = None

        def start(self) -> None:
            me = world.current
            assert me is not None
            assert self.task is None
            self.task = world.spawn(me.process, self.name, self._target)
            me.process.tasks.append(self.task)
            world.point()

        def is_alive(self) -> bool:
            return self.task is not None and not self.task.is_done

        def join(self, timeout: float | None = None) -> None:
            me = world.current
            assert me is not None
            if self.task is not None and not self.task.is_done:
                self.task.joiners.append(me)
                if not world.wait(timeout) and me in self.task.joiners:
                    self.task.joiners.remove(me)

    class local:
        def __getattribute__(self, name: str) -> Any:
            mine = world.current.locals.get(id(self)) if world.current else None
            return mine[name] if mine and name in mine else object.__getattribute__(self, name)

        def __setattr__(self, name: str, value: Any) -> None:
            assert world.current is not None
            world.current.locals.setdefault(id(self), {})[name] = value

    def get_ident() -> int:
        return id(world.current)

    return SimpleNamespace(Lock=Lock, Condition=Condition, Event=Event, Thread=Thread, local=local, get_ident=get_ident)


def queue_on(world: Scheduler) -> type:
    """Return SimpleQueue on a scheduler."""

    class SimpleQueue:
        def __init__(self) -> None:
            self._items: deque[Any] = deque()
            self._waiters: deque[Task] = deque()

        def __class_getitem__(cls, item: object) -> type:
            return cls

        def put(self, item: Any) -> None:
            world.point()
            self._items.append(item)
            if self._waiters:
                world.wake(self._waiters.popleft())
            world.point()

        def get(self) -> Any:
            world.point()
            while not self._items:
                me = world.current
                assert me is not None
                self._waiters.append(me)
                world.wait()
            return self._items.popleft()

        def empty(self) -> bool:
            world.point()
            return not self._items

    return SimpleQueue
