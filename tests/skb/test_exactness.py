"""Every machine at hand held against its reference: are the objects the same, one by one?

The dumps are those beside the checkout (shared/data), the references what hwloc's lstopo, lspci, iasl and the
measuring programs make of them. Dumps go through readers and knowledge base, and `machine check --against`'s
comparator (skb/comparing.py). Where a reference is known to be wrong, or to leave something out, a rule below says
why; a case that only a rule makes right is counted apart. `python tests/skb/test_exactness.py` prints the table.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest

from shell.output import Table, plain_table
from skb.checking import Sources, against
from skb.comparing import (
    CORES,
    DIES,
    DISTANCES,
    FUNCTIONS,
    MACHINE_VIEW,
    NODES,
    PACKAGES,
    THREADS,
    Comparison,
    Objects,
    Row,
    address_text,
    compare,
    machine_objects,
    reference_objects,
)
from skb.facts import Fact
from skb.knowledge import KnowledgeBase
from skb.readers import DumpError, acpi, cpuid, hwloc, latency, pci, sysfs

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
DATA = SHARED / "data"
LSTOPO = shutil.which("lstopo") or shutil.which("lstopo-no-graphics")

CACHES = "caches"
COLUMNS = (PACKAGES, DIES, NODES, CORES, THREADS, CACHES, DISTANCES, FUNCTIONS)

Said = tuple[tuple[str, tuple[Fact, ...]], ...]


@dataclass
class Verdict:
    """Of one case: whether each column is equal (what it does not tell has none), and the rules that made it so."""

    case: str
    equal: dict[str, bool] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, column: str, right: bool, why: str = "") -> None:
        self.equal[column] = self.equal.get(column, True) and right
        if not right:
            self.wrong.append(f"{column}: {why}")

    @property
    def right(self) -> bool:
        return bool(self.equal) and all(self.equal.values())


@cache
def knowledge() -> KnowledgeBase:
    return KnowledgeBase()


def said(**facts: Iterable[Fact]) -> Said:
    return tuple((source, tuple(each)) for source, each in facts.items())


def believed(machine: Said, name: str, arity: int) -> list[tuple]:
    """The facts of that name that a knowledge base of this machine holds."""
    goal = f"findall(Args, (functor(F, {name}, {arity}), facts:F, F =.. [_|Args]), All)"
    answer = knowledge().supposing(machine, "", "facts.pl", goal)
    return [tuple(each) for each in answer["All"]]


# -- topologies, against hwloc's XML ---------------------------------------------------------------


def fewer_bits(machine: Objects, row: Row) -> bool:
    return bool(row.left_out) and all(int(each.what.split()[-1].split(":")[0], 16) > 0xFFFF for each in row.left_out)


def never_set_up(machine: Objects, row: Row) -> bool:
    return bool(row.left_out) and all((each.machine or "").endswith(" to bus 00") for each in row.left_out)


def one_core_a_thread(machine: Objects, row: Row) -> bool:
    return not row.stated and machine.of(CORES).keys() == machine.of(THREADS).keys()


def one_package(machine: Objects, row: Row) -> bool:
    return not row.stated and list(machine.of(PACKAGES)) == [machine.cpus]


def nodes_of_amd(machine: Objects, row: Row) -> bool:
    """Dies that split their packages evenly, each with whole L3s, as in AMD's multi-chip packages."""
    dies, packages = list(machine.of(DIES)), list(machine.of(PACKAGES))
    of_package = [[die for die in dies if die & package] for package in packages]
    whole = all(sum(each) == package for each, package in zip(of_package, packages, strict=True))
    even = {die.bit_count() for die in dies} == {packages[0].bit_count() // len(of_package[0])}
    l3s = [key for key in machine.of("L3 caches") if not any(key & die == key for die in dies)]
    return not row.stated and whole and even and not l3s


RULES: dict[str, tuple[str, str, Callable[[Objects, Row], bool]]] = {
    "short domains": (FUNCTIONS, "lstopo 2.9 ignores PCI domains of more than 16 bits", fewer_bits),
    "idle bridges": (FUNCTIONS, "lstopo leaves out bridges that lead to no bus yet", never_set_up),
    "no cores told": (CORES, "nothing tells cores: each thread is one, where hwloc has none", one_core_a_thread),
    "no packages told": (PACKAGES, "nothing tells packages: all threads are on one; hwloc has none", one_package),
    "dies of AMD": (DIES, "hwloc shows no dies of AMD's before Zen 4, which CPUID tells", nodes_of_amd),
}
"""Where the comparator finds a difference and the machine is right: the column, why, and what must hold."""


def judged(case: str, machine: Said, reference: Objects, kinds: Sequence[str] = COLUMNS) -> Verdict:
    """The comparison of a machine with its reference, column by column."""
    answer = knowledge().supposing(machine, "", "facts.pl", MACHINE_VIEW)
    ours = machine_objects(answer)
    verdict = Verdict(case)
    for row in compare(ours, reference).rows:
        column = CACHES if row.kind.endswith("caches") else row.kind
        if column not in kinds or not (row.machine or row.reference):
            continue
        right = row.equal and row.told and row.stated and not row.left_out
        rule = next((name for name, (of, _, holds) in RULES.items() if of == column and not right
                     and row.equal and row.told and holds(ours, row)), None)  # fmt: skip
        if rule:
            verdict.rules.append(rule)
        why = f"{row.machine} and {row.reference}, {[*row.different, *row.left_out][:3]}"
        verdict.note(column, right or rule is not None, why)
    return verdict


def of_sysfs() -> Iterator[Verdict]:
    for path in sorted((DATA / "sysfs").glob("hwloc*/*/*.tar.bz2")):
        reference = reference_objects((path.parent / "lstopo-2.9-whole.xml").read_bytes(), "lstopo.xml")
        yield judged(path.parent.name, _said_by_snapshot(path), reference)


def _said_by_snapshot(path: Path) -> Said:
    """A snapshot of /sys, and the CPUID dump beside it where there is one."""
    whole = sysfs.read(path.read_bytes(), path.name)
    with tarfile.open(fileobj=io.BytesIO(bz2.decompress(path.read_bytes()))) as tar:
        beside = {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile() and "/cpuid/" in m.name}
    return said(cpuid=cpuid.read_folder(beside, path.name), sysfs=whole) if beside else said(sysfs=whole)


def of_hwloc() -> Iterator[Verdict]:
    for path in sorted((DATA / "hwloc-xml").glob("*/*.xml")):
        reference = reference_objects(_exported_anew(path), "lstopo.xml")
        yield judged(path.parent.name, said(hwloc=hwloc.read(path.read_bytes(), path.name)), reference)


def _exported_anew(path: Path) -> bytes:
    """What lstopo reads in it. 2.9 refuses version 3.0, which differs in the version alone as far as objects go."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "in.xml"
        copy.write_bytes(path.read_bytes().replace(b'<topology version="3.0">', b'<topology version="2.0">', 1))
        command = [LSTOPO, "-i", str(copy), "--disallowed", "--whole-io", "--of", "xml", "-"]
        return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


# -- CPUID -----------------------------------------------------------------------------------------


def span(first: int, count: int, step: int = 1) -> int:
    return sum(1 << cpu for cpu in range(first, first + count * step, step))


KB, MB = 1 << 10, 1 << 20
BY_DATA_SHEET: dict[str, tuple[str, dict[str, dict]]] = {
    "AuthenticAMD0800F82_K17_ZenP2_CPUID": (
        "core ids of 8000001E repeat on each die, which lstopo 2.9 takes for one core; Threadripper 2990WX: 32 "
        "cores, two complexes of 8 MB L3 a die",
        {CORES: {span(n, 2): None for n in range(0, 64, 2)},
         "L3 caches": {span(n, 8): 8 * MB for n in range(0, 64, 8)}},
    ),
    "amd-ryzen-threadripper-2950x-16-core-processor": (
        "as above; Threadripper 2950X: 16 cores",
        {CORES: {span(n, 2): None for n in range(0, 32, 2)},
         "L3 caches": {span(n, 8): 8 * MB for n in range(0, 32, 8)}},
    ),
    "GenuineIntel0000F25_P4_GallatinDP_CPUID": (
        "hwloc does not read the descriptors of leaf 2; Xeon 3.06 GHz (Gallatin DP): 8 KB, 512 KB and 1 MB",
        {CORES: {0b101: None, 0b1010: None}, "L1 caches": {0b101: 8 * KB, 0b1010: 8 * KB},
         "L2 caches": {0b101: 512 * KB, 0b1010: 512 * KB}, "L3 caches": {0b101: MB, 0b1010: MB}},
    ),
    "CentaurHauls0000694_C5XL_Nehemiah_CPUID": (
        "hwloc knows no caches of Centaur; VIA C3 Nehemiah: 64 KB each",
        {CORES: {1: None}, "L1 caches": {1: 64 * KB}, "L1 instruction caches": {1: 64 * KB},
         "L2 caches": {1: 64 * KB}},
    ),
    "CyrixInstead0000520_6x86_CPUID": ("hwloc tells no core of it", {CORES: {1: None}}),
    "cortex-a72": (
        "lstopo reads no ARM registers; four cores of one cluster",
        {PACKAGES: {0b1111: None}, THREADS: dict.fromkeys((1, 2, 4, 8)), CORES: dict.fromkeys((1, 2, 4, 8))},
    ),
    "hygon-c86-7185-32-core-processor": (
        "one CPU of 64 was dumped, without 8000001D: each cache is stated for that one",
        {PACKAGES: {1: None}, THREADS: {1: None}, CORES: {1: None}, "L1 caches": {1: 32 * KB},
         "L1 instruction caches": {1: 64 * KB}, "L2 caches": {1: 512 * KB}, "L3 caches": {1: 64 * MB}},
    ),
}  # fmt: skip
"""Where lstopo has no reading of a dump, or a wrong one: why, and what the maker's data sheet says instead."""


def of_cpuid() -> Iterator[Verdict]:
    kinds = (PACKAGES, DIES, CORES, THREADS, CACHES)  # CPUID knows no memory, and no devices
    for case in sorted(path.parent for path in (DATA / "cpuid").glob("*/*/expected.json")):
        xml = next(
            (path for path in (case / f"{case.name}.xml", DATA / "cpuid" / "hwloc" / case.name / f"{case.name}.xml",
                               case / "lstopo-2.9.xml") if path.exists()), None,
        )  # fmt: skip
        reference = reference_objects(xml.read_bytes(), xml.name) if xml else Objects({})
        stated = BY_DATA_SHEET.get(case.name)
        if stated:
            reference = replace(reference, kinds={**reference.kinds, **stated[1]})
        verdict = judged(f"{case.parent.name}/{case.name}", said(cpuid=_registers(case)), reference, kinds)
        if stated:
            verdict.rules.append("by data sheet")
        yield verdict


def _registers(case: Path) -> list[Fact]:
    for path in sorted(case.iterdir()):
        if path.name.endswith(".tar.bz2"):
            with tarfile.open(fileobj=io.BytesIO(bz2.decompress(path.read_bytes()))) as tar:
                files = {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}
            return cpuid.read_folder(files, case.name)
    path = next(p for p in sorted(case.iterdir()) if p.suffix in (".test", ".txt", ".gz") and p.name != "SOURCE.txt")
    return cpuid.read(_unpacked(path), path.name)


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


# -- ACPI ------------------------------------------------------------------------------------------


def of_acpi() -> Iterator[Verdict]:
    for case in sorted(path for path in (DATA / "acpi").iterdir() if path.is_dir()):
        stated = case / "expected.json"
        if stated.exists():
            yield _tables(case.name, case / "acpidump.txt", json.loads(stated.read_text()))
        else:
            for path in sorted(case.glob("acpidump-*.txt")):
                verdict = _tables(f"{case.name}/{path.stem}", path, _disassembled(path))
                if path.stem.endswith("bad"):  # the dump is a broken table: it must be told
                    found = [fact for fact in acpi.read(path.read_bytes(), path.name) if fact.args[-1] == "bad"]
                    verdict.note("checksums", bool(found), "a broken table is not told")
                yield verdict


def _tables(name: str, path: Path, expected: Mapping[str, object]) -> Verdict:
    """Processors, nodes (their processors and memory) and distances: what iasl reads in MADT, SRAT and SLIT."""
    machine = said(acpi=acpi.read(path.read_bytes(), path.name))
    verdict = Verdict(name)
    if (madt := expected.get("APIC")) is not None:
        lapics = {(e["uid"], e["apic_id"], e["enabled"]) for e in madt["lapic"]}
        verdict.note(THREADS, set(believed(machine, "apic", 3)) == lapics, "apic/3")
        ioapics = {(e["id"], int(e["address"], 16), e["gsi_base"]) for e in madt["ioapic"]}
        verdict.note("I/O APICs", set(believed(machine, "ioapic", 3)) == ioapics, "ioapic/3")
        overrides = {(e["bus"], e["source"], e["gsi"], e["flags"]) for e in madt["override"]}
        found = set(believed(machine, "interrupt_override", 4))
        verdict.note("overrides", found == overrides, "interrupt_override/4")
    if (srat := expected.get("SRAT")) is not None:
        cpus = {(e["apic_id"], 0, e["domain"]) for e in srat["cpu"] if e["enabled"]}
        memory = {(int(e["base"], 16), int(e["length"], 16), e["domain"]) for e in srat["mem"] if e["enabled"]}
        verdict.note(NODES, set(believed(machine, "cpu_affinity", 3)) == cpus, "cpu_affinity/3")
        verdict.note(NODES, set(believed(machine, "memory_affinity", 3)) == memory, "memory_affinity/3")
    if (slit := expected.get("SLIT")) is not None:
        told = {(i, j, d) for i, row in enumerate(slit["matrix"]) for j, d in enumerate(row)}
        verdict.note(DISTANCES, set(believed(machine, "node_distance", 3)) == told, "node_distance/3")
    if (mcfg := expected.get("MCFG")) is not None:
        spaces = {(int(w["base"], 16), w["segment"], w["bus_start"], w["bus_end"]) for w in mcfg}
        found = set(believed(machine, "pcie_confspace", 4))
        verdict.note("configuration spaces", found == spaces, "pcie_confspace/4")
    tables = {(t["sig"], t["length_header"]) for t in expected.get("_tables", ())}
    if tables:
        ours = {(row[0], row[2]) for row in believed(machine, "acpi_table", 6)}
        verdict.note("tables", tables <= ours, f"{tables - ours}")
    return verdict


_FIELD = re.compile(r"^\[[0-9A-Fa-fx]+h.*?\]\s+(.*?) : (.*)$")


def _disassembled(path: Path) -> dict[str, object]:
    """The table that a folder of fwts (fwts-slit-...) is about, as iasl reads it, in the form of expected.json.

    Of tables other than SRAT and SLIT it has the length alone.
    """
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["acpixtract", "-a", str(path.resolve())], cwd=scratch, check=True, capture_output=True)
        table = Path(scratch) / f"{path.parent.name.split('-')[1]}.dat"
        subprocess.run(["iasl", "-d", table.name], cwd=scratch, capture_output=True, timeout=60)
        lines = (Path(scratch) / f"{table.stem}.dsl").read_text(errors="replace").splitlines()
        length = int.from_bytes(table.read_bytes()[4:8], "little")
    signature = table.stem.upper()
    expected: dict[str, object] = {"_tables": [{"sig": signature, "length_header": length}]}
    fields = [(m[1].strip(), m[2].strip()) for m in map(_FIELD.match, lines) if m]
    if signature == "SLIT":
        rows = [[int(byte, 16) for byte in text.split()] for name, text in fields if name.startswith("Locality ")]
        expected["SLIT"] = {"matrix": rows}
    elif signature == "SRAT":
        cpus, memory, kind, entry = [], [], "", {}
        for name, text in [*fields, ("Subtable Type", "end")]:
            if name == "Subtable Type":
                if kind.startswith("00"):
                    domain = int(entry["Proximity Domain Low(8)"], 16)
                    cpus.append({"apic_id": int(entry["Apic ID"], 16), "domain": domain,
                                 "enabled": int(entry["Flags (decoded below)"], 16) & 1})  # fmt: skip
                elif kind.startswith("01"):
                    memory.append({"base": entry["Base Address"], "length": entry["Address Length"],
                                   "domain": int(entry["Proximity Domain"], 16),
                                   "enabled": int(entry["Flags (decoded below)"], 16) & 1})  # fmt: skip
                kind, entry = text, {}
            else:
                entry.setdefault(name, text)
        expected["SRAT"] = {"cpu": cpus, "mem": memory}
    return expected


