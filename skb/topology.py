"""What the machine consists of, as plain data: one crossing into the knowledge base, frozen dataclasses out.

Pictures and tables of the whole machine (lstopo's tree, lscpu's tables) are drawn from this. What is true is
concluded in rules/topology.pl and rules/store.pl; here it only changes its form. Sets of cores are ints, bit N for
core N, as in readers/cpusets.py. object_tree.py nests the parts into each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from skb.facts import Compound
from skb.knowledge import KnowledgeBase

_EFFORT = 1 << 40
"""Inferences that reading one machine may take; what there is to read is bounded by the machine's size."""

GOAL = """
    ( facts:machine(Name) -> true ; Name = machine ),
    findall([C, N], ( core(C), ( node_of(C, N) -> true ; N = none ) ), Cores),
    findall([C, P, K, T], facts:cpu_thread(C, P, K, T), Threads),
    findall([C, D], facts:cpu_die(C, D), Dies),
    findall([C, G], facts:cpu_cluster(C, G), Clusters),
    findall([C, K], facts:cpu_kind(C, K), Kinds),
    findall([C, H], facts:cpu_clock(C, H), Clocks),
    findall([C, Y], facts:cpu_capacity(C, Y), Capacities),
    findall([C, L, T, S, W, B, U], facts:cpu_cache(C, _, L, T, S, W, B, U, _), Caches),
    findall([C, L, T, I], facts:cpu_cache_id(C, L, T, I), CacheIds),
    findall([A, B, L], facts:cache_share(A, B, L), CacheShares),
    findall([N, B], facts:node_memory(N, B), NodeMemory),
    findall([N, B], facts:memory_affinity(_, B, N), Ranges),
    findall([N, C], facts:node_local_core(N, C), LocalCores),
    findall([N, L, S], facts:memory_side_cache(N, L, S, _, _, _), SideCaches),
    findall([A, V, D, Cl, Sc, -1], facts:device(_, A, V, D, Cl, Sc, _, _), Devices),
    findall([A, V, D, Cl, Sc, Z], ( facts:bridge(_, A, V, D, Cl, Sc, _, secondary(Z)) ), Bridges),
    findall([A, Z], facts:bridge_buses(A, _, _, Z), Subordinates),
    findall([A, Near],
            ( ( facts:device(_, A, _, _, _, _, _, _) ; facts:bridge(_, A, _, _, _, _, _, _) ),
              device_near(A, Near) ),
            Nears)
"""


@dataclass(frozen=True, slots=True)
class Cpu:
    """A core as Pilotfish counts them (a hardware thread), and where it is; None where the machine does not tell.

    `package`, `die`, `cluster`, `node`: their numbers. `physical`: the number of the physical core in its package,
    `thread` its number on that. `caches`: cache name (`L1d`) to a number that cores which share the cache have in
    common.
    """

    core: int
    package: int | None
    physical: int | None
    thread: int | None
    die: int | None
    cluster: int | None
    node: int | None
    kind: str | None
    clock_hz: int | None
    capacity: int | None
    caches: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache: `kind` is data, instr or unified; 0 ways or bytes: not told. `cpus` share it."""

    level: int
    kind: str
    number: int
    cpus: int
    size_bytes: int
    ways: int
    line_bytes: int

    @property
    def name(self) -> str:
        """`L1d`, `L1i`, `L2`: as hwloc and lscpu write it."""
        return cache_name(self.level, self.kind)


@dataclass(frozen=True, slots=True)
class Node:
    """A NUMA node: `cpus` to which its memory is local (none of a node far from all), the sizes of caches in front
    of it by level.
    """

    number: int
    cpus: int
    memory_bytes: int
    side_caches: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class PciPlace:
    """A PCI function: class_code is class and subclass (16 bits); of a bridge, the buses behind it. `near`: cpus."""

    segment: int
    bus: int
    device: int
    function: int
    vendor_id: int
    device_id: int
    class_code: int
    secondary: int | None
    subordinate: int | None
    near: int

    @property
    def order(self) -> tuple[int, int, int, int]:
        """By segment, bus, device and function, as lspci lists them."""
        return self.segment, self.bus, self.device, self.function


@dataclass(frozen=True, slots=True)
class Topology:
    """All parts of the machine; `cpus` by core number, caches by level and number, nodes by number, PCI in order."""

    name: str
    cpus: Mapping[int, Cpu]
    caches: tuple[Cache, ...]
    nodes: tuple[Node, ...]
    pci: tuple[PciPlace, ...]

    def sets(self, part: str) -> dict[tuple[int, ...], int]:
        """The cores of each `package`, `die`, `cluster` or physical `core`; a core's number has its package first."""
        found: dict[tuple[int, ...], int] = {}
        for cpu in self.cpus.values():
            numbers = (cpu.package, cpu.physical) if part == "core" else (getattr(cpu, part),)
            key = tuple(number for number in numbers if number is not None)
            if len(key) == len(numbers):
                found[key] = found.get(key, 0) | 1 << cpu.core
        return found


def cache_name(level: int, kind: str) -> str:
    """`L1d`, `L1i`, `L2`."""
    return f"L{level}" + {"data": "d", "instr": "i"}.get(kind, "")


def read(kb: KnowledgeBase) -> Topology:
    """What the booted machine consists of."""
    said = kb.once(GOAL, inferences=_EFFORT, seconds=60.0)
    assert said is not None
    return told(said)


