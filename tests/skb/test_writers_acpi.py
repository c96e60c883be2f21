"""The ACPI writer: what it writes is read back as stated, and acpixtract and iasl take it for firmware's."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skb.facts import Fact, fact
from skb.readers import acpi as reader
from skb.writers.acpi import (
    EVERY_LAPIC,
    EVERY_X2APIC,
    ConfigurationWindow,
    InterruptOverride,
    IoApic,
    MemoryAffinity,
    Nmi,
    Oem,
    Processor,
    ProcessorAffinity,
    acpidump,
    fadt,
    hpet,
    madt,
    mcfg,
    slit,
    srat,
    table,
)

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
DUMPS = sorted((SHARED / "data" / "acpi").glob("*/acpidump.txt"))

CURRENT_LAYOUT = [path for path in DUMPS if re.search(r"^    0000: ", path.read_text(), re.MULTILINE)]
needs_iasl = pytest.mark.skipif(
    not (shutil.which("iasl") and shutil.which("acpixtract")), reason="iasl and acpixtract are not installed"
)
needs_dumps = pytest.mark.skipif(not DUMPS, reason="no ACPI dumps beside the checkout (shared/data/acpi)")

byte, word, dword, qword = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32, 64))
lapics = st.builds(Processor, st.integers(0, 254), st.integers(0, 254), st.booleans(), st.booleans())
x2apics = st.builds(Processor, dword, st.integers(255, 0xFFFFFFFE), st.booleans(), st.booleans())
memories = st.builds(
    MemoryAffinity,
    st.integers(0, 1 << 63),
    st.integers(1, 1 << 63),
    dword,
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
matrices = st.integers(0, 9).flatmap(
    lambda n: st.lists(st.lists(byte, min_size=n, max_size=n), min_size=n, max_size=n)
)


def facts_named(data: bytes, name: str) -> list[Fact]:
    facts = reader.read(data, "written")
    assert facts[0].args[5] == "ok"  # the checksum
    return [each for each in facts if each.name == name]


def unique(facts: list[Fact]) -> list[Fact]:
    return list(dict.fromkeys(facts))


@given(
    st.lists(lapics | x2apics, max_size=20),
    st.lists(st.builds(IoApic, byte, dword, dword), max_size=4),
    st.lists(st.builds(InterruptOverride, byte, dword, word, byte), max_size=4),
    dword,
)
def test_a_madt_is_read_back_as_stated(
    processors: list[Processor], io_apics: list[IoApic], overrides: list[InterruptOverride], address: int
) -> None:
    data = madt(processors, io_apics, overrides, local_apic_address=address)
    apics = [fact("apic", each.processor_id, each.apic_id, int(each.enabled)) for each in processors]
    assert facts_named(data, "apic") == unique(apics)
    assert facts_named(data, "ioapic") == unique(
        [fact("ioapic", each.id, each.address, each.gsi_base) for each in io_apics]
    )
    assert facts_named(data, "interrupt_override") == unique(
        [fact("interrupt_override", each.bus, each.source, each.gsi, each.flags) for each in overrides]
    )
    assert facts_named(data, "local_apic_address") == (
        [fact("local_apic_address", address)] if processors else []
    )


@given(
    st.lists(st.builds(ProcessorAffinity, dword, dword, st.booleans()), max_size=20),
    st.lists(memories, max_size=8),
)
def test_a_srat_is_read_back_as_stated(
    processors: list[ProcessorAffinity], ranges: list[MemoryAffinity]
) -> None:
    data = srat(processors, ranges)
    cpus = [fact("cpu_affinity", each.apic_id, 0, each.domain) for each in processors if each.enabled]
    assert facts_named(data, "cpu_affinity") == unique(cpus)
    enabled = [each for each in ranges if each.enabled]
    assert facts_named(data, "memory_affinity") == unique(
        [fact("memory_affinity", each.base, each.length, each.domain) for each in enabled]
    )
    attributes = {
        fact("memory_attribute", each.base, each.length, attribute)
        for each in enabled
        for attribute, holds in (("hot_pluggable", each.hot_pluggable), ("non_volatile", each.non_volatile))
        if holds
    }
    assert set(facts_named(data, "memory_attribute")) == attributes


@given(matrices)
def test_a_slit_is_read_back_as_stated(matrix: list[list[int]]) -> None:
    distances = [
        fact("node_distance", i, j, distance)
        for i, row in enumerate(matrix)
        for j, distance in enumerate(row)
    ]
    assert facts_named(slit(matrix), "node_distance") == distances


@given(st.lists(st.builds(ConfigurationWindow, qword, word, byte, byte), max_size=5))
def test_a_mcfg_is_read_back_as_stated(windows: list[ConfigurationWindow]) -> None:
    stated = [
        fact("pcie_confspace", each.base, each.segment, each.bus_start, each.bus_end) for each in windows
    ]
    assert facts_named(mcfg(windows), "pcie_confspace") == unique(stated)


def test_a_fadt_and_an_hpet_are_read_back_as_stated() -> None:
    assert facts_named(fadt(profile=7, sci_interrupt=20, pm_base=0x600), "fadt") == [
        fact("fadt", 6, 3, "performance_server", 20, 0x101)
    ]
    assert facts_named(fadt(pm_base=0x600), "pm_timer") == [fact("pm_timer", "io", 0x608, 32)]
    assert facts_named(hpet(0xFED01000, uid=1, comparators=8), "hpet") == [fact("hpet", 1, 0xFED01000, 0, 0)]
    assert facts_named(hpet(uid=1, comparators=8), "hpet_block") == [
        fact("hpet_block", 1, 0x8086, 8, 64, 128)
    ]


def test_an_nmi_for_all_is_stated_to_each_kind_of_apic_there_is() -> None:
    small, large = Processor(0, 0), Processor(300, 300)
    lapic_nmi, x2apic_nmi = fact("apic_nmi", EVERY_LAPIC, 5, 1), fact("apic_nmi", EVERY_X2APIC, 5, 1)
    for processors, nmis in (
        ([small], [lapic_nmi]),
        ([large], [x2apic_nmi]),
        ([small, large], [lapic_nmi, x2apic_nmi]),
    ):
        assert facts_named(madt(processors, nmis=[Nmi(1, 5)]), "apic_nmi") == nmis
    assert facts_named(madt([small, large], nmis=[Nmi(1, 5, 300)]), "apic_nmi") == [
        fact("apic_nmi", 300, 5, 1)
    ]


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=3), st.lists(qword, min_size=3, max_size=3))
def test_acpidump_text_carries_every_byte_and_address(bodies: list[bytes], addresses: list[int]) -> None:
    tables = [table("OEM1", 1, body) for body in bodies]
    text = acpidump(tables, addresses[: len(tables)])
    read = reader.tables(text.encode(), "written")
    assert [(each.data, each.address) for each in read] == list(zip(tables, addresses, strict=False))


@needs_dumps
@pytest.mark.parametrize("path", CURRENT_LAYOUT, ids=lambda path: path.parent.name)
def test_acpidump_text_is_the_tools_own_character_for_character(path: Path) -> None:
    real = path.read_text()
    tables = reader.tables(real.encode(), path.name)
    assert acpidump([each.data for each in tables]).split() == real.split()
    assert acpidump([each.data for each in tables]).rstrip() == real.rstrip()


def whole_machine() -> list[bytes]:
    """384 processors on 4 nodes with memory beyond 4 GiB: LAPIC and x2APIC entries both."""
    processors = [Processor(n, n) for n in range(384)]
    ranges = [MemoryAffinity(node << 36, 1 << 36, node, hot_pluggable=node > 1) for node in range(4)]
    matrix = [[10 if i == j else 32 if i // 2 != j // 2 else 12 for j in range(4)] for i in range(4)]
    return [
        madt(
            processors,
            [IoApic(240, 0xFEC00000, 0), IoApic(241, 0xFEC10000, 24)],
            [InterruptOverride(0, 2), InterruptOverride(9, 9, 0xD)],
            [Nmi(1, 5)],
        ),
        srat([ProcessorAffinity(each.apic_id, each.apic_id // 96) for each in processors], ranges),
        slit(matrix),
        mcfg([ConfigurationWindow(0xE0000000), ConfigurationWindow(0x3FFB00000000, 1, 0, 127)]),
        fadt(),
        hpet(),
    ]


@needs_iasl
def test_acpixtract_and_iasl_accept_a_written_dump_without_complaint(tmp_path: Path) -> None:
    (tmp_path / "dump.txt").write_text(acpidump(whole_machine()))
    subprocess.run(["acpixtract", "-a", "dump.txt"], cwd=tmp_path, check=True, capture_output=True)
    extracted = sorted(tmp_path.glob("*.dat"))
    assert sorted(each.read_bytes() for each in extracted) == sorted(whole_machine())
    for each in extracted:
        done = subprocess.run(
            ["iasl", "-d", each.name], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        assert not re.search(r"warning|error|invalid|unknown", done.stdout + done.stderr, re.IGNORECASE)
        decoded = each.with_suffix(".dsl").read_text()
        assert not re.search(r"invalid|unknown|\*\*\*", decoded, re.IGNORECASE)


@needs_iasl
def test_iasl_reads_the_numbers_that_were_stated(tmp_path: Path) -> None:
    def decoded(name: str, data: bytes) -> str:
        (tmp_path / f"{name}.dat").write_bytes(data)
        subprocess.run(["iasl", "-d", f"{name}.dat"], cwd=tmp_path, check=True, capture_output=True)
        return (tmp_path / f"{name}.dsl").read_text()

    def numbers(text: str, label: str) -> list[int]:
        return [int(found, 16) for found in re.findall(rf"{re.escape(label)} : (\w+)", text)]

    interrupts, affinity, *_ = whole_machine()
    text = decoded("apic", interrupts)
    assert numbers(text, "Local Apic ID") == list(range(255))
    assert numbers(text, "Processor x2Apic ID") == list(range(255, 384))
    assert numbers(text, "Processor UID") == [*range(255, 384), EVERY_X2APIC]
    text = decoded("srat", affinity)
    assert numbers(text, "Proximity Domain Low(8)") == [n // 96 for n in range(255)]
    assert numbers(text, "Base Address") == [node << 36 for node in range(4)]
    assert numbers(text, "Address Length") == [1 << 36] * 4
    assert numbers(text, "Hot Pluggable") == [0, 0, 1, 1]


def test_the_oem_is_an_argument() -> None:
    data = slit([[10]], Oem("DELL", "PE_SC3", 7, "DLL", 9))
    assert data[10:36] == b"DELL  PE_SC3  \7\0\0\0DLL \x09\0\0\0"


@pytest.mark.parametrize(
    ("write", "what"),
    [
        (lambda: madt([Processor(255, 3)]), "needs a processor id below 255"),
        (lambda: madt([Processor(0, 1 << 32)]), "Processor(processor_id=0, apic_id=4294967296"),
        (lambda: madt([Processor(0, 0)], nmis=[Nmi(1, processor_id=9)]), "no such processor"),
        (lambda: madt([], [IoApic(256, 0, 0)]), "IoApic(id=256"),
        (lambda: srat([ProcessorAffinity(0, -1)]), "ProcessorAffinity(apic_id=0, domain=-1"),
        (lambda: srat([], [MemoryAffinity(1 << 63, (1 << 63) + 1, 0)]), "expected a range below 2**64"),
        (lambda: slit([[10, 20], [20]]), "row 1 of the distances has 1 entries, expected 2"),
        (lambda: slit([[256]]), "row 0 of the distances: expected numbers from 0 to 255"),
        (lambda: mcfg([ConfigurationWindow(0, bus_end=256)]), "ConfigurationWindow(base=0"),
        (lambda: slit([[10]], Oem("SEVENCH")), "'SEVENCH': expected at most 6 printable ASCII characters"),
    ],
)
def test_a_value_that_its_field_cannot_hold_is_refused(write, what: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=re.escape(what)):
        write()
