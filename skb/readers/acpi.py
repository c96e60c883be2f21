"""The ACPI reader: acpidump text or binary tables become facts (source `acpi`).

`acpi_dump.py` takes the dump apart into tables, the other `acpi_*.py` decode one group of tables each:
`acpi_interrupts.py` the MADT, `acpi_affinity.py` SRAT, SLIT and HMAT, `acpi_pptt.py` the PPTT,
`acpi_platform.py` MCFG, DMAR, HPET and FADT. Names and arguments follow Barrelfish's SKB where it has the
fact; numbers are as the firmware wrote them, sizes and addresses in bytes, domains are proximity domains.

Every table
    acpi_table(Signature, Instance, Length, Revision, OemId, Checksum)    Checksum: ok, bad, none (FACS)
MADT (APIC)
    apic(ProcessorId, ApicId, Enabled)    disabled ones too     ioapic(Id, Address, GsiBase)
    apic_nmi(ProcessorId, Flags, Lint)    ProcessorId 255 (LAPIC) or 4294967295 (x2APIC): all
    nmi_source(Flags, Gsi)                interrupt_override(Bus, SourceIrq, Gsi, Flags)
    local_apic_address(Address)           pic_8259_present(0 or 1)
    generic_interrupt(Base, GicvBase, GichBase, ParkedAddress, InterfaceNumber, Uid)
    generic_cpu(Uid, Mpidr, Enabled, EfficiencyClass)
    generic_distributor(Base, Id, GsiBase, Version)             generic_redistributor(Base, Length)
    generic_msi_frame(Base, Id, SpiBase, SpiCount, Flags)       generic_translator(Base, Id)
SRAT, enabled entries only
    cpu_affinity(ApicId, LocalSapicEid, Domain)                 generic_affinity(Uid, Domain)
    memory_affinity(Base, Length, Domain)
    memory_attribute(Base, Length, Attribute)                   Attribute: hot_pluggable, non_volatile
    initiator_affinity(Device, Domain)    Device: acpi(Hid, Uid) or pci(Segment, addr(B, D, F))
SLIT
    node_distance(From, To, Distance)
HMAT
    memory_initiator(Memory, Initiator)
    memory_latency(Initiator, Memory, Access, Hierarchy, LatencyPs)     Access: access, read, write
    memory_bandwidth(Initiator, Memory, Access, Hierarchy, MegabytesPerSecond)
    memory_side_cache(Memory, Level, Size, Associativity, WritePolicy, LineSize)
PPTT
    processor_node(Node, Parent, Uid, Kinds)                    processor_node_cache(Node, Cache)
    processor_cache(Cache, Next, Type, Size, Sets, Associativity, LineSize, WritePolicy, CacheId)
MCFG
    pcie_confspace(Base, Segment, BusStart, BusEnd)
DMAR
    dmar(Flags)       dmar_address_width(Bits)      dmar_hardware_unit(Index, Flags, Segment, Base)
    dmar_reserved_memory(Index, Segment, Base, Limit)           dmar_atsr(Index, Flags, Segment)
    dmar_rhsa(Base, Domain)               dmar_andd(DeviceNumber, Name)     dmar_satc, as dmar_atsr
    dmar_device(Index, StructureType, ScopeType, Address, EnumerationId)
        Address: addr(Segment, Bus, Device, Function), or path(Segment, Bus, Hops) behind bridges
HPET
    hpet(Uid, Address, PageProtection, OemAttribute)
    hpet_block(Uid, Vendor, Comparators, CounterBits, MinimumTick)
FADT (FACP)
    fadt(Revision, Minor, Profile, SciInterrupt, Flags)         psci_use_hvc(0 or 1)
    pm_timer(Space, Address, Bits)        Space: io, memory
DSDT, SSDT: what they say of themselves, and what methods that only compute answer
    prt(addr(Bus, Device, Function), Pin, gsi(Gsi))     or pir(Link); Function any, or that one
        Bus: a number, or behind(addr(Bus, Device, Function)) of a bridge; other segments than 0 before it
    pir(Link, Gsi)                        what a link device can be set to
    rootbridge(Address, childbus(First, Last), mem(Base, Limit))        its largest window
    rootbridge_address_window(Address, mem(Base, Limit))                each one above 1 MiB
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator

from skb.facts import Fact, fact
from skb.readers.acpi_affinity import hmat_facts, slit_facts, srat_facts
from skb.readers.acpi_dump import HEADER_BYTES, Table, number_instances, recognises, split_dump
from skb.readers.acpi_interrupts import madt_facts
from skb.readers.acpi_platform import dmar_facts, fadt_facts, hpet_facts, mcfg_facts
from skb.readers.acpi_pptt import pptt_facts
from skb.readers.acpi_routing import routing_facts

__all__ = ["Table", "counting_tables", "read", "read_files", "recognises", "tables"]

_DECODERS: dict[str, Callable[[Table], Iterator[Fact]]] = {
    "APIC": madt_facts,
    "SRAT": srat_facts,
    "SLIT": slit_facts,
    "HMAT": hmat_facts,
    "PPTT": pptt_facts,
    "MCFG": mcfg_facts,
    "DMAR": dmar_facts,
    "HPET": hpet_facts,
    "FACP": fadt_facts,
}


def read(data: bytes, name: str) -> list[Fact]:
    """The facts of one dump; `name` is what errors call it.

    Raises DumpError (file:line, or file: offset 0xN) for a dump that is cut short, damaged or of another
    kind. A wrong checksum alone is no error: `acpi_table/6` says `bad`. Every fact is given once.
    """
    return read_files([(data, name)])


def read_files(files: Iterable[tuple[bytes, str]]) -> list[Fact]:
    """The facts of a machine whose tables are spread over several files, such as a folder of .dat files."""
    found = number_instances(table for data, name in files for table in split_dump(data, name))
    facts = [
        fact("acpi_table", t.signature, t.instance, t.length, t.revision, t.oem_id, t.checksum) for t in found
    ]
    for table in counting_tables(found):
        decoder = _DECODERS.get(table.signature)
        if decoder:
            facts.extend(decoder(table))
    definitions = [table for table in counting_tables(found) if table.signature == "DSDT"]
    definitions += [table for table in found if table.signature == "SSDT"]
    if definitions:
        facts.extend(routing_facts(definitions))
    return list(dict.fromkeys(facts))


def tables(data: bytes, name: str) -> list[Table]:
    """The tables of a dump in its order, undecoded; raises DumpError as `read` does."""
    return split_dump(data, name)


def counting_tables(found: Iterable[Table]) -> list[Table]:
    """One table for each signature: where firmware left several (two MADTs are common), the one that counts.

    That is the one which the XSDT names first, or the RSDT where there is no XSDT or it names none of them;
    dumps without these or without addresses give the first of the dump.
    """
    all_tables = list(found)
    by_address: dict[int, int] = {}
    for root, width in (("XSDT", 8), ("RSDT", 4)):
        for table in all_tables:
            if table.signature == root:
                for address in _root_entries(table, width):
                    by_address.setdefault(address, len(by_address))
    chosen: dict[str, Table] = {}
    for table in sorted(all_tables, key=lambda each: by_address.get(each.address, len(by_address))):
        chosen.setdefault(table.signature, table)
    return [table for table in all_tables if chosen[table.signature] is table]


def _root_entries(table: Table, width: int) -> list[int]:
    """The non-zero addresses that an RSDT (4 bytes each) or XSDT (8 bytes each) names."""
    entries = table.data[HEADER_BYTES : table.length]
    if len(entries) % width:
        raise table.error(HEADER_BYTES, f"{len(entries)} bytes of addresses, expected a multiple of {width}")
    return [address for (address,) in struct.iter_unpack("<Q" if width == 8 else "<I", entries) if address]
