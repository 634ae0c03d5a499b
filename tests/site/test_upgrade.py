"""A new release takes the place of one that serves customers: in the same folder, under load, and never breaking it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from resource import RLIMIT_NOFILE, prlimit
from threading import Event, Thread
from typing import NamedTuple

import pytest

from tests.support import live, opened, staff
from tests.support.customers import a_quote, an_unhurried_quote, check_out
from tests.support.eventually import eventually
from tests.support.live import ROOT, Answer, Postgres, Site
from tests.support.release import NOT_CLONED, clone, serving

pytestmark = pytest.mark.long

LIST = "/admin/leads/lead/"
OF_THE_RELEASE = ("quoter", "leads", "checkout", "settings", "serving", "templates", "static", "locale")
# Python of no release, a template that no engine reads, and the same for what is neither.
OTHER = {".py": "raise SystemExit('of another release')\n", ".html": "{% of another release %}"}


class Running(NamedTuple):
    """notes: where opened.py writes; outcomes: of the customers' requests; masters: that were started beside it."""

    site: Site
    project: Path
    postgres: Postgres
    notes: Path
    outcomes: "Outcomes"
    masters: list[int]


class Outcomes:
    """What became of the customers' requests. broken: connections that ended without an answer."""

    def __init__(self) -> None:
        self.statuses: set[int] = set()
        self.answered = self.broken = 0

    def add(self, request: Callable[[], Answer]) -> None:
        """Send a request, and repeat it as a proxy does when the connection breaks, which a killed worker causes."""
        try:
            answer = request()
        except (OSError, HTTPException):
            self.broken += 1
            answer = request()
        self.statuses.add(answer.status)
        self.answered += 1

    def more(self) -> bool:
        """Wait until twenty more requests are answered."""
        enough = self.answered + 20
        return bool(eventually(lambda: self.answered >= enough, or_show=lambda: str(vars(self))))


@contextmanager
def customers(site: Site) -> Iterator[Outcomes]:
    outcomes, is_over, errors = Outcomes(), Event(), []

    def come(number: int) -> None:
        requests = [
            lambda: site.get("/"),
            lambda: site.get("/healthz"),
            lambda: check_out(site, a_quote(site)["token"]),
        ]
        try:
            while not is_over.wait(0.02):  # other tests run beside this one
                outcomes.add(requests[number % 3])
                number += 1
        except Exception as error:
            errors.append(repr(error))

    threads = [Thread(target=come, args=(number,), daemon=True) for number in range(3)]
    for thread in threads:
        thread.start()
    yield outcomes
    is_over.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert outcomes.statuses == {200}


