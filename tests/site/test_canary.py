"""No secret and no person leaves: unmistakable values go through all that the site does, and what it says is combed.

The site is broken on the way as the world breaks it, because an error's message is where such values get out.
"""

import base64
import gzip
import html
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.support import faults, live
from tests.support.codes import app_code
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.factories import a_line, as_form
from tests.support.ingest import Ingest, ingest
from tests.support.live import ROOT, Answer, Postgres, Site
from tests.support.processes import run
from tests.support.release import clone

pytestmark = pytest.mark.long

NAME, PHONE = "Zoraida Ñandúcañada", "(656) 987-6512"
SECRETS = {
    "SECRET_KEY": "canary-of-the-signing-key, it signs and says nothing",
    "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_Canary0fTheServiceKey_1a2b3c4d",
    "the database's password": "c4n/ry#of-the-database",
    "the staff's password": "canary-of-the-staff",
}
PERSON = {
    "name": [NAME, "Zoraida", "Ñandúcañada"],
    "phone": [PHONE, "+526569876512", "6569876512", "987-6512"],
}

Said = dict[str, str]  # where -> all that was said there


def spellings(canary: str) -> set[str]:
    """Return a value as it may be written: as it is, escaped for a URL, a page, JSON and Python, in hex and base64."""
    as_bytes = canary.encode()
    # In base64 the same bytes look different after one or two others; the ends depend on the neighbours.
    shifted = [base64.b64encode(b"\0" * shift + as_bytes).decode().rstrip("=") for shift in range(3)]
    inside = {text[(0, 2, 3)[shift] : -1] for shift, text in enumerate(shifted)}
    return {
        canary,
        quote(canary, safe=""),
        quote(canary),
        quote_plus(canary),
        html.escape(canary),
        json.dumps(canary)[1:-1],
        json.dumps(json.dumps(canary))[3:-3],
        ascii(canary)[1:-1],
        as_bytes.hex(),
        *inside,
        *(text.translate(str.maketrans("+/", "-_")) for text in inside),
    }


def holds(text: str, canary: str) -> bool:
    folded = text.casefold()
    return any(spelling in text or spelling.casefold() in folded for spelling in spellings(canary))


def places(said: Said, canaries: list[str]) -> set[str]:
    """Return where any of these values was said."""
    return {where for where, text in said.items() if any(holds(text, canary) for canary in canaries)}


# --- All that the site does -----------------------------------------------------------------------------------------


class Staff:
    """A browser that a member of the staff uses."""

    HOST = "127.0.0.1"

    def __init__(self, site: Site) -> None:
        self._site, self._cookies = site, dict[str, str]()

    def get(self, path: str) -> Answer:
        return self._kept(self._site.get(path, **self._headers()))

    def post(self, path: str, page: Answer, **form: str) -> Answer:
        csrf = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
        return self._kept(self._site.post(path, {"csrfmiddlewaretoken": csrf, **form}, **self._headers()))

    def _headers(self) -> dict[str, str]:
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        return {"Host": self.HOST, "Origin": f"https://{self.HOST}", "Cookie": cookie}

    def _kept(self, answer: Answer) -> Answer:
        for header in answer.headers.get_all("Set-Cookie", []):
            name, value = header.split(";")[0].split("=", 1)
            self._cookies[name] = value
        return answer


@pytest.fixture(scope="module")
def sentry() -> Iterator[Ingest]:
    with ingest() as running:
        yield running


