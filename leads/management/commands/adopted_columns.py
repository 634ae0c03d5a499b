from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.utils import timezone

from leads.errors import error_name
from leads.ops import adopted_columns


class Command(BaseCommand):
    help = (
        "Name the columns of an adopted table that Folio leaves at their defaults. With --fill, those that it has a "
        "value for are filled from now on, by a trigger; with --stop, no longer."
    )

    def add_arguments(self, parser):
        change = parser.add_mutually_exclusive_group()
        change.add_argument("--fill", action="store_true", help="create the trigger")
        change.add_argument("--sql", action="store_true", help="print the statements that --fill runs")
        change.add_argument("--stop", action="store_true", help="remove the trigger; what it has filled stays")

    def handle(self, *, fill, sql, stop, **options):
        try:
            self._run(fill=fill, sql=sql, stop=stop)
        except DatabaseError as error:
            raise CommandError(f"The database did not do it ({error_name(error)}); try again.") from error

    def _run(self, *, fill, sql, stop):
        columns = adopted_columns.left_columns(DEFAULT_DB_ALIAS)
        fillable = [column for column in columns if column.value]
        if stop:
            adopted_columns.stop_filling(DEFAULT_DB_ALIAS)
            self.stdout.write("These columns are no longer filled.")
        elif sql and fillable:
            self.stdout.write(adopted_columns.statements(DEFAULT_DB_ALIAS, fillable))
        elif fill and fillable:
            adopted_columns.fill(DEFAULT_DB_ALIAS, fillable, now=timezone.now())
            self.stdout.write(f"Filled from now on: {', '.join(column.name for column in fillable)}.")
        elif fill or sql:
            self.stdout.write("There is no column that Folio has a value for.")
        else:
            self._show(columns)

    def _show(self, columns):
        is_filled = adopted_columns.is_filled(DEFAULT_DB_ALIAS)
        for column in columns:
            self.stdout.write(f"{column.name}: filled" if is_filled and column.value else str(column))
        if not columns:
            self.stdout.write("leads has no columns of other programs.")
        elif not is_filled and any(column.value for column in columns):
            self.stdout.write("`manage.py adopted_columns --fill` fills those that Folio has a value for.")
