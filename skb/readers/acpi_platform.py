"""MCFG, DMAR, HPET and FADT: where configuration space, IOMMUs and timers are.

Sources: PCI Firmware Specification 3.3 §4.1.2 (MCFG), Intel VT-d specification 4.1 chapter 8 (DMAR), IA-PC
HPET specification 1.0a §3.2.4 (HPET), ACPI specification 6.5 §5.2.9 (FADT) and §5.2.3.2 (generic address).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from skb.facts import Compound, Fact, Text, compound, fact
from skb.readers.acpi_dump import Table
from skb.readers.acpi_structures import BYTE_HEADER, WORD_HEADER, Entry, Structure, entries


@dataclass(frozen=True, slots=True)
class ConfigurationSpace:
    """One window of the MCFG: ECAM for the buses of a segment, both ends inclusive."""

    base: int
    segment: int
    bus_start: int
    bus_end: int


def decode_mcfg(table: Table) -> tuple[ConfigurationSpace, ...]:
    """The windows of an MCFG, 16 bytes each from offset 44."""
    table.at_least(44)
    if (table.length - 44) % 16:
        raise table.error(44, f"{table.length - 44} bytes of windows, expected a multiple of 16")
    layout = struct.Struct("<QHBBxxxx")
    starts = range(44, table.length, 16)
    return tuple(ConfigurationSpace(*layout.unpack_from(table.data, at)) for at in starts)


def mcfg_facts(table: Table) -> Iterator[Fact]:
    """The windows as `pcie_confspace/4`."""
    for window in decode_mcfg(table):
        yield fact("pcie_confspace", window.base, window.segment, window.bus_start, window.bus_end)


@dataclass(frozen=True, slots=True)
class RemappingUnit(Structure):
    """DMAR type 0, DMA remapping hardware unit; flag bit 0: serves what no other unit names."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxBxHQ")
    flags: int
    segment: int
    base: int


@dataclass(frozen=True, slots=True)
class ReservedMemory(Structure):
    """DMAR type 1, reserved memory region; the limit is the last byte."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxxxHQQ")
    segment: int
    base: int
    limit: int


@dataclass(frozen=True, slots=True)
class RootPortAts(Structure):
    """DMAR type 2, root ports with address translation services; type 5, integrated devices with them."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxBxH")
    flags: int
    segment: int


@dataclass(frozen=True, slots=True)
class UnitAffinity(Structure):
    """DMAR type 3, the proximity domain of a remapping unit."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxxxxxQI")
    base: int
    domain: int


@dataclass(frozen=True, slots=True)
class NamespaceDevice(Structure):
    """DMAR type 4, a device of the ACPI namespace; its name follows, ended by a zero byte."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxxxxB")
    device_number: int


