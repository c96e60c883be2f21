"""The hwloc reader: `lstopo out.xml` of any version becomes facts (source `hwloc`).

Three formats occur: 1.x (no version; sockets and caches by their old names, packages within NUMA nodes), 2.x
and 3.x (NUMA nodes beside what they hold; hwloc_xml.py takes them apart). A core is known by its PU's
os_index, the operating system's number.

    cpu_thread, cpu_die, cpu_cluster, cpu_cache, cpu_cache_id      as sysfs tells them (cpusets.py)
    cpu_node(Core, Node)                the smallest node that holds the core (then the lowest number)
    node_local_core(Node, Core)         the core is in this node's set too, or it has no other
    node_memory(Node, Bytes)            node_distance(From, To, Distance)
    memory_latency, memory_bandwidth    from hwloc's memory attributes; other attributes:
    node_attribute(Node, Name, Initiators, Value)           Initiators: a list of cores
    memory_side_cache(Node, Level, Size, Associativity, unknown, LineSize)
    cpu_kind, cpu_capacity, cpu_clock   from its kinds of CPUs; the clock also from a model's name (`@ 2.50GHz`)
    cpu_brand, vendor, cpu_family       its infos
    device, bridge, device_node, device_link_speed          from its PCI devices (hwloc_pci.py)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from skb.facts import Fact, Text, fact
from skb.readers import DumpError
from skb.readers.capacities import kinds_by_capacity
from skb.readers.cpuid_identity import VENDORS
from skb.readers.cpuinfo import clock_in_name
from skb.readers.cpusets import Cache, Numbered, cache_facts, cpus_of, position_facts
from skb.readers.hwloc_pci import pci_facts
from skb.readers.hwloc_xml import Element, parse

_PACKAGES = ("Package", "Socket")
_NODES = ("NUMANode", "Node")
_PUS = ("PU", "Proc")
_CLUSTERS = ("Cluster", "Module", "Tile", "Complex", "Compute Unit", "ComputeUnit")
"""Subtypes of Group that are clusters of cores; others are books of s390, or distances made visible."""

_DIE_GROUP = 104  # HWLOC_GROUP_KIND_INTEL_DIE

_CACHE_KINDS = {0: "unified", 1: "data", 2: "instr"}
_CORE_TYPES = {"IntelCore": "performance", "IntelAtom": "efficiency", "IntelLowPower": "low_power"}
_LATENCY_ATTRIBUTES = {"Latency": "access", "ReadLatency": "read", "WriteLatency": "write"}
_BANDWIDTH_ATTRIBUTES = {"Bandwidth": "access", "ReadBandwidth": "read", "WriteBandwidth": "write"}
_LATENCY_KIND, _FROM_OS_KIND = 4, 1  # HWLOC_DISTANCES_KIND_*
_LARGEST_NODES = 4096


@dataclass(frozen=True, slots=True)
class _Node:
    number: int
    cpus: int
    memory_bytes: int
    gp_index: int | None


def recognises(data: bytes) -> bool:
    """Whether the file is hwloc's XML: its first element is `topology` (or the `root` of old)."""
    head = data[:4096].decode("utf-8", "replace")
    return head.lstrip("\ufeff \t\r\n").startswith("<") and ("<topology" in head or "<root>" in head)


def read(data: bytes, name: str) -> list[Fact]:
    """The facts of an hwloc XML file; raises DumpError (`name`:line) for what is none, or is broken."""
    root = parse(data, name)
    objects = [element for element in root.walk() if element.tag == "object"]
    pus = 0
    for element in objects:
        number = element.index()
        if element.get("type") in _PUS and number is not None:
            cpus = element.cpus()
            pus |= 1 << _cpu_number(element, number) if cpus is None else max(cpus, 0)
    if not pus:
        raise DumpError(f"{name}:{root.line}", "no PU (hardware thread) in it")
    facts = [*_position_facts(objects, pus), *cache_facts(_caches(objects, pus))]
    nodes = _nodes(objects, pus)
    facts += _node_facts(nodes)
    facts += _distance_facts(root, objects, nodes)
    facts += _memory_facts(root, objects, nodes, pus)
    facts += _identity_facts(objects, pus)
    facts += _kind_facts(root, objects, pus)
    facts += pci_facts(objects)
    return facts


def _cpu_number(element: Element, number: int) -> int:
    if number > 0xFFFF:
        raise element.error(f"os_index='{number}': there is no CPU of such a number")
    return number


