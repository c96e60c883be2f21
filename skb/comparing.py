"""A machine held against hwloc's XML of it, object by object.

The machine's side is what its knowledge base believes, whatever sources told it, taken from the facts that rules
read; the reference's side are the objects of the XML themselves (hwloc 1.x, 2.x and 3.x), not what our reader
concludes from them. A set of CPUs is an int, bit N for CPU N.

Exports leave things out: kinds of objects that were filtered, devices that hwloc deems unimportant, CPUs that a
cgroup does not allow. What the reference does not state is said, and is no difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from skb.facts import Compound, Fact
from skb.readers import hwloc
from skb.readers.cpusets import cpus_of
from skb.readers.hwloc_xml import Element, parse

PACKAGES, DIES, CORES, THREADS = "packages", "dies", "cores", "hardware threads"
NODES, DISTANCES, FUNCTIONS = "NUMA nodes", "NUMA distances", "PCI devices"

MACHINE_VIEW = (
    "findall(t(C, P, I), facts:cpu_thread(C, P, I, _), Threads), "
    "findall(d(C, D), facts:cpu_die(C, D), Dies), "
    "findall(c(C, L, T, I, S), "
    "        (facts:cpu_cache_id(C, L, T, I), facts:cpu_cache(C, _, L, T, S, _, _, _, _)), Caches), "
    "( facts:cpu_node(_, _) "
    "  -> findall(n(N, C), facts:cpu_node(C, N), InNodes) "
    "  ;  findall(n(N, C), (facts:cpu_affinity(A, _, N), skb:apic_of(C, A)), InNodes) ), "
    "findall(n(N, C), facts:node_local_core(N, C), Local), "
    "findall(m(N, B), facts:node_memory(N, B), Memory), "
    "findall(w(A, B, D), facts:node_distance(A, B, D), Distances), "
    "findall(f(A, C, S, V, D, none), facts:device(_, A, V, D, C, S, _, _), Devices), "
    "findall(f(A, C, S, V, D, B), facts:bridge(_, A, V, D, C, S, _, secondary(B)), Bridges)"
)
"""The goal whose answer `machine_objects` takes: what the knowledge base believes of these objects."""


@dataclass(frozen=True, slots=True)
class Function:
    """A PCI function: its class and identity, and of a bridge the bus behind it (None: not told)."""

    identity: str
    bus: int | None


Value = int | tuple[int, int] | Function | None
Key = int | str | tuple[int, int]


@dataclass(frozen=True, slots=True)
class Objects:
    """What a machine is made of: by kind, the objects by what identifies them, each with what is told of it.

    Packages, dies, cores, threads and caches are known by their set of CPUs (caches have their size in bytes), NUMA
    nodes by number (CPUs, bytes of memory), distances by two nodes, PCI functions by address.
    """

    kinds: Mapping[str, Mapping[Key, Value]]
    without_object: int = 0
    """CPUs that are known to exist, but have no object: off line, or not allowed where the export was made."""

    def of(self, kind: str) -> Mapping[Key, Value]:
        return self.kinds.get(kind, {})

    @property
    def cpus(self) -> int:
        """All CPUs as one set."""
        together = 0
        for key in self.of(THREADS):
            assert isinstance(key, int)
            together |= key
        return together


@dataclass(frozen=True, slots=True)
class Difference:
    """An object that is not the same on both sides; `machine` or `reference` is None where that side has none."""

    what: str
    machine: str | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of objects, compared: how many the two sides have, what differs, what the reference leaves out.

    `told` is False where the machine's sources tell nothing of the kind, `stated` where the reference does not.
    """

    kind: str
    machine: int
    reference: int
    different: tuple[Difference, ...]
    left_out: tuple[Difference, ...] = ()

    @property
    def told(self) -> bool:
        return self.machine > 0 or self.reference == 0

    @property
    def stated(self) -> bool:
        return self.reference > 0 or self.machine == 0

    @property
    def equal(self) -> bool:
        return not self.different


