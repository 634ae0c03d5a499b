"""Nothing is said in one language alone: every string is found, and looked up, without GNU gettext on the machine."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import polib
import pytest
from django.contrib.auth.models import User
from django.utils import translation
from django.utils.translation.template import templatize
from pydantic import BaseModel

from checkout import fallbacks, notice
from leads.delivery.record import lead_record
from leads.models import Lead
from quoter import token
from quoter.engine.text import Text
from tests.support.factories import a_contact, a_line, an_issued_quote, as_form, store
from tests.support.quotes import CONCRETE, TURF

ROOT = Path(__file__).resolve().parents[2]
CODE = [path for app in ("quoter", "leads", "checkout", "settings") for path in sorted((ROOT / app).rglob("*.py"))]
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*") if path.is_file())
GETTEXT = {
    "_",
    *(f"{kind}{lazy}" for kind in ("gettext", "ngettext", "pgettext", "npgettext") for lazy in ("", "_lazy")),
}
PLACES = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|\{\w*\}")


class Message(NamedTuple):
    context: str | None
    text: str


# --- The catalogue ----------------------------------------------------------------------------------------------------


def name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def messages_in(code: str) -> Iterator[Message]:
    for call in ast.walk(ast.parse(code)):
        if isinstance(call, ast.Call) and name_of(call) in GETTEXT:
            said = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            assert said, f"cannot be looked up before it is known: {ast.unparse(call)}"
            yield Message(*said[:2]) if "pgettext" in name_of(call) else Message(None, said[0])


def calls_in(template: str) -> Iterator[str]:
    """Return the calls of gettext that a template stands for, as Python."""
    code = templatize(template)
    for beginning in re.finditer(rf"\b({'|'.join(GETTEXT)})\(", code):
        for ending in re.finditer(r"\)", code[beginning.end() :]):
            call = code[beginning.start() : beginning.end() + ending.end()]
            try:
                ast.parse(call)
            except SyntaxError:  # a bracket within the text
                continue
            yield call
            break


@pytest.fixture(scope="module")
def said() -> set[Message]:
    """Every string that goes through gettext."""
    code = [path.read_text() for path in CODE]
    code += [call for path in TEMPLATES for call in calls_in(path.read_text())]
    return {message for text in code for message in messages_in(text)}


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return polib.pofile(str(ROOT / "locale/es_MX/LC_MESSAGES/django.po"))


def test_what_is_said_in_english_is_said_in_spanish(said, catalogue):
    translated = {Message(entry.msgctxt, entry.msgid) for entry in catalogue if entry.translated()}
    assert said - translated == set()


def test_the_catalogue_holds_nothing_that_nobody_says(said, catalogue):
    assert {Message(entry.msgctxt, entry.msgid) for entry in catalogue} - said == set()
    assert not catalogue.obsolete_entries()
    assert not catalogue.fuzzy_entries()


def test_a_translation_has_the_places_to_fill_in_of_its_source(catalogue):
    for entry in catalogue:
        sources = [entry.msgid, entry.msgid_plural] if entry.msgid_plural else [entry.msgid]
        translations = list(entry.msgstr_plural.values()) or [entry.msgstr]
        for source, ours in zip(sources, translations, strict=True):
            assert sorted(PLACES.findall(source)) == sorted(PLACES.findall(ours)), source


def names_imported(path: Path) -> set[str]:
    statements = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    return {alias.name for statement in statements for alias in statement.names}


def test_customers_read_text_and_templates_and_staff_use_gettext():
    names = {path.relative_to(ROOT): names_imported(path) for path in CODE}
    assert [path for path, used in names.items() if used & GETTEXT and path.parts[0] != "leads"] == []
    in_leads = {str(path) for path, used in names.items() if "Text" in used and path.parts[0] == "leads"}
    assert in_leads == {"leads/customer.py"}  # what the customer is asked


# --- The engine's own phrases, and the shop's -------------------------------------------------------------------------


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
        for call in ast.walk(ast.parse(path.read_text())):
            # Those that are put together from others hold no words of their own.
            if (
                isinstance(call, ast.Call)
                and name_of(call) == "Text"
                and all(isinstance(keyword.value, ast.Constant) for keyword in call.keywords)
            ):
                yield path, {str(keyword.arg): keyword.value.value for keyword in call.keywords}  # type: ignore[attr-defined]


def test_each_phrase_of_the_engine_is_in_both_languages_with_the_same_places():
    phrases = list(phrases_of_the_code())
    assert len(phrases) > 50
    for path, phrase in phrases:
        assert phrase.keys() == {"es", "en"}, (path, phrase)
        assert all(text.strip() for text in phrase.values()), (path, phrase)
        assert set(PLACES.findall(phrase["es"])) == set(PLACES.findall(phrase["en"])), (path, phrase)


def test_the_bundled_books_and_notice_are_in_both_languages():
    ours = notice.read(ROOT / "checkout" / "privacy.toml")
    for phrase in [text for source in (CONCRETE, TURF, ours) for text in phrases_in(source)]:
        assert phrase.es.strip(), phrase
        assert phrase.en.strip(), phrase
        # Several words that are alike in both are one that was not translated; a measure, as in f'c 200 kg/cm², is not.
        assert phrase.es != phrase.en or len(re.findall(r"[^\W\d]{3,}", phrase.es)) < 2, phrase


# --- Templates and pages ----------------------------------------------------------------------------------------------

SAID_ASIDE = ("alt", "aria-label", "placeholder", "title", "label")
# What is the same in both: names.
NAMES = {"WhatsApp", "Folio", "CSV"}


class Words(HTMLParser):
    """What a page says to a person, names of controls too, but for what it marks as in another language."""

    VOID = {"meta", "link", "input", "br", "img", "hr", "source", "col", "wbr", "area", "base"}

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_silent = tag in ("script", "style") or ("lang" in given and tag != "html")
        if not self._silent and not is_silent:
            self.said += [text for name in SAID_ASIDE if (text := given.get(name))]
            if tag == "meta" and given.get("name") == "description":
                self.said.append(given.get("content") or "")
        if tag not in self.VOID and (self._silent or is_silent):
            self._silent.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._silent and tag in self._silent:
            while self._silent.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.said.append(data)


def bare_words(template: str) -> list[str]:
    """Return the words of a template that no translation would reach."""
    apart = (
        r"\{% block (bodyclass|coltype) %\}.*?\{% endblock.*?%\}",
        r"\{% comment %\}.*?\{% endcomment %\}",
        r"\{% blocktranslate.*?\{% endblocktranslate %\}",
        r"\{%.*?%\}",
        r"\{\{.*?\}\}",
        r"\{#.*?#\}",
        r"\{\w+\}",  # what a script puts in
    )
    page = re.sub("|".join(apart), "", template, flags=re.DOTALL)
    words = re.findall(r"[^\W\d_]{2,}", " ".join(Words(page).said))
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


# Words that many a sentence has, and that are none in the other language, nor a unit.
SPANISH = set(
    re.findall(r"\w+", "el la los las un una del de para por con que y tu su sus en es son hay más sin se lo al")
)
ENGLISH = set(
    re.findall(r"\w+", "the of and to for with your you is are it this that from by at be not or an in was has")
)

WORD = re.compile(r"(?<![\w-])[^\W\d_]+(?![\w-])")  # a folio is none

BY_NOBODY = ["/", "/privacy/", "/offline/", "/nowhere/", "/admin/login/"]
BY_STAFF = [
    "/admin/?days=90",
    "/admin/leads/lead/",
    "/admin/leads/lead/?status=contacted",
    "/admin/leads/lead/?status=all&q=nobody",
    "/admin/leads/lead/{lead}/change/",
    "/admin/leads/lead/restore/",
    "/admin/leads/lead/quarantine/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/user/{user}/change/",
    "/admin/auth/group/add/",
    "/admin/second-factor/",
    "/admin/logout/",
    "/admin/password/",
    "/admin/password_change/",
]


def strangers(page: str, language: str) -> list[str]:
    """Return what a page says in words of the other language."""
    words = SPANISH if language == "en" else ENGLISH
    return [said for text in Words(page).said if words & set(WORD.findall((said := text.strip()).lower()))]


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["es-MX", "en"])
@pytest.mark.parametrize("path", BY_NOBODY)
def test_a_page_says_nothing_in_the_other_language(client, path, language):
    page = client.get(path, headers={"accept-language": language}).content.decode()
    assert len(Words(page).said) > 5
    assert not strangers(page, language)


@pytest.mark.parametrize("language", ["es-MX", "en"])
def test_what_a_customer_typed_wrong_is_said_in_one_language(client, language):
    wrong = [
        a_line(measure={"kind": "volume", "m3": text}, options=options)
        for text, options in [("", {}), ("4,500", {"strength": "200", "service": "direct"}), ("0", {}), ("x", {})]
    ]
    page = client.post("/quote/", as_form(*wrong), headers={"accept-language": language}).content.decode()
    assert page.count('class="error"') >= 6
    assert not strangers(page, language)


@pytest.mark.parametrize("language", ["es-MX", "en"])
@pytest.mark.parametrize("age", [timedelta(), timedelta(days=30)], ids=["valid", "expired"])
def test_a_quote_says_nothing_in_the_other_language(client, language, age):
    with translation.override(language):
        issued = an_issued_quote()
    quote = issued.quote
    earlier = {name: getattr(quote, name) - age for name in ("issued_at", "valid_until")}
    signed = token.dumps(issued._replace(quote=quote.model_copy(update=earlier)))
    in_it = {"headers": {"accept-language": language}}
    for page in (client.get(f"/q/{signed}/", **in_it), client.post("/checkout/", {"token": signed}, **in_it)):
        assert quote.folio in page.content.decode()
        assert not strangers(page.content.decode(), language)


@pytest.mark.parametrize("language", ["es-MX", "en"])
def test_the_fault_page_says_nothing_in_the_other_language(rf, language):
    with translation.override(language):
        page = fallbacks.unavailable(rf.get("/"), folio="261122-7F3K-Q2M9-X").content.decode()
    assert not strangers(page, language)


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["es-MX", "en"])
def test_staff_s_pages_say_nothing_in_the_other_language(admin_client, admin_user, language):
    with translation.override(language):
        store(lead_record(an_issued_quote(), a_contact(name="Zoila")))
    lead, user = Lead.objects.get(), User.objects.create_user("zoila")
    for path in BY_STAFF:
        address = path.format(lead=lead.pk, user=user.pk)
        answer = admin_client.get(address, headers={"accept-language": language})
        assert answer.status_code == 200, address
        assert not strangers(answer.content.decode(), language), address
