"""Checks how long the certificate of DATABASE_CA is valid: when it ends, every connection fails at once."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificates

from leads.ops.doctor.finding import Finding, error, warning

NOTICE = timedelta(days=30)
RENEW = "Download the project's certificate again (Supabase: Database, SSL configuration), and restart the site."


def examine(path: str, *, now: datetime) -> Iterator[Finding]:
    """Yield whether the newest certificate in the file ends soon. path: of DATABASE_CA, "" when it is not set."""
    if not path:
        return
    try:
        ends_at = max(each.not_valid_after_utc for each in load_pem_x509_certificates(Path(path).read_bytes()))
    except (OSError, ValueError):
        return  # then DATABASE_CA cannot be used at all, which is reported with the connection
    if ends_at <= now:
        yield error("tls", f"the certificate of DATABASE_CA ended on {ends_at:%Y-%m-%d}", RENEW)
    elif ends_at - now < NOTICE:
        yield warning(
            "tls", f"the certificate of DATABASE_CA ends on {ends_at:%Y-%m-%d}; then no connection works", RENEW
        )
