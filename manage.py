#!/usr/bin/env python
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        # Django answers this one by itself, with its own version.
        if sys.argv[1:] == ["version"]:
            from django.conf import settings

            sys.stdout.write(f"Folio {settings.VERSION}\n")
        else:
            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as refusal:
        # The message names the variable; below a traceback nobody would read it.
        if "--traceback" in sys.argv:
            raise
        from leads.ops.doctor.finding import as_json
        from leads.ops.doctor.start import refused

        finding = refused(str(refusal))
        out = sys.stdout if "doctor" in sys.argv else sys.stderr
        out.write(f"{as_json([finding]) if '--json' in sys.argv else finding}\n")
        sys.exit(1)
