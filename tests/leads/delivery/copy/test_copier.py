"""The client of the API, and the copier, while the API fails in all ways. tests/site/test_rest_copy.py has the site."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from leads.delivery.breaker import Breaker
from leads.delivery.copy import copier, rest_api
from leads.delivery.copy.copier import Copier
from leads.delivery.copy.rest_api import NoAnswer, RestApi
from leads.delivery.journal.copied import count_copied
from leads.delivery.journal.outbox import Outbox
from leads.delivery.record import quote_record
from leads.delivery.relay import Relay
from tests.support import mark
from tests.support.authority import Authority
from tests.support.copies import a_lead, journaled, rows, sql
from tests.support.eventually import eventually
from tests.support.factories import an_issued_quote
from tests.support.postgrest import INSERTS, JWT, KEY, LEADS, Fault, postgrest

# All but the one that does what was asked.
FAULTS = [fault for fault in Fault if fault is not Fault.LOSE]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same times, divided: what is tested is that they end."""
    for name, seconds in {"LOOK_EVERY_S": 0.02, "LONGEST_PAUSE_S": 0.1, "KEY_PAUSE_S": 0.1}.items():
        monkeypatch.setattr(copier, name, seconds)
    monkeypatch.setattr(rest_api, "ANSWER_S", 0.4)


@pytest.fixture
def running(api: RestApi, journal: Outbox, quick: None) -> Iterator[Copier]:
    copies = Copier(api, held=journal.held, is_down=lambda: True)
    copies.start()
    yield copies
    copies.stop()


# --- The client -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, JWT], ids=["new", "old"])
def test_either_kind_of_key_is_taken_as_supabase_wants_it(rest, key):
    assert RestApi(rest.url, key).read(LEADS) == (200, b"[]")
    assert RestApi(rest.url, f"{key}x").read(LEADS).status == 401


def test_the_key_goes_to_nobody_whose_certificate_is_not_trusted(postgres, tmp_path, monkeypatch):
    authority = Authority("ca", tmp_path)
    authority.certify("localhost", tmp_path)
    with postgrest(postgres.url, certificates=tmp_path) as rest:
        with pytest.raises(NoAnswer, match="^SSLCertVerificationError$"):
            RestApi(rest.url, KEY).read(LEADS)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        with pytest.raises(NoAnswer, match="^SSLCertVerificationError$"):
            RestApi(rest.url.replace("localhost", "127.0.0.1"), KEY).read(LEADS)
        assert rest.asked == []
        assert RestApi(rest.url, KEY).read(LEADS) == (200, b"[]")


@pytest.mark.parametrize("connection", [b"", b"Connection: close\r\n"], ids=["kept", "closed"])
@pytest.mark.parametrize(
    "framed",
    [b"Content-Length: 1\r\n\r\n1", b"Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n", b"\r\n1"],
    ids=["with a length", "in chunks", "to the end"],
)
def test_an_answer_is_read_however_it_is_framed(connection, framed):
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as server:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.submit(answer_once, listener, b"HTTP/1.1 200 OK\r\n" + connection + framed)
        assert RestApi(url, KEY).read(LEADS) == (200, b"1")


def answer_once(listener: socket.socket, answer: bytes) -> None:
    client, _ = listener.accept()
    with client:
        client.recv(65536)
        client.sendall(answer)


def test_nobody_listens_and_an_address_without_a_host(rest):
    rest.close()
    with pytest.raises(NoAnswer, match="^ConnectionRefusedError$"):
        RestApi(rest.url, KEY).read(LEADS)
    with pytest.raises(NoAnswer):
        RestApi("https://", KEY).read(LEADS)


def test_the_error_of_a_key_that_is_no_header_does_not_have_the_key(rest):
    with pytest.raises(NoAnswer) as failed:
        RestApi(rest.url, "sb_secret_two\nlines").read(LEADS)
    assert "sb_secret" not in f"{failed.value!r} {failed.value.__cause__!r}"


def test_without_the_switch_there_is_no_copier(journal, settings):
    settings.SUPABASE_URL, settings.SUPABASE_SERVICE_ROLE_KEY = "https://project.supabase.co", KEY
    breaker = Breaker(clock=time.monotonic)
    assert Relay(journal, breaker).copier is None
    settings.SUPABASE_REST_COPY = True
    assert Relay(journal, breaker).copier is not None


# --- The copier -----------------------------------------------------------------------------------------------------


def test_waiting_leads_are_copied_once_each_and_quotes_are_not(running, rest, journal, outbox_directories):
    quote = quote_record(an_issued_quote(), visitor_id="")
    leads = [a_lead(name=f"Zoila {number}") for number in range(3)]
    journaled(journal, leads[0], quote, *leads[1:])
    eventually(lambda: count_copied(outbox_directories) == 3)
    journaled(journal, a_lead(name="Zoila 3"))
    eventually(lambda: count_copied(outbox_directories) == 4)
    assert sorted(row["name"] for row in rows()) == ["Zoila 0", "Zoila 1", "Zoila 2", "Zoila 3"]
    assert rest.asked == [f"POST {INSERTS}"] * 4


