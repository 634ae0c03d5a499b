# Needs only Python 3.11 or newer. Everything that is created goes to .venv/ and var/.
.PHONY: run test tests lint install update build screenshots lighthouse bench bench-inbox soak simulate crash-states mutants test-long test-partitioned test-postgres-15 image-test clean

PORT ?= 8000
PYTHON = $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
export PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/sbin

# To look at the site on this machine. Of .env it takes prices, texts and colours, but nothing that reaches a real shop:
# its database, its waiting leads, its mail and its error reports stay out, and its names would not answer here.
# `make run DATABASE_URL=...` serves another database as it is: nobody migrates it or makes a login there.
run: export DEBUG := $(or $(DEBUG),true)
run: export ALLOWED_HOSTS := localhost,127.0.0.1,[::1]
run: export OUTBOX_DIR := var/run/outbox
run: export OUTBOX_SPARE_DIR := var/run/outbox-spare
run: export ALERT_EMAILS :=
run: export ALERT_MANAGER_EMAILS :=
run: export SENTRY_DSN :=
run: SERVE = exec gunicorn --bind 127.0.0.1:$(PORT) settings.wsgi
# The site starts even without the database, so a failed migration is only a warning. `exec` lets signals through.
run: .venv/installed-run
	@.venv/bin/python bin/compile-catalogues
	@if [ -n "$$DATABASE_URL" ]; then $(SERVE); fi; \
	exec .venv/bin/python bin/with-postgres sh -c '\
		python manage.py migrate --noinput && python manage.py ensure_roles && python manage.py seed_demo \
			|| echo "warning: the database is not ready; the site starts and queues leads" >&2; \
		$(SERVE)'

# With DEBUG, the settings need no other variable.
test tests lint screenshots test-long test-partitioned test-postgres-15 image-test: export DEBUG := true
# Tests start Python hundreds of times, so bytecode is cached even if the environment forbids it.
test tests test-long test-partitioned test-postgres-15 image-test: export PYTHONDONTWRITEBYTECODE :=
# Tests run in two processes more than the machine has processors, because many wait. Above nine, all would wait for the
# longest file.
export PROCESSES := $(shell nproc | awk '{ print $$1 < 8 ? $$1 + 2 : 9 }')

# The tests use a temporary database and never touch var/postgres or the database of DATABASE_URL. There are three steps:
# first most tests, and a few again on a partitioned table; then those that measure how long
# customers wait, without heavy tests at the same time; then, through a transaction pooler, those that a pooler might
# break. `make test ARGS=tests/quoter/test_token.py` runs one file; `make test ONLY=needs` runs the tests that need
# another program.
ONLY ?=
AND = not by_hand and $(if $(ONLY),$(ONLY) and )
# Each step has a copy of a server with a database for each process. They are not dropped, because a pooler may still hold
# connections to them; they are deleted with the server.
WITH_POSTGRES = .venv/bin/python bin/with-postgres --temporary --copy-of=var/test-postgres
PYTEST = python -m pytest --reuse-db
AT_ONCE = --numprocesses=$(PROCESSES) --dist=loadfile --no-loadscope-reorder
# The files with a mark, of all or of the given ones; collecting tests from all files would take seconds.
FILES_MARKED = $$(grep --recursive --files-with-matches --include='test_*.py' 'mark\.$(1)' $(or $(2),tests))
FILES = $(if $(ONLY),$(call FILES_MARKED,$(ONLY)),tests)
test: $(if $(ONLY),,lint) tests

tests: install
	@python -m tests.support.databases
ifdef ARGS
	@exec $(WITH_POSTGRES) $(PYTEST) $(ARGS)
else
	@$(WITH_POSTGRES) $(PYTEST) -m '$(AND)not quiet' $(AT_ONCE) $(FILES)
	@$(WITH_POSTGRES) $(PYTEST) -m '$(AND)quiet' --numprocesses=$(PROCESSES) $(call FILES_MARKED,quiet,$(FILES))
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

# Measure the customer's pages with Lighthouse, as on a throttled phone. It needs Node and npm, and takes a minute.
lighthouse: install
	@exec .venv/bin/python bin/lighthouse

# Compare the checkout with the simplest insert views of Django, Flask and FastAPI, in normal operation, on a machine that is
# short of CPU, and in outages. It takes about ten minutes; `make bench ARGS="--only-healthy --rounds=3"` takes fewer.
bench: install .venv/installed-bench
	@exec .venv/bin/python bin/with-postgres --temporary python -m bench.checkout $(ARGS)

# Measure the staff's pages with two million leads, which takes some ten minutes; `ARGS="--leads 200000"` takes fewer.
bench-inbox: install
	@exec .venv/bin/python bin/with-postgres --temporary python -m bench.inbox $(ARGS)

# Simulate checkouts for minutes under faults and killed workers; `make soak SOAK_SECONDS=60` is a short run.
soak: export SOAK_SECONDS ?= 300
soak: install
	@exec .venv/bin/python -m bench.soak $(ARGS)

