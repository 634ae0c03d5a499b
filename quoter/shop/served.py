"""What this process serves: the published versions on this machine's disk, or the first ones.

`look` reads the disk when its files have changed or a version begins, and replaces one object in memory. So a request
that asks `current` reads no file and no table.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

from django.conf import settings
from django.dispatch import Signal
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from quoter.engine import lint
from quoter.engine.finding import BookFinding, PriceBookInvalid
from quoter.engine.pricebook import PriceBook, parse
from quoter.shop import details, shelf
from quoter.shop.version import Version, digest

PRICES, DETAILS = "prices", "details"
KINDS = (PRICES, DETAILS)
_LONGEST_FAULT = 300

logger = logging.getLogger(__name__)
# Sent in the thread that looks, after this process has begun to serve another shop.
changed = Signal()


@dataclass(frozen=True, slots=True)
class Shop:
    """What a request sees from its beginning to its end.

    prices: None as long as none were published, and PRICE_BOOK counts. details: what the owner has set, by its name, as
    values.py reads it. numbers: of the versions, 0 for a first one. key: another for each shop that differs.
    """

    prices: PriceBook | None
    details: Mapping[str, Any]
    numbers: dict[str, int]
    key: str


class _Chosen(NamedTuple):
    """The version of one kind that is served. key: a digest of its content; meaning: as `check` returns it."""

    number: int
    key: str
    meaning: Any


_FIRST = _Chosen(0, "", None)


@dataclass
class _State:
    """signatures: of the files, when they were read; next_at: when a version begins, as unix time."""

    shop: Shop | None = None
    signatures: tuple[shelf.Signature | None, ...] = ()
    next_at: float = -inf
    faults: tuple[str, ...] = ()


_state = _State()
_pinned: ContextVar[Shop | None] = ContextVar("shop", default=None)


class OneVersionMiddleware:
    """Shows a request one shop from its beginning to its end, whatever is published meanwhile."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with one_version():
            return self.get_response(request)


@contextmanager
def one_version(shop: Shop | None = None) -> Iterator[None]:
    """Let `current` return the same shop inside of the block: this one, or by default the one that is served now."""
    pinned = _pinned.set(shop or current())
    try:
        yield
    finally:
        _pinned.reset(pinned)


def current() -> Shop:
    """Return the shop that this request sees. It reads memory only."""
    if pinned := _pinned.get():
        return pinned
    if _state.shop is None:
        look()
    assert _state.shop is not None
    return _state.shop


def faults() -> tuple[str, ...]:
    """Return what is wrong with the published versions on this machine's disk, for staff; () when nothing is."""
    return _state.faults


def forget() -> None:
    """Look anew at the next question, as after a start."""
    global _state
    _state = _State()


def look(now: float | None = None) -> bool:
    """Serve what the disk says now; return whether that has changed. Never raises. now: unix time."""
    now = time.time() if now is None else now
    paths = {kind: [shelf.path_of(directory, kind) for directory in settings.OUTBOX_DIRECTORIES] for kind in KINDS}
    signatures = tuple(shelf.signature(path) for copies in paths.values() for path in copies)
    if _state.shop and signatures == _state.signatures and now < _state.next_at:
        return False
    shelves = {kind: shelf.best([shelf.read(path) for path in copies]) for kind, copies in paths.items()}
    found = [fault for each in shelves.values() for fault in each.faults]
    chosen = {kind: _in_force(kind, each.versions, now, found) for kind, each in shelves.items()}
    to_come = [each.begins_at for kept in shelves.values() for each in kept.versions if not each.has_begun(now)]
    _state.signatures, _state.next_at = signatures, min(to_come, default=inf)
    _report(tuple(found))
    return _serve(chosen)


def check(kind: str, content: str) -> Any:
    """Return what a version means to the site; ValueError with all that is wrong when it may not be published."""
    meaning = _meaning(kind, content)
    if findings := _findings(kind, content):
        raise PriceBookInvalid(findings)
    return meaning


def _in_force(kind: str, versions: Sequence[Version], now: float, found: list[str]) -> _Chosen:
    """Return the last version that has begun and can be read; else the first one. found: faults are added to it.

    A version was checked before it was published. What a later release finds in it is told and changes no price: the
    owner's prices would otherwise become the earlier ones with that release.
    """
    chosen = None
    for version in reversed(versions):
        try:
            meaning = _meaning(kind, version.content)
        except Exception as error:  # broad: whatever is wrong with a version, the one before it is served
            found.append(f"version {version.number} of the {kind} is refused: {str(error)[:_LONGEST_FAULT]}")
            continue
        if chosen is None and version.has_begun(now):
            found += _found_later(kind, version)
            chosen = _Chosen(version.number, digest(version.content), meaning)
    return chosen or _FIRST


def _found_later(kind: str, version: Version) -> list[str]:
    try:
        findings = [str(finding) for finding in _findings(kind, version.content)]
    except Exception as error:  # broad: the version is served, whatever is wrong with the check
        findings = [type(error).__name__]
    if not findings:
        return []
    return [f"version {version.number} of the {kind} would not be published today: {findings[0][:_LONGEST_FAULT]}"]


@lru_cache(maxsize=16)
def _meaning(kind: str, content: str) -> Any:
    if kind == DETAILS:
        return details.meaning(content)
    return parse(content)


@lru_cache(maxsize=16)
def _findings(kind: str, content: str) -> tuple[BookFinding, ...]:
    return lint.check(_meaning(kind, content)) if kind == PRICES else ()


def _serve(chosen: Mapping[str, _Chosen]) -> bool:
    """Serve what was chosen; return whether that is another shop than before."""
    key = digest(" ".join(each.key for each in chosen.values()))[:16]
    before = _state.shop
    if before and before.key == key:
        return False
    numbers = {kind: each.number for kind, each in chosen.items()}
    _state.shop = Shop(chosen[PRICES].meaning, chosen[DETAILS].meaning or {}, numbers, key)
    if before:
        logger.info("another shop is served: %s", ", ".join(f"{kind} {number}" for kind, number in numbers.items()))
        for receiver, error in changed.send_robust(sender=Shop):
            if isinstance(error, Exception):
                logger.error("%s failed after the shop has changed.", receiver, exc_info=error)
    return True


def _report(found: tuple[str, ...]) -> None:
    if found != _state.faults:
        for fault in found:
            logger.error("%s. What can be read is served.", fault)
    _state.faults = found
