"""How gunicorn serves the site. It binds to 127.0.0.1:8000, or to 0.0.0.0:$PORT when a host sets PORT."""

import os

# Measured on two cores: 8 threads were slower, 16 worsened the slowest answers. Each worker keeps one connection to
# Postgres for leads, and at most one for each of its threads that has served staff.
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", 2))
threads = int(os.environ.get("WEB_THREADS", 4))
preload_app = True

# Longer than a host's proxy keeps an idle connection (Heroku: 90 s, AWS: 60 s): when both let go of it at the same
# moment, the customer whose request is on it gets an error.
keepalive = 100

# A stop during an outage takes under 3 s: nobody waits longer than that for Postgres, and every lead is on disk.
graceful_timeout = 2

# A quote travels in its URL.
limit_request_line = 8190

# An access log would keep the addresses of customers.
accesslog = None
loglevel = os.environ.get("LOG_LEVEL", "info").lower()

# It would put a socket in the home directory.
control_socket_disable = True


def post_worker_init(worker):
    """Start, after the fork, who carries leads that a process left when it died, and who tells people of new ones."""
    from leads.alerts.clerk import Clerk
    from leads.delivery import courier
    from quoter import share

    courier.of_this_process()
    Clerk().start()
    if worker.age == 1:  # the first; the others find what it drew
        share.draw_meanwhile()


def worker_exit(server, worker):
    from leads.delivery import courier

    courier.stop()
