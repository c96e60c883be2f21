"""ACPI tables from stated facts: the inverse of `skb/readers/acpi.py`.

A generated machine is read back like a real one, so its tables must be what firmware would leave: header and
checksum, entries in the specification's layout, acpidump text that acpixtract and iasl take. Layouts: ACPI
specification 6.5 §5.2.6 (header), §5.2.9 (FADT), §5.2.12 (MADT), §5.2.16 (SRAT), §5.2.17 (SLIT); PCI Firmware
Specification 3.3 §4.1.2 (MCFG); IA-PC HPET specification 1.0a §3.2.4 (HPET). A value that its field cannot
hold raises ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

EVERY_LAPIC = 0xFF
"""The processor id by which an NMI entry means all local APICs (§5.2.12.7)."""
EVERY_X2APIC = 0xFFFFFFFF
"""The same in x2APIC entries (§5.2.12.13)."""
_FIRST_X2APIC_ID = 255  # ids below belong into LAPIC entries (§5.2.12.12)


@dataclass(frozen=True, slots=True)
class Oem:
    """Who made a table (§5.2.6); ids are padded with blanks to 6, 8 and 4 characters."""

    oem_id: str = "PILOT"
    table_id: str = "FISH"
    revision: int = 1
    creator_id: str = "PLTF"
    creator_revision: int = 1


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor's local APIC; ids of 255 and above are written as x2APIC entries."""

    processor_id: int
    apic_id: int
    enabled: bool = True
    online_capable: bool = False


@dataclass(frozen=True, slots=True)
class IoApic:
    """An I/O APIC: where its registers are and the first global interrupt it takes."""

    id: int
    address: int
    gsi_base: int


@dataclass(frozen=True, slots=True)
class InterruptOverride:
    """An ISA interrupt that arrives elsewhere; flags: polarity in bits 0-1, trigger mode in bits 2-3."""

    source: int
    gsi: int
    flags: int = 0
    bus: int = 0


@dataclass(frozen=True, slots=True)
class Nmi:
    """The local interrupt pin that NMI is wired to, for one processor or, with None, for all."""

    lint: int
    flags: int = 0
    processor_id: int | None = None


@dataclass(frozen=True, slots=True)
class ProcessorAffinity:
    """The proximity domain of a processor."""

    apic_id: int
    domain: int
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class MemoryAffinity:
    """The proximity domain of a range of memory, in bytes."""

    base: int
    length: int
    domain: int
    enabled: bool = True
    hot_pluggable: bool = False
    non_volatile: bool = False


@dataclass(frozen=True, slots=True)
class ConfigurationWindow:
    """Where the configuration space of a range of buses, both ends inclusive, is mapped."""

    base: int
    segment: int = 0
    bus_start: int = 0
    bus_end: int = 255


def table(signature: str, revision: int, body: bytes, oem: Oem = Oem()) -> bytes:
    """A whole table: the 36-byte header (§5.2.6) with length and checksum, then the body."""
    head = _pack(
        "<4sIBB6s8sI4sI",
        f"header of {signature}",
        _text(signature, 4),
        36 + len(body),
        revision,
        0,
        _text(oem.oem_id, 6),
        _text(oem.table_id, 8),
        oem.revision,
        _text(oem.creator_id, 4),
        oem.creator_revision,
    )
    data = bytearray(head + body)
    data[9] = -sum(data) % 256
    return bytes(data)


def madt(
    processors: Iterable[Processor],
    io_apics: Iterable[IoApic] = (),
    overrides: Iterable[InterruptOverride] = (),
    nmis: Iterable[Nmi] = (),
    local_apic_address: int = 0xFEE00000,
    pic_8259_present: bool = True,
    oem: Oem = Oem(),
) -> bytes:
    """The MADT (§5.2.12), revision 5; processors in the order given, as systems number them."""
    stated = list(processors)
    body = [_pack("<II", "MADT", local_apic_address, pic_8259_present)]
    body += [_processor(each) for each in stated]
    for io_apic in io_apics:
        body.append(_pack("<BBBBII", f"{io_apic}", 1, 12, io_apic.id, 0, io_apic.address, io_apic.gsi_base))
    for each in overrides:
        body.append(_pack("<BBBBIH", f"{each}", 2, 10, each.bus, each.source, each.gsi, each.flags))
    kinds = {each.apic_id >= _FIRST_X2APIC_ID for each in stated}
    for nmi in nmis:
        body += _nmi(nmi, {each.processor_id: each.apic_id for each in stated}, kinds)
    return table("APIC", 5, b"".join(body), oem)


