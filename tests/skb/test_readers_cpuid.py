"""The CPUID reader against real machines: hwloc's expected topologies, libcpuid's values, annotations."""

import bz2
import gzip
import io
import json
import os
import random
import re
import tarfile
import time
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skb.facts import Fact, Text, compound, fact
from skb.readers import DumpError, cpuid

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
DUMPS = SHARED / "data" / "cpuid"
CASES = sorted(p.parent for p in DUMPS.glob("*/*/expected.json"))
needs_dumps = pytest.mark.skipif(not CASES, reason="no CPUID dumps beside the checkout (shared/data/cpuid)")

KB, MB = 1 << 10, 1 << 20

DIES_A_PACKAGE = {
    # AMD's multi-chip packages; hwloc does not show their nodes, so the number is from AMD's data sheets
    "AMD-15h-Bulldozer-4xOpteron-6272": 2,
    "AMD-17h-Zen-2xEpyc-7451": 4,
    "AuthenticAMD0100F91_K10_MagnyCours_CPUID": 2,
    "AuthenticAMD0600F12_Interlagos_CPUID": 2,
    "amd-opteron-processor-6274-dual": 2,
    "AuthenticAMD0800F82_K17_ZenP2_CPUID": 4,
    "amd-ryzen-threadripper-2950x-16-core-processor": 2,
}


def _span(first: int, count: int) -> frozenset[int]:
    return frozenset(range(first, first + count))


# What lstopo 2.9 does not see or sees wrong, from the makers' data sheets instead.
# Threadripper: two complexes of 8 MB a die, four cores each; CPU numbers run two a core.
CORRECTIONS: dict[str, dict[str, set]] = {
    "AuthenticAMD0800F82_K17_ZenP2_CPUID": {
        "Core": {_span(n, 2) for n in range(0, 64, 2)},
        "L3Cache": {(_span(n, 8), 8 * MB, 16, 64) for n in range(0, 64, 8)},
    },
    "amd-ryzen-threadripper-2950x-16-core-processor": {
        "Core": {_span(n, 2) for n in range(0, 32, 2)},
        "L3Cache": {(_span(n, 8), 8 * MB, 16, 64) for n in range(0, 32, 8)},
    },
    # Xeon 3.06 GHz, 1 MB L3 (Gallatin DP): descriptors of leaf 2, which hwloc does not read
    "GenuineIntel0000F25_P4_GallatinDP_CPUID": {
        "Core": {frozenset({0, 2}), frozenset({1, 3})},
        "L1Cache": {(frozenset({0, 2}), 8 * KB, 4, 64), (frozenset({1, 3}), 8 * KB, 4, 64)},
        "L2Cache": {(frozenset({0, 2}), 512 * KB, 8, 64), (frozenset({1, 3}), 512 * KB, 8, 64)},
        "L3Cache": {(frozenset({0, 2}), MB, 8, 64), (frozenset({1, 3}), MB, 8, 64)},
    },
    # VIA C3 Nehemiah: 64 KB each, 4, 4 and 16 ways
    "CentaurHauls0000694_C5XL_Nehemiah_CPUID": {
        "Core": {_span(0, 1)},
        "L1Cache": {(_span(0, 1), 64 * KB, 4, 32)},
        "L1iCache": {(_span(0, 1), 64 * KB, 4, 32)},
        "L2Cache": {(_span(0, 1), 64 * KB, 16, 32)},
    },
    "CyrixInstead0000520_6x86_CPUID": {"Core": {_span(0, 1)}},
    "cortex-a72": {
        "Package": {_span(0, 4)},
        "PU": {_span(n, 1) for n in range(4)},
        "Core": {_span(n, 1) for n in range(4)},
    },
    # one CPU of 64, without its 8000001D subleaves: the package's L3 is all that is stated
    "hygon-c86-7185-32-core-processor": {
        "Package": {_span(0, 1)},
        "PU": {_span(0, 1)},
        "Core": {_span(0, 1)},
        "L1Cache": {(_span(0, 1), 32 * KB, 8, 64)},
        "L1iCache": {(_span(0, 1), 64 * KB, 4, 64)},
        "L2Cache": {(_span(0, 1), 512 * KB, 8, 64)},
        "L3Cache": {(_span(0, 1), 64 * MB, 64, 64)},
    },
}


