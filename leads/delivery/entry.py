"""A lead in memory, while it is written to the disk and to Postgres, in either order. Plain Python."""

from dataclasses import dataclass

from leads.delivery.journal.segment import Item


@dataclass(eq=False, slots=True)
class Entry:
    """A lead in memory. line: its record in the journal's format.

    is_on_disk: None until the journal writer has tried; False: no directory took it. Set once, by the journal writer.
    is_stored: None until Postgres has answered; False: it refused the row. Set once, by the relay.
    """

    item: Item
    line: bytes
    is_on_disk: bool | None = None
    is_stored: bool | None = None