@dataclass(frozen=True, slots=True)
class Comparison:
    """A machine against a reference."""

    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()

    @property
    def differences(self) -> int:
        return sum(len(row.different) for row in self.rows)

    @property
    def exact(self) -> bool:
        """Equal, with nothing left out by either side."""
        return all(row.equal and row.told and row.stated and not row.left_out for row in self.rows)


# -- the machine's side ----------------------------------------------------------------------------


def machine_objects(view: Mapping[str, Any]) -> Objects:
    """The objects of a machine, from the answer to MACHINE_VIEW."""
    sets: defaultdict[str, defaultdict[Any, int]] = defaultdict(lambda: defaultdict(int))
    sizes: dict[tuple[str, Any], int] = {}
    for cpu, package, core in _rows(view["Threads"]):
        for kind, key in ((PACKAGES, package), (CORES, (package, core)), (THREADS, cpu)):
            sets[kind][key] |= 1 << cpu
    for cpu, die in _rows(view["Dies"]):
        sets[DIES][die] |= 1 << cpu
    for cpu, level, of_type, cache, size in _rows(view["Caches"]):
        kind = cache_kind(level, of_type)
        sets[kind][cache] |= 1 << cpu
        sizes[kind, cache] = size
    kinds: dict[str, dict[Key, Value]] = {
        kind: {cpus: sizes.get((kind, key)) for key, cpus in groups.items()} for kind, groups in sets.items()
    }
    kinds[DIES] = {cpus: None for cpus in kinds.get(DIES, {}) if cpus not in kinds.get(PACKAGES, {})}
    nodes: defaultdict[int, int] = defaultdict(int)
    for node, cpu in (*_rows(view["InNodes"]), *_rows(view["Local"])):
        nodes[node] |= 1 << cpu
    memory = dict(_rows(view["Memory"]))
    kinds[NODES] = {node: (nodes[node], memory.get(node, 0)) for node in sorted({*nodes, *memory})}
    kinds[DISTANCES] = {
        (one, other): distance for one, other, distance in _rows(view["Distances"])
        if one in kinds[NODES] and other in kinds[NODES]
    }  # fmt: skip
    kinds[FUNCTIONS] = {
        address_text(address): Function(_identity(code, sub, vendor, device), bus if bus != "none" else None)
        for address, code, sub, vendor, device, bus in (*_rows(view["Devices"]), *_rows(view["Bridges"]))
    }
    return Objects(kinds)


def _identity(code: object, sub: object, vendor: object, device: object) -> str:
    return f"{code:02x}{sub:02x} {vendor:04x}:{device:04x}"


def _rows(found: Iterable[Compound]) -> list[tuple[Any, ...]]:
    return [each.args for each in found]


def cache_kind(level: int, of_type: str) -> str:
    """What caches of a level and type (data, instr, unified) are called."""
    return f"L{level} instruction caches" if of_type == "instr" else f"L{level} caches"


def address_text(address: Compound) -> str:
    """A PCI address as `lspci -D` writes it."""
    *segment, bus, device, function = (part for part in address.args if isinstance(part, int))
    return f"{segment[0] if segment else 0:04x}:{bus:02x}:{device:02x}.{function:x}"


# -- the reference's side --------------------------------------------------------------------------

_KINDS = {"Package": PACKAGES, "Socket": PACKAGES, "Die": DIES, "Core": CORES, "PU": THREADS, "Proc": THREADS}
_NODES = ("NUMANode", "Node")
_CACHE_TYPES = {0: "unified", 1: "data", 2: "instr"}
_DIE_GROUP = 104  # HWLOC_GROUP_KIND_INTEL_DIE: before 2.1 dies were groups
_UNTOLD = -1


