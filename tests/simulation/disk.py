"""A disk of the simulation: what the kernel's cache shows, and what would be left after a power cut.

A power cut keeps what was synced. Of the rest it keeps any part: each write may be there, torn, or zeros; each change
of a directory may have happened or not, in any order. A failed sync loses what it was to write, although the cache
still shows it, as Linux does.
"""

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# Power may fail between two sectors. Real ones are larger; small ones tear records more often.
SECTOR = 64


class Node:
    """A file or a directory."""

    __slots__ = (
        "is_directory",
        "data",
        "durable",
        "unsynced",
        "names",
        "durable_names",
        "links",
        "owner",
        "mtime_ns",
        "number",
    )
    count = 0

    def __init__(self, *, is_directory: bool, now_ns: int) -> None:
        Node.count += 1
        self.number = Node.count
        self.is_directory, self.mtime_ns = is_directory, now_ns
        self.data, self.durable = bytearray(), bytearray()
        self.unsynced: list[tuple[int, bytes]] = []
        self.names: dict[str, Node] = {}
        self.durable_names: dict[str, Node] = {}
        self.links = 0
        self.owner: object = None  # the open file that has its lock


@dataclass(eq=False)
class Change:
    """Of one or two directories, together: names that appear or disappear. node None: it disappears."""

    steps: list[tuple[Node, str, Node | None]]
    is_durable: bool = False

    def keep(self) -> None:
        if not self.is_durable:
            self.is_durable = True
            for directory, name, node in self.steps:
                if node is None:
                    directory.durable_names.pop(name, None)
                else:
                    directory.durable_names[name] = node


@dataclass(eq=False)
class Fault:
    """What a disk does wrong: kind, and how often (0 to 1).

    full, broken (EIO), read_only, gone (every call fails), hangs (a sync takes seconds), unreadable (reads fail).
    """

    kind: str
    share: float = 1.0


