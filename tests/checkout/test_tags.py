"""Google Analytics and Meta tags: none unless the shop has set them up, and none before the visitor agrees."""

from urllib.parse import unquote_plus

import pytest
from playwright.sync_api import Route, expect

from quoter import token
from tests.support import live
from tests.support.browser import chromium, silent_context
from tests.support.customers import a_quote
from tests.support.factories import an_issued_quote
from tests.support.looks import axe_finds_nothing
from tests.support.memory import kept_in_memory

GA4, PIXEL = "G-TEST123456", "123456789012345"
GOOGLE, META = "https://www.googletagmanager.com", "https://www.facebook.com"
QUESTION, LOADER = "data-tags-question", "data-tags data-ga4"


def policy_of(answer) -> dict[str, list[str]]:
    directives = (part.split() for part in answer["Content-Security-Policy"].split(";"))
    return {name: origins for name, *origins in directives}


@pytest.fixture
def tags(settings):
    settings.GA4_MEASUREMENT_ID, settings.META_PIXEL_ID = GA4, PIXEL
    return settings


@pytest.fixture(params=["/", "/privacy/", "quote"])
def path(request) -> str:
    return request.param if request.param != "quote" else f"/q/{token.dumps(an_issued_quote())}/"


def test_without_tags_in_the_settings_no_page_mentions_them(client, path):
    client.cookies["tags"] = "yes"
    answer = client.get(path)
    assert not any(part in answer.content.decode() for part in ("data-tags", "consent.js", "checkout/tags"))
    assert "google" not in answer["Content-Security-Policy"]
    assert "Cookie" not in answer.get("Vary", "")


def test_a_visitor_is_asked_and_nothing_is_loaded_before_the_answer(client, tags):
    answer = client.get("/")
    page = answer.content.decode()
    assert QUESTION in page
    assert "Google Analytics y Meta" in page
    assert LOADER not in page
    assert "google" not in answer["Content-Security-Policy"]
    assert "Cookie" in answer["Vary"]


def test_a_page_from_memory_has_the_tags_of_its_own_visitor_only(client, tags):
    with kept_in_memory():
        for cookie in ("", "yes", "no", "yes", ""):
            client.cookies["tags"] = cookie
            answer = client.get("/")
            page = answer.content.decode()
            assert (LOADER in page, QUESTION in page) == (cookie == "yes", cookie == "")
            assert (GOOGLE in policy_of(answer)["script-src"], "Cookie" in answer["Vary"]) == (cookie == "yes", True)
        opted_out = client.get("/", headers={"sec-gpc": "1"})
        assert "data-tags" not in opted_out.content.decode()
        assert "Cookie" not in opted_out["Vary"]


@pytest.mark.parametrize("cookie", ["no", "nonsense", ""])
def test_any_answer_but_yes_counts_as_no(client, tags, path, cookie):
    client.cookies["tags"] = cookie
    answer = client.get(path)
    assert LOADER not in answer.content.decode()
    assert (QUESTION in answer.content.decode()) == (cookie != "no" and path != "/privacy/")
    assert not {GOOGLE, META} & set(answer["Content-Security-Policy"].replace(";", " ").split())


def test_after_a_yes_the_page_loads_the_tags_and_its_policy_allows_them(client, tags, path):
    client.cookies["tags"] = "yes"
    answer = client.get(path)
    page, policy = answer.content.decode(), policy_of(answer)
    assert QUESTION not in page
    assert f'data-tags data-ga4="{GA4}" data-meta="{PIXEL}"' in page
    assert policy["script-src"] == ["'self'", GOOGLE]
    assert {GOOGLE, "https://*.google-analytics.com", META} <= set(policy["connect-src"])
    assert policy["style-src"] == ["'self'"]


def test_the_policy_allows_only_the_services_that_the_shop_has(client, tags):
    tags.GA4_MEASUREMENT_ID = ""
    client.cookies["tags"] = "yes"
    policy = policy_of(client.get("/"))
    assert policy["script-src"] == policy["img-src"] == ["'self'"]
    assert policy["connect-src"] == ["'self'", META]


def test_a_browser_that_asks_for_privacy_is_not_asked(client, tags):
    client.cookies["tags"] = "yes"
    answer = client.get("/", headers={"sec-gpc": "1"})
    assert "data-tags" not in answer.content.decode()
    assert GOOGLE not in answer["Content-Security-Policy"]


def test_the_privacy_page_shows_the_answer_and_offers_to_change_it(client, tags):
    client.cookies["tags"] = "yes"
    page = client.get("/privacy/?lang=en").content.decode()
    assert "You have agreed." in page
    assert page.count("data-tags-answer=") == 2


@pytest.mark.django_db
def test_staff_pages_have_no_tags(admin_client, tags):
    admin_client.cookies["tags"] = "yes"
    answer = admin_client.get("/admin/leads/lead/")
    assert "data-tags" not in answer.content.decode()
    assert GOOGLE not in answer["Content-Security-Policy"]


@pytest.mark.needs("chromium")
def test_google_and_meta_get_the_quote_s_value_after_a_yes_and_nothing_after_a_no():
    requests: list[str] = []

    def record(route: Route) -> None:
        requests.append(f"{route.request.url} {route.request.post_data or ''}")
        route.fulfill(content_type="text/javascript", body="")

    with (
        live.site(live.NOBODY_LISTENS, GA4_MEASUREMENT_ID=GA4, META_PIXEL_ID=PIXEL) as site,
        chromium() as browser,
        silent_context(browser, base_url=site.url, extra_http_headers=live.THROUGH_THE_PROXY) as context,
    ):
        context.route(lambda url: not url.startswith(site.url), record)
        page = context.new_page()
        page.goto("/")
        expect(page.get_by_text("¿Podemos medir")).to_be_visible()
        axe_finds_nothing(page, "consent")
        page.get_by_role("button", name="Sí").click()
        expect(page.get_by_text("¿Podemos medir")).to_have_count(0)
        assert requests == []

        quote = a_quote(site)
        address = f"/q/{quote['token']}/"
        page.goto(f"{address}?utm_source=facebook&name=Zoila", wait_until="networkidle")
        page.fill("#name", "Zoila Vaca")
        assert [each for each in requests if each.startswith(f"{GOOGLE}/gtag/js?id={GA4}")]
        [view, shown] = [unquote_plus(each) for each in requests if each.startswith(f"{META}/tr?id={PIXEL}")]
        assert "ev=PageView" in view
        assert "/q/?utm_source=facebook" in view
        assert "ev=ViewContent" in shown
        assert f"cd[value]={quote['quote']['total']}" in shown
        google = page.evaluate("() => JSON.stringify([...dataLayer].map((entry) => [...(entry.length ? entry : [])]))")
        assert quote["folio"] in google
        assert not any(trace in "".join([*requests, google]) for trace in (quote["token"], "Zoila"))

        page.goto("/privacy/")
        page.get_by_role("button", name="No acepto").click()
        expect(page.get_by_text("No aceptaste")).to_be_visible()
        axe_finds_nothing(page, "consent-withdrawn")
        requests.clear()
        page.goto(address, wait_until="networkidle")
        assert requests == []
