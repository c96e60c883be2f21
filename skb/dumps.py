"""A dump of a machine: what kind it is, the files by which a machine folder keeps it, how its facts are read.

finding.py recognises dumps in what a user names; here they are made, those too that come in many files: a copy
of /sys, hwloc-gather-cpuid's `puN` files, ACPI tables and PCI configuration spaces with a file each.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import struct
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from skb import machine
from skb.facts import Fact
from skb.machine import MachineError
from skb.readers import acpi, cpuid, pci

KINDS = {
    "acpi": "acpidump text or ACPI tables",
    "pci": "lspci output (-nnvvv -xxxx) or raw PCI configuration space",
    "cpuid": "`cpuid -r`, InstLatX64 or libcpuid text, or a folder of hwloc-gather-cpuid",
    "sysfs": "a copy of /sys/devices/system, or a tarball of hwloc-gather-topology",
    "cpuinfo": "/proc/cpuinfo",
    "hwloc": "XML of lstopo",
    "latency": "a matrix of core-to-core latencies (CSV)",
    "facts": "Prolog facts (.pl)",
}
"""What is recognised, by the kind of its dump."""

_ADDRESS = re.compile(r"(?:([0-9a-fA-F]{4,6})[:_])?([0-9a-fA-F]{2})[:_]([01][0-9a-fA-F])\.([0-7])(?![0-9])")


@dataclass(frozen=True, slots=True)
class Dump:
    """One dump. `files` are its files by their path in a machine folder; `read` makes its facts.

    `origin` is where it comes from, as errors name it; `named`: a user gave this very path. `read` raises
    DumpError. A dump of kind facts is text; its facts are read with the machine's.
    """

    kind: str
    origin: str
    files: Mapping[str, bytes]
    read: Callable[[], list[Fact]]
    named: bool = False

    @property
    def place(self) -> str:
        """What a machine folder calls it: a file, or a folder with a slash."""
        first = next(iter(self.files))
        return f"{first.split('/')[0]}/" if "/" in first else first


@dataclass(frozen=True, slots=True)
class Loose:
    """A part of a dump that has a file of its own."""

    origin: str
    data: bytes
    named: bool


def one_file(
    kind: str, origin: str, place: str, data: bytes, named: bool,
    read: Callable[[bytes, str], list[Fact]],
) -> Dump:
    """A dump in one file, which a machine folder calls `place`."""
    return Dump(kind, origin, {place: data}, lambda: read(data, origin), named)


def sysfs_dump(files: dict[str, bytes], origin: str, named: bool = False) -> Dump:
    """A copy of /sys, given as path to content: kept as a tarball of the files that the reader reads."""
    # Bytes that were read into a large buffer and cut keep a mapping of memory each, of which Linux gives a
    # process 65,530: /sys of 1,000 cores has as many files. A copy is as large as its content.
    files = {path: bytes(memoryview(content)) for path, content in files.items()}
    packed = pack(files)
    return Dump("sysfs", origin, {"sysfs.tar.gz": packed}, lambda: machine.read_sysfs(files, origin), named)


def pack(files: Mapping[str, bytes]) -> bytes:
    """A .tar.gz of these files; the same bytes for the same files."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def processors_dump(origin: str, files: dict[str, bytes], named: bool) -> Dump:
    """A folder of hwloc-gather-cpuid: `puN` files, and hwloc-cpuid-info, by name."""
    kept = {f"cpuid/{name}": data for name, data in sorted(files.items())}
    return Dump("cpuid", origin, kept, lambda: cpuid.read_folder(files, origin), named)


def sysfs_tarball(origin: str, data: bytes) -> Dump:
    """A tarball with a copy of /sys in it, kept as it is."""
    from skb.readers.sysfs_files import unpack

    ending = next(
        (each for magic, each in ((b"\x1f\x8b", ".gz"), (b"BZh", ".bz2"), (b"\xfd7zXZ", ".xz"))
         if data.startswith(magic)), "",
    )
    return Dump(
        "sysfs", origin, {f"sysfs.tar{ending}": data},
        lambda: machine.read_sysfs(unpack(data, origin), origin),
    )


def tables_dump(loose: Sequence[Loose]) -> Dump:
    """Raw ACPI tables, a file each, as one dump."""
    files: dict[str, tuple[str, bytes]] = {}
    for each in loose:
        name = os.path.basename(each.origin)
        for ending in (".gz", ".bz2", ".xz"):
            name = name.removesuffix(ending)
        if name in files and files[name][1] != each.data:
            raise MachineError(
                f"{files[name][0]} and {each.origin} are both {name}, and differ: a machine has one; name one of them"
            )
        files.setdefault(name, (each.origin, each.data))
    folders = {os.path.dirname(each.origin) for each in loose}
    origin = loose[0].origin if len(loose) == 1 else f"{len(files)} tables in {', '.join(sorted(folders)) or '.'}"
    kept = {f"acpi/{name}": data for name, (_, data) in sorted(files.items())}
    return Dump(
        "acpi", origin, kept, lambda: acpi.read_files([(data, place) for place, data in files.values()]),
        any(each.named for each in loose),
    )


def functions_dump(loose: Sequence[Loose]) -> Dump:
    """Raw configuration spaces, kept as `lspci -nxxxx` prints them."""
    held: dict[str, Loose] = {}
    for each in loose:
        address = pci_address(each.origin)
        if address in held and held[address].data != each.data:
            raise MachineError(
                f"{held[address].origin} and {each.origin} are both function {address}, and differ: name one of them"
            )
        held.setdefault(address, each)
    blocks = []
    for address, each in sorted(held.items()):
        vendor, device = struct.unpack_from("<HH", each.data)
        revision, _, subclass, class_code = each.data[8:12]
        lines = [f"{address} {class_code:02x}{subclass:02x}: {vendor:04x}:{device:04x} (rev {revision:02x})"]
        lines += [f"{at:02x}: {each.data[at : at + 16].hex(' ')}" for at in range(0, len(each.data), 16)]
        blocks.append("\n".join(lines) + "\n\n")
    text = "".join(blocks).encode()
    origin = loose[0].origin if len(held) == 1 else f"configuration space of {len(held)} functions"
    return Dump("pci", origin, {"pci.txt": text}, lambda: pci.read(text, origin), any(each.named for each in loose))


def pci_address(origin: str) -> str:
    """The PCI address in a path, as lspci writes it; empty where there is none."""
    found = _ADDRESS.findall(origin)
    if not found:
        return ""
    domain, bus, device, function = found[-1]
    return f"{domain or '0000'}:{bus}:{device}.{function}".lower()
