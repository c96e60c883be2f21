"""Finding dumps: what a path holds, each dump recognised by its content.

A path may be a file, compressed or not; a folder with dumps in it (a machine folder, a copied or live /sys, raw
ACPI tables, hwloc-gather-cpuid's `puN` files); or a tarball of such a folder. The readers' own recognisers say
what a file is. choosing.py takes one of each kind, importing.py makes a machine of them; nothing is decoded or
written here.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from skb import machine
from skb.dumps import (
    KINDS,
    Dump,
    Loose,
    functions_dump,
    one_file,
    pci_address,
    processors_dump,
    sysfs_dump,
    sysfs_tarball,
    tables_dump,
)
from skb.facts import Fact
from skb.machine import LARGEST_FILE_BYTES, MachineError
from skb.readers import DumpError, acpi, cpuid, cpuinfo, latency, pci

NO_DUMP = "no dump of a known kind"
"""Why most files of a folder are left out."""

MOST_FILES = 5000
"""So many files of a folder are looked at; more than that are no folder of dumps."""

_DEEPEST = 4
_LARGEST_TARBALL_BYTES = 512 << 20
_ADDRESS_FOLDER = re.compile(r"[0-9a-f]{4,6}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]\Z")
_CONFIG_SIZES = (64, 256, 4096)
_PU = re.compile(r"pu[0-9]{1,9}\Z")
_CPU_FILE = re.compile(r"(?:.*/)?cpu/(?:online|present|cpu[0-9]+/(?:topology|cache)/.+)\Z")
_OF_SYSFS = re.compile(r"(?:.*/)?(?:sys|proc|devices|bus|cpu|node)/.+\Z")
_OF_TABLES = re.compile(r"(?:.*/)?firmware/acpi/tables/(?:dynamic/)?[^/]+\Z")
_SYSFS_FOLDERS = frozenset(
    ("block", "bus", "class", "cpu", "dev", "devices", "firmware", "fs", "hypervisor", "kernel", "module", "node",
     "power", "proc", "sys", "system")
)
_KERNELS = ("/sys/", "/proc/", "/dev/")
_OF_KERNEL = re.compile(
    r"/firmware/acpi/tables/|/bus/pci/devices/\Z|/[0-9a-f]{4,6}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]/\Z"
)
_PROLOG_FACT = re.compile(r"^\s*[a-z][A-Za-z0-9_]*\(", re.MULTILINE)


@dataclass(slots=True)
class Found:
    """What was found so far: dumps; raw ACPI tables and configuration spaces, which are gathered; the rest."""

    dumps: list[Dump] = field(default_factory=list)
    tables: list[Loose] = field(default_factory=list)
    functions: list[Loose] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Origin of each file of a folder that is no dump, and why it was left out."""


def dumps_in(paths: Iterable[Path]) -> Found:
    """All that the paths hold. DumpError or MachineError for a path that cannot be read, or holds no dump."""
    found = Found()
    seen: set[str] = set()
    for path in paths:
        if (real := os.path.realpath(path)) in seen:
            continue
        seen.add(real)
        before = len(found.dumps) + len(found.tables) + len(found.functions)
        if os.path.isdir(path):
            _folder(path, found)
            if len(found.dumps) + len(found.tables) + len(found.functions) == before:
                raise MachineError(f"{path}: no dump in this folder; {_recognised()}")
        else:
            add_file(str(path), read_whole(path), found, named=True)
    found.dumps = gathered(found)
    return found


def gathered(found: Found) -> list[Dump]:
    """The dumps found, with those made of what has a file of its own: ACPI tables, configuration spaces."""
    dumps = list(found.dumps)
    if found.tables:
        dumps.append(tables_dump(found.tables))
    if found.functions:
        dumps.append(functions_dump(found.functions))
    return dumps


def read_whole(path: Path) -> bytes:
    """The bytes of a file that a user named or a folder holds; DumpError where they cannot be read."""
    if not os.path.lexists(path):
        raise MachineError(f"no file or folder '{path}'")
    if os.path.exists(path) and not os.path.isfile(path):
        raise DumpError(str(path), "neither a file nor a folder")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise DumpError(str(path), f"cannot be read: {machine.reason(error)}") from None
    if len(data) > LARGEST_FILE_BYTES:
        raise DumpError(str(path), f"larger than {LARGEST_FILE_BYTES} bytes; no dump of a machine is")
    return data


def _recognised() -> str:
    return "recognised are " + "; ".join(KINDS.values())


