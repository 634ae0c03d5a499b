"""The limits on attempts to log in: when one may try again, and one log line for each failed attempt."""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from allauth.account.internal.stagekit import get_pending_stage
from allauth.core.internal import ratelimit
from allauth.mfa.signals import authentication_failed
from django.core.cache import cache
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import time_format

from leads.staff.address import client_address

FAILED = "login_failed"
# For a browser in which its user has logged in before: failures elsewhere do not count.
OWN_BROWSER_RATES = {FAILED: "5/5m/key"}

logger = logging.getLogger(__name__)


@receiver(authentication_failed)
def log_failure(request: HttpRequest, **kwargs: Any) -> None:
    """Log the address alone: somebody may have typed the password as the user name."""
    logger.info("A login failed from %s: wrong or too many attempts", client_address(request) or "unknown")


def too_many(request: HttpRequest) -> HttpResponse:
    """Return the page of `handler429`."""
    log_failure(request)
    action, user = ("reauthenticate", request.user) if request.user.is_authenticated else ("login", None)
    until = _as_clock_time(_until(request, action=action, user=user))
    return render(request, "429.html", {"until": until}, status=429)


def allowed_at(request: HttpRequest, *, key: str, config: dict[str, str] | None = None) -> str:
    """Return when this visitor may try to log in again, as the shop's clock shows it."""
    stage = get_pending_stage(request)
    keys = [key, f"mfa-auth-user-{stage.login.user.pk}"] if stage else [key]
    return _as_clock_time(max(_until(request, action=FAILED, key=each, config=config) for each in keys))


def _as_clock_time(moment: float) -> str:
    """Round up to the next minute, because seconds are not shown."""
    shown = datetime.fromtimestamp(moment, tz=UTC) + timedelta(seconds=59)
    return time_format(timezone.localtime(shown).time(), "H:i")


def _until(request: HttpRequest, *, action: str, **of: Any) -> float:
    """Return the unix time from which no limit refuses."""
    return max([time.time(), *_ends(request, action=action, **of)])


def _ends(request: HttpRequest, *, action: str, config: Any = None, **of: Any) -> Iterator[float]:
    app = "allauth.account"
    for rate in ratelimit.get_rates(app=app, action=action, config=config):
        name = ratelimit.get_cache_key(request, app=app, action=action, rate=rate, **of)
        attempts = cache.get(name, [])  # unix times, the latest first
        if len(attempts) >= rate.amount:
            yield attempts[rate.amount - 1] + rate.duration