# -- PCI -------------------------------------------------------------------------------------------


def of_pci() -> Iterator[Verdict]:
    counted = dict(re.findall(r"^\| (\S+) \|[^|]*\| (\d+) \(text\)", (DATA / "pci" / "README.md").read_text(), re.M))
    for path in sorted((DATA / "pci").glob("*/lspci.txt")):
        verdict = Verdict(path.parent.name)
        machine = said(pci=pci.read(path.read_bytes(), path.name))
        listing = path.with_name("expected-lspci-Dn.txt")
        devices = believed(machine, "device", 8) + believed(machine, "bridge", 8)
        if listing.exists():
            revisions = {address_text(row[0]): row[1] for row in believed(machine, "device_revision", 2)}
            ours = sorted(_listed(row, revisions) for row in devices)
            theirs = sorted(listing.read_text().splitlines())
            verdict.note(FUNCTIONS, ours == theirs, f"{set(ours) ^ set(theirs)}")
        else:  # text alone; of one without numbers addresses are all there is
            addresses = {address_text(row[1]) for row in devices}
            addresses |= {address_text(row[0]) for row in believed(machine, "device_description", 2)}
            stated = int(counted[path.parent.name])
            verdict.note(FUNCTIONS, len(addresses) == stated, f"{len(addresses)} of {stated}")
            verdict.rules.append("text alone")
        yield verdict


