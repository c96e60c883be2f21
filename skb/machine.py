"""A machine folder becomes facts: which file is read by which reader, and under which source.

Every file is optional but one that knows the cores (docs/machines.md lists them). The whole folder is read
before the first fact is loaded, and all sources are loaded as one: a broken file leaves the knowledge
base as it was.
"""

from __future__ import annotations

import bz2
import difflib
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from skb.engine import SkbError
from skb.facts import Fact, Text, fact
from skb.knowledge import KnowledgeBase
from skb.readers import DumpError, acpi, cpuid, latency, pci

SHIPPED = Path(__file__).parent.parent / "machines"

LARGEST_FILE_BYTES = 256 * 1024 * 1024
"""No dump of a machine is larger; a file that is was named by mistake."""


class MachineError(SkbError):
    """A machine that cannot be found or read; one line for the user."""


@dataclass(frozen=True, slots=True)
class MachineInfo:
    """A machine that can be booted, by name."""

    name: str
    path: Path
    summary: str


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts of a machine folder, by source, and the text of its facts.pl."""

    name: str
    path: Path
    facts: tuple[tuple[str, tuple[Fact, ...]], ...]
    apriori: str


def user_machines() -> Path:
    """Where imported machines live: the user's data folder (XDG)."""
    data = os.environ.get("XDG_DATA_HOME", "")
    home = Path(data) if os.path.isabs(data) else Path(os.path.expanduser("~/.local/share"))  # relative: not obeyed
    return home / "pilotfish" / "machines"


def list_machines() -> list[MachineInfo]:
    """Shipped machines and the user's own (which win over a shipped one of the same name), by name."""
    found: dict[str, MachineInfo] = {}
    for folder in (SHIPPED, user_machines()):
        try:
            paths = sorted(folder.iterdir())
        except OSError:
            continue  # nothing was imported, or not by this user
        for path in paths:
            if not path.name.startswith(".") and os.path.isdir(path) and _sources(path):
                found[path.name] = MachineInfo(path.name, path, summary(path))
    return [found[name] for name in sorted(found)]


def find(name: str) -> Path:
    """The folder of a machine, by name or by path."""
    known = {info.name: info.path for info in list_machines()}
    if name in known:
        return known[name]
    path = Path(os.path.expanduser(name))
    if name and os.path.isdir(path):  # unlike is_dir no error where a name is too long or a folder closed
        return path
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}, or give a folder's path"
    raise MachineError(f"no machine '{name}'; {hint}")


def read(path: Path) -> Machine:
    """Everything a machine folder says. DumpError or MachineError names the file that cannot be read."""
    sources = _sources(path)
    if not sources:
        raise MachineError(
            f"{path}: no machine: none of {', '.join(name for name, _, _ in _FILES)} is there"
        )
    facts: dict[str, list[Fact]] = {}
    for name, source, read_source in sources:
        facts.setdefault(source, []).extend(read_source())
        facts.setdefault("a_priori", []).append(fact("dump", source, Text(name)))
    facts["a_priori"].append(fact("machine", path.resolve().name))
    apriori = path / "facts.pl"
    text = _text(apriori) if os.path.isfile(apriori) else ""
    return Machine(
        path.resolve().name, path, tuple((source, tuple(found)) for source, found in facts.items()), text
    )


def load(kb: KnowledgeBase, path: Path) -> Machine:
    """Read the folder and make its facts those that `kb` holds, in place of the machine before."""
    machine = read(path)
    kb.load_machine(machine.facts, machine.apriori, str(path / "facts.pl"))
    if kb.once("core(_)") is None:
        raise MachineError(f"{path}: no cores: a machine needs cpuid, sysfs, hwloc, acpi or corename/3 facts")
    return machine


def _acpi_tables(path: Path) -> list[Fact]:
    """acpi/*.dat|*.bin: raw tables, a file each."""
    return acpi.read_files([(_bytes(entry), str(entry)) for entry in _entries(path)])


def _cpuid_folder(path: Path) -> list[Fact]:
    return cpuid.read_folder({entry.name: _bytes(entry) for entry in _entries(path)}, str(path))


def _entries(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if os.path.isfile(entry))
    except OSError as error:
        raise DumpError(str(path), f"cannot be read: {reason(error)}") from None


def _sysfs_tree(path: Path) -> list[Fact]:
    beside = path.parent / "cpuinfo.txt"
    return read_sysfs(path, str(path), _bytes(beside) if os.path.isfile(beside) else None)


