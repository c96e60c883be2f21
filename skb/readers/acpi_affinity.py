"""SRAT, SLIT and HMAT: who is in which proximity domain, and how far apart domains are.

Sources: ACPI specification 6.5 §5.2.16 (SRAT), §5.2.17 (SLIT), §5.2.27 (HMAT). A proximity domain is the
firmware's name of a NUMA node; domains may begin at 1 and have holes. Values are handed on as they stand,
a SLIT diagonal that is not 10 and the reserved distances below 10 included; 255 means unreachable.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from skb.facts import Compound, Fact, Text, compound, fact
from skb.readers.acpi_dump import Table
from skb.readers.acpi_structures import BYTE_HEADER, WIDE_HEADER, Entry, Structure, entries, structures

ENABLED = 1
_HOT_PLUGGABLE = 2
_NON_VOLATILE = 4


@dataclass(frozen=True, slots=True)
class ProcessorAffinity(Structure):
    """Type 0, local APIC affinity (§5.2.16.1): the domain's bits 31-8 lie apart, in three bytes."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxBBIB3sI")
    domain_low: int
    apic_id: int
    flags: int
    local_sapic_eid: int
    domain_high: bytes
    clock_domain: int

    def domain(self, srat_revision: int) -> int:
        """The proximity domain; before revision 2 (ACPI 3.0) the upper bytes were reserved."""
        high = int.from_bytes(self.domain_high, "little") if srat_revision >= 2 else 0
        return self.domain_low | high << 8


@dataclass(frozen=True, slots=True)
class MemoryAffinity(Structure):
    """Type 1, memory affinity (§5.2.16.2), base and length in bytes."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxIxxQQxxxxIxxxxxxxx")
    domain_bits: int
    base: int
    length: int
    flags: int

    def domain(self, srat_revision: int) -> int:
        """The proximity domain; before revision 2 (ACPI 3.0) the upper bytes were reserved."""
        return self.domain_bits if srat_revision >= 2 else self.domain_bits & 0xFF


@dataclass(frozen=True, slots=True)
class X2ApicAffinity(Structure):
    """Type 2, local x2APIC affinity (§5.2.16.3)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxIIIIxxxx")
    domain: int
    apic_id: int
    flags: int
    clock_domain: int


@dataclass(frozen=True, slots=True)
class GiccAffinity(Structure):
    """Type 3, ARM processor affinity (§5.2.16.4)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxIIII")
    domain: int
    processor_id: int
    flags: int
    clock_domain: int


@dataclass(frozen=True, slots=True)
class InitiatorAffinity(Structure):
    """Type 5, generic initiator (§5.2.16.6): a device with a domain; its handle is ACPI (0) or PCI (1)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxBI16sIxxxx")
    handle_type: int
    domain: int
    handle: bytes
    flags: int


_SRAT_KINDS: dict[int, type[Structure]] = {
    0: ProcessorAffinity,
    1: MemoryAffinity,
    2: X2ApicAffinity,
    3: GiccAffinity,
    5: InitiatorAffinity,
}


def decode_srat(table: Table) -> tuple[tuple[Entry, Structure | None], ...]:
    """Every entry of the SRAT in order, disabled ones included; None for types that are not known."""
    table.at_least(48)
    return tuple(structures(table, 48, BYTE_HEADER, _SRAT_KINDS))


def srat_facts(table: Table) -> Iterator[Fact]:
    """The enabled entries as facts. Memory ranges of no bytes say nothing and are left out."""
    for entry, structure in decode_srat(table):
        match structure:
            case ProcessorAffinity() if structure.flags & ENABLED:
                domain = structure.domain(table.revision)
                yield fact("cpu_affinity", structure.apic_id, structure.local_sapic_eid, domain)
            case X2ApicAffinity() if structure.flags & ENABLED:
                yield fact("cpu_affinity", structure.apic_id, 0, structure.domain)
            case GiccAffinity() if structure.flags & ENABLED:
                yield fact("generic_affinity", structure.processor_id, structure.domain)
            case MemoryAffinity() if structure.flags & ENABLED and structure.length:
                base, length = structure.base, structure.length
                if base + length > 1 << 64:
                    raise table.error(entry.offset, f"memory at {base:#x} + {length:#x} goes past 64 bits")
                yield fact("memory_affinity", base, length, structure.domain(table.revision))
                if structure.flags & _HOT_PLUGGABLE:
                    yield fact("memory_attribute", base, length, "hot_pluggable")
                if structure.flags & _NON_VOLATILE:
                    yield fact("memory_attribute", base, length, "non_volatile")
            case InitiatorAffinity() if structure.flags & ENABLED:
                yield fact("initiator_affinity", _initiator(table, entry, structure), structure.domain)


def _initiator(table: Table, entry: Entry, structure: InitiatorAffinity) -> Compound:
    handle = structure.handle
    if structure.handle_type == 0:
        hid = handle[:8].decode("latin-1").rstrip(" \0")
        return compound("acpi", Text(hid), int.from_bytes(handle[8:12], "little"))
    if structure.handle_type == 1:
        segment, function = struct.unpack_from("<HH", handle)
        return compound("pci", segment, compound("addr", function >> 8, function >> 3 & 31, function & 7))
    raise table.error(entry.offset + 3, f"handle type {structure.handle_type}, expected 0 (ACPI) or 1 (PCI)")


