# The site as an image: `docker build -t folio .` needs no secret and no variable; docs/hosts/container.md runs it.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PATH=/venv/bin:$PATH
RUN python -m venv /venv
# Before the code, so that a change of it alone does not install everything again.
COPY requirements.txt requirements-build.txt ./
RUN pip install --quiet --require-hashes -r requirements.txt -r requirements-build.txt
COPY . .
RUN bin/post_compile && python -m compileall -q -j 0 .

FROM python:3.11-slim-bookworm
WORKDIR /app
RUN groupadd --gid 10001 folio && useradd --uid 10001 --gid folio --no-create-home folio
COPY --from=build /venv /venv
COPY --from=build /app /app
# A new Docker volume at /data takes its owner from here. var/ is for what may be lost with the container.
RUN install -d -m 700 -o folio -g folio /data /data/outbox /data/outbox-spare && install -d -o folio -g folio var var/share
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8000 \
    OUTBOX_DIR=/data/outbox OUTBOX_SPARE_DIR=/data/outbox-spare
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "/app/bin/healthcheck"]
# It begins as root only to give the site the volume, which on many hosts belongs to root, and becomes the user folio.
ENTRYPOINT ["/app/bin/as-the-site"]
CMD ["gunicorn", "settings.wsgi"]