def add_file(origin: str, data: bytes, found: Found, named: bool) -> None:
    """Recognise a file, and add what it holds; one in a folder may be no dump, one that was named must be."""
    if not data:
        _refuse(origin, f"empty; {_recognised()}", NO_DUMP, found, named)
        return
    try:
        plain = machine.decompressed(data, origin)
    except DumpError as error:
        _refuse(origin, error.what, error.what, found, named)
        return
    plain = _as_utf8(plain)
    if plain[257:262] == b"ustar":
        _tarball(origin, data, plain, found, named)
    elif not plain:
        _refuse(origin, f"nothing in it; {_recognised()}", NO_DUMP, found, named)
    elif acpi.recognises(plain):
        if _is_binary(plain):
            found.tables.append(Loose(origin, plain, named))
        else:
            found.dumps.append(one_file("acpi", origin, "acpi.txt", plain, named, acpi.read))
    elif cpuid.recognises(plain) and not plain.startswith(b"# mask"):
        found.dumps.append(one_file("cpuid", origin, "cpuid.txt", plain, named, cpuid.read))
    elif _is_hwloc(plain):
        found.dumps.append(one_file("hwloc", origin, "hwloc.xml", plain, named, _read_hwloc))
    elif cpuinfo.recognises(plain):
        found.dumps.append(one_file("cpuinfo", origin, "cpuinfo.txt", plain, named, cpuinfo.read))
    elif pci.recognises(plain):
        found.dumps.append(one_file("pci", origin, "pci.txt", plain, named, pci.read))
    elif _is_facts(origin, plain, named):
        found.dumps.append(one_file("facts", origin, "facts.pl", plain, named, _checked_text))
    elif _is_latency(origin, plain, named):
        found.dumps.append(one_file("latency", origin, "latency.csv", plain, named, latency.read))
    elif _is_function(origin, plain, named):
        found.functions.append(Loose(origin, plain, named))
    else:
        _refuse(origin, f"{NO_DUMP}; {_recognised()}", NO_DUMP, found, named)


def _as_utf8(data: bytes) -> bytes:
    """Text that Windows kept as UTF-16, as all readers read it; anything else stays as it is."""
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return data
    try:
        return data.decode("utf-16").encode()
    except UnicodeError:
        return data


def _refuse(origin: str, what: str, briefly: str, found: Found, named: bool) -> None:
    if named:
        raise DumpError(origin, what)
    found.left_out.append((origin, briefly))


def _is_binary(data: bytes) -> bool:
    return re.search(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]", data[:4096]) is not None


def _is_hwloc(data: bytes) -> bool:
    if b"<" not in data[:16]:
        return False  # the reader brings much with it
    from skb.readers import hwloc

    return hwloc.recognises(data)


def _read_hwloc(data: bytes, name: str) -> list[Fact]:
    from skb.readers import hwloc

    return hwloc.read(data, name)


def _is_facts(origin: str, data: bytes, named: bool) -> bool:
    """Whether it is Prolog facts: in a folder only what machine folders call so, for others are rules."""
    if not (origin.endswith(".pl") if named else os.path.basename(origin) == "facts.pl"):
        return False
    text = data[:65536].decode("utf-8", "replace")
    return "\0" not in text and _PROLOG_FACT.search(text) is not None


def _is_latency(origin: str, data: bytes, named: bool) -> bool:
    """Whether it is a matrix of latencies; many a text in a folder looks like one, and must read as one."""
    if not latency.recognises(data):
        return False
    if named or origin.removesuffix(".gz").endswith((".csv", ".tsv")):
        return True
    try:
        latency.read(data, origin)
    except DumpError:
        return False
    return True


