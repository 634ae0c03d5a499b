"""Checks Sentry, mail and alerts, which report faults and new leads. It sends a test event or mail only on request."""

import smtplib
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parseaddr

import sentry_sdk
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email
from django.db import ProgrammingError
from django.utils import timezone

from leads.alerts.sending import mail_is_set_up, queue_state
from leads.delivery import trouble
from leads.delivery.trouble import Trouble
from leads.ops.doctor.finding import Finding, error, ok, warning
from quoter.shop.values import shop

PATIENCE_S = 5
TEST = "Test event from manage.py doctor"
# Alerts pause for minutes after a message, and for up to an hour after a failure.
LATE = timedelta(hours=2)


def examine(*, send: bool, mail_to: str) -> Iterator[Finding]:
    yield _sentry(send=send)
    yield from _mail(send=send, to=[mail_to] if mail_to else [admin[1] for admin in settings.ADMINS])


def alerts() -> Iterator[Finding]:
    """Yield whether alerts of new leads are delivered. It queries the database."""
    if failed := trouble.current(settings.OUTBOX_DIRECTORIES).get(Trouble.ALERTS):
        cure = "Look at the site's log for `alerts failed`: new leads are in the inbox, but nobody is told of them."
        yield error("alerts", f"the site cannot note new leads: {failed.detail}", cure)
    try:
        waiting = queue_state()
    except ProgrammingError:
        return  # the tables are missing, and the check of migrations reports that
    if not waiting.recipients:
        how = "to change that, set ALERT_EMAILS, or press `Notices on this device` in the inbox"
        yield ok("alerts", f"nobody is alerted to new leads; {how}")
        return
    last = f"{timezone.localtime(waiting.delivered_at):%Y-%m-%d %H:%M}" if waiting.delivered_at else "never"
    state = f"recipients: {waiting.recipients}, behind: {waiting.behind}; last delivery: {last}"
    if waiting.failing:
        cure = "Check EMAIL_HOST and its login, and that the host may reach https://; docs/alerts.md lists the faults."
        yield warning("alerts", f"{state}; failing: {waiting.failing}, {waiting.fault}", cure)
    elif waiting.oldest_at and timezone.now() - waiting.oldest_at > LATE:
        cure = "Restart the site, because its processes send alerts; `python manage.py send_alerts` sends them now."
        yield warning("alerts", f"{state}; the oldest has waited for hours", cure)
    else:
        yield ok("alerts", state)


def _addresses() -> Iterator[Finding]:
    """Yield which variables have what is no e-mail address. The addresses themselves are not printed."""
    for name, listed in (
        ("ALERT_EMAILS", shop.ALERT_EMAILS),
        ("ALERT_MANAGER_EMAILS", shop.ALERT_MANAGER_EMAILS),
        ("DEFAULT_FROM_EMAIL", [parseaddr(settings.DEFAULT_FROM_EMAIL)[1]]),
    ):
        if wrong := [each for each in listed if not _is_address(each)]:
            found = f"{name} has {len(wrong)} that are no e-mail address: nothing can be sent there, or from there"
            yield error("mail", found, f"Write {name} as ana@example.com, several with commas between them.")


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def _mail_server() -> Finding:
    """Log in at the mail server, and send nothing."""
    connection = get_connection(timeout=PATIENCE_S)
    try:
        connection.open()
        connection.close()
    except smtplib.SMTPAuthenticationError:
        cure = (
            "Correct EMAIL_HOST_USER and EMAIL_HOST_PASSWORD; some services want a password of their own for programs."
        )
        return error("mail", f"{settings.EMAIL_HOST} refuses the login", cure)
    except (OSError, smtplib.SMTPException) as fault:
        found = f"the mail server {settings.EMAIL_HOST}:{settings.EMAIL_PORT} cannot be used: {type(fault).__name__}"
        return error(
            "mail", found, "Check EMAIL_HOST and EMAIL_PORT (587 or 465); some hosts block them, and 25 always."
        )
    return ok("mail", f"{settings.EMAIL_HOST} takes the login; --send-test-event --email ADDRESS sends a mail")


def _sentry(*, send: bool) -> Finding:
    client = sentry_sdk.get_client()
    if not client.is_active() or client.transport is None:
        if settings.DEBUG:
            return ok("sentry", "SENTRY_DSN is not set: faults are in the log only")
        return warning("sentry", "SENTRY_DSN is not set: faults are in the log only", "Set SENTRY_DSN.")
    if not send:
        return ok("sentry", "set up; --send-test-event tries it")
    lost: list[str] = []
    client.transport.on_dropped_event = lost.append  # type: ignore[attr-defined]  # nothing else reports refusals
    event = sentry_sdk.capture_message(TEST)
    started = time.monotonic()
    sentry_sdk.flush(timeout=PATIENCE_S)
    if time.monotonic() - started >= PATIENCE_S:
        lost.append(f"no answer within {PATIENCE_S} s")
    if event is None or lost:
        why = ", ".join(lost) or "dropped before it was sent"
        cure = "Copy SENTRY_DSN from Sentry (Project settings, Client keys), and let the host reach it."
        return error("sentry", f"the test event did not arrive: {why}", cure)
    return ok("sentry", f"took the test event {event}")


def _mail(*, send: bool, to: list[str]) -> Iterator[Finding]:
    wanted = bool(shop.ALERT_EMAILS or shop.ALERT_MANAGER_EMAILS)
    if wanted or mail_is_set_up():
        yield from _addresses()
    if not mail_is_set_up() and wanted:
        found = "ALERT_EMAILS is set, but EMAIL_HOST is not: only a mail server of this machine would send alerts"
        yield warning("mail", found, "Set EMAIL_HOST, and its login (docs/alerts.md).")
    elif not mail_is_set_up():
        yield ok("mail", "the site sends none")
    elif not (send and to):
        yield _mail_server()
    else:
        try:
            EmailMessage(TEST, TEST, to=to, connection=get_connection(timeout=PATIENCE_S)).send()
        except (OSError, smtplib.SMTPException) as fault:
            found = f"the test mail was not sent: {type(fault).__name__}"
            yield error("mail", found, f"Check EMAIL_HOST, EMAIL_PORT and its login: {settings.EMAIL_HOST}.")
        else:
            yield ok("mail", f"the test mail was accepted for {len(to)} addresses")
