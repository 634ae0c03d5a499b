"""Runs scenes under strace, with a Postgres, and finds the states in which a promise is broken."""

import hashlib
import json
import logging
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from tests.crash import adoption, disk, states, trace
from tests.crash.scenes import Scene
from tests.crash.trace import Mark
from tests.support import live
from tests.support.live import ROOT, Postgres

EVERY = 16
PATIENCE_S = 300


@dataclass
class Recording:
    """What happened in a scene. marks: the scene's own."""

    scene: Scene
    pieces: disk.Recorded
    marks: list[Mark]

    @property
    def answered(self) -> int:
        return len(adoption.known_at(self.marks[-1].line, self.marks).answered)


@dataclass
class Tried:
    """states: how many were tried; failures: of each that broke a promise, where and what."""

    states: int
    failures: list[str]


def record(scenes: Sequence[Scene], postgres: Postgres, folder: Path, *, mutant: str = "") -> list[Recording]:
    """Run scenes, those with the same injected fault together. folder: where their disks and traces are."""
    recordings = []
    for inject in dict.fromkeys(scene.inject for scene in scenes):
        together = [scene for scene in scenes if scene.inject == inject]
        file = folder / f"{inject.partition(':')[0] or 'plain'}.strace"
        _run(together, postgres, folder, file, inject, mutant)
        traced = trace.read(file)
        begins = [number for number, mark in enumerate(traced.marks) if mark.words[0] == "scene"]
        for scene, begin, end in zip(together, begins[:-1], begins[1:], strict=True):
            marks = traced.marks[begin : end + 1]
            recordings.append(Recording(scene, disk.Recorded(traced, marks[0].words[2]), marks))
    return recordings


def _run(scenes: list[Scene], postgres: Postgres, folder: Path, file: Path, inject: str, mutant: str) -> None:
    told = []
    for scene in scenes:
        base = folder / scene.name.replace(" ", "-")
        for name in ("first", "spare"):
            base.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        told.append([scene.name, str(base), scene.lives])
    command = ["strace", "--seccomp-bpf", "-f", "-xx", "-s", "1000000", "-e", "signal=none", "-o", file,
               "-e", f"trace={trace.CALLS}", *(["-e", f"inject={inject}"] if inject else []),
               sys.executable, "-m", "tests.crash.program", *filter(None, [mutant])]  # fmt: skip
    environment = live.environment(
        postgres.url, DJANGO_SETTINGS_MODULE="settings", DEBUG="true", SECRET_KEY=settings.SECRET_KEY
    )
    run = subprocess.run(
        command, cwd=ROOT, env=environment, input=json.dumps(told), text=True, capture_output=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    # A step that failed would leave less to look at.
    assert "FAILED" not in run.stderr or mutant, run.stderr


def crash_states(
    recording: Recording, *, every: int = EVERY, seed: int = 1
) -> Iterator[tuple[states.State, disk.Tree]]:
    """Yield the crash states of a scene that differ: in what is on the disk, or in what was promised by then."""
    chance, seen = random.Random(seed), set()
    for moment in states.moments(recording.pieces, recording.marks):
        known = adoption.known_at(moment.line, recording.marks)
        for state in states.states(moment, chance, every=every):
            tree = disk.tree_of(recording.pieces.root, state.left)
            digest = hashlib.sha256(repr((tree, len(known.answered), len(known.statements))).encode()).digest()
            if digest not in seen:
                seen.add(digest)
                yield state, tree


def try_states(
    recording: Recording, folder: Path, *, every: int = EVERY, seed: int = 1, most: int = 0, most_failures: int = 10
) -> Tried:
    """Adopt crash states of a scene. most: how many of them, drawn by the seed; 0: all. folder: to build them in."""
    chosen: Iterator[tuple[states.State, disk.Tree]] = crash_states(recording, every=every, seed=seed)
    if most:
        pool = list(chosen)
        chosen = iter(random.Random(seed).sample(pool, min(most, len(pool))))
    tried = Tried(0, [])
    for state, tree in chosen:
        known = adoption.known_at(state.moment.line, recording.marks)
        table = known.table()
        directories = adoption.build(tree, folder / f"state-{os.getpid()}")
        with adoption.delivering_to(table), _without_a_log():
            what = adoption.broken(directories, known, table)
        tried.states += 1
        if what:
            tried.failures.append(f"{recording.scene.name}, line {state.moment.line}: {what}")
            if len(tried.failures) >= most_failures:
                break
    return tried


@contextmanager
def _without_a_log() -> Iterator[None]:
    """Torn records are logged, and thousands are."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
