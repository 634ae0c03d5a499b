"""Gunicorn's settings. It binds to 127.0.0.1:8000, or to 0.0.0.0:$PORT when a host sets PORT."""

import gc
import os
import resource

from serving import master

# Measured on two cores: 8 threads were slower, and 16 made the slowest answers worse. Each worker keeps one connection
# to Postgres for leads, and for a while one for each thread that used the ORM at the same time: staff pages, quotes by
# folio.
worker_class = "serving.worker.WholeRequestWorker"  # gthread, which slow clients cannot block
workers = int(os.environ.get("WEB_CONCURRENCY", 2))
threads = int(os.environ.get("WEB_THREADS", 4))
preload_app = True
# Not more than this process may have open, minus its own files: a worker that cannot accept a connection would stop.
_open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
worker_connections = 1000 if _open_files == resource.RLIM_INFINITY else max(2 * threads, min(1000, _open_files - 100))

# Longer than a host's proxy keeps an idle connection (Heroku: 90 s, AWS: 60 s). If gunicorn closed a connection while
# the proxy sends a request on it, that customer would get an error.
keepalive = 100

# A checkout takes at most 1 s, so 2 s are enough to finish it. A stop then takes under 3 s, also during an outage.
graceful_timeout = 2

# Gunicorn's maximum, because a quote's URL holds the whole quote.
limit_request_line = 8190

# An access log would store customers' IP addresses.
accesslog = None
# At DEBUG, gunicorn would log every URL.
loglevel = os.environ.get("LOG_LEVEL", "info").lower().replace("debug", "info")

# By default the header SCRIPT_NAME of a trusted proxy moves the whole site, and with FORWARDED_ALLOW_IPS=*, which some
# hosts set, everybody is trusted.
forwarder_headers = ""

# Nothing uses the control socket, which gunicorn may create in the home directory.
control_socket_disable = True


# The workers' heartbeat is a file. A disk that is full or hangs must not end them.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def when_ready(server):
    master.steady(server)
    # What is loaded before the fork is never garbage. Each full collection of a worker would look through it for 75 ms,
    # and copy the memory that it shares with the others.
    gc.collect()
    gc.freeze()


def post_fork(server, worker):
    master.never_end_the_master(server)


def post_worker_init(worker):
    """Start the worker's threads after the fork, which threads do not survive: the relay and two others."""
    from leads.alerts.worker import AlertsWorker
    from leads.delivery import relay
    from leads.delivery.published import PublishedWorker
    from quoter import share

    master.attempt(worker, PublishedWorker().start, relay.of_this_process, AlertsWorker().start)
    if worker.age == 1:  # only the first worker draws the picture, and the others serve it
        master.attempt(worker, share.draw_in_background)


def worker_exit(server, worker):
    from leads.delivery import relay

    relay.stop()
    master.pause_before_the_next(worker)