@pytest.fixture(scope="module")
def said(postgres: Postgres, sentry: Ingest, tmp_path_factory: pytest.TempPathFactory) -> Said:
    password = quote(SECRETS["the database's password"], safe="")
    variables = {
        "SECRET_KEY": SECRETS["SECRET_KEY"],
        "SUPABASE_SERVICE_ROLE_KEY": SECRETS["SUPABASE_SERVICE_ROLE_KEY"],
        "SENTRY_DSN": sentry.dsn,
        "LOG_LEVEL": "DEBUG",
    }
    url = postgres.url.replace("//postgres@", f"//postgres:{password}@")
    said: Said = {}
    with live.site(url, **variables) as site:
        customers_come(site, said)
        eventually(lambda: postgres.query("SELECT true FROM leads WHERE name <> ''"), or_show=lambda: site.log)
        staff_work(site, postgres, said)
        things_break(site, postgres, said)
        said["outbox"] = "\n".join(path.read_text() for path in site.outbox.rglob("*") if path.is_file())
        for command in (["check", "--deploy"], ["doctor", "--json"], ["outbox", "status"], ["outbox", "verify"]):
            said[f"manage.py {' '.join(command)}"] = printed(site, *command)
        said["log"] = log_of(site)
    for missing in ("checkout/quote.html", "base.html"):
        with half_a_release(tmp_path_factory.mktemp("release") / "folio", missing) as project:
            under = ["env", f"--chdir={project}"]
            with live.site(url, under=under, **variables) as site:
                a_page_fails(site, sentry, said, missing)
    # Postgres repeats a row that it refuses in its own log, which is guarded as its tables are (docs/operations.md).
    said["postgres"] = re.sub(r"DETAIL:  Failing row contains .*", "", postgres.log)
    said["sentry"] = "\n".join(sentry.envelopes)
    for path in (ROOT / "var" / "static").rglob("*"):
        if path.is_file():
            unpack = gzip.decompress if path.suffix == ".gz" else bytes
            said[f"static {path.name}"] = unpack(path.read_bytes()).decode(errors="replace")
    return said


def tell(said: Said, where: str, answer: Answer) -> Answer:
    said[where] = f"{answer.status}\n{answer.headers}{answer.text}"
    return answer


def log_of(site: Site) -> str:
    """Stop a site, and return all that it has logged."""
    site.process.terminate()
    site.process.wait(PATIENCE_S)
    return site.log


def printed(site: Site, *command: str) -> str:
    done = run("manage.py", *command, environment=site.environment)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def customers_come(site: Site, said: Said, when: str = "") -> None:
    """Walk every path of a customer, with a form and with JSON, and make every mistake."""
    person = {"name": NAME, "phone": PHONE}

    def told(where: str, answer: Answer) -> Answer:
        return tell(said, f"customer{when}: {where}", answer)

    told("calculator", site.get("/"))
    told("calculator refused", site.post("/quote/", as_form(a_line(measure={"kind": "volume", "m3": NAME}))))
    told("summary", site.post("/summary/", as_form(a_line())))
    quoted = told("quoted", site.post("/quote/", as_form(a_line())))
    told("quote", site.get(quoted.location))
    token = quoted.location.split("/")[2]
    told("checkout without a name", site.post("/checkout/", {"token": token, "name": "", "phone": PHONE}))
    told("checkout without a phone", site.post("/checkout/", {"token": token, "name": NAME, "phone": ""}))
    told("checkout with a broken token", site.post("/checkout/", {"token": token[:-9], **person}))
    told("checkout", site.post("/checkout/", {"token": token, **person}))
    priced = told("json quote", site.post_json("/quote/", {"lines": [a_line()]})).json
    told("json quote refused", site.post_json("/quote/", {"lines": [a_line(product=NAME)], "phone": PHONE}))
    told("json checkout refused", site.post_json("/checkout/", {"token": "x", **person, "name": NAME * 9}))
    told("json checkout torn", site.post("/checkout/", person, **{"Content-Type": "application/json"}))
    told("json checkout", site.post_json("/checkout/", {"token": priced["token"], **person}))
    told("quote by folio", site.get(f"/q/{priced['folio']}/"))
    told("no such folio", site.get("/q/261122-0000-0000-0/"))
    told("broken link", site.get(f"/q/{token[:-9]}/"))
    told("nothing there", site.get(f"/nothing/{quote(NAME)}/?phone={quote(PHONE)}"))
    told("wrong method", site.get(f"/checkout/?name={quote(NAME)}&phone={quote(PHONE)}"))
    told("wrong host", site.get(f"/?name={quote(NAME)}", Host="shop.example.com"))
    told("healthz", site.get("/healthz"))


