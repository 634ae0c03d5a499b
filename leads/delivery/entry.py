"""A lead on its way to the disk and to Postgres, each of which may be first. Plain Python."""

from dataclasses import dataclass

from leads.delivery.journal.segment import Item


@dataclass(eq=False, slots=True)
class Entry:
    """A lead in memory. line: as the journal has it.

    is_on_disk: None until the journal writer has tried; False: no disk took it. Set once, by the journal writer.
    is_stored: None until Postgres has answered for it; False: it refuses the row for ever. Set once, by the relay.
    """

    item: Item
    line: bytes
    is_on_disk: bool | None = None
    is_stored: bool | None = None
