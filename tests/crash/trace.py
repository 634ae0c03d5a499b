"""Reads what strace -f -xx has written: calls and marks, each with the lines at which it began and ended."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.program import MARKS

CALLS = (
    "open,openat,creat,close,dup,dup2,dup3,write,writev,pwrite64,pwritev,pwritev2,sendfile,copy_file_range,fsync,"
    "fdatasync,sync_file_range,sync,syncfs,msync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,"
    "linkat,symlink,symlinkat,truncate,ftruncate,fallocate,fork,vfork,clone,clone3"
)
_LINE = re.compile(r"(\d+) +(.*)")
_CALL = re.compile(r"(\w+)\((.*)")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_RESULT = re.compile(r"\) += (-?\d+|\?)[^=]*$")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(eq=False)
class Call:
    """begin, end: the lines of the trace. result: negative when it failed. is_cut: its process was killed meanwhile."""

    thread: int
    name: str
    arguments: str
    begin: int
    end: int = 0
    result: int = 0
    is_cut: bool = False

    @property
    def texts(self) -> list[bytes]:
        return [bytes.fromhex(text.replace(r"\x", "")) for text in _TEXT.findall(self.arguments)]

    @property
    def numbers(self) -> list[int]:
        return [int(part) for part in self.arguments.split(", ") if re.fullmatch(r"-?\d+", part)]

    @property
    def has_happened(self) -> bool:
        """Whether it did something, or may have."""
        return self.is_cut or self.result >= 0


@dataclass(eq=False)
class Mark:
    """words: see program.py."""

    thread: int
    line: int
    words: list[Any]


@dataclass(eq=False)
class Opened:
    """path: of what was opened; flags: as strace names them; position: where the next write goes."""

    path: str
    flags: str
    position: int = 0


@dataclass
class Traced:
    """calls: each with the open file that it makes, or that its first argument is."""

    calls: list[tuple[Call, Opened | None]] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    lines: int = 0


def read(file: Path) -> Traced:
    """Return the calls in the order in which they ended, each with the file that its first argument is."""
    traced = Traced()
    calls = sorted(_calls(file.read_text(encoding="ascii", errors="replace")), key=_when)
    processes: dict[int, dict[int, Opened]] = {}
    for call in calls:
        files = processes.setdefault(call.thread, {})
        traced.lines = max(traced.lines, call.begin)
        if call.name in ("fork", "vfork", "clone", "clone3"):
            if call.result > 0:
                processes[call.result] = files if "CLONE_THREAD" in call.arguments else dict(files)
            continue
        opened = files.get(call.numbers[0]) if call.numbers and call.arguments[:1].isdigit() else None
        if call.numbers[:1] == [MARKS] and call.name == "write":
            thread, *words = json.loads(call.texts[0])
            traced.marks.append(Mark(thread, call.begin, words))
            continue
        if call.name in ("open", "openat", "creat"):
            opened = Opened(call.texts[0].decode(errors="replace"), call.arguments)
        traced.calls.append((call, opened))
        if call.result < 0 or call.is_cut:
            continue
        if call.name in ("open", "openat", "creat"):
            assert opened
            files[call.result] = opened
        elif call.name == "close":
            files.pop(call.numbers[0], None)
        elif call.name.startswith("dup"):
            files.pop(call.result, None)
            if opened:
                files[call.result] = opened
    return traced


def _when(call: Call) -> tuple[int, int]:
    """Return when a call counts. A child may run, and a number be used again, before the call that made it so ends."""
    is_early = call.name in ("close", "fork", "vfork", "clone", "clone3")
    return (call.begin if is_early else call.end, call.begin)


def _calls(text: str) -> Iterator[Call]:
    begun: dict[int, Call] = {}
    for number, line in enumerate(text.splitlines()):
        match = _LINE.match(line)
        assert match, line
        thread, rest = int(match[1]), match[2]
        if resumed := _RESUMED.match(rest):
            call = begun.pop(thread)
            call.arguments += resumed[2]
        elif started := _CALL.match(rest):
            call = Call(thread, started[1], started[2], number)
            if call.arguments.endswith("<unfinished ...>"):
                call.arguments = call.arguments.removesuffix("<unfinished ...>").rstrip()
                begun[thread] = call
                continue
        elif rest.startswith("+++") and thread in begun:
            call = begun.pop(thread)
            call.end, call.is_cut = number, True
            yield call
            continue
        else:
            continue  # a signal, or an end
        result = _RESULT.search(call.arguments)
        assert result, line
        call.end, call.is_cut = number, result[1] == "?"
        call.result = 0 if call.is_cut else int(result[1])
        call.arguments = call.arguments[: result.start()]
        yield call
    assert not begun
