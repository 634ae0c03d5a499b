"""Who is away: said on a page, by everybody of themself and by managers of all, and what follows from it."""

import re
from datetime import date, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from leads.inbox.person import arrange, follow_ups
from leads.inbox.person.arrange import Step
from leads.models import Absence, Lead
from leads.staff.roles import ensure_roles
from quoter import site
from tests.leads.inbox.person.test_arrange import asks
from tests.leads.staff.test_team import a_member

pytestmark = pytest.mark.django_db

AWAY = "/admin/away/"


@pytest.fixture(autouse=True)
def roles() -> None:
    ensure_roles()


@pytest.fixture
def ana() -> User:
    return a_member("ana", "Sales", first_name="Ana")


@pytest.fixture
def beto() -> User:
    return a_member("beto", "Sales", first_name="Beto")


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def today() -> date:
    return timezone.now().astimezone(site.zone()).date()


def says(by: User, of: User, *, since: date | str, last: date | str):
    form = {"action": f"save:{of.pk}", f"u{of.pk}-since": str(since), f"u{of.pk}-last": str(last)}
    return browser_of(by).post(AWAY, form, follow=True)


def due(user: User) -> list[str]:
    return [each.key for each in follow_ups.today(user, now=timezone.now(), zone=site.zone())]


def test_a_seller_is_away_for_some_days_and_back_again(ana, beto):
    now = timezone.now()
    lead = asks()
    arrange.plan(lead.pk, Step(now + timedelta(minutes=1), "llamar", ana), by=ana, now=now)
    assert (due(ana), due(beto)) == (["6565550118"], [])
    page = says(ana, ana, since=today() + timedelta(days=1), last=today() + timedelta(days=2)).content.decode()
    assert "Ana estará fuera del" in page
    assert due(beto) == []  # not yet
    says(ana, ana, since=today(), last=today())
    assert due(beto) == ["6565550118"]
    assert Absence.objects.get().last == today()
    answer = browser_of(ana).post(AWAY, {"action": f"back:{ana.pk}"}, follow=True).content.decode()
    assert "Ana está de vuelta." in answer
    assert due(beto) == []
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")][1:] == [
        f"Away from {today()} to {today()}.",
        "Here again.",
    ]


def test_an_absence_that_is_over_counts_no_more(ana, beto):
    Absence.objects.create(user=ana, since=today() - timedelta(days=9), until=today())
    assert not Absence.objects.on(today()).exists()
    assert Absence.objects.on(today() - timedelta(days=1)).exists()
    assert "fuera del" not in browser_of(ana).get(AWAY).content.decode()


def test_only_managers_say_it_of_others(ana, beto):
    assert says(ana, beto, since=today(), last=today()).status_code == 403
    assert "Beto" not in browser_of(ana).get(AWAY).content.decode()
    for role in ("Sales manager", "Owner"):
        boss = a_member(role.replace(" ", ""), role)
        assert says(boss, beto, since=today(), last=today()).status_code == 200
        assert Absence.objects.get().user == beto
        Absence.objects.all().delete()
    assert browser_of(User.objects.create_user("vera", is_staff=True)).get(AWAY).status_code == 403
    for action in ("save:99999", "back:x", "else:1", ""):
        assert browser_of(ana).post(AWAY, {"action": action}).status_code == 404


@pytest.mark.parametrize(
    ("since", "last", "said"),
    [
        ("", "", "Elige un día."),
        ("x", "2026-99-99", "Elige un día."),
        (0, -1, "Elige un día de hoy en adelante"),
        (0, 400, "Elige un día de hoy en adelante"),
        (3, 2, "El último día es anterior al primero."),
    ],
)
def test_a_wrong_day_is_said_at_its_field(ana, since, last, said):
    days = [today() + timedelta(days=each) if isinstance(each, int) else each for each in (since, last)]
    answer = says(ana, ana, since=days[0], last=days[1])
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Absence.objects.exists()


def test_who_is_here_is_offered_first_to_take_a_customer(ana, beto):
    Absence.objects.create(user=ana, since=today(), until=today() + timedelta(days=3))
    page = browser_of(beto).get(f"/admin/leads/lead/{asks().pk}/change/").content.decode()
    options = re.search(r'<select name="to".*?</select>', page, re.DOTALL)[0]
    names = [each.strip() for each in re.findall(r"<option[^>]*>([^<]*)</option>", options)]
    last = (today() + timedelta(days=2)).day
    assert names[1] == "Beto"
    assert re.fullmatch(rf"Ana \(fuera hasta el {last} \w+\)", names[2])


def test_a_card_and_the_page_say_that_the_colleague_is_away_before_the_tap(ana, beto):
    lead, now = asks(), timezone.now()
    Lead.objects.contact(lead.pk, by=ana, now=now)
    asks()  # the same person waits again
    shown = ("/admin/leads/lead/", f"/admin/leads/lead/{lead.pk}/change/", "/admin/leads/lead/?status=contacted")

    def pages() -> list[str]:
        return [" ".join(browser_of(beto).get(path).content.decode().split()) for path in shown]

    assert "Ana le escribe" in pages()[0]
    assert not any("fuera hasta" in page for page in pages())
    Absence.objects.create(user=ana, since=today() + timedelta(days=1), until=today() + timedelta(days=2))
    assert not any("fuera hasta" in page for page in pages())
    Absence.objects.update(since=today())
    for page in pages():
        assert f"Ana, fuera hasta el {(today() + timedelta(days=1)).day} " in page
        assert "Ana le escribe" not in page
        assert "whatsapp taken" not in page
