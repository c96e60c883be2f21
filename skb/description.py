"""What a machine's description says of its processors and of the ways between them.

A part of generate.py, which documents the schema. The processors are encoded as CPUID registers and read back, so
that packages, cores, shared caches and APIC ids are those that the readers will see; nodes and dies are dealt out
as stated.
"""

from __future__ import annotations

import difflib
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from skb import interconnect
from skb.facts import Compound, Fact
from skb.readers import cpuid as cpuid_reader
from skb.writers import cpuid, latency, mesh

Description = Mapping[str, Any]

_PROCESSORS: dict[str, Callable[..., list[cpuid.Registers]]] = {
    "amd_family_10h": cpuid.amd_family_10h,
    "amd_family_0fh": cpuid.amd_family_0fh,
    "amd_zen": cpuid.amd_zen,
    "intel_core2": cpuid.intel_core2,
    "intel_modern": cpuid.intel_modern,
}


_ENTRIES: dict[str, tuple[set[str], set[str]]] = {
    "clocks": (set(), {"uniform", "performance", "efficiency", "low_power"}),
    "dies": ({"cores"}, set()),
    "interconnect": (set(), {"links", "shape"}),
    "memory": ({"node_bytes"}, {"nodes_a_package", "hole"}),
    "acpi": (
        {"oem_id", "table_id", "io_apics", "overrides"},
        {"fadt", "distance_local", "distance_package", "distance_hop", "configuration_window"},
    ),
    "latency": ({"unit", "pairs"}, set()),
    "pci": ({"functions"}, {"roots"}),
}
"""Entries that a table must and may have; `processor`, `mesh` and `costs` go by what they describe."""


class DescriptionError(ValueError):
    """A description that no machine can be made from; one line, naming the entry."""


def check(description: Description) -> None:
    """DescriptionError for a table or an entry that says nothing, or one that is missing: a slip of the pen."""
    known = {*_ENTRIES, "processor", "mesh", "costs"}
    for table, stated in description.items():
        if table not in known:
            raise DescriptionError(f"no table '{table}'; {_meant(table, known)}")
        if not isinstance(stated, Mapping):
            raise DescriptionError(f"{table}: expected a table, [{table}]")
        if table in _ENTRIES:
            _check_entries(table, stated, *_ENTRIES[table])
    if not description.keys() & {"processor", "mesh"}:
        raise DescriptionError("no cores: a machine has a table 'processor', or 'mesh'")
    if "processor" in description:
        _check_processor(description["processor"])
    if "distance_local" in description.get("acpi", {}) and "memory" not in description:
        raise DescriptionError("acpi.distance_local: there is no table 'memory' whose distances they are")
    if "distance_local" in description.get("acpi", {}) and "hole" not in description["memory"]:
        raise DescriptionError("no entry 'memory.hole': where SRAT has memory it leaves the addresses of devices out")
    for name, stated in description.get("costs", {}).items():
        if not (isinstance(stated, Sequence) and len(stated) == 3 and isinstance(stated[0], int | float)):
            raise DescriptionError(f'costs.{name}: expected [value, "unit", "source"]')


def _check_entries(table: str, stated: Description, needed: set[str], allowed: set[str]) -> None:
    for entry in stated:
        if entry not in needed | allowed:
            raise DescriptionError(f"no entry '{table}.{entry}'; {_meant(entry, needed | allowed)}")
    missing = sorted(needed - stated.keys())
    if missing:
        raise DescriptionError(f"no entry '{table}.{missing[0]}'")


def _check_processor(processor: Description) -> None:
    encoder = _PROCESSORS.get(processor.get("encoder", ""))
    if encoder is None:
        raise DescriptionError(f"processor.encoder: there is {', '.join(sorted(_PROCESSORS))}")
    parameters = inspect.signature(encoder).parameters
    needed = {name for name, parameter in parameters.items() if parameter.default is parameter.empty}
    _check_entries("processor", processor, {"encoder", *needed}, set(parameters))


def _meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"


@dataclass(frozen=True, slots=True)
class Cpu:
    """A CPU in the operating system's order: its place, its APIC id, and the clock its CPUID states (0: none)."""

    place: latency.CorePlace
    apic_id: int
    clock_hz: int