def reference_objects(data: bytes, name: str) -> Objects:
    """The objects that hwloc's XML states; DumpError (`name`:line) where it is none."""
    facts = hwloc.read(data, name)  # refuses what is no whole export
    root = parse(data, name)
    objects = [element for element in root.walk() if element.tag == "object"]
    there = 0
    for element in objects:
        if element.get("type") in ("PU", "Proc"):
            there |= _cpus(element)
    kinds: defaultdict[str, dict[Key, Value]] = defaultdict(dict)
    for element in objects:
        kind = element.get("type") or ""
        cpus = _cpus(element) & there
        if kind in _KINDS and cpus:
            kinds[_KINDS[kind]][cpus] = None
        elif kind.endswith("Cache") and kind != "MemCache" and cpus:
            level, of_type = element.size("depth"), _CACHE_TYPES.get(element.size("cache_type"), "unified")
            kinds[cache_kind(level, of_type)].setdefault(cpus, element.size("cache_size"))
        elif kind in _NODES and (number := element.index()) is not None:
            untold = not cpus and root.get("version") is None  # 1.x knows no CPUs near a node without its own
            kinds[NODES][number] = (_UNTOLD if untold else cpus, element.size("local_memory"))
        elif kind == "Group" and cpus and (_names_die(element) or element.integer("kind") == _DIE_GROUP):
            kinds[DIES][cpus] = None
    kinds[DIES] = {cpus: None for cpus in kinds[DIES] if cpus not in kinds[PACKAGES]}
    kinds[DISTANCES] = {_pair(each): _integer(each.args[2]) for each in facts if each.name == "node_distance"}
    for each in facts:
        if each.name in ("device", "bridge"):
            kinds[FUNCTIONS].update([_function(each)])
    complete = objects[0].cpus("complete_cpuset") or 0
    return Objects(dict(kinds), complete & ~there if complete > 0 else 0)


def _cpus(element: Element) -> int:
    return max(element.cpus() or 0, 0) if element.get("type") in ("PU", "Proc") else element.cpus() or 0


def _names_die(group: Element) -> bool:
    return "Die" in (group.get("subtype"), group.infos().get("Type"))


def _pair(distance: Fact) -> tuple[int, int]:
    return _integer(distance.args[0]), _integer(distance.args[1])


def _integer(term: object) -> int:
    assert isinstance(term, int)
    return term


def _function(said: Fact) -> tuple[str, Function]:
    _, address, vendor, device, code, sub, _, last = said.args
    assert isinstance(address, Compound)
    bus = _integer(last.args[0]) if isinstance(last, Compound) else None
    return address_text(address), Function(_identity(code, sub, vendor, device), bus)


# -- comparing -------------------------------------------------------------------------------------


def compare(machine: Objects, reference: Objects) -> Comparison:
    """The two, kind by kind. Objects are compared by the CPUs that both sides have; CPUs themselves all."""
    ours, theirs = machine.cpus, reference.cpus
    common = ours & theirs
    remarks = []
    if reference.without_object:
        remarks.append(
            f"the reference has no object for CPUs {ranges_text(cpus_of(reference.without_object))}: "
            "off line, or not allowed where it was made"
        )
    if ours != theirs and common:
        both = ranges_text(cpus_of(common))
        remarks.append(f"packages, cores, caches and nodes are compared by the CPUs that both have: {both}")
    caches = sorted(kind for kind in {*machine.kinds, *reference.kinds} if kind.endswith("caches"))
    order = (PACKAGES, DIES, NODES, CORES, THREADS, *caches, DISTANCES, FUNCTIONS)
    return Comparison(tuple(_compared(kind, machine, reference, common) for kind in order), tuple(remarks))


