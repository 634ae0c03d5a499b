"""The settings in production: the system checks, and the headers and cookies of a running site."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest
from django.test import Client

from tests.support import live
from tests.support.eventually import eventually
from tests.support.factories import a_line, as_form
from tests.support.live import Answer, Site
from tests.support.processes import run

KEY = "this key signs for the tests of the settings, and it is long enough"
PASSWORD = "S3cret-W0rd"
SERVICE_KEY = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"
HOST = "127.0.0.1"


def manage(*arguments: str, database_url: str) -> subprocess.CompletedProcess[str]:
    return run("-W", "error", "manage.py", *arguments, environment=live.environment(database_url, SECRET_KEY=KEY))


# --- System checks --------------------------------------------------------------------------------------------------


def test_the_deployment_checks_find_nothing():
    checked = manage("check", "--deploy", "--fail-level=WARNING", database_url=os.environ["DATABASE_URL"])
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.strip() == "System check identified no issues (2 silenced)."


@pytest.mark.by_hand
def test_a_bad_database_url_is_a_warning_outside_of_a_deployment_check():
    checked = manage("check", database_url="garbage")
    assert checked.returncode == 0
    assert "?: (leads.W001) DATABASE_URL does not begin with postgresql://." in checked.stderr


def test_a_bad_database_url_is_an_error_in_a_deployment_check():
    checked = manage("check", "--deploy", database_url="garbage")
    assert checked.returncode == 1
    assert "?: (leads.E001) DATABASE_URL does not begin with postgresql://." in checked.stderr


@pytest.mark.by_hand
def test_an_unknown_database_parameter_is_a_warning():
    checked = manage("check", database_url="postgresql://shop@127.0.0.1:1/shop?schema=shop")
    assert checked.returncode == 0
    assert "?: (leads.W002) DATABASE_URL: the parameter 'schema' is unknown to Postgres" in checked.stderr


def test_no_migration_is_missing():
    made = manage("makemigrations", "--check", "--dry-run", database_url=os.environ["DATABASE_URL"])
    assert (made.returncode, made.stdout) == (0, "No changes detected\n"), made.stderr


# --- What the site sends ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site in production, with every secret set and without a database."""
    url = f"postgresql://shop:{PASSWORD}@127.0.0.1:1/shop"
    with live.site(url, SECRET_KEY=KEY, SUPABASE_SERVICE_ROLE_KEY=SERVICE_KEY) as running:
        yield running


@pytest.fixture(scope="module")
def customer_pages(site: Site) -> dict[str, Answer]:
    """Every kind of response that a customer can get, by its name."""
    quoted = site.post("/quote/", as_form(a_line()))
    quote = site.get(quoted.location)
    token = quoted.location.split("/")[2]
    (folio,) = set(re.findall(r'data-folio="([^"]+)"', quote.text))
    return {
        "calculator": site.get("/"),
        "calculator, refused": site.post("/quote/", as_form(a_line(measure={"kind": "volume", "m3": "0"}))),
        "summary": site.post("/summary/", as_form(a_line())),
        "quoted": quoted,
        "quote": quote,
        "quote without the database": site.get(f"/q/{folio}/"),
        "checkout, refused": site.post("/checkout/", {"token": token, "name": "", "phone": "123"}),
        "checkout": site.post("/checkout/", {"token": token, "name": "Zoila Vaca", "phone": "656 765 4321"}),
        "json": site.post_json("/quote/", {"lines": [a_line()]}),
        "json, refused": site.post_json("/checkout/", {"token": token}),
        "broken link": site.get("/q/broken/"),
        "nothing there": site.get("/nothing/there/"),
        "health": site.get("/healthz"),
    }


def test_customer_pages_have_their_expected_status(customer_pages):
    assert {name: answer.status for name, answer in customer_pages.items()} == {
        "calculator": 200,
        "calculator, refused": 422,
        "summary": 200,
        "quoted": 303,
        "quote": 200,
        "quote without the database": 503,
        "checkout, refused": 422,
        "checkout": 303,
        "json": 201,
        "json, refused": 422,
        "broken link": 404,
        "nothing there": 404,
        "health": 200,
    }


def test_every_response_has_a_strict_content_policy(customer_pages, site):
    for name, answer in {**customer_pages, "login": site.get("/admin/login/")}.items():
        directives = dict(part.split(maxsplit=1) for part in answer.headers["Content-Security-Policy"].split("; "))
        assert directives == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self'",
            "font-src": "'self'",
            "connect-src": "'self'",
            "manifest-src": "'self'",
            # The checkout redirects to wa.me, which in some browsers redirects to the other two.
            "form-action": "'self' https://wa.me https://api.whatsapp.com https://web.whatsapp.com",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }, name


