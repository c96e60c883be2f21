"""PCI roots and interrupt routing, from the ACPI namespace (DSDT and SSDTs).

A part of the ACPI reader (acpi.py). `_PRT` says which interrupt each pin of each device raises (ACPI specification
6.5 §6.2.13), `_CRS` of a root what it decodes (§6.2.2, §6.4). The firmware is told by `_PIC(1)` that I/O APICs are
in use, as every operating system does, and then asked; what only the running machine could answer is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from skb.facts import Compound, Fact, Term, Text, compound, fact
from skb.readers.acpi_aml import Namespace
from skb.readers.acpi_aml_objects import AmlError, Name, Path, Scope, text_of
from skb.readers.acpi_dump import HEADER_BYTES, Table

_ROOT_IDS = (0x030AD041, 0x080AD041, "PNP0A03", "PNP0A08")
"""PCI and PCI Express root bridges, as EISA ids (§6.1.5) and as strings."""
_LEGACY = 1 << 20  # windows beneath are those of VGA and option ROMs, where no register can be moved
_MEMORY, _BUSES = 0, 2
_WIDTHS = {0x87: "I", 0x88: "H", 0x8A: "Q"}  # address space descriptors (§6.4.3.5) by tag


def routing_facts(definitions: Sequence[Table]) -> Iterator[Fact]:
    """prt/3, pir/2, rootbridge/3 and rootbridge_address_window/2 of the DSDT and the SSDTs, in their order."""
    space = Namespace()
    for table in definitions:
        space.load(table.data[HEADER_BYTES : table.length], definitions[0].revision)
    _value(space, ("_PIC",), 1)
    roots = {path: address for path in list(space.objects) if (address := _root(space, path)) is not None}
    for path, address in roots.items():
        yield from _window_facts(space, path, address)
    links: dict[Path, None] = {}
    for path in [path[:-1] for path in space.objects if path[-1:] == ("_PRT",)]:
        bus = _bus(space, path, roots)
        if bus is not None:
            yield from _routes(space, path, bus, links)
    for link in links:
        for gsi in _possible_interrupts(_value(space, (*link, "_PRS"))):
            yield fact("pir", Text(text_of(link)), gsi)


def _value(space: Namespace, path: Path, *arguments: int) -> object:
    """The value of an object; None where there is none or only the machine knows it."""
    try:
        found = space.evaluate(path, *arguments)
        if isinstance(found, Name):
            target = space.find(found)
            found = space.evaluate(target) if target is not None else None
    except AmlError:
        return None
    return found


def _integer(space: Namespace, path: Path, otherwise: int) -> int | None:
    """An object that is a number, or what the specification says where there is none."""
    if path not in space.objects:
        return otherwise
    found = _value(space, path)
    return found if isinstance(found, int) else None


def _root(space: Namespace, path: Path) -> Compound | None:
    """The address of the root bridge at `path`, if it is one, is there, and its bus is known."""
    if space.objects[path] != Scope("device"):
        return None
    ids = [_value(space, (*path, name)) for name in ("_HID", "_CID")]
    flat = [each for some in ids for each in (some if isinstance(some, list) else [some])]
    status = _integer(space, (*path, "_STA"), 0xF)
    if not any(each in _ROOT_IDS for each in flat) or (status is not None and not status & 1):
        return None
    bus, segment = _integer(space, (*path, "_BBN"), 0), _integer(space, (*path, "_SEG"), 0)
    place = _integer(space, (*path, "_ADR"), 0)
    if bus is None or bus > 0xFF or segment is None or place is None:
        return None
    return _address(segment, bus, place)


def _address(segment: int, bus: Term, place: int) -> Compound:
    """addr(Bus, Device, Function), with the segment before it where it is not 0; `place` is an `_ADR`."""
    parts = (bus, place >> 16 & 0x1F, place & 7)
    return compound("addr", segment, *parts) if segment else compound("addr", *parts)


def _bus(space: Namespace, path: Path, roots: dict[Path, Compound]) -> tuple[int, Term] | None:
    """(segment, bus) below the device at `path`: a root's own, or behind(Bridge), which only PCI can number."""
    if path in roots:
        args = roots[path].args
        return (args[0] if len(args) == 4 else 0), args[-3]  # type: ignore[return-value]
    if not path:
        return None
    above, place = _bus(space, path[:-1], roots), _integer(space, (*path, "_ADR"), -1)
    if above is None or place is None or place < 0:
        return None
    return above[0], compound("behind", _address(above[0], above[1], place))


