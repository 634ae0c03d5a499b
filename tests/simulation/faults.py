"""What goes wrong in a history, when and for how long."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.simulation import disk, postgres

if TYPE_CHECKING:
    from tests.simulation.history import History
    from tests.simulation.world import Machine, Process

OF_POSTGRES = (
    "refuses",
    "hangs",
    "slow",
    "loses_replies",
    "drops",
    "read_only",
    "no_table",
    "every_row",
    "failover",
    "demoted",
    "password",
)
OF_A_DISK = ("full", "broken", "read_only", "gone", "hangs", "unreadable")


class Faults:
    """Each history has some kinds of faults and not others, so that one does not hide what another would show."""

    def __init__(self, history: "History") -> None:
        self._history, self._random = history, history.random
        kinds: list[tuple[float, Callable[[], None]]] = [
            (4, self._break_postgres),
            (3, self._break_disk),
            (3, self._kill),
            (3, self._cut_power),
            (3, self._poison),
            (3, self._retry),
            (1, self._set_clock),
            (1, self._restart),
            (1, self._flush),
            (1, self._surprise),
            (1, self._doubt),
            (1, self._break_everything),
        ]
        chosen = [kind for kind in kinds if self._random.random() < 0.6] or kinds[:1]
        if self._random.random() < 0.15:  # what is deleted in use is rescued, if its process lives on
            ends = (self._kill, self._cut_power, self._restart, self._flush)
            chosen = [(3.0, self._delete), *(kind for kind in chosen if kind[1] not in ends)]
        self._weights = [weight for weight, _ in chosen]
        self._acts = [act for _, act in chosen]
        self._every_s = self._random.choice([0.02, 0.1, 0.3] if history.is_rough else [0.2, 1.0])
        self._postgres_until = 0.0
        self._disks_until: dict[disk.Disk, float] = {}
        self._was_bad_at: dict[disk.Disk, float] = {}
        self.has_set_clocks = self.has_damaged = self.has_blocked = self.has_unreadable = self.has_surprised = False
        self.ever_poisoned: set[str] = set()

    def before_the_first_start(self) -> None:
        if self._break_disk in self._acts and self._random.random() < 0.5:
            self._break_disk()

    def run(self, *, until: Callable[[], bool]) -> None:
        """Let things go wrong until then."""
        scheduler = self._history.world.scheduler
        next_at = scheduler.now + self._random.expovariate(1 / self._every_s)
        while not until():
            scheduler.sleep(0.02)
            self._end(scheduler.now)
            if scheduler.now >= next_at:
                next_at = scheduler.now + self._random.expovariate(1 / self._every_s)
                self._random.choices(self._acts, self._weights)[0]()

    @property
    def may_lose_kept(self) -> bool:
        """Whether what is kept may be gone: files are deleted, torn or out of reach, or a clock says it is old."""
        return self._delete in self._acts or self.has_damaged or self.has_unreadable or self.has_set_clocks

    def may_be_carried(self, machine: "Machine") -> bool:
        """Whether a lead need not be on the disk: both fail or have failed, one hangs, or the writer rescues files."""
        bad, disks = self._bad(machine), machine.disks
        return self._delete in self._acts or len(bad) == len(disks) or any(each.has_hung for each in bad)

    def are_well(self, machine: "Machine") -> bool:
        """Whether both disks have been well for a while."""
        return not self._bad(machine) and self._delete not in self._acts

    def _bad(self, machine: "Machine") -> list[disk.Disk]:
        now = self._history.world.scheduler.now
        return [each for each in machine.disks.values() if each.fault or now - self._was_bad_at.get(each, -9.0) < 1.0]

    def end_all(self) -> None:
        self._end(float("inf"))
        self._history.world.server.poisoned.clear()
        self._history.world.surprises = 0

    def _end(self, now: float) -> None:
        server = self._history.world.server
        if server.fault and now >= self._postgres_until:
            self._say("Postgres is well again")
            server.begin(None)
        for broken, until in list(self._disks_until.items()):
            if now >= until:
                self._say("a disk is well again")
                broken.fault = None
                self._was_bad_at[broken] = now
                del self._disks_until[broken]

    def _say(self, *words: Any) -> None:
        self._history.world.trace("***", *words)

    def _lasts(self) -> float:
        return self._history.world.scheduler.now + self._random.choice([0.1, 0.5, 2.0]) * self._random.expovariate(1)

    def _break_postgres(self) -> None:
        kind = self._random.choice(OF_POSTGRES)
        if kind == "password" and self._random.random() < 0.8:  # it takes eleven minutes, so there are few
            kind = "refuses"
        self.has_blocked = self.has_blocked or kind == "password"
        server = self._history.world.server
        self._say("Postgres", kind)
        if kind == "demoted":
            server.demote()
            return
        self._postgres_until = self._lasts()
        if kind == "failover":
            server.break_all()
            kind = "read_only"
        server.begin(postgres.Fault(kind, self._random.choice([0.1, 0.5, 1.0])))

    def _break_disk(self) -> None:
        machine = self._random.choice(self._history.machines)
        kind = self._random.choice(OF_A_DISK)
        if self._delete in self._acts and kind in ("gone", "unreadable"):
            kind = "full"  # a file that was deleted and then cannot be read is lost; nobody promises it
        self.has_unreadable = self.has_unreadable or kind in ("gone", "unreadable")
        for name in self._random.choice([["a"], ["a"], ["b"], ["a", "b"]]):
            broken = machine.disks[name]
            self._say("disk", name, "of", machine.name, kind)
            share = self._random.choice([0.1, 0.5, 1.0]) if kind != "gone" else 1.0
            self._begin(machine, broken, disk.Fault(kind, share), until=self._lasts())

    def _break_everything(self) -> None:
        """Both disks of a machine and Postgres fail, so that leads are in memory alone."""
        self._say("Postgres refuses, and no disk works")
        until = self._lasts()
        machine = self._random.choice(self._history.machines)
        for broken in machine.disks.values():
            self._begin(machine, broken, disk.Fault("broken"), until=until)
        self._postgres_until = until
        self._history.world.server.begin(postgres.Fault("refuses"))

    def _begin(self, machine: "Machine", broken: disk.Disk, fault: disk.Fault, *, until: float) -> None:
        """Break a disk. Somebody may still wait for a sync of before that hung, unless it has been well for a while."""
        broken.has_hung = broken.has_hung and broken in self._bad(machine)
        broken.fault, self._disks_until[broken] = fault, until

    def _any_process(self) -> "Process | None":
        processes = [process for machine in self._history.machines for process in machine.processes]
        return self._random.choice(processes) if processes else None

    def _kill(self) -> None:
        if process := self._any_process():
            self._say("kill -9", process.pid)
            self._history.world.kill(process)
            self._history.world.scheduler.sleep(self._random.random() * 0.3)
            self._history.start(process.machine)

    def _restart(self) -> None:
        """A process is told to stop, serves whom it has, and ends; another takes its place."""
        if process := self._any_process():
            history, scheduler = self._history, self._history.world.scheduler
            self._say("stop", process.pid)
            process.is_leaving = True
            scheduler.sleep(2.0)
            history.world.thread(process, "stop", history.world.delivery.relay.stop)
            scheduler.sleep(2.5)
            history.world.kill(process)
            history.start(process.machine)

    def _retry(self) -> None:
        """Staff have a process retry what was refused."""
        if process := self._any_process():
            world = self._history.world

            def retry() -> None:
                with suppress(OSError):
                    world.trace("retries", world.delivery.relay.of_this_process().outbox.retry_quarantined())

            self._say("retry in", process.pid)
            world.thread(process, "retry", retry)

    def _surprise(self) -> None:
        """A relay meets an error that nobody has thought of."""
        self.has_surprised = True
        self._say("a surprise for a relay")
        self._history.world.surprises = 1

    def _doubt(self) -> None:
        """Postgres goes away while nobody asks it; staff find out, just as customers come."""
        history, world = self._history, self._history.world
        self._say("Postgres refuses, and staff find out")
        self._postgres_until = self._lasts()
        world.server.begin(postgres.Fault("refuses"))

        def come() -> None:
            world.scheduler.sleep(self._random.random() * 0.006)
            history.ask()

        for process in [process for machine in history.machines for process in machine.processes]:
            world.thread(process, "staff", lambda: world.delivery.relay.of_this_process().look_again())
            world.thread(process, "customer", come)

    def _flush(self) -> None:
        """Somebody runs `manage.py outbox flush`."""
        history, machine = self._history, self._random.choice(self._history.machines)
        process = history.world.process(machine)
        directories, flush = history.world.delivery.settings.OUTBOX_DIRECTORIES, history.world.delivery.flush.flush
        self._say("flush by", process.pid)

        def run() -> None:
            with suppress(OSError):
                flush(directories, timeout_s=3.0, with_quarantined=self._random.random() < 0.5)

        task = history.world.thread(process, "flush", run)
        end = history.world.scheduler.now + 8.0
        while not task.is_done and history.world.scheduler.now < end and not process.is_dead:
            history.world.scheduler.sleep(0.1)
        if task.error:
            history.fail(f"flush raised {task.error!r}")
        history.world.kill(process)

    def _delete(self) -> None:
        """Somebody empties a directory of the outbox, of a site that runs."""
        machine = self._random.choice(self._history.machines)
        for name, each in machine.disks.items():
            for folder in each.directories():
                for file in [name for name in folder.names if self._random.random() < 0.7 and "journal" in name]:
                    self._say("somebody deletes", file, "on", name)
                    each.remove(folder, file)

    def _cut_power(self) -> None:
        machine = self._random.choice(self._history.machines)
        world = self._history.world
        if self._random.random() < 0.7:
            self._wait_for_a_sync(machine)
        self._say("power cut of", machine.name)
        for process in list(machine.processes):
            world.kill(process)
        for each in machine.disks.values():
            each.cut()
        self.has_damaged = True
        world.scheduler.sleep(self._random.random())
        machine.booted_at = world.scheduler.now - 1.0
        self._history.boot(machine)

    def _wait_for_a_sync(self, machine: "Machine") -> None:
        """Wait until just after one of the next syncs, because that is when somebody is answered."""
        left = self._random.randrange(1, 15)
        end, wait = self._history.world.scheduler.wait_for_a_call(2.0)

        def synced() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                end()

        for each in machine.disks.values():
            each.on_sync = synced
        wait()
        for each in machine.disks.values():
            each.on_sync = lambda: None

    def _poison(self) -> None:
        folios = list(self._history.customers.by_folio)[-30:]
        chosen = {folio for folio in folios if self._random.random() < 0.2}
        chosen |= {f"F{self._history.customers._count + self._random.randrange(60):06}" for _ in range(3)}
        self._say("Postgres refuses", sorted(chosen))
        self._history.world.server.poisoned |= chosen
        self.ever_poisoned |= chosen
        if self._random.random() < 0.5:
            self._history.world.server.poisoned.clear()

    def _set_clock(self) -> None:
        machine = self._random.choice(self._history.machines)
        machine.ahead_s = self._random.choice([0.0, -3600.0, -7.0, 3.0, 60.0, 86400.0])
        self.has_set_clocks = True
        self._say("the clock of", machine.name, "is ahead by", machine.ahead_s, "s")
