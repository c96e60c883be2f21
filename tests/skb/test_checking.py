"""What `machine check` rests on: contradictions and findings of a machine, and the comparison with hwloc's XML."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import os
import random
import re
import shutil
import subprocess
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from skb import checking, machine
from skb.checking import Contradiction, Sources
from skb.comparing import CORES, FUNCTIONS, NODES, THREADS, Difference, reference_objects
from skb.facts import Fact, compound, fact
from skb.knowledge import KnowledgeBase
from skb.machine import MachineError
from skb.readers import DumpError, acpi, cpuid, cpuinfo, hwloc, latency, pci, sysfs

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
DATA = SHARED / "data"
SNAPSHOTS = sorted((DATA / "sysfs").glob("hwloc*/*/*.tar.bz2"))
needs_data = pytest.mark.skipif(not (DATA / "sysfs").is_dir(), reason="no dumps beside the checkout (shared/data)")


@pytest.fixture(scope="module")
def kb() -> KnowledgeBase:
    return KnowledgeBase()


def said(**facts: list[Fact]) -> Sources:
    return Sources("x", tuple((source, tuple(each)) for source, each in facts.items()))


def pu(number: int) -> str:
    return f'<object type="PU" os_index="{number}" cpuset="{1 << number:#x}"/>'


XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<topology version="2.0">
 <object type="Machine" os_index="0" cpuset="0xf" complete_cpuset="0xf" nodeset="0x3">
  <object type="Package" os_index="0" cpuset="0xf">
   <object type="NUMANode" os_index="0" cpuset="0x3" local_memory="4096" gp_index="5"/>
   <object type="NUMANode" os_index="1" cpuset="0xc" local_memory="8192" gp_index="6"/>
   <object type="L2Cache" cpuset="0x3" cache_size="1048576" depth="2" cache_linesize="64" cache_associativity="8"
     cache_type="0"><object type="Core" os_index="0" cpuset="0x1">{pu(0)}</object>
    <object type="Core" os_index="1" cpuset="0x2">{pu(1)}</object></object>
   <object type="L2Cache" cpuset="0xc" cache_size="1048576" depth="2" cache_linesize="64" cache_associativity="8"
     cache_type="0"><object type="Core" os_index="2" cpuset="0x4">{pu(2)}</object>
    <object type="Core" os_index="3" cpuset="0x8">{pu(3)}</object></object>
   <object type="Bridge" bridge_type="0-1" depth="0" bridge_pci="0000:[00-02]">
    <object type="PCIDev" pci_busid="0000:00:02.0" pci_type="0200 [8086:1521] [00ff:0000] 01"/>
   </object>
  </object>
 </object>
 <distances2 type="NUMANode" nbobjs="2" kind="5" name="NUMALatency" indexing="os">
  <indexes length="4">0 1 </indexes><u64values length="12">10 20 20 10 </u64values>
 </distances2>
</topology>
"""


def against(kb: KnowledgeBase, sources: Sources, xml: str = XML) -> checking.Comparison:
    return checking.against(kb, sources, xml.encode(), "reference.xml")


def exported(xml: str = XML) -> Sources:
    return said(hwloc=hwloc.read(xml.encode(), "hwloc.xml"))


# -- contradictions and findings -------------------------------------------------------------------


def test_both_sources_of_a_contradiction_are_named(kb: KnowledgeBase) -> None:
    check = checking.check(kb, said(
        cpuid=[fact("cpu_clock", 0, 2_000_000_000)], sysfs=[fact("cpu_clock", 0, 3_000_000_000)]
    ))  # fmt: skip
    expected = Contradiction("cpu_clock(0,2000000000)", "cpuid", "cpu_clock(0,3000000000)", "sysfs")
    assert check.contradictions == (expected,)
    assert check.sources == {"cpuid": 1, "sysfs": 1}


def test_precedence_is_a_priori_measured_cpuid_sysfs_acpi(kb: KnowledgeBase) -> None:
    order = ["a_priori", "measured", "cpuid", "sysfs", "acpi"]
    for first, second in itertools.pairwise(order):
        # whatever the order in which they are read
        sources = said(**{second: [fact("machine", "second")], first: [fact("machine", "first")]})
        (told,) = checking.check(kb, sources).contradictions
        assert (told.fact, told.source, told.other_source) == ("machine(first)", first, second)


