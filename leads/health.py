"""What this process last saw of Postgres, for /healthz: a monitor's question must not become a query."""

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

_database_is_up: bool | None = None


def note_database(*, up: bool) -> None:
    global _database_is_up
    _database_is_up = up


def database_state() -> str:
    """Return up, down or unknown."""
    if settings.DATABASE_FAULT:
        return "down"
    return {True: "up", False: "down", None: "unknown"}[_database_is_up]


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer a monitor: 200 as long as customers pass; `degraded` asks for a person."""
    database = database_state()
    return JsonResponse(
        {
            "status": "degraded" if database == "down" else "ok",
            "database": database,
            "outbox": {"pending": 0, "oldest_seconds": 0, "quarantined": 0},
        }
    )
