"""What the calls of a trace do to a disk, in pieces: which of them a power cut may take, and which not.

A piece is a write to a file, or a change of names: a rename changes two at once. It is safe at the end of a sync of its
file, or of a directory that it changes, which began after the piece was done. Until then a power cut may take it, and
leave any other one: later ones, too. A sync of a file does not save its name. After a failed sync, what it was to save
is never safe, although the cache shows it. This is weaker than any file system that Linux has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.crash.trace import Call, Opened, Traced

NEVER = float("inf")
_WRITES = ("write", "pwrite64")
_KNOWN = (*_WRITES, "open", "openat", "creat", "close", "fsync", "fdatasync", "rename", "unlink", "mkdir", "rmdir",
          "dup", "dup2", "dup3")  # fmt: skip


@dataclass(eq=False)
class Node:
    """A file or a directory. names: as the cache has them; size: likewise."""

    number: int
    is_directory: bool
    names: dict[str, "Node"] = field(default_factory=dict)
    size: int = 0


@dataclass(eq=False)
class Piece:
    """begin, end: the lines between which it was done; safe_at: from which line on no power cut takes it.

    A write has a node, an offset and data. A change of names has steps: directory, name, and what it is from then on.
    """

    begin: int
    end: int
    node: Node | None = None
    offset: int = 0
    data: bytes = b""
    steps: tuple[tuple[Node, str, Node | None], ...] = ()
    safe_at: float = NEVER
    is_lost_to_syncs: bool = False

    def is_of(self, node: Node) -> bool:
        return self.node is node or any(step[0] is node for step in self.steps)


class Unknown(AssertionError):
    """The model does not know a call, so what it says of the others would be worth nothing."""


class Recorded:
    """The pieces of the calls below a directory, in the order in which they began. root: that directory."""

    def __init__(self, traced: Traced, base: str) -> None:
        self.base = base.rstrip("/")
        self._count = 0
        self.root = self._new(is_directory=True)
        self.pieces: list[Piece] = []
        self._opened: dict[int, Node] = {}  # by the identity of what was opened
        self._in_doubt: dict[tuple[Node, str], tuple[Piece, Node]] = {}  # names that a killed process was removing
        self._removed: dict[tuple[Node, str], tuple[Node, int]] = {}  # the last of each name, and when that ended
        self.syncs = 0
        for call, opened in traced.calls:
            self._take(call, opened)
        self.pieces.sort(key=lambda piece: piece.begin)

    def _new(self, *, is_directory: bool) -> Node:
        self._count += 1
        return Node(self._count, is_directory)

    def _take(self, call: Call, opened: Opened | None) -> None:
        paths = [text.decode(errors="replace") for text in call.texts[: 2 if call.name.startswith("rename") else 1]]
        node = self._opened.get(id(opened)) if opened else None
        if node is None and not any(map(self._is_below, paths)):
            return
        if call.name not in _KNOWN:
            raise Unknown(f"{call.name}({call.arguments[:200]}")
        if call.name in _WRITES:
            self._write(call, opened, node)
        elif call.name in ("fsync", "fdatasync"):
            self._sync(call, node)
        elif call.has_happened and paths:
            self._names(call, paths, opened)

    def _is_below(self, path: str) -> bool:
        return (path + "/").startswith(self.base + "/")

    def _find(self, path: str) -> Node:
        node = self.root
        for part in filter(None, path[len(self.base) :].split("/")):
            node = node.names[part]
        return node

    def _parent(self, path: str) -> tuple[Node, str]:
        folder, _, name = path.rpartition("/")
        return self._find(folder), name

    def _names(self, call: Call, paths: list[str], opened: Opened | None) -> None:
        """Take a call that may change names."""
        if paths[0] == self.base:
            self._opened[id(opened)] = self.root
            return
        directory, name = self._parent(paths[0])
        if name not in directory.names and (directory, name) in self._in_doubt:
            self._undo(*self._in_doubt.pop((directory, name)))
        if call.name in ("open", "openat", "creat"):
            if "O_TRUNC" in call.arguments and name in directory.names and directory.names[name].size:
                raise Unknown("a file is truncated")
            if "O_CREAT" in call.arguments and name not in directory.names:
                self._change(call, (directory, name, self._new(is_directory=False)))
            if call.is_cut and name not in directory.names:
                return  # its process was killed before it learned that there is no such file
            node, removed_at = self._removed.get((directory, name), (None, 0))
            if name not in directory.names and node and removed_at > call.begin:
                self._opened[id(opened)] = node  # removed by another process meanwhile
            else:
                self._opened[id(opened)] = directory.names[name]
        elif call.name == "mkdir":
            self._change(call, (directory, name, self._new(is_directory=True)))
        elif call.name in ("unlink", "rmdir"):
            self._change(call, (directory, name, None))
        elif call.name == "rename":
            other, new = self._parent(paths[1])
            self._change(call, (other, new, directory.names[name]), (directory, name, None))

    def _change(self, call: Call, *steps: tuple[Node, str, Node | None]) -> None:
        piece = Piece(call.begin, call.end, steps=steps)
        for directory, name, node in steps:
            if node is not None:
                directory.names[name] = node
            elif gone := directory.names.pop(name, None):
                self._removed[directory, name] = gone, call.end
                if call.is_cut:
                    self._in_doubt[directory, name] = piece, gone
        self.pieces.append(piece)

    def _undo(self, piece: Piece, gone: Node) -> None:
        """Take back a change whose process was killed meanwhile: the name is still there, so nothing was changed."""
        self.pieces.remove(piece)
        for directory, name, node in piece.steps:
            if node is None:
                directory.names[name] = gone
            else:
                directory.names.pop(name, None)

    def _write(self, call: Call, opened: Opened | None, node: Node | None) -> None:
        assert opened
        assert node
        if not call.has_happened:
            return
        data = call.texts[0]
        took = len(data) if call.is_cut else call.result
        offset = node.size if "O_APPEND" in opened.flags else opened.position
        if call.name == "pwrite64":
            offset = call.numbers[-1]
        else:
            opened.position = offset + took
        node.size = max(node.size, offset + took)
        self.pieces.append(Piece(call.begin, call.end, node=node, offset=offset, data=data[:took]))

    def _sync(self, call: Call, node: Node | None) -> None:
        assert node
        if call.is_cut:
            return
        self.syncs += 1
        for piece in self.pieces:
            if piece.is_of(node) and piece.end < call.begin and not piece.is_lost_to_syncs:
                if call.result < 0:
                    piece.is_lost_to_syncs = piece.safe_at > call.end
                else:
                    piece.safe_at = min(piece.safe_at, call.end)


@dataclass(frozen=True)
class Left:
    """A piece that a power cut has left, or a part of it.

    data: the parts of a write, if not all of it; is_half: of a rename, the new name is there, and the old one as well.
    """

    piece: Piece
    data: tuple[tuple[int, bytes], ...] | None = None
    is_half: bool = False

    @property
    def writes(self) -> tuple[tuple[int, bytes], ...]:
        return ((self.piece.offset, self.piece.data),) if self.data is None else self.data


Tree = dict[str, bytes | None]


def tree_of(root: Node, left: list[Left]) -> Tree:
    """Return the files below a directory, by their path from there, when these pieces are on the disk.

    A directory has None in place of bytes. left: in the order in which the pieces began.
    """
    names: dict[Node, dict[str, Node]] = {}
    content: dict[Node, bytearray] = {}
    for each in left:
        for directory, name, node in each.piece.steps[: 1 if each.is_half else None]:
            if node is None:
                names.setdefault(directory, {}).pop(name, None)
            else:
                names.setdefault(directory, {})[name] = node
        if each.piece.node:
            data = content.setdefault(each.piece.node, bytearray())
            for offset, part in each.writes:
                if len(data) < offset:
                    data.extend(bytes(offset - len(data)))
                data[offset : offset + len(part)] = part
    return dict(_below(root, "", names, content))


def _below(
    directory: Node, path: str, names: dict[Node, dict[str, Node]], content: dict[Node, bytearray]
) -> Iterator[tuple[str, bytes | None]]:
    for name, node in sorted(names.get(directory, {}).items()):
        if node.is_directory:
            yield path + name, None
            yield from _below(node, f"{path}{name}/", names, content)
        else:
            yield path + name, bytes(content.get(node, b""))
