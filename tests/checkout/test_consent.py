"""Consent: to the privacy notice that was shown, and to news only if the box was ticked."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from checkout import notice
from leads.models import Lead
from tests.support.factories import NAME, PHONE, a_line, a_submission, as_form, post_json

BUNDLED = Path(notice.__file__).parent / "privacy.toml"


OWN = """
version = "2027-02"
[text]
es = "Aviso de {business}."
en = "Notice of {business}."
"""


@pytest.fixture
def own_notice(tmp_path, monkeypatch):
    """The shop's own notice in place of the example."""
    (tmp_path / "privacy.toml").write_text(OWN, encoding="utf-8")
    monkeypatch.setattr(apps.get_app_config("checkout"), "notice", notice.read(tmp_path / "privacy.toml"))


@pytest.mark.parametrize(
    ("language", "words"), [("es-MX", "es responsable de los datos"), ("en", "is responsible for the personal data")]
)
def test_the_notice_is_shown_in_the_visitor_s_language(client, settings, language, words):
    settings.BUSINESS_NAME = "Concretos & Hijos"
    page = client.get("/privacy/", headers={"accept-language": language}).content.decode()
    assert f"<p>Concretos &amp; Hijos {words}" in page
    assert notice.read(BUNDLED).version in page


def test_the_shop_s_own_notice_replaces_the_example(client, own_notice):
    page = client.get("/privacy/", headers={"accept-language": "en"}).content.decode()
    assert "<p>Notice of Folio.</p>" in page
    assert "2027-02" in page


@pytest.mark.django_db(transaction=True)
def test_the_checkout_form_links_to_the_notice_and_the_box_for_news_is_not_ticked(client):
    page = client.get(client.post("/quote/", as_form(a_line())).url).content.decode()
    assert 'href="/privacy/"' in page
    assert 'name="marketing_accepted">' in page


@pytest.mark.django_db(transaction=True)
def test_both_consents_are_stored_with_their_time_and_the_notice_s_version(client, own_notice):
    answer = client.post("/checkout/", a_submission(client, privacy_accepted="on", marketing_accepted="on"))

    assert answer.status_code == 303
    lead = Lead.objects.get()
    given = lead.quote_data["privacy"]
    assert given["notice_version"] == "2027-02"
    moments = [datetime.fromisoformat(given[name]) for name in ("accepted_at", "marketing_accepted_at")]
    assert all(abs(moment - lead.submitted_at) < timedelta(seconds=1) for moment in moments)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ticked", ["on", ""])
def test_staff_see_who_agreed_to_news(client, admin_client, ticked):
    client.post("/checkout/", a_submission(client, marketing_accepted=ticked))
    page = admin_client.get(f"/admin/leads/lead/{Lead.objects.get().pk}/change/").content.decode()
    assert ("Novedades y ofertas" in page) is bool(ticked)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("ticked", "stored"),
    [
        ({}, {"accepted_at": False, "marketing_accepted_at": False, "notice_version": False}),
        ({"privacy_accepted": True}, {"accepted_at": True, "marketing_accepted_at": False, "notice_version": True}),
        ({"marketing_accepted": True}, {"accepted_at": False, "marketing_accepted_at": True, "notice_version": True}),
        ({"marketing_accepted": "no"}, {"accepted_at": False, "marketing_accepted_at": False, "notice_version": False}),
    ],
    ids=["nothing", "notice", "news", "no news"],
)
def test_only_what_was_ticked_is_stored_as_consent(client, ticked, stored):
    assert post_json(client, "/checkout/", {**a_submission(client), **ticked}).status_code == 200
    given = Lead.objects.get().quote_data["privacy"]
    assert {name: bool(value) for name, value in given.items()} == stored


@pytest.mark.django_db(transaction=True)
def test_a_refused_form_keeps_the_box_ticked(client):
    form = {**a_submission(client), "phone": "123", "name": NAME}
    assert (
        'name="marketing_accepted" checked>'
        in client.post("/checkout/", {**form, "marketing_accepted": "on"}).content.decode()
    )
    assert 'name="marketing_accepted">' in client.post("/checkout/", form).content.decode()
    assert client.post("/checkout/", {**form, "phone": PHONE}).status_code == 303


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("version = ", "cannot be read"),
        ('version = "1"', "text: Field required"),
        ('version = ""\n[text]\nes = "a"\nen = "b"', "version"),
        ('version = "1"\n[text]\nes = "a"', "text.en: Field required"),
        ('version = "1"\n[text]\nes = " "\nen = "b"', "text: Value error, es is empty"),
        ('version = "1"\n[text]\nes = "{name}"\nen = "b"', "no other braces"),
        ('version = "1"\n[text]\nes = "a {"\nen = "b"', "no other braces"),
    ],
)
def test_a_notice_that_cannot_be_shown_stops_the_start_and_says_why(tmp_path, settings, text, fault):
    settings.PRIVACY_NOTICE = tmp_path / "privacy.toml"
    settings.PRIVACY_NOTICE.write_text(text, encoding="utf-8")
    with pytest.raises(ImproperlyConfigured, match=r"^PRIVACY_NOTICE cannot be shown: .*privacy\.toml") as refused:
        apps.get_app_config("checkout").ready()
    assert fault in str(refused.value)


def test_a_missing_notice_file_stops_the_start(tmp_path):
    with pytest.raises(notice.NoticeInvalid, match="cannot be read"):
        notice.read(tmp_path / "missing.toml")


def test_a_notice_saved_by_notepad_is_read(tmp_path):
    path = tmp_path / "privacy.toml"
    path.write_text(BUNDLED.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert notice.read(path) == notice.read(BUNDLED)
    path.write_text(BUNDLED.read_text(encoding="utf-8"), encoding="utf-16")
    with pytest.raises(notice.NoticeInvalid, match="not saved as UTF-8. In Notepad"):
        notice.read(path)
