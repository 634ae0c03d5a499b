from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    """Return the visitor's address, as the last trusted proxy saw it; None when it is no address."""
    hops = [request.META.get("REMOTE_ADDR", "")]
    if settings.TRUSTED_PROXIES and (forwarded := request.headers.get("X-Forwarded-For")):
        hops = forwarded.split(",")[-settings.TRUSTED_PROXIES :]
    try:
        return ip_address(hops[0].strip())
    except ValueError:
        return None
