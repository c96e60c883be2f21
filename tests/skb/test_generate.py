"""Shipped machines: made from their descriptions, accepted by the system's own tools, read as stated."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from skb import machine
from skb.generate import generate, main
from skb.knowledge import KnowledgeBase
from skb.writers.pci import PciError, northbridges

DESCRIBED = sorted(machine.SHIPPED.glob("*/machine.toml"))

Load = Callable[[str], KnowledgeBase]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, cwd=cwd, check=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("description", DESCRIBED, ids=lambda path: path.parent.name)
def test_the_dumps_of_a_machine_are_those_its_description_makes(description: Path) -> None:
    for name, data in generate(tomllib.loads(description.read_text())).items():
        assert (description.parent / name).read_bytes() == data, name


SLIPS = [  # what is written in place of what in amd-4x4's description, and what is said of it
    ("[latency]", "[latencies]", "no table 'latencies'; did you mean latency?"),
    ("node_bytes", "node_byte", "no entry 'memory.node_byte'; did you mean node_bytes?"),
    ("hole = ", "# ", "no entry 'memory.hole'"),
    ("cores_a_package = 4", "cores_a_package = 0", "a machine of 4 packages with 0 cores each"),
    ("cores_a_package = 4", "# ", "no entry 'processor.cores_a_package'"),
    ("model = 4", "modle = 4", "no entry 'processor.modle'; did you mean model?"),
    ('"amd_family_10h"', '"amd_family_11h"', "processor.encoder: there is amd_family_0fh, amd_family_10h"),
    ("[2, 0]]", "[2, 4]]", "interconnect.links: 2-4 leads outside packages 0-3"),
    ("[[0, 1], [1, 3], [3, 2], [2, 0]]", "[[0, 1]]", "interconnect.links: no way from package 0 to package 2"),
    ("{ hops = 2, latency = 558 }", "", "latency.pairs: none holds of cores"),
    ('lmp = [1463, "cycles", ', "lmp = [", 'costs.lmp: expected [value, "unit", "source"]'),
    ("[interconnect]", '[interconnect]\nshape = "ring"', "interconnect: shape and links are both stated"),
    ("[memory]", "[memory]\nnodes_a_package = 5", "memory.nodes_a_package: 5 nodes for 4 cores of a package"),
    ("[memory]", "[dies]\ncores = 3\n[memory]", "dies of 3 cores do not fill a package of 4"),
    ("[processor]", "[processor", "Expected ']' at the end of a table declaration"),
]


@pytest.mark.parametrize(("right", "slip", "message"), SLIPS, ids=[slip[2] for slip in SLIPS])
def test_a_slip_in_a_description_is_told_in_a_line(
    right: str, slip: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (machine.SHIPPED / "amd-4x4" / "machine.toml").read_text()
    assert right in text
    (tmp_path / "machine.toml").write_text(text.replace(right, slip, 1))
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{tmp_path / 'machine.toml'}: {message}")
    assert said.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["machine.toml"]


@pytest.mark.parametrize(
    ("name", "part", "cores", "cores_a_package"),
    [
        ("intel-2x4", "Quad-Core Xeon Processor 5300 (Clovertown B3)", 8, 4),
        ("amd-2x2", "Dual-Core Opteron (Santa Rosa JH-F2) [K8]", 4, 2),
        ("amd-4x4", "Quad-Core Opteron (Shanghai RB-C2)", 16, 4),
        ("amd-8x4", "Quad-Core Opteron (Barcelona DR-B3) Processor 8300", 32, 4),
    ],
)
def test_cpuid_knows_the_processors(name: str, part: str, cores: int, cores_a_package: int) -> None:
    text = run("cpuid", "-f", machine.SHIPPED / name / "cpuid.txt")
    assert len([line for line in text.splitlines() if line.startswith("   (synth) = ") and part in line]) == cores
    places = re.findall(r"\(APIC synth\): PKG_ID=(\d+) CORE_ID=(\d+) SMT_ID=(\d+)", text)
    assert [tuple(map(int, place)) for place in places] == [
        (core // cores_a_package, core % cores_a_package, 0) for core in range(cores)
    ]


def test_lspci_accepts_the_devices() -> None:
    text = run("lspci", "-F", machine.SHIPPED / "amd-4x4" / "pci.txt", "-Dn")
    assert "0000:01:00.0 0200: 8086:107d (rev 06)" in text
    assert len(re.findall(r"^0000:00:1[89ab]\.[0-4] 0600: 1022:120[0-4]", text, re.MULTILINE)) == 20


def test_iasl_accepts_the_tables(tmp_path: Path) -> None:
    run("acpixtract", "-a", machine.SHIPPED / "amd-4x4" / "acpi.txt", cwd=tmp_path)
    tables = sorted(tmp_path.glob("*.dat"))
    assert [table.stem for table in tables] == ["apic", "facp", "mcfg", "slit", "srat"]
    for table in tables:
        text = run("iasl", "-d", table)
        assert not re.search("error|warning|invalid", text, re.IGNORECASE), text


def test_the_facts_are_those_of_the_dissertation(load: Load) -> None:
    """§2.3.1 and table 2.5, as the readers give them and the rules conclude from them."""
    kb = load("amd-4x4")
    assert kb.once("aggregate_all(count, core(_), N)") == {"N": 16}
    assert kb.all("package_of(C, 3)") == [{"C": core} for core in (12, 13, 14, 15)]
    assert kb.all("shares_cache(0, X, 3)") == [{"X": 1}, {"X": 2}, {"X": 3}]
    assert kb.once("shares_cache(0, _, 2)") is None
    caches = kb.all("cpu_cache(0, _, Level, Type, Size, _, 64, Shared, _)")
    found = {(row["Level"], row["Type"]): (row["Size"], row["Shared"]) for row in caches}
    assert found == {
        (1, "data"): (65536, 1), (1, "instr"): (65536, 1), (2, "unified"): (524288, 1), (3, "unified"): (6291456, 4),
    }
    assert [kb.once(f"distance(0, {other}, D)") for other in (1, 4, 8, 12)] == [
        {"D": 448}, {"D": 545}, {"D": 545}, {"D": 558},
    ]
    assert kb.all("hops(0, C, 2)") == [{"C": core} for core in (12, 13, 14, 15)]
    assert kb.all("node_distance(0, N, D)") == [
        {"N": 0, "D": 10}, {"N": 1, "D": 16}, {"N": 2, "D": 16}, {"N": 3, "D": 22},
    ]
    assert kb.all("closest_memory(13, N)") == [{"N": 3}]
    assert kb.once("contradiction(F, S, G, T)") is None


TABLE_2_5 = [  # system, another core by its relation to core 0, cycles, ns
    ("intel-2x4", 1, 180, 68), ("intel-2x4", 2, 570, 214), ("intel-2x4", 4, 570, 214),
    ("amd-2x2", 1, 450, 161), ("amd-2x2", 2, 532, 190),
    ("amd-4x4", 3, 448, 179), ("amd-4x4", 4, 545, 218), ("amd-4x4", 12, 558, 223),
    ("amd-8x4", 3, 538, 269), ("amd-8x4", 4, 613, 307), ("amd-8x4", 28, 613, 307), ("amd-8x4", 8, 618, 309),
]  # fmt: skip
TABLE_2_4 = [("intel-2x4", 845, 318), ("amd-2x2", 757, 270), ("amd-4x4", 1463, 585), ("amd-8x4", 1549, 774)]


@pytest.mark.parametrize(("name", "core", "cycles", "ns"), TABLE_2_5)
def test_messages_between_cores_take_what_table_2_5_says(
    load: Load, name: str, core: int, cycles: int, ns: int
) -> None:
    kb = load(name)
    assert kb.once("distance(0, Core, Cycles)", {"Core": core}) == {"Cycles": cycles}
    told = kb.once("distance_ns(0, Core, Ns)", {"Core": core})
    assert told is not None
    assert told["Ns"] == pytest.approx(ns, abs=0.75)  # the table has whole ns


@pytest.mark.parametrize(("name", "cycles", "ns"), TABLE_2_4)
def test_messages_within_a_core_take_what_table_2_4_says(load: Load, name: str, cycles: int, ns: int) -> None:
    told = load(name).once("cost_of(lmp, Cycles, cycles, _), clock_hz(0, Hertz), Ns is Cycles * 1.0e9 / Hertz")
    assert told is not None
    assert told["Cycles"] == cycles
    assert told["Ns"] == pytest.approx(ns, abs=0.75)


@pytest.mark.parametrize(
    ("name", "cores", "sizes", "sharing"),
    [
        ("intel-2x4", 8, {(2, "unified"): 4 << 20}, {2: [0, 1]}),
        ("amd-2x2", 4, {(2, "unified"): 1 << 20}, {}),
        ("amd-8x4", 32, {(2, "unified"): 512 << 10, (3, "unified"): 2 << 20}, {3: [0, 1, 2, 3]}),
    ],
)
def test_caches_are_those_of_the_dissertation(
    load: Load, name: str, cores: int, sizes: dict[tuple[int, str], int], sharing: dict[int, list[int]]
) -> None:
    """§2.3.1: sizes of L2 and L3, and which cores share them with core 0."""
    kb = load(name)
    assert kb.once("aggregate_all(count, core(_), N)") == {"N": cores}
    caches = kb.all("cpu_cache(0, _, Level, Type, Size, _, 64, _, _), Level > 1")
    assert {(row["Level"], row["Type"]): row["Size"] for row in caches} == sizes
    shared: dict[int, list[int]] = {}
    for row in kb.all("shares_cache(0, Other, Level)"):
        shared.setdefault(row["Level"], [0]).append(row["Other"])
    assert shared == sharing


def test_the_intel_system_has_one_memory_and_two_dies_a_package(load: Load) -> None:
    kb = load("intel-2x4")
    assert kb.all("node_of(C, N), N =\\= 0") == []
    assert [row["D"] for row in kb.all("die_of(_, D)")] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert kb.once("hops(0, 4, H)") == {"H": 1}
    assert kb.once("line_transfer(0, 3, C)") == {"C": 80}
    assert kb.once("line_transfer(0, 4, C)") == {"C": 128}


def test_packages_of_the_8x4_system_are_linked_as_figure_2_1_shows(load: Load) -> None:
    """Table 2.1 has the cache lines; the figure PCI at packages 0 and 7; nobody measured three hops."""
    kb = load("amd-8x4")
    links = [(row["A"], row["B"]) for row in kb.all("package_link(A, B), A < B")]
    assert links == [(0, 1), (0, 7), (1, 2), (1, 6), (2, 3), (2, 4), (3, 4), (3, 5), (4, 5), (5, 6), (6, 7)]
    assert [row["C"] for row in kb.all("member(Core, [1, 4, 8]), line_transfer(0, Core, C)")] == [130, 190, 260]
    far = {(row["A"], row["B"]) for row in kb.all("package_hops(A, B, 3)")}
    assert {pair for pair in far if pair[0] < pair[1]} == {(0, 3), (0, 4), (0, 5), (2, 7), (3, 7), (4, 7)}
    unmeasured = kb.all("package_of(A, P), package_of(B, Q), A \\== B, \\+ core_latency(A, B, _, _)")
    assert {(row["P"], row["Q"]) for row in unmeasured} == far
    assert kb.once("distance(0, 12, Cycles)") == {"Cycles": 623}  # 613 + 2 * (618 - 613)
    assert kb.all("ht_bus(Node, _, First, _)") == [{"Node": 0, "First": 0}, {"Node": 7, "First": 128}]
    assert kb.once("device_near(addr(128, 0, 0), Cores)") == {"Cores": [28, 29, 30, 31]}
    assert kb.once("device_near(addr(1, 0, 0), Cores)") == {"Cores": [0, 1, 2, 3]}


@pytest.mark.parametrize(("name", "nodes"), [("amd-2x2", 2), ("amd-4x4", 4), ("amd-8x4", 8)])
def test_northbridges_link_the_packages_that_the_description_links(load: Load, name: str, nodes: int) -> None:
    """What the routing tables in PCI configuration space say is what ht_link says: one link is one hop."""
    kb = load(name)
    assert kb.once("aggregate_all(count, ht_node(_, _, _), N)") == {"N": nodes}
    links = kb.all("package_link(A, B)")
    assert kb.once("aggregate_all(count, ht_port(_, _, coherent), N)") == {"N": len(links)}
    masks = kb.all("ht_route(A, B, Request, _, _), package_link(A, B)")
    assert len({(row["A"], row["Request"]) for row in masks}) == len(links)  # each neighbour over a link of its own
    assert all(row["Request"] > 1 for row in masks)  # 1 is the node itself


def test_an_opteron_of_family_0fh_has_three_links() -> None:
    star = [(0, other) for other in range(1, 5)]
    assert northbridges(5, star, [], family=0x10)
    with pytest.raises(PciError, match="node 0 has 4 links; a northbridge has 3"):
        northbridges(5, star, [], family=0x0F)


def test_a_machine_is_loaded_whole_or_not_at_all(load: Load, tmp_path: Path) -> None:
    kb = load("amd-4x4")
    broken = tmp_path / "broken"
    shutil.copytree(machine.SHIPPED / "amd-4x4", broken)
    (broken / "facts.pl").write_text("ht_link(0, 1).\nht_lnk(1, 3).\n")
    with pytest.raises(Exception, match=r"facts.pl:2: no fact ht_lnk/2; did you mean ht_link/2"):
        machine.load(kb, broken)
    assert kb.once("distance(0, 12, D)") == {"D": 558}
    assert kb.once("machine(M)") == {"M": "amd-4x4"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ht_link(0, 1).\nht_link(1\n", r"facts.pl:\d: [sS]yntax error"),
        (":- initialization(halt).\n", "facts.pl:1: expected a fact; facts.pl has no directives"),
        ("p(X) :- q(X).\n", "facts.pl:1: expected a fact; rules are loaded"),
        ("ht_link(a, 1).\n", r"facts.pl:1: ht_link/2"),
    ],
)
def test_what_is_wrong_with_facts_is_told_with_its_line(
    load: Load, tmp_path: Path, text: str, message: str
) -> None:
    kb = load("amd-4x4")
    broken = tmp_path / "broken"
    shutil.copytree(machine.SHIPPED / "amd-4x4", broken)
    (broken / "facts.pl").write_text(text)
    with pytest.raises(Exception, match=message):
        machine.load(kb, broken)
    assert kb.once("machine(M)") == {"M": "amd-4x4"}


@pytest.mark.parametrize(
    ("name", "message"),
    [("amd-4x5", "did you mean amd-4x4"), ("nonsense", "there are amd-2x2, amd"), ("/nowhere/at/all", "no machine")],
)
def test_an_unknown_machine_is_told_with_what_there_is(name: str, message: str) -> None:
    with pytest.raises(machine.MachineError, match=message):
        machine.find(name)


def test_an_empty_folder_is_no_machine(tmp_path: Path) -> None:
    with pytest.raises(machine.MachineError, match="no machine: none of"):
        machine.read(tmp_path)