def dump_of(case: Path) -> tuple[bytes | dict[str, bytes], str]:
    """The dump of a case folder: one file's bytes, or a folder's files."""
    for path in sorted(case.iterdir()):
        if path.name.endswith(".tar.bz2"):
            with tarfile.open(fileobj=io.BytesIO(bz2.decompress(path.read_bytes()))) as tar:
                members = [m for m in tar.getmembers() if m.isfile()]
                return {m.name: tar.extractfile(m).read() for m in members}, case.name
    for path in sorted(case.iterdir()):
        if path.suffix in (".test", ".txt", ".gz") and path.name != "SOURCE.txt":
            data = path.read_bytes()
            return (gzip.decompress(data) if path.suffix == ".gz" else data), path.name
    raise AssertionError(f"no dump in {case}")


def facts_of(case: Path) -> list[Fact]:
    dump, name = dump_of(case)
    return cpuid.read_folder(dump, name) if isinstance(dump, dict) else cpuid.read(dump, name)


def objects_of(facts: list[Fact]) -> dict[str, set]:
    """hwloc's objects from facts: sets of CPUs; caches with size, ways and line size."""
    groups: dict[tuple, set[int]] = defaultdict(set)
    geometry: dict[tuple[int, int, str], tuple[int, int, int]] = {}
    for f in facts:
        if f.name == "cpu_thread":
            core, package, inner, _ = f.args
            groups["Package", package].add(core)
            groups["Core", package, inner].add(core)
            groups["PU", core].add(core)
        elif f.name == "cpu_die":
            groups["Die", f.args[1]].add(f.args[0])
        elif f.name == "cpu_cache":
            core, _, level, kind, size, ways, line, _, _ = f.args
            geometry[core, level, kind] = size, ways, line
    for f in facts:
        if f.name == "cpu_cache_id":
            core, level, kind, instance = f.args
            name = f"L{level}{'i' if kind == 'instr' else ''}Cache"
            groups[name, instance, *geometry[core, level, kind]].add(core)
    found: dict[str, set] = defaultdict(set)
    for (name, *key), members in groups.items():
        cpus = frozenset(members)
        found[name].add((cpus, *key[1:]) if name.endswith("Cache") else cpus)
    return found


