"""Latencies of messages between all cores, and how the cores are related: matrices out of one crossing.

distance/3 (rules/distance.pl) says how long a message takes and from where that is known; latency_rows/3 says it for
all pairs at once. Rows are senders, columns receivers, in the order of `cores`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skb.knowledge import KnowledgeBase
from skb.topology import Topology

WAYS = ("itself", "measured", "measured_back", "round_trip", "concluded", "unknown")
"""How a latency is known; `ways` counts in this order. measured_back: in the other direction; round_trip: half of a
measured one; concluded: from the relation of the two cores and the costs of mechanisms.
"""

_EFFORT = 1 << 40  # the machine's size bounds it

_GOAL = """
    distance:latency_rows(Unit, Cores, Rows),
    findall([A, B, H], package_hops(A, B, H), Hops),
    findall([N, V, U, S],
            ( member(N, [ump_shared_cache, ump_same_package, ump_hop, ump_next_hop]), once(cost_of(N, V, U, S)) ),
            Costs),
    findall(F, facts:dump(measured, F), Files)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """A cost from which latencies are concluded, and where it is known from."""

    name: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class Latencies:
    """`values`: in `unit` (ns or cycles of the sender), one way; 0 on the diagonal, NaN where unknown. `ways`:
    numbers in WAYS. `relations`: numbers in `relation_names`. `files`: those that measurements were read from.
    """

    unit: str
    cores: tuple[int, ...]
    values: NDArray[np.float64]
    ways: NDArray[np.uint8]
    relations: NDArray[np.uint8]
    relation_names: tuple[str, ...]
    costs: tuple[Cost, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """The latencies of all pairs of cores, each in both directions, that are so related, and how they are known."""

    relation: str
    pairs: int
    least: float
    median: float
    most: float
    ways: tuple[str, ...]


def read(kb: KnowledgeBase, topology: Topology, cores: Sequence[int], unit: str) -> Latencies:
    """The latencies between these cores of the booted machine; `unit` is ns or cycles."""
    asked = sorted(set(cores))
    found = kb.once(_GOAL, {"Unit": unit, "Cores": tuple(asked)}, inferences=_EFFORT, seconds=120.0)
    assert found is not None
    count = len(asked)
    values = np.zeros((count, count))
    ways = np.zeros((count, count), np.uint8)
    numbers = {way: number for number, way in enumerate(WAYS)}
    for at, row in enumerate(found["Rows"]):
        counts = row[2::3]
        values[at] = np.repeat(np.array(row[0::3], float), counts)
        ways[at] = np.repeat(np.array([numbers[way] for way in row[1::3]], np.uint8), counts)
    values[ways == WAYS.index("unknown")] = np.nan
    relations, names = _relations(topology, asked, found["Hops"])
    costs = tuple(Cost(name, value, unit_of, str(source)) for name, value, unit_of, source in found["Costs"])
    return Latencies(unit, tuple(asked), values, ways, relations, names, costs, tuple(map(str, found["Files"])))


def _relations(
    topology: Topology, cores: Sequence[int], package_hops: Sequence[Sequence[int]]
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """How each two cores are related: the closest of same physical core, shared caches by level, cluster, die and
    node where packages have several, package, hops.
    """
    cpus = [topology.cpus[core] for core in cores]
    names = ["itself"]
    relations = np.full((len(cores), len(cores)), 255, np.uint8)
    np.fill_diagonal(relations, 0)

    def relate(name: str, related: NDArray[np.bool_]) -> None:
        fresh = related & (relations == 255)
        if fresh.any():
            relations[fresh] = len(names)
            names.append(name)

    def same(labels: Sequence[Any]) -> NDArray[np.bool_]:
        known = {label: number for number, label in enumerate(dict.fromkeys(labels)) if label is not None}
        column = np.array([known.get(label, -1) for label in labels])
        together: NDArray[np.bool_] = (column[:, None] == column) & (column >= 0)
        return together

    relate("same core", same([None if cpu.physical is None else (cpu.package, cpu.physical) for cpu in cpus]))
    shared = sorted({name for cpu in cpus for name in cpu.caches if not name.endswith("i")})
    for name in shared:
        relate(f"shared {name}", same([cpu.caches.get(name) for cpu in cpus]))
    packaged = same([cpu.package for cpu in cpus])
    for name, labels in (("same cluster", [cpu.cluster for cpu in cpus]), ("same die", [cpu.die for cpu in cpus]),
                         ("same node", [cpu.node for cpu in cpus])):
        together = same(labels)
        if (together <= packaged).all() and (together != packaged).any():
            relate(name, together)
    relate("same package", packaged)
    packages = {package: number for number, package in enumerate(sorted({a for a, _, _ in package_hops}))}
    hops = np.full((len(packages) + 1, len(packages) + 1), -1)
    for a, b, links in package_hops:
        hops[packages[a], packages[b]] = links
    home = np.array([packages.get(cpu.package, len(packages)) if cpu.package is not None else len(packages)
                     for cpu in cpus])
    between = hops[np.ix_(home, home)]
    for links in np.unique(between):
        if links > 0:
            relate(f"{links} hop{'s' if links > 1 else ''}", between == links)
    relate("not connected", relations == 255)
    return relations, tuple(names)


def summaries(latencies: Latencies) -> list[Summary]:
    """A summary for each relation that occurs, closest first."""
    found = []
    for number, name in enumerate(latencies.relation_names[1:], 1):
        there = latencies.relations == number
        known = latencies.values[there & ~np.isnan(latencies.values)]
        ways = tuple(WAYS[way] for way in np.unique(latencies.ways[there]))
        least, median, most = (known.min(), np.median(known), known.max()) if known.size else (np.nan,) * 3
        found.append(Summary(name, int(there.sum()), float(least), float(median), float(most), ways))
    return found
