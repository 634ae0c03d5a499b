"""What the plain sites have in common, whatever they are written in."""

import os
from typing import Any
from urllib.parse import quote

from django.core import signing

_COLUMNS = ["folio", "name", "phone", "quote_data", "status", "visitor_id", "created_at", "submitted_at", "notes"]


def insert(table: str, placeholders: list[str]) -> str:
    """Return the statement that writes a row like Folio's: folio, name, phone, quote, "new", "", two times, ""."""
    return f"INSERT INTO {table} ({', '.join(_COLUMNS)}) VALUES ({', '.join(placeholders)})"


def quote_of(token: str) -> dict[str, Any]:
    """Return a token's quote. Django checks the signature for every plain site, so that each does the same work."""
    data: dict[str, Any] = signing.loads(token, key=os.environ["SECRET_KEY"], fallback_keys=[])
    return data


def chat_url(name: str, data: dict[str, Any]) -> str:
    lines = "\n".join(f"- {line['billed']} {line['unit']} de {line['description']}" for line in data["lines"])
    text = f"Hola, soy {name}. Me interesa la cotización *{data['folio']}*:\n{lines}\n*Total: {data['total']}*"
    return f"https://wa.me/526561234567?text={quote(text, safe='')}"
