import os

from django.core.management.base import BaseCommand, CommandError

from leads.ops.doctor.examination import examine
from leads.ops.doctor.finding import Level, as_json, status, summary


class Command(BaseCommand):
    help = "Examine this set-up; for each problem say what to do. Works with the database down."
    requires_system_checks = []  # the examination runs them and reports their findings

    def add_arguments(self, parser):
        parser.add_argument("--json", action="store_true", help="for machines: one JSON object")
        parser.add_argument("--send-test-event", action="store_true", help="try Sentry, and mail where it is set up")
        parser.add_argument("--email", metavar="ADDRESS", default="", help="where to send the test mail (ADMINS)")

    def handle(self, *, json, send_test_event, email, **options):
        # A name server that does not answer would delay the mail and Sentry by half a minute.
        os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:2")
        colour = {Level.OK: self.style.SUCCESS, Level.WARNING: self.style.WARNING, Level.ERROR: self.style.ERROR}
        findings = []
        for finding in examine(send_test_event=send_test_event, mail_to=email):
            findings.append(finding)
            if not json:
                self.stdout.write(colour[finding.level](str(finding)))
        if json:
            self.stdout.write(as_json(findings))
        if status(findings) is Level.ERROR:
            raise CommandError(summary(findings))
        if not json:
            self.stdout.write(summary(findings))
