"""Machines that do not exist: whatever is asked for is what the readers read and the rules conclude."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skb import interconnect, machine, planned
from skb.facts import Fact
from skb.generate import MOST_SLIT_NODES, generate
from skb.knowledge import KnowledgeBase
from skb.planned import GIB, KIB, MIB, Latency, Plan, PlanError
from skb.readers.cpuid_dumps import parse

SHAPES = {
    "ring": st.integers(2, 9), "mesh": st.integers(2, 9), "torus": st.integers(2, 9), "full": st.integers(2, 6),
    "square": st.sampled_from([4, 9]), "hypercube": st.sampled_from([2, 4, 8]), None: st.integers(1, 6),
}  # fmt: skip


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans of a few dozen threads, with latencies that apply to them."""
    shape = draw(st.sampled_from(list(SHAPES)))
    vendor = draw(st.sampled_from(["amd", "intel"]))
    asked: dict[str, Any] = {
        "packages": draw(SHAPES[shape]), "nodes": draw(st.integers(1, 4)), "cores": draw(st.integers(1, 5)),
        "threads": draw(st.sampled_from([1, 2] if vendor == "amd" else [1, 2, 4])), "shape": shape, "vendor": vendor,
        "clock_hz": draw(st.sampled_from([10**6, 533_333_333, 2_500_000_000, 5_700_000_001])),
        "l1_bytes": draw(st.sampled_from([None, KIB, 48 * KIB, 255 * KIB])),
        "l2_bytes": draw(st.sampled_from([None, 96 * KIB, 1280 * KIB, 64 * MIB - KIB])),
        "l3_bytes": draw(st.sampled_from([None, 0, 512 * KIB, 24 * MIB, 4 * GIB])),
        "node_bytes": draw(st.sampled_from([MIB, 3 * GIB, 4 * GIB, 12 * GIB + MIB])),
    }  # fmt: skip
    steps = iter(draw(st.lists(st.integers(1, 500), min_size=4, max_size=4)))
    value, latencies = 0, {}
    for option in Plan(**asked).applies():
        value = value + next(steps) if option != "next_hop" else next(steps)
        latencies[option] = Latency(value, draw(st.sampled_from(["ns", "cycles"])))
    return Plan(**asked, latencies=latencies)


def facts_of(plan: Plan) -> tuple[dict[str, list[Fact]], machine.Machine]:
    with TemporaryDirectory() as folder:
        for name, data in planned.files("made", plan).items():
            (Path(folder) / name).write_bytes(data)
        made = machine.read(Path(folder))
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in (fact for _, facts in made.facts for fact in facts):
        found[fact.name].append(fact)
    return found, made


def places(plan: Plan) -> Iterator[tuple[int, int, int, int]]:
    """(package, node of the machine, core of the machine, thread) by number: first threads first, as Linux counts."""
    for thread, package, node, core in itertools.product(
        range(plan.threads), range(plan.packages), range(plan.nodes), range(plan.cores)
    ):
        here = package * plan.nodes + node
        yield package, here, here * plan.cores + core, thread