def _of_type(objects: Sequence[Element], pus: int, *types: str) -> Iterator[tuple[Element, int]]:
    """The objects of these types that hold some CPU, each with its CPUs."""
    for element in objects:
        if element.get("type") in types:
            cpus = (element.cpus() or 0) & pus
            if cpus:
                yield element, cpus


def _numbered(objects: Sequence[Element], pus: int, *types: str) -> list[Numbered]:
    found: dict[int, Numbered] = {}
    for element, cpus in _of_type(objects, pus, *types):
        found.setdefault(cpus, Numbered(cpus, element.index()))
    return list(found.values())


def _position_facts(objects: Sequence[Element], pus: int) -> Iterator[Fact]:
    packages = _numbered(objects, pus, *_PACKAGES)
    cores = _numbered(objects, pus, "Core")
    groups = [element for element in objects if element.get("type") == "Group"]
    # 1.x had no dies, nor had 2.0: they are groups there.
    dies = [one for one in groups if _subtype(one) == "Die" or one.integer("kind") == _DIE_GROUP]
    dies += (one for one in objects if one.get("type") == "Die")
    clusters = [one for one in groups if _subtype(one) in _CLUSTERS]
    clusters += (one for one in objects if one.get("type") in _CLUSTERS)
    larger = {one.cpus for one in (*packages, *cores)}
    return position_facts(
        pus, packages, _numbered(dies, pus, "Group", "Die"),
        [one for one in _numbered(clusters, pus, "Group", *_CLUSTERS) if one.cpus not in larger], cores,
    )  # fmt: skip


def _subtype(element: Element) -> str | None:
    """The subtype, which 1.x has among the infos."""
    return element.get("subtype") or element.infos().get("Type")


def _caches(objects: Sequence[Element], pus: int) -> Iterator[Cache]:
    for element in objects:
        kind_of_object = element.get("type") or ""
        if not kind_of_object.endswith("Cache") or kind_of_object == "MemCache":
            continue
        cpus = (element.cpus() or 0) & pus
        level = element.size("depth")
        kind = _CACHE_KINDS.get(element.size("cache_type"))
        if kind is None:
            raise element.error(f"cache_type={element.get('cache_type')!r} is none of 0, 1, 2")
        size, line = element.size("cache_size"), element.size("cache_linesize")
        ways = element.integer("cache_associativity") or 0
        if ways < 0:  # fully associative
            ways = size // line if line else 0
        inclusive = element.infos().get("Inclusive")
        if cpus and level:
            known = int(inclusive) if inclusive in ("0", "1") else "unknown"
            yield Cache(level, kind, cpus, size, ways, line, known)


def _nodes(objects: Sequence[Element], pus: int) -> list[_Node]:
    """The NUMA nodes, in the order of the file; node 0 with all there is where the file has none."""
    found: dict[int, _Node] = {}
    for element in objects:
        number = element.index()
        if element.get("type") in _NODES and number is not None:
            cpus = ((element.cpus() or 0) or _mcdram_cpus(element)) & pus
            found.setdefault(
                number, _Node(number, cpus, element.size("local_memory"), element.index("gp_index"))
            )
    if not found:
        machine = objects[0]
        return [_Node(0, pus, machine.size("local_memory"), None)]
    return list(found.values())


def _mcdram_cpus(node: Element) -> int:
    """The CPUs that a Knights Landing's MCDRAM is near: 1.x has it without any, after the DDR it belongs to."""
    if node.parent is None or _subtype(node) != "MCDRAM":
        return 0
    ddr, *_ = (one for one in node.parent.named("object") if one.get("type") in _NODES)
    around = node.parent.cpus() or 0
    return around if ddr is not node and ddr.cpus() == around else 0


def _node_facts(nodes: Sequence[_Node]) -> Iterator[Fact]:
    owner = _owners(nodes)
    for node in nodes:
        for cpu in cpus_of(node.cpus):
            if owner[cpu] == node.number:
                yield fact("cpu_node", cpu, node.number)
            else:
                yield fact("node_local_core", node.number, cpu)
        yield fact("node_memory", node.number, node.memory_bytes)


def _owners(nodes: Sequence[_Node]) -> dict[int, int]:
    """The node of each CPU: of those that hold it the smallest, then the lowest."""
    owner: dict[int, int] = {}
    for node in sorted(nodes, key=lambda one: (one.cpus.bit_count(), one.number)):
        for cpu in cpus_of(node.cpus):
            owner.setdefault(cpu, node.number)
    return owner