def test_what_does_not_fit_is_found_with_its_severity(kb: KnowledgeBase) -> None:
    check = checking.check(kb, said(acpi=[
        fact("node_distance", 0, 0, 11), fact("acpi_table", "SLIT", 1, 45, 1, "x", "bad"),
        fact("apic", 0, 7, 1), fact("apic", 1, 7, 1), fact("cpu_affinity", 7, 0, 0),
    ]))  # fmt: skip
    found = {(each.severity, each.rule) for each in check.findings}
    assert {("error", "repeated_apic"), ("warning", "bad_checksum"), ("warning", "distance_to_itself")} <= found
    errors = {"repeated_apic", "core_without_package", "core_without_clock"}
    assert {rule for severity, rule in found if severity == "error"} == errors
    assert (check.count("error"), check.count("note")) == (3, 0)


def test_checking_a_machine_leaves_the_booted_one_alone(kb: KnowledgeBase) -> None:
    kb.load("user", [fact("machine", "booted")])
    checking.check(kb, said(cpuid=[fact("machine", "other")]))
    against(kb, exported())
    assert kb.once("machine(M)") == {"M": "booted"}


def test_the_booted_machine_is_checked_with_what_was_asserted(kb: KnowledgeBase) -> None:
    kb.load_machine([("sysfs", [fact("cpu_clock", 0, 2_000_000_000)])])
    kb.load("user", [fact("cpu_clock", 0, 3_000_000_000)])
    (told,) = [each for each in checking.check(kb, Sources("booted")).contradictions if "cpu_clock" in each.fact]
    assert (told.source, told.other_source) == ("user", "sysfs")


@pytest.mark.parametrize("info", machine.list_machines(), ids=lambda info: info.name)
def test_a_shipped_machine_contradicts_itself_nowhere_and_has_no_errors(
    kb: KnowledgeBase, info: machine.MachineInfo
) -> None:
    if info.path.parent != machine.SHIPPED:
        pytest.skip("imported by a user")
    check = checking.check(kb, checking.sources_of(info.name))
    assert check.contradictions == ()
    assert [each for each in check.findings if each.severity == "error"] == []


# -- real machines of several sources --------------------------------------------------------------


def snapshot(name: str, folder: str = "hwloc") -> list[Fact]:
    path = DATA / "sysfs" / folder / name / f"{name}.tar.bz2"
    return sysfs.read(path.read_bytes(), path.name)


def registers(path: Path) -> list[Fact]:
    with tarfile.open(fileobj=io.BytesIO(bz2.decompress(path.read_bytes()))) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}
    return cpuid.read_folder({name: data for name, data in files.items() if "/sys" not in name}, path.name)


def lspci(name: str) -> list[Fact]:
    return pci.read((DATA / "pci" / name / "lspci.txt").read_bytes(), "lspci.txt")


def both_worlds(kind: str) -> Sources:
    """Machines of which there are dumps of several kinds, all of one box."""
    if kind == "Opteron 6272":
        name = "64amd64-4p2n4ca2co"
        folder = DATA / "sysfs" / "hwloc-with-cpuid" / name
        export = (folder / "lstopo-2.9-whole.xml").read_bytes()
        return said(cpuid=registers(folder / f"{name}.tar.bz2"), sysfs=snapshot(name, "hwloc-with-cpuid"),
                    hwloc=hwloc.read(export, "lstopo.xml"))  # fmt: skip
    if kind == "Huananzhi X99":
        dumps = DATA / "sysfs" / "cpuinfo" / "huananzhi-x99-qd4.txt"
        tables = DATA / "acpi" / "huananzhi-x99-qd4-e5-2666v3" / "acpidump.txt"
        return said(sysfs=cpuinfo.read(dumps.read_bytes(), "cpuinfo"), pci=lspci("huananzhi-x99-qd4"),
                    acpi=acpi.read(tables.read_bytes(), "acpidump.txt"))  # fmt: skip
    if kind == "dual Sandy Bridge":
        functions = lspci("hwloc-dual-sandybridge-xeonphi-nvme")
        return said(sysfs=snapshot("32em64t-2n8c+dax+nvme+mic+dimms"), pci=functions)
    return said(sysfs=snapshot("40intel64-2g2n4c+pcilocality"), pci=lspci("hwloc-40intel64-pcilocality"))


@needs_data
@pytest.mark.parametrize("kind", ["Opteron 6272", "Huananzhi X99", "dual Sandy Bridge", "40intel64"])
def test_dumps_of_one_box_do_not_contradict_each_other(kb: KnowledgeBase, kind: str) -> None:
    check = checking.check(kb, both_worlds(kind))
    assert check.contradictions == ()
    assert [each for each in check.findings if each.rule in ("grouped_otherwise", "mixed_numbering",
                                                               "cores_numbered_otherwise")] == []