def test_a_record_of_another_shape_holds_up_no_lead(running, journal, outbox_directories):
    for odd in (b'{"phone": "+526561234567"}', b'{"phone": "+526561234567", "quote_data": []}', b"[]"):
        journal.append("odd", odd)
    journaled(journal, a_lead())
    eventually(lambda: count_copied(outbox_directories) == 1)


def test_nothing_is_asked_while_postgres_is_up(api, rest, journal, quick):
    is_down, looked = Event(), Event()

    def is_down_now() -> bool:
        looked.set()
        return is_down.is_set()

    copies = Copier(api, held=journal.held, is_down=is_down_now)
    journaled(journal, a_lead())
    copies.start()
    assert looked.wait(10)
    assert rest.asked == []
    is_down.set()
    eventually(lambda: rest.asked)
    copies.stop()


def test_the_next_process_does_not_copy_again_and_a_lost_note_does_no_harm(api, journal, outbox_directories, quick):
    journaled(journal, a_lead(), a_lead())
    for expected in (2, 2):
        copies = Copier(api, held=journal.held, is_down=lambda: True)
        copies.start()
        eventually(lambda expected=expected: count_copied(outbox_directories) == expected)
        copies.stop()
        for note in outbox_directories[0].glob("*.copied"):
            note.unlink()
    assert len(rows()) == 2


def test_the_notes_go_with_the_segment(running, journal, outbox_directories):
    journaled(journal, a_lead())
    eventually(lambda: count_copied(outbox_directories) == 1)
    running.stop()
    journal.delivered(journal.take())
    assert count_copied(outbox_directories) == 0
    journal.close()
    assert list(outbox_directories[0].iterdir()) == []


@pytest.mark.parametrize(
    "fault", mark.by_hand_but(4 + len(FAULTS), [*FAULTS, 401, 404, 429, 503, 403, 405, 500, 504]), ids=str
)
def test_while_the_api_fails_nothing_is_copied_and_afterwards_all(
    running, rest, journal, outbox_directories, caplog, fault
):
    rest.answer = fault
    journaled(journal, a_lead(), a_lead())
    eventually(lambda: len(rest.asked) >= 2)
    assert count_copied(outbox_directories) == 0
    rest.answer = None
    rest.is_over.set()
    eventually(lambda: count_copied(outbox_directories) == 2)
    assert len(rows()) == 2
    assert rest.elsewhere == []
    log = caplog.text
    # Once for each change: the end of what hung is one.
    assert 1 <= log.count("copy failed") <= 2
    assert not [trace for trace in (KEY, "María", "6561234567") if trace in log]


def test_a_lead_whose_answer_got_lost_is_one_row(running, rest, journal, outbox_directories):
    rest.answer = Fault.LOSE
    journaled(journal, a_lead())
    eventually(lambda: len(rest.asked) >= 2)
    assert len(rows()) == 1
    rest.answer = None
    eventually(lambda: count_copied(outbox_directories) == 1)
    assert len(rows()) == 1


# PostgREST answers 400 to what a constraint refuses, and 500 to some errors of a trigger.
REFUSALS = {
    400: ("ALTER TABLE leads ADD CONSTRAINT no_red CHECK (name <> 'Red')", "ALTER TABLE leads DROP CONSTRAINT no_red"),
    500: (
        "CREATE FUNCTION no_red() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'P0002'; END $$; "
        "CREATE TRIGGER no_red BEFORE INSERT ON leads FOR EACH ROW WHEN (NEW.name = 'Red') EXECUTE FUNCTION no_red()",
        "DROP FUNCTION no_red CASCADE",
    ),
}


def test_a_row_that_is_there_already_holds_up_no_other(running, rest, journal, outbox_directories, caplog):
    rest.answer = 409
    journaled(journal, a_lead(), a_lead())
    eventually(lambda: len(rest.asked) == 2)
    assert "copy refused: reason=409" in caplog.text
    assert count_copied(outbox_directories) == 0


@pytest.mark.parametrize("status", REFUSALS)
def test_a_lead_that_the_table_refuses_holds_up_no_other(running, journal, outbox_directories, caplog, status):
    refusing, undo = REFUSALS[status]
    sql(refusing)
    try:
        journaled(journal, a_lead(name="Red"), a_lead(name="Blue"))
        eventually(lambda: count_copied(outbox_directories) == 1)
    finally:
        sql(undo)
    assert [row["name"] for row in rows()] == ["Blue"]
    assert f"copy refused: reason={status}" in caplog.text
    assert "Red" not in caplog.text


def test_a_stop_does_not_wait_for_the_api(api, rest, journal, quick, monkeypatch):
    monkeypatch.setattr(rest_api, "ANSWER_S", 60)
    rest.answer = Fault.HANG
    copies = Copier(api, held=journal.held, is_down=lambda: True)
    journaled(journal, a_lead())
    copies.start()
    eventually(lambda: rest.asked)
    copies.stop()
    assert copies._thread.is_alive()  # it ends with its request, or with the process
    rest.is_over.set()
    eventually(lambda: not copies._thread.is_alive())
