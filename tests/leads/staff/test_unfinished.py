"""What staff send without a session or with an old page is offered again after the login; nothing of other sites is."""

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.core import signing
from django.test import Client
from django.utils import timezone

from leads.delivery.record import lead_record
from leads.models import Lead, LeadNote
from leads.staff import unfinished
from quoter.shop.models import DraftCell
from tests.support import mark
from tests.support.codes import app_code
from tests.support.factories import NAME, a_contact, an_issued_quote, store

pytestmark = pytest.mark.django_db

LOGIN, LIST = "/admin/login/", "/admin/leads/lead/"
PASSWORD = "correct horse battery staple"
OUR_PAGE = {"Origin": "http://testserver", "Accept": "text/html,*/*"}
NOTE = "Pide factura; entrega viernes 7am <b>"


@pytest.fixture
def lead() -> Lead:
    issued = an_issued_quote()
    store(lead_record(issued, a_contact()))
    return Lead.objects.get(folio=issued.quote.folio)


@pytest.fixture
def ana() -> User:
    return User.objects.create_superuser("ana", password=PASSWORD)


def logged_in() -> Client:
    """Return ana's browser, with the list open. Its forms are checked for CSRF tokens."""
    browser = Client(enforce_csrf_checks=True)
    log_in(browser)
    browser.get(LIST)
    return browser


def log_in(browser: Client, username: str = "ana", next_url: str = "") -> str:
    """Log in by the form; return where it leads to."""
    browser.get(LOGIN)
    form = {"login": username, "password": PASSWORD, "next": next_url, "csrfmiddlewaretoken": token_of(browser)}
    return browser.post(LOGIN, form).url


def token_of(browser: Client) -> str:
    return browser.cookies["csrftoken"].value


def texts_of(lead: Lead) -> list[str]:
    return list(lead.kept_notes.values_list("text", flat=True))


def send(browser: Client, path: str, fields: dict[str, str] | None = None, **headers: str) -> Any:
    form = {"csrfmiddlewaretoken": token_of(browser), **(fields or {})}
    return browser.post(path, form, headers={**OUR_PAGE, **headers})


def end_session() -> None:
    Session.objects.all().delete()


def next_of(answer: Any) -> str:
    assert answer.url.startswith(f"{LOGIN}?next=")
    return answer.url.removeprefix(f"{LOGIN}?next=")


def form_of(page: Any) -> tuple[str, dict[str, str]]:
    """Return the action and the fields of the form that is offered again."""
    text = page.content.decode()
    [form] = re.findall(r'<form class="unfinished".*?</form>', text, re.DOTALL)
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form))
    fields |= dict(re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL))
    [action] = re.findall(r'action="([^"]+)"', form)
    return html.unescape(action), {name: html.unescape(value) for name, value in fields.items()}


# --- After the end of a session ---------------------------------------------------------------------------------------


def test_a_tap_without_a_session_is_done_by_one_button_after_the_login(ana, lead):
    browser = logged_in()
    end_session()
    offer = next_of(send(browser, f"{LIST}{lead.pk}/whatsapp/", {"next": f"{LIST}?p=2"}))
    assert "Tu sesión terminó" in browser.get(f"{LOGIN}?next={offer}").content.decode()
    assert log_in(browser, next_url=offer) == offer

    page = browser.get(offer)
    assert f"Abrir WhatsApp con {NAME}" in page.content.decode()
    path, fields = form_of(page)
    assert (path, fields["next"]) == (f"{LIST}{lead.pk}/whatsapp/", f"{LIST}?p=2")
    lead.refresh_from_db()
    assert lead.status == "new"  # not before the button is tapped

    chat = browser.post(path, fields, headers=OUR_PAGE)
    assert chat.status_code == 200
    assert "https://wa.me/526561234567" in chat.content.decode()
    lead.refresh_from_db()
    assert lead.contacted_by == ana
    assert browser.get(offer).url == LIST  # it is done, and is not offered again


def test_a_note_without_a_session_keeps_its_text_and_is_saved_after_the_login(ana, lead):
    browser = logged_in()
    end_session()
    path = f"{LIST}{lead.pk}/change/?_changelist_filters=status%3Dall"
    offer = next_of(send(browser, path, {"notes": NOTE, "_save": "Guardar"}))
    assert "factura" not in offer
    log_in(browser)
    action, fields = form_of(browser.get(offer))
    assert (action, fields["notes"]) == (path, NOTE)
    browser.post(action, fields, headers=OUR_PAGE)
    assert texts_of(lead) == [NOTE]


def test_a_login_without_the_address_leads_to_what_waits_for_it(ana, lead):
    """As after a refused passkey or too many attempts."""
    browser = logged_in()
    end_session()
    offer = next_of(send(browser, f"{LIST}{lead.pk}/contact/"))
    assert log_in(browser) == offer
    path, fields = form_of(browser.get(offer))
    browser.post(path, fields, headers=OUR_PAGE)
    end_session()
    assert log_in(browser) == "/admin/leads/lead/"


