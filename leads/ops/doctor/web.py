"""Checks how the site is started: gunicorn's variables, the installed packages, and which release runs."""

import json
import re
import runpy
import shlex
import socket
from collections.abc import Iterator, Mapping
from fcntl import LOCK_NB, LOCK_SH, flock
from importlib import metadata
from pathlib import Path
from typing import Any

from django.conf import settings

from leads.alerts.worker import LOCK
from leads.ops.doctor.finding import Finding, error, ok, warning

SETTINGS = "gunicorn.conf.py"
MOST_WORKERS = 64


def examine(environment: Mapping[str, str]) -> Iterator[Finding]:
    faults = [*_numbers(environment), *_port(environment), *_arguments(environment)]
    yield from faults
    if not faults:
        yield ok("web", "gunicorn's variables can be used")
    yield _packages(settings.BASE_DIR / "requirements.txt")
    yield _running(settings.OUTBOX_DIRECTORIES[0] / LOCK)


def processes_and_threads() -> tuple[int, int] | None:
    """Return how many processes gunicorn starts, and threads in each; None when it cannot start."""
    try:
        gunicorn = _settings()
    except ValueError:
        return None
    return gunicorn["workers"], gunicorn["threads"]


def _settings() -> dict[str, Any]:
    return runpy.run_path(str(settings.BASE_DIR / SETTINGS))


def _numbers(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name in ("WEB_CONCURRENCY", "WEB_THREADS"):
        value = environment.get(name)
        if value is not None and not re.fullmatch(r"\s*[1-9][0-9]{0,3}\s*", value):
            cure = f"Set {name} to a whole number from 1 up, or leave it out: its default is the fastest on two cores."
            yield error("web", f"{name}={value}: gunicorn does not start, or serves nobody", cure)
    if (counts := processes_and_threads()) and counts[0] > MOST_WORKERS:
        found = f"WEB_CONCURRENCY is {counts[0]}: each process takes 20 MB and connections to Postgres"
        yield warning("web", found, "Set WEB_CONCURRENCY to the number of this machine's cores.")


def _port(environment: Mapping[str, str]) -> Iterator[Finding]:
    if not (value := environment.get("PORT")):
        return
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 0 < int(value) < 65536:
        yield error("web", f"PORT={value} is no port: gunicorn does not start", "Set PORT to a number such as 8000.")
        return
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("0.0.0.0", int(value)))
        except PermissionError:
            cure = "Set PORT to one from 1024 up, such as 8000, and let the proxy listen on 80 and 443."
            yield error("web", f"this user may not listen on the port {value}", cure)
        except OSError:
            pass  # the site itself listens there


def _arguments(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield which of Folio's settings of gunicorn GUNICORN_CMD_ARGS replaces. Some hosts set it."""
    if not (arguments := environment.get("GUNICORN_CMD_ARGS")):
        return
    try:
        from gunicorn.config import Config  # which cannot be imported when WEB_CONCURRENCY is no number

        ours = _settings()
    except ValueError:
        return
    try:
        given = vars(Config().parser().parse_args(shlex.split(arguments)))
    except (ValueError, SystemExit):
        yield error("web", "gunicorn cannot read GUNICORN_CMD_ARGS", "Leave GUNICORN_CMD_ARGS out.")
        return
    replaced = [name for name, value in given.items() if value is not None and name in ours and value != ours[name]]
    if replaced:
        found = f"GUNICORN_CMD_ARGS replaces Folio's own settings of gunicorn: {', '.join(replaced)}"
        if "accesslog" in replaced:
            found += "; an access log keeps customers' addresses and links"
        yield warning("web", found, "Leave GUNICORN_CMD_ARGS out, or only --bind in it (gunicorn.conf.py says why).")


def _packages(requirements: Path) -> Finding:
    """Compare the installed packages with those of this release: `git pull` does not install them."""
    if not requirements.is_file():  # left out of a container's image, which has one release's packages
        return ok("packages", "requirements.txt is not here, so they were not compared")
    wanted = re.findall(r"^([\w.-]+)==([^\s;]+)( ;)?", requirements.read_text(encoding="utf-8"), re.MULTILINE)
    wrong = []
    for name, version, is_conditional in wanted:
        has = _version(name)
        if has != version and (has or not is_conditional):
            wrong.append(f"{name} {has or 'missing'} (wanted: {version})")
    if wrong:
        found = f"packages of another release are installed: {len(wrong)}, such as {wrong[0]}"
        return warning("packages", found, "Run `pip install -r requirements.txt` in this Python, and restart the site.")
    return ok("packages", f"as in requirements.txt: {len(wanted)}")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _running(lock: Path) -> Finding:
    """Return whether the site runs on this machine, by the lock that its alerts worker holds, and its release."""
    try:
        with lock.open("rb") as file:
            flock(file, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return _release(lock)
    except OSError:
        pass
    cure = "Start it. In another container than the site's, such as a one-off shell, this is as it should be."
    return warning("site", "the site does not run with this outbox", cure)


def _release(lock: Path) -> Finding:
    try:
        version = str(json.loads(lock.read_bytes())["version"])
    except (OSError, ValueError, LookupError, TypeError):
        version = "unknown"
    if version == settings.VERSION:
        return ok("site", f"runs on this machine, Folio {version}")
    found = f"the site runs with Folio {version}, and these files are of {settings.VERSION}"
    return warning("site", found, "Restart the site (and run `manage.py migrate` first, as the release step does).")
