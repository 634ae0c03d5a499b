"""The end of a history: all faults stop, everything settles, and every promise is checked."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.history import History
    from tests.simulation.threads import Task
    from tests.simulation.world import Process

# A database that has recovered is used again within 3 s; then the first checkout of each process is stored at once.
RECOVERY_S = 3.5
# After a wrong password within eleven minutes.
BLOCKED_S = 662.0
SETTLES_WITHIN_S = 60.0
# Then a customer is answered sooner than the writer's LINGER_S, and nothing is left to deliver a little later.
HEALTHY_S = 0.1
LEFT_S = 0.5
CROWDS, CROWD, CROWD_S = 12, 3, 0.002


def run(history: "History") -> None:
    world, scheduler = history.world, history.world.scheduler
    history.faults.end_all()
    world.trace("*** all is well again")
    history.check_threads()
    history.pause_s = 0.5
    if history.faults.has_blocked:
        history.is_open = False
        scheduler.sleep(BLOCKED_S)
        history.is_open = True
    scheduler.sleep(RECOVERY_S)
    history.is_open = False
    _check_quarantine(history)
    scheduler.sleep(2.0)
    _check_service(history)
    _check_memory(history)
    if not history.faults.has_unreadable:  # what cannot be read is left to the next process
        _deliver(history)
    _restart(history)
    _deliver(history)
    check_leads(history)
    if not history.faults.may_lose_kept:
        _check_kept(history)
    history.check_threads()


def _on(history: "History", process: "Process", name: str, act: Callable[[], object]) -> None:
    """Have a process do something on a thread of its own, and wait for it."""
    _wait_for(history, process, history.world.thread(process, name, act))


def _wait_for(history: "History", process: "Process", task: "Task") -> None:
    end = history.world.scheduler.now + SETTLES_WITHIN_S
    while not task.is_done:
        history.world.scheduler.sleep(0.01)
        if history.world.scheduler.now > end:
            raise AssertionError(f"{task.name} has taken {SETTLES_WITHIN_S} s")
    process.tasks.remove(task)
    if task.error is not None:
        raise AssertionError(f"{task.name} failed") from task.error


def _check_quarantine(history: "History") -> None:
    """Nothing is set aside that Postgres would have taken."""
    for machine in history.machines:
        for name, disk in machine.disks.items():
            for folder in disk.directories():
                aside = folder.names.get("quarantine")
                refused = {file.rpartition("-")[0] for file in aside.names} if aside else set()
                wrong = {folio for folio in refused - history.faults.ever_poisoned if not folio.startswith(".")}
                if wrong:
                    history.fail(f"set aside for nothing on {machine.name}, {name}: {sorted(wrong)}")


def _check_service(history: "History") -> None:
    """After the recovery, each process stores a lead at once, also when many come; soon it waits nowhere."""

    def ask() -> None:
        sent, took = history.ask()
        is_quick = took < HEALTHY_S or history.world.scheduler.stall
        if sent.outcome != ("stored" if sent.phone else "queued") or not is_quick:
            history.fail(f"{RECOVERY_S} s after the recovery, a customer got {sent.outcome} after {took:.3f} s")

    def come() -> None:
        history.world.scheduler.sleep(CROWD_S * history.random.random())  # nobody corrects a name in the same µs
        ask()

    for machine in history.machines:
        machine.ahead_s = 0.0
        for process in machine.processes:
            _on(history, process, "customer", ask)
    history.world.server.break_all()  # a restart that nobody was there to see
    for machine in history.machines:
        for process in machine.processes:
            _on(history, process, "customer", ask)
    counts = [_census(history, machine.processes[0]) for machine in history.machines]
    for _ in range(CROWDS):
        crowd = [process for machine in history.machines for process in machine.processes for _ in range(CROWD)]
        tasks = [history.world.thread(process, "customer", come) for process in crowd]
        history.world.scheduler.sleep(HEALTHY_S + 0.1 * history.random.random())
        for process, task in zip(crowd, tasks, strict=True):
            _wait_for(history, process, task)
    history.world.scheduler.sleep(LEFT_S)
    for machine, before in zip(history.machines, counts, strict=True):
        after = _census(history, machine.processes[0])
        if after.pending > before.pending and not history.world.scheduler.stall:
            history.fail(f"{LEFT_S} s after the last lead was stored, there still wait {after}")


def _check_memory(history: "History") -> None:
    """What no disk took was delivered from memory, if its process has lived on and there was not too much of it.

    A relay that met a surprise may have had it in its hands.
    """
    if history.faults.has_surprised:
        return
    alive = {process for machine in history.machines for process in machine.processes}
    most, table = history.world.delivery.group_commit.MOST_IN_MEMORY, history.world.server.table
    for sent in [each for every in history.customers.by_folio.values() for each in every]:
        if sent.outcome != "carried" or sent.process not in alive or sent.process.asked > most:
            continue
        rows = table.rows.get(sent.folio, [])
        is_there = any(row.phone == sent.phone for row in rows) if sent.phone else bool(rows)
        if not is_there and sent.folio not in history.faults.ever_poisoned:
            history.fail(f"{sent.folio} of {sent.phone} was in memory alone, and is lost")


def _restart(history: "History") -> None:
    """Restart all processes, as a deploy does."""
    for machine in history.machines:
        for process in list(machine.processes):
            history.world.kill(process)
        history.boot(machine)
        for process in machine.processes:
            _on(history, process, "first request", history.ask)


def _deliver(history: "History") -> None:
    """Retry what was refused, and wait until nothing waits."""
    world, scheduler = history.world, history.world.scheduler
    end = scheduler.now + SETTLES_WITHIN_S
    for machine in history.machines:
        process = machine.processes[0]
        _on(history, process, "retry", lambda: world.delivery.relay.of_this_process().outbox.retry_quarantined())
        while (left := _census(history, process)).pending or left.quarantined:
            if scheduler.now > end:
                raise AssertionError(f"after {SETTLES_WITHIN_S} s there still wait {left}")
            scheduler.sleep(1.0)
        if left.damaged and not history.faults.has_damaged:
            history.fail("a segment is damaged, although no power failed")


def _census(history: "History", process: "Process") -> Any:
    """Return what waits on the machine of a process."""
    delivery, counts = history.world.delivery, []
    _on(history, process, "census", lambda: counts.append(delivery.census.census(delivery.settings.OUTBOX_DIRECTORIES)))
    return counts[0]


def _check_kept(history: "History") -> None:
    """What was answered from the disk is kept there, for a database that forgets it."""
    found: set[tuple[str, str, str | None]] = set()
    for machine in history.machines:
        _on(history, machine.processes[0], "kept", partial(_read_kept, history, found))
    for sent in (each for listed in history.customers.by_folio.values() for each in listed):
        at = sent.submitted_at.isoformat() if sent.submitted_at else None
        if sent.outcome == "queued" and (sent.folio, sent.phone, at) not in found:
            history.fail(f"{sent.folio} of {sent.phone} is not kept")


def _read_kept(history: "History", found: set[tuple[str, str, str | None]]) -> None:
    delivery = history.world.delivery
    for record, _ in delivery.kept.delivered(delivery.settings.OUTBOX_DIRECTORIES):
        if record is not None:
            found.add(tuple(record.data[name] for name in ("folio", "phone", "submitted_at")))


def check_leads(history: "History") -> None:
    """Every answered lead is in Postgres, once, with the newest details; nothing else is."""
    table = history.world.server.table
    for folio, sent in history.customers.by_folio.items():
        rows = table.rows.get(folio, [])
        phones = [row.phone for row in rows if row.phone]
        if len(phones) != len(set(phones)) or sum(row.is_first for row in rows) > 1:
            history.fail(f"{folio} is there more than once: {phones}")
        answered = [each for each in sent if each.outcome in ("stored", "queued")]
        if answered and not rows:
            history.fail(f"{folio} is lost")
        for phone in {each.phone: None for each in answered if each.phone}:
            row = next((row for row in rows if row.phone == phone), None)
            mine = [each for each in sent if each.phone == phone]
            theirs = [each for each in answered if each.phone == phone]
            if row is None:
                history.fail(f"{folio} of {phone} is lost")
                continue
            names = {row.name, *(each["customer"]["name"] for each in row.quote_data.get("earlier", ()))}
            if lost := {each.name for each in theirs} - names:
                history.fail(f"{folio} of {phone} has lost the details {sorted(lost)}")
            if names - {each.name for each in mine}:
                history.fail(f"{folio} of {phone} has somebody else's details: {sorted(names)}")
            newest = max(theirs, key=lambda each: each.submitted_at)
            if not history.faults.has_set_clocks and row.submitted_at < newest.submitted_at:
                history.fail(f"{folio} of {phone} has not the newest details")
            if row.name not in {each.name for each in mine if each.submitted_at == row.submitted_at} and (
                not history.faults.has_set_clocks
            ):
                history.fail(f"{folio} of {phone} has the name of another time")
    for folio, rows in table.rows.items():
        known = {each.phone for each in history.customers.by_folio.get(folio, ())} | {""}
        if folio not in history.customers.by_folio or {row.phone for row in rows} - known:
            history.fail(f"{folio} comes from nowhere")
