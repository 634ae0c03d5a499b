"""Log lines as JSON, one object a line, for programs that collect logs."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from settings.scrubbing import LineFormatter, Redact
from telemetry import current


class JsonFormatter(LineFormatter):
    """Formats a log record as one line of JSON, with what `extra={"fields": {...}}` of the call gave.

    Each text is redacted before it is encoded, because the escapes of JSON would hide parts of it. version: the site's.
    """

    def __init__(self, redact: Redact, version: str) -> None:
        super().__init__("%(message)s", redact)
        self._version = version

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._redact(record.getMessage()),
        }
        if request_id := current.request_id():
            line["request_id"] = request_id
        line |= {"version": self._version, "process": record.process}
        for name, value in getattr(record, "fields", {}).items():
            line.setdefault(name, value if isinstance(value, int | float | None) else self._redact(str(value)))
        if record.exc_info:
            line["traceback"] = self._redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)
