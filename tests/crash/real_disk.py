"""The scenes on a real ext4, whose disk loses what it was not told to flush: `python -m tests.crash.real_disk`.

It runs in a mount namespace of its own, as root. test_real_disk.py starts it.
"""

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from django.conf import settings

from tests.crash import block_disk
from tests.crash.block_disk import FLUSH, MARK, WRITE, Noted
from tests.crash.scenes import SCENES, named
from tests.crash.trace import Mark
from tests.support import live
from tests.support.live import ROOT

SIZE = 24 << 20
SECTOR = 512
MEMORY = Path("/dev/shm")


class Cut(NamedTuple):
    """A power cut. position: how much of what was noted came before; cached: the writes since the last flush."""

    position: int
    cached: list[Noted]


def main() -> int:
    """Print a line for each scene: states, acknowledged leads, flushes and failures, as JSON."""
    from tests.crash import adoption

    parser = argparse.ArgumentParser(prog="python -m tests.crash.real_disk", description=__doc__)
    parser.add_argument("--most", type=int, default=50, help="try so many power cuts of each scene")
    parser.add_argument("--scene", default="", help="one alone")
    parser.add_argument("--mutant", default="", help="put a deliberate fault of tests/simulation/mutants.toml in")
    options = parser.parse_args()
    scenes = [named(options.scene)] if options.scene else [scene for scene in SCENES if not scene.inject]
    with TemporaryDirectory(prefix="folio-disk-", dir=MEMORY) as folder, live.postgres() as postgres:
        for scene in scenes:
            place = Path(folder, "place")
            place.mkdir(exist_ok=True)
            initial, noted = _recorded(scene.lives, scene.name, postgres.url, place, options.mutant)
            marks = [Mark(json.loads(each.data)[0], number, json.loads(each.data)[1:])
                     for number, each in enumerate(noted) if each.kind == MARK]  # fmt: skip
            failures, states = [], 0
            for cut, image in _images(initial, noted, random.Random(1), options.most):
                known = adoption.known_at(cut.position - 1, marks)
                table = known.table()
                with _mounted(image, place) as base, adoption.delivering_to(table):
                    what = adoption.broken([base / name for name in adoption.DIRECTORIES], known, table)
                states += 1
                failures += [f"{scene.name}, {cut.position}: {what}"] if what else []
            said = {"scene": scene.name, "states": states, "failures": failures[:5],
                    "answered": len(adoption.known_at(len(noted), marks).answered),
                    "flushes": sum(each.kind == FLUSH for each in noted)}  # fmt: skip
            print(json.dumps(said), flush=True)  # noqa: T201
    return 0


def _recorded(lives: object, name: str, url: str, place: Path, mutant: str) -> tuple[bytes, list[Noted]]:
    """Run a scene; return the disk as it was before, and what was done to it."""
    image, fuse, ext4, notes = place / "image", place / "fuse", place / "ext4", place / "notes"
    fuse.mkdir(exist_ok=True)
    ext4.mkdir(exist_ok=True)
    image.write_bytes(bytes(SIZE))
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
    initial = image.read_bytes()
    server = block_disk.serve(initial, notes, fuse)
    try:
        subprocess.run(["mount", "-t", "ext4", "-o", "loop,nodiscard", fuse / "disk", ext4], check=True)
        environment = live.environment(
            url,
            DJANGO_SETTINGS_MODULE="settings",
            DEBUG="true",
            SECRET_KEY=settings.SECRET_KEY,
            CRASH_MARKS=str(fuse / "marks"),
        )
        command = [sys.executable, "-m", "tests.crash.program", *filter(None, [mutant])]
        told = json.dumps([[name, str(ext4), lives]])
        run = subprocess.run(
            command, cwd=ROOT, env=environment, input=told, text=True, capture_output=True, check=False
        )
        noted = block_disk.read(notes)
        assert run.returncode == 0, run.stderr
        assert mutant or "FAILED" not in run.stderr, run.stderr
    finally:
        subprocess.run(["umount", ext4], check=False)
        subprocess.run(["umount", fuse], check=False)
        with suppress(ChildProcessError):
            os.waitpid(server, 0)
    return initial, noted


def _images(initial: bytes, noted: list[Noted], chance: random.Random, most: int) -> Iterator[tuple[Cut, bytes]]:
    """Yield images of the disk after power cuts, so many, at moments drawn at random: most of them after a mark.

    Of the writes since the last flush all are there, none, those before one, or any, or any sectors.
    """
    after_marks = [number + 1 for number, each in enumerate(noted) if each.kind == MARK]
    positions = sorted(
        chance.choice(after_marks) if chance.random() < 0.7 else chance.randrange(1, len(noted)) for _ in range(most)
    )
    durable, cached, done = bytearray(initial), [], 0
    for position in positions:
        for each in noted[done:position]:
            if each.kind == WRITE:
                cached.append(each)
            elif each.kind == FLUSH:
                _write(durable, cached)
                cached = []
        done = position
        image = bytearray(durable)
        _write(image, _kept(cached, chance))
        yield Cut(position, cached), bytes(image)


def _kept(cached: list[Noted], chance: random.Random) -> list[Noted]:
    kind, share = chance.choice(["all", "none", "first", "any", "sectors"]), chance.choice([0.2, 0.5, 0.9])
    if kind == "first":
        return cached[: chance.randrange(len(cached) + 1)]
    if kind == "any":
        return [each for each in cached if chance.random() < share]
    if kind == "sectors":
        sectors = [
            Noted(WRITE, each.offset + start, each.data[start : start + SECTOR])
            for each in cached
            for start in range(0, len(each.data), SECTOR)
        ]
        return [each for each in sectors if chance.random() < share]
    return cached if kind == "all" else []


def _write(image: bytearray, writes: list[Noted]) -> None:
    for each in writes:
        image[each.offset : each.offset + len(each.data)] = each.data


@contextmanager
def _mounted(image: bytes, place: Path) -> Iterator[Path]:
    """Yield where the file system of an image is mounted, which repairs it with its journal, as after a power cut."""
    file, folder = place / "crashed", place / "mounted"
    file.write_bytes(image)
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "ext4", "-o", "loop", file, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
    os.environ.setdefault("DEBUG", "true")
    import logging

    import django

    django.setup()
    logging.disable(logging.CRITICAL)
    sys.exit(main())