# Run delivery itself in virtual time, with seeded threads, disks and a Postgres that break, kill -9 and power cuts, until
# a million people were answered: some minutes. It prints the seed of a history that lost something.
# `make simulate SEED=7` repeats one, and writes down what happened in it; `make simulate FROM=5000` takes other seeds.
simulate: install
	@exec .venv/bin/python -m tests.simulation --leads $(or $(LEADS),1000000) --from $(or $(FROM),1) \
		$(if $(SEED),--seed $(SEED)) $(ARGS)

# Record what delivery does to the disk, and have it adopt everything that a power cut may leave at any moment of that:
# some twenty thousand states in two minutes. `make crash-states ARGS="--scene refused"` takes one scene.
crash-states: install
	@exec .venv/bin/python -m tests.crash $(ARGS)

# Put each deliberate fault of tests/simulation/mutants.toml into delivery: the simulation has to find it. It takes ten
# minutes; `make mutants ARGS="'no sync of records'"` takes one.
mutants: install
	@exec .venv/bin/python -m tests.simulation.mutants $(ARGS)

# What is thorough rather than telling, and too long for every run: a quarter of an hour and more. First documents that
# are followed (docs/deploy.md, docs/operations.md), upgrades whose workers are killed, memory that has to stay the same,
# every variant of what `make test` has one of (widths, languages, with and without scripts, bodies, cells), and more
# examples of each property. Then, one at a time, docs/hosts/own-machine.md followed on an empty machine (systemd, nginx
# and Caddy, an upgrade and the way back), three machines behind HAProxy, docs/backup.md followed, a changed SECRET_KEY,
# and poolers that refuse passwords and sessions. As root, with Debian's nginx-light, caddy, haproxy, pgbouncer, systemd,
# iproute2, gnupg and openssl, and what .ci/run installs.
test-long: install
	@python -m tests.support.databases
	@$(WITH_POSTGRES) $(PYTEST) -m 'by_hand and not quiet' $(AT_ONCE) $(call FILES_MARKED,by_hand)
	@EXAMPLES=200 $(WITH_POSTGRES) $(PYTEST) -m 'hypothesis and not by_hand' $(AT_ONCE)
	@exec $(WITH_POSTGRES) $(PYTEST) -m 'by_hand and quiet' $(call FILES_MARKED,by_hand)

# All tests of leads on a table with a partition for each month: some minutes.
test-partitioned: install
	@python -m tests.support.databases
	@PARTITIONED=true $(WITH_POSTGRES) $(PYTEST) -m 'not by_hand' $(AT_ONCE) \
		$(or $(ARGS),tests/leads)

# All tests of leads on Debian's Postgres 15, which older projects of Supabase run on: some minutes.
test-postgres-15: export POSTGRES_PROGRAMS := /usr/lib/postgresql/15/bin
test-postgres-15: WITH_POSTGRES = .venv/bin/python bin/with-postgres --temporary --copy-of=var/usr-lib-postgresql-15-bin/test-postgres
test-postgres-15: install
	@python -m tests.support.databases
	@$(WITH_POSTGRES) $(PYTEST) -m 'not by_hand' $(AT_ONCE) \
		$(or $(ARGS),tests/leads)

# Build and run the image on a new Debian, with every line of the Dockerfile: minutes, as root, with debootstrap.
DEBIAN = $(CURDIR)/var/bookworm
image-test: install
	@test -e $(DEBIAN)/usr/bin/python || debootstrap --variant=minbase --include=python3-venv,python-is-python3,procps \
		bookworm $(DEBIAN)
	@for file in requirements.txt requirements-build.txt; do \
		pip download --quiet --dest var/wheels --only-binary :all: --python-version 3.11 --require-hashes -r $$file || exit; done
	@exec env IMAGE_BASE=$(DEBIAN) $(WITH_POSTGRES) python -m pytest tests/site/test_container.py

install: .venv/installed-dev
	@.venv/bin/python bin/compile-catalogues

# `make run` installs only what the site needs; with the tools for tests it would be three times as much.
.venv/installed-%: requirements-%.txt
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed: install python3.11.' >&2; exit 1; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv \
		|| { rm -rf .venv; echo 'No virtual environment: Debian has venv in a package, python3-venv.' >&2; exit 1; }
	@echo 'Installing $< into .venv ...'
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	@.venv/bin/python -m compileall -qq --workers=0 .venv/lib || true  # pip would use one processor only
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
	@$(PIN) --group bench --constraints requirements-dev.txt --output-file requirements-bench.txt

# Build the site on a host that runs the Procfile, with the host's own Python.
build:
	bin/post_compile

# Leads may wait in var/, so it is not deleted.
clean:
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
	rm -f locale/*/LC_MESSAGES/*.mo locale/others/*/LC_MESSAGES/*.mo