def _compared(kind: str, machine: Objects, reference: Objects, common: int) -> Row:
    ours, theirs = machine.of(kind), reference.of(kind)
    if kind == FUNCTIONS:
        kept = {key: value for key, value in ours.items() if key in theirs}
        others = {key: value for key, value in ours.items() if key not in theirs}
        different = _differences(kind, kept, theirs) if ours else ()
        return Row(kind, len(ours), len(theirs), different, _differences(kind, others, {}) if theirs else ())
    if kind == THREADS:
        hidden = _within(dict.fromkeys(ours.keys() - theirs.keys()), reference.without_object)
        kept = {key: value for key, value in ours.items() if key not in hidden}
        return Row(kind, len(ours), len(theirs), _differences(kind, kept, theirs), _differences(kind, hidden, {}))
    if kind == NODES:
        ours, theirs = _within_nodes(ours, common), _within_nodes(theirs, common)
    elif kind != DISTANCES:
        ours, theirs = _within(ours, common), _within(theirs, common)
    different = _differences(kind, ours, theirs) if ours and theirs else ()
    return Row(kind, len(ours), len(theirs), different)


def _within(objects: Mapping[Key, Value], cpus: int) -> dict[Key, Value]:
    return {key & cpus: value for key, value in objects.items() if isinstance(key, int) and key & cpus}


def _within_nodes(objects: Mapping[Key, Value], cpus: int) -> dict[Key, Value]:
    return {
        key: (value[0] if value[0] == _UNTOLD else value[0] & cpus, value[1])
        for key, value in objects.items() if isinstance(value, tuple)
    }  # fmt: skip


def _differences(
    kind: str, ours: Mapping[Key, Value], theirs: Mapping[Key, Value]
) -> tuple[Difference, ...]:
    found = []
    for key in sorted({*ours, *theirs}, key=_rank):
        one, other = ours.get(key), theirs.get(key)
        if key in ours and key in theirs and _same(one, other):
            continue
        found.append(
            Difference(
                _name(kind, key),
                _shown(kind, one) if key in ours else None, _shown(kind, other) if key in theirs else None,
            )
        )
    return tuple(found)


def _rank(key: Key) -> tuple[Any, ...]:
    if isinstance(key, int):
        return (key & -key, key)
    return key if isinstance(key, tuple) else (key,)


def _same(one: Value, other: Value) -> bool:
    if isinstance(one, Function) and isinstance(other, Function):
        buses = {one.bus, other.bus} - {None}  # exports of hwloc 1.x do not tell all
        return one.identity == other.identity and len(buses) < 2
    if isinstance(one, tuple) and isinstance(other, tuple) and other[0] == _UNTOLD:
        return one[1] == other[1]
    return one == other


_SINGULAR = {
    PACKAGES: "package", DIES: "die", CORES: "core", THREADS: "hardware thread", NODES: "NUMA node",
    DISTANCES: "distance", FUNCTIONS: "PCI device",
}  # fmt: skip


def _name(kind: str, key: Key) -> str:
    singular = _SINGULAR.get(kind, kind.removesuffix("s"))
    if isinstance(key, tuple):
        return f"{singular} from node {key[0]} to {key[1]}"
    if isinstance(key, str) or kind == NODES:
        return f"{singular} {key}"
    cpus = list(cpus_of(key))
    return f"{singular} of CPU{'s' if len(cpus) > 1 else ''} {ranges_text(cpus)}"


def _shown(kind: str, value: Value) -> str:
    match value:
        case None:
            return "there"
        case Function(identity, bus):
            return identity + (f" to bus {bus:02x}" if bus is not None else "")
        case (cpus, size):
            held = "not told" if cpus == _UNTOLD else ranges_text(cpus_of(cpus)) or "none"
            return f"CPUs {held}, {bytes_text(size)}"
        case _:
            return str(value) if kind == DISTANCES else bytes_text(value)


def bytes_text(size: int) -> str:
    """A size in the largest unit that divides it."""
    for unit, each in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size and size % each == 0:
            return f"{size // each} {unit}"
    return f"{size} B"


def ranges_text(numbers: Iterable[int]) -> str:
    """Ascending numbers as `0-3,8`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
