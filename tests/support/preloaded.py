"""Imported by the process that processes.py forks programs from: libraries, and parts of this project that read no
settings. A program then starts in a third of the time.

gunicorn is not among them, because it reads PORT when it is imported. Passwords are hashed as always, but in one round
instead of a million: a hash takes half a second, and on a busy machine many, because it is computed at low priority.
"""

import gc
import smtplib  # noqa: F401

import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401
import cryptography.x509  # noqa: F401
import django.contrib.admin.decorators  # noqa: F401
import django.contrib.staticfiles.finders  # noqa: F401
import django.core.handlers.wsgi  # noqa: F401
import django.core.management.commands.check  # noqa: F401
import django.db.backends.postgresql.base  # noqa: F401
import django.template.loader  # noqa: F401
import environ  # noqa: F401
import fido2.server  # noqa: F401
import prometheus_client.openmetrics.exposition  # noqa: F401
import psycopg  # noqa: F401
import pydantic  # noqa: F401
import qrcode  # noqa: F401
import sentry_sdk.integrations.django  # noqa: F401
import sentry_sdk.integrations.logging  # noqa: F401
import xlsxwriter  # noqa: F401
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from phonenumbers import PhoneMetadata

import leads.delivery.relay  # noqa: F401
import leads.snapshot  # noqa: F401
import quoter.engine.lint  # noqa: F401

PhoneMetadata.load_all()
PBKDF2PasswordHasher.iterations = 1

# No program's garbage collector visits what it shares with all others.
gc.freeze()