def _routes(space: Namespace, path: Path, where: tuple[int, Term], links: dict[Path, None]) -> Iterator[Fact]:
    entries = _value(space, (*path, "_PRT"))
    for entry in entries if isinstance(entries, list) else []:
        match entry:
            case [int(place), int(pin), source, int(index)] if pin <= 3:
                segment, bus = where
                parts = (bus, place >> 16 & 0x1F, "any" if place & 0xFFFF == 0xFFFF else place & 7)
                address = compound("addr", segment, *parts) if segment else compound("addr", *parts)
                link = _link(space, source, path)
                if link is not None:
                    links[link] = None
                    yield fact("prt", address, pin, compound("pir", Text(text_of(link))))
                elif source == 0:
                    yield fact("prt", address, pin, compound("gsi", index))


def _link(space: Namespace, source: object, scope: Path) -> Path | None:
    """The link device that an entry names; None where it names none, and its index is a global interrupt."""
    if isinstance(source, str):
        parts = tuple(each.ljust(4, "_") for each in source.lstrip("\\").split("."))
        source = Name(parts, () if source.startswith("\\") else scope, len(parts) == 1)
    return space.find(source) if isinstance(source, Name) else None


def _window_facts(space: Namespace, path: Path, address: Compound) -> Iterator[Fact]:
    resources = _value(space, (*path, "_CRS"))
    if not isinstance(resources, bytearray):
        return
    windows = list(_windows(resources))
    buses = [(low, high) for kind, low, high in windows if kind == _BUSES]
    memory = [(low, high) for kind, low, high in windows if kind == _MEMORY and low >= _LEGACY]
    for low, high in memory:
        yield fact("rootbridge_address_window", address, compound("mem", low, high))
    if buses and memory:
        largest = max(memory, key=lambda window: window[1] - window[0])
        yield fact("rootbridge", address, compound("childbus", *buses[0]), compound("mem", *largest))


def _descriptors(resources: bytes | bytearray) -> Iterator[tuple[int, bytes | bytearray]]:
    """(tag, contents) of each resource descriptor up to the end tag (§6.4)."""
    at = 0
    while at < len(resources):
        tag = resources[at]
        if tag & 0x80:
            start, length = at + 3, int.from_bytes(resources[at + 1 : at + 3], "little")
        else:
            start, length, tag = at + 1, tag & 7, tag & 0x78
        if tag == 0x78 or start + length > len(resources):
            return
        yield tag, resources[start : start + length]
        at = start + length


def _windows(resources: bytearray) -> Iterator[tuple[int, int, int]]:
    """(kind, first, last) of what a root decodes: address space descriptors that are not empty."""
    for tag, contents in _descriptors(resources):
        form = _WIDTHS.get(tag)
        if form is not None and len(contents) >= 3 + struct.calcsize(f"<5{form}"):
            _, low, high, _, length = struct.unpack_from(f"<5{form}", contents, 3)
            if length and low <= high:
                yield contents[0], low, high


def _possible_interrupts(resources: object) -> Iterator[int]:
    """The interrupts of a link's `_PRS`: IRQ masks (§6.4.2.1) and extended lists (§6.4.3.6)."""
    for tag, contents in _descriptors(resources if isinstance(resources, bytearray) else b""):
        if tag == 0x20 and len(contents) >= 2:
            mask = int.from_bytes(contents[:2], "little")
            yield from (line for line in range(16) if mask >> line & 1)
        elif tag == 0x89 and len(contents) >= 2:
            count = min(contents[1], (len(contents) - 2) // 4)
            yield from struct.unpack_from(f"<{count}I", contents, 2)