def staff_work(site: Site, postgres: Postgres, said: Said) -> None:
    """Log in, look, search, note, restore; and save a note into a table that no longer takes any."""
    secret = SECRETS["the staff's password"]
    environment = {**site.environment, "DJANGO_SUPERUSER_PASSWORD": secret}
    live.manage("createsuperuser", "--noinput", "--username=ana", "--email=a@example.com", environment=environment)
    staff = Staff(site)

    def told(where: str, answer: Answer) -> Answer:
        return tell(said, f"staff: {where}", answer)

    login = told("login", staff.get("/admin/login/"))
    told("login refused", staff.post("/admin/login/", login, login=NAME, password=secret + "!"))
    assert told("logged in", staff.post("/admin/login/", login, login="ana", password=secret)).status == 302
    app = told("second factor", staff.get("/admin/second-factor/app/"))
    key = re.search(r"<code[^>]*>(\w+)<", app.text)[1]
    assert told("code refused", staff.post("/admin/second-factor/app/", app, code="000000")).status == 200
    # The page that was refused keeps its key.
    assert told("code taken", staff.post("/admin/second-factor/app/", app, code=app_code(key))).status == 302
    told("list", staff.get("/admin/leads/lead/"))
    told("search", staff.get(f"/admin/leads/lead/?q={quote(PHONE)}"))
    [lead] = postgres.query("SELECT id FROM leads WHERE name <> '' ORDER BY id LIMIT 1")
    path = f"/admin/leads/lead/{lead['id']}/change/"
    page = told("lead", staff.get(path))
    with faults.rule(postgres, "notes = ''"):
        assert told("note refused by Postgres", staff.post(path, page, notes="Llamar")).status == 500
    with faults.stopped(postgres, None):
        priced = site.post_json("/quote/", {"lines": [a_line()]}).json
        site.post_json("/checkout/", {"token": priced["token"], "name": NAME, "phone": PHONE})
        assert eventually(lambda: staff.get(path).status == 503)
        # A disk may take longer than a customer waits for it.
        eventually(lambda: NAME in told("outage", staff.get("/admin/leads/lead/")).text, or_show=lambda: site.log)
        told("outage, a stranger", site.get("/admin/leads/lead/"))
    assert eventually(lambda: site.get("/healthz").json["database"] == "up")


def things_break(site: Site, postgres: Postgres, said: Said) -> None:
    """Stop Postgres, take its table, have it refuse a lead, and spoil a stored quote."""
    with faults.stopped(postgres, None):
        customers_come(site, said, when=" in an outage")
    with faults.without_table(postgres, None):
        customers_come(site, said, when=" without the table")
    eventually(lambda: site.get("/healthz").json["outbox"]["pending"] == 0, or_show=lambda: site.log)
    postgres.query("UPDATE leads SET quote_data = jsonb_set(quote_data, '{valid_until}', '\"2026-11-29\"')")
    [lead] = postgres.query("SELECT folio FROM leads WHERE name <> '' LIMIT 1")
    spoilt = f"/q/{lead['folio']}/"
    assert eventually(lambda: tell(said, "customer: spoilt quote", site.get(spoilt)).status == 404)
    with faults.rule(postgres, "name = ''"):
        customers_come(site, said, when=" refused by Postgres")
        assert eventually(lambda: site.get("/healthz").json["outbox"]["quarantined"])


@contextmanager
def half_a_release(directory: Path, missing: str) -> Iterator[Path]:
    """The project in another place, built, but for one template."""
    project = clone(directory)
    shutil.copytree(ROOT / "var" / "static", project / "var" / "static")
    (project / "templates" / missing).unlink()
    yield project
    shutil.rmtree(project)