def told(said: Mapping[str, Any]) -> Topology:
    """What the machine consists of by the answer to `GOAL`."""
    threads = {core: (package, physical, thread) for core, package, physical, thread in said["Threads"]}
    one: dict[str, dict[int, Any]] = {
        name: dict(said[name]) for name in ("Cores", "Dies", "Clusters", "Kinds", "Clocks", "Capacities")
    }
    places = {
        core: Cpu(
            core, *threads.get(core, (None, None, None)), one["Dies"].get(core), one["Clusters"].get(core),
            None if node == "none" else node, one["Kinds"].get(core), one["Clocks"].get(core),
            one["Capacities"].get(core), {},
        )
        for core, node in sorted(said["Cores"])
    }
    caches = _caches(said, Topology("", places, (), (), ()))
    of_core: dict[int, dict[str, int]] = {core: {} for core in places}
    for cache in caches:
        for core in cores_in(cache.cpus):
            of_core[core][cache.name] = cache.number
    cpus = {core: _with_caches(cpu, of_core[core]) for core, cpu in places.items()}
    return Topology(str(said["Name"]), cpus, caches, _nodes(said, cpus), _pci(said, cpus))


def cores_in(cpus: int) -> list[int]:
    """The core numbers in a set, ascending."""
    found = []
    while cpus:
        lowest = cpus & -cpus
        found.append(lowest.bit_length() - 1)
        cpus ^= lowest
    return found


def set_of(cores: Sequence[int]) -> int:
    """The set of these cores."""
    cpus = 0
    for core in cores:
        cpus |= 1 << core
    return cpus


def _with_caches(cpu: Cpu, caches: Mapping[str, int]) -> Cpu:
    return replace(cpu, caches=caches)


def _caches(said: Mapping[str, Any], places: Topology) -> tuple[Cache, ...]:
    """Caches by level, kind and first core, numbered in that order from 0 for each level and kind.

    Which cores share one is told by its name (cpu_cache_id/4), else by the board (cache_share/3), else by how many
    there are: the smallest of physical core, cluster, die and package that holds just so many.
    """
    known = places.cpus
    named = {(core, level, kind): label for core, level, kind, label in said["CacheIds"]}
    members: dict[tuple[int, str, int], int] = {}
    for (core, level, kind), label in named.items():
        members[level, kind, label] = members.get((level, kind, label), 0) | (1 << core if core in known else 0)
    board: dict[tuple[int, int], int] = {}
    for a, b, level in said["CacheShares"]:
        for here, there in ((a, b), (b, a)):
            board[here, level] = board.get((here, level), 1 << here) | 1 << there
    enclosing: dict[int, list[int]] = {core: [1 << core] for core in known}
    for part in ("core", "cluster", "die", "package"):
        for cpus in places.sets(part).values():
            for core in cores_in(cpus):
                enclosing[core].append(cpus)
    found: dict[tuple[int, str, int], tuple[int, int, int]] = {}
    for core, level, kind, size, ways, line, shared in said["Caches"]:
        if core not in known:
            continue
        if (core, level, kind) in named:
            cpus = members[level, kind, named[core, level, kind]]
        elif (core, level) in board and kind != "instr":
            cpus = board[core, level]
        else:
            cpus = next((each for each in enclosing[core] if each.bit_count() == shared), 0)
        if cpus:
            found.setdefault((level, kind, cpus), (size, ways, line))
    ordered = sorted(found, key=lambda key: (key[0], key[1], key[2] & -key[2]))
    counts: dict[tuple[int, str], int] = {}
    caches = []
    for level, kind, cpus in ordered:
        number = counts[level, kind] = counts.get((level, kind), -1) + 1
        caches.append(Cache(level, kind, number, cpus, *found[level, kind, cpus]))
    return tuple(caches)


def _nodes(said: Mapping[str, Any], cpus: Mapping[int, Cpu]) -> tuple[Node, ...]:
    memory: dict[int, int] = dict(said["NodeMemory"])
    if not memory:
        for node, length in said["Ranges"]:
            memory[node] = memory.get(node, 0) + length
    local: dict[int, int] = dict.fromkeys(memory, 0)
    for cpu in cpus.values():
        if cpu.node is not None:
            local[cpu.node] = local.get(cpu.node, 0) | 1 << cpu.core
    for node, core in said["LocalCores"]:
        if core in cpus:
            local[node] = local.get(node, 0) | 1 << core
    sides: dict[int, list[tuple[int, int]]] = {}
    for node, level, size in said["SideCaches"]:
        sides.setdefault(node, []).append((level, size))
    return tuple(
        Node(number, local[number], memory.get(number, 0), tuple(sorted(sides.get(number, ()))))
        for number in sorted(local)
    )


def _pci(said: Mapping[str, Any], cpus: Mapping[int, Cpu]) -> tuple[PciPlace, ...]:
    subordinates = {place(address): bus for address, bus in said["Subordinates"]}
    nears = {place(address): set_of([core for core in cores if core in cpus]) for address, cores in said["Nears"]}
    found = []
    for address, vendor, device, class_code, subclass, secondary in (*said["Devices"], *said["Bridges"]):
        where = place(address)
        behind = None if secondary == -1 else secondary
        found.append(PciPlace(*where, vendor, device, class_code << 8 | subclass, behind,
                              None if behind is None else subordinates.get(where, behind), nears.get(where, 0)))
    return tuple(sorted(found, key=lambda one: one.order))


def place(address: Compound) -> tuple[int, int, int, int]:
    """`addr(Bus, Device, Function)` or `addr(Segment, Bus, Device, Function)` as four numbers."""
    numbers = [number for number in address.args if isinstance(number, int)]
    segment, bus, device, function = numbers if len(numbers) == 4 else [0, *numbers]
    return segment, bus, device, function