def srat(
    processors: Iterable[ProcessorAffinity], memories: Iterable[MemoryAffinity] = (), oem: Oem = Oem()
) -> bytes:
    """The SRAT (§5.2.16), revision 3: processors, then memory, in the order given."""
    body = [_pack("<IQ", "SRAT", 1, 0)]
    for each in processors:
        if each.apic_id < _FIRST_X2APIC_ID:
            high = each.domain >> 8
            low = _pack("<BBBBIB", f"{each}", 0, 16, each.domain & 0xFF, each.apic_id, each.enabled, 0)
            body.append(low + _pack("<BHI", f"{each}", high & 0xFF, high >> 8, 0))
        else:
            x2apic = (2, 24, 0, each.domain, each.apic_id, each.enabled, 0, 0)
            body.append(_pack("<BBHIIIII", f"{each}", *x2apic))
    for memory in memories:
        if memory.base + memory.length > 1 << 64:
            raise ValueError(f"{memory}: expected a range below 2**64")
        flags = memory.enabled | memory.hot_pluggable << 1 | memory.non_volatile << 2
        fields = (1, 40, memory.domain, 0, memory.base, memory.length, 0, flags, 0)
        body.append(_pack("<BBIHQQIIQ", f"{memory}", *fields))
    return table("SRAT", 3, b"".join(body), oem)


def slit(matrix: Sequence[Sequence[int]], oem: Oem = Oem()) -> bytes:
    """The SLIT (§5.2.17): `matrix[i][j]` is the distance from domain i to j; 10 is local, 255 unreachable."""
    count = len(matrix)
    for origin, row in enumerate(matrix):
        if len(row) != count:
            raise ValueError(f"row {origin} of the distances has {len(row)} entries, expected {count}")
        if not all(0 <= distance <= 255 for distance in row):
            raise ValueError(f"row {origin} of the distances: expected numbers from 0 to 255")
    return table("SLIT", 1, struct.pack("<Q", count) + b"".join(bytes(row) for row in matrix), oem)


def mcfg(windows: Iterable[ConfigurationWindow], oem: Oem = Oem()) -> bytes:
    """The MCFG: one 16-byte entry for each window, from offset 44."""
    entries = (
        _pack("<QHBBI", f"{each}", each.base, each.segment, each.bus_start, each.bus_end, 0)
        for each in windows
    )
    return table("MCFG", 1, bytes(8) + b"".join(entries), oem)


def hpet(
    address: int = 0xFED00000, uid: int = 0, comparators: int = 3, vendor: int = 0x8086, oem: Oem = Oem()
) -> bytes:
    """The HPET: a 64-bit counter at `address`, replaces the PIT; minimum tick 128 as in Intel's ICH."""
    block = 1 | (comparators - 1) << 8 | 1 << 13 | 1 << 15 | vendor << 16
    fields = (block, 0, 64, 0, 0, address, uid, 0x80, 0)
    return table("HPET", 1, _pack("<IBBBBQBHB", f"HPET {uid}", *fields), oem)