@needs_data
@pytest.mark.parametrize("path", SNAPSHOTS, ids=lambda path: path.parent.name)
def test_a_snapshot_and_lstopo_s_export_of_it_contradict_each_other_where_hwloc_judges_by_itself(
    kb: KnowledgeBase, path: Path
) -> None:
    export = hwloc.read((path.parent / "lstopo-2.9-whole.xml").read_bytes(), "lstopo.xml")
    check = checking.check(kb, said(sysfs=sysfs.read(path.read_bytes(), path.name), hwloc=export))
    # hwloc takes an E core's nominal frequency for its base clock, ranks kinds of cores by clock, and moves devices
    # whose buses it was told to take for others'
    judged = {"cpu_clock", "cpu_kind", "device_node"}
    assert {each.fact.partition("(")[0] for each in check.contradictions} <= judged


@needs_data
def test_dumps_of_different_boxes_are_found_out(kb: KnowledgeBase) -> None:
    (dump,) = (DATA / "cpuid" / "hwloc" / "AMD-15h-Bulldozer-4xOpteron-6272").glob("*.tar.bz2")
    check = checking.check(kb, said(cpuid=registers(dump), sysfs=snapshot("64amd64-4s2n4ca2co")))
    assert any(each.fact.startswith("corename(0,") for each in check.contradictions)


# -- against hwloc's XML ---------------------------------------------------------------------------


def test_a_machine_equals_its_own_export(kb: KnowledgeBase) -> None:
    comparison = against(kb, exported())
    assert comparison.exact and comparison.differences == 0 and comparison.remarks == ()
    assert {row.kind: row.reference for row in comparison.rows if row.reference} == {
        "packages": 1, "NUMA nodes": 2, "cores": 4, "hardware threads": 4, "L2 caches": 2, "NUMA distances": 4,
        "PCI devices": 1,
    }  # fmt: skip


CHANGES = [
    ('cache_size="1048576"', 'cache_size="524288"', "L2 caches", "L2 cache of CPUs 0-1", "1 MiB", "512 KiB"),
    ('local_memory="8192"', 'local_memory="4096"', NODES, "NUMA node 1", "CPUs 2-3, 8 KiB", "CPUs 2-3, 4 KiB"),
    (">10 20 20 10 <", ">10 20 21 10 <", "NUMA distances", "distance from node 1 to 0", "20", "21"),
    ("8086:1521", "8086:1522", FUNCTIONS, "PCI device 0000:00:02.0", "0200 8086:1521", "0200 8086:1522"),
    ("0000:00:02.0", "0000:00:03.0", FUNCTIONS, "PCI device 0000:00:03.0", None, "0200 8086:1521"),
    ('<object type="Core" os_index="1" cpuset="0x2">', '<object type="Core" os_index="1" cpuset="0x3">', CORES,
     "core of CPUs 0-1", None, "there"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "kind", "what", "ours", "theirs"), CHANGES)
def test_a_changed_object_is_named_with_both_sides(
    kb: KnowledgeBase, old: str, new: str, kind: str, what: str, ours: str | None, theirs: str
) -> None:
    comparison = against(kb, exported(), XML.replace(old, new, 1))
    assert Difference(what, ours, theirs) in [each for row in comparison.rows for each in row.different]
    assert [row.kind for row in comparison.rows if not row.equal] == [kind]


def test_kinds_that_the_reference_leaves_out_are_no_difference(kb: KnowledgeBase) -> None:
    bare = re.sub(r"<distances2.*</distances2>|<object type=\"PCIDev\"[^>]*>", "", XML, flags=re.DOTALL)
    comparison = against(kb, exported(), bare)
    assert comparison.differences == 0 and not comparison.exact
    assert {row.kind for row in comparison.rows if not row.stated} == {"NUMA distances", "PCI devices"}


def test_kinds_that_the_machine_tells_nothing_of_are_said(kb: KnowledgeBase) -> None:
    facts = [each for each in exported().said[0][1] if each.name.startswith("cpu_") and each.name != "cpu_node"]
    comparison = against(kb, said(cpuid=facts))
    assert comparison.differences == 0
    assert {row.kind for row in comparison.rows if not row.told} == {NODES, "NUMA distances", FUNCTIONS}


