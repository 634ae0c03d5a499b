"""Recognises a flood: many people from one address, or many quotes of one phone, within minutes.

Each process counts for itself, in memory. Nothing is refused: such leads are only flagged, and staff find them under a
tab of their own.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from threading import Lock

from django.http import HttpRequest

from leads.snapshot import Flag
from leads.staff.address import client_address as address_of

WINDOW_S = 600.0
# An office or a mobile network shows many people under one address, so this is more than a shop gets from one in ten
# minutes.
PEOPLE_PER_ADDRESS = 30
QUOTES_PER_PHONE = 30
# How many addresses and phones are remembered, the latest: a few megabytes.
MOST_KEYS = 10_000
# An IPv6 provider gives each customer a whole network of this size.
NETWORK_BITS = 64


class Tally:
    """Counts the different values of a key, until none has come above the limit for WINDOW_S. Thread-safe."""

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock, self._lock = limit, clock, Lock()
        self._seen: OrderedDict[str, tuple[float, set[str]]] = OrderedDict()

    def exceeds(self, key: str, value: str) -> bool:
        """Count a value of a key; return whether the key has more different values than the limit."""
        now = self._clock()
        with self._lock:
            began, values = self._seen.get(key, (now, set()))
            if now - began > WINDOW_S:
                began, values = now, set()
            is_over = len(values) >= self._limit and value not in values
            if not is_over:
                values.add(value)
            self._seen[key] = (now if is_over else began, values)
            self._seen.move_to_end(key)
            if len(self._seen) > MOST_KEYS:
                self._seen.popitem(last=False)
        return is_over


_addresses, _phones = Tally(PEOPLE_PER_ADDRESS), Tally(QUOTES_PER_PHONE)


def flags(request: HttpRequest, *, phone: str, folio: str) -> Iterator[Flag]:
    """Count a checkout; yield the flags of a flood that it belongs to."""
    address = client_address(request)
    if address and _addresses.exceeds(address, phone):
        yield Flag.MANY_FROM_ADDRESS
    if _phones.exceeds(phone, folio):
        yield Flag.MANY_OF_PHONE


def forget() -> None:
    """Begin to count anew."""
    global _addresses, _phones
    _addresses, _phones = Tally(PEOPLE_PER_ADDRESS), Tally(QUOTES_PER_PHONE)


def client_address(request: HttpRequest) -> str:
    """Return the visitor's address, of IPv6 the network, which is one visitor's; "" when it is no address."""
    address = address_of(request)
    if address and address.version == 6:
        return str(ip_network((address, NETWORK_BITS), strict=False))
    return str(address or "")