def registers(processor: Description) -> list[cpuid.Registers]:
    """The CPUID registers of every CPU, of what `[processor]` states."""
    stated = {name: _part(value) for name, value in processor.items()}
    encoder = _PROCESSORS[stated.pop("encoder")]
    if "groups" in stated:
        groups = stated["groups"]
        stated["groups"] = [cpuid.CoreGroup(**{name: _part(v) for name, v in each.items()}) for each in groups]
    return encoder(**stated)


def _part(value: Any) -> Any:
    """A stated parameter of an encoder: tables are caches, "none" is no cache."""
    if value == "none":
        return None
    return cpuid.CacheGeometry(**value) if isinstance(value, Mapping) else value


def cpus(description: Description, dump: bytes) -> list[Cpu]:
    """The CPUs as the dump is read back; nodes and dies as the description deals them out."""
    known: dict[str, dict[int, list[Fact]]] = defaultdict(lambda: defaultdict(list))
    for each in cpuid_reader.read(dump, "cpuid.txt"):
        if each.name in ("cpu_thread", "cpu_cache_id", "cpu_kind", "cpu_clock", "corename"):
            known[each.name][cast(int, each.args[0])].append(each)
    threads = [cast("tuple[int, int, int, int]", found[0].args) for found in known["cpu_thread"].values()]
    in_package: dict[int, set[int]] = defaultdict(set)
    for _, package, core, _ in threads:
        in_package[package].add(core)
    ranks = {package: {core: at for at, core in enumerate(sorted(found))} for package, found in in_package.items()}
    nodes = nodes_a_package(description)
    processor = description["processor"]
    cores_a_die = processor.get("complexes_a_die", 0) * processor.get("cores_a_complex", 0)
    cores_a_die = description.get("dies", {}).get("cores", cores_a_die)
    fewest = min(map(len, ranks.values()))
    if nodes > fewest:
        raise DescriptionError(f"memory.nodes_a_package: {nodes} nodes for {fewest} cores of a package")
    if cores_a_die and any(len(found) % cores_a_die for found in ranks.values()):
        raise DescriptionError(f"dies of {cores_a_die} cores do not fill a package of {fewest}")
    cpus = []
    for cpu, package, core, _ in threads:
        at, count = ranks[package][core], len(ranks[package])
        caches = {each.args[1]: each.args[3] for each in known["cpu_cache_id"][cpu] if each.args[2] == "unified"}
        place = latency.CorePlace(
            package,
            core,
            cast(int, caches.get(2, -1)),
            cast(int, caches.get(3, -1)),
            (package * count + at) // cores_a_die if cores_a_die else -1,
            package * nodes + at * nodes // count,
            next((str(each.args[1]) for each in known["cpu_kind"][cpu]), "uniform"),
        )
        apic_id = cast(int, cast(Compound, known["corename"][cpu][0].args[2]).args[0])
        cpus.append(Cpu(place, apic_id, next((cast(int, each.args[1]) for each in known["cpu_clock"][cpu]), 0)))
    return cpus


def nodes_a_package(description: Description) -> int:
    """NUMA nodes of each package; 0 where memory is as far from all packages: they are one node together."""
    if "distance_local" not in description.get("acpi", {}):
        return 0
    return int(description["memory"].get("nodes_a_package", 1))


def mesh_of(description: Description) -> mesh.Mesh | None:
    """The chip whose tiles are linked to a mesh, where one is described."""
    if "mesh" not in description:
        return None
    stated = dict(description["mesh"])
    stated["caches"] = {name: mesh.MeshCache(**cache) for name, cache in stated["caches"].items()}
    return mesh.Mesh(**stated)


def links(description: Description, packages: int) -> list[interconnect.Link]:
    """The links between so many packages, as listed or as their shape lays them; not those of a mesh's tiles."""
    stated = description.get("interconnect", {})
    if "shape" in stated:
        if "links" in stated:
            raise DescriptionError("interconnect: shape and links are both stated; keep one of them")
        return interconnect.links(stated["shape"], packages)
    return [(one, other) for one, other in stated.get("links", [])]


def hops(description: Description, packages: int) -> list[list[int]]:
    """Fewest links between packages, tiles of a mesh among them: `[from][to]`. Where no links are stated at all,
    every package is one from every other, as rules/topology.pl has it."""
    chip = mesh_of(description)
    laid = [*links(description, packages), *(mesh.links(chip) if chip else [])]
    everything = packages + (len(chip.tiles) if chip else 0)
    if not laid:
        return [[int(one != other) for other in range(everything)] for one in range(everything)]
    return interconnect.package_hops(everything, laid)
