"""The codes of an authenticator app."""

import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value


def app_code(key: str, *, ahead: int = 0) -> str:
    """Return the current code for the key that an app was set up with. ahead: or the next, as a code works once."""
    return format_hotp_value(hotp_value(key, int(time.time()) // 30 + ahead))
