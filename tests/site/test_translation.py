"""Every text exists in Spanish and in English. The messages are collected without GNU gettext."""

import ast
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import polib
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone, translation
from django.utils.translation.template import templatize
from pydantic import BaseModel

from checkout import fallbacks, notice
from leads.delivery.record import lead_record
from leads.inbox.person import arrange, correct
from leads.inbox.tabs import TABS
from leads.models import Lead, LeadEvent
from quoter import token
from quoter.engine.text import Text
from tests.support.factories import a_contact, a_line, an_issued_quote, as_form, store
from tests.support.quotes import CONCRETE, TURF
from tests.support.sources import nodes_of

ROOT = Path(__file__).resolve().parents[2]
CODE = [
    path
    for app in ("quoter", "leads", "checkout", "settings", "telemetry")
    for path in sorted((ROOT / app).rglob("*.py"))
]
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*") if path.is_file())
GETTEXT = {
    "_",
    *(f"{kind}{lazy}" for kind in ("gettext", "ngettext", "pgettext", "npgettext") for lazy in ("", "_lazy")),
}
# What is wrong with a price book is said in English by plain Python, and translated for the owner.
FINDING = "BookFinding"
PLACES = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|\{\w*\}")


class Message(NamedTuple):
    context: str | None
    text: str


# --- The catalogue ----------------------------------------------------------------------------------------------------


def name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def messages_in(nodes: Iterable[ast.AST]) -> Iterator[Message]:
    for call in nodes:
        if isinstance(call, ast.Call) and name_of(call) == FINDING:
            template = call.args[1]
            assert isinstance(template, ast.Constant), f"a template must be a literal: {ast.unparse(call)}"
            if re.search(r"\w", PLACES.sub("", template.value)):  # it has words of its own
                yield Message(None, template.value)
        elif isinstance(call, ast.Call) and name_of(call) in GETTEXT:
            texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            assert texts, f"a message must be a literal: {ast.unparse(call)}"
            yield Message(*texts[:2]) if "pgettext" in name_of(call) else Message(None, texts[0])


def calls_in(template: str) -> Iterator[str]:
    """Yield the gettext calls of a template, as Python code."""
    code = templatize(template)
    for beginning in re.finditer(rf"\b({'|'.join(GETTEXT)})\(", code):
        for ending in re.finditer(r"\)", code[beginning.end() :]):
            call = code[beginning.start() : beginning.end() + ending.end()]
            try:
                ast.parse(call)
            except SyntaxError:  # a bracket inside the text
                continue
            yield call
            break


@pytest.fixture(scope="module")
def messages() -> set[Message]:
    """All messages of the code and the templates."""
    code = [nodes_of(path) for path in CODE]
    code += [tuple(ast.walk(ast.parse(call))) for path in TEMPLATES for call in calls_in(path.read_text())]
    return {message for nodes in code for message in messages_in(nodes)}


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return polib.pofile(str(ROOT / "locale/es_MX/LC_MESSAGES/django.po"))


def test_every_message_has_a_translation(messages, catalogue):
    translated = {Message(entry.msgctxt, entry.msgid) for entry in catalogue if entry.translated()}
    assert messages - translated == set()


def test_the_catalogue_has_no_unused_message(messages, catalogue):
    assert {Message(entry.msgctxt, entry.msgid) for entry in catalogue} - messages == set()
    assert not catalogue.obsolete_entries()
    assert not catalogue.fuzzy_entries()


def test_a_translation_has_the_placeholders_of_its_source(catalogue):
    for entry in catalogue:
        sources = [entry.msgid, entry.msgid_plural] if entry.msgid_plural else [entry.msgid]
        translations = list(entry.msgstr_plural.values()) or [entry.msgstr]
        for source, translated in zip(sources, translations, strict=True):
            assert sorted(PLACES.findall(source)) == sorted(PLACES.findall(translated)), source


def names_imported(path: Path) -> set[str]:
    statements = [node for node in nodes_of(path) if isinstance(node, ast.ImportFrom)]
    return {alias.name for statement in statements for alias in statement.names}


