"""The WSGI application."""

import logging
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
application = get_wsgi_application()
logging.getLogger(__name__).info("Folio %s starts.", settings.VERSION)
