"""The plain view as a site of Flask with psycopg's pool, under gunicorn."""

import os
from datetime import UTC, datetime

from flask import Flask, redirect, request
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool
from werkzeug import Response

from bench.plain import chat_url, insert, quote_of

THREADS = 4
INSERT = insert("flask_leads", ["%s"] * 9)

app = Flask(__name__)
pool = ConnectionPool(
    f"user=postgres dbname=postgres host={os.environ['BASELINE_DATABASE_HOST']}",
    kwargs={"autocommit": True},  # as in Django: one statement, not three
    min_size=THREADS,
    max_size=THREADS,
    open=True,
)


@app.post("/checkout/")
def checkout() -> Response:
    name, quote = request.form["name"], quote_of(request.form["token"])
    issued_at, now = datetime.fromisoformat(quote["issued_at"]), datetime.now(UTC)
    row = (quote["folio"], name, request.form["phone"], Jsonb(quote), "new", "", issued_at, now, "")
    with pool.connection() as connection:
        connection.execute(INSERT, row)
    return redirect(chat_url(name, quote))