def read_sysfs(tree: Path | dict[str, bytes], name: str, cpuinfo: bytes | None = None) -> list[Fact]:
    """The facts of a copied /sys (folder, tarball, or path to content), with a /proc/cpuinfo copied apart from it."""
    from skb.readers import sysfs  # it and hwloc bring much with them that most machines do not need

    files = sysfs.files_of(tree) if isinstance(tree, Path) else tree
    if cpuinfo is not None and not any(f"/{path}".endswith("/proc/cpuinfo") for path in files):
        inside = next((path for path in files if "devices/system/" in path), "").partition("devices/system/")[0]
        files = {**files, f"{inside.removesuffix('sys/')}proc/cpuinfo": cpuinfo}
    return sysfs.read_tree(files, name)


def _cpuinfo_alone(path: Path) -> list[Fact]:
    """cpuinfo.txt, where no copy of /sys tells the same and more."""
    from skb.readers import cpuinfo

    if any(os.path.exists(path.parent / name) for name in SYSFS_NAMES):
        return []  # _sysfs_tree reads it
    return cpuinfo.read(_bytes(path), str(path))


def _hwloc_file(path: Path) -> list[Fact]:
    from skb.readers import hwloc

    return hwloc.read(_bytes(path), str(path))


def _file_with(read_bytes: Callable[[bytes, str], list[Fact]]) -> Callable[[Path], list[Fact]]:
    return lambda path: read_bytes(_bytes(path), str(path))


SYSFS_NAMES = ("sysfs", "sysfs.tar", "sysfs.tar.gz", "sysfs.tar.bz2", "sysfs.tar.xz")
"""What a copy of /sys may be called: a folder, or a tarball such as hwloc-gather-topology's."""

# name in the folder, source of its facts, reader
_FILES: tuple[tuple[str, str, Callable[[Path], list[Fact]]], ...] = (
    ("acpi.txt", "acpi", _file_with(acpi.read)),
    ("acpi", "acpi", _acpi_tables),
    ("pci.txt", "pci", _file_with(pci.read)),
    ("cpuid.txt", "cpuid", _file_with(cpuid.read)),
    ("cpuid", "cpuid", _cpuid_folder),
    *((name, "sysfs", _sysfs_tree) for name in SYSFS_NAMES),
    ("cpuinfo.txt", "sysfs", _cpuinfo_alone),
    ("hwloc.xml", "hwloc", _hwloc_file),
    ("latency.csv", "measured", _file_with(latency.read)),
    ("facts.pl", "a_priori", lambda path: []),
)


def _sources(path: Path) -> list[tuple[str, str, Callable[[], list[Fact]]]]:
    """The files of a machine folder that are there: name, source of its facts, how to read it."""

    def reading(reader: Callable[[Path], list[Fact]], entry: Path) -> Callable[[], list[Fact]]:
        return lambda: reader(entry)

    return [
        (name, source, reading(reader, path / name))
        for name, source, reader in _FILES if os.path.exists(path / name)
    ]


def _bytes(path: Path) -> bytes:
    """The file's bytes, decompressed where they are compressed; DumpError where they cannot be had."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise DumpError(str(path), f"cannot be read: {reason(error)}") from None
    return decompressed(data, str(path))


def decompressed(data: bytes, name: str) -> bytes:
    """The bytes themselves, or what gzip, bzip2 or xz made them of; DumpError for broken or absurdly large ones."""
    try:
        for magic, opened in _COMPRESSED:
            if data.startswith(magic):
                with opened(io.BytesIO(data)) as stream:
                    data = stream.read(LARGEST_FILE_BYTES + 1)
                break
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DumpError(name, f"not a whole compressed file: {reason(error)}") from None
    if len(data) > LARGEST_FILE_BYTES:
        raise DumpError(name, f"larger than {LARGEST_FILE_BYTES} bytes; no dump of a machine is")
    return data


_COMPRESSED: tuple[tuple[bytes, Callable[[io.BytesIO], io.BufferedIOBase]], ...] = (
    (b"\x1f\x8b", lambda raw: gzip.GzipFile(fileobj=raw)),
    (b"BZh", lambda raw: bz2.BZ2File(raw)),
    (b"\xfd7zXZ\0", lambda raw: lzma.LZMAFile(raw)),  # noqa: SIM115 - whoever opens it closes it
)


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DumpError(f"{path}:{line}", "not UTF-8 text") from None


def reason(error: Exception) -> str:
    """What went wrong, in the words of the operating system or the library, as a part of a line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.lower().split()) or "it breaks off"


def summary(path: Path) -> str:
    """The first paragraph line of a machine's README.md, after its heading."""
    try:
        lines: Iterable[str] = (path / "README.md").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")
