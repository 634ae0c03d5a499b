"""No secret and no personal data leaks: the site handles unmistakable values, and all its output is searched for them.

Faults are caused as well, because error messages are where such values get out.
"""

import base64
import html
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from django.test import override_settings

from leads.delivery.journal import sealing
from settings import static
from tests.support import faults, live
from tests.support.codes import app_code
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.factories import a_line, as_form
from tests.support.ingest import Ingest, ingest
from tests.support.live import Answer, Postgres, Site
from tests.support.processes import run
from tests.support.release import clone
from tests.support.staff import Staff

pytestmark = pytest.mark.long

NAME, PHONE = "Zoraida Ñandúcañada", "(656) 987-6512"
SECRETS = {
    "SECRET_KEY": "canary-of-the-signing-key, it signs and says nothing",
    "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_Canary0fTheServiceKey_1a2b3c4d",
    "the database's password": "c4n/ry#of-the-database",
    "the staff's password": "canary-of-the-staff",
    "METRICS_TOKEN": "canary-of-the-numbers/4f8Qm2Lw7Zr1Vb6",
}
PERSON = {
    "name": [NAME, "Zoraida", "Ñandúcañada"],
    "phone": [PHONE, "+526569876512", "6569876512", "987-6512"],
}

# A header's value has no other letters.
NAME_AS_TOKEN = f"Bearer {PHONE}"

Outputs = dict[str, str]  # the name of a page, log, file or command -> its text


def spellings(canary: str) -> set[str]:
    """Return the encodings of a value: unchanged, escaped for a URL, HTML, JSON and Python, in hex and base64."""
    as_bytes = canary.encode()
    # Base64 of the same bytes differs with their offset modulo three, and its ends depend on the neighbours.
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


def contains(text: str, canary: str) -> bool:
    folded = text.casefold()
    return any(spelling in text or spelling.casefold() in folded for spelling in spellings(canary))


def places(outputs: Outputs, canaries: list[str]) -> set[str]:
    """Return the names of the outputs that have any of these values."""
    return {where for where, text in outputs.items() if any(contains(text, canary) for canary in canaries)}


# --- Collecting all output ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sentry() -> Iterator[Ingest]:
    with ingest() as running:
        yield running


