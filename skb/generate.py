"""Machine folders from descriptions: the raw bytes of a machine's dumps, made from stated facts.

A description (machine.toml in the folder, every figure with its source beside it) names the processor's
CPUID encoder and its parameters, the interconnect, memory, ACPI and PCI devices, and latencies; `generate`
turns it into the files that the readers read. Adding a machine is writing a description.

    python -m skb.generate machines/amd-4x4
"""

from __future__ import annotations

import sys
import tomllib
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from skb.facts import Compound, Fact, compound, fact
from skb.readers import cpuid as cpuid_reader
from skb.writers import acpi, apriori, cpuid, latency, mesh, pci

Description = Mapping[str, Any]

_PROCESSORS: dict[str, Callable[..., list[cpuid.Registers]]] = {
    "amd_family_10h": cpuid.amd_family_10h,
    "amd_family_0fh": cpuid.amd_family_0fh,
    "amd_zen": cpuid.amd_zen,
    "intel_core2": cpuid.intel_core2,
    "intel_modern": cpuid.intel_modern,
}

_NORTHBRIDGES = ("amd_family_10h", "amd_family_0fh")
"""Processors whose northbridges are PCI functions that follow from interconnect and memory."""


class DescriptionError(ValueError):
    """A description that no machine can be made from; one line, naming the entry."""


@dataclass(frozen=True, slots=True)
class _Cpu:
    """A CPU in the operating system's order: its place, its APIC id, and the clock its CPUID states (0: none)."""

    place: latency.CorePlace
    apic_id: int
    clock_hz: int


