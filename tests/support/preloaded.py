"""Imported by the process that processes.py forks programs from: libraries, and nothing that reads the settings.

gunicorn is not among them, because it reads PORT when it is imported.
"""

import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401
import django.contrib.staticfiles.finders  # noqa: F401
import django.core.handlers.wsgi  # noqa: F401
import django.core.management.commands.check  # noqa: F401
import django.db.backends.postgresql.base  # noqa: F401
import django.template.loader  # noqa: F401
import environ  # noqa: F401
import phonenumbers  # noqa: F401
import psycopg  # noqa: F401
import pydantic  # noqa: F401