@given(plan=plans())
@settings(max_examples=60, deadline=None)
def test_what_was_asked_for_is_what_the_dumps_tell(plan: Plan) -> None:
    facts, made = facts_of(plan)
    where = list(places(plan))
    assert len(where) == plan.all_threads

    threads = {cpu: (package, core, thread) for cpu, package, core, thread in (f.args for f in facts["cpu_thread"])}
    assert [threads[cpu][0] for cpu in range(len(where))] == [package for package, _, _, _ in where]
    assert [threads[cpu][2] for cpu in range(len(where))] == [thread for _, _, _, thread in where]
    together = {(cpu, other) for cpu in threads for other in threads if threads[cpu][:2] == threads[other][:2]}
    assert together == {(i, j) for i, a in enumerate(where) for j, b in enumerate(where) if a[2] == b[2]}

    apics = {f.args[2].args[0]: f.args[0] for f in facts["corename"]}
    assert {apics[f.args[1]] for f in facts["apic"] if f.args[2] == 1} == set(threads)
    assert len({f.args[0] for f in facts["apic"]}) == len(where)
    nodes = {apics[f.args[0]]: f.args[2] for f in facts["cpu_affinity"]}
    assert nodes == {cpu: node for cpu, (_, node, _, _) in enumerate(where)}
    memory: dict[int, int] = defaultdict(int)
    ranges = []
    for base, length, node in (f.args for f in facts["memory_affinity"]):
        memory[node] += length
        ranges.append((base, base + length))
    assert memory == dict.fromkeys(range(plan.packages * plan.nodes), plan.node_bytes)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(sorted(ranges)))
    assert all(end <= 0xC0000000 or start >= 1 << 32 for start, end in ranges)

    sizes = {("L1d", 1, "data"): 2, ("L1i", 1, "instr"): 2, ("L2", 2, "unified"): 2, ("L3", 3, "unified"): 1}
    for (name, level, kind), shared_by in sizes.items():
        size = dict(plan.caches)[name]
        mine = {f.args[0]: f.args for f in facts["cpu_cache"] if f.args[2:4] == (level, kind)}
        ids = {f.args[0]: f.args[3] for f in facts["cpu_cache_id"] if f.args[1:3] == (level, kind)}
        if not size:
            assert mine == ids == {}
            continue
        assert {args[4] for args in mine.values()} == {size}
        for i, a in enumerate(where):
            for j, b in enumerate(where):
                assert (ids[i] == ids[j]) == (a[shared_by] == b[shared_by]), name

    assert f"uniform = {plan.clock_hz:_}" in planned.description("made", plan)
    links = re.findall(r"^ht_link\((\d+), (\d+)\)\.$", made.apriori, re.MULTILINE)
    assert [(int(one), int(other)) for one, other in links] == plan.links
    assert re.findall(r"^cpu_clock\((\d+), (\d+)\)\.$", made.apriori, re.MULTILINE) == [
        (str(cpu), str(plan.clock_hz)) for cpu in range(len(where))
    ]


@given(plan=plans())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_asked_for_is_what_the_rules_conclude(kb: KnowledgeBase, plan: Plan) -> None:
    _, made = facts_of(plan)
    told = kb.supposing(
        made.facts, made.apriori, "facts.pl",
        "findall(A-N, node_of(A, N), Nodes), findall([A, B, H], hops(A, B, H), Hops), "
        "findall([A, B, T], distance_ns(A, B, T), Latencies), findall(A-N, closest_memory(A, N), Memory), "
        "findall(D, facts:node_distance(_, _, D), Distances), findall(F, contradiction(F, _, _, _), Contradictions), "
        "findall(C, clock_hz(_, C), Clocks)",
    )  # fmt: skip
    assert told is not None
    where = list(places(plan))
    between = interconnect.package_hops(plan.packages, plan.links)
    assert told["Contradictions"] == []
    assert {pair.args for pair in told["Nodes"]} == {(cpu, node) for cpu, (_, node, _, _) in enumerate(where)}
    assert {pair.args for pair in told["Memory"]} == {(cpu, node) for cpu, (_, node, _, _) in enumerate(where)}
    assert set(told["Clocks"]) == {plan.clock_hz}
    expected = {(a, b): between[where[a][0]][where[b][0]] for a in range(len(where)) for b in range(len(where))}
    assert {(a, b): hops for a, b, hops in told["Hops"]} == expected
    assert len(told["Distances"]) == (plan.packages * plan.nodes) ** 2
    within = 12 if plan.nodes > 1 else 10
    assert max(told["Distances"]) == (10 + 10 * plan.most_hops if plan.packages > 1 else within)

    ns = {option: plan.in_ns(latency) for option, latency in plan.effective.items()}
    assert len(told["Latencies"]) == len(where) * (len(where) - 1)
    for a, b, latency in told["Latencies"]:
        near = 2 if dict(plan.caches)["L3"] == 0 else 1
        if where[a][near] == where[b][near]:
            assert latency == pytest.approx(ns["shared"])
        elif expected[a, b] == 0:
            assert latency == pytest.approx(ns["local"])
        else:
            assert latency == pytest.approx(ns["hop"] + (expected[a, b] - 1) * ns.get("next_hop", 0))


LARGE = [
    Plan(packages=16, nodes=4, cores=8, threads=2, shape="hypercube"),
    Plan(packages=3, nodes=5, cores=7, threads=4, shape="ring", vendor="intel"),
    Plan(packages=1, nodes=1, cores=300, l3_bytes=0),
    Plan(packages=2, nodes=2, cores=32, threads=2, l3_bytes=48 * MIB),  # of 37 cores hwloc would miscount AMD's L3s
    Plan(packages=260, cores=1, threads=2, shape="mesh", vendor="intel"),
]