def generate(description: Description) -> dict[str, bytes]:
    """The files of the machine, by name."""
    files, cpus = {}, []
    if "processor" in description:
        files["cpuid.txt"] = cpuid.cpuid_r(_processors(description["processor"])).encode()
        cpus = _cpus(description, files["cpuid.txt"])
        packages = 1 + max(cpu.place.package for cpu in cpus)
        chip = _mesh(description)
        links = [*description.get("interconnect", {}).get("links", []), *(mesh.links(chip) if chip else [])]
        hops = package_hops(packages + (len(chip.tiles) if chip else 0), links)
        if "acpi" in description:
            files["acpi.txt"] = acpi.acpidump(_tables(description, cpus, hops)).encode()
        if "pci" in description:
            files["pci.txt"] = pci.lspci_text(_functions(description, packages, len(cpus) // packages)).encode()
        if "latency" in description:
            places = [*(cpu.place for cpu in cpus), *(mesh.places(chip) if chip else [])]
            files["latency.csv"] = _latencies(description["latency"], places, hops).encode()
    if description.keys() & {"mesh", "costs", "clocks"}:
        files["facts.pl"] = _facts(description, cpus).encode()
    return files


def _cpus(description: Description, dump: bytes) -> list[_Cpu]:
    """The CPUs as the dump is read back; nodes and dies as the description deals them out."""
    known: dict[str, dict[int, list[Fact]]] = defaultdict(lambda: defaultdict(list))
    for each in cpuid_reader.read(dump, "cpuid.txt"):
        known[each.name][cast(int, each.args[0])].append(each)
    threads = [cast("tuple[int, int, int, int]", found[0].args) for found in known["cpu_thread"].values()]
    cores = {package: sorted({core for _, p, core, _ in threads if p == package}) for _, package, _, _ in threads}
    uniform = "distance_local" not in description.get("acpi", {})
    nodes = 0 if uniform else description["memory"].get("nodes_a_package", 1)
    processor = description["processor"]
    cores_a_die = processor.get("complexes_a_die", 0) * processor.get("cores_a_complex", 0)
    found = []
    for cpu, package, core, _ in threads:
        at, count = cores[package].index(core), len(cores[package])
        caches = {each.args[1]: each.args[3] for each in known["cpu_cache_id"][cpu] if each.args[2] == "unified"}
        found.append(
            _Cpu(
                latency.CorePlace(
                    package,
                    core,
                    cast(int, caches.get(2, -1)),
                    cast(int, caches.get(3, -1)),
                    (package * count + at) // cores_a_die if cores_a_die else -1,
                    package * nodes + at * nodes // count,
                    next((str(each.args[1]) for each in known["cpu_kind"][cpu]), "uniform"),
                ),
                cast(int, cast(Compound, known["corename"][cpu][0].args[2]).args[0]),
                next((cast(int, each.args[1]) for each in known["cpu_clock"][cpu]), 0),
            )
        )
    return found


def _facts(description: Description, cpus: list[_Cpu]) -> str:
    """facts.pl: what the dumps, if there are any, cannot tell."""
    links = description.get("interconnect", {}).get("links", [])
    paragraphs = [
        apriori.Paragraph("Links between packages.", [fact("ht_link", *link) for link in links]),
        apriori.Paragraph("The clocks in which cores' cycles are counted.", list(_clocks(description, cpus))),
        apriori.Paragraph(
            "Dies, which no CPUID leaf of this processor tells.",
            [fact("cpu_die", number, cpu.place.die) for number, cpu in enumerate(cpus) if cpu.place.die >= 0],
        ),
    ]
    if any(group.get("cores_a_module", 1) > 1 for group in description.get("processor", {}).get("groups", ())):
        clusters = [fact("cpu_cluster", number, cpu.place.l2) for number, cpu in enumerate(cpus)]
        paragraphs.append(apriori.Paragraph("Clusters: the cores that share an L2, as Linux sees them.", clusters))
    chip = _mesh(description)
    if "memory" in description and "distance_local" not in description.get("acpi", {}):
        nodes = sorted({cpu.place.node for cpu in cpus})
        memory = [fact("node_memory", node, description["memory"]["node_bytes"]) for node in nodes]
        placed = [fact("cpu_node", number, cpu.place.node) for number, cpu in enumerate(cpus)] if chip else []
        paragraphs.append(apriori.Paragraph("Memory, of which no table of the firmware tells.", [*memory, *placed]))
    if chip:
        paragraphs += mesh.paragraphs(chip)
    costs = apriori.costs(description.get("costs", {}))
    title = "A priori facts, made of machine.toml, which has the source of each figure."
    return apriori.facts_pl(title, [*paragraphs, apriori.Paragraph("What mechanisms cost.", costs)])


def _mesh(description: Description) -> mesh.Mesh | None:
    if "mesh" not in description:
        return None
    stated = dict(description["mesh"])
    stated["caches"] = {name: mesh.MeshCache(**cache) for name, cache in stated["caches"].items()}
    return mesh.Mesh(**stated)


def _clocks(description: Description, cpus: list[_Cpu]) -> Iterator[Fact]:
    """Stated by kind of core; what CPUID says otherwise is said to be wrong."""
    stated = description.get("clocks", {})
    for number, cpu in enumerate(cpus):
        if cpu.place.kind in stated:
            clock_hz = stated[cpu.place.kind]
            if cpu.clock_hz not in (0, clock_hz):
                yield fact("wrong", compound("cpu_clock", number, cpu.clock_hz))
            yield fact("cpu_clock", number, clock_hz)


def package_hops(packages: int, links: list[list[int]]) -> list[list[int]]:
    """Hops between packages over the links: `[from][to]`."""
    near: dict[int, list[int]] = {package: [] for package in range(packages)}
    for one, other in links:
        if not (0 <= one < packages and 0 <= other < packages):
            raise DescriptionError(f"interconnect.links: {one}-{other} leads outside packages 0-{packages - 1}")
        near[one].append(other)
        near[other].append(one)
    table = []
    for start in range(packages):
        found = {start: 0}
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for there in near[here]:
                if there not in found:
                    found[there] = found[here] + 1
                    queue.append(there)
        if len(found) < packages:
            missing = min(set(near) - set(found))
            raise DescriptionError(f"interconnect.links: no way from package {start} to package {missing}")
        table.append([found[package] for package in range(packages)])
    return table


def _processors(processor: Description) -> list[cpuid.Registers]:
    stated = dict(processor)
    encoder = _PROCESSORS.get(stated.pop("encoder"))
    if encoder is None:
        raise DescriptionError(f"processor.encoder: there is {', '.join(sorted(_PROCESSORS))}")
    stated = {name: _part(value) for name, value in stated.items()}
    if "groups" in stated:
        groups = stated["groups"]
        stated["groups"] = [cpuid.CoreGroup(**{name: _part(v) for name, v in each.items()}) for each in groups]
    return encoder(**stated)


def _part(value: Any) -> Any:
    """A stated parameter of an encoder: tables are caches."""
    return cpuid.CacheGeometry(**value) if isinstance(value, Mapping) else value


def _tables(description: Description, cpus: list[_Cpu], hops: list[list[int]]) -> list[bytes]:
    """FADT and MADT; SRAT and SLIT where distances are stated, MCFG where its window is."""
    stated = description["acpi"]
    oem = acpi.Oem(oem_id=stated["oem_id"], table_id=stated["table_id"])
    tables = [
        acpi.fadt(oem=oem, **stated.get("fadt", {})),
        acpi.madt(
            [acpi.Processor(number, cpu.apic_id) for number, cpu in enumerate(cpus)],
            [acpi.IoApic(**io_apic) for io_apic in stated["io_apics"]],
            [acpi.InterruptOverride(**override) for override in stated["overrides"]],
            [acpi.Nmi(lint=1)],
            oem=oem,
        ),
    ]
    if "distance_local" in stated:
        affinities = [acpi.ProcessorAffinity(cpu.apic_id, cpu.place.node) for cpu in cpus]
        nodes = sorted({(cpu.place.node, cpu.place.package) for cpu in cpus})
        tables.append(acpi.srat(affinities, _memory(description["memory"], len(nodes)), oem=oem))
        matrix = [
            [_distance(stated, one == other, hops[package][far]) for other, far in nodes] for one, package in nodes
        ]
        tables.append(acpi.slit(matrix, oem=oem))
    if "configuration_window" in stated:
        tables.append(acpi.mcfg([acpi.ConfigurationWindow(stated["configuration_window"])], oem=oem))
    return tables


def _distance(stated: Description, same: bool, links: int) -> int:
    """Of two nodes: themselves, of one package, or of packages so many links apart."""
    if same:
        return int(stated["distance_local"])
    if not links:
        return int(stated["distance_package"])
    return int(stated["distance_local"]) + int(stated["distance_hop"]) * links


def _memory(memory: Description, nodes: int) -> list[acpi.MemoryAffinity]:
    """Node after node from address 0 up, around the hole for devices below 4 GiB."""
    start, end = memory["hole"]
    found, base = [], 0
    for node in range(nodes):
        left = memory["node_bytes"]
        while left:
            if start <= base < end:
                base = end
            length = min(left, start - base) if base < start else left
            found.append(acpi.MemoryAffinity(base, length, node))
            base, left = base + length, left - length
    return found


def _functions(description: Description, packages: int, cores: int) -> list[pci.PciFunction]:
    """The northbridges, one a package, as interconnect and memory ask for, then the functions stated."""
    stated = description["pci"]
    functions = [_function(function) for function in stated["functions"]]
    if description["processor"]["encoder"] in _NORTHBRIDGES:
        functions += _northbridges(description, packages, cores)
    return sorted(functions, key=lambda function: (function.bus, function.device, function.function))


def _northbridges(description: Description, packages: int, cores: int) -> list[pci.PciFunction]:
    ranges: dict[int, tuple[int, int]] = {}
    for part in _memory(description["memory"], packages):
        low, high = ranges.get(part.domain, (part.base, 0))
        ranges[part.domain] = (low, max(high, part.base + part.length - 1))
    return list(
        pci.northbridges(
            packages,
            description["interconnect"]["links"],
            [pci.BusRange(description["pci"]["root_package"], 0, 255)],
            [pci.AddressRange(node, low, high) for node, (low, high) in ranges.items()],
            cores,
        )
    )


def _function(stated: Description) -> pci.PciFunction:
    bus, device, function = stated["place"]
    capabilities = []
    if "msi_vectors" in stated:
        capabilities.append(pci.msi(stated["msi_vectors"]))
    if "express" in stated:
        capabilities.append(pci.express(**stated["express"]))
    bridge = None
    if "bridge" in stated:
        buses = stated["bridge"]
        windows = tuple(pci.Window(**window) for window in buses["windows"])
        bridge = pci.Bridge(bus, buses["secondary"], buses["subordinate"], windows)
    vendor_id, device_id = stated["id"]
    class_name, vendor_name, device_name = stated["names"]
    return pci.PciFunction(
        bus, device, function, vendor_id, device_id, stated["class_code"], stated.get("revision", 0),
        bars=tuple(pci.Bar(**bar) for bar in stated.get("bars", ())), bridge=bridge,
        capabilities=tuple(capabilities), interrupt_pin=stated.get("interrupt_pin", 0), irq=stated.get("irq"),
        numa_node=stated.get("numa_node"),
        class_name=class_name, vendor_name=vendor_name, device_name=device_name,
    )


def _latencies(stated: Description, places: list[latency.CorePlace], hops: list[list[int]]) -> str:
    """The latency table: by pairs, or in a machine of equal packages by `shared` and `hops`."""
    if "pairs" in stated:
        pairs = [latency.Pairs(**each) for each in stated["pairs"]]
    else:
        by_hops = enumerate([stated["shared"], *stated["hops"]])
        pairs = [latency.Pairs(each, hops=links) for links, each in by_hops]
    return latency.latency_csv(places, pairs, stated["unit"], hops)


def main(folders: list[str]) -> int:
    """Write the generated files of each folder into it; 1 and one line on standard error where one cannot be made."""
    for path in (Path(folder) / "machine.toml" for folder in folders):
        try:
            files = generate(tomllib.loads(path.read_text()))
        except OSError as error:
            print(f"{path}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
            return 1
        except KeyError as error:
            print(f"{path}: no entry '{error.args[0]}'", file=sys.stderr)
            return 1
        except (TypeError, ValueError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
        for name, data in files.items():
            (path.parent / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
