#!/usr/bin/env python
import os
import sys
from typing import NoReturn


def main(arguments: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
    # Django answers this one by itself, with its own version.
    if arguments[1:] == ["version"]:
        from django.conf import settings

        sys.stdout.write(f"Folio {settings.VERSION}\n")
        return
    from django.core.management import execute_from_command_line

    execute_from_command_line(arguments)


def end(fault: BaseException, arguments: list[str]) -> NoReturn:
    """End with one line for what is no fault of the program, below whose traceback nobody would read it."""
    from django.core.exceptions import ImproperlyConfigured
    from django.db import DatabaseError, InterfaceError, OperationalError

    from leads.errors import error_name
    from leads.ops.doctor.finding import as_json
    from leads.ops.doctor.start import refused

    status, out = 1, sys.stderr
    match fault:
        case ImproperlyConfigured():
            finding = refused(str(fault))
            out = sys.stdout if "doctor" in arguments else sys.stderr
            told = as_json([finding]) if "--json" in arguments else str(finding)
        case KeyboardInterrupt():
            status, told = 130, "Stopped."
        case OperationalError() if not getattr(fault.__cause__, "sqlstate", None):  # there was no connection
            from leads.ops.doctor.connection import explained

            found, cure = explained(fault)
            told = f"The database cannot be used: {found}. {cure}"
        case DatabaseError() | InterfaceError():
            told = f"The database did not do this ({error_name(fault)}): `manage.py doctor` says why."
        case BrokenPipeError():
            # Whoever read the output, such as `head`, has enough. At the exit, Python would write the rest.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        case OSError():
            told = f"{fault.filename or 'The output'}: {fault.strerror or error_name(fault)}."
        case _:
            raise fault
    out.write(f"{told}\n")
    sys.exit(status)


if __name__ == "__main__":
    try:
        main(sys.argv)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as fault:  # broad: what is not known is raised again
        if "--traceback" in sys.argv:
            raise
        end(fault, sys.argv)
