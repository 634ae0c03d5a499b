"""The quote as a PDF file: what it says, who it names, and that drawing it stays within its bounds."""

import re
import sys

import pytest

from checkout.paper import page
from leads.models import Lead
from quoter import token
from tests.support import mark
from tests.support.factories import NAME, a_line, a_submission, an_issued_quote, post_json, the_lead

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def says(monkeypatch):
    """Return what the files asked for say, which are not drawn."""
    asked: list[page.Document] = []

    def note(document: page.Document) -> bytes:
        asked.append(document)
        return b"%PDF"

    monkeypatch.setattr(page, "drawn", note)
    monkeypatch.setattr(page, "_drawn_lately", note)
    return asked


def address_of(*lines) -> str:
    return f"/q/{token.short(an_issued_quote(*lines))}/pdf"


def pages_of(answer) -> int:
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf"), answer
    assert answer.content.startswith(b"%PDF")
    return len(re.findall(rb"/Type /Page\b", answer.content))


def test_eight_lines_fit_one_page_and_are_not_drawn_again(client):
    measured = {"kind": "solid_dimensions", "length_m": "12.35", "width_m": "8.4", "thickness_cm": "12"}
    address = address_of(*[a_line(measure=measured)] * 8)
    answer = client.get(address, headers={"accept-language": "en"})
    assert pages_of(answer) == 1
    assert "fpdf" not in sys.modules  # another process draws, so that no worker grows
    assert re.fullmatch(r'inline; filename="quote-\d{6}-[\w-]+\.pdf"', answer["Content-Disposition"])
    assert answer["Cache-Control"].startswith("private")
    again = client.get(address, headers={"accept-language": "en", "if-none-match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(address, headers={"accept-language": "es"})["ETag"] != answer["ETag"]


@pytest.mark.parametrize(
    "logo",
    mark.by_hand_but(
        1,
        [
            b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 0 0'><image href='/etc/passwd'/></svg>",
            b"\x89PNG\r\n\x1a\n and no picture",
        ],
    ),
)
def test_many_lines_and_odd_texts_and_logos_are_drawn(client, settings, tmp_path, logo):
    settings.BRAND_LOGO = tmp_path / f"logo{'.svg' if logo.startswith(b'<') else '.png'}"
    settings.BRAND_LOGO.write_bytes(logo)
    settings.BUSINESS_NAME = "Łódź {nb} **你好** 😀 " + "W" * 40
    answer = client.post(address_of(*[a_line()] * 20), {"name": "😀你"})
    assert pages_of(answer) in (2, 3)


def test_who_it_is_for_comes_from_the_form_alone(client, says):
    post_json(client, "/checkout/", a_submission(client))
    folio = the_lead().folio
    address = f"/q/{folio}/pdf"
    assert NAME in Lead.objects.values_list("name", flat=True)
    answers = [client.get(address), client.post(address, {"name": f" {NAME} "}), client.post(address, {"name": "\0"})]
    assert [document.blanks[0] for document in says] == [("Para", ""), ("Para", NAME), ("Para", "")]
    assert [answer["Cache-Control"].partition(",")[0] for answer in answers] == ["private", "no-store", "no-store"]
    assert NAME not in repr(says[0])


def test_it_adds_up_and_says_what_the_page_says(client, says):
    client.get(address_of(a_line(), a_line(extras=[])), headers={"accept-language": "es"})
    (document,) = says
    assert [row.amount for row in document.rows if row.amount] == ["$15,416.76", "$900.00", "$15,416.76"]
    assert document.totals == (("Subtotal", "$31,733.52"), ("IVA 8 %", "$2,538.68"))
    assert document.total == ("Total con IVA", "$34,272.20 MXN")
    assert document.link.endswith(f"/q/{document.folio}/")


def test_a_busy_or_broken_printer_offers_the_chat(client, monkeypatch):
    address = address_of()
    with page._a_turn():
        monkeypatch.setattr(page, "_WAIT_S", 0)
        busy = client.get(address)
    monkeypatch.setattr(page.sys, "executable", "/bin/false")
    broken = client.post(address, {"name": NAME})
    for answer in (busy, broken):
        assert (answer.status_code, answer["Retry-After"]) == (503, "2")
        assert "wa.me" in answer.content.decode()
    monkeypatch.undo()
    assert page._places.acquire(blocking=False)
    page._places.release()


@pytest.mark.parametrize("reference", ["nonsense", "261122-AAAA-AAAA-A"])
def test_no_quote_is_no_file(client, reference):
    assert client.get(f"/q/{reference}/pdf").status_code == 404
