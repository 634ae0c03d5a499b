"""Which records of the journal were copied elsewhere: beside each segment, a file with their ends. Plain Python."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from leads.delivery.journal.census import segment_paths
from leads.delivery.journal.disk import private
from leads.delivery.journal.segment import COPIED_SUFFIX, COUNT_SUFFIX, Item, records
from leads.delivery.system import Path, os


def begin(path: Path) -> int:
    """Return the offset in a segment after what is delivered or copied."""
    return max([*_numbers(path, COUNT_SUFFIX), *_numbers(path, COPIED_SUFFIX)], default=0)


def mark(path: Path, end: int) -> None:
    """Note that the record before `end` was copied, for other processes and for the next one. No disk may take it."""
    note = path.with_suffix(COPIED_SUFFIX)
    with suppress(OSError):
        fd = private(str(note), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(fd, b"%d\n" % end)
        finally:
            os.close(fd)
        if not path.exists():  # its owner removes the note after the segment, and may have done so before this
            note.unlink()


def records_after(path: Path, offset: int) -> Iterator[tuple[Item, int]]:
    """Yield each sound record after an offset, with the offset after it, as far as the segment can be read."""
    with suppress(OSError), path.open("rb") as file:  # its owner may deliver and remove it meanwhile
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return  # it is being written
            for item, length in records(line):
                offset += length
                if isinstance(item, Item):
                    yield item, offset


def count_copied(directories: Sequence[Path]) -> int:
    """Return how many of the waiting records were copied, over all processes."""
    count = 0
    for path in segment_paths(directories):
        delivered = max(_numbers(path, COUNT_SUFFIX), default=0)
        count += sum(end > delivered for end in set(_numbers(path, COPIED_SUFFIX)))
    return count


def _numbers(path: Path, kind: str) -> list[int]:
    """Return the numbers in the file of this kind beside a segment; none of one that is missing or damaged."""
    with suppress(OSError, ValueError):
        return [int(line) for line in path.with_suffix(kind).read_bytes().split()]
    return []
