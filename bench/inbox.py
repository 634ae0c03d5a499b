"""`make bench-inbox`: measures the staff's pages with millions of leads, as a salesperson's browser gets them.

    make bench-inbox                              2,000,000 demo leads, written in about ten minutes
    make bench-inbox ARGS="--leads 200000"
    make bench-inbox ARGS="--leads 10000000 --by-month"        most of them copies, in a partitioned table

Of the leads, 10,000 are set aside, as after a flood.

It uses real gunicorn, as in production, and one client that requests one page after the other. It prints the table of
`docs/performance.md` in Markdown.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from importlib import import_module
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import django

from tests.support import live
from tests.support.eventually import PATIENCE_S

LIST = "/admin/leads/lead/"
STAFF = "bench"
WARM_UPS = 3
SET_ASIDE = 10_000
# Of more leads than these, the others are copies of the originals.
MOST_ORIGINALS = 2_000_000
ORIGINALS = 200_000
# Only the pages are measured, so the client has a session and no second factor.
SETTINGS = {"REQUIRE_SECOND_FACTOR": "false"}


class Page(NamedTuple):
    """A page to measure. form: what is posted; None for a GET."""

    name: str
    path: str
    form: dict[str, str] | None = None


class Figures(NamedTuple):
    """The figures of one page. p50, p95: milliseconds until its last byte; queries: how many its request makes."""

    p50: float
    p95: float
    queries: int
    bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=2_000_000, metavar="N", help="at least this many leads")
    parser.add_argument("--by-month", action="store_true", help="a partition for each month of the leads")
    parser.add_argument("--rounds", type=int, default=60, help="how often each page is requested")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="folio-bench-") as outbox:
        variables = {
            "DJANGO_SETTINGS_MODULE": "settings",
            "OUTBOX_DIR": f"{outbox}/outbox",
            "OUTBOX_SPARE_DIR": f"{outbox}/spare",
            **SETTINGS,
        }
        os.environ |= live.environment(os.environ["DATABASE_URL"], **variables)
        live.manage("migrate", "--verbosity=0", environment=os.environ)
        django.setup()
        count = seed(options.leads, by_month=options.by_month)
        with live.site(os.environ["DATABASE_URL"], **SETTINGS) as site:
            cookie = session()
            page_loads, seconds = count_days(site, cookie)
            print(f"{count:,} leads; counting 90 days for the desk took {page_loads} page loads, {seconds:.1f} s")
            print("\n| page | p50, ms | p95, ms | kB | queries |\n| --- | --: | --: | --: | --: |")
            for page in pages():
                result = measure(site, cookie, page, options.rounds)
                times = f"{result.p50:.0f} | {result.p95:.0f}"
                print(f"| {page.name} | {times} | {result.bytes / 1000:.0f} | {result.queries} |", flush=True)


def seed(wanted: int, *, by_month: bool) -> int:
    """Write demo leads until there are about `wanted` leads; return how many there are.

    by_month: partition the table first. Of more than two million leads, all but 200,000 are copies.
    """
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection

    from bench.copies import multiply
    from leads.models import Lead
    from leads.ops import demo

    connection.deadline_s = None
    User.objects.filter(username=STAFF).exists() or User.objects.create_superuser(STAFF)
    if by_month:
        a_year_ago = f"{datetime.now(UTC) - demo.SPAN:%Y-%m}"
        call_command("partition_leads", f"--from={a_year_ago}", "--apply", stdout=sys.stderr)
    written = Lead.objects.count()
    if (missing := (wanted if wanted <= MOST_ORIGINALS else ORIGINALS) - written) > 0:
        command = ["manage.py", "seed_demo", "--leads", str(missing)]
        print(f"Writing {missing:,} leads ...", file=sys.stderr)
        from django.core.management import execute_from_command_line

        execute_from_command_line(command)
    if wanted > MOST_ORIGINALS and written < wanted / 2:
        multiply(wanted)
    if (missing := SET_ASIDE - Lead.objects.set_aside().count()) > 0:
        flood = Lead.objects.contacted().exclude(phone="").order_by("-id").values("pk")[:missing]
        new = {"status": Lead.Status.NEW, "contacted_at": None, "contacted_by": None}
        Lead.objects.filter(pk__in=flood).update(**new, set_aside=Lead.SetAside.MANY_FROM_ADDRESS)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # so that autovacuum does not run during the measurement
    connection.deadline_s = 60.0
    return Lead.objects.count()


def session() -> str:
    """Return the session cookie of a logged-in user."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User

    user = User.objects.get(username=STAFF)
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY], store[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store.save()
    return f"{settings.SESSION_COOKIE_NAME}={store.session_key}"


def pages() -> Iterator[Page]:
    """Yield the pages to measure, for a lead from the middle of the table."""
    from datetime import timedelta

    from django.utils import timezone

    from leads.desk import figures
    from leads.models import Lead
    from quoter import site
    from quoter.engine import folio

    older = Lead.objects.exclude(phone="").filter(created_at__lt=timezone.now() - timedelta(days=180))
    lead = next(each for each in older.order_by("-created_at")[:1000] if folio.find(each.folio))

    def search(text: str) -> str:
        return f"{LIST}?{urlencode({'q': text})}"

    yield Page("list, waiting", LIST)
    for tab in ("contacted", "anonymous", "set_aside", "all"):
        yield Page(f"list, {tab}", f"{LIST}?status={tab}")
    yield Page("list, all, page 20", f"{LIST}?status=all&p=20")
    yield Page("search: folio", search(lead.folio))
    yield Page("search: folio, lower case, no dashes", search(lead.folio.lower().replace("-", "")))
    yield Page("search: last 4 digits of a phone", search(lead.phone[-4:]))
    yield Page("search: last 2 digits of a phone", search(lead.phone[-2:]))
    yield Page("search: 5 digits in the middle of a phone", search(lead.phone[-6:-1]))
    yield Page("search: first digits of all phones", search("+52 000"))
    yield Page("search: digits that no phone has", search("98798"))
    yield Page("search: a whole phone", search(f"{lead.phone[3:6]} {lead.phone[6:]}"))
    # One in 25 of the demo leads is called Hernández, one in 90 Peña, one in 700 Zubía.
    yield Page("search: a common name", search("Hernández"))
    yield Page("search: a common given and family name", search("José García"))
    yield Page("search: a whole name of common words", search("María Guadalupe Hernández García"))
    yield Page("search: two letters", search("ma"))
    yield Page("search: a family name of one in a hundred", search("Peña"))
    yield Page("search: a rare name", search("Zubía"))
    yield Page("search: a name that nobody has", search("Wojciechowska"))
    yield Page("search: a pasted message", f"{LIST}find/", {"text": f"Hola, me interesa la cotización {lead.folio}."})
    yield Page("one lead", f"{LIST}{lead.pk}/change/")
    for period in figures.PERIODS:
        yield Page(f"desk, {period} days", f"/admin/?days={period}")
    for name, query in {
        "a seller who answered nobody": "seller=999999",
        "a total that nobody has": "least=90000000",
        "a source that nobody has": "source=nowhere",
        "a product that nobody asks for": "product=nothing",
        "sold, for more than 20,000": "outcome=won&least=20000",
    }.items():
        yield Page(f"filter: {name}", f"{LIST}?status=all&{query}")
    desk = figures.desk(90, now=timezone.now(), zone=site.zone())
    yield Page("desk's link: answered, 90 days", desk.urls["answered"])
    yield Page("desk's link: sold, 90 days", desk.links.sales)
    yield Page("desk's link: one day", desk.days[10].links.quotes)
    yield Page("desk's link: least product, 90 days", link_of_rarest(desk.products))
    yield Page("desk's link: least source, 90 days", link_of_rarest(desk.sources))


def link_of_rarest(rows: Any) -> str:
    """Return the link of the rarest source or product that has a link."""
    return next(row.links.quotes for row in reversed(rows) if row.links.quotes)


def count_days(site: live.Site, cookie: str) -> tuple[int, float]:
    """Load the desk until every day is counted; return how many pages and seconds that took."""
    started, page_loads = time.monotonic(), 0
    while True:
        page_loads += 1
        text = site.get("/admin/?days=90", Cookie=cookie).text
        if "desk-uncounted" not in text:
            return page_loads, time.monotonic() - started


def measure(site: live.Site, cookie: str, page: Page, rounds: int) -> Figures:
    """Request a page `rounds` times on one connection, after a warm-up, and return its figures."""
    connection = HTTPConnection(urlsplit(site.url).netloc, timeout=PATIENCE_S)
    milliseconds, size = [], 0
    for _ in range(WARM_UPS + rounds):
        started = time.perf_counter()
        size = request_page(connection, cookie, page)
        milliseconds.append(1000 * (time.perf_counter() - started))
    connection.close()
    warm = milliseconds[WARM_UPS:]
    return Figures(median(warm), quantiles(warm, n=20)[-1], queries(page), size)


def request_page(connection: HTTPConnection, cookie: str, page: Page) -> int:
    """Return the size of a page in bytes; AssertionError unless the answer is a page or redirects to one."""
    headers = {**live.THROUGH_THE_PROXY, "Cookie": cookie}
    if page.form is None:
        connection.request("GET", page.path, headers=headers)
    else:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", page.path, urlencode(page.form), headers | kind)
    response = connection.getresponse()
    body = response.read()
    assert response.status in ((200,) if page.form is None else (200, 302)), f"{page.path}: {response.status}"
    assert "/login/" not in (response.headers["Location"] or ""), page.path
    return len(body)


def queries(page: Page) -> int:
    """Return how many queries a request for the page makes, including those for session and user."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client: Any = Client(SERVER_NAME="127.0.0.1", headers={"x-forwarded-proto": "https"})
    client.force_login(User.objects.get(username=STAFF))
    with CaptureQueriesContext(connection) as captured:
        client.get(page.path) if page.form is None else client.post(page.path, page.form)
    return len(captured)


if __name__ == "__main__":
    main()
