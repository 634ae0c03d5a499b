"""Which crash states are tried: at each moment, what may be left of the pieces that are not safe.

Moments are the ends of the stretches in which neither the disk's pieces nor Postgres change; at the end of one most has
been acknowledged. There are far more states than anybody can try. Tried are

- nothing, everything, everything up to a moment, each piece alone, each alone missing, and of few pieces every subset,
- the newest write torn after every so many bytes, with everything before it, and with nothing,
- subsets at random, of which writes are torn, have sectors of zeros or of junk in them, and renames show both names.
"""

import random
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from tests.crash.disk import Left, Piece, Recorded
from tests.crash.trace import Mark

# Of so many pieces every subset is tried.
MOST_OF_ALL_SUBSETS = 5
AT_RANDOM = 8
SECTOR = 512
# Small ones tear records more often.
SECTORS = (64, SECTOR)


class Moment(NamedTuple):
    """line: after which the power fails; safe, open: the pieces that are there, and that may be."""

    line: int
    safe: list[Piece]
    open: list[Piece]


class State(NamedTuple):
    moment: Moment
    left: list[Left]


def moments(recorded: Recorded, marks: list[Mark]) -> Iterator[Moment]:
    """Yield the moments of a scene. marks: those of the scene alone."""
    first, last = marks[0].line, marks[-1].line
    changes = {mark.line for mark in marks if mark.words[0] == "committed"}
    for piece in recorded.pieces:
        changes |= {piece.begin, piece.end, int(min(piece.safe_at, last))}
    for line in sorted({change - 1 for change in changes} | {last}):
        if first <= line <= last:
            begun = [piece for piece in recorded.pieces if piece.begin <= line]
            yield Moment(
                line, [each for each in begun if each.safe_at <= line], [each for each in begun if each.safe_at > line]
            )


def states(moment: Moment, chance: random.Random, *, every: int) -> Iterator[State]:
    """Yield the states to try of a moment. every: after how many bytes the newest write is torn."""
    pieces = moment.open
    for chosen in _subsets(pieces):
        yield _state(moment, [Left(piece) for piece in chosen])
    writes = [piece for piece in pieces if piece.data]
    if writes:
        newest = writes[-1]
        others = [Left(piece) for piece in pieces if piece is not newest]
        for cut in {*range(1, len(newest.data), every), *range(max(1, len(newest.data) - 3), len(newest.data))}:
            torn = Left(newest, ((newest.offset, newest.data[:cut]),))
            yield _state(moment, [*others, torn])
            yield _state(moment, [torn, *(other for other in others if other.piece.steps)])
    if pieces:
        for _ in range(AT_RANDOM):
            share = chance.choice([0.2, 0.5, 0.9])
            yield _state(moment, [_part(piece, chance) for piece in pieces if chance.random() < share])


def _state(moment: Moment, left: list[Left]) -> State:
    every = [*map(Left, moment.safe), *left]
    return State(moment, sorted(every, key=lambda each: each.piece.begin))


def _subsets(pieces: list[Piece]) -> Iterator[list[Piece]]:
    if len(pieces) <= MOST_OF_ALL_SUBSETS:
        for size in range(len(pieces) + 1):
            yield from map(list, combinations(pieces, size))
        return
    yield from (pieces[:size] for size in range(len(pieces) + 1))
    yield from ([piece] for piece in pieces)
    yield from ([each for each in pieces if each is not piece] for piece in pieces)


def _part(piece: Piece, chance: random.Random) -> Left:
    """Return a piece, or what may be left of it."""
    kind = chance.random()
    if piece.steps:
        return Left(piece, is_half=len(piece.steps) > 1 and kind < 0.3)
    if kind < 0.4:
        return Left(piece)
    if kind < 0.6:
        return Left(piece, ((piece.offset, piece.data[: chance.randrange(len(piece.data) + 1)]),))
    size = chance.choice(SECTORS)
    end = piece.offset + len(piece.data)
    # Sectors of the disk, not of the write.
    bounds = [piece.offset, *range(piece.offset // size * size + size, end, size), end]
    junk = bytes(chance.randrange(256) for _ in range(size)) if kind < 0.8 else bytes(size)
    parts = []
    for start, stop in zip(bounds, bounds[1:], strict=False):
        is_there = chance.random() < 0.5
        whole = piece.data[start - piece.offset : stop - piece.offset]
        parts.append((start, whole if is_there else junk[: stop - start]))
    return Left(piece, tuple(parts))
