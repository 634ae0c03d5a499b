"""How gunicorn serves the site. It binds to 127.0.0.1:8000, or to 0.0.0.0:$PORT when a host sets PORT."""

import os

# On two cores, 8 threads were slower, and with 16 the slowest answers got worse. Each worker keeps one connection to
# Postgres for leads, and at most one for each of its threads that has served staff.
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", 2))
threads = int(os.environ.get("WEB_THREADS", 4))
preload_app = True

# Longer than a host's proxy keeps an idle connection (Heroku: 90 s, AWS: 60 s). If gunicorn closed it first, while the
# proxy sends a request on it, that customer would get an error.
keepalive = 100

# A stop during an outage takes under 3 s: no request waits longer than that for Postgres, and every lead is on disk.
graceful_timeout = 2

# A quote's URL holds the whole quote.
limit_request_line = 8190

# An access log would keep the addresses of customers.
accesslog = None
loglevel = os.environ.get("LOG_LEVEL", "info").lower()

# The control socket would be created in the home directory.
control_socket_disable = True


def post_worker_init(worker):
    """Start the worker's threads, after the fork: the relay, which also adopts dead processes' journals, and alerts."""
    from leads.alerts.worker import AlertsWorker
    from leads.delivery import relay
    from quoter import share

    relay.of_this_process()
    AlertsWorker().start()
    if worker.age == 1:  # only the first worker draws the picture, and the others serve it
        share.draw_in_background()


def worker_exit(server, worker):
    from leads.delivery import relay

    relay.stop()
