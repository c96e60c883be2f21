"""The files of a copied /sys: from a folder, from the live one, from a tarball; and how to read them.

A part of the sysfs reader (sysfs.py). Everywhere the files are a mapping of path to content. `rooted` finds
where `devices/system` is in it and gives a `Tree`, which knows the kernel's ways to write numbers, sizes,
masks and lists. A tarball is unpacked in memory, within bounds, and nothing of it is ever written.
"""

from __future__ import annotations

import bz2
import fnmatch
import gzip
import io
import lzma
import os
import posixpath
import re
import tarfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from skb.readers import DumpError
from skb.readers.cpusets import LARGEST_CPU, from_list, from_mask

LARGEST_FILE_BYTES = 16 << 20
"""/proc/cpuinfo of 4,096 CPUs is the largest file that is read; one CPU's paragraph has 3 kB, mostly flags."""

LARGEST_TARBALL_BYTES = 512 << 20
"""Unpacked. hwloc-gather-topology's tarball of 256 CPUs has 16 MB."""

LARGEST_MEMBERS = 1_000_000

_SYSTEM = (
    "cpu/online", "cpu/present", "cpu/cpu[0-9]*/online", "cpu/cpu[0-9]*/cpu_capacity",
    "cpu/cpu[0-9]*/topology/*", "cpu/cpu[0-9]*/cache/index[0-9]*/*",
    "cpu/cpu[0-9]*/cpufreq/base_frequency", "cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq",
    "cpu/cpu[0-9]*/acpi_cppc/nominal_freq", "cpu/cpu[0-9]*/regs/identification/midr_el1",
    "node/online", "node/node[0-9]*/cpumap", "node/node[0-9]*/cpulist", "node/node[0-9]*/distance",
    "node/node[0-9]*/meminfo", "node/node[0-9]*/access[01]/initiators/*",
    "node/node[0-9]*/memory_side_cache/index[0-9]*/*",
)  # fmt: skip
"""What is read of devices/system."""

_PCI_FILES = ("config", "numa_node", "resource", "class", "vendor", "device")
_OUTSIDE = (
    "devices/cpu_*/cpus",
    *(f"bus/pci/devices/*/{file}" for file in _PCI_FILES),
)
_PROC = (
    "proc/cpuinfo", "proc/meminfo", "proc/device-tree/cpus/*/clock-frequency",
    "proc/driver/nvidia/gpus/*/numa_status",
)  # fmt: skip


def _pattern(globs: tuple[str, ...]) -> str:
    """A regular expression for any of the globs, whose wildcards stop at slashes."""
    return "|".join(
        fnmatch.translate(glob).replace("(?s:", "(?:").replace(".*", "[^/]*")[:-2] for glob in globs
    )


_PCI = re.compile(
    r"(?:bus/pci/devices|devices/(?:.*/)?pci[^/]*(?:/.*)?)/"
    rf"([0-9a-f]{{4,8}}:[0-9a-f]{{2}}:[0-9a-f]{{2}}\.[0-7])/({'|'.join(_PCI_FILES)})\Z"
)
"""A file of a PCI function, under its bus or, where links are not kept, under its parents."""

_WANTED = re.compile(rf"(?:.*/)?(?:{_pattern(_SYSTEM)}|{_pattern(_OUTSIDE[:1])}|{_pattern(_PROC)})\Z")
_WANTED_PCI = re.compile(r"(?:.*/)?" + _PCI.pattern)
_HOME = re.compile(r"(?:(.*)/)?(?:cpu/(?:online|present|cpu[0-9]+/.+)|node/(?:online|node[0-9]+/.+))\Z")
_NUMBER = re.compile(r"-?[0-9]{1,20}|0x[0-9a-fA-F]{1,16}")
_SIZE = re.compile(r"([0-9]{1,18})([KMG]?)B?", re.IGNORECASE)
_T = TypeVar("_T")