def objects_of_xml(path: Path) -> dict[str, set]:
    """The objects of an hwloc XML file, in the form of `objects_of`."""
    found: dict[str, set] = defaultdict(set)
    for element in ET.parse(path).iter("object"):
        words = element.get("cpuset", "").split(",")
        bits = int("".join(f"{int(word or '0', 16):08x}" for word in words), 16)
        cpus = frozenset(n for n in range(bits.bit_length()) if bits >> n & 1)
        name = element.get("type")
        if name.endswith("Cache"):
            size, line = int(element.get("cache_size")), int(element.get("cache_linesize"))
            ways = int(element.get("cache_associativity"))
            found[name].add((cpus, size, size // line if ways == -1 else ways, line))
        elif name in ("Package", "Die", "Core", "PU"):
            found[name].add(cpus)
    return found


def reference_of(case: Path) -> dict[str, set]:
    """hwloc trunk's expected objects where there are any, else lstopo 2.9's, corrected as stated above."""
    candidates = [
        case / f"{case.name}.xml",
        DUMPS / "hwloc" / case.name / f"{case.name}.xml",
        case / "lstopo-2.9.xml",
    ]
    path = next((p for p in candidates if p.exists()), None)
    objects = objects_of_xml(path) if path else {}
    return {**objects, **CORRECTIONS.get(case.name, {})}


@needs_dumps
@pytest.mark.parametrize("case", CASES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_a_real_machine_has_the_packages_dies_cores_threads_and_caches_it_really_has(case: Path) -> None:
    ours = objects_of(facts_of(case))
    reference = reference_of(case)
    for kind in ("Package", "Core", "PU", "L1Cache", "L1iCache", "L2Cache", "L3Cache"):
        assert ours.get(kind, set()) == reference.get(kind, set()), kind
    inner_dies = ours.get("Die", set()) - ours["Package"]
    if case.name in DIES_A_PACKAGE:
        for package in ours["Package"]:
            dies = [die for die in inner_dies if die <= package]
            assert len(dies) == DIES_A_PACKAGE[case.name]
            assert {len(die) for die in dies} == {len(package) // len(dies)}
        assert all(any(cpus <= die for die in inner_dies) for cpus, *_ in ours["L3Cache"])
    else:
        assert inner_dies == reference.get("Die", set()) - ours["Package"]


@needs_dumps
@pytest.mark.parametrize("case", CASES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_shared_counts_the_threads_that_share_an_instance(case: Path) -> None:
    facts = facts_of(case)
    members: dict[tuple, set[int]] = defaultdict(set)
    for f in facts:
        if f.name == "cpu_cache_id":
            members[f.args[1:]].add(f.args[0])
    instance_of = {f.args[:3]: f.args[1:] for f in facts if f.name == "cpu_cache_id"}
    for f in facts:
        if f.name == "cpu_cache":
            core, _, level, kind, *_, shared, _ = f.args
            assert shared == len(members[instance_of[core, level, kind]])
    for level, kind in {key[:2] for key in members}:
        ids = {key[2] for key in members if key[:2] == (level, kind)}
        assert ids == set(range(len(ids)))


@needs_dumps
@pytest.mark.parametrize(
    "case",
    [c for c in CASES if "annotated_package_core_thread" in (c / "expected.json").read_text()],
    ids=lambda p: p.name,
)
def test_packages_and_cores_are_those_that_the_dumping_program_wrote_beside_each_cpu(case: Path) -> None:
    annotated = json.loads((case / "expected.json").read_text())["annotated_package_core_thread"]
    expected_packages, expected_cores = defaultdict(set), defaultdict(set)
    for number, (package, core, _) in enumerate(annotated):
        expected_packages[package].add(number)
        expected_cores[package, core].add(number)
    ours = objects_of(facts_of(case))
    assert ours["Package"] == {frozenset(s) for s in expected_packages.values()}
    assert ours["Core"] == {frozenset(s) for s in expected_cores.values()}


APIC_IDS_MOVED = {
    # the firmware moved the ids after reset: leaf 1 keeps the old ones, 8000001E has those of the APIC
    # (BKDG family 15h, CPUID Fn8000_001E_EAX), which are the MADT's
    "AuthenticAMD0600F12_Interlagos_CPUID",
    "amd-opteron-processor-6274-dual",
    "AuthenticAMD0800F82_K17_ZenP2_CPUID",
}


@needs_dumps
@pytest.mark.parametrize(
    "case", [c for c in CASES if "apic_ids" in (c / "expected.json").read_text()], ids=lambda p: p.name
)
def test_brand_and_apic_ids_are_the_machines(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text())
    facts = facts_of(case)
    apics = [f.args[2].args[0] for f in facts if f.name == "corename"]
    assert len(set(apics)) == len(apics)
    if case.name not in APIC_IDS_MOVED:
        # 8 bits of leaf 1 in the expected file, which Genoa's 9-bit ids do not fit
        assert [a & 0xFF for a in apics] == [a & 0xFF for a in expected["apic_ids"]]
    brands = {f.args[1] for f in facts if f.name == "cpu_brand"}
    assert brands == ({Text(expected["brand"])} if expected["brand"] else set())


def libcpuid_blocks(case: Path) -> list[list[str]]:
    text = next(case.glob("*.test")).read_text()
    return [block.strip().splitlines() for block in re.split(r"^-{60,}$", text, flags=re.M)[1:]]


@needs_dumps
@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c.parent.name == "libcpuid" and c.name != "cortex-a72"],
    ids=lambda p: p.name,
)
def test_family_and_caches_are_what_libcpuid_makes_of_the_same_registers(case: Path) -> None:
    facts = facts_of(case)
    kind_of = {f.args[0]: f.args[1] for f in facts if f.name == "cpu_kind"}
    for block in libcpuid_blocks(case):
        purpose = block[2]
        numbers = [int(value) if re.fullmatch(r"-?\d+", value) else None for value in block[:30]]
        members = {f.args[0] for f in facts if f.name == "vendor"}
        members = {core for core in members if kind_of.get(core, "general") == purpose}
        families = {f.args[2:] for f in facts if f.name == "cpu_family" and f.args[0] in members}
        assert families == {(numbers[6], numbers[7], numbers[5])}
        if len(members) > 1:
            assert len(members) == numbers[9]
        names = ("l1d", "l1i", "l2", "l3")
        for name, size_kb, ways, line, count in zip(
            names, numbers[10:14], numbers[15:19], numbers[20:24], numbers[25:29], strict=True
        ):
            own = [f.args for f in facts if f.name == "cpu_cache" and f.args[0] in members]
            own = [args for args in own if args[1] == name]
            if size_kb == -1:
                continue
            ids = {
                f.args[3]
                for f in facts
                if f.name == "cpu_cache_id" and f.args[0] in members and f.args[1:3] == own[0][2:4]
            }
            per_package = {a[5] for a in own}
            if {a[4] for a in own} != {size_kb * KB}:  # two-die Opterons: libcpuid gives the package's sum
                dies = DIES_A_PACKAGE[case.name]
                assert name == "l3" and {a[4] * dies for a in own} == {size_kb * KB}
                continue
            assert per_package == {ways}
            assert {a[6] for a in own} == {line}
            if count != -1:
                packages = {f.args[1] for f in facts if f.name == "cpu_thread" and f.args[0] in members}
                assert len(ids) in (count, count * len(packages))


@needs_dumps
def test_a_hybrid_machines_kinds_of_core_are_those_aida64_names() -> None:
    case = DUMPS / "instlatx64" / "GenuineIntel0090672_AlderLake_01_LC_BC_CPUID"
    text = next(p for p in case.glob("*.txt") if p.name != "SOURCE.txt").read_text()
    named = re.findall(r"^allcpu: .*Intel (Core|Atom)", text, re.M)
    kinds = [f.args[1] for f in facts_of(case) if f.name == "cpu_kind"]
    assert kinds == [{"Core": "performance", "Atom": "efficiency"}[name] for name in named]


@needs_dumps
def test_the_low_power_cores_are_those_outside_the_l3() -> None:
    facts = facts_of(DUMPS / "instlatx64" / "GenuineIntel00A06A4_MeteorLake_07_CPUID")
    with_l3 = {f.args[0] for f in facts if f.name == "cpu_cache" and f.args[2] == 3}
    low = {f.args[0] for f in facts if f.name == "cpu_kind" and f.args[1] == "low_power"}
    assert low == {16, 17} and not low & with_l3


@needs_dumps
def test_the_same_registers_give_the_same_facts_in_every_layout() -> None:
    for case in (DUMPS / "cpuid-r").iterdir():
        assert facts_of(case) == facts_of(DUMPS / "hwloc" / case.name)


@needs_dumps
def test_every_dump_is_recognised_and_other_text_is_not() -> None:
    for case in CASES:
        dump, _ = dump_of(case)
        for name, data in dump.items() if isinstance(dump, dict) else [("", dump)]:
            assert cpuid.recognises(data) == (not name or "/pu" in name), (case, name)
    for other in (b"", b"RSD PTR @ 0x000F0490\n", b"00:00.0 Host bridge\n00: 22 10\n", b"\x7fELF\0\0"):
        assert not cpuid.recognises(other)


BARCELONA = """\
CPU 0:
   0x00000000 0x00: eax=0x00000005 ebx=0x68747541 ecx=0x444d4163 edx=0x69746e65
   0x00000001 0x00: eax=0x00100f21 ebx=0x00040800 ecx=0x00802009 edx=0x178bfbff
   0x80000000 0x00: eax=0x8000001a ebx=0x68747541 ecx=0x444d4163 edx=0x69746e65
   0x80000005 0x00: eax=0xff30ff10 ebx=0xff30ff20 ecx=0x40020140 edx=0x40020140
   0x80000006 0x00: eax=0x20800000 ebx=0x42004200 ecx=0x02008140 edx=0x0010a140
   0x80000008 0x00: eax=0x00003030 ebx=0x00000000 ecx=0x00002003 edx=0x00000000
"""


def test_an_opterons_registers_read_as_its_data_sheet_does() -> None:
    facts = cpuid.read(BARCELONA.encode(), "cpuid.txt")
    assert facts[:4] == [
        fact("corename", 0, "x86_32", compound("apic", 0)),  # 80000001, which says x86_64, is not there
        fact("cpu_thread", 0, 0, 0, 0),
        fact("vendor", 0, "amd"),
        fact("cpu_family", 0, "amd", 0x10, 2, 1),
    ]
    assert fact("cpu_addrspace", 0, 48, 48, 48) in facts
    assert fact("cpu_cache", 0, "l1d", 1, "data", 64 * KB, 2, 64, 1, 0) in facts
    assert fact("cpu_cache", 0, "l2", 2, "unified", 512 * KB, 16, 64, 1, 0) in facts
    assert fact("cpu_cache", 0, "l3", 3, "unified", 2 * MB, 32, 64, 1, 0) in facts
    assert fact("cpu_tlb", 0, "data", 1, 4 * KB, 48, 48) in facts  # fully associative
    assert fact("cpu_tlb", 0, "data", 2, 2 * MB, 128, 2) in facts
    assert fact("cpu_feature", 0, "cx16") in facts


def test_a_compute_unit_shares_its_l2_even_where_the_dump_lacks_the_leaf_that_says_so() -> None:
    # an RX-427BB ("Bald Eagle"), dumped by a program that did not know 8000001D
    report = "".join(
        f"------[ CPUID Registers / Logical CPU #{cpu} ]------\n"
        "CPUID 00000000: 0000000D-68747541-444D4163-69746E65 [AuthenticAMD]\n"
        f"CPUID 00000001: 00630F01-{cpu:02X}040800-3E98320B-178BFBFF\n"
        "CPUID 80000000: 8000001E-68747541-444D4163-69746E65 [AuthenticAMD]\n"
        "CPUID 80000001: 00630F01-00000000-0FABBFFF-2FD3FBFF\n"
        "CPUID 80000005: FF40FF18-FF40FF30-10040140-60030140 [L1D: 16 KB / L1I: 96 KB]\n"
        "CPUID 80000006: 64006400-64004200-08008140-00000000 [L2: 2048 KB] / L3: 0 KB]\n"
        "CPUID 80000008: 00003030-00000000-00004003-00000000\n"
        f"CPUID 8000001E: {0x10 + cpu:08X}-{0x100 + cpu // 2:08X}-00000000-00000000\n"
        for cpu in range(4)
    )
    objects = objects_of(cpuid.read(report.encode(), "report.txt"))
    pairs = frozenset({0, 1}), frozenset({2, 3})
    assert objects["L1Cache"] == {(frozenset({n}), 16 * KB, 4, 64) for n in range(4)}
    assert objects["L1iCache"] == {(pair, 96 * KB, 3, 64) for pair in pairs}
    assert objects["L2Cache"] == {(pair, 2 * MB, 16, 64) for pair in pairs}
    assert len(objects["Core"]) == 4 and len(objects["Package"]) == 1


def test_crlf_lower_case_and_headerless_reports_are_read() -> None:
    report = "\r\n".join(
        f"cpuid {line}".replace("cpuid", "CPUID")
        for apic in (0, 1)
        for line in (
            "00000000: 00000005-68747541-444d4163-69746e65",
            f"00000001: 00100f21-{apic:02x}040800-00802009-178bfbff [comment]",
        )
    )
    facts = cpuid.read(report.encode(), "report.txt")
    assert [f.args for f in facts if f.name == "corename"] == [
        (0, "x86_32", compound("apic", 0)),
        (1, "x86_32", compound("apic", 1)),
    ]


def test_cpus_numbered_anew_in_each_processor_group_are_numbered_through() -> None:
    report = "".join(
        f"Group: 0x{group:02X} Affinity mask: 0x{1 << n:016X}\n"
        "CPUID 00000000: 00000001-68747541-444D4163-69746E65\n"
        f"CPUID 00000001: 00100F21-{2 * group + n:02X}040800-00802009-178BFBFF\n"
        for group in (0, 1)
        for n in (0, 1)
    )
    facts = cpuid.read(report.encode(), "report.txt")
    assert [f.args[0] for f in facts if f.name == "corename"] == [0, 1, 2, 3]


def report(*rows: str) -> bytes:
    """An InstLatX64 report without headers: rows are LEAF: EAX-EBX-ECX-EDX."""
    return "".join(f"CPUID {row}\n" for row in rows).encode()


def packages_of(facts: list[Fact]) -> list[int]:
    return [f.args[1] for f in facts if f.name == "cpu_thread"]


def clocks_of(data: bytes) -> set[int]:
    return {f.args[1] for f in cpuid.read(data, "clock.txt") if f.name == "cpu_clock"}


def test_two_pentium_iiis_are_two_packages_though_they_state_no_apic_id() -> None:
    # leaf 1 EBX[31:24] is reserved before the Pentium 4
    one = ("00000000: 00000002-756E6547-6C65746E-49656E69", "00000001: 000006B1-00000004-00000000-0383FBFF")
    facts = cpuid.read(report(*one, *one), "dual.txt")
    assert packages_of(facts) == [0, 1]
    assert [f.args for f in facts if f.name == "corename"] == [
        (0, "x86_32", compound("apic", 0)),
        (1, "x86_32", compound("apic", 1)),
    ]


def test_what_stands_for_the_apic_id_of_a_cpu_without_an_apic_is_not_read() -> None:
    # a VIA Samuel leaves an address in EBX and ECX of leaf 1
    facts = cpuid.read(
        report("00000000: 00000001-746E6543-736C7561-48727561", "00000001: 00000660-C1704000-C1705F8C-008031B5"),
        "samuel.txt",
    )
    assert facts[:2] == [fact("corename", 0, "x86_32", compound("apic", 0)), fact("cpu_thread", 0, 0, 0, 0)]


def test_the_first_celerons_of_netburst_have_their_sectored_l2() -> None:
    facts = cpuid.read(
        report(
            "00000000: 00000002-756E6547-6C65746E-49656E69",
            "00000001: 00000F13-0001080A-00000000-3FEBFBFF",
            "00000002: 665B5001-00000000-00000000-003B7040",
        ),
        "celeron.txt",
    )
    assert fact("cpu_cache", 0, "l2", 2, "unified", 128 * KB, 2, 64, 1, 0) in facts


def test_what_leaf_4_leaves_out_in_an_old_dump_is_taken_from_leaf_2() -> None:
    # a Xeon "Tulsa" by a program that asked leaf 4 once: two cores of two threads, L3 6 MB (descriptor 4A)
    rows = [
        row
        for apic in (8, 9, 10, 11)
        for row in (
            "00000000: 00000006-756E6547-6C65746E-49656E69",
            f"00000001: 00000F66-{apic:02X}040800-0000E5BD-BFEBFBFF",
            "00000002: 605B5001-00000000-00000000-007C704A",
            "00000004: 04004121-01C0003F-0000001F-00000000",
        )
    ]
    objects = objects_of(cpuid.read(report(*rows), "tulsa.txt"))
    assert objects["L1Cache"] == {(_span(n, 2), 16 * KB, 8, 64) for n in (0, 2)}
    assert objects["L2Cache"] == {(_span(n, 2), MB, 8, 64) for n in (0, 2)}
    assert objects["L3Cache"] == {(_span(0, 4), 6 * MB, 12, 64)}


@needs_dumps
@pytest.mark.parametrize(
    "name", ["Intel-Core-2xXeon-E5345", "Intel-Nehalem-2xXeon-X5550", "Intel-Penryn-4xXeon-X7460"]
)
def test_leaf_2_and_the_first_subleaf_of_leaf_4_tell_the_same_caches_as_all_of_leaf_4(name: str) -> None:
    dump, _ = dump_of(DUMPS / "hwloc" / name)
    assert isinstance(dump, dict)
    shorter = {path: re.sub(rb"(?m)^5 4 0 [1-9].*\n", b"", data) for path, data in dump.items()}
    assert shorter != dump
    assert objects_of(cpuid.read_folder(shorter, name)) == objects_of(cpuid.read_folder(dump, name))


def test_a_module_is_a_cluster_and_its_low_power_cores_share_an_l2_without_l3() -> None:
    # Lunar Lake: performance cores 8 ids apart, one module of four low-power cores, no L3 for these
    report_ = "".join(
        f"------[ CPUID Registers / Logical CPU #{cpu} ]------\n"
        "CPUID 00000000: 00000020-756E6547-6C65746E-49656E69\n"
        f"CPUID 00000001: 000B06D1-{apic:02X}800800-7FFAFBFF-BFEBFBFF\n"
        "CPUID 00000004: FC01C143-03C0003F-00000FFF-00000000 [SL 00]\n"
        f"CPUID 00000004: {'00000000' if low else 'FC0FC163'}-02C0003F-00003FFF-00000004 [SL 01]\n"
        "CPUID 00000007: 00000002-239CA7EB-994027AC-FC1CC430 [SL 00]\n"
        f"CPUID 0000001A: {'2' if low else '4'}0000003-00000000-00000000-00000000\n"
        f"CPUID 0000001F: 00000001-00000001-00000100-{apic:08X} [SL 00]\n"
        f"CPUID 0000001F: 00000003-00000001-00000201-{apic:08X} [SL 01]\n"
        f"CPUID 0000001F: 00000007-00000008-00000302-{apic:08X} [SL 02]\n"
        for cpu, (apic, low) in enumerate([(0, False), (8, False), (0x40, True), (0x42, True), (0x46, True)])
    )
    facts = cpuid.read(report_.encode(), "lunar.txt")
    named = {name: [f.args[1] for f in facts if f.name == name] for name in ("cpu_cluster", "cpu_kind")}
    assert named["cpu_cluster"] == [0, 1, 2, 2, 2]
    assert named["cpu_kind"] == ["performance"] * 2 + ["low_power"] * 3
    objects = objects_of(facts)
    assert {cpus for cpus, *_ in objects["L2Cache"]} == {_span(0, 1), _span(1, 1), _span(2, 3)}
    assert {cpus for cpus, *_ in objects["L3Cache"]} == {_span(0, 2)}


def test_a_leaf_1f_with_dies_says_where_zhaoxins_dies_are() -> None:
    # KaiSheng KH-40000: 16 cores a die, type 5 above the cores, under Centaur's name
    rows = [
        row
        for apic in (0, 15, 16, 64)
        for row in (
            "00000000: 0000001F-746E6543-736C7561-48727561",
            f"00000001: 000507B3-{apic:02X}400800-7FFA73E3-BFCBFBFF",
            f"0000001F: 00000000-00000001-00000100-{apic:08X} [SL 00]",
            f"0000001F: 00000004-00000010-00000201-{apic:08X} [SL 01]",
            f"0000001F: 00000006-00000010-00000502-{apic:08X} [SL 02]",
        )
    ]
    facts = cpuid.read(report(*rows), "kaisheng.txt")
    assert packages_of(facts) == [0, 0, 0, 1]
    assert [f.args[1] for f in facts if f.name == "cpu_die"] == [0, 0, 1, 2]


def _branded(text: str, *rows: str) -> bytes:
    words = [int.from_bytes(text.encode().ljust(48, b"\0")[i : i + 4], "little") for i in range(0, 48, 4)]
    lines = [f"8000000{2 + n}: " + "-".join(f"{w:08X}" for w in words[4 * n : 4 * n + 4]) for n in range(3)]
    return report(*rows, "80000000: 80000004-00000000-00000000-00000000", *lines)


INTEL_TO_16 = "00000000: 00000016-756E6547-6C65746E-49656E69"
LEAF_15 = "00000015: 00000002-000000AC-0249F000-00000000"  # 38.4 MHz × 172 / 2
LEAF_16 = "00000016: 00000CE4-000013EC-00000064-00000000"  # base 3300, turbo 5100


@pytest.mark.parametrize(
    ("data", "hertz"),
    [
        (_branded("Intel(R) Xeon(R) CPU @ 2.50GHz", INTEL_TO_16, LEAF_15, LEAF_16), 2_500_000_000),
        (_branded("Intel(R) Core(TM) Ultra 9 288V", INTEL_TO_16, LEAF_15, LEAF_16), 3_300_000_000),
        (_branded("Intel(R) Core(TM) Ultra 9 288V", INTEL_TO_16, LEAF_15), 3_302_400_000),
        (_branded("VIA Eden X4 C4250@1.2+GHz", "00000000: 0000000D-746E6543-736C7561-48727561"), 1_200_000_000),
        (
            report(
                "00000000: 00000003-756E6547-3638784D-54656E69",
                "00000001: 00000F24-00011000-00000000-2FCFF9FF",
                "80860000: 80860007-6E617254-55504361-74656D73",
                "80860001: 00000F24-02000000-000003E8-0000142A",
            ),
            1_000_000_000,
        ),
        (
            report(
                "00000000: 0000000D-68747541-444D4163-69746E65",
                "00000001: 00800F12-00010800-F6D8320B-178BFBFD",  # ECX bit 31: under a hypervisor
                "40000000: 40000010-4B4D564B-564B4D56-0000004D",
                "40000010: 0023C346-00000000-00000000-00000000",
            ),
            2_343_750_000,
        ),
    ],
    ids=["brand", "leaf 16", "leaf 15", "VIA's plus", "Transmeta", "hypervisor"],
)
def test_the_clock_is_the_brands_else_the_base_of_leaf_16_else_the_crystals(data: bytes, hertz: int) -> None:
    assert clocks_of(data) == {hertz}


def test_a_report_indented_as_in_aida64s_pages_is_read_the_same() -> None:
    flat = report("00000000: 00000001-68747541-444D4163-69746E65", "00000001: 00100F21-00040800-00802009-178BFBFF")
    indented = flat.replace(b"CPUID ", b"      CPUID ").replace(b": ", b"   ")
    assert cpuid.read(indented, "page.txt") == cpuid.read(flat, "page.txt")
    assert cpuid.recognises(indented)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cpuid.txt:1: no CPUID registers here"),
        ("hello\n", "cpuid.txt:1: no CPUID registers here"),
        (BARCELONA[:120], "cpuid.txt:3: "),
        (BARCELONA + "CPU 0:\n", "cpuid.txt:8: CPU 0 again; it began at line 1"),
        (BARCELONA + BARCELONA.replace("CPU 0", "CPU 1"), "cpuid.txt:8: CPU 1 has APIC id 0, as CPU 0 has"),
        (BARCELONA + "CPU 99999999:\n", "cpuid.txt:8: CPU number 99999999 is beyond 65535"),
        (BARCELONA[7:], 'cpuid.txt:1: registers before any "CPU n:" line'),
        ("CPUID 00000000: 00000005-68747541-444D\n" * 2, "cpuid.txt:1: no CPUID registers here"),
        ("basic_cpuid[0]=0000000d 6f6779\n", "cpuid.txt:1: 'basic_cpuid[0]=0000000d 6f6779' is incomplete"),
        ("CPU 0:\n\0", "cpuid.txt: offset 0x7: a zero byte"),
    ],
)
def test_a_broken_dump_says_where_and_what(text: str, message: str) -> None:
    with pytest.raises(DumpError) as raised:
        cpuid.read(text.encode(), "cpuid.txt")
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_a_broken_folder_names_the_file_and_line() -> None:
    good = b"# mask e[abcd]x => e[abcd]x\n1 0 0 0 0 => 1 68747541 444d4163 69746e65\n"
    with pytest.raises(DumpError, match=r"^dir/pu3:3: '1 1 0 0 0 => 100f'; expected `MASK EAX"):
        cpuid.read_folder({"pu3": good + b"1 1 0 0 0 => 100f\n"}, "dir")
    with pytest.raises(DumpError, match=r"^dir: no file puN"):
        cpuid.read_folder({"README": b""}, "dir")


def _mutations(data: bytes, rng: random.Random) -> bytes:
    broken = bytearray(data)
    how = rng.randrange(4)
    if how == 0:
        return bytes(broken[: rng.randrange(len(broken) + 1)])
    for _ in range(rng.randrange(1, 20)):
        at = rng.randrange(len(broken))
        if how == 1:
            broken[at] ^= 1 << rng.randrange(8)
        elif how == 2:
            broken[at] = rng.choice(b"0123456789abcdefABCDEF-: \n[]xu#")
        else:
            cut = rng.randrange(at, min(at + 200, len(broken)))
            broken[at:cut] = broken[rng.randrange(len(broken)) :][: rng.randrange(200)]
            if not broken:
                return b""
    return bytes(broken)


def read_or_refuse(data: bytes) -> None:
    """Facts, or a DumpError that names a place; nothing else, and not for long."""
    began = time.perf_counter()
    try:
        facts = cpuid.read(data, "broken.txt")
        assert all(isinstance(f, Fact) and str(f) for f in facts)
    except DumpError as error:
        assert re.match(r"broken\.txt(:\d+|: offset 0x[0-9a-f]+)\Z", error.where)
    assert time.perf_counter() - began < 2


def _small_dumps() -> list[bytes]:
    dumps = [dump for dump, _ in map(dump_of, CASES) if isinstance(dump, bytes)]
    return [BARCELONA.encode(), *(d for d in dumps if len(d) < 60_000)]


def test_mutated_dumps_give_facts_or_a_place() -> None:
    rng = random.Random(1)
    dumps = _small_dumps()
    for _ in range(150):
        read_or_refuse(_mutations(rng.choice(dumps), rng))


@pytest.mark.slow
def test_ten_thousand_mutated_dumps_give_facts_or_a_place() -> None:
    rng = random.Random(2)
    dumps = _small_dumps()
    for _ in range(10_000):
        read_or_refuse(_mutations(rng.choice(dumps), rng))


@given(st.text(alphabet="CPUID 0x123489af:=-[]_#()\neax", max_size=300))
@settings(max_examples=200, deadline=None)
def test_random_text_gives_facts_or_a_place(text: str) -> None:
    read_or_refuse(text.encode())


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 2, 4, 7, 0xB, 0x18, 0x1F, 0x80000000, 0x80000008, 0x8000001D, 0x8000001E,
                             0x80000026]),
            st.integers(0, 3),
            st.tuples(*[st.integers(0, 0xFFFFFFFF)] * 4),
        ),
        max_size=30,
    ),
    st.sampled_from(["GenuineIntel", "AuthenticAMD", "CentaurHauls"]),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_any_registers_whatever_give_facts_or_a_place(rows: list, maker: str) -> None:
    words = [int.from_bytes(maker[i : i + 4].encode(), "little") for i in (0, 4, 8)]
    lines = [f"0x00000000 0x00: eax=0x00000020 ebx=0x{words[0]:08x} ecx=0x{words[2]:08x} edx=0x{words[1]:08x}"]
    lines += [
        f"0x{leaf:08x} 0x{sub:02x}: eax=0x{a:08x} ebx=0x{b:08x} ecx=0x{c:08x} edx=0x{d:08x}"
        for leaf, sub, (a, b, c, d) in rows
    ]
    read_or_refuse("CPU 0:\n   {}\n".format("\n   ".join(lines)).encode())


@pytest.mark.parametrize("written", [
    lambda text: text.encode("utf-16"), lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    lambda text: text.encode("utf-8-sig"), lambda text: text.replace("\n", "\r\n").encode(),
    lambda text: b"$ cpuid -r\n" + text.encode(),
], ids=["utf-16", "utf-16-be", "utf-8-sig", "crlf", "prompt"])
def test_registers_are_read_however_their_text_was_kept(written: Callable[[str], bytes]) -> None:
    text = (Path(__file__).resolve().parents[2] / "machines" / "amd-4x4" / "cpuid.txt").read_text()
    assert cpuid.recognises(written(text))
    assert cpuid.read(written(text), "x") == cpuid.read(text.encode(), "x")


def test_a_report_in_small_letters_is_read() -> None:
    line = "CPUID 00000000: 00000001-68747541-444D4163-69746E65\n"
    line += "CPUID 00000001: 00100F80-00060800-00802009-178BFBFF\n"
    assert cpuid.recognises(line.lower().encode())
    assert cpuid.read(line.lower().encode(), "x") == cpuid.read(line.encode(), "x")