def _checked_text(data: bytes, name: str) -> list[Fact]:
    """No facts, which Prolog is to read; but they must be text."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise DumpError(f"{name}:{data[: error.start].count(10) + 1}", "not UTF-8 text") from None
    return []


def _is_function(origin: str, data: bytes, named: bool) -> bool:
    """Whether it is the configuration space of a PCI function; one that was named must say of which."""
    if len(data) not in _CONFIG_SIZES or not _is_binary(data):
        return False
    if data[:2] in (b"\xff\xff", b"\0\0") or data[14] & 0x7F > 2:
        return False  # nobody's vendor id, or no header that there is
    if pci_address(origin):
        return True
    if named:
        raise DumpError(
            origin, "configuration space of a PCI function, but of which one? put its address into the name: "
            "0000:03:00.0/config, or 03:00.0.bin"
        )
    return False


# -- folders ---------------------------------------------------------------------------------------


def _folder(path: Path, found: Found) -> None:
    if path.absolute().name == "cpu" and _sysfs_in(path.absolute().parent) is not None:
        path = path.absolute().parent  # devices/system without its last step
    real = f"{os.path.realpath(path)}/"
    if real.startswith(_KERNELS) and not _OF_KERNEL.search(real) and _sysfs_in(path) is None:
        raise MachineError(  # some files there wait for ever when they are read
            f"{path}: of the kernel's own folders /sys/devices/system, /sys/bus/pci/devices and "
            "/sys/firmware/acpi/tables are read, and the file /proc/cpuinfo"
        )
    files: list[Path] = []
    for entry in _entries(path, 0, found):
        files.append(entry)
        if len(files) > MOST_FILES:
            raise MachineError(
                f"{path}: more than {MOST_FILES} files; name the dumps in it, or a folder of dumps alone"
            )
    processors: dict[Path, dict[str, bytes]] = {}
    for file in files:
        try:
            data = read_whole(file)
        except DumpError as error:
            found.left_out.append((str(file), error.what))
            continue
        if _PU.match(file.name) and cpuid.recognises(data):
            processors.setdefault(file.parent, {})[file.name] = data
        elif file.name != "hwloc-cpuid-info":
            add_file(str(file), data, found, named=False)
    for folder, held in processors.items():
        info = folder / "hwloc-cpuid-info"
        if os.path.isfile(info):
            held[info.name] = read_whole(info)
        found.dumps.append(processors_dump(str(folder), held, named=folder == path))


def _entries(folder: Path, depth: int, found: Found) -> Iterator[Path]:
    """The files below a folder, but for those of a copied /sys, which is a dump as a whole."""
    below = _sysfs_in(folder)
    if below is not None:
        found.dumps.append(_sysfs_folder(folder, named=depth == 0))
        for tables in ("firmware/acpi/tables", "sys/firmware/acpi/tables"):
            if os.path.isdir(folder / tables):
                yield from _entries(folder / tables, depth, found)
        if below in ("system", ".") or os.path.realpath(folder) == "/" or os.path.isdir(folder / "kernel"):
            return  # all of it is the kernel's
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        if depth == 0:
            raise DumpError(str(folder), f"cannot be read: {machine.reason(error)}") from None
        found.left_out.append((str(folder), f"cannot be read: {machine.reason(error)}"))
        return
    for entry in entries:
        if entry.name.startswith(".") or (_ADDRESS_FOLDER.match(folder.name) and entry.name != "config"):
            continue
        if _ADDRESS_FOLDER.match(entry.name) and os.path.isfile(entry / "config"):
            yield entry / "config"
        elif os.path.isdir(entry) and not os.path.islink(entry):
            if not (below is not None and entry.name in _SYSFS_FOLDERS) and depth < _DEEPEST:
                yield from _entries(entry, depth + 1, found)
        elif os.path.isfile(entry):
            yield entry


def _sysfs_in(folder: Path) -> str | None:
    """Where below the folder the kernel's files of its CPUs begin; None where there are none."""
    for below in ("sys/devices/system", "devices/system", "system", "."):
        cpu = folder / below / "cpu"
        if any(os.path.exists(cpu / each) for each in ("online", "present", "cpu0")):
            return below
    return None


def _sysfs_folder(folder: Path, named: bool) -> Dump:
    from skb.readers import sysfs

    return sysfs_dump(sysfs.files_of(folder), str(folder), named)



# -- tarballs --------------------------------------------------------------------------------------


def _tarball(origin: str, data: bytes, plain: bytes, found: Found, named: bool) -> None:
    """A tarball is a folder in one file; where it is one dump, it is named as that dump."""
    members = _members(plain, origin)
    inside = Found()
    tree = any(_CPU_FILE.match(path) for path in members)
    if tree:
        inside.dumps.append(sysfs_tarball(origin, data))
    processors: dict[str, dict[str, bytes]] = {}
    for path, content in members.items():
        folder, _, name = path.rpartition("/")
        if tree and _OF_SYSFS.match(path) and not _OF_TABLES.match(path):
            continue
        if _PU.match(name) and cpuid.recognises(content):
            processors.setdefault(folder, {})[name] = content
        elif name != "hwloc-cpuid-info":
            add_file(f"{origin}/{path}", content, inside, named=False)
    for folder, held in processors.items():
        info = members.get(f"{folder}/hwloc-cpuid-info")
        if info is not None:
            held["hwloc-cpuid-info"] = info
        inside.dumps.append(processors_dump(f"{origin}/{folder}".rstrip("/"), held, named=False))
    if not (inside.dumps or inside.tables or inside.functions):
        what = "no dump in this tarball"
        _refuse(origin, f"{what}; {_recognised()}", what, found, named)
        return
    alone = named and len(inside.dumps) == 1 and not (inside.tables or inside.functions)
    found.dumps += [replace(dump, named=alone) for dump in inside.dumps]
    found.tables += inside.tables
    found.functions += inside.functions
    found.left_out += inside.left_out


def _members(plain: bytes, origin: str) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
            for member in tar:
                if member.name.startswith("/") or ".." in member.name.split("/"):
                    raise DumpError(f"{origin}/{member.name[:200]}", "a path that leads out of the tarball")
                if not member.isfile() or member.sparse is not None:
                    continue
                total += member.size
                if total > _LARGEST_TARBALL_BYTES or len(members) > 1_000_000:
                    raise DumpError(origin, "unpacks to more than a machine's dumps can be")
                content = tar.extractfile(member)
                members[os.path.normpath(member.name)] = content.read() if content else b""
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        if isinstance(error, DumpError):
            raise
        raise DumpError(origin, f"not a whole tarball: {machine.reason(error)}") from None
    return members
