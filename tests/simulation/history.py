"""One history: machines whose processes serve customers, while things go wrong; then what has to be true at the end."""

from tests.simulation import ending
from tests.simulation.customers import Customers, Submission, lead
from tests.simulation.faults import Faults
from tests.simulation.threads import Stuck
from tests.simulation.world import Machine, Process, World

THREADS = 4  # of gunicorn, in each process
# A checkout waits 0.4 s for Postgres and 0.3 s for the disk; the rest is the work itself.
POSTGRES_S, DISK_S, WORK_S = 0.4, 0.3, 0.05
# Where a thread may be stalled at any point, what it holds is held for longer.
STALLED_BOUND_S = 1.5
LASTING = ("relay", "journal writer")


class Broken(AssertionError):
    """A promise of delivery was broken."""


class History:
    """Busy ones have many customers, and show what many at once do; in rough ones more goes wrong for each of a few."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        world.begin(seed)
        self.random = world.random
        self.customers = Customers(self.random)
        self._set_limits()
        self.machines = [world.machine(f"machine{n}") for n in range(self.random.choice([1, 1, 1, 2]))]
        self.is_rough = self.random.random() < 0.9
        self.lasts_s = self.random.choice([0.5, 3.0, 8.0])
        self.pause_s = self.random.choice([0.05, 0.2, 0.5] if self.is_rough else [0.004, 0.01])
        self.processes_each = self.random.choice([1, 2, 2, 3])
        self.lives = 0
        self.longest_s = 0.0
        self.is_open = True  # whether customers come
        self.is_over = False
        self.failures: list[str] = []
        self.faults = Faults(self)

    def run(self) -> None:
        """Run it; Broken, with what was broken."""
        scheduler = self.world.scheduler
        scheduler.spawn(None, "the world", self._course)
        try:
            scheduler.run(lambda: self.is_over or bool(self.failures))
        except Stuck as stuck:
            self.failures.append(str(stuck))
        finally:
            for machine in self.machines:
                for process in list(machine.processes):
                    self.world.kill(process)
        if self.failures:
            raise Broken("\n".join(self.failures))

    def _set_limits(self) -> None:
        """Delivery's own limits: in some histories so small that they are reached."""
        choice, delivery = self.random.choice, self.world.delivery
        delivery.outbox.SEGMENT_BYTES = choice([4_194_304, 40_000, 8_000])
        delivery.outbox.MOST_AHEAD = choice([1000, 20])
        delivery.outbox.MOST_HELD = choice([64, 2])
        delivery.segment._CHUNK = choice([65_536, 500])
        delivery.segment._RESCUE_CHUNK = choice([65_536, 5000])
        delivery.group_commit.MOST_IN_MEMORY = choice([200, 200, 6])

    def _course(self) -> None:
        try:
            self.faults.before_the_first_start()
            for machine in self.machines:
                self.boot(machine)
            self.faults.run(until=lambda: self.world.scheduler.now >= self.lasts_s)
            ending.run(self)
        except Exception as error:  # broad: whatever it is, the seed repeats it
            self.failures.append(f"{type(error).__name__}: {error}")
            raise
        self.is_over = True

    def fail(self, what: str) -> None:
        self.world.trace("BROKEN", what)
        self.failures.append(what)

    # --- Processes ----------------------------------------------------------------------------------------------------

    def boot(self, machine: Machine) -> None:
        for _ in range(self.processes_each):
            self.start(machine)

    def start(self, machine: Machine) -> Process:
        process = self.world.process(machine)
        self.lives += 1
        for number in range(THREADS):
            self.world.thread(process, f"customer{number}", lambda: self._serve(process))
        return process

    def check_threads(self) -> None:
        for machine in self.machines:
            for process in machine.processes:
                for task in process.tasks:
                    if task.error or task.is_done and task.name in LASTING:
                        raise Broken(f"the thread {task.name} of {process.pid} has ended: {task.error!r}")

    # --- Customers ----------------------------------------------------------------------------------------------------

    def _serve(self, process: Process) -> None:
        """One of gunicorn's threads: it serves one customer after the other."""
        scheduler = self.world.scheduler
        while True:
            scheduler.sleep(self.random.expovariate(1 / self.pause_s))
            if self.is_open and not process.is_leaving:
                self.ask()
            else:
                scheduler.sleep(0.5)

    def ask(self) -> tuple[Submission, float]:
        """Send a request on the thread of a process; return it with its outcome, and how many seconds it took."""
        world, scheduler = self.world, self.world.scheduler
        process: Process = scheduler.current.process
        sent = self.customers.next(world.time())
        sent.process = process
        process.asked += 1
        record = world.delivery.record
        started, syncs_since = scheduler.now, process.syncs_since
        try:
            outcome = str(record.record(lead(sent, world.time(), record.LeadRecord)))
        except Exception as error:  # broad: a customer would see it
            self.fail(f"a request for {sent.folio} raised {type(error).__name__}: {error}")
            raise
        took = scheduler.now - started
        sent.outcome = outcome
        world.trace("answers", sent.folio, sent.phone, sent.name, outcome, f"after {took:.3f} s")
        if sent.phone:
            self.customers.answered += 1
        if outcome == "carried" and not scheduler.stall and not self.faults.may_be_carried(process.machine):
            self.fail(f"{sent.folio} is only in the message, although a disk works")
        if outcome == "stored" and sent.phone not in {row.phone for row in world.server.table.rows.get(sent.folio, ())}:
            self.fail(f"{sent.folio} of {sent.phone} counts as stored, and is not in Postgres")
        self.longest_s = max(self.longest_s, took)
        if took > (STALLED_BOUND_S if scheduler.stall else self._bound_s(process, started, syncs_since)):
            self.fail(f"a request for {sent.folio} took {took:.3f} s")
        return sent, took

    def _bound_s(self, process: Process, started: float, syncs_since: float | None) -> float:
        """Return how long a request may take. Nobody waits for what is known to be down.

        That is Postgres from the opening of the breaker on, and a disk that had hung when the request came, and still
        does. A disk that is well is not waited for either. syncs_since: process.syncs_since when the request came.
        """
        opened_at = process.opened_at
        postgres_s = POSTGRES_S if opened_at is None else min(POSTGRES_S, max(0.0, opened_at - started))
        has_hung = syncs_since is not None and started - syncs_since > DISK_S + WORK_S
        is_answered = has_hung and process.syncs_since == syncs_since or self.faults.are_well(process.machine)
        return postgres_s + (0.0 if is_answered else DISK_S) + WORK_S
