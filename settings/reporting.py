"""Error reports to Sentry. Imported only if a DSN is set, because importing sentry_sdk takes a quarter of a start."""

from collections.abc import Callable
from typing import Any

import sentry_sdk
from django.core.exceptions import ImproperlyConfigured
from sentry_sdk.utils import BadDsn

# A handler for LOGGING: each record of level WARNING or above becomes an event.
HANDLER = {"class": "sentry_sdk.integrations.logging.EventHandler", "level": "WARNING"}


def start(dsn: str, *, environment: str, before_send: Callable[[Any, Any], Any]) -> None:
    """Send events from now on; ImproperlyConfigured if the DSN is invalid."""
    # No integrations: the default ones cost more than a quarter of the throughput, and the log handler already sends
    # every error. Local variables and request bodies would hold names and phones.
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
