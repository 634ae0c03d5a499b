"""Runs all checks of the doctor in order, the database last because it may be slow."""

import os
import time
from collections.abc import Iterator

from django.db import DatabaseError

from leads.errors import error_name
from leads.ops.doctor import assets, clock, database, environment, facts, kept, outbox, reporting, rest_copy, shop, web
from leads.ops.doctor.finding import Finding, error


def examine(*, send_test_event: bool = False, mail_to: str = "") -> Iterator[Finding]:
    """Yield each finding as soon as its check has run.

    send_test_event: whether to send an event to Sentry, and a mail if mail is set up. mail_to: the mail's recipient, or
    "" for ADMINS.
    """
    subjects = {
        "environment": environment.examine(os.environ),
        "shop": shop.examine(),
        "facts": facts.examine(),
        "pages": assets.examine(),
        "delivery": reporting.examine(send=send_test_event, mail_to=mail_to),
        "web": web.examine(os.environ),
        "outbox": outbox.examine(os.environ),
        "kept": kept.on_disk(),
        "rest copy": rest_copy.examine(),
        "clock": clock.examine(time.time()),
        "database": database.examine(),
    }
    for subject, findings in subjects.items():
        try:
            yield from findings
        except (DatabaseError, OSError) as fault:
            # The other subjects are still checked.
            yield error(
                subject, f"this check ended early: {error_name(fault)}", "Run it again; the fault may be temporary."
            )