def decode_slit(table: Table) -> tuple[bytes, ...]:
    """The distance matrix, a row of bytes for each domain; bytes behind the n*n of the matrix are padding."""
    table.at_least(44)
    count = table.u64(36)
    if count * count > table.length - 44:
        raise table.error(
            36, f"{count} localities need {count * count} distances, {table.length - 44} are there"
        )
    return tuple(table.data[44 + row * count : 44 + (row + 1) * count] for row in range(count))


def slit_facts(table: Table) -> Iterator[Fact]:
    """Every ordered pair of domains, the diagonal included, as `node_distance/3`."""
    for origin, row in enumerate(decode_slit(table)):
        for target, distance in enumerate(row):
            yield fact("node_distance", origin, target, distance)


@dataclass(frozen=True, slots=True)
class MemoryInitiator(Structure):
    """HMAT type 0, memory proximity domain attributes (§5.2.27.3)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<8xHxxII20x")
    flags: int
    initiator: int
    memory: int


@dataclass(frozen=True, slots=True)
class Locality(Structure):
    """HMAT type 1, system locality latency and bandwidth (§5.2.27.4), without its lists and matrix."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<8xBBBxIIxxxxQ")
    flags: int
    data_type: int
    minimum_transfer: int
    initiator_count: int
    target_count: int
    base_unit: int


@dataclass(frozen=True, slots=True)
class MemorySideCache(Structure):
    """HMAT type 2, memory side cache (§5.2.27.5), without its list of SMBIOS handles."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<8xIxxxxQIHH")
    memory: int
    size: int
    attributes: int
    address_mode: int
    handle_count: int


@dataclass(frozen=True, slots=True)
class LocalityMatrix:
    """A decoded HMAT type 1: `entries[i][t]` base units from `initiators[i]` to `targets[t]`."""

    locality: Locality
    initiators: tuple[int, ...]
    targets: tuple[int, ...]
    entries: tuple[tuple[int, ...], ...]


_QUANTITIES = (
    ("memory_latency", "access"),
    ("memory_latency", "read"),
    ("memory_latency", "write"),
    ("memory_bandwidth", "access"),
    ("memory_bandwidth", "read"),
    ("memory_bandwidth", "write"),
)
_ASSOCIATIVITY = {0: "none", 1: "direct_mapped", 2: "complex"}
_WRITE_POLICY = {0: "none", 1: "write_back", 2: "write_through"}


HmatStructure = MemoryInitiator | LocalityMatrix | MemorySideCache


def decode_hmat(table: Table) -> tuple[tuple[Entry, HmatStructure | None], ...]:
    """Every structure of the HMAT in order; None for types that are not known."""
    table.at_least(40)
    return tuple((entry, _hmat_structure(table, entry)) for entry in entries(table, 40, WIDE_HEADER))


def _hmat_structure(table: Table, entry: Entry) -> HmatStructure | None:
    match entry.type:
        case 0:
            return MemoryInitiator.unpack(table, entry)
        case 1:
            return _locality_matrix(table, entry)
        case 2:
            return MemorySideCache.unpack(table, entry)
    return None


def _locality_matrix(table: Table, entry: Entry) -> LocalityMatrix:
    locality = Locality.unpack(table, entry)
    rows, columns = locality.initiator_count, locality.target_count
    need = 32 + 4 * rows + 4 * columns + 2 * rows * columns
    if need > entry.length:
        raise table.error(
            entry.offset, f"{rows} initiators, {columns} targets need {need} bytes, expected {entry.length}"
        )
    lists = entry.offset + 32
    matrix = lists + 4 * (rows + columns)
    return LocalityMatrix(
        locality,
        struct.unpack_from(f"<{rows}I", table.data, lists),
        struct.unpack_from(f"<{columns}I", table.data, lists + 4 * rows),
        tuple(struct.unpack_from(f"<{columns}H", table.data, matrix + 2 * columns * i) for i in range(rows)),
    )


def hmat_facts(table: Table) -> Iterator[Fact]:
    """Latencies in picoseconds, bandwidths in MB/s, memory side caches, the initiator next to each memory.

    Entries of 0 and 0xFFFF (not given, unreachable) and reserved data types give no fact. Up to revision 1
    (ACPI 6.2) an entry counted tenths: of a nanosecond, of a MB/s; from revision 2 on picoseconds and MB/s.
    """
    tenths = table.revision <= 1
    for _, structure in decode_hmat(table):
        match structure:
            case MemoryInitiator(flags, initiator, memory) if flags & 1:
                yield fact("memory_initiator", memory, initiator)
            case LocalityMatrix(locality) if locality.data_type < len(_QUANTITIES):
                name, access = _QUANTITIES[locality.data_type]
                hierarchy = locality.flags & 0xF
                for initiator, row in zip(structure.initiators, structure.entries, strict=True):
                    for target, steps in zip(structure.targets, row, strict=True):
                        value = steps * locality.base_unit
                        if steps in (0, 0xFFFF) or not value:
                            continue
                        if tenths:
                            value = value * 100 if name == "memory_latency" else -(-value // 10)
                        yield fact(name, initiator, target, access, hierarchy, value)
            case MemorySideCache(memory, size, attributes):
                yield fact(
                    "memory_side_cache",
                    memory,
                    attributes >> 4 & 0xF,
                    size,
                    _ASSOCIATIVITY.get(attributes >> 8 & 0xF, "reserved"),
                    _WRITE_POLICY.get(attributes >> 12 & 0xF, "reserved"),
                    attributes >> 16,
                )