class Tree:
    """A copy of /sys: `system` by path below devices/system, `others` by path below /sys (or proc/)."""

    def __init__(self, system: Mapping[str, bytes], others: Mapping[str, bytes], where: str) -> None:
        self._system, self._others, self._where = system, others, where
        self._children: defaultdict[str, set[str]] = defaultdict(set)
        for path in system:
            while path:
                folder, _, last = path.rpartition("/")
                if last in self._children[folder]:
                    break
                self._children[folder].add(last)
                path = folder

    def has(self, folder: str) -> bool:
        """Whether there is a file below that folder of devices/system."""
        return folder in self._children

    def numbered(self, folder: str, prefix: str) -> list[int]:
        """The numbers N of the entries `prefix`N of a folder, ascending."""
        found = (re.fullmatch(prefix + "([0-9]{1,9})", entry) for entry in self._children.get(folder, ()))
        numbers = sorted({int(match[1]) for match in found if match})
        if numbers and numbers[-1] > LARGEST_CPU:
            raise DumpError(f"{self._where}{folder}", f"{prefix}{numbers[-1]}: there is no such large number")
        return numbers

    def text(self, path: str) -> str | None:
        """The file's text without blanks around; None where it is missing or empty."""
        return _text(self._system.get(path))

    def outside(self, path: str) -> str | None:
        """The text of a file outside devices/system, such as proc/cpuinfo; None as for `text`."""
        return _text(self._others.get(path))

    def contents(self, pattern: re.Pattern[str]) -> Iterator[bytes]:
        """The files outside devices/system whose whole path matches, as they are."""
        return (content for path, content in sorted(self._others.items()) if pattern.fullmatch(path))

    def number(self, path: str) -> int | None:
        """The integer in the file, decimal or 0x hex; None where it is missing, empty, or not told."""
        return self._parsed(path, self.text(path), _integer)

    def count(self, path: str) -> int | None:
        """`number` that must not be negative."""
        return self._parsed(path, self.text(path), _natural)

    def counts(self, path: str) -> list[int] | None:
        """The blank-separated integers, none of them negative, in the file."""
        return self._parsed(path, self.text(path), lambda text: [_natural(word) for word in text.split()])

    def size(self, path: str) -> int | None:
        """Bytes; the kernel writes caches' sizes as `32K`."""
        return self._parsed(path, self.text(path), _size)

    def cpu_mask(self, path: str) -> int | None:
        """The set of CPUs written as a mask."""
        return self._parsed(path, self.text(path), from_mask)

    def cpu_list(self, path: str) -> int | None:
        """The set of CPUs (or nodes) written as a list; an empty file is an empty list."""
        content = self._system.get(path)
        return None if content is None else self._parsed(path, _text(content) or "", from_list)

    def outside_list(self, path: str) -> int | None:
        """`cpu_list` of a file outside devices/system."""
        return self._parsed(path, self.outside(path), from_list)

    def functions(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        """The PCI functions by address, `0000:03:00.0`: the contents of their files."""
        found: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        for path, content in self._others.items():
            match = _PCI.match(path)
            if match:
                found[match[1]].setdefault(match[2], content)
        return iter(sorted(found.items()))

    def place(self, path: str) -> str:
        """What errors call a file outside devices/system."""
        return f"{self._where.split('/devices/system/')[0].rstrip('/')}/{path}"

    def _parsed(self, path: str, text: str | None, parse: Callable[[str], _T]) -> _T | None:
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            raise DumpError(self._where + path, str(error)) from None


def _text(content: bytes | None) -> str | None:
    if content is None:
        return None
    return content.decode("latin-1").strip("\0 \t\r\n") or None


def _integer(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no number")
    return int(text, 0) if text.startswith("0x") else int(text)


def _natural(text: str) -> int:
    number = _integer(text)
    if number < 0:
        raise ValueError(f"{text[:40]!r} is negative")
    return number


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no size")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2].upper()]


def _shown(path: str) -> str:
    """A path from a dump as an error may show it, on one line."""
    return path[:200].encode("unicode_escape").decode()


def rooted(files: Mapping[str, bytes], name: str) -> Tree:
    """The tree in a mapping whose paths may start anywhere above `cpu/`; DumpError where there is none."""
    paths = {posixpath.normpath("/" + path).lstrip("/"): content for path, content in files.items()}
    homes: Counter[str] = Counter()
    for path in paths:
        match = _HOME.match(path)
        if match:
            homes[match[1] or ""] += 1
    if not homes:
        raise DumpError(
            name, "no devices/system/cpu in it; copy /sys/devices/system, or run hwloc-gather-topology"
        )
    home = max(homes, key=lambda each: (f"/{each}".endswith("/devices/system"), homes[each], -len(each)))
    inside = home + "/" if home else ""
    above = inside.removesuffix("devices/system/")
    tops = [above] if above != inside or not inside else []
    tops += [above.removesuffix("sys/")]
    system = {path[len(inside) :]: content for path, content in paths.items() if path.startswith(inside)}
    others: dict[str, bytes] = {}
    for top in tops:
        for path, content in paths.items():
            if path.startswith(top) and path[len(top) :].startswith(("proc/", "bus/", "devices/")):
                others.setdefault(path[len(top) :], content)
    return Tree(system, others, f"{name}/{_shown(inside)}")


def files_of(path: Path) -> dict[str, bytes]:
    """The small files that `read_tree` needs, of a copied tree, of the live /sys, or of a tarball.

    `path` is the folder that holds cpu/ and node/, or one above it (/sys, a root with sys/ and proc/, what a
    tarball unpacks to). Files that cannot be read are left out, as the kernel refuses some of its own.
    """
    if path.is_file():
        try:
            with path.open("rb") as file:
                data = file.read(LARGEST_TARBALL_BYTES + 1)
        except OSError as error:
            raise DumpError(str(path), f"cannot be read: {(error.strerror or str(error)).lower()}") from None
        return unpack(data, str(path))
    system = next((home for home in _homes(path) if (home / "cpu").is_dir()), None)
    if system is None:
        raise DumpError(str(path), "no cpu/ or devices/system/cpu in it")
    found = _gathered(system, _SYSTEM, "sys/devices/system/")
    if system.name == "system" and system.parent.name == "devices":
        sys = system.parent.parent
        found |= _gathered(sys, _OUTSIDE, "sys/")
        found |= _gathered(sys.parent, _PROC, "")
    return found


def _homes(path: Path) -> Iterator[Path]:
    for below in ("sys/devices/system", "devices/system", "system", "."):
        yield path / below
    if path.is_dir() and path.resolve() != Path("/"):
        for entry in sorted(path.iterdir()):
            yield entry / "sys/devices/system"
            yield entry / "devices/system"


def _gathered(folder: Path, globs: tuple[str, ...], key: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for glob in globs:
        for file, place in _matching(str(folder), glob.split("/"), ""):
            try:
                if os.path.isdir(file):
                    if "/initiators/" in place:  # a link to a node: its name is what counts
                        found[key + place] = b""
                    continue
                found[key + place] = _content(file)
            except OSError:
                if "/initiators/" in place:
                    found[key + place] = b""
    return found


def _content(file: str) -> bytes:
    """At most LARGEST_FILE_BYTES of a file; a page at first, for a buffer for the largest would cost each of them."""
    with open(file, "rb", buffering=0) as opened:
        pieces: list[bytes] = []
        length = 0
        while length < LARGEST_FILE_BYTES:
            piece = opened.read(min(4096 if not pieces else 1 << 20, LARGEST_FILE_BYTES - length))
            if not piece:
                break
            pieces.append(piece)
            length += len(piece)
    return b"".join(pieces)


def _matching(folder: str, parts: list[str], place: str) -> Iterator[tuple[str, str]]:
    """The entries below a folder that match a glob, with their path below the first folder."""
    first, rest = parts[0], parts[1:]
    if "*" in first or "[" in first:
        try:
            names = sorted(fnmatch.filter(os.listdir(folder), first))
        except OSError:
            return
    else:
        names = [first] if os.path.lexists(f"{folder}/{first}") else []
    for name in names:
        if rest:
            yield from _matching(f"{folder}/{name}", rest, f"{place}{name}/")
        else:
            yield f"{folder}/{name}", place + name


class _Bounded(io.RawIOBase):
    """A decompressed stream that refuses to give more than LARGEST_TARBALL_BYTES."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name, self._given = stream, name, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = LARGEST_TARBALL_BYTES - self._given
        data = self._stream.read(min(size, left + 1) if size >= 0 else left + 1)
        self._given += len(data)
        if len(data) > left:
            raise DumpError(self._name, f"unpacks to more than {LARGEST_TARBALL_BYTES} bytes")
        return data


def unpack(data: bytes, name: str) -> dict[str, bytes]:
    """The files of a tarball that `read_tree` needs; DumpError where it is none, or not to be trusted."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=_Bounded(_decompressed(data), name), mode="r|") as tar:
            for count, member in enumerate(tar):
                if count >= LARGEST_MEMBERS:
                    raise DumpError(name, f"more than {LARGEST_MEMBERS} files")
                _keep(tar, member, found, name)
                tar.members = []  # type: ignore[attr-defined]  # a stream need not remember what it has passed
    except (
        tarfile.TarError,
        OSError,
        EOFError,
        ValueError,
        OverflowError,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        if isinstance(error, DumpError):
            raise
        raise DumpError(name, f"not a whole tarball: {str(error).lower() or 'it breaks off'}") from None
    return found


def _decompressed(data: bytes) -> BinaryIO:
    raw = io.BytesIO(data)
    if data[:2] == b"\x1f\x8b":
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if data[:3] == b"BZh":
        return cast(BinaryIO, bz2.BZ2File(raw))
    if data[:6] == b"\xfd7zXZ\0":
        return cast(BinaryIO, lzma.LZMAFile(raw))
    return raw


def _keep(tar: tarfile.TarFile, member: tarfile.TarInfo, found: dict[str, bytes], name: str) -> None:
    path = member.name
    if path.startswith("/") or ".." in path.split("/"):
        raise DumpError(f"{name}/{_shown(path)}", "a path that leads out of the tarball")
    path = posixpath.normpath(path)
    if not (_WANTED.match(path) or _WANTED_PCI.match(path)):
        return
    if member.issym() and "/initiators/" in path:
        found[path] = b""
    elif member.isfile():
        if member.size > LARGEST_FILE_BYTES or member.sparse is not None:
            raise DumpError(
                f"{name}/{path}", f"{member.size} bytes; no such file of the kernel is that large"
            )
        content = tar.extractfile(member)
        found[path] = content.read() if content else b""
