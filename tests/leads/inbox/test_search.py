"""The search box finds a folio, a phone, a name or a pasted message; during an outage it searches the outbox."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Func
from django.db.models.expressions import RawSQL
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from checkout.whatsapp import message as whatsapp_message
from leads.customer import words
from leads.customer.matching import ComputedPhoneKey, NameWords, PhoneKey, PhonePieces
from leads.delivery.record import lead_record, quote_record, record
from leads.delivery.sealed import seal
from leads.inbox import pasted, search
from leads.models import Lead
from leads.phones import has_part, key, pieces
from leads.snapshot import journal_record
from quoter import token
from tests.support.factories import NAME, PHONE_E164, a_contact, a_line, an_issued_quote, fill_leads, store
from tests.support.partitioned import of_one_table

pytestmark = pytest.mark.django_db

FIND = "/admin/leads/lead/find/"


def a_message(issued, *, link: str | None = None, total: str = "") -> str:
    """Return a checkout's message. link: a signed token; without one, the link is the short one of a stored lead."""
    address = f"https://shop.example/q/{link or issued.quote.folio}/"
    text = whatsapp_message(issued.quote, language="es", link=address, name=NAME, shown=1)
    return text.replace("17,622.10", total) if total else text


def stored(**contact) -> tuple[token.IssuedQuote, Lead]:
    issued = an_issued_quote()
    store(lead_record(issued, a_contact(**contact)))
    return issued, Lead.objects.get(folio=issued.quote.folio)


def page_of(lead: Lead) -> str:
    return f"/admin/leads/lead/{lead.pk}/change/"


def test_a_pasted_message_redirects_to_its_lead(admin_client):
    issued, lead = stored()
    for text in (a_message(issued), a_message(issued, link=token.short(issued)), issued.quote.folio.lower()):
        assert admin_client.post(FIND, {"text": text}).url == page_of(lead)


@pytest.mark.parametrize("text", ["4567", "maria peña", "+52 (656) 123-4567"])
def test_any_other_text_searches_the_list(admin_client, text):
    _, lead = stored()
    page = admin_client.post(FIND, {"text": text}, follow=True)
    assert page.redirect_chain[0][0].startswith("/admin/leads/lead/?q=")
    assert lead.folio in page.content.decode()


@pytest.mark.parametrize("total", ["12,622.10", "17622.1", "17,622", "17.622,10"])
def test_an_altered_total_is_shown_next_to_the_quoted_one(admin_client, total):
    issued, lead = stored()
    for link in (None, token.short(issued)):
        answer = admin_client.post(FIND, {"text": a_message(issued, link=link, total=total)})
        if total == "17622.1":  # the same amount
            assert answer.url == page_of(lead)
            continue
        page = answer.content.decode()
        assert 'role="alert"' in page
        assert total in page
        assert "$17,622.10" in page
        assert page_of(lead) in page


def test_a_forged_link_is_reported(admin_client):
    issued, lead = stored()
    forged = token.short(issued)[:-3] + "AAA"
    page = admin_client.post(FIND, {"text": a_message(issued, link=forged)}).content.decode()
    assert 'role="alert"' in page
    assert page_of(lead) in page


def test_the_signed_quote_takes_precedence_over_a_folio_in_the_text():
    issued, other = an_issued_quote(), an_issued_quote(a_line(extras=[]))
    text = a_message(issued, link=token.short(issued)).replace(issued.quote.folio, other.quote.folio)
    message = pasted.message(text)
    assert (message.folio, message.is_forged) == (issued.quote.folio, False)


def test_a_missing_lead_can_be_restored_from_the_pasted_message(admin_client):
    issued = an_issued_quote()
    text = a_message(issued, link=token.short(issued)).rstrip() + "#" + seal(a_contact(), folio=issued.quote.folio)
    page = admin_client.post(FIND, {"text": text})
    assert 'action="/admin/leads/lead/restore/"' in page.content.decode()
    assert not Lead.objects.exists()
    admin_client.post("/admin/leads/lead/restore/", {"text": text})
    assert Lead.objects.get().phone == PHONE_E164