def test_the_catalogue_says_tu(catalogue):
    formal = re.compile(
        r"\b([Uu]sted|suyo|Vuelva|\w*([Ee]scrib|[Pp]ong|[Ee]lij)a|([Gg]uard|[Cc]ambi|[Rr]evis|[Ee]jecut)e)\b"
    )
    wrong = [text for each in catalogue for text in [each.msgstr, *each.msgstr_plural.values()] if formal.search(text)]
    assert wrong == []


def test_customers_read_text_and_templates_and_staff_use_gettext():
    names = {path.relative_to(ROOT): names_imported(path) for path in CODE}
    assert [path for path, used in names.items() if used & GETTEXT and path.parts[0] != "leads"] == []
    in_leads = {str(path) for path, used in names.items() if "Text" in used and path.parts[0] == "leads"}
    assert in_leads == {"leads/customer/__init__.py", "leads/customer/answers.py"}  # what the customer is asked


# --- Text: in the code, the price books and the notice ---------------------------------------------------------------


def phrases_in(value: object) -> Iterator[Text]:
    if isinstance(value, Text):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from phrases_in(getattr(value, name))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from phrases_in(each)


def phrases_of_the_code() -> Iterator[tuple[Path, dict[str, str]]]:
    for path in CODE:
        for call in nodes_of(path):
            # A Text that is composed of others has no words of its own.
            if (
                isinstance(call, ast.Call)
                and name_of(call) == "Text"
                and all(isinstance(keyword.value, ast.Constant) for keyword in call.keywords)
            ):
                yield path, {str(keyword.arg): keyword.value.value for keyword in call.keywords}  # type: ignore[attr-defined]


def test_each_text_in_the_code_is_in_both_languages_with_the_same_placeholders():
    phrases = list(phrases_of_the_code())
    assert len(phrases) > 50
    for path, phrase in phrases:
        assert phrase.keys() == {"es", "en"}, (path, phrase)
        assert all(text.strip() for text in phrase.values()), (path, phrase)
        assert set(PLACES.findall(phrase["es"])) == set(PLACES.findall(phrase["en"])), (path, phrase)


def test_the_bundled_books_and_notice_are_in_both_languages():
    example = notice.read(ROOT / "checkout" / "privacy.toml")
    for phrase in [text for source in (CONCRETE, TURF, example) for text in phrases_in(source)]:
        assert phrase.es.strip(), phrase
        assert phrase.en.strip(), phrase
        # Several equal words were not translated. A single one may be a measure, such as f'c 200 kg/cm².
        assert phrase.es != phrase.en or len(re.findall(r"[^\W\d]{3,}", phrase.es)) < 2, phrase


# --- Templates and pages ----------------------------------------------------------------------------------------------

READ_ALOUD = ("alt", "aria-label", "placeholder", "title", "label")
# Names, which are the same in both languages.
NAMES = {"WhatsApp", "Folio", "CSV"}


class Words(HTMLParser):
    """The texts of a page, labels of controls included, except those marked as in another language."""

    VOID = {"meta", "link", "input", "br", "img", "hr", "source", "col", "wbr", "area", "base"}

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._ignored: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_ignored = tag in ("script", "style") or ("lang" in given and tag != "html")
        if not self._ignored and not is_ignored:
            self.texts += [text for name in READ_ALOUD if (text := given.get(name))]
            if tag == "meta" and given.get("name") == "description":
                self.texts.append(given.get("content") or "")
        if tag not in self.VOID and (self._ignored or is_ignored):
            self._ignored.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._ignored and tag in self._ignored:
            while self._ignored.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._ignored:
            self.texts.append(data)


def bare_words(template: str) -> list[str]:
    """Return the words of a template that are not translated."""
    not_words = (
        r"\{% block (bodyclass|coltype) %\}.*?\{% endblock.*?%\}",
        r"\{% comment %\}.*?\{% endcomment %\}",
        r"\{% blocktranslate.*?\{% endblocktranslate %\}",
        r"\{%.*?%\}",
        r"\{\{.*?\}\}",
        r"\{#.*?#\}",
        r"\{\w+\}",  # a placeholder that a script fills in
    )
    page = re.sub("|".join(not_words), "", template, flags=re.DOTALL)
    words = re.findall(r"[^\W\d_]{2,}", " ".join(Words(page).texts))
    return [word for word in words if word not in NAMES]