def a_page_fails(site: Site, sentry: Ingest, said: Said, missing: str) -> None:
    """Ask for a quote's page, with the person in its address: in Django's hands, or, without the base, past them."""
    token = site.post_json("/quote/", {"lines": [a_line()]}).json["token"]
    answer = tell(said, f"without {missing}", site.get(f"/q/{token}/?name={quote(NAME)}&phone={quote(PHONE)}"))
    assert answer.status == 500
    eventually(lambda: missing in "".join(sentry.envelopes), or_show=lambda: site.log)
    said[f"log without {missing}"] = log_of(site)


# --- Where it was said ----------------------------------------------------------------------------------------------

WALKS = ("", " in an outage", " without the table", " refused by Postgres")
# A customer's own page shows what was typed in it; the message in the chat's link greets with the name.
OWN_PAGES = {
    "name": (
        "calculator refused",
        "checkout without a phone",
        "checkout with a broken token",
        "checkout",
        "json checkout",
    ),
    "phone": ("checkout without a name", "checkout with a broken token"),
}
STAFF_PAGES = {
    "name": {"staff: login refused", "staff: list", "staff: search", "staff: lead", "staff: outage"},
    "phone": {"staff: list", "staff: search", "staff: lead", "staff: outage"},
}


@pytest.mark.parametrize("part", PERSON)
def test_the_person_is_on_their_own_pages_the_staff_s_and_in_the_outbox_and_nowhere_else(part, said):
    own = {f"customer{when}: {page}" for when in WALKS for page in OWN_PAGES[part]}
    assert places(said, PERSON[part]) == own | STAFF_PAGES[part] | {"outbox"}


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_nowhere(secret, said):
    assert places(said, [SECRETS[secret]]) == set()


def test_a_quote_s_token_is_in_no_log_and_no_event(said):
    token = re.compile(r"[A-Za-z0-9_-]{60,}\.[A-Za-z0-9_-]{43}")
    where = {place for place, text in said.items() if token.search(text)}
    assert "customer: quote" in where
    assert {place for place in where if not place.startswith(("customer", "staff"))} == set()


def test_sentry_was_told_of_everything_that_broke(said, sentry):
    raised = {value["type"] for event in sentry.events for value in event.get("exception", {}).get("values", [])}
    assert {"CheckViolation", "IntegrityError", "TemplateDoesNotExist"} <= raised
    told = " ".join(event["logentry"]["formatted"] for event in sentry.events)
    assert all(what in told for what in ("breaker opened", "queued", "quarantined", "Internal Server Error"))


def test_the_logs_still_say_what_broke_and_where(said):
    assert "Internal Server Error: /admin/leads/lead/" in said["log"]
    assert "psycopg.errors.CheckViolation: 23514" in said["log"]
    assert "TemplateDoesNotExist: checkout/quote.html" in said["log without checkout/quote.html"]
    assert "Error handling request GET /q/[redacted]/?[redacted]" in said["log without base.html"]


# --- The search itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        str,
        str.upper,
        quote,
        quote_plus,
        html.escape,
        json.dumps,
        ascii,
        lambda text: json.dumps(json.dumps({"formatted": text})),
        lambda text: text.encode().hex(),
        lambda text: base64.b64encode(f"a={text};".encode()).decode(),
        lambda text: base64.urlsafe_b64encode(f"ab={text};".encode()).decode(),
        lambda text: base64.b64encode(f"abc={text};".encode()).decode(),
    ],
    ids=["as it is", "shouted", "URL", "form", "HTML", "JSON", "Python", "JSON in JSON", "hex", "64", "64 +1", "64 +2"],
)
@pytest.mark.parametrize("canary", [NAME, PHONE, *SECRETS.values()])
def test_the_search_finds_a_planted_value_however_it_is_written(written, canary):
    assert places({"log": f"nothing to see {written(canary)} here", "static": "nothing"}, [canary]) == {"log"}