def _listed(row: tuple, revisions: Mapping[str, int]) -> str:
    """A function as `lspci -Dn` lists it."""
    _, address, vendor, device, code, sub, _, _ = row
    place = address_text(address)
    revision = f" (rev {revisions[place]:02x})" if revisions.get(place) else ""
    return f"{place} {code:02x}{sub:02x}: {vendor:04x}:{device:04x}{revision}"


# -- latencies -------------------------------------------------------------------------------------


def of_latency() -> Iterator[Verdict]:
    with (DATA / "latency" / "INDEX.tsv").open() as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    for file_name, *rest in rows:
        verdict = Verdict(file_name)
        data = _unpacked(DATA / "latency" / file_name)
        size, figures = rest[3], rest[4]
        if not size.isdecimal():
            with pytest.raises(DumpError):
                latency.read(data, file_name)
            verdict.note(THREADS, True)
            verdict.rules.append("no matrix: refused")
            yield verdict
            continue
        facts = latency.read(data, file_name)
        found = {fact.args[:2]: fact.args[2] for fact in facts}
        n = int(size)
        verdict.note(THREADS, {one for one, _ in found} == set(range(n)) and len(found) == n * (n - 1), size)
        values = sorted(found[one, other] for one, other in found if one > other)
        low, median, high = (float(word) for word in figures.split("/"))
        same = (round(values[0], 1), round(values[-1], 1)) == (low, high)
        middle = (statistics.median_low(values), statistics.median_high(values))
        near = min(abs(each - median) for each in middle) <= 0.2
        verdict.note("latencies", same and near, f"{values[0]}/{values[-1]} and {figures}")
        yield verdict