@pytest.mark.parametrize("plan", LARGE, ids=planned.summary)
def test_hwloc_sees_the_machine_that_was_asked_for(
    plan: Plan, lstopo: Callable[..., dict[str, set[Any]]]
) -> None:
    text = planned.files("made", plan)["cpuid.txt"].decode()
    theirs = lstopo([cpu.registers for cpu in parse(text, "cpuid.txt")])
    groups: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for cpu, (package, node, core, _) in enumerate(places(plan)):
        groups["Package"][package].add(cpu)
        groups["Core"][core].add(cpu)
        groups["L3"][node].add(cpu)
    assert theirs["Package"] == set(map(frozenset, groups["Package"].values()))
    assert theirs["Core"] == set(map(frozenset, groups["Core"].values()))
    sizes = dict(plan.caches)
    for level in ("L1", "L2"):
        size = sizes["L1d" if level == "L1" else level]
        assert theirs[level] == {(frozenset(cpus), size) for cpus in groups["Core"].values()}
    l3s = {(frozenset(cpus), sizes["L3"]) for cpus in groups["L3"].values()} if sizes["L3"] else set()
    assert theirs.get("L3", set()) == l3s


@pytest.mark.parametrize("plan", [LARGE[0], LARGE[4]], ids=planned.summary)
def test_cpuid_and_iasl_take_the_dumps(plan: Plan, tmp_path: Path) -> None:
    def run(*command: str | Path) -> str:
        if shutil.which(str(command[0])) is None:
            pytest.skip(f"{command[0]} is not installed")
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=tmp_path, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    for name, data in planned.files("made", plan).items():
        (tmp_path / name).write_bytes(data)
    assert run("cpuid", "-f", "cpuid.txt").count('brand = "Processor of machine generate"') == plan.all_threads
    run("acpixtract", "-a", "acpi.txt")
    tables = sorted(tmp_path.glob("*.dat"))
    slit = ["slit"] if plan.packages * plan.nodes <= MOST_SLIT_NODES else []
    assert [table.stem for table in tables] == ["apic", "facp", *slit, "srat"]
    for table in tables:
        assert not re.search("error|warning|invalid", run("iasl", "-d", table), re.IGNORECASE)


def test_the_description_makes_the_other_files_anew() -> None:
    files = planned.files("made", LARGE[1])
    anew = generate(tomllib.loads(files["machine.toml"].decode()))
    assert anew == {name: data for name, data in files.items() if name not in ("machine.toml", "README.md")}


def test_what_was_left_open_is_marked_as_chosen() -> None:
    left_open = frozenset(("clock_hz", "node_bytes"))
    text = planned.description("made", Plan(packages=2, left_open=left_open))
    stated = planned.description("made", Plan(packages=2, shape="ring", l3_bytes=MIB))
    for entry in ("l3", "shape", "uniform", "node_bytes"):
        assert re.search(rf"^{entry} = .* # chosen", text, re.MULTILINE), entry
        assert not re.search(rf"^{entry} = .* # chosen", stated, re.MULTILINE), entry
    assert not re.search("^packages = .* # chosen", text, re.MULTILINE)


BASE: dict[str, Any] = {"packages": 4, "nodes": 2, "cores": 2, "threads": 1}


