"""Reads what a client sent, as a form or as JSON, and answers a JSON client whose request is refused."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, JsonResponse, QueryDict
from django.http.request import UnreadablePostError

from quoter.engine.pricing import FieldError
from quoter.engine.text import Text
from quoter.site import language

# The largest honest form, 20 lines with every helper filled in, is about 30 kB.
MAX_BYTES = 256 * 1024

TOO_LARGE = Text(
    es="Es demasiado texto. Quita lo que sobra y vuelve a intentar.",
    en="That is too much text. Remove what is not needed and try again.",
)
UNREADABLE = Text(es="No pudimos leer lo que se envió.", en="We could not read what was sent.")

_NOTHING = QueryDict()


@dataclass(frozen=True)
class Incoming:
    """A request's body. fault: what is wrong with it as a whole; the data that could be read is kept."""

    is_json: bool
    form: QueryDict
    json: Mapping[str, Any]
    fault: Text | None = None

    @property
    def fields(self) -> Mapping[str, Any]:
        return self.json if self.is_json else self.form

    @property
    def faults(self) -> list[FieldError]:
        return [FieldError("", self.fault)] if self.fault else []


def read(request: HttpRequest) -> Incoming:
    """Return what a POST carries; a body too large or unreadable is a fault in the result, never an exception."""
    is_json = request.content_type == "application/json"
    form, data, fault = _NOTHING, {}, None
    try:
        if is_json:
            # Numbers stay text, because 5.6 must not pass through a float.
            data = json.loads(request.body, parse_float=str, parse_int=str, parse_constant=str)
        else:
            form = request.POST
    except (ValueError, RecursionError, BadRequest, UnreadablePostError):
        fault = UNREADABLE
    except SuspiciousOperation:  # larger than Django's own limits
        fault = TOO_LARGE
    if not isinstance(data, dict):
        data, fault = {}, UNREADABLE
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
        fault = TOO_LARGE
    return Incoming(is_json=is_json, form=form, json=data, fault=fault)


def refusal(errors: Iterable[FieldError]) -> JsonResponse:
    """Return the contract's 422 for a JSON client."""
    listed = [{"field": error.field, "message": error.message.in_(language())} for error in errors]
    summary = listed[0]["message"] if listed else ""
    return JsonResponse({"success": False, "error": summary, "errors": listed}, status=422)