# -- the walk --------------------------------------------------------------------------------------

FORMATS: dict[str, tuple[str, Callable[[], Iterator[Verdict]], tuple[str, ...]]] = {
    "sysfs": ("lstopo 2.9 on the same tree", of_sysfs, ()),
    "hwloc-xml": ("lstopo 2.9 reading the same file", of_hwloc, ("lstopo",)),
    "cpuid": ("hwloc trunk or lstopo 2.9, data sheets", of_cpuid, ()),
    "acpi": ("iasl", of_acpi, ("iasl", "acpixtract")),
    "pci": ("lspci -Dn", of_pci, ()),
    "latency": ("the measuring program's figures", of_latency, ()),
}
"""Formats of dumps: the reference, the walk over its cases, and the tools it takes."""

CASES = {"sysfs": 27, "hwloc-xml": 19, "cpuid": 49, "acpi": 22, "pci": 14, "latency": 17}
"""How many there are at least, so that an empty folder is not taken for success; fwts's ACPI tables count twice."""


def missing(name: str) -> str:
    """Why the walk over a format cannot be made; empty where it can."""
    if not (DATA / name).is_dir():
        return f"no dumps beside the checkout (shared/data/{name})"
    lacking = [tool for tool in FORMATS[name][2] if not shutil.which(tool)]
    return f"{lacking[0]} is not installed" if lacking else ""


