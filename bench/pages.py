"""What the customers' pages take of the site's CPU, one visitor at a time: a part of `make bench`."""

import json
import re
from http.client import HTTPConnection
from statistics import median
from urllib.parse import urlencode

from bench import load
from bench.targets import Target, cpu_of
from tests.support.lines import a_line, as_form
from tests.support.live import THROUGH_THE_PROXY

HEADERS = {
    **THROUGH_THE_PROXY,
    "Host": "127.0.0.1",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "es-MX,es;q=0.9,en;q=0.8",
    "User-Agent": "Mozilla/5.0 (Linux; Android 13; K) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MOST = 20_000  # more than are answered in a round


def cpu_of_pages(target: Target, *, rounds: int, seconds: float) -> dict[str, float]:
    """Return the microseconds of CPU that a request takes, by the page's name: the median of the rounds."""
    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, requests in pages(target.port).items():
            load.run(target.port, requests, clients=1, seconds=seconds / 4)  # warm up
            before = cpu_of(target.pid)
            answers = load.run(target.port, requests, clients=1, seconds=seconds).answers
            assert {answer.status for answer in answers} == {200}, name
            taken.setdefault(name, []).append((cpu_of(target.pid) - before) * 1e6 / len(answers))
    return {name: median(each) for name, each in taken.items()}


def pages(port: int) -> dict[str, list[bytes]]:
    """Return the requests for each page."""
    quote = json.loads(_answer(port, "POST", "/quote/", json.dumps({"lines": [a_line()]})))
    calculator = _answer(port, "GET", "/").decode()
    empty = re.findall(r'name="(lines\.0\.measure\.\w+\.\w+)" value=""', calculator)
    total = urlencode({**dict.fromkeys(empty, ""), **as_form(a_line())}, doseq=True)
    campaigns = (f"/?utm_source=ads&utm_campaign=summer&fbclid=IwAR{number:040}" for number in range(MOST))
    return {
        "calculator, a visit": [_request("GET", "/")] * MOST,
        "calculator, a click on an ad": [_request("GET", each) for each in campaigns],
        "live total": [_request("POST", "/summary/", total)] * MOST,
        "quote": [_request("GET", f"/q/{quote['token']}/")] * MOST,
        "healthz": [_request("GET", "/healthz")] * MOST,
    }


def _answer(port: int, method: str, path: str, body: str | None = None) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=load.PATIENCE_S)
    connection.request(method, path, body, {**THROUGH_THE_PROXY, "Content-Type": "application/json"})
    answer = connection.getresponse().read()
    connection.close()
    return answer


def _request(method: str, path: str, body: str = "") -> bytes:
    fields = {**HEADERS, **({**FORM, "Content-Length": str(len(body))} if body else {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode()
