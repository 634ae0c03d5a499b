"""The plain view as a site of FastAPI with asyncpg's pool, under uvicorn."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import asyncpg
from fastapi import FastAPI, Form
from fastapi.responses import RedirectResponse

from bench.plain import chat_url, insert, quote_of

INSERT = insert("fastapi_leads", [f"${number}" for number in range(1, 10)])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    host = os.environ["BASELINE_DATABASE_HOST"]
    async with asyncpg.create_pool(user="postgres", database="postgres", host=host) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/checkout/")
async def checkout(
    token: Annotated[str, Form()], name: Annotated[str, Form()], phone: Annotated[str, Form()]
) -> RedirectResponse:
    quote = quote_of(token)
    issued_at, now = datetime.fromisoformat(quote["issued_at"]), datetime.now(UTC)
    await app.state.pool.execute(INSERT, quote["folio"], name, phone, json.dumps(quote), "new", "", issued_at, now, "")
    return RedirectResponse(chat_url(name, quote), status_code=302)