@pytest.mark.django_db(transaction=True)  # a new factor counts after the commit
def test_it_is_offered_after_the_second_factor_too(ana, lead, settings):
    settings.REQUIRE_SECOND_FACTOR = True
    browser = logged_in()
    secret = browser.get("/admin/second-factor/app/").context["form"].secret
    form = {"code": app_code(secret), "csrfmiddlewaretoken": token_of(browser)}
    browser.post("/admin/second-factor/app/", form, follow=True)
    assert browser.get(LIST).status_code == 200
    end_session()
    offer = next_of(send(browser, f"{LIST}{lead.pk}/contact/"))
    code_page = log_in(browser, next_url=offer)
    assert code_page.startswith("/admin/login/second-factor/")
    assert browser.get(offer).url.startswith(LOGIN)
    code = {"code": app_code(secret), "csrfmiddlewaretoken": token_of(browser)}
    assert browser.post(code_page, code).url == offer
    assert form_of(browser.get(offer))[0] == f"{LIST}{lead.pk}/contact/"


def test_a_note_too_long_for_a_cookie_stays_on_the_page_until_the_login_in_another_tab(ana, lead):
    browser = logged_in()
    end_session()
    long = "".join(chr(0x4E00 + number) for number in range(LeadNote.MOST_CHARACTERS))  # compresses badly
    page = send(browser, f"{LIST}{lead.pk}/change/", {"notes": long, "_save": "Guardar"})
    assert page.status_code == 403
    assert form_of(page)[1]["notes"] == long
    log_in(browser)  # in another tab
    path, fields = form_of(page)
    again = browser.post(path, fields, headers=OUR_PAGE)  # with the token of before the login
    path, fields = form_of(again)
    browser.post(path, fields, headers=OUR_PAGE)
    assert texts_of(lead) == [long]


@pytest.mark.parametrize("ended", [True, False])
def test_what_an_owner_has_typed_survives_the_end_of_a_session_and_a_stale_page(ana, ended):
    price, other = "products[concrete].extras[fiber].price", "products[concrete].step"
    typed = {f"cell:{price}": "199.00", f"seen:{price}": "150.00", f"cell:{other}": "0.5", f"seen:{other}": "0.5"}
    typed |= {"cell:title.es": "Concreto de Río", "seen:title.es": "Concreto premezclado", "action": "save"}
    browser = logged_in()
    if ended:
        end_session()
        page = browser.get(log_in(browser, next_url=next_of(send(browser, "/admin/prices/", typed))))
    else:
        page = browser.post("/admin/prices/", typed | {"csrfmiddlewaretoken": "old" * 16}, headers=OUR_PAGE)
    assert "Concreto de Río" in page.content.decode()
    assert DraftCell.objects.count() == 0
    path, fields = form_of(page)
    assert path == "/admin/prices/"
    assert f"cell:{other}" not in fields
    browser.post(path, {**fields, "csrfmiddlewaretoken": token_of(browser)}, headers=OUR_PAGE)
    assert {(cell.path, cell.text) for cell in DraftCell.objects.all()} == {
        (price, "199.00"),
        ("title.es", "Concreto de Río"),
    }


def test_two_tabs_keep_what_each_has_sent_and_all_cookies_stay_small(ana, lead):
    browser = logged_in()
    end_session()
    notes = [f"nota {number} " + "x" * 200 for number in range(40)]
    answers = [send(browser, f"{LIST}{lead.pk}/change/", {"notes": note}) for note in notes]
    kept = [answer for answer in answers if answer.status_code == 302]
    assert len(kept) > 2
    total = sum(len(name) + len(cookie.value) for name, cookie in browser.cookies.items())
    assert total < 6000  # gunicorn takes 8,190
    log_in(browser)
    assert [form_of(browser.get(next_of(answer)))[1]["notes"] for answer in kept] == notes[: len(kept)]
    assert all(form_of(answer)[1]["notes"] in notes for answer in answers if answer.status_code == 403)


def test_another_user_who_logs_in_is_not_offered_it(ana, lead):
    User.objects.create_superuser("beto", password=PASSWORD)
    browser = logged_in()
    end_session()
    offer = next_of(send(browser, f"{LIST}{lead.pk}/change/", {"notes": NOTE}))
    log_in(browser, "beto")
    page = browser.get(offer, follow=True)
    assert page.redirect_chain[-1][0] == LIST
    assert "Otra persona tocó esto" in page.content.decode()
    assert "Pide factura" not in page.content.decode()
    assert texts_of(lead) == []


@pytest.mark.parametrize("damage", ["missing", "forged", "old"])
def test_what_was_not_kept_leads_to_the_list_with_a_sentence(ana, lead, damage, monkeypatch):
    browser = logged_in()
    end_session()
    offer = next_of(send(browser, f"{LIST}{lead.pk}/contact/"))
    [name] = [name for name in browser.cookies if name.startswith(unfinished.COOKIE)]
    if damage == "missing":
        del browser.cookies[name]
    elif damage == "forged":
        browser.cookies[name] = signing.dumps(["/admin/auth/user/add/", [], None], salt="another")
    else:
        monkeypatch.setattr(unfinished, "COOKIE_LIFE", timezone.timedelta(0))
    log_in(browser)
    page = browser.get(offer, follow=True)
    assert page.redirect_chain[-1][0] == LIST
    assert "tócalo de nuevo" in page.content.decode()


