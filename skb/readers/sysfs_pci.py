"""PCI functions of a copied /sys: their configuration space, and the node they are next to.

A part of the sysfs reader (sysfs.py). `config` holds the first 64, 256 or 4096 bytes of configuration
space, of which the PCI reader makes facts; `resource` the ranges of the BARs, a line each, which give the
sizes that configuration space does not hold; `numa_node` is -1 where the firmware does not tell. Where a
copy lacks `config`, `class`, `vendor` and `device` say what the function is, but not whether it is PCI Express,
its interrupt pin (-1) and what is behind it (Documentation/ABI/testing/sysfs-bus-pci, PCI/sysfs-pci.rst).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from skb.facts import Fact, compound, fact
from skb.readers import pci
from skb.readers.sysfs_files import Tree

_ADDRESS = re.compile(r"([0-9a-f]+):([0-9a-f]+):([0-9a-f]+)\.([0-7])")
_RANGE = re.compile(rb"0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) 0x[0-9a-f]{1,16}")
_BAR_SIZE = 3  # bar(Address, Number, Base, Size, ...)


def pci_facts(tree: Tree) -> Iterator[Fact]:
    """`device_node(Address, Node)` and what the configuration space says, by address."""
    for place, files in tree.functions():
        match = _ADDRESS.fullmatch(place)
        if match is None:
            continue
        segment, *rest = (int(part, 16) for part in match.groups())
        address = compound("addr", *([segment] if segment else []), *rest)
        if files.get("config"):
            sizes = _bar_sizes(files.get("resource", b""))
            where = tree.place(f"bus/pci/devices/{place}/config")
            for found in pci.read_config(files["config"], address, where):
                yield _sized(found, sizes) if found.name == "bar" else found
        elif "class" in files:
            kind, vendor, device = (_number(files.get(name, b"")) for name in ("class", "vendor", "device"))
            yield fact(
                "device", "pci", address, vendor, device, kind >> 16, kind >> 8 & 0xFF, kind & 0xFF, -1
            )
        node = re.fullmatch(rb"\s*([0-9]{1,9})\s*", files.get("numa_node", b""))
        if node:
            yield fact("device_node", address, int(node[1]))


def _number(text: bytes) -> int:
    """A file such as `0x060400`; 0 where it is missing or holds something else."""
    match = re.fullmatch(rb"\s*0x([0-9a-f]{1,8})\s*", text)
    return int(match[1], 16) if match else 0


def _bar_sizes(resource: bytes) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for number, line in enumerate(resource.splitlines()[:6]):
        match = _RANGE.fullmatch(line.strip())
        if match and int(match[2], 16) > int(match[1], 16):
            sizes[number] = int(match[2], 16) - int(match[1], 16) + 1
    return sizes


def _sized(bar: Fact, sizes: dict[int, int]) -> Fact:
    number, size = bar.args[1], bar.args[_BAR_SIZE]
    if size == 0 and isinstance(number, int) and number in sizes:
        return Fact(bar.name, (*bar.args[:_BAR_SIZE], sizes[number], *bar.args[_BAR_SIZE + 1 :]))
    return bar
