from django.core.management.base import CommandError
from django.core.management.commands import flush


class Command(flush.Command):
    """Django's `flush`, which empties the database, is one word away from `outbox flush`, which delivers leads."""

    def handle(self, **options):
        if options["interactive"]:
            raise CommandError(
                "This would empty the whole database. To deliver the leads that wait: manage.py outbox flush. "
                "To empty it all the same: manage.py flush --no-input."
            )
        super().handle(**options)
