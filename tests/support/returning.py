"""The site, which gives unused connections back after half a second."""

from settings.postgres import idle
from settings.wsgi import application  # noqa: F401

idle.IDLE_S = 0.5

from leads.alerts.worker import AlertsWorker  # noqa: E402

AlertsWorker.__init__.__kwdefaults__["every_s"] = 0.5
