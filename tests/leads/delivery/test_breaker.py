"""When the circuit breaker opens, allows a trial and closes, with a clock and jitter set by the tests."""

import psycopg
import pytest
from django.db.utils import DataError, IntegrityError, InternalError, OperationalError, ProgrammingError

from leads.delivery.breaker import JITTER, POLICIES, Breaker, Fault, classify
from settings.postgres.driver import DeadlineExceeded


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def changes():
    return []


@pytest.fixture
def breaker(clock, changes):
    return Breaker(clock=clock, chance=lambda: 0.0, on_change=lambda is_open, fault: changes.append((is_open, fault)))


@pytest.mark.parametrize(
    ("fault", "needed"), [(Fault.TIMEOUT, 1), (Fault.INFRASTRUCTURE, 2), (Fault.SCHEMA, 1), (Fault.AUTH, 1)]
)
def test_opens_after_the_number_of_faults_of_its_class(breaker, fault, needed):
    for count in range(1, needed + 1):
        assert not breaker.is_open
        breaker.failed(fault)
        assert breaker.is_open == (count == needed)


def test_a_refused_row_never_opens_it(breaker):
    for _ in range(100):
        breaker.failed(Fault.DATA)
    assert not breaker.is_open


def test_the_wait_doubles_up_to_its_bound(breaker, clock):
    waits = []
    for _ in range(6):
        breaker.failed(Fault.TIMEOUT)
        waits.append(breaker.seconds_to_next_attempt())
        clock.now += waits[-1]
        assert breaker.seconds_to_next_attempt() == 0
    assert waits == [0.5, 0.75, 0.75, 0.75, 0.75, 0.75]


def test_a_recovered_database_is_noticed_within_three_seconds(breaker, clock):
    # The seconds that a failing trial takes.
    trials = {Fault.TIMEOUT: 2.0, Fault.INFRASTRUCTURE: 1.0, Fault.SCHEMA: 1.0, Fault.AUTH: 1.0}
    assert set(trials) == set(POLICIES)
    for fault, trial_s in trials.items():
        for _ in range(50):
            breaker.failed(fault)
        assert trial_s + breaker.seconds_to_next_attempt() * (1 + JITTER) <= 3


def test_jitter_only_adds_to_the_wait(clock):
    latest = Breaker(clock=clock, chance=lambda: 1.0)
    latest.failed(Fault.SCHEMA)
    assert latest.seconds_to_next_attempt() == pytest.approx(1.2)


def test_stays_open_during_a_trial_and_closes_on_a_delivery(breaker, clock, changes):
    breaker.failed(Fault.TIMEOUT)
    clock.now += 10
    assert (breaker.is_open, breaker.seconds_to_next_attempt()) == (True, 0)

    breaker.delivered()

    assert (breaker.is_open, breaker.fault) == (False, None)
    breaker.failed(Fault.TIMEOUT)
    assert breaker.seconds_to_next_attempt() == 0.5
    assert changes == [(True, Fault.TIMEOUT), (False, Fault.TIMEOUT), (True, Fault.TIMEOUT)]


def test_reports_each_class_of_fault_once(breaker, changes):
    for fault in [Fault.INFRASTRUCTURE] * 5 + [Fault.SCHEMA] * 5:
        breaker.failed(fault)
    assert changes == [(True, Fault.INFRASTRUCTURE), (True, Fault.SCHEMA)]


def test_retry_now_allows_an_immediate_attempt(breaker):
    breaker.failed(Fault.AUTH)
    breaker.retry_now()
    assert (breaker.is_open, breaker.seconds_to_next_attempt()) == (True, 0)


def raised(error, *, sqlstate=None, cause=psycopg.Error):
    """Return an error as Django raises it, with psycopg's error and its SQLSTATE as the cause."""
    error.__cause__ = type(cause.__name__, (cause,), {"sqlstate": sqlstate})()
    return error


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (raised(OperationalError("no answer within 1 s"), cause=DeadlineExceeded), Fault.TIMEOUT),
        (raised(OperationalError("connection timeout expired"), cause=psycopg.errors.ConnectionTimeout), Fault.TIMEOUT),
        (raised(OperationalError("connection refused")), Fault.INFRASTRUCTURE),
        (raised(OperationalError("terminating"), sqlstate="57P01"), Fault.INFRASTRUCTURE),
        (raised(OperationalError("canceling statement"), sqlstate="57014"), Fault.INFRASTRUCTURE),
        (raised(OperationalError("lock"), sqlstate="55P03"), Fault.INFRASTRUCTURE),
        (raised(OperationalError("too many clients"), sqlstate="53300"), Fault.INFRASTRUCTURE),
        (raised(InternalError("read-only"), sqlstate="25006"), Fault.SCHEMA),
        (raised(ProgrammingError("no table"), sqlstate="42P01"), Fault.SCHEMA),
        (raised(ProgrammingError("no right"), sqlstate="42501"), Fault.SCHEMA),
        (raised(OperationalError('database "x" does not exist'), sqlstate="3D000"), Fault.SCHEMA),
        (raised(OperationalError("FATAL: password authentication failed for user")), Fault.AUTH),
        (raised(OperationalError("FATAL: Tenant or user not found")), Fault.AUTH),
        (raised(OperationalError("Circuit breaker open: too many"), sqlstate="XX000"), Fault.AUTH),
        (raised(OperationalError('FATAL: role "nobody" does not exist')), Fault.AUTH),
        (raised(OperationalError("auth"), sqlstate="28P01"), Fault.AUTH),
        (raised(DataError("NUL"), sqlstate="22021"), Fault.DATA),
        (raised(IntegrityError("check"), sqlstate="23514"), Fault.DATA),
        (raised(DataError("no more ids"), sqlstate="2200H"), Fault.SCHEMA),
        (raised(InternalError("a trigger's own code"), sqlstate="S0001"), Fault.DATA),
        (raised(InternalError("view"), sqlstate="0A000"), Fault.DATA),
        (raised(InternalError("cached plan"), sqlstate="26000"), Fault.INFRASTRUCTURE),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogate"), Fault.DATA),
        (RuntimeError("something else"), Fault.INFRASTRUCTURE),
    ],
)
def test_errors_are_classified_by_what_fixes_them(error, fault):
    assert classify(error) is fault
