"""Notice a database that has less than the kept journals of this machine say: restored, failed over, or emptied.

Whatever was erased, anonymised, corrected or joined has its row. What a purge deleted is in the table of erasures, and
what Postgres refused is in the quarantine; both were not forgotten.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from leads.delivery import trouble
from leads.delivery.journal import kept, quarantine
from leads.delivery.trouble import Trouble
from leads.models import Erasure, Lead

_PAGE = 2_000
# How many missing folios a trouble names. As long as one of them is missing, it is not over, however many came since.
_MOST_NAMED = 3
_SEPARATOR = ", "


class Forgotten(NamedTuple):
    """missing: folios of what was delivered and has no row, those that are known to be missing first; of: how many were
    looked up."""

    missing: Sequence[str]
    of: int

    @property
    def detail(self) -> str:
        """The first of the missing folios, for `Trouble.FORGOTTEN`, or ""."""
        return _SEPARATOR.join(self.missing[:_MOST_NAMED])


def forgotten(directories: Sequence[Path], *, most: int) -> Forgotten:
    """Look up the newest folios that this machine delivered, up to so many. A query for each 2,000, by an index."""
    folios = list(dict.fromkeys([*_known_to_be_missing(directories), *kept.newest(directories, most)]))
    missing = _without_a_row(folios)
    if missing:
        # A purge may have cleared the disk and then deleted the rows meanwhile.
        still = {*_known_to_be_missing(directories), *kept.newest(directories, most)}
        missing = [folio for folio in missing if folio in still]
    if missing:
        refused = {quarantine.folio_of(path) for path in quarantine.paths(directories)}
        missing = [folio for folio in missing if folio not in refused]
    return Forgotten(missing, len(folios))


def deleted(folios: Sequence[str]) -> set[str]:
    """Return which of these folios a purge has deleted."""
    return set(Erasure.objects.filter(folio__in=folios, person="").values_list("folio", flat=True))


def _without_a_row(folios: Sequence[str]) -> list[str]:
    missing = list[str]()
    for start in range(0, len(folios), _PAGE):
        page = folios[start : start + _PAGE]
        stored = set(Lead.objects.filter(folio__in=page).values_list("folio", flat=True))
        without = [folio for folio in page if folio not in stored]
        if without:
            gone = deleted(without)
            missing += [folio for folio in without if folio not in gone]
    return missing


def _known_to_be_missing(directories: Sequence[Path]) -> list[str]:
    """Return the folios that the trouble names, as far as they are still kept."""
    begun = trouble.load(directories).get(Trouble.FORGOTTEN)
    if begun is None:
        return []
    return [each for each in begun.detail.split(_SEPARATOR) if kept.has(directories, each, before=begun.since)]
