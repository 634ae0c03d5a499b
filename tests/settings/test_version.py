"""The version: shown by a command, by the doctor and by the log, and listed in the changelog."""

import re
import tomllib

from tests.support import live
from tests.support.live import NOBODY_LISTENS
from tests.support.processes import ROOT, run

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_version_command_the_doctor_and_the_first_log_line_show_the_version():
    with live.site(NOBODY_LISTENS) as site:
        assert site.log.splitlines()[0].endswith(f"Folio {VERSION} starts.")
        assert site.manage("version") == f"Folio {VERSION}"
        environment = {**site.environment, "DATABASE_URL": ""}
        examination = run("manage.py", "doctor", environment=environment)
        assert f"version      Folio {VERSION}, Django 5.2" in examination.stdout


def test_the_newest_release_in_the_changelog_is_this_version():
    releases = re.findall(r"^## (\d\S+) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[0] == VERSION