@cache
def verdicts(name: str) -> tuple[Verdict, ...]:
    return tuple(FORMATS[name][1]())


def table(names: Sequence[str]) -> str:
    """What came of it, a line a format: cases right, of how many, and of those which tell a kind of object."""
    others = sorted({column for name in names for each in verdicts(name) for column in each.equal} - set(COLUMNS))
    rows = []
    for name in names:
        cases = verdicts(name)
        right = [each for each in cases if each.right]
        strict = [each for each in right if not each.rules]
        row = [name, FORMATS[name][0], f"{len(right)} / {len(cases)}", str(len(strict))]
        for column in (*COLUMNS, *others):
            told = [each.equal[column] for each in cases if column in each.equal]
            row.append(f"{sum(told)}/{len(told)}" if told else "")
        rows.append(row)
    columns = ("format", "reference", "right / cases", "without a rule", *COLUMNS, *others)
    lines = [plain_table(Table(columns, rows, frozenset(columns[2:])))]
    used: dict[str, list[str]] = {}
    for name in names:
        for each in verdicts(name):
            for rule in each.rules:
                used.setdefault(rule, []).append(each.case)
    reasons = {rule: why for rule, (_, why, _) in RULES.items()} | {
        "text alone": "there are no bytes for lspci to read: the functions of the text are counted",
        "no matrix: refused": "a text file under a matrix's name",
        "by data sheet": "lstopo has no reading of the dump, or a wrong one: " + "; ".join(
            f"{case}: {why}" for case, (why, _) in BY_DATA_SHEET.items()),
    }  # fmt: skip
    lines += [f"{rule} ({len(cases)}): {reasons[rule]}" for rule, cases in used.items()]
    return "\n".join(lines)