def test_restoring_is_offered_when_only_the_message_has_the_customer(admin_client):
    issued = an_issued_quote()
    store(quote_record(issued, visitor_id=""))
    text = a_message(issued, link=token.short(issued))
    assert admin_client.post(FIND, {"text": text}).url == page_of(Lead.objects.get())
    with_person = text + "#" + seal(a_contact(), folio=issued.quote.folio)
    assert "/restore/" in admin_client.post(FIND, {"text": with_person}).content.decode()


def test_for_a_message_without_a_signed_link_restoring_is_not_offered(admin_client):
    page = admin_client.post(FIND, {"text": a_message(an_issued_quote())}).content.decode()
    assert 'action="/admin/leads/lead/restore/"' not in page
    assert "$" not in page.split("<main")[1]


def test_finding_a_message_needs_permission_and_changes_nothing(client, admin_client):
    issued = an_issued_quote()
    text = a_message(issued, link=token.short(issued))
    assert admin_client.get(FIND).url == "/admin/leads/lead/"
    client.force_login(User.objects.create_user("new", is_staff=True))
    assert client.post(FIND, {"text": text}).status_code == 403
    assert not Lead.objects.exists()


def test_whole_words_take_precedence_over_beginnings_of_words():
    for name in ("Ana Ruiz", "Anabel Ruiz"):
        store(lead_record(an_issued_quote(), a_contact(name=name)))

    def names(text: str) -> set[str]:
        return set(search.leads(Lead.objects.all(), text).values_list("name", flat=True))

    assert names("ana") == {"Ana Ruiz"}
    assert names("an rui") == {"Ana Ruiz", "Anabel Ruiz"}


def test_a_search_queries_each_index_once_and_stops_at_its_limit(admin_client, monkeypatch):
    monkeypatch.setattr("leads.inbox.search.MOST_FOUND", 3)
    for number in range(4):
        stored(phone=f"+52656123456{number}")
    with CaptureQueriesContext(connection) as asked:
        page = admin_client.get("/admin/leads/lead/?q=maria")
    searches = [query["sql"] for query in asked if "tsquery" in query["sql"] and " IN (" not in query["sql"]]
    assert len(searches) == 4  # the notes with the words, new and old, the names, and those that were corrected
    assert all(" LIMIT " in search for search in searches)
    assert len(page.context["cl"].rows) == page.context["cl"].result_count == 3
    assert "Se muestran los primeros 3:" in page.content.decode()


def test_the_end_of_a_folio_is_found_among_the_newest_quotes_and_a_name_is_still_a_name(monkeypatch):
    monkeypatch.setattr("leads.inbox.search.MOST_ENDINGS", 3)
    folios = ["261122-7F3K-Q2M9-X", "261123-7F3K-Q2M9-X", "261124-7F3K-Q2M9-Y", "261125-7F3K-MAR1-A", "WEB-1-Q2M9-X"]
    for folio in folios:
        Lead.objects.create(folio=folio, quote_data={}, name="María", phone=PHONE_E164)

    def found(text: str) -> list[str]:
        return sorted(search.leads(Lead.objects.all(), text).values_list("folio", flat=True))

    assert found("q2m9-y") == folios[2:3]
    assert found("q2m9-x") == folios[1:2]  # the other one is older than the newest that are looked through
    assert found("7F3K-Q2M9-Y") == folios[2:3]
    assert found("mar1-a") == found("MARI-A") == folios[3:4]
    assert found("maria") == sorted(folios)