def test_devices_that_the_reference_filtered_are_listed_apart(kb: KnowledgeBase) -> None:
    more = fact("device", "pci", compound("addr", 0, 3, 0), 1, 2, 6, 0, 0, 0)
    whole = exported()
    comparison = against(kb, said(hwloc=[*whole.said[0][1], more]))
    (row,) = [each for each in comparison.rows if each.kind == FUNCTIONS]
    assert row.equal and row.left_out == (Difference("PCI device 0000:00:03.0", "0600 0001:0002", None),)


def test_cpus_that_are_not_allowed_are_no_difference_and_cpus_that_are_not_there_are(kb: KnowledgeBase) -> None:
    allowed = XML.replace(f'<object type="Core" os_index="3" cpuset="0x8">{pu(3)}</object>', "")
    comparison = against(kb, exported(), allowed)
    assert comparison.differences == 0
    assert comparison.remarks == (
        "the reference has no object for CPUs 3: off line, or not allowed where it was made",
        "packages, cores, caches and nodes are compared by the CPUs that both have: 0-2",
    )
    smaller = allowed.replace('complete_cpuset="0xf"', 'complete_cpuset="0x7"')
    (row,) = [each for each in against(kb, exported(), smaller).rows if each.different]
    assert (row.kind, row.different) == (THREADS, (Difference("hardware thread of CPU 3", "there", None),))


def test_what_several_sources_tell_is_compared_together(kb: KnowledgeBase) -> None:
    facts = exported().said[0][1]
    place = [each for each in facts if each.name.startswith("cpu_") and each.name != "cpu_node"]
    others = [each for each in facts if each not in place]
    wrong = [fact("cpu_thread", cpu, 0, 0, cpu) for cpu in range(4)]  # overruled
    assert against(kb, said(cpuid=place, sysfs=wrong, pci=others)).exact


def test_nodes_of_the_firmware_are_those_of_its_processors(kb: KnowledgeBase) -> None:
    names = [fact("corename", cpu, "x86_64", compound("apic", 2 * cpu)) for cpu in range(4)]
    places = [fact("cpu_thread", cpu, 0, cpu, 0) for cpu in range(4)]
    nodes = [fact("cpu_affinity", 2 * cpu, 0, cpu // 2) for cpu in range(4)]
    rows = against(kb, said(cpuid=[*names, *places], acpi=nodes)).rows
    (row,) = [each for each in rows if each.kind == NODES]
    assert [each.machine for each in row.different] == ["CPUs 0-1, 0 B", "CPUs 2-3, 0 B"]  # no memory is told


OLD = f"""<topology><object type="Machine" os_index="0" cpuset="0xf">
  <object type="NUMANode" os_index="0" cpuset="0xf" local_memory="4096">
   <object type="Socket" os_index="0" cpuset="0xf">
    <object type="Group" cpuset="0x3"><info name="Type" value="Die"/>
     <object type="Cache" cpuset="0x3" cache_size="65536" depth="1" cache_linesize="64" cache_associativity="8"
       cache_type="2">{pu(0)}{pu(1)}</object></object>
    <object type="Group" cpuset="0xc"><info name="Type" value="Die"/>{pu(2)}{pu(3)}</object></object></object>
  <object type="NUMANode" os_index="1" local_memory="8192"/></object></topology>"""


def test_version_1_has_dies_among_groups_and_nodes_without_cpus(kb: KnowledgeBase) -> None:
    stated = reference_objects(OLD.encode(), "old.xml")
    assert stated.of("dies").keys() == {0b11, 0b1100}
    assert stated.of("L1 instruction caches") == {0b11: 65536}
    assert against(kb, exported(OLD), OLD).differences == 0


@pytest.mark.parametrize("text", ["", "<html/>", XML[:500], XML.replace("0xc", "0xg")])
def test_what_is_no_export_is_refused_with_its_place(kb: KnowledgeBase, text: str) -> None:
    with pytest.raises(DumpError, match=r"^reference\.xml:\d+"):
        against(kb, exported(), text)


@needs_data
def test_every_damage_to_a_real_export_is_a_difference(kb: KnowledgeBase) -> None:
    """Sizes, sets, numbers and devices of a real machine's reference, each changed by itself."""
    xml = (DATA / "sysfs/hwloc/40intel64-2g2n4c+pcilocality/lstopo-2.9-whole.xml").read_text()
    ours = said(sysfs=snapshot("40intel64-2g2n4c+pcilocality"))
    patterns = (
        r'cache_size="(\d+)"', r'local_memory="(\d+)"', r'type="(?:Package|Core|L3Cache)"[^>]* cpuset="0x([0-9a-f]+)',
        r'pci_type="[0-9a-f]{4} \[([0-9a-f]{4})', r'pci_busid="0000:([0-9a-f]{2}):',
    )  # fmt: skip
    chance = random.Random(7)
    for pattern in patterns:
        places = [match.span(1) for match in re.finditer(pattern, xml)]
        for start, end in chance.sample(places, min(3, len(places))):
            changed = xml[: end - 1] + ("5" if xml[end - 1] == "7" else "7") + xml[end:]
            assert not against(kb, ours, changed).exact, (pattern, xml[start:end])
    assert against(kb, ours, xml).exact


# -- which machine ---------------------------------------------------------------------------------


def test_a_machine_is_named_or_a_path_to_its_folder_or_to_dumps(kb: KnowledgeBase, tmp_path: Path) -> None:
    shipped = checking.sources_of("amd-4x4")
    assert checking.sources_of(str(machine.SHIPPED / "amd-4x4")) == shipped
    (tmp_path / "registers.txt").write_bytes((machine.SHIPPED / "amd-4x4" / "cpuid.txt").read_bytes())
    alone = checking.sources_of(str(tmp_path / "registers.txt"))
    assert [source for source, _ in alone.said or ()] == ["cpuid"]
    (tmp_path / "export.xml").write_text(XML)
    together = checking.sources_of(str(tmp_path))
    assert {source for source, _ in together.said or ()} == {"cpuid", "hwloc"}
    assert checking.check(kb, together).contradictions != ()


def test_two_dumps_of_one_kind_are_no_machine(tmp_path: Path) -> None:
    for name in ("one.xml", "two.xml"):
        (tmp_path / name).write_text(XML.replace("8086", "8087" if name == "two.xml" else "8086"))
    with pytest.raises(MachineError, match=r"one\.xml and .*two\.xml are both hwloc: a machine has one; name one"):
        checking.sources_of(str(tmp_path))


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "", "amd-4x5"])
def test_a_machine_that_is_not_there_is_told_in_one_line(name: str) -> None:
    with pytest.raises(MachineError, match=f"^no machine '{re.escape(name)}'"):
        checking.sources_of(name)