@pytest.mark.parametrize(
    "path", [path for path in TEMPLATES if path.suffix in (".html", ".svg")], ids=lambda path: path.name
)
def test_a_template_has_no_bare_words(path):
    assert not bare_words(path.read_text())


def test_a_bare_word_in_a_template_is_found():
    assert bare_words('<p>{% translate "Name" %}</p><a title="Close">{# no #}×</a><br>Oops') == ["Close", "Oops"]


@pytest.mark.parametrize("path", sorted((ROOT / "static").rglob("*.js")), ids=lambda path: path.name)
def test_a_script_has_no_words_of_its_own(path):
    code = re.sub(r"^\s*//.*$|\s// .*$", "", path.read_text(), flags=re.MULTILINE)
    assert not re.findall(r"[\"'`][A-ZÁÉÍÓÚ¿¡][a-záéíóúñ]+ [a-záéíóúñ]+[^\"'`]*", code)


# Common words that are neither words of the other language nor units.
SPANISH = set(
    re.findall(r"\w+", "el la los las un una del de para por con que y tu su sus en es son hay más sin se lo al")
)
ENGLISH = set(
    re.findall(r"\w+", "the of and to for with your you is are it this that from by at be not or an in was has")
)

WORD = re.compile(r"(?<![\w-])[^\W\d_]+(?![\w-])")  # not part of a folio

PUBLIC_PAGES = ["/", "/privacy/", "/offline/", "/nowhere/", "/admin/login/"]
STAFF_PAGES = [
    "/admin/?days=90",
    "/admin/leads/lead/",
    "/admin/leads/lead/?status=contacted",
    "/admin/leads/lead/?status=all&q=nobody",
    "/admin/leads/lead/{lead}/change/",
    "/admin/leads/lead/restore/",
    "/admin/leads/lead/quarantine/",
    "/admin/team/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/user/{user}/change/",
    "/admin/auth/group/add/",
    "/admin/second-factor/",
    "/admin/logout/",
    "/admin/password/",
    "/admin/password_change/",
]


def foreign_texts(page: str, language: str) -> list[str]:
    """Return the texts of a page that have words of the other language."""
    words = SPANISH if language == "en" else ENGLISH
    return [text.strip() for text in Words(page).texts if words & set(WORD.findall(text.lower()))]


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["es-MX", "en"])
@pytest.mark.parametrize("path", PUBLIC_PAGES)
def test_a_page_has_no_words_of_the_other_language(client, path, language):
    page = client.get(path, headers={"accept-language": language}).content.decode()
    assert len(Words(page).texts) > 5
    assert not foreign_texts(page, language)


@pytest.mark.parametrize("language", ["es-MX", "en"])
def test_the_errors_of_a_form_have_no_words_of_the_other_language(client, language):
    wrong = [
        a_line(measure={"kind": "volume", "m3": text}, options=options)
        for text, options in [("", {}), ("4,500", {"strength": "200", "service": "direct"}), ("0", {}), ("x", {})]
    ]
    page = client.post("/quote/", as_form(*wrong), headers={"accept-language": language}).content.decode()
    assert page.count('class="error"') >= 6
    assert not foreign_texts(page, language)


@pytest.mark.parametrize("language", ["es-MX", "en"])
@pytest.mark.parametrize("age", [timedelta(), timedelta(days=30)], ids=["valid", "expired"])
def test_a_quote_has_no_words_of_the_other_language(client, language, age):
    with translation.override(language):
        issued = an_issued_quote()
    quote = issued.quote
    earlier = {name: getattr(quote, name) - age for name in ("issued_at", "valid_until")}
    signed = token.dumps(issued._replace(quote=quote.model_copy(update=earlier)))
    options = {"headers": {"accept-language": language}}
    for page in (
        client.get(f"/q/{signed}/", **options),
        client.post("/checkout/", {"token": signed}, **options),
    ):
        assert quote.folio in page.content.decode()
        assert not foreign_texts(page.content.decode(), language)


