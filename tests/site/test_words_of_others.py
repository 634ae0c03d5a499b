"""What Django and allauth say to staff says tú as well: `locale/others` overrides what their catalogues say."""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import polib
import pytest
from django.utils import translation
from django.utils.translation import gettext, ngettext, pgettext

from tests.site.test_translation import PLACES, ROOT, Message, calls_in, messages_in
from tests.support.sources import nodes_of

FORMAL = re.compile(
    r"\b([Uu]sted|[Ll]es?|Sus?|su (?:contraseña|cuenta|correo|navegador|base de datos|aplicación)|Ha|[Nn]o ha|"
    r"ha indicado|"
    r"[Ee]stá segur[oa]|[Dd]esea|(?<!se )[Pp]uede (?:agregar|editar|volver|añadir|eliminar|cambiar|activar)\w*|"
    r"[Ii]ngrese|[Ii]ntroduz?ca|[Ii]ntroduza|[Ss]eleccione|[Ee]lija|[Vv]erifique|[Ii]ntente|[Ee]scriba|[Cc]onfirme|"
    r"[Cc]orrija|[Uu]tilice|[Pp]ulse|[Pp]resione|[Mm]antenga|[Ii]nicie|[Cc]ambie|[Hh]aga|[Gg]uarde|[Cc]omplete|[Rr]evise|"
    r"[Vv]uelva|[Ee]nvíe|[Aa]gregue|[Aa]ñada|[Dd]esactive|[Cc]ompruebe|[Nn]ote|[Vv]isite|[Aa]segúrese|[Rr]egístrese)\b"
)


def package(name: str) -> Path:
    spec = find_spec(name)
    assert spec
    assert spec.origin
    return Path(spec.origin).parent


def said(*files: Path) -> set[Message]:
    """Return the messages in Python files and templates."""
    found: set[Message] = set()
    for file in files:
        if file.suffix == ".py":
            found |= set(messages_in(node for node in nodes_of(file) if has_literal(node)))
        else:
            found |= set(messages_in(node for call in calls_in(file.read_text()) for node in ast.walk(ast.parse(call))))
    return found


def has_literal(node: ast.AST) -> bool:
    args = node.args if isinstance(node, ast.Call) else []
    return any(isinstance(arg, ast.Constant) and isinstance(arg.value, str) for arg in args)


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return polib.pofile(str(ROOT / "locale/others/es_MX/LC_MESSAGES/django.po"))


@pytest.fixture(scope="module")
def seen() -> set[Message]:
    """What staff can see: Django's admin, users and forms, and of allauth the login, the second factor and messages."""
    admin, auth = package("django.contrib.admin"), package("django.contrib.auth")
    forms, core = package("django.forms"), package("django.core")
    account, mfa, all_auth = package("allauth.account"), package("allauth.mfa"), package("allauth")
    python = [*admin.rglob("*.py"), *auth.rglob("*.py"), *forms.rglob("*.py"), core / "validators.py"]
    python += [account / "adapter.py", *mfa.rglob("*.py")]
    templates = [*(admin / "templates").rglob("*.html"), *(auth / "templates").rglob("*.html")]
    for folder in ("account/messages", "mfa/messages"):
        templates += [path for path in (all_auth / "templates" / folder).rglob("*") if path.is_file()]
    return said(*(path for path in python if "migrations" not in path.parts and "tests" not in path.parts), *templates)


def test_staff_read_no_usted(seen):
    assert len(seen) > 300
    with translation.override("es-mx"):
        said_to_staff = {
            each.text: pgettext(each.context, each.text) if each.context else gettext(each.text) for each in seen
        }
    assert {text: said for text, said in said_to_staff.items() if FORMAL.search(said)} == {}


def test_what_is_overridden_is_said_by_a_package_and_is_what_is_shown(catalogue):
    with translation.override("es-mx"):
        for entry in catalogue:
            if entry.msgid_plural:
                shown = [ngettext(entry.msgid, entry.msgid_plural, number) for number in (1, 2)]
                assert shown == list(entry.msgstr_plural.values())
            else:
                assert gettext(entry.msgid) == entry.msgstr
    packages = [package(name) for name in ("django.contrib.admin", "django.contrib.auth", "django.conf", "allauth")]
    known = {each.msgid for path in packages for each in polib.pofile(str(path / "locale/es/LC_MESSAGES/django.po"))}
    assert {entry.msgid for entry in catalogue} - known == set()


def test_an_override_has_the_placeholders_of_its_source_and_says_tu(catalogue):
    for entry in catalogue:
        sources = [entry.msgid, entry.msgid_plural] if entry.msgid_plural else [entry.msgid]
        for source, text in zip(sources, list(entry.msgstr_plural.values()) or [entry.msgstr], strict=True):
            assert sorted(PLACES.findall(source)) == sorted(PLACES.findall(text)), source
            assert not FORMAL.search(text), text


@pytest.mark.django_db
def test_a_login_and_a_logout_say_tu(client, django_user_model):
    django_user_model.objects.create_user("ana", password="correct horse battery", is_staff=True)
    form = {"login": "ana", "password": "correct horse battery"}
    wrong = client.post("/admin/login/", {**form, "password": "wrong"}, headers={"accept-language": "es-MX"})
    assert "que escribiste no son correctos" in wrong.content.decode()
    answer = client.post("/admin/login/", form, headers={"accept-language": "es-MX"}, follow=True)
    assert "Ha iniciado" not in answer.content.decode()
