"""Slows down Chromium like a cheap phone on a slow network, with Lighthouse's values."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page

SLOW_4G = {
    "offline": False,
    "latency": 150,  # ms
    "downloadThroughput": 1_600_000 / 8,  # bytes a second
    "uploadThroughput": 750_000 / 8,
}
CPU_SLOWDOWN = 4


@contextmanager
def throttled(page: Page) -> Iterator[None]:
    chrome = page.context.new_cdp_session(page)
    chrome.send("Network.enable")
    chrome.send("Network.emulateNetworkConditions", SLOW_4G)
    chrome.send("Emulation.setCPUThrottlingRate", {"rate": CPU_SLOWDOWN})
    yield
    chrome.detach()
