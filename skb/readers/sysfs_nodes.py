"""NUMA nodes as the kernel tells them: CPUs, memory, distances, and what HMAT says of access.

A part of the sysfs reader (sysfs.py), after hwloc's look_sysfsnode.

    cpu_node(Core, Node)                    node_memory(Node, Bytes)      node_distance(From, To, Distance)
    node_local_core(Node, Core)             a core near a node that has none of its own
    memory_latency(Initiator, Node, read|write, 0, Picoseconds)
    memory_bandwidth(Initiator, Node, read|write, 0, MegabytesPerSecond)    from the best initiators
    memory_side_cache(Node, Level, Size, Associativity, WritePolicy, LineSize)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from skb.facts import Fact, fact
from skb.readers.cpusets import cpus_of
from skb.readers.sysfs_files import Tree

_MEMORY_TOTAL = re.compile(r"\bMemTotal:\s+([0-9]{1,16}) kB")
_ACCESSES = (
    ("memory_latency", "read", "read_latency", 1000),  # ns; the fact has ps
    ("memory_latency", "write", "write_latency", 1000),
    ("memory_bandwidth", "read", "read_bandwidth", 1),  # MB/s
    ("memory_bandwidth", "write", "write_bandwidth", 1),
)
_INDEXING = {0: "direct_mapped", 1: "complex"}
_WRITE_POLICY = {0: "write_back", 1: "write_through"}


def node_facts(tree: Tree, online: int) -> Iterator[Fact]:
    """The facts of all nodes; a kernel without NUMA has node 0, with every CPU and all memory."""
    listed = tree.cpu_list("node/online")
    nodes = tree.numbered("node", "node") if listed is None else list(cpus_of(listed))
    own: dict[int, int] = {}
    taken = 0
    for node in nodes:
        cpus = tree.cpu_mask(f"node/node{node}/cpumap")
        if cpus is None:
            cpus = tree.cpu_list(f"node/node{node}/cpulist")
        # Firmware that gives all nodes the same CPUs: the first keeps them, the others are not nodes.
        if cpus is not None and not cpus & taken:
            own[node] = cpus & online
            taken |= cpus
    if not own:
        own[0] = online
    for node, cpus in own.items():
        for cpu in cpus_of(cpus):
            yield fact("cpu_node", cpu, node)
        meminfo = tree.text(f"node/node{node}/meminfo")
        if meminfo is None and len(own) == 1:
            meminfo = tree.outside("proc/meminfo")
        total = _MEMORY_TOTAL.search(meminfo or "")
        if total:
            yield fact("node_memory", node, int(total[1]) << 10)
    distances = {pair: way for pair, way in _distances(tree, nodes).items() if own.keys() >= set(pair)}
    for (one, other), distance in distances.items() if len(own) > 1 else ():
        yield fact("node_distance", one, other, distance)
    for node in own:
        initiators, folder = _initiators(tree, node)
        if not own[node]:
            yield from _local_cores(node, own, initiators, distances, len(nodes))
        for name, access, file, unit in _ACCESSES:
            value = tree.number(f"{folder}/{file}")
            for initiator in initiators if value and value > 0 else ():
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


def _local_cores(
    node: int,
    own: dict[int, int],
    initiators: Sequence[int],
    distances: dict[tuple[int, int], int],
    nodes: int,
) -> Iterator[Fact]:
    """The cores near a node without cores: of its initiators, else of the nodes at the least distance."""
    near = [other for other in initiators if other != node and own.get(other)]
    others = [other for other in own if other != node and (node, other) in distances]
    if not near and others:
        least = min(distances[node, other] for other in others)
        near = [other for other in others if distances[node, other] == least]
        if least <= distances.get((node, node), 0) or len(near) == nodes - 1:
            near = []  # the distances do not tell
    local = 0
    for other in near:
        local |= own[other]
    for cpu in cpus_of(local):
        yield fact("node_local_core", node, cpu)


def _side_caches(tree: Tree, node: int) -> Iterator[Fact]:
    for level in tree.numbered(f"node/node{node}/memory_side_cache", "index"):
        here = f"node/node{node}/memory_side_cache/index{level}"
        size, line = tree.size(f"{here}/size"), tree.count(f"{here}/line_size")
        indexing = tree.count(f"{here}/indexing")
        if size is not None and line is not None and indexing is not None:
            policy = _WRITE_POLICY.get(tree.count(f"{here}/write_policy") or 0, "none")
            yield fact("memory_side_cache", node, level, size, _INDEXING.get(indexing, "none"), policy, line)
