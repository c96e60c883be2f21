"""Files in memory: a tree of directories with files of blocks, and which caches have which block.

The state of the ramfs service alone, without messages; `kernel.services.ramfs` serves it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from kernel.errors import KernelError

BLOCK_BYTES = 4096
MOST_BLOCKS = 1 << 20


class FileErrorCode(StrEnum):
    """Barrelfish's names (`errors/errno.fugu`)."""

    NOT_FOUND = "FS_ERR_NOTFOUND"
    EXISTS = "FS_ERR_EXISTS"
    NOT_DIRECTORY = "FS_ERR_NOTDIR"
    NOT_FILE = "FS_ERR_NOTFILE"
    NOT_EMPTY = "FS_ERR_NOTEMPTY"
    BOUNDS = "FS_ERR_INDEX_BOUNDS"


class FileError(KernelError):
    """Something could not be done with a file; nothing was."""

    def __init__(self, code: FileErrorCode, what: str) -> None:
        super().__init__(f"{code}: {what}")
        self.code = code


class Kind(IntEnum):
    FILE = 0
    DIRECTORY = 1


@dataclass(slots=True)
class File:
    """Blocks, each with its version."""

    blocks: list[bytes] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(map(len, self.blocks))


@dataclass(slots=True)
class Directory:
    """What has a name in it."""

    entries: dict[str, File | Directory] = field(default_factory=dict)


class FileSystem:
    """All files; `holders` are the caches (by reference) that have the newest version of a block.

    Blocks are known by the canonical paths of their files.
    """

    def __init__(self) -> None:
        self.root = Directory()
        self.holders: dict[tuple[str, int], list[int]] = {}
        self._version = 0

    def look_up(self, path: str) -> File | Directory:
        """What a path names. NOT_FOUND, NOT_DIRECTORY."""
        found: File | Directory = self.root
        for name in parts(path):
            if not isinstance(found, Directory):
                raise FileError(FileErrorCode.NOT_DIRECTORY, f"{path}: a file on the way to {name}")
            if name not in found.entries:
                raise FileError(FileErrorCode.NOT_FOUND, path)
            found = found.entries[name]
        return found

    def file(self, path: str) -> File:
        """The file that a path names. NOT_FILE for a directory."""
        found = self.look_up(path)
        if not isinstance(found, File):
            raise FileError(FileErrorCode.NOT_FILE, f"{path} is a directory")
        return found

    def names(self, path: str) -> list[str]:
        """The names in a directory, in order. NOT_DIRECTORY for a file."""
        found = self.look_up(path)
        if not isinstance(found, Directory):
            raise FileError(FileErrorCode.NOT_DIRECTORY, f"{path} is a file")
        return sorted(found.entries)

    def make(self, path: str, kind: Kind) -> None:
        """A new file or directory in one that is there. EXISTS."""
        directory, name = self._parent(path)
        if name in directory.entries:
            raise FileError(FileErrorCode.EXISTS, path)
        directory.entries[name] = File() if kind is Kind.FILE else Directory()

    def remove(self, path: str) -> tuple[int, list[tuple[str, int]]]:
        """Remove a file or an empty directory: the blocks that are no more, and since which version. NOT_EMPTY."""
        directory, name = self._parent(path)
        found = self.look_up(path)
        if isinstance(found, Directory) and found.entries:
            raise FileError(FileErrorCode.NOT_EMPTY, path)
        del directory.entries[name]
        self._version += 1
        count = len(found.blocks) if isinstance(found, File) else 0
        return self._version, [(canonical(path), block) for block in range(count)]

    def read(self, path: str, block: int) -> tuple[int, bytes]:
        """A block and its version. BOUNDS behind the end."""
        file = self.file(path)
        if block >= len(file.blocks):
            raise FileError(FileErrorCode.BOUNDS, f"{path} has {len(file.blocks)} blocks, no block {block}")
        return file.versions[block], file.blocks[block]

    def write(self, path: str, block: int, data: bytes) -> int:
        """Write a block, or add the next one: its new version. BOUNDS behind that, or where a gap would be."""
        file = self.file(path)
        last = block + 1 >= len(file.blocks)
        if block > min(len(file.blocks), MOST_BLOCKS):
            raise FileError(FileErrorCode.BOUNDS, f"{path} has {len(file.blocks)} blocks, block {block} is not next")
        if not last and len(data) != BLOCK_BYTES:
            raise FileError(FileErrorCode.BOUNDS, f"{len(data)} bytes amid {path}; a block has {BLOCK_BYTES}")
        if block == len(file.blocks) and block > 0 and len(file.blocks[-1]) != BLOCK_BYTES:
            raise FileError(FileErrorCode.BOUNDS, f"block {block - 1} of {path} is not full")
        self._version += 1
        file.blocks[block : block + 1] = [data]
        file.versions[block : block + 1] = [self._version]
        return self._version

    def _parent(self, path: str) -> tuple[Directory, str]:
        names = parts(path)
        if not names:
            raise FileError(FileErrorCode.EXISTS, "/ is there, and stays")
        parent = self.look_up("/" + "/".join(names[:-1]))
        if not isinstance(parent, Directory):
            raise FileError(FileErrorCode.NOT_DIRECTORY, f"{path}: a file on the way to {names[-1]}")
        return parent, names[-1]


def canonical(path: str) -> str:
    """The one way to write a path; NOT_FOUND for what is none."""
    return "/" + "/".join(parts(path))


def parts(path: str) -> list[str]:
    """The names along a path from the root on."""
    if not path.startswith("/") or "\0" in path:
        raise FileError(FileErrorCode.NOT_FOUND, f"{path!r:.60} is no path; paths begin with /")
    names = [name for name in path.split("/") if name and name != "."]
    if ".." in names:
        raise FileError(FileErrorCode.NOT_FOUND, f"{path}: .. is for shells to work out")
    return names
