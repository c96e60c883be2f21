"""Made-up tables of every kind of entry, iasl against the reader: each field that both know is compared.

The oracle is the text of `iasl -d`: lines `[02Eh 0046   1]  Local Apic ID : 22`, an entry beginning with its type.
"""

import random
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from skb.readers import acpi
from skb.readers import acpi_affinity as affinity
from skb.readers import acpi_interrupts as interrupts
from skb.readers import acpi_platform as platform
from skb.readers import acpi_pptt as pptt
from skb.readers.acpi_structures import Entry
from skb.writers import acpi as writer

pytestmark = pytest.mark.skipif(not shutil.which("iasl"), reason="iasl is not installed")

# Our field for iasl's words; words that two fields share are told apart by their number in the entry.
WORDS: dict[type, dict[str, str]] = {
    interrupts.LocalApic: {
        "processor_id": "Processor ID", "apic_id": "Local Apic ID", "flags": "Flags (decoded below)",
    },
    interrupts.IoApic: {"id": "I/O Apic ID", "address": "Address", "gsi_base": "Interrupt"},
    interrupts.InterruptOverride: {
        "bus": "Bus", "source": "Source", "gsi": "Interrupt", "flags": "Flags (decoded below)",
    },
    interrupts.NmiSource: {"flags": "Flags (decoded below)", "gsi": "Interrupt"},
    interrupts.LocalApicNmi: {
        "processor_id": "Processor ID", "flags": "Flags (decoded below)", "lint": "Interrupt Input LINT",
    },
    interrupts.LocalApicAddress: {"address": "APIC Address"},
    interrupts.LocalX2Apic: {
        "apic_id": "Processor x2Apic ID", "flags": "Flags (decoded below)", "processor_id": "Processor UID",
    },
    interrupts.LocalX2ApicNmi: {
        "flags": "Flags (decoded below)", "processor_id": "Processor UID", "lint": "Interrupt Input LINT",
    },
    interrupts.GicCpuInterface: {
        "interface_number": "CPU Interface Number", "processor_id": "Processor UID",
        "flags": "Flags (decoded below)", "parking_version": "Parking Protocol Version",
        "performance_gsi": "Performance Interrupt", "parked_address": "Parked Address", "base": "Base Address",
        "gicv_base": "Virtual GIC Base Address", "gich_base": "Hypervisor GIC Base Address",
        "maintenance_gsi": "Virtual GIC Interrupt", "gicr_base": "Redistributor Base Address",
        "mpidr": "ARM MPIDR", "efficiency_class": "Efficiency Class",
    },
    interrupts.GicDistributor: {
        "id": "Local GIC Hardware ID", "base": "Base Address", "gsi_base": "Interrupt Base", "version": "Version",
    },
    interrupts.GicMsiFrame: {
        "id": "MSI Frame ID", "base": "Base Address", "flags": "Flags (decoded below)",
        "spi_count": "SPI Count", "spi_base": "SPI Base",
    },
    interrupts.GicRedistributor: {"base": "Base Address", "range_length": "Length 2"},
    interrupts.GicTranslator: {"id": "Translation ID", "base": "Base Address"},
    affinity.ProcessorAffinity: {
        "domain_low": "Proximity Domain Low(8)", "apic_id": "Apic ID", "flags": "Flags (decoded below)",
        "local_sapic_eid": "Local Sapic EID", "domain_high": "Proximity Domain High(24)",
        "clock_domain": "Clock Domain",
    },
    affinity.MemoryAffinity: {
        "domain_bits": "Proximity Domain", "base": "Base Address", "length": "Address Length",
        "flags": "Flags (decoded below)",
    },
    affinity.X2ApicAffinity: {
        "domain": "Proximity Domain", "apic_id": "Apic ID", "flags": "Flags (decoded below)",
        "clock_domain": "Clock Domain",
    },
    affinity.GiccAffinity: {
        "domain": "Proximity Domain", "processor_id": "Acpi Processor UID", "flags": "Flags (decoded below)",
        "clock_domain": "Clock Domain",
    },
    affinity.InitiatorAffinity: {
        "handle_type": "Device Handle Type", "domain": "Proximity Domain", "handle": "Device Handle",
        "flags": "Flags (decoded below)",
    },
    affinity.MemoryInitiator: {
        "flags": "Flags (decoded below)", "initiator": "Attached Initiator Proximity Domain",
        "memory": "Memory Proximity Domain",
    },
    affinity.Locality: {
        "flags": "Flags (decoded below)", "data_type": "Data Type",
        "initiator_count": "Initiator Proximity Domains #", "target_count": "Target Proximity Domains #",
        "base_unit": "Entry Base Unit",
    },
    affinity.MemorySideCache: {
        "memory": "Memory Proximity Domain", "size": "Memory Side Cache Size",
        "attributes": "Cache Attributes (decoded below)", "handle_count": "SMBIOS Handle #",
    },
    pptt.ProcessorNode: {
        "flags": "Flags (decoded below)", "parent": "Parent", "processor_id": "ACPI Processor ID",
        "resource_count": "Private Resource Number",
    },
    pptt.Cache: {
        "flags": "Flags (decoded below)", "next_level": "Next Level of Cache", "size": "Size",
        "sets": "Number of Sets", "associativity": "Associativity", "attributes": "Attributes",
        "line_size": "Line Size",
    },
    platform.RemappingUnit: {
        "flags": "Flags", "segment": "PCI Segment Number", "base": "Register Base Address",
    },
    platform.ReservedMemory: {
        "segment": "PCI Segment Number", "base": "Base Address", "limit": "End Address (limit)",
    },
    platform.RootPortAts: {"flags": "Flags", "segment": "PCI Segment Number"},
    platform.UnitAffinity: {"base": "Base Address", "domain": "Proximity Domain"},
    platform.NamespaceDevice: {"device_number": "Device Number"},
}  # fmt: skip

