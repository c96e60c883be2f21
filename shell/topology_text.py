"""The machine's tree of parts in text, a line a part, as lstopo prints it on a terminal.

What hwloc's lstopo-text.c does: a part that has just the cores of the one that holds it, and is all that is in it,
stands on its line behind ` + `. Sizes are in lstopo's manner, powers of 1024 called KB, MB, GB.
"""

from __future__ import annotations

from collections.abc import Iterator

from skb.object_tree import Part
from skb.topology import PciPlace

_STEPS = (("KB", 10, 20), ("MB", 20, 30), ("GB", 30, 40))
"""A unit, its power of two, and that of a tenth of the size from which the next one is used."""


def size(size_bytes: int) -> str:
    """lstopo's: `512KB`, `16MB`, `31GB`: a unit is used up to ten of the next one."""
    for unit, power, next_power in _STEPS:
        if size_bytes < 10 << next_power:
            return f"{_rounded(size_bytes, power)}{unit}"
    return f"{_rounded(size_bytes, 40)}TB"


def _rounded(size_bytes: int, power: int) -> int:
    return ((size_bytes >> power - 1) + 1) >> 1


def text(root: Part) -> str:
    """The whole tree."""
    segments = any(part.pci and part.pci.segment for part in root.walk())
    lines: list[str] = []
    for depth, parts in _lines(root):
        lines.append("  " * depth + " + ".join(title(part, segments) for part in parts))
    return "\n".join(lines) + "\n"


def _lines(root: Part, depth: int = 0) -> Iterator[tuple[int, list[Part]]]:
    merged, part = [root], root
    while len(part.members) == 1 and not part.memory and not part.devices and part.members[0].cpus == part.cpus:
        part = part.members[0]
        merged.append(part)
    yield depth, merged
    for each in (*part.memory, *part.members, *part.devices):
        yield from _lines(each, depth + 1)


def title(part: Part, segments: bool = False) -> str:
    """A part's name and what is said of it: `NUMANode L#0 (P#0 4096MB)`; PCI addresses with their segment or not."""
    if part.kind == "machine":
        return f"Machine ({size(part.size_bytes)} total)" if part.size_bytes else "Machine"
    if part.kind in ("host_bridge", "pci_bridge"):
        return part.name
    if part.pci is not None:
        return f"PCI {address(part.pci, segments)} ({part.subtype})"
    kind = f"({part.subtype})" if part.kind == "group" and part.subtype else ""
    said = [f"P#{part.number}"] if part.kind in ("pu", "node") else []
    if part.size_bytes:
        said.append(size(part.size_bytes))
    return f"{part.name}{kind} L#{part.logical}" + (f" ({' '.join(said)})" if said else "")


def address(place: PciPlace, segments: bool) -> str:
    """`01:00.0`, or with its segment `0000:01:00.0`."""
    where = f"{place.bus:02x}:{place.device:02x}.{place.function:x}"
    return f"{place.segment:04x}:{where}" if segments else where
