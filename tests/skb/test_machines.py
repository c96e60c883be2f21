"""Every shipped machine: it boots and runs, the system's own tools read its dumps as we do, its figures are its
sources'."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from skb import machine
from skb.knowledge import KnowledgeBase
from skb.readers import latency
from skb.readers.cpuid_dumps import parse

FOLDERS = sorted({path.parent for path in machine.SHIPPED.glob("*/README.md")})
Load = Callable[[str], KnowledgeBase]


def each(*files: str) -> pytest.MarkDecorator:
    """Every shipped machine that has these files."""
    having = [path for path in FOLDERS if all((path / name).is_file() for name in files)]
    return pytest.mark.parametrize("folder", having, ids=lambda path: path.name)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, cwd=cwd, check=True)
    return done.stdout + done.stderr


def number(kb: KnowledgeBase, goal: str) -> int:
    """How many solutions a goal has."""
    answer = kb.once(f"aggregate_all(count, ({goal}), N)")
    assert answer is not None
    return int(answer["N"])


@each()
def test_a_machine_boots_and_runs_a_parallel_program(folder: Path) -> None:
    shell = Path(sys.executable).with_name("pilotfish")
    commands = ("nproc", "cpus", "spawn -n 4 barrier", "run 10ms", "ps")
    text = run(shell, "-m", folder.name, *(word for command in commands for word in ("-c", command)))
    lines = text.splitlines()
    assert len([line for line in lines if re.match(r" *\d+ .* \d\.\d{3} GHz ", line)]) == int(lines[0])
    *_, state = (line for line in lines if line.startswith(" 1  barrier"))
    assert re.fullmatch(r" 1  barrier  barrier  \S+ +running +0  [\d.]+ m?s +[1-9]\d*", state)


@each()
def test_a_machine_says_what_it_is_and_of_each_file_where_it_is_from(folder: Path) -> None:
    readme = (folder / "README.md").read_text()
    assert readme.startswith(f"# {folder.name}\n")
    files = {path.name for path in folder.iterdir()} - {"README.md"}
    assert set(re.findall(r"^\| `([\w.-]+)` \|", readme, re.MULTILINE)) == files


@each()
def test_no_source_contradicts_another(load: Load, folder: Path) -> None:
    assert load(folder.name).all("contradiction(Fact, Source, Other, OtherSource)") == []


@each("cpuid.txt")
def test_cpuid_accepts_every_processor(load: Load, folder: Path) -> None:
    """Where cores are it cuts from the lowest byte of their APIC ids: hwloc judges that."""
    kb = load(folder.name)
    text = run("cpuid", "-f", folder / "cpuid.txt")
    blocks = re.split(r"^CPU \d+:$", text, flags=re.MULTILINE)
    assert blocks[0] == ""
    brands = {row["C"]: row["B"] for row in kb.all("corename(C, x86_64, _), cpu_brand(C, B)")}
    assert len(blocks) - 1 == len(brands) == number(kb, "corename(_, x86_64, _)")
    for core, block in enumerate(blocks[1:]):
        assert re.search(r'^ +brand = "(.*?) *"$', block, re.MULTILINE)[1].strip() == brands[core]


@each("cpuid.txt")
def test_hwloc_sees_the_same_caches_cores_and_packages(load: Load, folder: Path, lstopo) -> None:
    kb = load(folder.name)
    theirs = lstopo([cpu.registers for cpu in parse((folder / "cpuid.txt").read_text(), "cpuid.txt")])
    x86 = {row["C"] for row in kb.all("corename(C, x86_64, _)")}
    ours: dict[str, dict[tuple, set[int]]] = defaultdict(lambda: defaultdict(set))
    for row in kb.all("cpu_thread(C, P, K, _)"):
        if row["C"] in x86:
            ours["Package"][row["P"],].add(row["C"])
            ours["Core"][row["P"], row["K"]].add(row["C"])
            ours["PU"][row["C"],].add(row["C"])
    for row in kb.all("cpu_cache_id(C, L, T, I), cpu_cache(C, _, L, T, S, _, _, _, _)"):
        if row["C"] in x86:
            name = f"L{row['L']}{'i' if row['T'] == 'instr' else ''}"
            ours[name][row["I"], row["S"]].add(row["C"])
    sets = {
        name: {(frozenset(cores), key[-1]) if name[0] == "L" else frozenset(cores) for key, cores in groups.items()}
        for name, groups in ours.items()
    }
    assert set(theirs) - {"Die"} == set(sets)
    for name, members in sets.items():
        assert theirs[name] == members, name


@each("pci.txt")
def test_lspci_sees_the_same_functions(load: Load, folder: Path) -> None:
    kb = load(folder.name)
    theirs = {
        (*(int(part, 16) for part in match[:3]), int(match[3], 16), int(match[4], 16), int(match[5], 16))
        for match in re.findall(
            r"^(?:0000:)?(\w\w):(\w\w)\.(\w) (\w{4}): (\w{4}):(\w{4})", run("lspci", "-F", folder / "pci.txt", "-n"),
            re.MULTILINE,
        )
    }
    functions = "(device(_, A, V, D, C, S, _, _) ; bridge(_, A, V, D, C, S, _, _)), A = addr(B, N, F)"
    ours = {
        (row["B"], row["N"], row["F"], row["C"] << 8 | row["S"], row["V"], row["D"]) for row in kb.all(functions)
    }
    assert ours == theirs
    assert ours


@each("acpi.txt")
def test_iasl_disassembles_every_table_without_a_complaint(load: Load, folder: Path, tmp_path: Path) -> None:
    kb = load(folder.name)
    run("acpixtract", "-a", folder / "acpi.txt", cwd=tmp_path)
    tables = sorted(tmp_path.glob("*.dat"))
    assert len(tables) == number(kb, "acpi_table(_, _, _, _, _, ok)")
    for table in tables:
        text = run("iasl", "-d", table)
        assert not re.search("error|warning|invalid", text, re.IGNORECASE), text


@each("acpi.txt", "cpuid.txt")
def test_firmware_and_processors_agree_on_who_is_there(load: Load, folder: Path) -> None:
    kb = load(folder.name)
    assert kb.all("apic(_, Id, 1), \\+ corename(_, x86_64, apic(Id))") == []
    assert kb.all("corename(C, x86_64, apic(Id)), \\+ apic(_, Id, 1)") == []
    assert kb.all("cpu_affinity(Id, _, _), \\+ apic(_, Id, 1)") == []


@each()
def test_every_core_reaches_every_other(load: Load, folder: Path) -> None:
    kb = load(folder.name)
    cores = number(kb, "core(_)")
    assert number(kb, "core(A), A < 20, distance(A, _, D), D > 0") == min(cores, 20) * (cores - 1)
    assert number(kb, "core(C), package_of(C, _), node_of(C, _), clock_hz(C, _)") == cores


@each()
def test_every_cost_names_its_source(load: Load, folder: Path) -> None:
    costs = load(folder.name).all("cost(Name, Value, Unit, Source)")
    assert all(row["Value"] > 0 and re.search(r"\d|design|source", row["Source"]) for row in costs), costs


def test_a_message_crosses_as_many_links_of_the_scc_as_columns_and_rows_lie_between(load: Load) -> None:
    kb = load("scc")
    places = {row["T"]: (row["X"], row["Y"]) for row in kb.all("tile(T, X, Y)")}
    assert sorted(places.values()) == [(x, y) for x in range(6) for y in range(4)]
    rows = kb.all("hops(A, B, Hops)")
    assert len(rows) == 48 * 48
    for row in rows:
        (x, y), (there, above) = places[row["A"] // 2], places[row["B"] // 2]
        assert row["Hops"] == abs(x - there) + abs(y - above)


# Barrelfish TN-005, chapter 3: cycles to read a word of a tile's buffer, to write a line, from core 0; a row a row
READ = [[20, 63, 69, 72, 78, 84], [63, 69, 72, 78, 84, 90], [69, 72, 78, 84, 90, 96], [72, 78, 84, 90, 96, 102]]
WRITE = [[39, 84, 89, 90, 95, 101], [84, 89, 89, 95, 101, 108], [89, 89, 95, 101, 107, 113],
         [89, 95, 101, 108, 113, 119]]  # fmt: skip


@pytest.mark.parametrize(("operation", "measured"), [("read", READ), ("write", WRITE)], ids=["read", "write"])
def test_buffers_of_the_scc_are_as_far_as_they_were_measured(
    load: Load, operation: str, measured: list[list[int]]
) -> None:
    rows = load("scc").all(f"mpb_access(0, Core, {operation}, Cycles), tile(T, X, Y), package_of(Core, T)")
    assert len(rows) == 48
    for row in rows:
        assert row["Cycles"] == pytest.approx(measured[row["Y"]][row["X"]], abs=6)


def test_memory_of_the_scc_is_as_far_as_it_was_measured(load: Load) -> None:
    """TN-005, 3.1: an uncached word from core 0."""
    rows = load("scc").all("memory_access(0, Controller, Cycles)")
    for row, measured in zip(rows, [97, 121, 105, 134], strict=True):
        assert row["Cycles"] == pytest.approx(measured, abs=4)


def test_each_memory_controller_of_the_scc_serves_a_quadrant(load: Load) -> None:
    kb = load("scc")
    for node, corner in enumerate([(0, 0), (5, 0), (0, 2), (5, 2)]):
        assert kb.all(f"memory_controller({node}, T), tile(T, X, Y)") == [
            {"T": corner[1] * 6 + corner[0], "X": corner[0], "Y": corner[1]}
        ]
        places = kb.all(f"node_of(C, {node}), package_of(C, T), tile(T, X, Y)")
        assert len(places) == 12
        assert {(row["X"] // 3, row["Y"] // 2) for row in places} == {(corner[0] // 3, corner[1] // 2)}
    assert number(kb, "closest_memory(C, N), node_of(C, N)") == 48


def test_no_two_cores_of_the_scc_are_coherent_and_all_share_memory(load: Load) -> None:
    kb = load("scc")
    assert kb.once("coherent(_, _)") is None
    assert kb.once("shares_cache(_, _, _)") is None
    assert number(kb, "shares_memory(_, _)") == 48 * 47


def test_messages_on_the_scc_take_what_barrelfish_measured(load: Load) -> None:
    """TN-005, figure 4.2: from core 0 to its neighbour on the tile, to the next tile, to the far corner."""
    kb = load("scc")
    assert kb.all("member(Core, [1, 2, 46]), distance(0, Core, Cycles)") == [
        {"Core": 1, "Cycles": 4860}, {"Core": 2, "Cycles": 5043}, {"Core": 46, "Cycles": 5274},
    ]
    assert kb.once("nearest_cores(14, 7, Cores)") == {"Cores": [15, 2, 3, 12, 13, 16, 17]}


def test_the_scc_and_its_host_share_no_memory_and_reach_each_other_at_one_tile(load: Load) -> None:
    kb = load("scc-host")
    assert number(kb, "core(_)") == 8 + 48
    assert number(kb, "shares_memory(_, _)") == 8 * 7 + 48 * 47
    assert number(kb, "coherent(_, _)") == 8 * 7
    assert kb.all("device_core(A, C), device(_, A, V, _, _, _, _, _), shares_memory(C, 0)") == []
    assert number(kb, "device_core(addr(3, 0, 0), C), corename(C, scc, _)") == 48
    assert kb.once("device_near(addr(3, 0, 0), Cores)") == {"Cores": list(range(8))}
    assert kb.all("hops(0, C, 1), corename(C, scc, _), package_of(C, T), tile(T, X, Y)") == [
        {"C": core, "T": 5, "X": 3, "Y": 0} for core in (14, 15)
    ]
    assert number(kb, "node_of(C, 0)") == 8
    assert kb.once("closest_memory(30, Node), node_of(30, Node)") is not None


def test_a_message_stays_sooner_on_its_side_of_the_card(load: Load) -> None:
    kb = load("scc-host")
    within, over, back = (
        kb.once(f"distance_ns({one}, {other}, D)")["D"] for one, other in ((0, 7), (0, 14), (14, 0))
    )
    assert within == 214  # dissertation table 2.5, not shared
    assert (over, back) == (6762.5, 2176.3)
    assert kb.once("distance_ns(8, 9, D)")["D"] == pytest.approx(4860 / 0.533333333, abs=0.1)
    assert kb.once("distance_ns(8, 54, D)")["D"] == pytest.approx(5274 / 0.533333333, abs=1)


def test_the_host_is_the_dissertations_2x4_core_intel_system(load: Load) -> None:
    """Section 2.3.1 and table 2.5."""
    kb = load("scc-host")
    assert kb.all("shares_cache(0, C, 2)") == [{"C": 1}]
    assert kb.once("cache_of(0, 2, Size, 64)") == {"Size": 4 << 20}
    assert kb.once("clock_hz(0, Hz)") == {"Hz": 2_660_000_000}
    assert [kb.once(f"distance(0, {other}, D)") for other in (1, 2, 4)] == [{"D": 181}, {"D": 569}, {"D": 569}]


def test_cores_of_the_chiplet_server_share_what_amd_says(load: Load) -> None:
    """EPYC 7742: 2 x 64 cores of 2 threads; 4 cores a complex with 16 MB of L3, 2 complexes a die, 2 dies a node."""
    kb = load("epyc-chiplet")
    assert number(kb, "core(_)") == 256
    assert kb.all("sibling(0, C)") == [{"C": 128}]
    assert kb.all("shares_cache(4, C, 3)") == [{"C": core} for core in (5, 6, 7, 132, 133, 134, 135)]
    assert kb.once("cache_of(4, 3, Size, 64)") == {"Size": 16 << 20}
    assert [row["C"] for row in kb.all("die_of(C, 3)")] == [*range(24, 32), *range(152, 160)]
    assert [row["C"] for row in kb.all("node_of(C, 5)")] == [*range(80, 96), *range(208, 224)]
    assert [row["D"] for row in kb.all("node_distance(0, N, D)")] == [10, 12, 12, 12, 32, 32, 32, 32]
    away = [kb.once(f"distance_ns(0, {core}, D)")["D"] for core in (128, 1, 4, 8, 16, 64)]
    assert away == [8, 25, 115, 115, 135, 267]
    assert kb.once("nearest_cores(0, 8, Cores)") == {"Cores": [128, 1, 2, 3, 129, 130, 131, 4]}
    near = kb.once("device(_, A, 0x15b3, _, _, _, _, _), device_near(A, Cores)")
    assert near is not None
    assert near["Cores"] == [*range(16, 32), *range(144, 160)]


def test_lines_move_in_the_chiplet_server_as_its_caches_are_shared(load: Load) -> None:
    kb = load("epyc-chiplet")
    cycles = [kb.once(f"line_transfer(0, {core}, Cycles)")["Cycles"] for core in (1, 16, 64)]
    assert cycles == [57, 303, 600]


def test_a_hybrid_client_has_cores_of_two_kinds_and_clocks(load: Load) -> None:
    """Core i9-12900K: 8 performance cores of 2 threads at 3.2 GHz, 8 efficiency cores in two modules at 2.4 GHz."""
    kb = load("hybrid-client")
    assert [row["C"] for row in kb.all("core_type(C, performance)")] == list(range(16))
    assert [row["C"] for row in kb.all("core_type(C, efficiency)")] == list(range(16, 24))
    assert [row["C"] for row in kb.all("clock_hz(C, 2400000000)")] == list(range(16, 24))
    assert kb.all("sibling(6, C)") == [{"C": 7}]
    assert kb.all("sibling(16, C)") == []
    assert kb.all("shares_cache(17, C, 2)") == [{"C": core} for core in (16, 18, 19)]
    assert number(kb, "shares_cache(17, _, 3)") == 23
    assert [kb.once(f"cache_of({core}, 2, Size, _)")["Size"] for core in (0, 16)] == [1280 << 10, 2 << 20]
    assert [row["K"] for row in kb.all("cluster_of(C, K), C >= 16")] == [8] * 4 + [9] * 4
    pairs = ((0, 1), (0, 2), (0, 16), (16, 0), (16, 17), (16, 20))
    assert [kb.once(f"distance_ns({a}, {b}, D)")["D"] for a, b in pairs] == [4.3, 35, 39, 39, 50, 44]


MEASURED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
MEASURED = MEASURED / "data" / "latency"


@pytest.mark.parametrize(
    ("name", "file", "home"),
    [("epyc-chiplet", "amd-epyc-7742-2s-256t.csv.gz", 1), ("hybrid-client", "intel-i9-12900k-24t.csv", 0)],
)
def test_stated_latencies_are_those_that_were_measured(load: Load, name: str, file: str, home: int) -> None:
    """Medians over the pairs of equal stated latency; within a package, of that in which the line has its home."""
    path = MEASURED / file
    if not path.is_file():
        pytest.skip(f"no measured latencies ({file}) beside the checkout")
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    measured = {fact.args[:2]: fact.args[2] for fact in latency.read(data, file)}
    stated = latency.read((machine.SHIPPED / name / "latency.csv").read_bytes(), name)
    kb = load(name)
    package = {row["C"]: row["P"] for row in kb.all("package_of(C, P)")}
    groups: dict[float, list[float]] = defaultdict(list)
    for one, other, value, _ in (fact.args for fact in stated):
        if package[one] != package[other] or package[one] == home:
            groups[value].append(measured[one, other])
    for value, found in groups.items():
        assert statistics.median(found) == pytest.approx(value, abs=1.0 if value > 10 else 0.1)


def test_four_tiles_of_the_scc_change_voltage_together_and_each_its_clock(load: Load) -> None:
    """RCCE_FDOM_masters of RCCE: the first cores of the tiles of each domain."""
    kb = load("scc")
    masters = {
        4: [0, 2, 12, 14], 5: [4, 6, 16, 18], 7: [8, 10, 20, 22], 0: [24, 26, 36, 38], 1: [28, 30, 40, 42],
        3: [32, 34, 44, 46],
    }  # fmt: skip
    for domain, cores in masters.items():
        assert [row["C"] for row in kb.all(f"voltage_domain(C, {domain}), 0 is C mod 2")] == cores
    assert kb.all("clock_domain(0, D), clock_domain(C, D)") == [{"D": 0, "C": 0}, {"D": 0, "C": 1}]