@pytest.mark.parametrize("language", ["es-MX", "en"])
def test_the_page_of_an_outage_has_no_words_of_the_other_language(rf, language):
    with translation.override(language):
        page = fallbacks.unavailable(rf.get("/"), folio="261122-7F3K-Q2M9-X").content.decode()
    assert not foreign_texts(page, language)


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["es-MX", "en"])
def test_staff_pages_have_no_words_of_the_other_language(admin_client, admin_user, language):
    with translation.override(language):
        store(lead_record(an_issued_quote(), a_contact(name="Zoila")))
    lead, user = Lead.objects.get(), User.objects.create_user("zoila")
    for path in STAFF_PAGES:
        address = path.format(lead=lead.pk, user=user.pk)
        answer = admin_client.get(address, headers={"accept-language": language})
        assert answer.status_code == 200, address
        assert not foreign_texts(answer.content.decode(), language), address


# Texts that are the same in both languages besides names and folios: what the shop has written, trade words, and
# "True" and "False", with which Django describes its icons.
THE_SAME = {"Total", "Subtotal", "Precio", "Excel", "spam", "MXN", "False", "True"}
OF_THE_QUOTE = re.compile(
    r"Zoil[ao]|admin|Folio\b|\d{6}-[0-9A-Z]{4}|^[0-9A-Z]{4}-[0-9A-Z]$"
    r"|Concreto premezclado|Fibra de refuerzo|IVA|MXN|WhatsApp|m³|\bh \d\d min"
)


@pytest.mark.django_db
def test_every_text_of_a_staff_page_is_another_one_in_the_other_language(admin_client, admin_user):
    """A text that nobody translates, such as the name of a column, is the same in both. The owner's editor has both."""
    call_command("ensure_roles", stdout=StringIO())
    now = timezone.now()
    with translation.override("es-mx"):
        for number in range(4):
            store(lead_record(an_issued_quote(), a_contact(name="Zoila", phone=f"+52656123456{number}")))
    leads = list(Lead.objects.order_by("pk"))
    Lead.objects.contact(leads[0].pk, by=admin_user, now=now)
    arrange.plan(leads[0].pk, arrange.Step(now, "Zoila", admin_user), by=admin_user, now=now)
    arrange.hand(leads[0].pk, admin_user, by=admin_user, now=now)
    arrange.sold(leads[1].pk, Decimal(10), by=admin_user, now=now)
    arrange.lost(leads[2].pk, "Precio", by=admin_user, now=now)
    correct.correct(leads[0].pk, "Zoilo", "+526561234999", by=admin_user, now=now)
    arrange.put_aside(leads[3].pk, "spam", by=admin_user, now=now)
    tabs = [f"/admin/leads/lead/?status={tab.value}" for tab in TABS]
    people = [f"/admin/leads/lead/{lead.pk}/change/" for lead in leads]
    events = [f"/admin/leads/leadevent/{event.pk}/change/" for event in LeadEvent.objects.all()]
    others = [path.format(lead=leads[0].pk, user=admin_user.pk) for path in STAFF_PAGES if "auth" not in path]
    others += [
        "/admin/auth/group/",
        "/admin/away/",
        "/admin/leads/lead/?since=x&least=y",
        "/admin/leads/lead/quote/",
        "/admin/leads/leadevent/",
        "/admin/leads/machine/",
        "/admin/start/",
    ]
    untranslated = {}
    for path in [*tabs, *people, *events, *others]:
        spanish, english = (
            {" ".join(text.split()) for text in Words(page.content.decode()).texts}
            for page in (admin_client.get(path, headers={"accept-language": each}) for each in ("es-MX", "en"))
        )
        assert len(spanish - english) > 3, path
        same = {text for text in spanish & english if re.search("[A-Za-z]{3}", text) and not OF_THE_QUOTE.search(text)}
        untranslated |= {text: path for text in same - THE_SAME}
    assert untranslated == {}
