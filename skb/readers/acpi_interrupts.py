"""The MADT (signature APIC): processors and interrupt controllers.

Source: ACPI specification 6.5 §5.2.12, types 0-5, 9, 0xA and the ARM GIC's 0xB-0xF; other types (Itanium's
SAPIC, OEM types such as 0x7F) are skipped by their length. Field order in the classes is that of the bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from skb.facts import Fact, fact
from skb.readers.acpi_dump import Table
from skb.readers.acpi_structures import BYTE_HEADER, Entry, Structure, structures

ENABLED = 1
"""Bit 0 of the flags of every processor and affinity structure."""
_X2APIC_NOBODY = 0xFFFFFFFF  # the broadcast id; firmware fills unused slots with it
_GICC_WITH_MPIDR = 76  # ACPI 5.1; the 40-byte entries of 5.0 end before the MPIDR


@dataclass(frozen=True, slots=True)
class LocalApic(Structure):
    """Type 0, processor local APIC (§5.2.12.2)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxBBI")
    processor_id: int
    apic_id: int
    flags: int


@dataclass(frozen=True, slots=True)
class IoApic(Structure):
    """Type 1, I/O APIC (§5.2.12.3)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxBxII")
    id: int
    address: int
    gsi_base: int


@dataclass(frozen=True, slots=True)
class InterruptOverride(Structure):
    """Type 2, interrupt source override (§5.2.12.5); flags: polarity in bits 0-1, trigger in bits 2-3."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxBBIH")
    bus: int
    source: int
    gsi: int
    flags: int


@dataclass(frozen=True, slots=True)
class NmiSource(Structure):
    """Type 3, non-maskable interrupt source (§5.2.12.6)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxHI")
    flags: int
    gsi: int


@dataclass(frozen=True, slots=True)
class LocalApicNmi(Structure):
    """Type 4, local APIC NMI (§5.2.12.7); processor id 0xFF means all."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxBHB")
    processor_id: int
    flags: int
    lint: int


@dataclass(frozen=True, slots=True)
class LocalApicAddress(Structure):
    """Type 5, the 64-bit address that overrides the MADT's 32-bit one (§5.2.12.8)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxQ")
    address: int


@dataclass(frozen=True, slots=True)
class LocalX2Apic(Structure):
    """Type 9, processor local x2APIC (§5.2.12.12)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxIII")
    apic_id: int
    flags: int
    processor_id: int


@dataclass(frozen=True, slots=True)
class LocalX2ApicNmi(Structure):
    """Type 0xA, local x2APIC NMI (§5.2.12.13); processor id 0xFFFFFFFF means all."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxHIBxxx")
    flags: int
    processor_id: int
    lint: int


@dataclass(frozen=True, slots=True)
class GicCpuInterface(Structure):
    """Type 0xB, GICC (§5.2.12.14): 40 bytes in ACPI 5.0, 76 in 5.1, 80 from 6.0 on."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxIIIIIQQQQIQQBxxx")
    SHORTEST: ClassVar[int] = 40
    interface_number: int
    processor_id: int
    flags: int
    parking_version: int
    performance_gsi: int
    parked_address: int
    base: int
    gicv_base: int
    gich_base: int
    maintenance_gsi: int
    gicr_base: int
    mpidr: int
    efficiency_class: int


@dataclass(frozen=True, slots=True)
class GicDistributor(Structure):
    """Type 0xC, GICD (§5.2.12.15)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxIQIBxxx")
    id: int
    base: int
    gsi_base: int
    version: int


@dataclass(frozen=True, slots=True)
class GicMsiFrame(Structure):
    """Type 0xD, GIC MSI frame (§5.2.12.16)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxIQIHH")
    id: int
    base: int
    flags: int
    spi_count: int
    spi_base: int