def _distance_facts(root: Element, objects: Sequence[Element], nodes: Sequence[_Node]) -> Iterator[Fact]:
    """The first matrix of latencies over NUMA nodes that the operating system told."""
    by_gp = {node.gp_index: node.number for node in nodes if node.gp_index is not None}
    for matrix in root.named("distances2"):
        kind = matrix.size("kind")
        told = matrix.get("name") == "NUMALatency" or (not matrix.get("name") and kind & _FROM_OS_KIND)
        if matrix.get("type") not in _NODES or not kind & _LATENCY_KIND or not told:
            continue
        indexes = _integers(matrix, "indexes")
        values = _integers(matrix, "u64values")
        size = matrix.size("nbobjs")
        if len(indexes) != size or len(values) != size * size:
            raise matrix.error(f"{size} objects, but {len(indexes)} indexes and {len(values)} values")
        if matrix.get("indexing") == "gp":
            if not set(indexes) <= set(by_gp):
                raise matrix.error("a gp_index that no NUMA node has")
            indexes = [by_gp[index] for index in indexes]
        yield from _matrix_facts(indexes, values)
        return
    for owner in objects:
        for matrix in owner.named("distances"):
            below = [one for one in owner.walk() if one.get("type") in _NODES and one.tag == "object"]
            numbers = [number for number in (one.index() for one in below) if number is not None]
            if len(numbers) > 1 and matrix.size("nbobjs") == len(numbers):
                yield from _matrix_facts(numbers, _old_values(matrix, len(numbers)))
                return


def _matrix_facts(numbers: Sequence[int], values: Sequence[int]) -> Iterator[Fact]:
    for row, one in enumerate(numbers):
        for column, other in enumerate(numbers):
            yield fact("node_distance", one, other, values[row * len(numbers) + column])


def _integers(matrix: Element, tag: str) -> list[int]:
    words = matrix.integers(tag)
    if len(words) > _LARGEST_NODES**2 or not all(word.isdecimal() and len(word) <= 20 for word in words):
        raise matrix.error(f"<{tag}> does not hold numbers")
    return [int(word) for word in words]


def _old_values(matrix: Element, size: int) -> list[int]:
    """The values of hwloc 1.x, which divides by `latency_base` so that the least is 1."""
    base = _float(matrix, "latency_base")
    values = [round(_float(latency, "value") * base) for latency in matrix.named("latency")]
    if len(values) != size * size:
        raise matrix.error(f"{size} objects, but {len(values)} latencies")
    return values


def _float(element: Element, attribute: str) -> float:
    text = element.get(attribute) or ""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e15:
        raise element.error(f"{attribute}={text[:40]!r} is no latency")
    return value


def _memory_facts(
    root: Element, objects: Sequence[Element], nodes: Sequence[_Node], pus: int
) -> Iterator[Fact]:
    """hwloc's memory attributes (bandwidth in MiB/s, latency in ns) and memory-side caches."""
    owner = _owners(nodes)
    by_gp = {node.gp_index: node.number for node in nodes if node.gp_index is not None}
    for attribute in root.named("memattr"):
        name = attribute.get("name") or ""
        for value in attribute.named("memattr_value"):
            node = by_gp.get(value.size("target_obj_gp_index"))
            cpus = (value.cpus("initiator_cpuset") or 0) & pus
            if value.get("target_obj_type") not in _NODES or node is None:
                continue
            number = value.size("value")
            initiators = sorted({owner[cpu] for cpu in cpus_of(cpus) if cpu in owner})
            if name in _LATENCY_ATTRIBUTES:
                for initiator in initiators:
                    yield fact("memory_latency", initiator, node, _LATENCY_ATTRIBUTES[name], 0, number * 1000)
            elif name in _BANDWIDTH_ATTRIBUTES:
                for initiator in initiators:
                    yield fact("memory_bandwidth", initiator, node, _BANDWIDTH_ATTRIBUTES[name], 0, number)
            else:
                yield fact("node_attribute", node, Text(name), tuple(cpus_of(cpus)), number)
    for element in objects:
        if element.get("type") == "MemCache":
            ways = {1: "direct_mapped"}.get(element.integer("cache_associativity") or 0, "unknown")
            behind = [
                one.index() for one in element.walk() if one.tag == "object" and one.get("type") in _NODES
            ]
            for number_behind in behind:
                if number_behind is not None:
                    yield fact(
                        "memory_side_cache", number_behind, element.size("depth"), element.size("cache_size"),
                        ways, "unknown", element.size("cache_linesize"),
                    )  # fmt: skip


