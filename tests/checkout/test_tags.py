"""Google Analytics and Meta: nothing of them where the shop has none, and nothing before a visitor agrees."""

from urllib.parse import unquote_plus

import pytest
from playwright.sync_api import Route, expect

from quoter import token
from tests.support import live
from tests.support.browser import chromium, silent_context
from tests.support.customers import a_quote
from tests.support.factories import an_issued_quote
from tests.support.looks import axe_finds_nothing

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


def test_without_tags_no_page_knows_of_any(client, path):
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


@pytest.mark.parametrize("said", ["no", "nonsense", ""])
def test_anything_but_a_yes_is_a_no(client, tags, path, said):
    client.cookies["tags"] = said
    answer = client.get(path)
    assert LOADER not in answer.content.decode()
    assert (QUESTION in answer.content.decode()) == (said != "no" and path != "/privacy/")
    assert not {GOOGLE, META} & set(answer["Content-Security-Policy"].replace(";", " ").split())


def test_after_a_yes_the_page_loads_them_and_its_policy_names_them(client, tags, path):
    client.cookies["tags"] = "yes"
    answer = client.get(path)
    page, policy = answer.content.decode(), policy_of(answer)
    assert QUESTION not in page
    assert f'data-tags data-ga4="{GA4}" data-meta="{PIXEL}"' in page
    assert policy["script-src"] == ["'self'", GOOGLE]
    assert {GOOGLE, "https://*.google-analytics.com", META} <= set(policy["connect-src"])
    assert policy["style-src"] == ["'self'"]


def test_only_what_the_shop_has_is_named(client, tags):
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


def test_the_privacy_page_says_what_was_answered_and_takes_another_answer(client, tags):
    client.cookies["tags"] = "yes"
    page = client.get("/privacy/?lang=en").content.decode()
    assert "You have agreed." in page
    assert page.count("data-tags-answer=") == 2


@pytest.mark.django_db
def test_staff_s_pages_have_none(admin_client, tags):
    admin_client.cookies["tags"] = "yes"
    answer = admin_client.get("/admin/leads/lead/")
    assert "data-tags" not in answer.content.decode()
    assert GOOGLE not in answer["Content-Security-Policy"]


@pytest.mark.needs("chromium")
def test_in_a_browser_they_learn_the_quote_after_a_yes_and_nothing_after_a_no():
    told: list[str] = []

    def take(route: Route) -> None:
        told.append(f"{route.request.url} {route.request.post_data or ''}")
        route.fulfill(content_type="text/javascript", body="")

    with (
        live.site(live.NOBODY_LISTENS, GA4_MEASUREMENT_ID=GA4, META_PIXEL_ID=PIXEL) as site,
        chromium() as browser,
        silent_context(browser, base_url=site.url, extra_http_headers=live.THROUGH_THE_PROXY) as context,
    ):
        context.route(lambda url: not url.startswith(site.url), take)
        page = context.new_page()
        page.goto("/")
        expect(page.get_by_text("¿Podemos medir")).to_be_visible()
        axe_finds_nothing(page, "consent")
        page.get_by_role("button", name="Sí").click()
        expect(page.get_by_text("¿Podemos medir")).to_have_count(0)
        assert told == []

        quote = a_quote(site)
        address = f"/q/{quote['token']}/"
        page.goto(f"{address}?utm_source=facebook&name=Zoila", wait_until="networkidle")
        page.fill("#name", "Zoila Vaca")
        assert [each for each in told if each.startswith(f"{GOOGLE}/gtag/js?id={GA4}")]
        [view, shown] = [unquote_plus(each) for each in told if each.startswith(f"{META}/tr?id={PIXEL}")]
        assert "ev=PageView" in view
        assert "/q/?utm_source=facebook" in view
        assert "ev=ViewContent" in shown
        assert f"cd[value]={quote['quote']['total']}" in shown
        google = page.evaluate("() => JSON.stringify([...dataLayer].map((entry) => [...(entry.length ? entry : [])]))")
        assert quote["folio"] in google
        assert not any(trace in "".join([*told, google]) for trace in (quote["token"], "Zoila"))

        page.goto("/privacy/")
        page.get_by_role("button", name="No acepto").click()
        expect(page.get_by_text("No aceptaste")).to_be_visible()
        axe_finds_nothing(page, "consent-withdrawn")
        told.clear()
        page.goto(address, wait_until="networkidle")
        assert told == []
