"""The site, which gives a request one second to arrive, and arriving requests a megabyte."""

from serving import worker

worker.ARRIVES_WITHIN_S = 1.0
worker.MOST_ARRIVING_BYTES = 1024 * 1024

from settings.wsgi import application  # noqa: E402, F401