# --- In an outage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "is_match"),
    [
        (lambda row: row.folio.lower(), True),
        (lambda row: f"Me interesa *{row.folio}*:", True),
        (lambda row: row.folio[-6:], True),
        (lambda row: f" {row.folio[-6:].lower()} ", True),
        (lambda row: row.folio[-11:].replace("-", "\u2013"), True),
        (lambda row: f"{row.folio[-6:-1]}{'0' if row.folio[-1] != '0' else '1'}", False),
        (lambda row: row.folio[-4:], False),
        (lambda row: "4567", True),
        (lambda row: "67", True),
        (lambda row: "65", False),
        (lambda row: "656 12", True),
        (lambda row: "+52 (656)", True),
        (lambda row: "12-34", True),
        (lambda row: "52 1 656 123 4567", True),
        (lambda row: "044 656 123 4567", True),
        (lambda row: "cel: 656 123 4567 ext 9", True),
        (lambda row: "656 123 4568", False),
        (lambda row: "pena mar", True),
        (lambda row: "Pen\u0303a", True),
        (lambda row: "ria", False),
        (lambda row: "9999", False),
        (lambda row: "& |", False),
    ],
)
def test_records_of_the_outbox_match_the_same_searches_as_leads(typed, is_match):
    row = lead_record(an_issued_quote(), a_contact())
    store(row)
    text = typed(row)
    assert search.matcher(text)(journal_record(from_json(row.as_json()))) is is_match
    assert search.leads(Lead.objects.all(), text).exists() is is_match


@pytest.mark.parametrize(
    "stored",
    [
        "(656) 120-4500",
        "6561204500",
        "+526561204500",
        "656 120 4500 ext 102",
        "656-120-4500 / 656 120 4599",
        "656.120.4500x7",
    ],
)
@pytest.mark.parametrize(
    "typed", ["656 120 4500", "6561204500", "+52 656 120 4500", "5216561204500", "1204500", "6120", "45.00"]
)
def test_a_phone_is_found_by_any_part_however_it_is_stored(stored, typed):
    row = lead_record(an_issued_quote(), a_contact(phone=stored))
    store(row)
    store(lead_record(an_issued_quote(), a_contact(phone="+526560000000")))
    assert [lead.folio for lead in search.leads(Lead.objects.all(), typed)] == [row.folio]
    assert search.matcher(typed)(journal_record(from_json(row.as_json())))


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("François Çelik", "francois celik"),
        ("João Conceição", "Joao Conceicao"),
        ("Jörg Groß", "jorg gross"),
        ("Łukasz Wałęsa", "lukasz walesa"),
        ("Ørsted Ægir", "orsted aegir"),
        ("Straße", "STRASSE"),
        ("İpek Işık", "ipek isik"),
        ("Jose\u0301 Nu\u0301n\u0303ez", "josé núñez"),
        ("Đặng Thị Ánh", "dang thi anh"),
        ("Юрий Ёлкин", "юрий елкин"),
        ("Αλέξανδρος", "ΑΛΕΞΑΝΔΡΟΣ"),
        ("李小龍", "李小龍"),
        ("مُحَمَّد أحمد", "محمد احمد"),
        ("ＡＮＡ Ｒｕｉｚ", "ana ruiz"),
        ("O’Higgins-Pérez", "o'higgins perez"),
        ("Ana\u00a0Ruiz (obra)", "ana obra"),
        ("Taller 3M", "taller 3m"),
    ],
)
def test_a_name_is_found_by_its_plain_form(name, typed):
    row = lead_record(an_issued_quote(), a_contact(name=name))
    store(row)
    for text in (typed, name, typed[:-1]):
        assert [lead.folio for lead in search.leads(Lead.objects.all(), text)] == [row.folio], text
        assert search.matcher(text)(journal_record(from_json(row.as_json())))
    assert not search.leads(Lead.objects.all(), f"{typed} zzz").exists()


# What the rules of names and phones are about, and other letters.
_LETTERS = st.characters(exclude_categories=("Cs", "Cn", "Co"), exclude_characters="\0") | st.sampled_from(
    "aZ09'-.,: ·ÀñŁßẞÆœÞİıĸſŉΣςάЁйѝüé\u0301\u0327\u00a0\u200b\u200d\u2019\u3000李がアﾊﾞمُـآऀक्ष한ǅﬁ①²"
)


