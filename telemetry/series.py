"""All numbers that the site counts, with every value that a label may have: none is personal, and none grows."""

from collections.abc import Iterable

from telemetry import numbers
from telemetry.numbers import Counter, Gauge, Histogram

OUTCOMES = ("stored", "queued", "carried")
STATUSES = ("2xx", "3xx", "4xx", "5xx")
# The kinds of fault in leads/delivery/breaker.py.
FAULTS = ("timeout", "infrastructure", "schema", "auth", "data")
# Without a view: static files, staff pages, these two, and what is refused before any.
OTHER_ROUTES = ("static", "staff", "metrics", "healthz", "-")

LEADS = Counter(
    "folio_leads",
    "Quotes and checkouts, by where their lead was when the customer went on.",
    kind=("quote", "checkout"),
    outcome=OUTCOMES,
)
WAITS = Histogram(
    "folio_checkout_wait_seconds",
    "How long a checkout waited for Postgres, and then for the disk.",
    (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5),
    on=("postgres", "disk"),
)
DURATIONS = Histogram(
    "folio_request_seconds",
    "How long requests took, by view and class of status.",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    route=OTHER_ROUTES,
    status=STATUSES,
)
BATCHES = Counter(
    "folio_relay_batches",
    "Batches that the relay tried to deliver to Postgres, by their result.",
    result=("delivered", *FAULTS),
)
DELIVERED = Counter("folio_relay_leads", "Leads that the relay delivered to Postgres, repeated ones included.")
COPIES = Counter(
    "folio_copies",
    "Attempts to copy a lead through Supabase's REST API, while Postgres was down, by their result.",
    result=("copied", "refused", "failed"),
)
TRANSITIONS = Counter(
    "folio_breaker_transitions", "Openings and closings of the circuit breaker.", to=("open", "closed")
)
IS_OPEN = Gauge("folio_breaker_open", "How many processes have an open circuit breaker.")
MESSAGES = Counter(
    "folio_alerts",
    "Alerts and mails about trouble that were sent, or could not be.",
    by=("mail", "browser", "trouble"),
    result=("sent", "failed"),
)
# What the alerts worker last saw in Postgres, in one process of the machine.
WAITING = Gauge(
    "folio_leads_waiting", "People whom nobody has answered, as Postgres last said; at most 1,000 are counted."
)
OLDEST_AT = Gauge(
    "folio_leads_oldest_waiting_timestamp_seconds", "When the one who waits longest came; 0: nobody waits."
)
ASKED_AT = Gauge("folio_leads_waiting_asked_timestamp_seconds", "When Postgres was last asked for that.")

ALL = (
    *(LEADS, WAITS, DURATIONS, BATCHES, DELIVERED, COPIES, TRANSITIONS, IS_OPEN, MESSAGES),
    *(WAITING, OLDEST_AT, ASKED_AT),
)


def start(routes: Iterable[str]) -> None:
    """Begin to count. routes: the names of the views."""
    DURATIONS.labels["route"] = tuple(dict.fromkeys((*routes, *OTHER_ROUTES)))
    numbers.start(ALL)