# -- the vocabulary --------------------------------------------------------------------------------


def everything_read() -> Iterator[tuple[str, str, list[Fact]]]:
    """The source, the case and the facts of every dump beside the checkout."""
    for path in SNAPSHOTS:
        yield "sysfs", path.parent.name, sysfs.read(path.read_bytes(), path.name)
    for path in (DATA / "sysfs" / "cpuinfo").glob("*.txt"):
        yield "sysfs", path.name, cpuinfo.read(path.read_bytes(), path.name)
    for path in [*(DATA / "hwloc-xml").glob("*/*.xml"), *(DATA / "sysfs").glob("hwloc*/*/lstopo-2.9-whole.xml")]:
        yield "hwloc", path.parent.name, hwloc.read(path.read_bytes(), path.name)
    for path in (DATA / "cpuid").glob("hwloc/*/*.tar.bz2"):
        yield "cpuid", path.parent.name, registers(path)
    for path in [*(DATA / "cpuid").glob("instlatx64/*/*CPUID*.txt*"), *(DATA / "cpuid").glob("libcpuid/*/*.test")]:
        yield "cpuid", path.parent.name, cpuid.read(unpacked(path), path.name)
    for path in (DATA / "acpi").glob("*/acpidump*"):
        yield "acpi", f"{path.parent.name}/{path.name}", acpi.read(unpacked(path), path.name)
    for path in (DATA / "pci").glob("*/lspci.txt"):
        yield "pci", path.parent.name, pci.read(path.read_bytes(), path.name)
    for path in (DATA / "latency").glob("intel-*.csv"):
        yield "measured", path.name, latency.read(path.read_bytes(), path.name)


def unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.fixture(scope="module")
def everything() -> list[tuple[str, str, list[Fact]]]:
    return list(everything_read())


@needs_data
def test_every_fact_of_every_dump_is_declared_for_its_source(
    kb: KnowledgeBase, everything: list[tuple[str, str, list[Fact]]]
) -> None:
    stated: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for source, _, facts in everything:
        stated[source] |= {(each.name, len(each.args)) for each in facts}
    declared: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for row in kb.all("vocabulary:declared_source(Name, Arity, Source)"):
        declared[row["Source"]].add((row["Name"], row["Arity"]))
    assert set(stated) == {"sysfs", "hwloc", "cpuid", "acpi", "pci", "measured"}
    assert {source: found - declared[source] for source, found in stated.items()} == {s: set() for s in stated}