@dataclass(frozen=True, slots=True)
class DeviceScope(Structure):
    """A device that a DMAR structure covers: 1 endpoint, 2 bridge, 3 I/O APIC, 4 HPET, 5 namespace device."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxBB")
    enumeration_id: int
    bus: int


_DMAR_KINDS: dict[int, type[Structure]] = {
    0: RemappingUnit,
    1: ReservedMemory,
    2: RootPortAts,
    3: UnitAffinity,
    4: NamespaceDevice,
    5: RootPortAts,
}


def decode_dmar(table: Table) -> tuple[tuple[Entry, Structure | None], ...]:
    """Every remapping structure in order, without device scopes; None for types that are not known."""
    table.at_least(48)
    return tuple(
        (entry, kind.unpack(table, entry) if (kind := _DMAR_KINDS.get(entry.type)) else None)
        for entry in entries(table, 48, WORD_HEADER)
    )


def dmar_facts(table: Table) -> Iterator[Fact]:
    """IOMMUs, what they serve and the memory they must leave alone; Index counts structures from 0."""
    decoded = decode_dmar(table)
    yield fact("dmar", table.u8(37))
    yield fact("dmar_address_width", table.u8(36) + 1)
    for index, (entry, structure) in enumerate(decoded):
        match structure:
            case RemappingUnit(flags, segment, base):
                yield fact("dmar_hardware_unit", index, flags, segment, base)
                yield from _device_scopes(table, entry, index, segment, RemappingUnit.LAYOUT.size)
            case ReservedMemory(segment, base, limit):
                yield fact("dmar_reserved_memory", index, segment, base, limit)
                yield from _device_scopes(table, entry, index, segment, ReservedMemory.LAYOUT.size)
            case RootPortAts(flags, segment):
                yield fact("dmar_atsr" if entry.type == 2 else "dmar_satc", index, flags, segment)
                yield from _device_scopes(table, entry, index, segment, RootPortAts.LAYOUT.size)
            case UnitAffinity(base, domain):
                yield fact("dmar_rhsa", base, domain)
            case NamespaceDevice(number):
                path = table.data[entry.offset + 8 : entry.end].split(b"\0")[0].decode("latin-1")
                yield fact("dmar_andd", number, Text(path))


def _device_scopes(table: Table, entry: Entry, index: int, segment: int, size: int) -> Iterator[Fact]:
    for scope in entries(table, entry.offset + size, BYTE_HEADER, entry.end):
        device = DeviceScope.unpack(table, scope)
        path = table.data[scope.offset + DeviceScope.LAYOUT.size : scope.end]
        if not path or len(path) % 2:
            raise table.error(scope.offset, f"device path of {len(path)} bytes, expected pairs")
        hops = [(path[at], path[at + 1]) for at in range(0, len(path), 2)]
        yield fact(
            "dmar_device",
            index,
            entry.type,
            scope.type,
            _device_address(segment, device.bus, hops),
            device.enumeration_id,
        )


def _device_address(segment: int, bus: int, hops: list[tuple[int, int]]) -> Compound:
    """`addr(Segment, Bus, Device, Function)`; behind bridges, whose buses only PCI knows, the path to it."""
    if len(hops) == 1:
        return compound("addr", segment, bus, *hops[0])
    return compound("path", segment, bus, tuple(compound("hop", *hop) for hop in hops))


def hpet_facts(table: Table) -> Iterator[Fact]:
    """The event timer block: `hpet/4` as Barrelfish has it, `hpet_block/5` for what the timer can do."""
    table.at_least(56)
    block, uid, protection = table.u32(36), table.u8(52), table.u8(55)
    yield fact("hpet", uid, table.u64(44), protection & 0xF, protection >> 4)
    bits = 64 if block >> 13 & 1 else 32
    yield fact("hpet_block", uid, block >> 16, (block >> 8 & 0x1F) + 1, bits, table.u16(53))


_PROFILES = (
    "unspecified",
    "desktop",
    "mobile",
    "workstation",
    "enterprise_server",
    "soho_server",
    "appliance_pc",
    "performance_server",
    "tablet",
)
_TIMER_32_BITS = 1 << 8  # TMR_VAL_EXT
_HARDWARE_REDUCED = 1 << 20


def fadt_facts(table: Table) -> Iterator[Fact]:
    """What the FADT says of the whole machine: its profile, the power management timer, PSCI on ARM."""
    table.at_least(116)
    profile, flags = table.u8(45), table.u32(112)
    minor = table.u8(131) & 0xF if table.length > 131 else 0
    yield fact(
        "fadt",
        table.revision,
        minor,
        _PROFILES[profile] if profile < len(_PROFILES) else "reserved",
        table.u16(46),
        flags,
    )
    timer = _timer_address(table)
    if timer is not None and not flags & _HARDWARE_REDUCED:
        yield fact("pm_timer", *timer, 32 if flags & _TIMER_32_BITS else 24)
    arm_boot = table.u16(129) if table.length >= 131 else 0
    if arm_boot & 1:
        yield fact("psci_use_hvc", arm_boot >> 1 & 1)


def _timer_address(table: Table) -> tuple[str, int] | None:
    """The space and address of the power management timer: the 64-bit field where it is set (§5.2.9)."""
    if table.length >= 220 and table.u64(212):
        return ("memory" if table.u8(208) == 0 else "io"), table.u64(212)
    port = table.u32(76)
    return ("io", port) if port else None
