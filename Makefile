# Needs Python 3.11 or newer and nothing else; everything made here goes to .venv/ and var/.
.PHONY: run test lint install build screenshots lighthouse bench bench-inbox soak clean

PORT ?= 8000
PYTHON = $(shell for python in python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
export PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/sbin

# The site starts whatever the database does, so a failed migration is a warning. `exec` lets signals through.
run: install
	@grep -qs '^DEBUG=' .env || export DEBUG="$${DEBUG:-true}"; \
	exec .venv/bin/python bin/with-postgres sh -c '\
		python manage.py migrate --noinput && python manage.py ensure_roles && python manage.py seed_demo \
			|| echo "warning: the database is not ready; the site starts and queues leads" >&2; \
		exec gunicorn --bind 127.0.0.1:$(PORT) settings.wsgi'

# The settings then need nothing from the environment.
test lint screenshots: export DEBUG := true

# A database of its own, so that neither var/postgres nor anyone's DATABASE_URL is ever touched. First what mostly waits,
# two at a time, the longest before the others; then what measures how long customers wait, with nothing heavier than
# itself beside it, and what has a bound close to what it takes, with nothing. Then the tests that use this database, once
# more through a transaction pooler; the others bring a Postgres of their own, or need none.
TWO_AT_A_TIME = --numprocesses=2 --dist=loadfile --no-loadscope-reorder
test: lint
ifdef ARGS
	@exec .venv/bin/python bin/with-postgres --temporary python -m pytest $(ARGS)
else
	@.venv/bin/python bin/with-postgres --temporary python -m pytest -m 'not quiet' --reuse-db $(TWO_AT_A_TIME)
	@.venv/bin/python bin/with-postgres --temporary python -m pytest -m 'quiet and not alone' --reuse-db --numprocesses=2
	@.venv/bin/python bin/with-postgres --temporary python -m pytest -m alone --reuse-db
	@if [ "$$CI" != true ] && ! command -v pgbouncer >/dev/null; then \
		echo 'skipped: the tests through PgBouncer, which is not there (Debian: apt install pgbouncer)'; exit; fi; \
	exec .venv/bin/python bin/with-postgres --temporary .venv/bin/python bin/with-pgbouncer \
		python -m pytest --quiet --reuse-db -m django_db $(TWO_AT_A_TIME)
endif

lint: install
	ruff check .
	ruff format --check .
	mypy

screenshots: install
	@exec .venv/bin/python bin/with-postgres --temporary python bin/screenshots

# The customer's pages on a throttled phone, as Lighthouse sees them; it takes Node and npm. A minute, one table.
lighthouse: install
	@exec .venv/bin/python bin/lighthouse

# The checkout beside the plainest Django insert view, healthy and in outages: five minutes, one table.
bench: install
	@exec .venv/bin/python bin/with-postgres --temporary python -m bench.checkout $(ARGS)

# The staff's pages with two million leads, some ten minutes; `make bench-inbox ARGS="--leads 200000"` for fewer.
bench-inbox: install
	@exec .venv/bin/python bin/with-postgres --temporary python -m bench.inbox $(ARGS)

# Minutes of customers, faults and killed workers: `make soak SOAK_SECONDS=60` for a short one.
soak: export SOAK_SECONDS ?= 300
soak: install
	@exec .venv/bin/python -m bench.soak $(ARGS)

install: .venv/installed
	@.venv/bin/python bin/compile-catalogues

.venv/installed: requirements.txt requirements-dev.txt
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed: install python3.11.' >&2; exit 1; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv \
		|| { rm -rf .venv; echo 'No virtual environment: Debian has venv in a package, python3-venv.' >&2; exit 1; }
	@echo 'Installing into .venv ...'
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# For the host that runs the Procfile, with the host's own Python.
build:
	bin/post_compile

# Leads may wait in var/, so it stays.
clean:
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
	rm -f locale/*/LC_MESSAGES/*.mo
