"""The machines and processes of the simulation, and what `leads.delivery.system` gives to the one that runs."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from tests.simulation import loading
from tests.simulation.disk import Disk
from tests.simulation.files import Files, Open, open_on, os_on, path_on
from tests.simulation.postgres import EPOCH, RawCursor, Server, Wrapper
from tests.simulation.threads import LOOK_S, Killed, Scheduler, Task, queue_on, threading_on

DISKS = ("a", "b")


@dataclass(eq=False)
class Machine:
    """name: for the trace; booted_at: in virtual time; ahead_s: how far its clock is ahead of Postgres's."""

    name: str
    disks: dict[str, Disk]
    processes: list["Process"] = field(default_factory=list)
    booted_at: float = -1000.0
    ahead_s: float = 0.0


@dataclass(eq=False)
class Process:
    """state: what delivery's modules keep for the process, while another one runs.

    asked: how many requests have come; opened_at: when its breaker opened, None while that is closed; syncs_since: when
    the sync of its journal writer began, if there is one.
    """

    machine: Machine
    pid: int
    state: list[Any]
    is_dead: bool = False
    is_leaving: bool = False  # no customer comes any more, because it will be stopped
    tasks: list[Task] = field(default_factory=list)
    fds: dict[int, Open] = field(default_factory=dict)
    next_fd: int = 10
    asked: int = 0
    opened_at: float | None = None
    syncs_since: float | None = None


class _Notices(logging.Handler):
    """Puts delivery's log into the trace."""

    def __init__(self, trace: Callable[..., None]) -> None:
        super().__init__()
        self._trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        self._trace("notice:", record.getMessage())


