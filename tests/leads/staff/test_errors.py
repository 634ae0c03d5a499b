"""The error pages of staff: in their style and language, and with a way back. Customers keep theirs."""

from io import BytesIO

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import path

from leads.delivery.record import lead_record
from leads.models import Lead
from leads.staff.roles import ensure_roles
from settings.urls import urlpatterns as site_urls
from tests.support.factories import a_contact, an_issued_quote, store

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"


def breaks(request):
    raise RuntimeError("for the test")


urlpatterns = [path("admin/breaks/", breaks), path("breaks/", breaks), *site_urls]
handler400 = "checkout.fallbacks.bad_request"
handler403 = "checkout.fallbacks.permission_denied"
handler404 = "checkout.fallbacks.not_found"
handler500 = "checkout.fallbacks.server_error"


@pytest.fixture(autouse=True)
def urls_with_a_broken_page(settings) -> None:
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def browser(admin_client: Client) -> Client:
    admin_client.raise_request_exception = False
    return admin_client


def assert_ours(answer, status: int, sentence: str) -> None:
    text = answer.content.decode()
    assert answer.status_code == status
    assert sentence in text
    assert f'href="{LIST}"' in text
    assert "wa.me" not in text  # not the customers' page


@pytest.mark.parametrize(
    ("method", "address", "status", "sentence"),
    [
        ("get", f"{LIST}?contacted_by__password=x", 400, "está dañado"),
        ("get", "/admin/nowhere/", 404, "Esta página no existe"),
        ("post", "/admin/nowhere/", 404, "Esta página no existe"),
        ("post", f"{LIST}999999/contact/", 404, "Esta página no existe"),
        ("post", f"{LIST}live/", 405, "no se puede abrir así"),
        ("put", f"{LIST}1/contact/", 405, "no se puede abrir así"),
        ("delete", "/admin/unfinished/abc/", 405, "no se puede abrir así"),
        ("get", "/admin/breaks/", 500, "La falla es nuestra"),
    ],
)
def test_each_error_of_staff_has_a_page_with_a_way_back(browser, method, address, status, sentence):
    assert_ours(getattr(browser, method)(address), status, sentence)


@pytest.mark.parametrize("group", [None, "Sales"])
def test_a_refused_page_names_the_missing_permission(browser, group):
    ensure_roles()
    user = User.objects.create_user("luis", is_staff=True)
    if group:
        user.groups.add(Group.objects.get(name=group))
    browser.force_login(user)
    if group is None:
        refused = browser.get(LIST)
        assert refused.status_code == 403
        assert "Clientes: ver" in refused.content.decode()
        assert f'href="{LIST}"' not in refused.content.decode()  # it would lead to the same page
        assert_ours(browser.post(f"{LIST}1/contact/"), 403, "Clientes: marcar como contactado")
    assert_ours(browser.post(f"{LIST}export/"), 403, "Clientes: exportar")
    assert_ours(browser.get("/admin/auth/user/"), 403, "Usuarios: ver")
    assert_ours(browser.get("/admin/auth/user/add/"), 403, "Usuarios: agregar")


def test_the_address_of_a_button_leads_to_its_lead_or_the_list_with_a_sentence(browser):
    issued = an_issued_quote()
    store(lead_record(issued, a_contact()))
    lead = Lead.objects.get(folio=issued.quote.folio)
    for button in ("whatsapp", "contact", "revert"):
        page = browser.get(f"{LIST}{lead.pk}/{button}/", follow=True)
        assert page.redirect_chain[-1][0] == f"{LIST}{lead.pk}/change/"
        assert "No se cambió nada" in page.content.decode()
    for address in (
        f"{LIST}999999/contact/",
        f"{LIST}99999999999999999999/contact/",
        f"{LIST}x/contact/",
        f"{LIST}export/",
    ):
        page = browser.get(address, follow=True)
        assert page.redirect_chain[-1][0] == LIST
        assert "No se cambió nada" in page.content.decode()
    lead.refresh_from_db()
    assert lead.status == "new"


def test_customers_keep_their_pages(browser):
    assert "wa.me" in browser.get("/nowhere/").content.decode()
    assert "wa.me" in browser.get("/breaks/").content.decode()
    assert b"Bad Request" in Client().get("/", headers={"Host": "not ours"}).content


def test_a_form_with_more_than_a_whatsapp_message_is_refused_with_what_to_do(browser):
    for address in (f"{LIST}find/", f"{LIST}restore/", "/admin/login/"):
        for size in (70_001, 2_000_000):
            answer = browser.post(address, {"text": '"' * size}, headers={"accept-language": "es"})
            assert answer.status_code == 400
            assert "cabe un mensaje completo de WhatsApp" in answer.content.decode()
            assert len(answer.content) < 20_000


def test_a_whole_whatsapp_message_is_read(browser):
    answer = browser.post(f"{LIST}restore/", {"text": "😀" * 65_536})
    assert answer.status_code == 200
    assert answer.content.decode().count("😀") == 65_536
    quotes = browser.post(f"{LIST}restore/", {"text": '"' * 65_536})
    assert len(quotes.content) < 500_000


def test_staff_s_forms_take_no_file(browser):
    assert browser.post(f"{LIST}restore/", {"text": "a", "file": BytesIO(b"a")}).status_code == 400