@dataclass(frozen=True, slots=True)
class GicRedistributor(Structure):
    """Type 0xE, GICR (§5.2.12.17)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxQI")
    base: int
    range_length: int


@dataclass(frozen=True, slots=True)
class GicTranslator(Structure):
    """Type 0xF, GIC interrupt translation service (§5.2.12.18)."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxIQxxxx")
    id: int
    base: int


_KINDS: dict[int, type[Structure]] = {
    0x0: LocalApic,
    0x1: IoApic,
    0x2: InterruptOverride,
    0x3: NmiSource,
    0x4: LocalApicNmi,
    0x5: LocalApicAddress,
    0x9: LocalX2Apic,
    0xA: LocalX2ApicNmi,
    0xB: GicCpuInterface,
    0xC: GicDistributor,
    0xD: GicMsiFrame,
    0xE: GicRedistributor,
    0xF: GicTranslator,
}


@dataclass(frozen=True, slots=True)
class Madt:
    """A decoded MADT: every entry in the table's order, None for types that are not known."""

    local_apic_address: int
    flags: int
    entries: tuple[tuple[Entry, Structure | None], ...]


def decode_madt(table: Table) -> Madt:
    """The MADT of `table`; raises DumpError where an entry is cut short or of length 0."""
    table.at_least(44)
    return Madt(table.u32(36), table.u32(40), tuple(structures(table, 44, BYTE_HEADER, _KINDS)))


def madt_facts(table: Table) -> Iterator[Fact]:
    """Processors, interrupt controllers and their wiring as facts.

    x2APIC entries with ids below 255 stand for processors that LAPIC entries name too (§5.2.12.12 asks for
    the latter); where any LAPIC entry is enabled they are ignored, as Linux does since 2023.
    """
    madt = decode_madt(table)
    found = [structure for _, structure in madt.entries]
    lapics_count = any(isinstance(each, LocalApic) and each.flags & ENABLED for each in found)
    addresses = [each.address for each in found if isinstance(each, LocalApicAddress)]
    if any(isinstance(each, LocalApic | LocalX2Apic) for each in found):  # both mean nothing on ARM
        yield fact("local_apic_address", addresses[0] if addresses else madt.local_apic_address)
        yield fact("pic_8259_present", madt.flags & 1)
    for entry, structure in madt.entries:
        match structure:
            case LocalApic():
                yield fact("apic", structure.processor_id, structure.apic_id, structure.flags & ENABLED)
            case LocalX2Apic() if structure.apic_id != _X2APIC_NOBODY:
                if structure.apic_id >= 255 or not lapics_count:
                    yield fact("apic", structure.processor_id, structure.apic_id, structure.flags & ENABLED)
            case IoApic():
                yield fact("ioapic", structure.id, structure.address, structure.gsi_base)
            case InterruptOverride(bus, source, gsi, flags):
                yield fact("interrupt_override", bus, source, gsi, flags)
            case NmiSource(flags, gsi):
                yield fact("nmi_source", flags, gsi)
            case LocalApicNmi() | LocalX2ApicNmi():
                yield fact("apic_nmi", structure.processor_id, structure.flags, structure.lint)
            case GicCpuInterface() as gicc:
                yield fact(
                    "generic_interrupt",
                    gicc.base,
                    gicc.gicv_base,
                    gicc.gich_base,
                    gicc.parked_address,
                    gicc.interface_number,
                    gicc.processor_id,
                )
                if entry.length >= _GICC_WITH_MPIDR:
                    enabled = gicc.flags & ENABLED
                    yield fact("generic_cpu", gicc.processor_id, gicc.mpidr, enabled, gicc.efficiency_class)
            case GicDistributor(id_, base, gsi_base, version):
                yield fact("generic_distributor", base, id_, gsi_base, version)
            case GicRedistributor(base, range_length):
                yield fact("generic_redistributor", base, range_length)
            case GicMsiFrame(id_, base, flags, spi_count, spi_base):
                yield fact("generic_msi_frame", base, id_, spi_base, spi_count, flags)
            case GicTranslator(id_, base):
                yield fact("generic_translator", base, id_)