@dataclass(eq=False)
class Disk:
    """One file system. sleep: passes virtual time, for a sync; trace: is told what is done to the disk."""

    name: str
    random: random.Random
    sleep: Callable[[float], None]
    trace: Callable[..., None]
    now_ns: Callable[[], int]
    fault: Fault | None = None
    sync_s: float = 0.0005
    changes: list[Change] = field(default_factory=list)
    on_sync: Callable[[], None] = lambda: None
    has_hung: bool = False  # since it was well

    def __post_init__(self) -> None:
        self.root = self.new(is_directory=True)

    def new(self, *, is_directory: bool = False) -> Node:
        return Node(is_directory=is_directory, now_ns=self.now_ns())

    def check(self, call: str, *, path: str = "") -> None:
        """Raise what a call fails with. call: read, write, create, sync or list."""
        fault = self.fault
        if fault is None or (fault.share < 1.0 and self.random.random() >= fault.share):
            return
        errors = {"gone": errno.EIO, "broken": errno.EIO, "unreadable": errno.EIO, "read_only": errno.EROFS}
        fails = {
            "gone": True,
            "broken": call in ("write", "sync", "create"),
            "unreadable": call == "read",
            "read_only": call in ("write", "create"),
            "full": call == "create" and self.random.random() < 0.5,  # an inode may still be free
        }
        if fails.get(fault.kind):
            code = errors.get(fault.kind, errno.ENOSPC)
            self.trace("disk", self.name, call, path, os.strerror(code))
            raise OSError(code, os.strerror(code), path)

    # --- Files --------------------------------------------------------------------------------------------------------

    def write(self, node: Node, offset: int, data: bytes) -> int:
        """Write to the cache; return how many bytes were taken, on a full disk perhaps not all."""
        self.check("write")
        if self.fault and self.fault.kind == "full":
            took = self.random.randrange(len(data)) if data else 0
            if not took or self.random.random() < 0.5:
                self.trace("disk", self.name, "has no space")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = data[:took]
        self.trace("disk", self.name, "file", node.number, "writes", len(data), "bytes at", offset)
        end = offset + len(data)
        if len(node.data) < offset:
            node.data.extend(bytes(offset - len(node.data)))
        node.data[offset:end] = data
        node.unsynced.append((offset, data))
        node.mtime_ns = self.now_ns()
        return len(data)

    def sync(self, node: Node) -> None:
        """Bring a file or directory to the disk. What is written or changed meanwhile is not part of it."""
        covered, changes = node.unsynced, self.changes
        if node.is_directory:
            changes = [change for change in self.changes if any(step[0] is node for step in change.steps)]
        else:
            node.unsynced = []
        self.sleep(self.sync_s * (0.5 + self.random.random()))
        fault = self.fault
        if fault is not None and fault.kind == "hangs" and self.random.random() < fault.share:
            self.trace("disk", self.name, "hangs")
            self.has_hung = True
            left = self.random.uniform(0.1, 6.0)
            while self.fault is fault and left > 0:
                self.sleep(0.1)
                left -= 0.1
        try:
            self.check("sync")
            if self.fault and self.fault.kind == "full" and self.random.random() < 0.2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self.trace("disk", self.name, "file", node.number, "fails to sync")
            if self.random.random() < 0.3:  # part of it is on the disk all the same
                self._land(node, [write for write in covered if self.random.random() < 0.5])
            raise
        self.trace("disk", self.name, "directory" if node.is_directory else "file", node.number, "is synced")
        if node.is_directory:
            for change in changes:
                change.keep()
            self.changes = [change for change in self.changes if not change.is_durable]
        else:
            self._land(node, covered)
        self.on_sync()

    @staticmethod
    def _land(node: Node, writes: list[tuple[int, bytes]]) -> None:
        for offset, data in writes:
            if len(node.durable) < offset:
                node.durable.extend(bytes(offset - len(node.durable)))
            node.durable[offset : offset + len(data)] = data

    def truncate(self, node: Node) -> None:
        node.data, node.durable, node.unsynced = bytearray(), bytearray(), []

    # --- Directories --------------------------------------------------------------------------------------------------

    def change(self, *steps: tuple[Node, str, Node | None]) -> None:
        """Let names appear or disappear, together."""
        self.check("create")
        self._change(*steps)

    def remove(self, directory: Node, name: str) -> None:
        """Remove a name, whatever is wrong with the disk."""
        self._change((directory, name, None))

    def _change(self, *steps: tuple[Node, str, Node | None]) -> None:
        for directory, name, node in steps:
            what = f"is file {node.number}" if node else "disappears"
            self.trace("disk", self.name, "in directory", directory.number, name, what)
            if (old := directory.names.pop(name, None)) is not None:
                old.links -= 1
            if node is not None:
                directory.names[name] = node
                node.links += 1
        self.changes.append(Change(list(steps)))

    def directories(self) -> list[Node]:
        """Return all directories, the root first."""
        found = [self.root]
        for directory in found:
            found += [node for node in directory.names.values() if node.is_directory]
        return found

    # --- A power cut --------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Leave what was synced, and any part of the rest."""
        kept = self.random.choice([0.0, 0.5, 0.9, 1.0])
        for change in self.changes:
            if self.random.random() < kept:
                change.keep()
        self.changes = []
        self._restore(self.root, set())

    def _restore(self, node: Node, seen: set[int]) -> None:
        if id(node) in seen:
            node.links += 1
            return
        seen.add(id(node))
        node.links, node.owner = 1, None
        if node.is_directory:
            node.names = dict(node.durable_names)
            for child in node.names.values():
                self._restore(child, seen)
            return
        if node.unsynced:
            kept = self.random.choice([0.0, 0.5, 0.9, 1.0])
            for offset, data in node.unsynced:
                for start in range(0, len(data), SECTOR):
                    if self.random.random() < kept:
                        self._land(node, [(offset + start, data[start : start + SECTOR])])
            node.unsynced = []
        node.data = bytearray(node.durable)


def lock(node: Node, holder: Any) -> bool:
    """Lock a file for an open file, as flock does; return whether nobody else has it."""
    if node.owner is None:
        node.owner = holder
    return node.owner is holder