def test_the_name_of_a_customer_is_only_shown_to_those_who_may_see_leads(ana, lead):
    carla = User.objects.create_user("carla", password=PASSWORD, is_staff=True)
    browser = Client(enforce_csrf_checks=True)
    log_in(browser, "carla")
    browser.get("/admin/")
    end_session()
    offer = next_of(send(browser, f"{LIST}{lead.pk}/contact/"))
    log_in(browser, "carla")
    assert NAME not in browser.get(offer).content.decode()
    carla.user_permissions.add(Permission.objects.get(codename="view_lead"))
    assert NAME in browser.get(offer).content.decode()


# --- What is not kept -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "", "Referer": "https://evil.example/http://testserver/"},
        {"Origin": ""},
        {"Accept": "*/*"},
    ],
)
@pytest.mark.parametrize("has_session", mark.by_hand_but(1, [False, True]))
def test_nothing_of_another_site_or_of_a_script_is_kept(ana, lead, headers, has_session):
    browser = logged_in()
    if not has_session:
        end_session()
    answer = send(browser, f"{LIST}{lead.pk}/change/", {"notes": NOTE, "csrfmiddlewaretoken": "x" * 32}, **headers)
    assert not [name for name in browser.cookies if name.startswith(unfinished.COOKIE)]
    assert "Pide factura" not in answer.content.decode()
    assert texts_of(lead) == []


@pytest.mark.parametrize("path", ["/admin/auth/user/add/", LOGIN, "/admin/password_change/", "/admin/nowhere/"])
@pytest.mark.parametrize("token", mark.by_hand_but(1, ["x" * 32, ""]))
def test_a_form_that_may_hold_a_password_is_never_kept(ana, path, token):
    browser = logged_in()
    end_session()
    secret = "a very secret password"
    form = {"username": "eva", "password1": secret, "login": "ana", "password": secret}
    answer = send(browser, path, form | ({"csrfmiddlewaretoken": token} if token else {}))
    assert not [name for name in browser.cookies if name.startswith(unfinished.COOKIE)]
    assert secret not in answer.content.decode()


# --- A page older than the login --------------------------------------------------------------------------------------


@pytest.fixture
def stale(ana: User) -> Callable[..., Any]:
    """A function that sends a form of a page that is older than ana's login in another tab."""
    browser = logged_in()
    old = token_of(browser)
    end_session()
    log_in(browser)
    assert token_of(browser) != old

    def send_stale(path: str, fields: dict[str, str], **headers: str) -> Any:
        answer = send(browser, path, {"csrfmiddlewaretoken": old, **fields}, **headers)
        answer.browser = browser
        return answer

    return send_stale


def test_a_form_with_an_old_token_is_offered_again_with_a_new_one(stale, lead):
    page = stale(f"{LIST}{lead.pk}/change/", {"notes": NOTE, "_save": "Guardar"})
    assert page.status_code == 403
    text = page.content.decode()
    assert "era de antes de tu última entrada" in text
    assert "CSRF" not in text
    path, fields = form_of(page)
    page.browser.post(path, fields, headers=OUR_PAGE)
    assert texts_of(lead) == [NOTE]


def test_another_form_with_an_old_token_is_explained(stale):
    page = stale("/admin/auth/user/add/", {"username": "eva", "password1": PASSWORD})
    assert page.status_code == 403
    text = page.content.decode()
    assert PASSWORD not in text
    assert LIST in text
    assert "CSRF" not in text


def test_a_login_form_with_an_old_token_is_refused_with_a_way_on(stale):
    answer = stale(LOGIN, {"login": "ana", "password": PASSWORD})
    assert answer.status_code == 403
    assert LIST in answer.content.decode()
    assert PASSWORD not in answer.content.decode()


def test_without_session_and_token_a_tap_waits_for_the_login(ana, lead):
    browser = logged_in()
    end_session()
    offer = next_of(send(browser, f"{LIST}{lead.pk}/contact/", {"csrfmiddlewaretoken": "x" * 32}))
    assert log_in(browser, next_url=offer) == offer
    assert form_of(browser.get(offer))[0] == f"{LIST}{lead.pk}/contact/"


def test_a_browser_without_cookies_is_told_so_at_the_login(client):
    browser = Client(enforce_csrf_checks=True)
    answer = browser.post(LOGIN, {"login": "ana", "password": "x"}, headers=OUR_PAGE)
    assert answer.status_code == 403
    assert "cookies" in answer.content.decode()


def test_a_customer_s_page_keeps_django_s_answer(settings):
    browser = Client(enforce_csrf_checks=True)
    assert browser.post("/nothing/there/").status_code == 404
