"""Published prices on running sites: in every process within seconds, without Postgres, and at a start without it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import faults, live
from tests.support.customers import a_quote
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site
from tests.support.processes import ROOT

pytestmark = pytest.mark.long

BOOK = (ROOT / "quoter" / "books" / "concrete.toml").read_text()
LOWEST = "2170.36"
# Both workers have answered, with a chance of one in five hundred that they have not.
ANSWERS = 10


@pytest.fixture(scope="module")
def sites(postgres: Postgres) -> Iterator[list[Site]]:
    """Two machines with two processes each."""
    with live.site(postgres.url) as one, live.site(postgres.url) as other:
        for site in (one, other):
            eventually(lambda site=site: live.is_up(site), or_show=lambda site=site: site.log)
        yield [one, other]


def versions(site: Site) -> set[str]:
    """Return the versions of the prices that the site's processes give."""
    return {a_quote(site)["quote"]["price_book"]["version"] for _ in range(ANSWERS)}


def lowest_prices(site: Site) -> set[str]:
    """Return the prices at the top of the calculators that the site's processes show."""
    pages = [site.get("/?lang=en").text for _ in range(ANSWERS)]
    return {re.search(r"from <strong>(.+?)</strong>", page)[1] for page in pages}


def publish(site: Site, folder: Path, version: str, *arguments: str, lowest: str = LOWEST) -> str:
    book = folder / f"{version}.toml"
    book.write_text(re.sub(r'(?m)^version = ".*"', f'version = "{version}"', BOOK, count=1).replace(LOWEST, lowest))
    return site.manage("pricebook", "publish", str(book), *arguments)


def test_prices_are_served_in_every_process_and_go_on_without_postgres(sites, postgres, tmp_path):
    first = versions(sites[0])
    processes = [site.workers() for site in sites]
    assert lowest_prices(sites[0]) == lowest_prices(sites[1]) == {"$2,170.36/m³"}
    publish(sites[0], tmp_path, "spring", lowest="2070.36")
    for site in sites:
        eventually(lambda site=site: versions(site) == {"spring"}, or_show=lambda site=site: site.log)
        assert lowest_prices(site) == {"$2,070.36/m³"}
    assert [site.workers() for site in sites] == processes

    for outage in (faults.frozen, faults.stopped):
        with outage(postgres, None):
            assert versions(sites[0]) == {"spring"}
            sites[1].stop()
            sites[1].start()
            assert versions(sites[1]) == {"spring"}  # a start without Postgres

    sites[1].manage("pricebook", "back")
    for site in sites:
        eventually(lambda site=site: versions(site) == first, or_show=lambda site=site: site.log)


@pytest.mark.by_hand
def test_a_damaged_version_is_told_by_health_and_doctor(sites, postgres, tmp_path):
    publish(sites[0], tmp_path, "summer")
    publish(sites[0], tmp_path, "autumn")
    site = sites[0]
    eventually(lambda: versions(site) == {"autumn"}, or_show=lambda: site.log)
    postgres.stop()
    try:
        for name in ("OUTBOX_DIR", "OUTBOX_SPARE_DIR"):
            path = Path(site.environment[name]) / "published" / "prices"
            path.write_bytes(path.read_bytes().replace(b"autumn", b"winter"))
        eventually(lambda: versions(site) == {"summer"}, or_show=lambda: site.log)
        assert site.get("/healthz").json["status"] == "degraded"
        assert "is damaged" in site.log
    finally:
        postgres.start()
    eventually(lambda: versions(site) == {"autumn"}, or_show=lambda: site.log)
