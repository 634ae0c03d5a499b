# Needs Python 3.11 or newer and nothing else; everything made here goes to .venv/ and var/.
.PHONY: run test lint install update build screenshots lighthouse bench bench-inbox soak clean

PORT ?= 8000
PYTHON = $(shell for python in python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
export PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/sbin

# The site starts even without the database, so a failed migration is only a warning. `exec` lets signals through.
run: .venv/installed-run
	@.venv/bin/python bin/compile-catalogues
	@grep -qs '^DEBUG=' .env || export DEBUG="$${DEBUG:-true}"; \
	exec .venv/bin/python bin/with-postgres sh -c '\
		python manage.py migrate --noinput && python manage.py ensure_roles && python manage.py seed_demo \
			|| echo "warning: the database is not ready; the site starts and queues leads" >&2; \
		exec gunicorn --bind 127.0.0.1:$(PORT) settings.wsgi'

# With DEBUG, the settings need no other variable.
test lint screenshots: export DEBUG := true
# Tests start Python some hundred times, so it keeps its compiled files, even where the environment forbids that.
test: export PYTHONDONTWRITEBYTECODE :=
# What they make once for all, such as static files, is of this run.
test: export TEST_RUN := $(shell date +%s%N)

# The tests have a database of their own and never touch var/postgres or the database of DATABASE_URL. First run those
# that mostly wait, three at a time; then those that measure how long customers wait, with nothing heavier beside them;
# then, through a transaction pooler, those that a pooler might break. `make test ARGS=tests/quoter/test_token.py`
# runs one file; `make test ONLY=needs` runs those that need a program beside Python.
ONLY ?=
AND = $(if $(ONLY),$(ONLY) and )
# The database goes with its server; Postgres could not drop one that a pooler still holds connections to.
WITH_POSTGRES = .venv/bin/python bin/with-postgres --temporary --no-fsync
PYTEST = python -m pytest --reuse-db
# Only these are read: collecting all tests takes seconds.
FILES_MARKED = $$(grep --recursive --files-with-matches --include='test_*.py' 'mark\.$(1)' tests)
test: lint
ifdef ARGS
	@exec $(WITH_POSTGRES) $(PYTEST) $(ARGS)
else
	@$(WITH_POSTGRES) $(PYTEST) -m '$(AND)not quiet' --numprocesses=3 --dist=loadfile --no-loadscope-reorder
	@$(WITH_POSTGRES) $(PYTEST) -m '$(AND)quiet' --numprocesses=2 $(call FILES_MARKED,quiet)
	@if [ "$$CI" != true ] && ! command -v pgbouncer >/dev/null; then \
		echo 'skipped: the tests through a pooler; pgbouncer is missing (Debian: apt install pgbouncer)'; exit; fi; \
	exec $(WITH_POSTGRES) .venv/bin/python bin/with-pgbouncer $(PYTEST) --quiet -m pooler $(call FILES_MARKED,pooler)
endif

lint: install
	ruff check .
	ruff format --check .
	mypy

screenshots: install
	@exec .venv/bin/python bin/with-postgres --temporary python bin/screenshots

# Measure the customer's pages with Lighthouse, as on a throttled phone; it needs Node and npm. A minute, one table.
lighthouse: install
	@exec .venv/bin/python bin/lighthouse

# Compare the checkout with the plainest Django insert view, healthy and in outages: five minutes, one table.
bench: install
	@exec .venv/bin/python bin/with-postgres --temporary python -m bench.checkout $(ARGS)

# Measure the staff's pages with two million leads: some ten minutes, or `make bench-inbox ARGS="--leads 200000"`.
bench-inbox: install
	@exec .venv/bin/python bin/with-postgres --temporary python -m bench.inbox $(ARGS)

# Let customers check out for minutes under faults and killed workers; `make soak SOAK_SECONDS=60` is a short run.
soak: export SOAK_SECONDS ?= 300
soak: install
	@exec .venv/bin/python -m bench.soak $(ARGS)

install: .venv/installed-dev
	@.venv/bin/python bin/compile-catalogues

# `make run` installs what the site needs; the tests' tools are three times as much.
.venv/installed-%: requirements-%.txt
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed: install python3.11.' >&2; exit 1; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv \
		|| { rm -rf .venv; echo 'No virtual environment: Debian has venv in a package, python3-venv.' >&2; exit 1; }
	@echo 'Installing $< into .venv ...'
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Pin the newest versions that pyproject.toml allows, with their hashes, in every requirements file.
update: export UV_CUSTOM_COMPILE_COMMAND := make update
update: PIN = .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes
update: install
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(PIN) pyproject.toml --output-file requirements.txt
	@$(PIN) --group build --constraints requirements.txt --output-file requirements-build.txt
	@for group in run dev; do \
		$(PIN) pyproject.toml --group $$group --constraints requirements.txt --output-file requirements-$$group.txt || exit; done

# For the host that runs the Procfile, with the host's own Python.
build:
	bin/post_compile

# Leads may wait in var/, so it stays.
clean:
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
	rm -f locale/*/LC_MESSAGES/*.mo