def _identity_facts(objects: Sequence[Element], pus: int) -> Iterator[Fact]:
    """Who made the processor: infos of its package, or of the machine where all are alike."""
    told = 0
    # Packages come first: what the machine says is for those that say nothing.
    ordered = [*_of_type(objects, pus, *_PACKAGES), *_of_type(objects, pus, "Machine", "System")]
    for element, cpus in ordered:
        infos = element.infos()
        for cpu in cpus_of(cpus & ~told):
            vendor = VENDORS.get(infos.get("CPUVendor", ""))
            numbers = [infos.get(key, "") for key in ("CPUFamilyNumber", "CPUModelNumber", "CPUStepping")]
            if vendor:
                yield fact("vendor", cpu, vendor)
                if all(number.isdecimal() and len(number) < 10 for number in numbers):
                    yield fact("cpu_family", cpu, vendor, *(int(number) for number in numbers))
            if infos.get("CPUModel", "").strip():
                yield fact("cpu_brand", cpu, Text(infos["CPUModel"].strip()))
        told |= cpus if {"CPUModel", "CPUVendor"} & set(infos) else 0


def _kind_facts(root: Element, objects: Sequence[Element], pus: int) -> Iterator[Fact]:
    """`cpu_kind/2` by Intel's names, else by capacity or efficiency; clocks, capacities."""
    kinds = [(kind, (kind.cpus() or 0) & pus, kind.infos()) for kind in root.named("cpukind")]
    capacities: dict[int, int] = {}
    for _, cpus, infos in kinds:
        capacity = infos.get("LinuxCapacity", "")
        if capacity.isdecimal() and len(capacity) < 10:
            capacities.update(dict.fromkeys(cpus_of(cpus), int(capacity)))
    names = _kind_names(kinds, capacities)
    for _, cpus, _ in kinds:
        for cpu in cpus_of(cpus):
            if cpu in names:
                yield fact("cpu_kind", cpu, names[cpu])
            if cpu in capacities:
                yield fact("cpu_capacity", cpu, capacities[cpu])
    told = 0
    for clock, cpus in _clocks(objects, [(cpus, infos) for _, cpus, infos in kinds], pus):
        for cpu in cpus_of(cpus & ~told) if clock else ():
            yield fact("cpu_clock", cpu, clock)
        told |= cpus if clock else 0


def _kind_names(
    kinds: Sequence[tuple[Element, int, dict[str, str]]], capacities: Mapping[int, int]
) -> dict[int, str]:
    """The kind of each CPU; of efficiencies, which only rank, the highest is performance."""
    named = [_CORE_TYPES.get(infos.get("CoreType", "")) for _, _, infos in kinds]
    names: dict[int, str] = {}
    if None not in named and len(set(named)) > 1:
        for (_, cpus, _), name in zip(kinds, named, strict=True):
            names.update(dict.fromkeys(cpus_of(cpus), name or ""))
        return names
    if kinds and all(cpu in capacities for _, cpus, _ in kinds for cpu in cpus_of(cpus)):
        return kinds_by_capacity(capacities)
    ranks = [(kind.integer("forced_efficiency"), cpus) for kind, cpus, _ in kinds]
    if any(rank is None or rank < 0 for rank, _ in ranks) or len({rank for rank, _ in ranks}) < 2:
        return {}
    highest = max(rank or 0 for rank, _ in ranks)
    for rank, cpus in ranks:
        names.update(dict.fromkeys(cpus_of(cpus), "performance" if rank == highest else "efficiency"))
    return names


def _clocks(
    objects: Sequence[Element], kinds: Sequence[tuple[int, dict[str, str]]], pus: int
) -> Iterator[tuple[int, int]]:
    """Clocks in hertz and their CPUs, the more believable first: the base clock, the one in the name, the highest."""
    for cpus, infos in kinds:
        yield _megahertz(infos.get("FrequencyBaseMHz")), cpus
    for element, cpus in _of_type(objects, pus, *_PACKAGES, "Machine", "System"):
        yield clock_in_name(element.infos().get("CPUModel", "")) or 0, cpus
    for cpus, infos in kinds:
        yield _megahertz(infos.get("FrequencyMaxMHz")), cpus


def _megahertz(text: str | None) -> int:
    return int(text) * 1_000_000 if text and text.isdecimal() and len(text) < 10 else 0
