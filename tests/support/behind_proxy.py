"""The site behind a host's proxy, for browsers: a service worker's requests cannot have the tests' proxy header."""

from settings.wsgi import application as site


def application(environ, start_response):
    return site({**environ, "HTTP_X_FORWARDED_PROTO": "https"}, start_response)
