"""NUMA nodes as the kernel tells them: CPUs, memory, distances, and what HMAT says of access.

A part of the sysfs reader (sysfs.py), after hwloc's look_sysfsnode.

    cpu_node(Core, Node)                    node_memory(Node, Bytes)      node_distance(From, To, Distance)
    node_local_core(Node, Core)             another node's core, if the memory is as near to it as any: of the
                                            best initiators, else of the nodes at the least distance
    memory_latency(Initiator, Node, read|write, 0, Picoseconds)
    memory_bandwidth(Initiator, Node, read|write, 0, MegabytesPerSecond)    from the best initiators
    memory_side_cache(Node, Level, Size, Associativity, WritePolicy, LineSize)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from skb.facts import Fact, fact
from skb.readers.cpusets import cpus_of
from skb.readers.sysfs_files import Tree

_MEMORY_TOTAL = re.compile(r"\bMemTotal:\s+([0-9]{1,16}) kB")
_CARD_MEMORY = re.compile("proc/driver/nvidia/gpus/[^/]+/numa_status")
_CARD_NODE = re.compile(rb"^Node:[ \t]*([0-9]{1,9})[ \t]*$", re.MULTILINE)
_ACCESSES = (
    ("memory_latency", "read", "read_latency", 1000),  # ns; the fact has ps
    ("memory_latency", "write", "write_latency", 1000),
    ("memory_bandwidth", "read", "read_bandwidth", 1),  # MB/s
    ("memory_bandwidth", "write", "write_bandwidth", 1),
)
_INDEXING = {0: "direct_mapped", 1: "complex"}
_WRITE_POLICY = {0: "write_back", 1: "write_through"}


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes: those listed as on line, the CPUs of each that is believed, the distances between these."""

    listed: tuple[int, ...]
    own: dict[int, int]
    distances: dict[tuple[int, int], int]


def nodes_of(tree: Tree, online: int) -> Nodes:
    """All nodes; a kernel without NUMA has node 0, with every CPU.

    Not believed are nodes that the kernel tells no CPUs of, not even none; nodes with CPUs of a node before
    them, as firmware has it that gives all the same; the memory of graphics cards that their driver made a
    node, which is for their programs alone.
    """
    online_nodes = tree.cpu_list("node/online")
    listed = tree.numbered("node", "node") if online_nodes is None else list(cpus_of(online_nodes))
    own: dict[int, int] = {}
    taken = 0
    for node in listed:
        cpus = tree.cpu_mask(f"node/node{node}/cpumap")
        if cpus is None:
            cpus = tree.cpu_list(f"node/node{node}/cpulist")
        if cpus is not None and not cpus & taken:
            own[node] = cpus & online
            taken |= cpus
    for status in tree.contents(_CARD_MEMORY):
        card = _CARD_NODE.search(status)
        if card:
            own.pop(int(card[1]), None)
    if not own:
        return Nodes((), {0: online}, {})
    ways = _distances(tree, listed)
    return Nodes(tuple(listed), own, {pair: way for pair, way in ways.items() if own.keys() >= set(pair)})


def node_facts(tree: Tree, nodes: Nodes, cpuless_by_distance: bool) -> Iterator[Fact]:
    """The facts of the nodes.

    With `cpuless_by_distance` distances are a way to say which cores a node without any is next to, and
    nothing else (sysfs_knl.py).
    """
    own = nodes.own
    for node, cpus in own.items():
        for cpu in cpus_of(cpus):
            yield fact("cpu_node", cpu, node)
        meminfo = tree.text(f"node/node{node}/meminfo")
        if meminfo is None and len(own) == 1:
            meminfo = tree.outside("proc/meminfo")
        total = _MEMORY_TOTAL.search(meminfo or "")
        if total:
            yield fact("node_memory", node, int(total[1]) << 10)
    if len(own) > 1 and not cpuless_by_distance:
        for (one, other), distance in nodes.distances.items():
            yield fact("node_distance", one, other, distance)
    initiators = {node: _initiators(tree, node) for node in own}
    near = dict(own)
    for node in sorted(own, key=lambda each: not own[each]):  # those with cores first, as hwloc has it
        for other in initiators[node][0]:
            near[node] |= near.get(other, 0)
        if not near[node]:
            near[node] = _nearest(node, nodes, near, cpuless_by_distance)
    for node in own:
        for cpu in cpus_of(near[node] & ~own[node]):
            yield fact("node_local_core", node, cpu)
        names, folder = initiators[node]
        for name, access, file, unit in _ACCESSES:
            value = tree.number(f"{folder}/{file}")
            for initiator in names if value and value > 0 else ():
                yield fact(name, initiator, node, access, 0, (value or 0) * unit)
        yield from _side_caches(tree, node)


def _distances(tree: Tree, nodes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Row by row over the nodes on line; empty where a row is missing or has another length."""
    found: dict[tuple[int, int], int] = {}
    for node in nodes if len(nodes) > 1 else ():
        row = tree.counts(f"node/node{node}/distance")
        if row is None or len(row) != len(nodes):
            return {}
        for other, distance in zip(nodes, row, strict=True):
            found[node, other] = distance
    return found


def _initiators(tree: Tree, node: int) -> tuple[list[int], str]:
    """The nodes with the best access to this one, and their folder: of processors alone (access1) first."""
    for access in ("access1", "access0"):
        folder = f"node/node{node}/{access}/initiators"
        if tree.has(folder):
            return tree.numbered(folder, "node"), folder
    return [], f"node/node{node}/access0/initiators"


def _nearest(node: int, nodes: Nodes, near: Mapping[int, int], always: bool) -> int:
    """The CPUs of the nodes at the least distance from this one; none where all others are as far."""
    ways = {other: nodes.distances[node, other] for other in nodes.own if (node, other) in nodes.distances}
    home = ways.pop(node, 0)
    least = min(ways.values(), default=0)
    closest = [other for other, way in ways.items() if way == least]
    if least <= home or (len(closest) == len(nodes.listed) - 1 and not always):
        return 0
    return reduce(or_, (near[other] for other in closest))


def _side_caches(tree: Tree, node: int) -> Iterator[Fact]:
    for level in tree.numbered(f"node/node{node}/memory_side_cache", "index"):
        here = f"node/node{node}/memory_side_cache/index{level}"
        size, line = tree.size(f"{here}/size"), tree.count(f"{here}/line_size")
        indexing = tree.count(f"{here}/indexing")
        if size is not None and line is not None and indexing is not None:
            policy = _WRITE_POLICY.get(tree.count(f"{here}/write_policy") or 0, "none")
            yield fact("memory_side_cache", node, level, size, _INDEXING.get(indexing, "none"), policy, line)
