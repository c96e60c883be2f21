"""The ACPI reader against the tables of real machines, with iasl and acpixtract as oracles."""

import gzip
import json
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skb.facts import Fact, fact
from skb.readers import acpi, acpi_affinity, acpi_interrupts, acpi_platform
from skb.writers import acpi as writer

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
DUMPS = SHARED / "data" / "acpi"
CASES = sorted(p.parent for p in DUMPS.glob("*/expected.json"))
TEXTS = sorted(DUMPS.glob("*/acpidump*"))

VOCABULARY = Path(__file__).resolve().parents[2] / "rules" / "vocabulary.pl"

needs_dumps = pytest.mark.skipif(not CASES, reason="no ACPI dumps beside the checkout (shared/data/acpi)")
needs_swipl = pytest.mark.skipif(not shutil.which("swipl"), reason="swipl is not installed")
needs_acpixtract = pytest.mark.skipif(not shutil.which("acpixtract"), reason="acpixtract is not installed")
needs_iasl = pytest.mark.skipif(not shutil.which("iasl"), reason="iasl is not installed")


def contents(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def facts_named(facts: list[Fact], *names: str) -> list[Fact]:
    return [each for each in facts if each.name in names]


# --- what the reader says, in the words of expected.json ---------------------------------------------------


def described(table: acpi.Table) -> object:
    describe: dict[str, Callable[[acpi.Table], object]] = {
        "APIC": _described_madt,
        "SRAT": _described_srat,
        "SLIT": lambda t: {
            "n": len(acpi_affinity.decode_slit(t)),
            "matrix": [list(row) for row in acpi_affinity.decode_slit(t)],
        },
        "MCFG": lambda t: [
            {"base": hex(w.base), "segment": w.segment, "bus_start": w.bus_start, "bus_end": w.bus_end}
            for w in acpi_platform.decode_mcfg(t)
        ],
        "DMAR": lambda t: [{"type": entry.type} for entry, _ in acpi_platform.decode_dmar(t)],
        "HMAT": _described_hmat,
        "FACP": lambda t: {"length": t.length, "revision": t.revision},
    }
    return describe[table.signature](table)


def _described_madt(table: acpi.Table) -> dict[str, Any]:
    madt = acpi_interrupts.decode_madt(table)
    told = {0: "lapic", 1: "ioapic", 2: "override", 9: "x2apic"}
    parts: dict[str, list[Any]] = {
        "lapic": [],
        "ioapic": [],
        "override": [],
        "x2apic": [],
        "other": [],
    }
    it: dict[str, Any]
    for entry, s in madt.entries:
        match s:
            case acpi_interrupts.LocalApic() | acpi_interrupts.LocalX2Apic():
                it = {"uid": s.processor_id, "apic_id": s.apic_id, "flags": s.flags, "enabled": s.flags & 1}
            case acpi_interrupts.IoApic():
                it = {"id": s.id, "address": hex(s.address), "gsi_base": s.gsi_base}
            case acpi_interrupts.InterruptOverride():
                it = {"bus": s.bus, "source": s.source, "gsi": s.gsi, "flags": s.flags}
            case _:
                it = {"type": entry.type}
        parts[told.get(entry.type, "other")].append(it)
    return {
        **parts,
        "local_apic_address": hex(madt.local_apic_address),
        "order": [entry.type for entry, _ in madt.entries],
        "pcat_compat": madt.flags & 1,
        "revision": table.revision,
    }


def _described_srat(table: acpi.Table) -> dict[str, Any]:
    parts: dict[str, list[Any]] = {"cpu": [], "mem": [], "x2apic": [], "other": []}
    for entry, s in acpi_affinity.decode_srat(table):
        match s:
            case acpi_affinity.ProcessorAffinity():
                domain = s.domain(table.revision)
                parts["cpu"].append({"apic_id": s.apic_id, "domain": domain, "enabled": s.flags & 1})
            case acpi_affinity.X2ApicAffinity():
                parts["x2apic"].append({"apic_id": s.apic_id, "domain": s.domain, "enabled": s.flags & 1})
            case acpi_affinity.MemoryAffinity():
                memory = {"base": hex(s.base), "length": hex(s.length), "domain": s.domain(table.revision)}
                flags = {"enabled": s.flags & 1, "hotplug": s.flags >> 1 & 1, "nonvolatile": s.flags >> 2 & 1}
                parts["mem"].append(memory | flags)
            case _:
                parts["other"].append({"type": entry.type})
    return parts


def _described_hmat(table: acpi.Table) -> list[dict[str, object]]:
    told: list[dict[str, object]] = []
    for entry, s in acpi_affinity.decode_hmat(table):
        match s:
            case acpi_affinity.MemoryInitiator():
                told.append(
                    {
                        "type": entry.type,
                        "Attached Initiator Proximity Domain": s.initiator,
                        "Memory Proximity Domain": s.memory,
                        "Flags (decoded below)": s.flags,
                        "Processor Proximity Domain Valid": s.flags & 1,
                    }
                )
            case acpi_affinity.LocalityMatrix():
                told.append(
                    {
                        "type": entry.type,
                        "Data Type": s.locality.data_type,
                        "Entry": [value for row in s.entries for value in row],
                        "Entry Base Unit": s.locality.base_unit,
                        "Flags (decoded below)": s.locality.flags,
                        "Memory Hierarchy": s.locality.flags & 0xF,
                        "Initiator Proximity Domain List": list(s.initiators),
                        "Initiator Proximity Domains #": s.locality.initiator_count,
                        "Target Proximity Domain List": list(s.targets),
                        "Target Proximity Domains #": s.locality.target_count,
                    }
                )
    return told


def differences(expected: object, found: object, path: str = "") -> list[str]:
    """Every place where a number of expected.json is not what the reader says; names are iasl's own words."""
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = (expected.keys() | found.keys()) - {"name"}
        return [
            line
            for key in sorted(keys)
            for line in differences(expected.get(key), found.get(key), f"{path}/{key}")
        ]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{path}[{i}]")]
    return [] if expected == found else [f"{path}: expected {expected}, found {found}"]


@needs_dumps
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_number_iasl_reads_is_read_alike(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text())
    tables = acpi.tables((case / "acpidump.txt").read_bytes(), "acpidump.txt")
    by_name = {t.signature + (str(t.instance) if t.instance > 1 else ""): t for t in tables}
    compared = {name: table for name, table in expected.items() if not name.startswith("_")}
    assert compared
    found = {name: described(by_name[name]) for name in compared}
    assert differences(compared, found) == []
    for stated in expected["_tables"]:
        assert any(
            (t.signature, len(t.data), t.length)
            == (stated["sig"], stated["length_dump"], stated["length_header"])
            and (t.checksum == "ok") == stated["checksum_ok"]
            for t in tables
        ), stated


@needs_dumps
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_facts_say_what_the_counting_tables_say(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text())
    facts = acpi.read((case / "acpidump.txt").read_bytes(), "acpidump.txt")
    if "APIC" in expected:
        lapics = {fact("apic", e["uid"], e["apic_id"], e["enabled"]) for e in expected["APIC"]["lapic"]}
        assert set(facts_named(facts, "apic")) == lapics
        ioapics = [(e["id"], int(e["address"], 16), e["gsi_base"]) for e in expected["APIC"]["ioapic"]]
        assert [each.args for each in facts_named(facts, "ioapic")] == ioapics
    if "SRAT" in expected:
        cpus = {(e["apic_id"], 0, e["domain"]) for e in expected["SRAT"]["cpu"] if e["enabled"]}
        assert {each.args for each in facts_named(facts, "cpu_affinity")} == cpus
        memories = [e for e in expected["SRAT"]["mem"] if e["enabled"]]
        ranges = [(int(e["base"], 16), int(e["length"], 16), e["domain"]) for e in memories]
        assert [each.args for each in facts_named(facts, "memory_affinity")] == ranges
    if "SLIT" in expected:
        matrix = expected["SLIT"]["matrix"]
        distances = [(i, j, distance) for i, row in enumerate(matrix) for j, distance in enumerate(row)]
        assert [each.args for each in facts_named(facts, "node_distance")] == distances


@needs_dumps
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tables_of_the_text_are_the_binaries_byte_for_byte(case: Path) -> None:
    tables = acpi.tables((case / "acpidump.txt").read_bytes(), "acpidump.txt")
    by_name = {t.signature + (str(t.instance) if t.instance > 1 else ""): t.data for t in tables}
    binaries = {path.stem: path.read_bytes() for path in (case / "tables").glob("*.dat")}
    assert binaries
    assert {name: by_name[name] for name in binaries} == binaries


@needs_dumps
@needs_acpixtract
@pytest.mark.parametrize("path", TEXTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_tables_of_the_text_are_those_acpixtract_takes_out(path: Path, tmp_path: Path) -> None:
    (tmp_path / "dump.txt").write_bytes(contents(path))
    subprocess.run(["acpixtract", "-a", "dump.txt"], cwd=tmp_path, check=True, capture_output=True)
    extracted = sorted(each.read_bytes() for each in tmp_path.glob("*.dat"))
    assert extracted
    assert sorted(t.data for t in acpi.tables(contents(path), path.name)) == extracted


@needs_dumps
@needs_iasl
def test_what_iasl_writes_of_tables_is_read_back(tmp_path: Path) -> None:
    """The decoded files of hardware collections are such text, of several tables one after another."""
    case = DUMPS / "supermicro-x10dai-2x-xeon-e5v3"
    tables = [t for t in acpi.tables((case / "acpidump.txt").read_bytes(), "x") if t.signature != "FACS"]
    written = ""
    for number, table in enumerate(tables):
        (tmp_path / f"{number}.dat").write_bytes(table.data)
        subprocess.run(["iasl", "-d", f"{number}.dat"], cwd=tmp_path, check=True, capture_output=True)
        written += (tmp_path / f"{number}.dsl").read_text() + "\n"
    assert acpi.recognises(written.encode())
    assert [t.data for t in acpi.tables(written.encode(), "decoded")] == [t.data for t in tables]


@needs_dumps
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_text_and_binaries_of_one_machine_give_the_same_facts(case: Path) -> None:
    text = re.sub(rb"@ 0x\w+", b"@ 0x0", (case / "acpidump.txt").read_bytes())  # binaries have no addresses
    tables = acpi.tables(text, "x")
    one_file = acpi.read(b"".join(t.data[: t.length] for t in tables), "tables.bin")
    assert one_file == acpi.read(text, "x")
    assert acpi.read_files((t.data, f"{t.signature}.dat") for t in tables) == one_file


UNDECLARED = """
    forall(( member(Fact, [{facts}]), compound_name_arguments(Fact, Name, Values), length(Values, Arity),
             \\+ ( declared(Name, Arity, fact, Arguments, _, _), declared_source(Name, Arity, acpi),
                   forall(( nth1(Place, Values, Value), nth1(Place, Arguments, _:Type) ),
                          has_type(Type, Value)) ) ),
           ( writeq(Fact), nl ))
"""


@needs_dumps
@needs_swipl
def test_every_fact_is_declared_in_the_vocabulary_with_its_types(tmp_path: Path) -> None:
    facts = {str(each) for path in TEXTS for each in acpi.read(contents(path), path.name)}
    check = tmp_path / "check.pl"
    goal = UNDECLARED.replace("{facts}", ",\n".join(sorted(facts)))
    check.write_text(f":- use_module('{VOCABULARY.as_posix()}').\ncheck :- {goal}.\n")
    command = ["swipl", "-q", "-g", "check", "-t", "halt", str(check)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


# --- quirks of real machines ------------------------------------------------------------------------------


@needs_dumps
def test_of_two_madts_the_one_counts_that_the_xsdt_names_first() -> None:
    data = (DUMPS / "lenovo-tp68-old-acpidump" / "acpidump.txt").read_bytes()
    fadts = [t for t in acpi.tables(data, "x") if t.signature == "FACP"]
    assert [(t.instance, t.length) for t in fadts] == [(1, 116), (2, 244)]  # the RSDT's, then the XSDT's
    counting = {t.signature: t for t in acpi.counting_tables(acpi.tables(data, "x"))}
    assert counting["FACP"].address == 0xBF6DFBD2
    assert counting["APIC"].address == 0xBF6DFCC6
    assert facts_named(acpi.read(data, "x"), "ioapic") == [fact("ioapic", 1, 0xFEC00000, 0)]


def test_without_addresses_the_first_of_two_tables_counts() -> None:
    first, second = (writer.slit([[10, n], [n, 10]]) for n in (20, 30))
    facts = acpi.read(first + second, "tables.bin")
    assert fact("node_distance", 0, 1, 20) in facts
    assert fact("node_distance", 0, 1, 30) not in facts
    assert [each.args[:2] for each in facts_named(facts, "acpi_table")] == [("SLIT", 1), ("SLIT", 2)]


@needs_dumps
def test_x2apic_entries_beside_lapic_ones_are_ignored_below_255() -> None:
    data = (DUMPS / "gigabyte-x299-ud4-i9" / "acpidump.txt").read_bytes()
    enabled = [each.args for each in facts_named(acpi.read(data, "x"), "apic") if each.args[2] == 1]
    assert len(enabled) == 16


def x2apic_madt(*entries: bytes) -> bytes:
    return writer.table("APIC", 5, struct.pack("<II", 0xFEE00000, 1) + b"".join(entries))


def test_x2apic_entries_alone_count_whatever_their_id() -> None:
    disabled_lapic = struct.pack("<BBBBI", 0, 8, 0, 0xFF, 0)
    x2apic = struct.pack("<BBHIII", 9, 16, 0, 7, 1, 3)
    nobody = struct.pack("<BBHIII", 9, 16, 0, 0xFFFFFFFF, 0, 4)
    facts = acpi.read(x2apic_madt(disabled_lapic, x2apic, nobody), "apic.dat")
    assert facts_named(facts, "apic") == [fact("apic", 0, 255, 0), fact("apic", 3, 7, 1)]
    enabled_lapic = struct.pack("<BBBBI", 0, 8, 0, 0, 1)
    facts = acpi.read(x2apic_madt(enabled_lapic, x2apic), "apic.dat")
    assert facts_named(facts, "apic") == [fact("apic", 0, 0, 1)]


@needs_dumps
def test_padding_behind_the_slit_matrix_is_ignored() -> None:
    data = (DUMPS / "intel-s2600wf-padded-slit" / "acpidump.txt").read_bytes()
    distances = [each.args[2] for each in facts_named(acpi.read(data, "x"), "node_distance")]
    assert distances == [10, 21, 17, 28, 21, 10, 28, 17, 17, 28, 10, 28, 28, 17, 28, 10]


@needs_dumps
def test_hmat_latencies_and_bandwidths_are_those_the_kernel_printed() -> None:
    facts = acpi.read((DUMPS / "intel-2s-cxl-hmat" / "acpidump.txt").read_bytes(), "x")

    def kernel_view(name: str, access: str) -> list[int]:
        values: list[Any] = [f.args[4] for f in facts_named(facts, name) if f.args[2] == access]
        return (
            [-(-v // 1000) for v in values] if name == "memory_latency" else values
        )  # Linux: ps to ns, rounded up

    # decoded by Linux on this machine (the case's SOURCE.txt)
    assert kernel_view("memory_latency", "read") == [91, 167, 100, 176, 167, 91, 176, 100]
    assert kernel_view("memory_latency", "write") == [91, 167, 100, 176, 167, 91, 176, 100]
    bandwidth = [262100, 122900, 30000, 30000, 122900, 262100, 30000, 30000]
    assert kernel_view("memory_bandwidth", "read") == bandwidth
    assert kernel_view("memory_bandwidth", "write") == [
        176100,
        98300,
        30000,
        30000,
        98300,
        176100,
        30000,
        30000,
    ]


@needs_dumps
def test_reserved_distances_and_a_wrong_diagonal_are_handed_on_as_they_are() -> None:
    facts = acpi.read((DUMPS / "fwts-slit-good-and-bad" / "acpidump-bad.txt").read_bytes(), "x")
    assert {
        fact("node_distance", 0, 0, 0xB),
        fact("node_distance", 7, 7, 0xFE),
        fact("node_distance", 3, 1, 9),
    } <= set(facts)


@needs_dumps
def test_a_wrong_checksum_is_told_not_fatal() -> None:
    data = bytearray((DUMPS / "dell-r820-4x-xeon" / "tables" / "SLIT.dat").read_bytes())
    assert facts_named(acpi.read(bytes(data), "slit"), "acpi_table")[0].args[5] == "ok"
    data[9] ^= 1
    assert facts_named(acpi.read(bytes(data), "slit"), "acpi_table")[0].args[5] == "bad"


def test_the_upper_bytes_of_a_domain_count_from_srat_revision_2_on() -> None:
    processor = struct.pack("<BBBBIB3sI", 0, 16, 0x04, 7, 1, 0, b"\x03\x02\x01", 0)
    for revision, domain in ((1, 0x04), (3, 0x01020304)):
        facts = acpi.read(writer.table("SRAT", revision, struct.pack("<IQ", 1, 0) + processor), "srat")
        assert facts_named(facts, "cpu_affinity") == [fact("cpu_affinity", 7, 0, domain)]


def test_hmat_entries_before_revision_2_count_tenths() -> None:
    def hmat(revision: int, data_type: int) -> list[Fact]:
        matrix = struct.pack("<HHIBBBBIIIQIIH", 1, 0, 42, 0, data_type, 0, 0, 1, 1, 0, 100, 0, 0, 907)
        return acpi.read(writer.table("HMAT", revision, bytes(4) + matrix), "hmat")[1:]

    assert hmat(2, 1) == [fact("memory_latency", 0, 0, "read", 0, 90_700)]
    assert hmat(1, 1) == [fact("memory_latency", 0, 0, "read", 0, 9_070_000)]
    assert hmat(2, 4) == [fact("memory_bandwidth", 0, 0, "read", 0, 90_700)]
    assert hmat(1, 4) == [fact("memory_bandwidth", 0, 0, "read", 0, 9_070)]


# --- the other fixed tables ---------------------------------------------------------------------------------


@needs_dumps
def test_the_hpet_and_the_fadt_say_what_iasl_reads() -> None:
    facts = acpi.read((DUMPS / "dell-r820-4x-xeon" / "acpidump.txt").read_bytes(), "x")
    dsl = DUMPS / "dell-r820-4x-xeon" / "dsl"

    def field(table: str, label: str) -> int:
        found = re.search(rf"{re.escape(label)} : (\w+)", (dsl / f"{table}.dsl").read_text())
        assert found
        return int(found[1], 16)

    (hpet,) = facts_named(facts, "hpet_block")
    block = field("HPET", "Hardware Block ID")
    assert hpet.args == (
        field("HPET", "Sequence Number"),
        block >> 16,
        (block >> 8 & 31) + 1,
        64,
        field("HPET", "Minimum Clock Ticks"),
    )
    (timer,) = facts_named(facts, "pm_timer")
    assert timer.args == (
        "io",
        field("FACP", "PM Timer Block Address"),
        32 if field("FACP", "32-bit PM Timer (V1)") else 24,
    )
    (fadt,) = facts_named(facts, "fadt")
    assert fadt.args[0] == field("FACP", "Revision")
    assert fadt.args[3] == field("FACP", "SCI Interrupt")


def test_an_arm_fadt_says_how_psci_is_called() -> None:
    data = bytearray(writer.fadt())
    data[129] = 0b11
    assert fact("psci_use_hvc", 1) in acpi.read(bytes(data), "fadt")