@pytest.mark.parametrize(
    "other",
    [
        {"packages": 3}, {"nodes": 3}, {"cores": 3}, {"threads": 2}, {"shape": "full"}, {"clock_hz": 10**9},
        {"vendor": "intel"}, {"l1_bytes": MIB // 8}, {"l2_bytes": MIB // 2}, {"l3_bytes": MIB}, {"l3_bytes": 0},
        {"node_bytes": GIB}, *({"latencies": {option: Latency(9, "ns")}} for option in ("shared", "local", "hop")),
        {"latencies": {"hop": Latency(9, "ns"), "next_hop": Latency(1, "ns")}},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_is_stated_changes_the_machine_itself(other: dict[str, Any]) -> None:
    base, changed = (planned.files("made", Plan(**asked)) for asked in (BASE, BASE | other))
    assert any(base[name] != changed[name] for name in ("cpuid.txt", "acpi.txt", "facts.pl"))


@pytest.mark.parametrize("plan", LARGE, ids=planned.summary)
def test_firmware_and_processors_agree_on_who_is_there(plan: Plan) -> None:
    facts, _ = facts_of(plan)
    ids = [f.args[2].args[0] for f in facts["corename"]]
    assert len(set(ids)) == plan.all_threads
    assert [f.args[1] for f in facts["apic"]] == ids  # in the operating system's order
    assert len({f.args[0] for f in facts["apic"]}) == plan.all_threads
    assert sorted(f.args[0] for f in facts["cpu_affinity"]) == sorted(ids)


@pytest.mark.slow
@pytest.mark.parametrize("shape", interconnect.SHAPES)
def test_4096_threads_of_any_interconnect_are_made_and_read(shape: str) -> None:
    plan = Plan(packages=64, cores=32, threads=2, shape=shape)
    facts, made = facts_of(plan)
    assert len(facts["cpu_thread"]) == len(facts["apic"]) == 4096
    assert len({f.args[1] for f in facts["cpu_thread"]}) == 64
    assert made.apriori.count("ht_link(") == len(plan.links)


def test_each_further_link_takes_as_long_as_the_first_unless_it_is_stated() -> None:
    plan = Plan(packages=8, shape="ring", latencies={"hop": Latency(50, "ns")})
    assert tomllib.loads(planned.description("made", plan))["costs"] == {
        "ump_hop": [50, "ns", "generated: --hop 50ns: a message over one link between packages"],
        "ump_next_hop": [50, "ns", "generated: as --hop 50ns: a message more for each further link"],
    }


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"packages": 0}, "--packages: 0; 1 to 4,096"),
        ({"cores": -1}, "--cores: -1; 1 to 4,096"),
        ({"nodes": 4097}, "--nodes: 4097; 1 to 4,096"),
        ({"packages": 10**30}, "--packages: a number of more than 12 digits; 1 to 4,096"),
        ({"packages": 64, "cores": 65}, "64 packages of 1 node of 65 cores of 1 thread are 4,160 threads; 4,096"),
        ({"threads": 4}, "--threads: 4; a core of --vendor amd has 1 or 2"),
        ({"threads": 3, "vendor": "intel"}, "--threads: 3; a core of --vendor intel has 1, 2 or 4"),
        ({"packages": 6, "shape": "hypercube"}, "--interconnect: a hypercube has 1, 2, 4, 8, ... packages, not 6"),
        ({"packages": 8, "shape": "square"}, "--interconnect: a square has 1, 4, 9, 16, ... packages, not 8"),
        ({"shape": "ring"}, "--interconnect: one package is linked to none"),
        ({"clock_hz": 10**12}, "--clock: 1000000000000 Hz; 1 MHz to 100 GHz"),
        ({"l1_bytes": 256 * KIB}, "--l1: 256 KiB; whole 1 KiB, and less than 256 KiB"),
        ({"l2_bytes": 1000}, "--l2: 1000 bytes; whole 1 KiB, and less than 64 MiB"),
        ({"l3_bytes": 100 * KIB}, "--l3: 100 KiB; whole 512 KiB, and less than 8 GiB"),
        ({"node_bytes": KIB}, "--memory: 1,024 bytes; whole MiB, 1 at least"),
        ({"node_bytes": 1 << 51, "packages": 2}, "--memory: 2 PiB for each of 2 nodes"),
        ({"latencies": {"hop": Latency(5, "ns")}}, "--hop: one package is linked to none"),
        ({"packages": 2, "latencies": {"next_hop": Latency(5, "ns")}}, "--next-hop: no two packages are farther"),
        ({"packages": 4, "latencies": {"next_hop": Latency(5, "ns")}}, "--next-hop: state --hop too"),
        ({"latencies": {"local": Latency(5, "ns")}}, "--local: all cores of a package share its L3"),
        ({"l3_bytes": 0, "cores": 1, "latencies": {"local": Latency(5, "ns")}}, "--local: a package has one core"),
        ({"l3_bytes": 0, "latencies": {"shared": Latency(5, "ns")}}, "--shared: no two cores share a cache"),
        ({"cores": 1, "latencies": {"shared": Latency(5, "ns")}}, "--shared: no two cores share a cache"),
        ({"latencies": {"shared": Latency(0, "cycles")}}, "--shared: 0 cycles; more than nothing"),
        ({"latencies": {"shared": Latency(2 * 10**9, "ns")}}, "--shared: 2,000,000,000 ns; more than nothing"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line_that_names_it(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError) as refused:
        Plan(**asked)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