def test_every_response_has_the_other_security_headers(customer_pages, site):
    expected = {
        "Strict-Transport-Security": "max-age=31536000",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    for name, answer in {**customer_pages, "login": site.get("/admin/login/")}.items():
        assert {header: answer.headers[header] for header in expected} == expected, name


@pytest.mark.parametrize("path", ["/", "/q/broken/", "/admin/", "/healthz/"])
def test_plain_http_is_redirected_to_https(site, path):
    answer = site.get(path, Host=HOST, **{"X-Forwarded-Proto": "http"})
    assert (answer.status, answer.location) == (301, f"https://{HOST}{path}")


def test_healthz_works_over_plain_http(site):
    answer = site.get("/healthz", **{"X-Forwarded-Proto": "http"})
    assert (answer.status, answer.json["database"]) == (200, "down")


def test_an_unknown_host_is_refused(site):
    assert site.get("/", Host="shop.example.com").status == 400


def test_customers_get_no_cookie_but_the_visitor_s(customer_pages):
    cookies = {name: answer.headers.get_all("Set-Cookie", []) for name, answer in customer_pages.items()}
    (visitor,) = cookies.pop("quoted")
    assert re.fullmatch(
        r"visitor=[\w-]{22}; expires=[^;]+; HttpOnly; Max-Age=31536000; Path=/; SameSite=Lax; Secure", visitor
    )
    assert {name: set_ for name, set_ in cookies.items() if set_} == {}


def test_pages_for_customers_do_not_depend_on_who_is_logged_in(customer_pages):
    varying = {name: answer.headers["Vary"] or "" for name, answer in customer_pages.items()}
    assert {name: vary for name, vary in varying.items() if "cookie" in vary.lower()} == {}


def test_no_page_and_no_log_has_a_secret(customer_pages, site):
    texts = {name: f"{answer.headers}{answer.text}" for name, answer in customer_pages.items()} | {"log": site.log}
    for name, text in texts.items():
        assert [secret for secret in (KEY, PASSWORD, SERVICE_KEY) if secret in text] == [], name


# --- Staff pages have sessions and CSRF protection, customers need neither --------------------------------------------

CREDENTIALS = {"username": "nobody", "password": "nothing"}


def test_a_login_without_the_csrf_token_is_refused():
    with live.postgres() as postgres, live.site(postgres.url) as site:
        assert eventually(lambda: site.get("/admin/login/", Host=HOST).status == 200)
        form = site.get("/admin/login/", Host=HOST)
        (cookie,) = form.headers.get_all("Set-Cookie")
        assert re.fullmatch(r"csrftoken=\w+; expires=[^;]+; Max-Age=\d+; Path=/; SameSite=Lax; Secure", cookie)

        same_site = {"Host": HOST, "Referer": f"https://{HOST}/admin/login/", "Cookie": cookie.partition(";")[0]}
        assert site.post("/admin/login/", CREDENTIALS, **same_site).status == 403


@pytest.mark.django_db
def test_a_login_with_the_csrf_token_is_processed():
    client = Client(enforce_csrf_checks=True)
    token = client.get("/admin/login/").context["csrf_token"]

    assert client.post("/admin/login/", CREDENTIALS).status_code == 403
    response = client.post("/admin/login/", {**CREDENTIALS, "csrfmiddlewaretoken": str(token)})
    assert response.status_code == 200
    assert response.context["form"].errors


@pytest.mark.django_db
def test_every_staff_page_needs_the_csrf_token():
    # A view that only redirects strangers to the login, unlike the admin's own views, which check the token themselves.
    assert Client().post("/admin/second-factor/codes/new/").status_code == 302
    assert Client(enforce_csrf_checks=True).post("/admin/second-factor/codes/new/").status_code == 403


@pytest.mark.parametrize("path", ["/", "/quote/", "/summary/", "/checkout/", "/late/", "/q/broken/", "/privacy/"])
def test_customers_need_no_csrf_token(path):
    response = Client(enforce_csrf_checks=True).post(path, {"name": "Zoila"})
    assert response.status_code in (200, 303, 404, 422)


@pytest.mark.django_db(transaction=True)
def test_customer_pages_read_no_session_even_of_staff(admin_client, django_assert_num_queries):
    assert admin_client.get("/admin/").status_code == 200
    with django_assert_num_queries(0):
        calculator = admin_client.get("/")
        quoted = admin_client.post("/quote/", as_form(a_line()))
        quote = admin_client.get(quoted.url)
        person = {"token": quoted.url.split("/")[2], "name": "Zoila Vaca", "phone": "656 765 4321"}
        answers = [
            *(calculator, quoted, quote, admin_client.post("/checkout/", person)),
            *(admin_client.get(path) for path in ("/privacy/", "/offline/", "/nothing/there/")),
        ]
    for answer in answers:
        session = getattr(answer.wsgi_request, "session", None)
        assert session is None or not session.accessed, answer.request["PATH_INFO"]
        assert "cookie" not in answer.get("Vary", "").lower(), answer.request["PATH_INFO"]
        assert answer.cookies.keys() <= {"visitor"}, answer.request["PATH_INFO"]


@pytest.mark.django_db
def test_only_the_two_forms_of_customers_pass_by_the_middleware_of_staff():
    paths = ["/", "/quote/", "/summary/", "/checkout/", "/late/", "/q/broken/", "/admin/login/"]
    passing = [path for path in paths if not hasattr(Client().post(path).wsgi_request, "session")]
    assert passing == ["/quote/", "/checkout/"]