def fadt(profile: int = 4, sci_interrupt: int = 9, pm_base: int = 0x400, oem: Oem = Oem()) -> bytes:
    """A FADT (§5.2.9) of revision 6.3 with what a PC must have: event, control and timer registers, no DSDT.

    `profile` is the preferred power management profile (4: enterprise server). The registers lie at
    `pm_base` as in Intel's ICH: events +0, control +4, timer +8, general purpose events +0x20.
    """
    data = bytearray(276 - 36)

    def put(layout: str, offset: int, *values: int) -> None:
        field = _pack(layout, f"FADT field at {offset}", *values)
        data[offset - 36 : offset - 36 + len(field)] = field

    put("<BH", 45, profile, sci_interrupt)
    registers = ((56, 88, 148, 4, 0), (64, 89, 172, 2, 4), (76, 91, 208, 4, 8), (80, 92, 220, 16, 0x20))
    access = {2: 2, 4: 3, 16: 1}  # generic address access sizes: 1 byte, 2 word, 3 dword (§5.2.3.2)
    for port_at, length_at, generic_at, size, distance in registers:
        put("<I", port_at, pm_base + distance)
        put("<B", length_at, size)
        put("<BBBBQ", generic_at, 1, size * 8, 0, access[size], pm_base + distance)
    put("<HH", 96, 101, 1001)  # more than 100 and 1000 us: no C2, no C3
    put("<H", 109, 0b11)  # legacy devices, 8042
    put("<I", 112, 1 | 1 << 8)  # WBINVD works; the timer has 32 bits
    put("<B", 131, 3)
    return table("FACP", 6, bytes(data), oem)


def acpidump(tables: Iterable[bytes], addresses: Iterable[int] | None = None) -> str:
    """The tables as acpica's acpidump prints them; without `addresses`, at 0, as it prints unknown ones."""
    stated = list(tables)
    places = list(addresses) if addresses is not None else [0] * len(stated)
    blocks = []
    for data, address in zip(stated, places, strict=True):
        lines = [f"{data[:4].decode('ascii')} @ 0x{address:016X}"]
        lines += [_row(offset, data[offset : offset + 16]) for offset in range(0, len(data), 16)]
        blocks.append("\n".join(lines) + "\n\n")
    return "".join(blocks)


def _row(offset: int, chunk: bytes) -> str:
    pairs = "".join(f"{byte:02X} " for byte in chunk)
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in chunk)
    return f"{f'{offset:04X}':>8}: {pairs:<48} {text}"


def _processor(each: Processor) -> bytes:
    flags = each.enabled | each.online_capable << 1
    if each.apic_id >= _FIRST_X2APIC_ID:
        return _pack("<BBHIII", f"{each}", 9, 16, 0, each.apic_id, flags, each.processor_id)
    if each.processor_id >= EVERY_LAPIC:
        raise ValueError(
            f"{each}: an APIC id below 255 needs a processor id below 255, a LAPIC entry has 8 bits"
        )
    return _pack("<BBBBI", f"{each}", 0, 8, each.processor_id, each.apic_id, flags)


def _nmi(nmi: Nmi, apic_ids: dict[int, int], kinds: set[bool]) -> list[bytes]:
    """The entries for one NMI statement: LAPIC, x2APIC or both, as the processors it is about need."""
    if nmi.processor_id is None:
        local, extended = EVERY_LAPIC, EVERY_X2APIC
        has_local, has_extended = False in kinds or not kinds, True in kinds
    else:
        if nmi.processor_id not in apic_ids:
            raise ValueError(f"{nmi}: no such processor among those stated")
        local = extended = nmi.processor_id
        has_extended = apic_ids[nmi.processor_id] >= _FIRST_X2APIC_ID
        has_local = not has_extended
    entries = []
    if has_local:
        entries.append(_pack("<BBBHB", f"{nmi}", 4, 6, local, nmi.flags, nmi.lint))
    if has_extended:
        entries.append(_pack("<BBHIBxxx", f"{nmi}", 0xA, 12, nmi.flags, extended, nmi.lint))
    return entries


def _text(text: str, length: int) -> bytes:
    if len(text) > length or not all(" " <= character < "\x7f" for character in text):
        raise ValueError(f"{text!r}: expected at most {length} printable ASCII characters")
    return text.encode("ascii").ljust(length)


def _pack(layout: str, what: str, *values: int | bytes) -> bytes:
    try:
        return struct.pack(layout, *values)
    except struct.error as error:
        raise ValueError(f"{what}: {error}") from None
