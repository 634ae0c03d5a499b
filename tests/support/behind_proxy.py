"""The site as a host's proxy hands it requests: for browsers whose service worker sends no header of the tests' own."""

from settings.wsgi import application as site


def application(environ, start_response):
    return site({**environ, "HTTP_X_FORWARDED_PROTO": "https"}, start_response)