_LINE = re.compile(r"\[[0-9A-F]+h ([0-9]+) +[0-9A-F]+h?\] +(.*?) : (.*)")


def entries_of(dsl: str) -> dict[int, dict[str, str]]:
    """iasl's values by the offset of their entry and their words; words met again get a number."""
    found: dict[int, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for line in dsl.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        offset, words, value = int(match[1]), match[2].strip(), match[3].partition("[")[0].strip()
        if words in ("Subtable Type", "Structure Type"):
            fields = found.setdefault(offset, {})
        again = sum(re.fullmatch(rf"{re.escape(words)}( [0-9])?", key) is not None for key in fields)
        fields[f"{words} {again + 1}" if again else words] = value
    return found


def said(structure: object, field: str, value: str) -> tuple[object, object]:
    """(ours, iasl's) of a field; bytes are compared as numbers, in the order that iasl prints them."""
    ours = getattr(structure, field)
    if isinstance(ours, bytes):
        return (ours, bytes.fromhex(value)) if " " in value else (int.from_bytes(ours, "little"), int(value, 16))
    return ours, int(value, 16)


def decoded(data: bytes) -> Iterable[tuple[Entry, object]]:
    (table,) = acpi.tables(data, "x")
    if table.signature == "APIC":
        return interrupts.decode_madt(table).entries
    if table.signature == "HMAT":
        structures = affinity.decode_hmat(table)
        return [(e, s.locality if isinstance(s, affinity.LocalityMatrix) else s) for e, s in structures]
    decoders = {"SRAT": affinity.decode_srat, "PPTT": pptt.decode_pptt, "DMAR": platform.decode_dmar}
    return decoders[table.signature](table)


def entry(chance: random.Random, kind: int, length: int, header: str = "<BB") -> bytes:
    """An entry of random bytes."""
    head = struct.pack(header, kind, length)
    return head + chance.randbytes(length - len(head))


def made_up_madt(chance: random.Random) -> bytes:
    lengths = {0: 8, 1: 12, 2: 10, 3: 8, 4: 6, 5: 12, 9: 16, 0xA: 12, 0xC: 24, 0xD: 24, 0xE: 16, 0xF: 20}
    lengths[0xB] = chance.choice((76, 80))
    body = b"".join(entry(chance, kind, lengths[kind]) for kind in chance.choices(list(lengths), k=60))
    return writer.table("APIC", 5, chance.randbytes(8) + body)


def made_up_srat(chance: random.Random) -> bytes:
    lengths = {0: 16, 1: 40, 2: 24, 3: 18, 5: 32}
    body = b"".join(entry(chance, kind, lengths[kind]) for kind in chance.choices(list(lengths), k=60))
    return writer.table("SRAT", chance.choice((1, 2, 3)), struct.pack("<IQ", 1, 0) + body)


def made_up_hmat(chance: random.Random) -> bytes:
    parts = [bytes(4)]
    for kind in chance.choices((0, 1, 2), k=20):
        if kind == 1:
            rows, columns = chance.randrange(1, 4), chance.randrange(1, 4)
            length = 32 + 4 * (rows + columns) + 2 * rows * columns
            structure = bytearray(entry(chance, 1, length, "<HxxI"))
            struct.pack_into("<II", structure, 12, rows, columns)
        else:
            structure = bytearray(entry(chance, kind, 40 if kind == 0 else 32, "<HxxI"))
            structure[30:32] = bytes(2) if kind == 2 else structure[30:32]
        parts.append(bytes(structure))
    return writer.table("HMAT", chance.choice((1, 2)), b"".join(parts))


def made_up_pptt(chance: random.Random) -> bytes:
    parts = []
    for kind in chance.choices((0, 1), k=40):
        resources = chance.randrange(3)
        structure = bytearray(entry(chance, kind, 24 if kind else 20 + 4 * resources))
        if kind == 0:
            struct.pack_into("<I", structure, 16, resources)
        parts.append(bytes(structure))
    return writer.table("PPTT", chance.choice((1, 2)), b"".join(parts))


def made_up_dmar(chance: random.Random) -> bytes:
    parts = [chance.randbytes(12)]
    for kind in chance.choices((0, 1, 2, 3, 4), k=30):
        fixed = {0: 16, 1: 24, 2: 8, 3: 20, 4: 8}[kind]
        scopes = b""
        if kind < 3:
            hops = chance.choices((1, 1, 2, 3), k=chance.randrange(1, 4))
            scopes = b"".join(entry(chance, chance.randrange(1, 6), 6 + 2 * count) for count in hops)
        elif kind == 4:
            scopes = b"\\_SB.UAR%d\0" % chance.randrange(10)
        structure = entry(chance, kind, fixed + len(scopes), "<HH")[:fixed]
        parts.append(structure + scopes)
    return writer.table("DMAR", 1, b"".join(parts))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [made_up_madt, made_up_srat, made_up_hmat, made_up_pptt, made_up_dmar])
def test_every_field_is_what_iasl_says(make, seed: int, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data = make(random.Random(seed))
    (tmp_path / "table.dat").write_bytes(data)
    subprocess.run(["iasl", "-d", "table.dat"], cwd=tmp_path, check=True, capture_output=True)
    stated = entries_of((tmp_path / "table.dsl").read_text(errors="replace"))
    found = list(decoded(data))
    assert [each.offset for each, _ in found] == list(stated)
    for each, structure in found:
        for field, words in WORDS[type(structure)].items():
            if field == "efficiency_class" and each.length == 76:
                continue  # ACPI 5.1's GICC ends before it
            ours, theirs = said(structure, field, stated[each.offset][words])
            assert ours == theirs, (structure, words)
