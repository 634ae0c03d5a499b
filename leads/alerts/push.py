"""Web Push: encrypts a message for one browser (RFC 8291), signs it (VAPID, RFC 8292) and sends it to its push service.

It uses `cryptography`, which is installed anyway, because the usual library adds fifteen packages and 40 MB to each
process that loads it. A test compares the encryption with the example in RFC 8291.
"""

import json
import os
import re
import time
import urllib.error
import urllib.request
from base64 import urlsafe_b64decode, urlsafe_b64encode
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.utils.crypto import salted_hmac

PATIENCE_S = 10
KEEP_S = 12 * 3600  # for a phone that is off; staff see older leads in the inbox
TOKEN_LIFE_S = 12 * 3600  # RFC 8292 allows at most a day
ENDED_STATUSES = (404, 410)
# How push services answer a message that is signed with another key than that of the subscription.
OTHER_KEY_STATUSES = (400, 401, 403)

_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_RECORD_BYTES = 4096
_AUTH_BYTES = 16


class SubscriptionEnded(Exception):
    """The browser has ended its subscription."""


class PushFailed(Exception):
    """The push service did not accept the message. The text has the status, but no address."""


class InvalidSubscription(ValueError):
    """What a browser sent is not a subscription with a known push service."""


def check(*, endpoint: str, p256dh: str, auth: str) -> None:
    """Raise InvalidSubscription unless it is one of a known push service with usable keys.

    Other addresses are refused, because the server would send requests to any address that a browser names.
    """
    if not any(re.match(service, endpoint) for service in settings.PUSH_SERVICES):
        raise InvalidSubscription("unknown push service")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, _bytes(p256dh))
        secret = _bytes(auth)
    except ValueError as error:
        raise InvalidSubscription("not a key") from error
    if len(secret) != _AUTH_BYTES:
        raise InvalidSubscription("not a secret")


def public_key() -> str:
    """Return the public key that browsers subscribe with, in URL-safe base 64."""
    return _text(_point(_own_key(settings.SECRET_KEY)))


def send(text: str, *, endpoint: str, p256dh: str, auth: str) -> None:
    """Send a message to a browser's push service.

    A browser that has subscribed before a change of SECRET_KEY gets it with the earlier key, until it subscribes again.
    SubscriptionEnded, PushFailed; OSError when there is no answer.
    """
    body = encrypt(text.encode(), p256dh=p256dh, auth=auth)
    for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]:
        status = _post(body, endpoint=endpoint, key=_own_key(secret))
        if status not in OTHER_KEY_STATUSES:
            break
    if status in ENDED_STATUSES:
        raise SubscriptionEnded
    if status:
        raise PushFailed(f"the push service answers {status}")


def _post(body: bytes, *, endpoint: str, key: ec.EllipticCurvePrivateKey) -> int:
    """Send a message; return the status with which the push service refuses it, or 0."""
    request = urllib.request.Request(
        endpoint,
        data=body,
        headers={
            "Authorization": f"vapid t={_token(endpoint, key)}, k={_text(_point(key))}",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(KEEP_S),
            "Urgency": "high",
        },
    )
    try:
        _opener.open(request, timeout=PATIENCE_S).close()
    except urllib.error.HTTPError as answer:
        answer.close()
        return answer.code
    except HTTPException as error:
        raise PushFailed("the push service does not speak HTTP") from error
    return 0


def encrypt(data: bytes, *, p256dh: str, auth: str, key: Any = None, salt: bytes | None = None) -> bytes:
    """Return the body of a push message: RFC 8188's header and one record, whose keys RFC 8291 (3.4) derives.

    data: at most 3,993 bytes. key, salt: new ones for each message, unless given by a test.
    """
    browser_point = _bytes(p256dh)
    key, salt = key or ec.generate_private_key(_CURVE), salt or os.urandom(16)
    own_point = _point(key)
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, browser_point))
    secret = _derived(shared, salt=_bytes(auth), info=b"WebPush: info\0" + browser_point + own_point, length=32)
    content_key = _derived(secret, salt=salt, info=b"Content-Encoding: aes128gcm\0", length=16)
    nonce = _derived(secret, salt=salt, info=b"Content-Encoding: nonce\0", length=12)
    record = AESGCM(content_key).encrypt(nonce, data + b"\x02", None)  # 2: the last record, no padding
    return salt + _RECORD_BYTES.to_bytes(4) + bytes([len(own_point)]) + own_point + record


def _token(endpoint: str, key: ec.EllipticCurvePrivateKey) -> str:
    """Return a JWT, signed with ES256, that identifies this site to one push service."""
    service = urlsplit(endpoint)
    claims = {
        "aud": f"{service.scheme}://{service.netloc}",
        "exp": int(time.time()) + TOKEN_LIFE_S,
        "sub": f"mailto:{settings.DEFAULT_FROM_EMAIL}",
    }
    signed = ".".join(_text(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ES256"}, claims))
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_text(r.to_bytes(32) + s.to_bytes(32))}"


def _own_key(secret: str) -> ec.EllipticCurvePrivateKey:
    # Derived from SECRET_KEY, so that there is no further key to create, store and lose.
    number = salted_hmac("leads.alerts.push", "key", secret=secret, algorithm="sha512").digest()
    return ec.derive_private_key(int.from_bytes(number) % (_ORDER - 1) + 1, _CURVE)


def _derived(material: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(material)


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow none, because a known service could redirect to an unknown one."""


_opener = urllib.request.build_opener(_NoRedirects)
