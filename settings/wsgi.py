"""The WSGI application."""

import logging
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from settings.body import bounded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
application = bounded(get_wsgi_application())
logging.getLogger(__name__).info("Folio %s starts.", settings.VERSION)