@pytest.mark.parametrize("name", FORMATS)
def test_every_machine_at_hand_is_exactly_what_its_reference_says(name: str) -> None:
    if why := missing(name):
        pytest.skip(why)
    found = verdicts(name)
    assert len(found) >= CASES[name]
    wrong = [f"{each.case}: {line}" for each in found for line in each.wrong]
    wrong += [f"{each.case}: nothing was compared" for each in found if not each.equal]
    assert not wrong, "\n".join(wrong)


def test_every_rule_explains_some_case_and_the_data_sheets_are_of_cases_there_are() -> None:
    names = ("sysfs", "hwloc-xml", "cpuid")
    if why := next(filter(None, map(missing, names)), ""):
        pytest.skip(why)
    used = {rule for name in names for each in verdicts(name) for rule in each.rules}
    assert set(RULES) <= used
    assert set(BY_DATA_SHEET) <= {each.case.split("/")[-1] for each in verdicts("cpuid")}


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    names = [name for name in FORMATS if not missing(name)]
    if not names:
        pytest.skip("no dumps beside the checkout (shared/data)")
    text = table(names)
    with capsys.disabled():
        if "-s" in sys.argv:
            print(f"\n{text}")
    assert all(name in text for name in names)


def test_a_comparison_through_the_command_s_own_way_is_the_same() -> None:
    path = DATA / "sysfs" / "hwloc" / "16amd64-8n2c" / "16amd64-8n2c.tar.bz2"
    if not path.exists():
        pytest.skip("no snapshots beside the checkout (shared/data/sysfs)")
    xml = (path.parent / "lstopo-2.9-whole.xml").read_bytes()
    comparison: Comparison = against(knowledge(), Sources("x", _said_by_snapshot(path)), xml, "lstopo.xml")
    assert comparison.exact


if __name__ == "__main__":
    print(table([name for name in FORMATS if not missing(name)]))
