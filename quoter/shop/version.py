"""A published version of what the owner changes, and which of several is in force. Plain Python."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Version:
    """number: of its row in Postgres, or 0 for the first version, which is this machine's own; content: as published.

    published_at, starts_at: unix times by Postgres's clock; starts_at None: as soon as it arrives.
    """

    number: int
    content: str
    published_at: float = 0.0
    starts_at: float | None = None

    @property
    def begins_at(self) -> float:
        return self.published_at if self.starts_at is None else self.starts_at

    def has_begun(self, now: float) -> bool:
        # One without a time begins when it arrives, whatever this machine's clock says.
        return self.starts_at is None or self.starts_at <= now


def digest(content: str) -> str:
    return sha256(content.encode()).hexdigest()


def in_order(versions: Iterable[Version]) -> list[Version]:
    """Return versions in the order in which they begin: the last one that has begun is in force."""
    return sorted(versions, key=lambda version: (version.begins_at, version.number))
