"""Loads the site, and answers how many objects a full garbage collection of the worker looks through, and how many not.

For gunicorn.
"""

import gc
from collections.abc import Iterable
from typing import Any

import settings.wsgi  # noqa: F401


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{len(gc.get_objects())} {gc.get_freeze_count()}".encode()]
