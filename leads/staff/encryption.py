"""Encrypts the secrets of second factors with a key derived from SECRET_KEY: those of apps, and the recovery codes'."""

from base64 import urlsafe_b64encode

from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

# Where allauth stores one: of an authenticator app, of recovery codes.
_SECRETS = ("secret", "seed")


def cipher() -> MultiFernet:
    """Return what encrypts with SECRET_KEY, and decrypts with SECRET_KEY_FALLBACKS, too."""
    return MultiFernet([_fernet(secret) for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]])


def of_earlier_keys() -> list[Authenticator]:
    """Return the second factors that SECRET_KEY alone does not decrypt."""
    current = _fernet(settings.SECRET_KEY)
    return [factor for factor in Authenticator.objects.order_by("pk") if not _is_readable(factor, current)]


def encrypt_anew() -> tuple[int, int]:
    """Encrypt with SECRET_KEY what an earlier key encrypted; return how many factors, and how many no key decrypts."""
    changed, old, keys = 0, of_earlier_keys(), cipher()
    for found in old:
        with transaction.atomic():  # a recovery code that is used meanwhile waits
            factor = Authenticator.objects.select_for_update().filter(pk=found.pk).first()
            if factor and _is_readable(factor, keys):
                for name in _secrets_of(factor):
                    factor.data[name] = keys.rotate(factor.data[name].encode()).decode()
                factor.save(update_fields=["data"])
                changed += 1
    return changed, sum(not _is_readable(factor, keys) for factor in old)


def _secrets_of(factor: Authenticator) -> list[str]:
    return [name for name in _SECRETS if name in factor.data]


def _is_readable(factor: Authenticator, keys: Fernet | MultiFernet) -> bool:
    try:
        for name in _secrets_of(factor):
            keys.decrypt(factor.data[name].encode())
    except InvalidToken:
        return False
    return True


def _fernet(secret: str) -> Fernet:
    key = salted_hmac("leads.staff", "second factor", secret=secret, algorithm="sha256").digest()
    return Fernet(urlsafe_b64encode(key))
