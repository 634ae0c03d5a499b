"""The day of three sellers and a manager: a hundred leads, repeats, races, an outage, a login, follow-ups and sales.

At its end nobody was written to by two sellers unwarned, nobody was forgotten, and every amount is the desk's.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.leads.in_browser.conftest import CHAT, CHAT_PAGE, LIST
from tests.leads.in_browser.test_expired import PASSWORD, WITHOUT_SECOND_FACTOR
from tests.support import faults, live
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.customers import an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.by_hand, pytest.mark.long]

PEOPLE, REPEATS, AT_NOON = 78, 12, 10
STAFF = {
    "ana": ("Ana Ruiz", "Sales"),
    "beto": ("Beto Sol", "Sales"),
    "carla": ("Carla Paz", "Sales"),
    "marta": ("Marta Luna", "Sales manager"),
}
SET_UP = f"""
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from quoter.shop import details, publishing, served
call_command("ensure_roles", verbosity=0)
for name, (called, role) in {STAFF!r}.items():
    first, last = called.split()
    user = User.objects.create_user(name, password={PASSWORD!r}, first_name=first, last_name=last, is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
publishing.publish(served.DETAILS, details.document({{"SELLER_DISCOUNT": "5"}}), by="marta")
"""
EXPECTED = ["status of 409", "status of 503", "status of 403", "status of 422", "ERR_"]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A Postgres of this file's own, because it is stopped."""
    with live.postgres() as server:
        yield server


@pytest.fixture(scope="module")
def site(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    outbox: Path = tmp_path_factory.mktemp("outbox")
    variables = {"TRUSTED_PROXIES": "1", "OUTBOX_DIR": str(outbox)}
    with live.site(postgres.url, **WITHOUT_SECOND_FACTOR, **variables) as running:
        running.manage("shell", "--verbosity=0", "--command", SET_UP)
        yield running


class Seller:
    """One of the staff with a browser. chats: who opened a chat to each phone; taps: how many since `counted`."""

    def __init__(self, name: str, context: BrowserContext, chats: dict[str, set[str]]) -> None:
        self.name, self.page, self.chats, self.taps = name, context.new_page(), chats, 0
        context.set_default_timeout(60_000)  # a day of four on a busy machine
        context.route(f"{CHAT}**", self._chat)
        self.page.goto(LIST)
        self.log_in(self.page)
        self.page.wait_for_url(f"**{LIST}")

    def _chat(self, route) -> None:
        self.chats[urlsplit(route.request.url).path.strip("/")].add(self.name)
        route.fulfill(body=CHAT_PAGE, content_type="text/html")

    def log_in(self, page: Page) -> None:
        page.fill("#id_login", self.name)
        page.fill("#id_password", PASSWORD)
        page.click("form:not([data-passkey]) [type=submit]")

    def tap(self, target: Locator) -> None:
        target.click()
        self.taps += 1

    def counted(self) -> int:
        taps, self.taps = self.taps, 0
        return taps

    def opened(self, path: str = LIST) -> Locator:
        """Open a list; return its cards."""
        self.page.goto(path)
        return self.page.locator("[data-lead]")

    def write_to(self, card: Locator) -> Page:
        """Tap on WhatsApp; return what opens."""
        with self.page.expect_popup() as popup:
            self.tap(card.locator("button.whatsapp"))
        return popup.value

    def chat_with(self, card: Locator) -> None:
        chat = self.write_to(card)
        chat.wait_for_url(f"{CHAT}**")
        chat.close()

    def more(self, card: Locator, name: str | re.Pattern) -> None:
        self.tap(card.get_by_role("link", name="Más"))
        self.tap(card.get_by_role("button", name=name).first)
        expect(card.get_by_role("button", name="Deshacer").first).to_be_visible()


@pytest.fixture
def staff(new_context: Callable[..., BrowserContext]) -> dict[str, Seller]:
    widths = dict(zip(STAFF, (PHONE_WIDTH, DESKTOP_WIDTH, PHONE_WIDTH, DESKTOP_WIDTH), strict=True))
    chats: dict[str, set[str]] = defaultdict(set)
    return {name: Seller(name, new_context(width=widths[name], expected=EXPECTED), chats) for name in STAFF}


def phone(number: int) -> str:
    return f"656 55 {number:05}"


def asks(site: Site, number: int) -> None:
    check_out_with(site, an_unhurried_quote(), name=f"Cliente {number}", phone=phone(number))


def waiting(postgres: Postgres) -> int:
    found = postgres.query("SELECT count(*) FROM leads WHERE status = 'new' AND phone > '' AND set_aside = ''")
    return int(found[0]["count"])


def answer_everybody(sellers: list[Seller], postgres: Postgres) -> None:
    """Each takes another card of the list, again and again, until nobody waits."""
    while waiting(postgres):
        for place, seller in enumerate(sellers):
            cards = seller.opened()
            if count := cards.count():
                seller.chat_with(cards.nth(min(place, count - 1)))


def cents(text: str) -> int:
    return int(Decimal(re.sub(r"[^\d.]", "", text)) * 100)


def test_nobody_is_written_to_twice_or_forgotten_and_every_amount_adds_up(site, postgres, staff):
    ana, beto, carla, marta = staff.values()
    sellers = [ana, beto, carla]

    # The morning: people ask, some of them twice, and two sellers tap on the same one.
    for number in range(PEOPLE):
        asks(site, number)
    for number in range(REPEATS):
        asks(site, number * 3)
    assert eventually(lambda: waiting(postgres) == PEOPLE + REPEATS)
    ana_card, beto_card = ana.opened().first, beto.opened().first
    assert ana_card.get_attribute("data-lead") == beto_card.get_attribute("data-lead")
    beto.page.route("**/states/**", lambda route: route.abort())  # he has not seen yet that she was first
    beto.page.route("**/live/**", lambda route: route.abort())
    ana.counted()
    ana.chat_with(ana_card)
    assert ana.counted() == 1
    warned = beto.write_to(beto_card)
    expect(warned.get_by_role("alert")).to_contain_text("Ana Ruiz")
    warned.close()
    beto.page.unroute("**/states/**")
    beto.page.unroute("**/live/**")
    answer_everybody(sellers, postgres)

    # Noon: Postgres is gone, customers ask all the same, and a tap is kept until it is back.
    before = carla.opened(f"{LIST}?status=contacted").first
    with faults.stopped(postgres, None):
        for number in range(PEOPLE, PEOPLE + AT_NOON):
            asks(site, number)
        again = carla.write_to(before)
        expect(again.get_by_role("heading", level=1)).to_contain_text("La base de datos no responde")
        again.close()
    assert eventually(lambda: waiting(postgres) == AT_NOON)

    # The session of one has ended: the tap goes on after the login.
    card = beto.opened().first
    expect(card).to_be_visible()
    postgres.query("DELETE FROM django_session")
    login = beto.write_to(card)
    beto.log_in(login)
    login.get_by_role("button", name="Abrir WhatsApp con").click()
    login.wait_for_url(f"{CHAT}**")
    login.close()
    for seller in (ana, carla, marta):
        seller.page.goto(LIST)
        seller.log_in(seller.page)
        seller.page.wait_for_url(f"**{LIST}**")
    answer_everybody(sellers, postgres)

    # The afternoon: next steps, sales and losses, each in two taps from the card.
    sold = Decimal(0)
    for seller in sellers:
        cards = seller.opened(f"{LIST}?status=mine")
        assert cards.count() > 9
        for place, name in (
            (0, re.compile("mañana|lunes")),
            (1, "Vendido en"),
            (2, "Vendido en"),
            (3, "Perdido: Precio"),
        ):
            seller.counted()
            card = cards.nth(place)
            total = Decimal(card.get_attribute("data-total"))
            seller.more(card, name)
            assert seller.counted() == 2
            sold += total if name == "Vendido en" else 0

    # Somebody calls: a quote with a discount in money.
    assert eventually(lambda: 'name="amount"' in _offer(carla), or_show=lambda: "no discount yet")
    carla.counted()
    page = carla.page
    page.goto(LIST)
    carla.tap(page.get_by_role("link", name="Cotizar", exact=True))
    carla.tap(page.locator("button.tile").first)
    carla.tap(page.locator("label", has_text="tiro directo"))
    for label, text in (("Largo", "5"), ("Ancho", "5")):
        carla.tap(page.get_by_role("textbox", name=label, exact=True))
        page.keyboard.type(text)
    carla.tap(page.get_by_role("button", name="Ver mi cotización").last)
    carla.tap(page.get_by_role("textbox", name="Nombre", exact=True))
    page.keyboard.type("Quien Llama")
    page.keyboard.press("Tab")
    page.keyboard.type("656 777 0001")
    carla.tap(page.locator("details.fold-out summary", has_text="Descuento"))
    carla.tap(page.get_by_label("O un monto, antes de IVA"))
    page.keyboard.type("100")
    page.locator("#reason").select_option(index=1)
    carla.taps += 1
    carla.tap(page.get_by_role("button", name="Enviar por WhatsApp"))
    page.wait_for_url(f"{CHAT}526567770001**")
    assert carla.counted() <= 12
    [called] = postgres.query("SELECT quote_data FROM leads WHERE name = 'Quien Llama'")
    assert called["quote_data"]["discounts"][-1]["amount"] == "-100.00"
    assert called["quote_data"]["seller"] == "Carla Paz"

    # The evening.
    assert [who for who in marta.chats.values() if len(who) > 1] == []
    people = {f"52{re.sub(' ', '', phone(number))}" for number in range(PEOPLE + AT_NOON)}
    assert marta.chats.keys() == people | {"526567770001"}
    assert waiting(postgres) == 0
    forgotten = postgres.query(
        "SELECT phone FROM leads WHERE phone > '' AND NOT EXISTS (SELECT FROM lead_follow_ups AS person"
        " WHERE person.key = right(phone, 10) AND seller_id IS NOT NULL)"
    )
    assert forgotten == []
    marta.page.goto("/admin/?days=7")
    eventually(lambda: "desk-uncounted" not in marta.page.content() or marta.page.reload())
    [all_sold] = postgres.query("SELECT sum(amount) AS sold FROM lead_outcomes WHERE kind = 'won'")
    assert all_sold["sold"] == sold
    shown = [each.inner_text() for each in marta.page.locator(".desk-figures").first.locator("strong").all()]
    newest = "SELECT DISTINCT ON (phone) (quote_data->>'total')::numeric AS total FROM leads WHERE phone > ''"
    [told] = postgres.query(f"SELECT sum(total) AS quoted FROM ({newest} ORDER BY phone, submitted_at DESC) AS each")
    assert [cents(text) // 100 for text in shown[:2]] == [round(sold), round(told["quoted"])]
    by_seller = marta.page.locator("table", has=marta.page.locator("caption", has_text="vendedor")).locator("tbody tr")
    rows = [row.inner_text() for row in by_seller.all()]
    answered = postgres.query(
        "SELECT first_name || ' ' || last_name AS name, round(sum(amount)) AS sold FROM lead_outcomes"
        " JOIN leads ON leads.id = lead_id JOIN auth_user ON auth_user.id = contacted_by WHERE kind = 'won' GROUP BY 1"
    )
    assert len(answered) == len(rows) == len(sellers)
    for seller in answered:
        [row] = [row for row in rows if seller["name"] in row]
        assert f"${seller['sold']:,}" in row


def _offer(seller: Seller) -> str:
    page = seller.page
    page.goto("/admin/leads/lead/quote/")
    page.locator("button.tile").first.click()
    page.locator("label", has_text="tiro directo").click()
    for label in ("Largo", "Ancho"):
        page.get_by_role("textbox", name=label, exact=True).fill("5")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Nombre", exact=True)).to_be_visible()
    return page.content()