# What real firmware, kernels and boards got wrong, and fwts put into its tables.
KNOWN = {
    "glpi-dell-xt2": {"buses_outside_bridge"},
    "fakeheterocpunuma": {"core_without_node", "clocks_differ_in_kind", "distance_asymmetric"},
    "asrock-k10n78d-athlon-x2/acpidump.full.txt.gz": {"bad_checksum"},  # OEMB, as AMI's firmware of the time has it
    "hp-dl165g7-2x-opteron-g34/acpidump.full.txt.gz": {"bad_checksum"},
    "fwts-hmat-good-and-bad/acpidump-bad.txt": {"bad_checksum"},
    "fwts-srat-good-and-bad/acpidump-bad.txt": {"bad_checksum"},
    "fwts-slit-good-and-bad/acpidump-bad.txt": {
        "bad_checksum", "distance_to_itself", "distance_too_short", "distance_asymmetric",
    },
}  # fmt: skip


@needs_data
def test_rules_find_what_is_wrong_with_real_dumps_and_nothing_else(
    kb: KnowledgeBase, everything: list[tuple[str, str, list[Fact]]]
) -> None:
    partial = {"core_without_package", "core_without_clock", "latency_zero"}  # one dump alone does not tell all
    found: dict[str, set[str]] = defaultdict(set)
    told_twice: set[str] = set()
    for source, case, facts in everything:
        check = checking.check(kb, said(**{source: facts}))
        if check.contradictions:
            told_twice.add(case)
        broken = {each.rule for each in check.findings if each.severity != "note"} - partial
        if source == "hwloc":  # it tells kinds of cores apart by their clocks, often without a name
            broken -= {"clocks_differ_in_kind"}
        if broken:
            found[case] |= broken
    assert dict(found) == KNOWN
    # two functions at 0000:04:00.0; a locality of three domains that are all called 0
    assert told_twice == {"32em64t-2n8c2t-pci-wholeio", "fwts-hmat-good-and-bad/acpidump-good.txt"}


# -- topologies that lstopo makes up ---------------------------------------------------------------

MADE_UP = [
    "pack:2 [numa(memory=1GB)] l3:1(size=4MB) core:2 pu:2", "pack:1 die:3 l3:2 l2:1 l1d:1 l1i:1 core:2 pu:1",
    "group:2 pack:2 [numa] core:3 pu:4(indexes=core:pu)", "pack:4 l2:2 core:1 pu:1", "numa:8 core:1 pu:64",
]  # fmt: skip


@pytest.mark.skipif(shutil.which("lstopo") is None, reason="no lstopo (package hwloc-nox)")
@pytest.mark.parametrize("topology", MADE_UP)
def test_exports_of_version_1_and_2_are_the_same_machine(kb: KnowledgeBase, topology: str) -> None:
    exports = [
        subprocess.run(["lstopo", "-i", topology, *version, "--of", "xml", "-"], capture_output=True, text=True,
                       check=True, timeout=60).stdout
        for version in ([], ["--export-xml-flags", "1"])
    ]  # fmt: skip
    for ours in exports:
        for theirs in exports:
            comparison = against(kb, exported(ours), theirs)
            assert comparison.differences == 0
            unstated = {row.kind for row in comparison.rows if not row.stated}
            assert unstated <= {"packages"} and (not unstated or "pack" not in topology)


def test_a_folder_is_checked_as_it_would_be_imported(tmp_path: Path) -> None:
    """A /proc/cpuinfo beside a copy of /sys adds what the copy does not say, and nothing a second time."""
    names = "".join(f"processor : {cpu}\nmodel name : Some CPU @ 2.00GHz\ncore id : 7\n\n" for cpu in range(2))
    (tmp_path / "cpuinfo").write_text(names)
    for cpu in range(2):
        topology = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        for file, content in (("core_cpus", f"{1 << cpu:x}"), ("core_id", str(cpu)), ("package_cpus", "3")):
            (topology / file).write_text(f"{content}\n")
    (sysfs,) = (facts for source, facts in checking.sources_of(str(tmp_path)).said or () if source == "sysfs")
    assert [each.args for each in sysfs if each.name == "cpu_thread"] == [(0, 0, 0, 0), (1, 0, 1, 0)]
    assert [each.args[0] for each in sysfs if each.name == "cpu_brand"] == [0, 1]