MANY = settings(
    max_examples=2 * settings.default.max_examples, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def computed(expression: type[Func], texts: list[str]) -> list[Any]:
    """Return what Postgres computes from each text."""
    compiler = Lead.objects.all().query.get_compiler(connection=connection)
    sql, _ = expression(RawSQL("text", [])).as_sql(compiler, connection)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql} FROM unnest(%s::text[]) WITH ORDINALITY AS t (text, n) ORDER BY n", [texts])
        return [value for (value,) in cursor]


@MANY
@given(names=st.lists(st.text(_LETTERS, max_size=140), min_size=1, max_size=20))
def test_python_and_postgres_find_the_same_words_in_any_name(names):
    vectors = computed(NameWords, names)
    assert [sorted(re.findall("'([^']*)'", vector)) for vector in vectors] == [sorted({*words(name)}) for name in names]


_PHONES = st.text("0123456789+-()./#,; extñ\u00a0٣", max_size=40) | st.from_regex(r"[+]?[0-9]{3,16}", fullmatch=True)


@MANY
@given(phones=st.lists(_PHONES, min_size=1, max_size=20), part=st.from_regex(r"[0-9]{1,14}", fullmatch=True))
def test_python_and_postgres_compare_any_phones_alike(phones, part):
    assert computed(PhoneKey, phones) == [key(phone) for phone in phones] == computed(ComputedPhoneKey, phones)
    assert computed(PhonePieces, phones) == [pieces(re.sub("[^0-9]", "", phone)) for phone in phones]
    with transaction.atomic():
        Lead.objects.bulk_create(Lead(folio=str(n), phone=phone, quote_data={}) for n, phone in enumerate(phones))
        digits = re.sub("[^0-9]", "", phones[0])
        for wanted in (part, digits[:5], digits[2:6], digits[-11:], digits[-3:]):
            found = set(Lead.objects.with_phone_part(wanted).values_list("phone", flat=True)) if wanted else set()
            assert found == {phone for phone in phones if wanted and has_part(phone, wanted)}
        transaction.set_rollback(True)


@pytest.fixture
def outage():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads RENAME TO leads_away")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads_away RENAME TO leads")


@pytest.mark.django_db(transaction=True)
def test_the_search_box_searches_the_outbox_during_an_outage(admin_client, client, outage):
    admin_client.get("/admin/leads/lead/restore/")  # sets the cookie that admits to the outage page
    ana = lead_record(an_issued_quote(), a_contact(name="Ana Ruiz", phone="+526560000001"))
    luis = lead_record(an_issued_quote(), a_contact(name="Luis Peña"))
    for row in (ana, luis):
        record(row)
    page = admin_client.post(FIND, {"text": "ruiz"})
    assert page.status_code == 503
    assert ana.folio in page.content.decode()
    assert luis.folio not in page.content.decode()

    issued = an_issued_quote()
    altered = a_message(issued, link=token.short(issued), total="10.00")
    page = admin_client.post(FIND, {"text": altered}).content.decode()
    assert 'role="alert"' in page
    assert "$17,622.10" in page

    client.cookies.clear()
    assert ana.folio not in client.post(FIND, {"text": ana.folio}).content.decode()


@of_one_table
@pytest.mark.parametrize("path", ["/q/{}/", "/admin/leads/lead/?q={}"])
def test_a_folio_is_looked_up_in_an_index(admin_client, path):
    folio = stored()[1].folio
    fill_leads()
    with CaptureQueriesContext(connection) as captured:
        assert admin_client.get(path.format(folio)).status_code == 200
    lookups = [query["sql"] for query in captured if f"\"folio\" = '{folio}'" in query["sql"]]
    assert lookups
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for sql in lookups:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert re.search(rf"Index Cond: \(folio = '{folio}'", plan), plan