@pytest.fixture(scope="module")
def outputs(postgres: Postgres, sentry: Ingest, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    password = quote(SECRETS["the database's password"], safe="")
    variables = {
        "SECRET_KEY": SECRETS["SECRET_KEY"],
        "SUPABASE_SERVICE_ROLE_KEY": SECRETS["SUPABASE_SERVICE_ROLE_KEY"],
        "SENTRY_DSN": sentry.dsn,
        "METRICS_TOKEN": SECRETS["METRICS_TOKEN"],
        "LOG_LEVEL": "DEBUG",
        "REQUEST_LOG": "true",
    }
    url = postgres.url.replace("//postgres@", f"//postgres:{password}@")
    outputs: Outputs = {}
    with live.site(url, **variables) as site:
        customers_come(site, outputs)
        eventually(lambda: postgres.query("SELECT true FROM leads WHERE name <> ''"), or_show=lambda: site.log)
        staff_work(site, postgres, outputs)
        things_break(site, postgres, outputs)
        token = {"Authorization": f"Bearer {SECRETS['METRICS_TOKEN']}"}
        assert "folio_leads_total" in record(outputs, "numbers", site.get("/metrics", **token)).text
        record(
            outputs, "numbers without the token", site.get(f"/metrics?name={quote(NAME)}", Authorization=NAME_AS_TOKEN)
        )
        outputs["outbox"] = "\n".join(path.read_text() for path in site.outbox.rglob("*") if path.is_file())
        for command in (["check", "--deploy"], ["doctor", "--json"], ["outbox", "status"], ["outbox", "verify"]):
            outputs[f"manage.py {' '.join(command)}"] = printed(site, *command)
        outputs["log"] = log_of(site)
    for missing in ("checkout/quote.html", "base.html"):
        with release_without(tmp_path_factory.mktemp("release") / "folio", missing) as project:
            under = ["env", f"--chdir={project}"]
            with live.site(url, under=under, LOG_FORMAT="json", **variables) as site:
                a_page_fails(site, sentry, outputs, missing)
    # Postgres repeats a row that it refuses in its own log, which is guarded as its tables are (docs/operations.md).
    outputs["postgres"] = re.sub(r"DETAIL:  Failing row contains .*", "", postgres.log)
    outputs["sentry"] = "\n".join(sentry.envelopes)
    for name, file in static.release().files.items():
        outputs[f"static {name}"] = file.content.decode(errors="replace")
    return outputs


def record(outputs: Outputs, where: str, answer: Answer) -> Answer:
    outputs[where] = f"{answer.status}\n{answer.headers}{answer.text}"
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


def customers_come(site: Site, outputs: Outputs, when: str = "") -> None:
    """Request every customer page, with a form and with JSON, with valid and invalid data."""
    person = {"name": NAME, "phone": PHONE}

    def keep(where: str, answer: Answer) -> Answer:
        return record(outputs, f"customer{when}: {where}", answer)

    keep("calculator", site.get("/"))
    keep("calculator refused", site.post("/quote/", as_form(a_line(measure={"kind": "volume", "m3": NAME}))))
    keep("summary", site.post("/summary/", as_form(a_line())))
    quoted = keep("quoted", site.post("/quote/", as_form(a_line())))
    keep("quote", site.get(quoted.location))
    token = quoted.location.split("/")[2]
    keep("checkout without a name", site.post("/checkout/", {"token": token, "name": "", "phone": PHONE}))
    keep("checkout without a phone", site.post("/checkout/", {"token": token, "name": NAME, "phone": ""}))
    keep("checkout with a broken token", site.post("/checkout/", {"token": token[:-9], **person}))
    keep("checkout", site.post("/checkout/", {"token": token, **person}))
    priced = keep("json quote", site.post_json("/quote/", {"lines": [a_line()]})).json
    keep("json quote refused", site.post_json("/quote/", {"lines": [a_line(product=NAME)], "phone": PHONE}))
    keep("json checkout refused", site.post_json("/checkout/", {"token": "x", **person, "name": NAME * 9}))
    keep("json checkout torn", site.post("/checkout/", person, **{"Content-Type": "application/json"}))
    keep("json checkout", site.post_json("/checkout/", {"token": priced["token"], **person}))
    keep("quote by folio", site.get(f"/q/{priced['folio']}/"))
    keep("no such folio", site.get("/q/261122-0000-0000-0/"))
    keep("broken link", site.get(f"/q/{token[:-9]}/"))
    keep("nothing there", site.get(f"/nothing/{quote(NAME)}/?phone={quote(PHONE)}"))
    keep("wrong method", site.get(f"/checkout/?name={quote(NAME)}&phone={quote(PHONE)}"))
    keep("wrong host", site.get(f"/?name={quote(NAME)}", Host="shop.example.com"))
    keep("healthz", site.get("/healthz"))


def staff_work(site: Site, postgres: Postgres, outputs: Outputs) -> None:
    """Log in, list, search, open a lead, save a note that Postgres refuses, and read the page of an outage."""
    secret = SECRETS["the staff's password"]
    environment = {**site.environment, "DJANGO_SUPERUSER_PASSWORD": secret}
    live.manage("createsuperuser", "--noinput", "--username=ana", "--email=a@example.com", environment=environment)
    staff = Staff(site)

    def keep(where: str, answer: Answer) -> Answer:
        return record(outputs, f"staff: {where}", answer)

    login = keep("login", staff.get("/admin/login/"))
    keep("login refused", staff.post("/admin/login/", login, login=NAME, password=secret + "!"))
    assert keep("logged in", staff.post("/admin/login/", login, login="ana", password=secret)).status == 302
    app = keep("second factor", staff.get("/admin/second-factor/app/"))
    key = re.search(r"<code[^>]*>(\w+)<", app.text)[1]
    assert keep("code refused", staff.post("/admin/second-factor/app/", app, code="000000")).status == 200
    # The form shown again after a refused code has the same key.
    assert keep("code taken", staff.post("/admin/second-factor/app/", app, code=app_code(key))).status == 302
    keep("list", staff.get("/admin/leads/lead/?status=all"))
    keep("search", staff.get(f"/admin/leads/lead/?q={quote(PHONE)}"))
    [lead] = postgres.query("SELECT id FROM leads WHERE name <> '' ORDER BY id LIMIT 1")
    path = f"/admin/leads/lead/{lead['id']}/change/"
    page = keep("lead", staff.get(path))
    with faults.rule(postgres, "text = ''", table="lead_notes"):
        assert keep("note refused by Postgres", staff.post(path, page, notes="Llamar")).status == 500
    with faults.stopped(postgres, None):
        priced = site.post_json("/quote/", {"lines": [a_line()]}).json
        site.post_json("/checkout/", {"token": priced["token"], "name": NAME, "phone": PHONE})
        assert eventually(lambda: staff.get(path).status == 503)
        # The lead may reach the disk after its checkout was answered.
        eventually(lambda: NAME in keep("outage", staff.get("/admin/leads/lead/")).text, or_show=lambda: site.log)
        keep("outage, a stranger", site.get("/admin/leads/lead/"))
    assert eventually(lambda: site.get("/healthz").json["database"] == "up")


def things_break(site: Site, postgres: Postgres, outputs: Outputs) -> None:
    """Let customers come while Postgres is stopped, lacks its table and refuses leads; and damage a stored quote."""
    with faults.stopped(postgres, None):
        customers_come(site, outputs, when=" in an outage")
    with faults.without_table(postgres, None):
        customers_come(site, outputs, when=" without the table")
    eventually(lambda: site.get("/healthz").json["outbox"]["pending"] == 0, or_show=lambda: site.log)
    postgres.query("UPDATE leads SET quote_data = jsonb_set(quote_data, '{valid_until}', '\"2026-11-29\"')")
    [lead] = postgres.query("SELECT folio FROM leads WHERE name <> '' LIMIT 1")
    path = f"/q/{lead['folio']}/"
    assert eventually(lambda: record(outputs, "customer: damaged quote", site.get(path)).status == 404)
    with faults.rule(postgres, "name = ''"):
        customers_come(site, outputs, when=" refused by Postgres")
        assert eventually(lambda: site.get("/healthz").json["outbox"]["quarantined"])


@contextmanager
def release_without(directory: Path, missing: str) -> Iterator[Path]:
    """Yield a copy of the project that lacks one template."""
    project = clone(directory)
    (project / "templates" / missing).unlink()
    yield project
    shutil.rmtree(project)


def a_page_fails(site: Site, sentry: Ingest, outputs: Outputs, missing: str) -> None:
    """Request a quote's page with personal data in its URL."""
    token = site.post_json("/quote/", {"lines": [a_line()]}).json["token"]
    answer = record(outputs, f"without {missing}", site.get(f"/q/{token}/?name={quote(NAME)}&phone={quote(PHONE)}"))
    assert answer.status == 500
    eventually(lambda: missing in "".join(sentry.envelopes), or_show=lambda: site.log)
    outputs[f"log without {missing}"] = log_of(site)


# --- What may be where ----------------------------------------------------------------------------------------------

WALKS = ("", " in an outage", " without the table", " refused by Postgres")
# A customer's own page shows what they typed, and the message in the chat's link has their name.
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
def test_personal_data_is_only_on_the_person_s_own_pages_and_staff_pages(part, outputs):
    own = {f"customer{when}: {page}" for when in WALKS for page in OWN_PAGES[part]}
    assert places(outputs, PERSON[part]) == own | STAFF_PAGES[part]


@pytest.mark.parametrize("part", PERSON)
def test_the_outbox_has_the_person_sealed(part, outputs):
    with override_settings(SECRET_KEY=SECRETS["SECRET_KEY"]):
        opened = sealing.salvaged(outputs["outbox"].encode()).decode(errors="replace")
    assert any(trace in opened for trace in PERSON[part])


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_in_no_output(secret, outputs):
    assert places(outputs, [SECRETS[secret]]) == set()


def test_a_token_is_in_no_log_and_no_sentry_event(outputs):
    token = re.compile(r"[A-Za-z0-9_-]{60,}\.[A-Za-z0-9_-]{43}")
    where = {place for place, text in outputs.items() if token.search(text)}
    assert "customer: quote" in where
    assert {place for place in where if not place.startswith(("customer", "staff"))} == set()


def test_sentry_got_every_fault(outputs, sentry):
    raised = {value["type"] for event in sentry.events for value in event.get("exception", {}).get("values", [])}
    assert {"CheckViolation", "IntegrityError", "TemplateDoesNotExist"} <= raised
    messages = " ".join(event["logentry"]["formatted"] for event in sentry.events)
    assert all(text in messages for text in ("breaker opened", "quarantined", "Internal Server Error"))


def test_the_logs_have_each_error_and_its_place(outputs):
    assert "Internal Server Error: /admin/leads/lead/" in outputs["log"]
    assert "psycopg.errors.CheckViolation: 23514" in outputs["log"]
    assert "TemplateDoesNotExist: checkout/quote.html" in outputs["log without checkout/quote.html"]
    assert "TemplateDoesNotExist: base.html" in outputs["log without base.html"]
    for missing in ("checkout/quote.html", "base.html"):
        lines = [json.loads(line) for line in outputs[f"log without {missing}"].splitlines()]
        failed = next(line for line in lines if line.get("status") == 500)
        traceback = next(line for line in lines if {"traceback", "request_id"} <= line.keys())
        assert (failed["route"], traceback["request_id"]) == ("checkout:quote_page", failed["request_id"])


def test_each_request_has_a_line_without_its_address(outputs):
    lines = [line for line in outputs["log"].splitlines() if " INFO telemetry.requests " in line]
    written = "\n".join(lines)
    for route in ("quoter:calculator", "checkout:checkout", "checkout:quote_page", "admin:leads_lead_changelist", "-"):
        assert f" {route} " in written
    assert not re.search(r"/|\?|=|\b\d{6}-\w{4}-", re.sub(r"(?m)^\S+ \S+ ", "", written))


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
    ids=["unchanged", "upper", "URL", "form", "HTML", "JSON", "Python", "JSON in JSON", "hex", "64", "64 +1", "64 +2"],
)
@pytest.mark.parametrize("canary", [NAME, PHONE, *SECRETS.values()])
def test_the_search_finds_a_value_in_any_encoding(written, canary):
    assert places({"log": f"nothing to see {written(canary)} here", "static": "nothing"}, [canary]) == {"log"}
