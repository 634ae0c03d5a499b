"""What tests of sellers' quotes share: members of staff, the fields of the pages, and leads."""

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from leads.delivery.record import lead_record
from leads.models import Lead
from leads.staff.roles import ensure_roles
from quoter.shop.values import _Values
from tests.support.factories import NAME, PHONE, a_contact, a_line, an_issued_quote, as_form, store

LIST = "/admin/leads/lead/"
JOB, OFFER = f"{LIST}quote/", f"{LIST}offer/"
# 6 m³ at 2,569.46 with 900.00 of fibre, and 8 % of tax.
TOTAL, LESS_5 = "17622.10", "16740.99"
REGULAR = "Cliente frecuente"


@pytest.fixture
def roles():
    ensure_roles()


@pytest.fixture
def limits(monkeypatch):
    """Let sellers take off 5 %, and managers 10 %."""
    monkeypatch.setattr(_Values, "SELLER_DISCOUNT", Decimal("0.05"))
    monkeypatch.setattr(_Values, "MANAGER_DISCOUNT", Decimal("0.1"))


def member(role: str = "Sales", name: str = "Ana Ruiz") -> Client:
    first, _space, last = name.partition(" ")
    user = User.objects.create_user(first.lower(), is_staff=True, first_name=first, last_name=last)
    user.groups.set(Group.objects.filter(name=role))
    browser = Client()
    browser.force_login(user)
    browser.user = user
    return browser


def page_of(response) -> str:
    return " ".join(unescape(response.content.decode()).split())


def hidden(response) -> dict[str, str]:
    """Return the hidden fields of a page."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', response.content.decode())
    return {name: unescape(value) for name, value in found}


def offered(browser: Client, **more: str):
    return browser.post(JOB, {**as_form(a_line()), **more})


def sent(browser: Client, **more: str):
    page = offered(browser)
    return browser.post(OFFER, {**hidden(page), "name": NAME, "phone": PHONE, **more})


def chat_of(response) -> str:
    """Return the message of the chat that a page opens."""
    url = unescape(re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', response.content.decode())[1])
    return parse_qs(urlsplit(url).query)["text"][0]


def a_stored_lead(**changes) -> Lead:
    issued = changes.pop("issued", None) or an_issued_quote()
    store(lead_record(issued, a_contact(**changes)))
    return Lead.objects.get(folio=issued.quote.folio)


def expire(lead: Lead) -> None:
    lead.quote_data["valid_until"] = (timezone.now() - timedelta(days=2)).isoformat(timespec="seconds")
    lead.save()
