"""docs/backup.md: its commands are run as written, and the restored site has everything, and nobody who was erased."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import faults, live
from tests.support.codes import app_code
from tests.support.customers import check_out
from tests.support.eventually import eventually
from tests.support.live import ROOT, Answer, Postgres, Site
from tests.support.processes import run
from tests.support.release import follow
from tests.support.staff import Browser, first_login, logged_in

pytestmark = [pytest.mark.by_hand, pytest.mark.quiet, pytest.mark.needs("gpg")]

PAGE = "backup.md"
CODE = "/admin/login/second-factor/"
STORED, REFUSED, WAITING, ERASED = "Zoila Vaca", "Rosa Negada", "Quien Espera", "Eva Borrada"
PHONES = {STORED: "656 765 4321", REFUSED: "656 765 4322", WAITING: "656 765 4323", ERASED: "656 555 0199"}


class Backup(NamedTuple):
    """app: the key of a login's authenticator app; folios: by customer; erased: the list after the last erasure."""

    app: str
    folios: dict[str, str]
    erased: Path


@pytest.fixture
def gpg_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A directory for gpg, whose agent ends with the test. Its path is short, because it holds a socket."""
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    yield str(home)
    subprocess.run(["gpgconf", "--kill", "all"], env={**live.environment(""), "GNUPGHOME": str(home)}, check=True)


def test_a_restored_site_has_everything_and_nobody_who_was_erased(postgres, tmp_path, gpg_home):
    postgres.query("CREATE DATABASE restored")
    tools = {"PATH": f"{postgres.programs}:{live.environment('')['PATH']}", "GNUPGHOME": gpg_home}
    old, new = a_directory(tmp_path / "old"), a_directory(tmp_path / "new")
    (old / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables(postgres.url, old).items()))
    backup = backed_up(postgres, old, tools)
    shutil.copy(old / "folio-backup.gpg", new)
    restored_url = postgres.url.replace("@/postgres?", "@/restored?")
    environment = {**live.environment(restored_url, **variables(restored_url, new)), **tools}
    environment["RESTORE_URL"] = restored_url
    outputs = follow(PAGE, "Restore", environment=environment, cwd=new, instead={"backup/erased.jsonl": backup.erased})
    assert "1 erasures listed, 1 leads erased again" in outputs[1]
    assert "delivered, 0 pending, 0 quarantined" in outputs[1]
    assert ", 0 do not follow" in outputs[1]
    assert re.search(r"^0 errors", outputs[1], re.MULTILINE)
    # What the old directory had, and nothing of the backup.
    assert (new / ".env").read_text() == (old / ".env").read_text()
    assert (new / "prices.toml").read_text() == (old / "prices.toml").read_text()
    assert not (new / "backup").exists()

    restored = Postgres(restored_url, postgres.data, postgres.programs)
    assert names(restored) == {STORED: 1, REFUSED: 1, WAITING: 1}
    with live.site(restored_url, **variables(restored_url, new)) as site:
        assert [site.get(f"/q/{folio}/").status for folio in backup.folios.values()] == [200] * 4
        browser = Browser(site)
        assert logged_in(browser).location == CODE
        answer = browser.post(CODE, browser.get(CODE), code=app_code(backup.app, ahead=1))
        assert answer.location == "/admin/leads/lead/"
        assert WAITING in browser.get("/admin/leads/lead/?status=all").text
    assert names(restored) == {STORED: 1, REFUSED: 1, WAITING: 1}


def a_directory(path: Path) -> Path:
    """Make a directory in which the document's commands work: manage.py is this project's."""
    path.mkdir()
    (path / "manage.py").symlink_to(ROOT / "manage.py")
    (path / "passphrase").write_text("kept where passwords are kept\n")
    return path


def variables(url: str, directory: Path) -> dict[str, str]:
    return {
        "SECRET_KEY": live.SECRET_KEY,
        "ALLOWED_HOSTS": "127.0.0.1,quotes.example.com",
        "BUSINESS_NAME": "Concretos",
        "DATABASE_URL": url,
        "WHATSAPP_NUMBER": "526142345678",
        "PRICE_BOOK": f"{directory}/prices.toml",
        "PRIVACY_NOTICE": f"{directory}/privacy.toml",
        "BRAND_LOGO": f"{directory}/logo.svg",
        "OUTBOX_DIR": f"{directory}/var/outbox",
        "OUTBOX_SPARE_DIR": f"{directory}/var/outbox-spare",
    }


def backed_up(postgres: Postgres, directory: Path, tools: dict[str, str]) -> Backup:
    """Run a site, make a backup while a lead waits, and erase somebody after that."""
    shutil.copy(ROOT / "quoter" / "books" / "concrete.toml", directory / "prices.toml")
    shutil.copy(ROOT / "checkout" / "privacy.toml", directory / "privacy.toml")
    (directory / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>')
    with live.site(postgres.url, **variables(postgres.url, directory)) as site:
        _browser, app, _codes = first_login(site)
        answers = {name: a_customer(site, name) for name in (STORED, ERASED)}
        with faults.rule(postgres, f"name <> '{REFUSED}'"):
            answers[REFUSED] = a_customer(site, REFUSED)
            assert eventually(lambda: site.get("/healthz").json["outbox"]["quarantined"] == 1)
        assert eventually(lambda: names(postgres) == {STORED: 1, ERASED: 1})
        with faults.read_only(postgres, None):
            answers[WAITING] = a_customer(site, WAITING)
            assert "warning" in answers[WAITING].json
            environment = {**site.environment, **tools, "BACKUP_URL": postgres.url}
            follow(PAGE, "Make a backup", environment=environment, cwd=directory)
    done = run("manage.py", "privacy", "erase", PHONES[ERASED], "--yes", environment=site.environment)
    assert done.stdout.startswith("1 leads anonymised"), done
    erased = directory / "newest.jsonl"
    live.manage("privacy", "list-erased", str(erased), environment=site.environment)
    assert ERASED not in erased.read_text()
    return Backup(app, {name: answer.json["folio"] for name, answer in answers.items()}, erased)


def a_customer(site: Site, name: str) -> Answer:
    answer = check_out(site, name=name, phone=PHONES[name])
    assert answer.json["success"], answer
    return answer


def names(postgres: Postgres) -> dict[str, int]:
    rows = postgres.query("SELECT name, count(*) FROM leads WHERE name <> '' GROUP BY name")
    return {row["name"]: row["count"] for row in rows}
