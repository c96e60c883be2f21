"""A machine folder becomes facts: which file is read by which reader, and under which source.

Every file is optional but one that knows the cores (docs/machines.md lists them). The whole folder is read
before the first fact is loaded, and all sources are loaded as one: a broken file leaves the knowledge
base as it was.
"""

from __future__ import annotations

import difflib
import gzip
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from skb.engine import SkbError
from skb.facts import Fact, fact
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
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "pilotfish" / "machines"


def list_machines() -> list[MachineInfo]:
    """Shipped machines and the user's own (which win over a shipped one of the same name), by name."""
    found: dict[str, MachineInfo] = {}
    for folder in (SHIPPED, user_machines()):
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.is_dir() and _sources(path):
                    found[path.name] = MachineInfo(path.name, path, _summary(path))
    return [found[name] for name in sorted(found)]


def find(name: str) -> Path:
    """The folder of a machine, by name or by path."""
    known = {info.name: info.path for info in list_machines()}
    if name in known:
        return known[name]
    path = Path(name).expanduser()
    if path.is_dir():
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
    for source, read_source in sources:
        facts.setdefault(source, []).extend(read_source())
    facts.setdefault("a_priori", []).append(fact("machine", path.resolve().name))
    apriori = path / "facts.pl"
    text = _text(apriori) if apriori.is_file() else ""
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
    return acpi.read_files([(_bytes(entry), str(entry)) for entry in sorted(path.iterdir()) if entry.is_file()])


def _cpuid_folder(path: Path) -> list[Fact]:
    files = {entry.name: _bytes(entry) for entry in sorted(path.iterdir()) if entry.is_file()}
    return cpuid.read_folder(files, str(path))


def _sysfs_tree(path: Path) -> list[Fact]:
    from skb.readers import sysfs  # it and hwloc bring much with them that most machines do not need

    return sysfs.read_tree(sysfs.files_of(path), str(path))


def _hwloc_file(path: Path) -> list[Fact]:
    from skb.readers import hwloc

    return hwloc.read(_bytes(path), str(path))


def _file_with(read_bytes: Callable[[bytes, str], list[Fact]]) -> Callable[[Path], list[Fact]]:
    return lambda path: read_bytes(_bytes(path), str(path))


# name in the folder, source of its facts, reader
_FILES: tuple[tuple[str, str, Callable[[Path], list[Fact]]], ...] = (
    ("acpi.txt", "acpi", _file_with(acpi.read)),
    ("acpi", "acpi", _acpi_tables),
    ("pci.txt", "pci", _file_with(pci.read)),
    ("cpuid.txt", "cpuid", _file_with(cpuid.read)),
    ("cpuid", "cpuid", _cpuid_folder),
    ("sysfs", "sysfs", _sysfs_tree),
    ("sysfs.tar.bz2", "sysfs", _sysfs_tree),
    ("sysfs.tar.gz", "sysfs", _sysfs_tree),
    ("hwloc.xml", "hwloc", _hwloc_file),
    ("latency.csv", "measured", _file_with(latency.read)),
    ("facts.pl", "a_priori", lambda path: []),
)


def _sources(path: Path) -> list[tuple[str, Callable[[], list[Fact]]]]:
    """The files of a machine folder that are there, each with its source and how to read it."""

    def reading(reader: Callable[[Path], list[Fact]], entry: Path) -> Callable[[], list[Fact]]:
        return lambda: reader(entry)

    return [
        (source, reading(reader, path / name)) for name, source, reader in _FILES if (path / name).exists()
    ]


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise DumpError(str(path), f"larger than {LARGEST_FILE_BYTES} bytes; no dump of a machine is")
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError) as error:
        raise DumpError(str(path), f"cannot be read: {_reason(error)}") from None


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DumpError(f"{path}:{line}", "not UTF-8 text") from None


def _reason(error: OSError | EOFError) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.lower()


def _summary(path: Path) -> str:
    """The first paragraph line of a machine's README.md, after its heading."""
    readme = path / "README.md"
    if not readme.is_file():
        return ""
    lines: Iterable[str] = readme.read_text(errors="replace").splitlines()
    return next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")
