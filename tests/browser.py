"""The Chromium that tests and pictures drive: the one of the system."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

PHONE_WIDTH, DESKTOP_WIDTH, HEIGHT = 390, 1280, 844
# A slow machine is no finding.
PATIENCE_MS = 15_000
# The last one lets it find this machine and nobody else.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
]


class NoChromium(Exception):
    """There is no Chromium on this machine; the message says how to get it."""


@contextmanager
def chromium() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if program is None:
        raise NoChromium("There is no Chromium to drive; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        expect.set_options(timeout=PATIENCE_MS)
        yield browser
        browser.close()


@contextmanager
def chromium_or_skip() -> Iterator[Browser]:
    """Where there is no Chromium the tests are skipped; in CI they fail."""
    try:
        with chromium() as browser:
            yield browser
    except NoChromium as missing:
        pytest.fail(str(missing)) if os.environ.get("CI") == "true" else pytest.skip(str(missing))


@contextmanager
def silent_context(browser: Browser, *, expected: Sequence[str] = (), **circumstances: Any) -> Iterator[BrowserContext]:
    """Yield a context in whose console nothing may appear: no fault, no breach of the content policy.

    expected: parts of lines that may. circumstances: as new_context takes them.
    """
    context = browser.new_context(**{"locale": "es-MX", **circumstances})
    context.set_default_timeout(PATIENCE_MS)
    console: list[str] = []
    context.on("console", lambda line: console.append(line.text))
    context.on("weberror", lambda fault: console.append(str(fault.error)))
    try:
        yield context
    finally:
        context.close()
    unexpected = [line for line in console if not any(part in line for part in expected)]
    assert not unexpected, unexpected