@pytest.fixture(scope="module")
def running(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A release that serves. The tests go on from one to the next."""
    directory = tmp_path_factory.mktemp("machine")
    project = clone(directory / "folio")
    subprocess.run([sys.executable, project / "bin" / "compile-catalogues"], check=True, capture_output=True)
    outbox = {"OUTBOX_DIR": f"{directory}/outbox", "OUTBOX_SPARE_DIR": f"{directory}/outbox-spare"}
    variables = {**live.environment(postgres.url, **outbox), **opened.variables(directory)}
    masters: list[int] = []
    with serving(project, variables, directory / "log") as site:
        eventually(site.is_whole)
        try:
            with customers(site) as outcomes:
                yield Running(site, project, postgres, directory, outcomes, masters)
        finally:
            for master in masters:
                os.kill(master, signal.SIGTERM)


def use_everything(site: Site, postgres: Postgres, cookie: str) -> None:
    """Request a page of every kind, of customers and of staff."""
    style = re.search(r'href="(/static/[^"]+\.css)"', site.get("/").text)[1]
    quote = an_unhurried_quote()
    phones = ("656 765 4321", "+1 915 555 1234", "+44 20 7946 0958", "+81 3 1234 5678")
    folios = [check_out(site, an_unhurried_quote()["token"], phone=phone).json["folio"] for phone in phones]
    stored = "SELECT id FROM leads WHERE folio = %s AND phone <> ''"
    [lead] = eventually(lambda: postgres.query(stored, folios[0]))
    public = (
        "/",
        "/?lang=en",
        style,
        f"/q/{quote['token']}/",
        f"/q/{folios[0]}/",
        "/privacy/",
        "/offline/",
        "/worker.js",
    )
    one = f"{LIST}{lead['id']}/"
    for_staff = ("/admin/", LIST, f"{LIST}?q=656", f"{one}change/", f"{one}history/", f"{LIST}worker.js")
    for_staff += ("/admin/auth/user/", "/admin/auth/user/add/", f"{LIST}restore/", "/admin/second-factor/")
    assert site.get("/admin/login/").status == 200
    for path in (*public, *for_staff):
        assert site.get(path, Cookie=cookie).status == 200, path
    assert site.get("/nothing/").status == 404
    assert staff.post(site, f"{one}contact/", cookie=cookie).status == 302
    form = {"login": "ana", "password": "wrong"}
    assert staff.post(site, "/admin/login/", form, **{"X-Forwarded-For": "203.0.113.7"}).status == 200


def kill_each_worker(site: Site, outcomes: Outcomes) -> None:
    """Kill every worker with SIGKILL, one after the other, each when the one before has a successor."""
    for worker in site.workers():
        assert outcomes.more()  # a request that was repeated does not break again
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: len(site.workers()) == 2 and worker not in site.workers(), or_show=lambda: site.log)  # noqa: B023


def replace_by(project: Path, content: Callable[[Path], str]) -> None:
    for path in (path for folder in OF_THE_RELEASE for path in (project / folder).rglob("*.*")):
        if path.is_file():
            path.write_text(content(path))
    (project / "gunicorn.conf.py").write_text(OTHER[".py"])


def take_the_next(project: Path) -> None:
    """Put the next release into the folder: this one, with another version and another stylesheet."""
    for folder in OF_THE_RELEASE:
        shutil.rmtree(project / folder, ignore_errors=True)
        shutil.copytree(ROOT / folder, project / folder, ignore=NOT_CLONED)
    shutil.copy(ROOT / "gunicorn.conf.py", project)
    for path, old, new in (("pyproject.toml", 'version = "', 'version = "9.'), ("static/site.css", "", "/* next */")):
        file = project / path
        file.write_text(file.read_text().replace(old, new, 1))
    subprocess.run([sys.executable, project / "bin" / "compile-catalogues"], check=True, capture_output=True)


def style_of(page: Answer) -> str:
    return re.search(r'href="(/static/site\.[^"]+\.css)"', page.text)[1]


@pytest.mark.by_hand
def test_a_worker_opens_no_file_of_its_release(running):
    site, postgres, notes = running.site, running.postgres, running.notes
    cookie = staff.log_in(site).strip()
    use_everything(site, postgres, cookie)
    assert opened.read(notes) == set()


@pytest.mark.by_hand
def test_workers_that_are_killed_come_back_as_they_were_whatever_the_files_are_by_then(running):
    site, project, postgres, notes = running.site, running.project, running.postgres, running.notes
    cookie = staff.log_in(site).strip()
    replace_by(project, lambda path: OTHER.get(path.suffix, "of another release"))
    kill_each_worker(site, running.outcomes)
    use_everything(site, postgres, cookie)
    for folder in OF_THE_RELEASE:
        shutil.rmtree(project / folder)
    (project / "gunicorn.conf.py").unlink()
    kill_each_worker(site, running.outcomes)
    use_everything(site, postgres, cookie)
    assert opened.read(notes) == set()
    assert "Traceback" not in site.log


def test_a_master_that_cannot_start_a_worker_goes_on_and_tries_again(running):
    site, outcomes = running.site, running.outcomes
    usual = prlimit(site.process.pid, RLIMIT_NOFILE)
    prlimit(site.process.pid, RLIMIT_NOFILE, (3, usual[1]))  # it may open no more files
    try:
        assert outcomes.more()
        os.kill(site.workers()[0], signal.SIGKILL)
        eventually(lambda: "No worker could be started" in site.log, or_show=lambda: site.log)
        assert outcomes.more()
    finally:
        prlimit(site.process.pid, RLIMIT_NOFILE, usual)
    eventually(lambda: len(site.workers()) == 2, or_show=lambda: site.log)


def test_a_reload_starts_new_workers_of_the_same_release_and_logs_each_line_once(running):
    site, outcomes = running.site, running.outcomes
    broken, before = outcomes.broken, set(site.workers())
    os.kill(site.process.pid, signal.SIGHUP)
    eventually(lambda: len(site.workers()) == 2 and not before & set(site.workers()), or_show=lambda: site.log)
    assert outcomes.more()
    assert outcomes.broken == broken
    booted = re.findall(r"Booting worker with pid: (\d+)", site.log)
    assert len(booted) == len(set(booted))


def test_a_release_that_cannot_start_leaves_the_one_that_serves(running):
    site, project, outcomes = running.site, running.project, running.outcomes
    broken = outcomes.broken
    shutil.copytree(ROOT / "serving", project / "serving", ignore=NOT_CLONED, dirs_exist_ok=True)
    (project / "gunicorn.conf.py").write_text(OTHER[".py"])
    os.kill(site.process.pid, signal.SIGUSR2)
    eventually(lambda: "of another release" in site.log, or_show=lambda: site.log)
    eventually(lambda: len(site.workers()) == 2)
    assert outcomes.more()
    assert outcomes.broken == broken


def test_the_next_release_takes_over_without_a_request_lost_and_pages_of_both_find_their_files(running):
    site, project, outcomes = running.site, running.project, running.outcomes
    broken, old = outcomes.broken, site.process.pid
    of_the_old = style_of(site.get("/"))
    take_the_next(project)
    os.kill(old, signal.SIGUSR2)
    [new] = eventually(lambda: [pid for pid in children(old) if len(children(pid)) == 2], or_show=lambda: site.log)
    running.masters.append(new)
    of_the_new = eventually(lambda: (style := style_of(site.get("/"))) != of_the_old and style)
    for style in (of_the_old, of_the_new) * 4:  # each may be answered by either release
        answer = site.get(style)
        assert (answer.status, "immutable" in answer.headers["Cache-Control"]) == (200, True)
        assert ("/* next */" in answer.text) == (style == of_the_new)

    os.kill(old, signal.SIGWINCH)
    eventually(lambda: children(old) == [new], or_show=lambda: site.log)
    os.kill(old, signal.SIGQUIT)
    site.process.wait(live.PATIENCE_S)
    assert {style_of(site.get("/")) for _ in range(4)} == {of_the_new}
    assert "/* next */" not in site.get(of_the_old).text
    of_neither = re.sub(r"\.[0-9a-f]{12}\.", ".000000000000.", of_the_old)
    answer = site.get(of_neither)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")
    assert outcomes.more()
    assert outcomes.broken == broken


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