class World:
    """Everything of one history, for the code that is loaded once. `begin` starts another."""

    def __init__(self, mutate: Callable[[str, str], str] = lambda name, source: source) -> None:
        self.scheduler = Scheduler(on_process=self._enter)
        self.random = random.Random()
        self.tracing: list[str] | None = None
        self._entered: Process | None = None
        self._pids = 100
        self.surprises = 0  # so many relays will meet one
        files = Files(self.scheduler, self._process)
        threads = threading_on(self.scheduler)
        machine = {
            "threading": threads,
            "SimpleQueue": queue_on(self.scheduler),
            "time": SimpleNamespace(
                monotonic=self.monotonic, perf_counter=self.monotonic, time=self.time, sleep=self._sleep,
                time_ns=lambda: int(self.time() * 1e9),
            ),
            "random": SimpleNamespace(random=lambda: self.random.random()),
            "secrets": SimpleNamespace(
                token_hex=lambda size: f"{self.random.getrandbits(8 * size):0{2 * size}x}",
                token_bytes=lambda size: self.random.getrandbits(8 * size).to_bytes(size, "big"),
            ),
            "fcntl": SimpleNamespace(flock=files.flock, LOCK_EX=2, LOCK_NB=4),
            "os": os_on(files, self._process),
            "open": open_on(files),
            "Path": path_on(files),
        }  # fmt: skip
        logging.getLogger("leads.outbox").addHandler(_Notices(self.trace))
        self.delivery = loading.load(
            machine, point=self.scheduler.point, wrapper=self._wrapper, raw_cursor=self._raw_cursor, mutate=mutate
        )
        self.delivery.relay.notice = self._watching(self.delivery.relay.notice)
        self.delivery.upsert.joined_keys()  # cached at the first call: each history is to find it so
        self._keeps: list[tuple[Any, str, Callable[[], Any]]] = [
            (self.delivery.relay, "_running", lambda: None),
            (self.delivery.relay, "_start_lock", threads.Lock),
            (self.delivery.turns, "_known", set),
            (self.delivery.turns, "_unwritten", dict),
            (self.delivery.notices, "_last_at", dict),
        ]
        self.server: Server = None  # type: ignore[assignment]

    def _watching(self, notice: Callable[..., None]) -> Callable[..., None]:
        """Return the relay's `notice`, which also notes whether the breaker of its process is open."""

        def watched(what: str, **details: object) -> None:
            if what in ("breaker opened", "breaker closed"):
                self._process().opened_at = self.scheduler.now if what == "breaker opened" else None
            notice(what, **details)

        return watched

    def begin(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.scheduler.begin(seed)
        self._entered, self._pids, self.surprises = None, 100, 0
        self.server = Server(self.scheduler, self._monotonic, self.random, self.trace)
        self.server.statements = {self.delivery.upsert.INSERT: "INSERT", self.delivery.upsert.UPSERT: "UPSERT"}
        self.server.is_watched = lambda: self.tracing is not None

    # --- Machines and processes ---------------------------------------------------------------------------------------

    def machine(self, name: str) -> Machine:
        machine = Machine(name, {})
        for disk in DISKS:
            machine.disks[disk] = Disk(
                disk, self.random, self._sleep, self.trace, lambda: int((EPOCH + self.scheduler.now) * 1e9)
            )
        return machine

    def process(self, machine: Machine) -> Process:
        """Return a new process, without a thread yet."""
        self._pids += 1
        process = Process(machine, self._pids, [make() for _, _, make in self._keeps])
        machine.processes.append(process)
        return process

    def thread(self, process: Process, name: str, run: Callable[[], None]) -> Task:
        task = self.scheduler.spawn(process, name, run)
        process.tasks.append(task)
        return task

    def kill(self, process: Process) -> None:
        """kill -9: its threads end where they are, and its files are closed."""
        process.is_dead = True
        self.scheduler.kill(process.tasks)
        for file in process.fds.values():
            if file.node.owner is file:
                file.node.owner = None
        process.fds.clear()
        process.machine.processes.remove(process)

    # --- For the trace ------------------------------------------------------------------------------------------------

    def trace(self, *words: Any) -> None:
        if self.tracing is not None:
            task = self.scheduler.current
            process = task.process if task else None
            who = f"{process.machine.name}.{process.pid} {task.name}" if process and task else "-"
            self.tracing.append(f"{self.scheduler.now:10.6f} {who:24} " + " ".join(map(str, words)))

    # --- What delivery asks for ---------------------------------------------------------------------------------------

    def monotonic(self) -> float:
        scheduler = self.scheduler
        scheduler.point()
        if self.surprises and scheduler.current and scheduler.current.name == "relay":
            self.surprises -= 1
            self.trace("a surprise")
            raise loading.Surprise
        scheduler.now += LOOK_S
        return self._monotonic()

    def _monotonic(self) -> float:
        process = self._entered
        return self.scheduler.now - process.machine.booted_at if process else self.scheduler.now

    def time(self) -> float:
        scheduler = self.scheduler
        scheduler.point()
        scheduler.now += LOOK_S
        return EPOCH + scheduler.now + (self._entered.machine.ahead_s if self._entered else 0.0)

    def _sleep(self, seconds: float) -> None:
        self.scheduler.sleep(seconds)

    def _process(self) -> Process:
        assert self._entered is not None
        return self._entered

    def _wrapper(self) -> Wrapper:
        self.scheduler.point()
        task = self.scheduler.current
        assert task is not None
        if task.process.is_dead:
            raise Killed
        mine = task.locals.setdefault(id(self), {})
        if "wrapper" not in mine:
            mine["wrapper"] = Wrapper(self.server, self.delivery.turns.attempt)
        wrapper: Wrapper = mine["wrapper"]
        return wrapper

    def _raw_cursor(self, session: Any) -> RawCursor:
        return RawCursor(session, self._wrapper())

    def _enter(self, process: Process | None) -> None:
        """Keep the modules' state of the process that ran, and bring that of the one that runs from now on."""
        before = self._entered
        if before is not None:
            before.state = [getattr(module, name) for module, name, _ in self._keeps]
        self._entered = process
        if process is not None:
            for (module, name, _), value in zip(self._keeps, process.state, strict=True):
                setattr(module, name, value)
