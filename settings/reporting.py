"""Reports of faults, to Sentry. Imported only where they are asked for: the package is a quarter of a start."""

from collections.abc import Callable
from typing import Any

import sentry_sdk
from django.core.exceptions import ImproperlyConfigured
from sentry_sdk.utils import BadDsn

# For the log: each warning and each unhandled error becomes an event.
HANDLER = {"class": "sentry_sdk.integrations.logging.EventHandler", "level": "WARNING"}


def start(dsn: str, *, environment: str, before_send: Callable[[Any, Any], Any]) -> None:
    """Send events from now on; ImproperlyConfigured where the address is none."""
    # No integration: the default ones cost more than a quarter of the throughput, and the log's handler already sends
    # what there is to tell. Local variables and request bodies would hold names and phones.
    try:
        sentry_sdk.init(
            dsn=dsn,
            environment=environment or None,
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            send_default_pii=False,
            max_request_body_size="never",
            before_send=before_send,
        )
    except BadDsn as error:
        raise ImproperlyConfigured(f"SENTRY_DSN cannot be used: {error}.") from None
