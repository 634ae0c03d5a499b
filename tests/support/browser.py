"""Drives the system's Chromium, for tests and screenshots."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, BrowserType, CDPSession, Page, expect, sync_playwright

# The headless shell is a third faster; notifications and installed apps need the whole browser.
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_SHELL = ("chromium-headless-shell", *CHROMIUM)
PHONE_WIDTH, DESKTOP_WIDTH, HEIGHT = 390, 1280, 844
# So long that a slow machine fails no test.
PATIENCE_MS = 15_000
# Playwright's console message when service workers are blocked.
BLOCKED = ["Service Worker registration blocked"]
# The last one makes every host but this machine unknown.
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
    with sync_playwright() as playwright, launched(playwright.chromium, CHROMIUM_SHELL) as browser:
        expect.set_options(timeout=PATIENCE_MS)
        yield browser


@contextmanager
def launched(kind: BrowserType, names: Sequence[str]) -> Iterator[Browser]:
    """Yield the first of these programs that is installed, running."""
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        raise NoChromium("There is no Chromium to drive; on Debian: apt install chromium")
    browser = kind.launch(executable_path=program, args=FLAGS)
    yield browser
    browser.close()


@contextmanager
def silent_context(browser: Browser, *, expected: Sequence[str] = (), **circumstances: Any) -> Iterator[BrowserContext]:
    """Yield a browser context, and fail if its console has a message, such as a violation of the content policy.

    expected: parts of messages that may appear; circumstances: arguments of new_context. Service workers are blocked by
    default, because Playwright does not see the requests that they answer.
    """
    context = browser.new_context(**{"locale": "es-MX", "service_workers": "block", **circumstances})
    context.set_default_timeout(PATIENCE_MS)
    console: list[str] = []
    context.on("console", lambda line: console.append(line.text))
    context.on("weberror", lambda fault: console.append(str(fault.error)))
    try:
        yield context
    finally:
        context.close()
    unexpected = [line for line in console if not any(part in line for part in (*expected, *BLOCKED))]
    assert not unexpected, unexpected


def worker_of(page: Page) -> tuple[CDPSession, dict[str, str]]:
    """Return a DevTools session and its parameters for the service worker of a page, to dispatch events to it."""
    registered: dict[str, str] = {}
    chrome = page.context.new_cdp_session(page)
    chrome.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: registered.update({each["scopeURL"]: each["registrationId"] for each in event["registrations"]}),
    )
    chrome.send("ServiceWorker.enable")
    scope = page.evaluate("navigator.serviceWorker.ready.then(registration => registration.scope)")
    while scope not in registered:
        page.wait_for_timeout(20)
    return chrome, {"origin": page.evaluate("location.origin"), "registrationId": registered[scope]}
