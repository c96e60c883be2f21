"""Every kind of ACPI entry: iasl writes it, the reader reads it; then what iasl has no template for."""

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from skb.facts import Text, compound, fact
from skb.readers import DumpError, acpi
from skb.writers import acpi as writer

needs_iasl = pytest.mark.skipif(not shutil.which("iasl"), reason="iasl is not installed")


def compiled(tmp_path: Path, signature: str, changes: dict[tuple[str, str], str]) -> bytes:
    """iasl's template of a table with fields changed, as iasl compiles it; a field is (structure, label)."""
    subprocess.run(["iasl", "-T", signature], cwd=tmp_path, check=True, capture_output=True)
    source = tmp_path / f"{signature.lower()}.asl"
    section, left, lines = "", dict(changes), []
    for line in source.read_text().splitlines():
        found = re.match(r"(\[\d+\]|)\s+(\S.*?) : (\S.*)$", line)
        if found and found[2] in ("Subtable Type", "Structure Type", "Device Scope Type"):
            section = found[3].partition("[")[2].rstrip("]")
        header = found and (found[1], found[2]) == ("[0001]", "Length")  # of the structure, not in it
        if found and not header and (section, found[2]) in left:
            line = f"{line[: found.start(3)]}{left.pop((section, found[2]))}"
        lines.append(line)
    assert not left, f"iasl's template has no {left}"
    source.write_text("\n".join(lines) + "\n")
    done = subprocess.run(["iasl", source.name], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return source.with_suffix(".aml").read_bytes()


@needs_iasl
def test_every_kind_of_madt_entry_is_read_as_iasl_writes_it(tmp_path: Path) -> None:
    gicc, gicd, frame = "Generic Interrupt Controller", "Generic Interrupt Distributor", "Generic MSI Frame"
    data = compiled(
        tmp_path,
        "APIC",
        {
            ("Processor Local APIC", "Processor ID"): "11",
            ("Processor Local APIC", "Local Apic ID"): "22",
            ("I/O APIC", "I/O Apic ID"): "33",
            ("I/O APIC", "Address"): "FEC00000",
            ("I/O APIC", "Interrupt"): "00000018",
            ("Interrupt Source Override", "Bus"): "00",
            ("Interrupt Source Override", "Source"): "09",
            ("Interrupt Source Override", "Interrupt"): "00000014",
            ("Interrupt Source Override", "Polarity"): "1",
            ("Interrupt Source Override", "Trigger Mode"): "3",
            ("Local APIC NMI", "Processor ID"): "FF",
            ("Local APIC Address Override", "APIC Address"): "0000001234567890",
            ("Processor Local x2APIC", "Processor x2Apic ID"): "00000401",
            ("Processor Local x2APIC", "Processor UID"): "00000302",
            ("Local x2APIC NMI", "Processor UID"): "FFFFFFFF",
            (gicc, "CPU Interface Number"): "00000005",
            (gicc, "Processor UID"): "00000006",
            (gicc, "Parked Address"): "0000000000007000",
            (gicc, "Base Address"): "0000000000008000",
            (gicc, "Virtual GIC Base Address"): "0000000000009000",
            (gicc, "Hypervisor GIC Base Address"): "000000000000A000",
            (gicc, "ARM MPIDR"): "0000000081020304",
            (gicc, "Efficiency Class"): "0B",
            (gicd, "Local GIC Hardware ID"): "0000000C",
            (gicd, "Base Address"): "000000000000D000",
            (gicd, "Interrupt Base"): "0000000E",
            (gicd, "Version"): "03",
            (frame, "MSI Frame ID"): "0000000F",
            (frame, "Base Address"): "0000000000010000",
            (frame, "SPI Count"): "0012",
            (frame, "SPI Base"): "0034",
            ("Generic Interrupt Redistributor", "Base Address"): "0000000000020000",
            ("Generic Interrupt Redistributor", "Length"): "00030000",
            ("Generic Interrupt Translator", "Translation ID"): "00000007",
            ("Generic Interrupt Translator", "Base Address"): "0000000000040000",
        },
    )
    assert acpi.read(data, "apic.aml")[1:] == [
        fact("local_apic_address", 0x1234567890),
        fact("pic_8259_present", 1),
        fact("apic", 0x11, 0x22, 1),
        fact("ioapic", 0x33, 0xFEC00000, 0x18),
        fact("interrupt_override", 0, 9, 0x14, 0xD),
        fact("nmi_source", 0xD, 1),
        fact("apic_nmi", 0xFF, 5, 1),
        fact("apic", 0x302, 0x401, 1),
        fact("apic_nmi", 0xFFFFFFFF, 5, 0),
        fact("generic_interrupt", 0x8000, 0x9000, 0xA000, 0x7000, 5, 6),
        fact("generic_cpu", 6, 0x81020304, 1, 0xB),
        fact("generic_distributor", 0xD000, 0xC, 0xE, 3),
        fact("generic_msi_frame", 0x10000, 0xF, 0x34, 0x12, 1),
        fact("generic_redistributor", 0x20000, 0x30000),
        fact("generic_translator", 0x40000, 7),
    ]


@needs_iasl
def test_every_kind_of_srat_entry_is_read_as_iasl_writes_it(tmp_path: Path) -> None:
    local, memory = "Processor Local APIC/SAPIC Affinity", "Memory Affinity"
    x2apic, gicc, initiator = "Processor Local x2APIC Affinity", "GICC Affinity", "Generic Initiator Affinity"
    data = compiled(
        tmp_path,
        "SRAT",
        {
            (local, "Proximity Domain Low(8)"): "01",
            (local, "Apic ID"): "02",
            (local, "Local Sapic EID"): "03",
            (memory, "Proximity Domain"): "00000005",
            (memory, "Base Address"): "0000000100000000",
            (memory, "Address Length"): "0000000200000000",
            (memory, "Hot Pluggable"): "1",
            (memory, "Non-Volatile"): "1",
            (x2apic, "Proximity Domain"): "00000006",
            (x2apic, "Apic ID"): "00000107",
            (gicc, "Proximity Domain"): "00000008",
            (gicc, "Acpi Processor UID"): "00000009",
            (initiator, "Device Handle Type"): "01",
            (initiator, "Proximity Domain"): "0000000A",
            (initiator, "Device Handle"): "02 00 1B 41 00 00 00 00 00 00 00 00 00 00 00 00",
            (initiator, "Enabled"): "1",
        },
    )
    assert acpi.read(data, "srat.aml")[1:] == [
        fact("cpu_affinity", 2, 3, 1),
        fact("memory_affinity", 1 << 32, 2 << 32, 5),
        fact("memory_attribute", 1 << 32, 2 << 32, "hot_pluggable"),
        fact("memory_attribute", 1 << 32, 2 << 32, "non_volatile"),
        fact("cpu_affinity", 0x107, 0, 6),
        fact("generic_affinity", 9, 8),
        fact("initiator_affinity", compound("pci", 2, compound("addr", 0x41, 3, 3)), 0xA),
    ]


def test_a_generic_initiator_may_be_an_acpi_device() -> None:
    handle = b"ACPI0016" + struct.pack("<II", 4, 0)
    entry = struct.pack("<BBBBI16sII", 5, 32, 0, 0, 3, handle, 1, 0)
    facts = acpi.read(writer.table("SRAT", 3, struct.pack("<IQ", 1, 0) + entry), "srat")
    assert facts[1:] == [fact("initiator_affinity", compound("acpi", Text("ACPI0016"), 4), 3)]


@needs_iasl
def test_hmat_structures_are_read_as_iasl_writes_them(tmp_path: Path) -> None:
    initiator = "Memory Proximity Domain Attributes"
    locality = "System Locality Latency and Bandwidth Information"
    cache = "Memory Side Cache Information"
    data = compiled(
        tmp_path,
        "HMAT",
        {
            (initiator, "Flags (decoded below)"): "0001",
            (initiator, "Attached Initiator Proximity Domain"): "00000001",
            (initiator, "Memory Proximity Domain"): "00000002",
            (locality, "Flags (decoded below)"): "01",
            (locality, "Data Type"): "05",
            (locality, "Entry Base Unit"): "0000000000000064",
            (locality, "Initiator Proximity Domain List"): "00000003",
            (locality, "Target Proximity Domain List"): "00000004",
            (locality, "Entry"): "0007",
            (cache, "Memory Proximity Domain"): "00000005",
            (cache, "Memory Side Cache Size"): "0000000400000000",
            (cache, "Cache Attributes (decoded below)"): "00401111",
        },
    )
    (table,) = acpi.tables(data, "hmat.aml")
    bandwidth = 700 if table.revision >= 2 else 70
    assert acpi.read(data, "hmat.aml")[1:] == [
        fact("memory_initiator", 2, 1),
        fact("memory_bandwidth", 3, 4, "write", 1, bandwidth),
        fact("memory_side_cache", 5, 1, 4 << 32, "direct_mapped", "write_back", 64),
    ]


@needs_iasl
def test_dmar_structures_are_read_as_iasl_writes_them(tmp_path: Path) -> None:
    unit, reserved, affinity = (
        "Hardware Unit Definition",
        "Reserved Memory Region",
        "Remapping Hardware Static Affinity",
    )
    data = compiled(
        tmp_path,
        "DMAR",
        {
            (unit, "PCI Segment Number"): "0001",
            (unit, "Register Base Address"): "00000000FED90000",
            ("IOAPIC Device", "PCI Bus Number"): "F0",
            ("IOAPIC Device", "PCI Path"): "1F,07",
            (reserved, "Base Address"): "000000007B800000",
            (reserved, "End Address (limit)"): "000000007BFFFFFF",
            (affinity, "Base Address"): "00000000FED90000",
            (affinity, "Proximity Domain"): "00000001",
        },
    )
    assert acpi.read(data, "dmar.aml")[1:] == [
        fact("dmar", 1),
        fact("dmar_address_width", 0x30),
        fact("dmar_hardware_unit", 0, 1, 1, 0xFED90000),
        fact("dmar_device", 0, 0, 3, compound("addr", 1, 0xF0, 0x1F, 7), 8),
        fact("dmar_reserved_memory", 1, 0, 0x7B800000, 0x7BFFFFFF),
        fact("dmar_device", 1, 1, 1, compound("addr", 0, 0, 0, 2), 0),
        fact("dmar_atsr", 2, 0, 0),
        fact("dmar_device", 2, 2, 2, compound("addr", 0, 0, 0, 3), 0),
        fact("dmar_rhsa", 0xFED90000, 1),
    ]


def test_a_dmar_device_behind_a_bridge_has_a_path_not_an_address() -> None:
    scope = struct.pack("<BBHBB4B", 1, 10, 0, 2, 5, 0x1C, 0, 3, 1)
    unit = struct.pack("<HHBBHQ", 0, 16 + len(scope), 0, 0, 0, 0xFED90000) + scope
    andd = struct.pack("<HH3xB", 4, 8 + 10, 9) + b"\\_SB.UAR0\0"
    facts = acpi.read(writer.table("DMAR", 1, struct.pack("<BB10x", 38, 0) + unit + andd), "dmar")
    hops = (compound("hop", 0x1C, 0), compound("hop", 3, 1))
    assert fact("dmar_device", 0, 0, 1, compound("path", 0, 5, hops), 2) in facts
    assert fact("dmar_andd", 9, Text("\\_SB.UAR0")) in facts


# --- PPTT: references by offset ---------------------------------------------------------------------------


def pptt_node(parent: int, uid: int | None, flags: int, resources: tuple[int, ...] = ()) -> bytes:
    flags |= 2 if uid is not None else 0
    head = (0, 20 + 4 * len(resources), 0, flags, parent, uid or 0, len(resources))
    return struct.pack(f"<BBHIIII{len(resources)}I", *head, *resources)


def pptt_cache(next_level: int, size: int, attributes: int, flags: int = 0x7F) -> bytes:
    return struct.pack("<BBHIIIIBBH", 1, 24, 0, flags, next_level, size, size // 512, 8, attributes, 64)


@needs_iasl
def test_the_pptt_gives_nodes_and_caches_by_their_offsets(tmp_path: Path) -> None:
    l2, l1 = 36, 60
    package, core, thread = 84, 84 + 24, 84 + 24 + 24
    body = [
        pptt_cache(0, 1 << 20, 0b1000),
        pptt_cache(l2, 32 << 10, 0b0000, flags=0x5F),
        pptt_node(0, None, 1, (l2,)),
        pptt_node(package, None, 0, (l1,)),
        pptt_node(core, 5, 4 | 8),
    ]
    data = writer.table("PPTT", 2, b"".join(body))
    assert acpi.read(data, "pptt.dat")[1:] == [
        fact("processor_cache", l2, "none", "unified", 1 << 20, 2048, 8, 64, "write_back", "none"),
        fact("processor_cache", l1, l2, "data", 32 << 10, 64, 8, 64, "none", "none"),
        fact("processor_node", package, "none", "none", ("package",)),
        fact("processor_node_cache", package, l2),
        fact("processor_node", core, package, "none", ()),
        fact("processor_node_cache", core, l1),
        fact("processor_node", thread, core, 5, ("thread", "leaf")),
    ]
    (tmp_path / "pptt.dat").write_bytes(data)  # iasl agrees that this is a PPTT
    subprocess.run(["iasl", "-d", "pptt.dat"], cwd=tmp_path, check=True, capture_output=True)
    decoded = (tmp_path / "pptt.dsl").read_text()
    assert re.findall(r"Parent : (\w+)", decoded) == ["00000000", "00000054", "0000006C"]
    assert re.findall(r"Next Level of Cache : (\w+)", decoded) == ["00000000", "00000024"]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (pptt_node(36, None, 0), "parent references go in a circle"),
        (pptt_node(56, None, 0) + pptt_node(36, None, 0), "parent references go in a circle"),
        (pptt_node(40, None, 0), "parent at 0x28, expected 0 or the offset of one"),
        (pptt_cache(36, 1 << 20, 0), "next level cache references go in a circle"),
        (pptt_node(0, None, 0, (99,)), "private resource 0x63, expected a structure's offset"),
    ],
)
def test_pptt_references_that_lead_nowhere_are_errors(body: bytes, what: str) -> None:
    with pytest.raises(DumpError, match=re.escape(what)):
        acpi.read(writer.table("PPTT", 2, body), "pptt.dat")
