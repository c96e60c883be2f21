"""Machine folders from descriptions: the raw bytes of a machine's dumps, made from stated facts.

A description (machine.toml in the folder, every figure with its source beside it) names the processor's
CPUID encoder and its parameters, the interconnect, memory, ACPI and PCI devices, and latencies; `generate`
turns it into the files that the readers read. Adding a machine is writing a description.

    python -m skb.generate machines/amd-4x4
"""

from __future__ import annotations

import sys
import tomllib
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skb.writers import acpi, apriori, cpuid, mesh, pci

Description = Mapping[str, Any]

_PROCESSORS: dict[str, Callable[..., list[cpuid.Registers]]] = {
    "amd_family_10h": cpuid.amd_family_10h,
    "amd_family_0fh": cpuid.amd_family_0fh,
}


class DescriptionError(ValueError):
    """A description that no machine can be made from; one line, naming the entry."""


def generate(description: Description) -> dict[str, bytes]:
    """The files of the machine, by name."""
    files = {}
    if "mesh" in description:
        files["facts.pl"] = _facts(description).encode()
    if "processor" in description:
        files |= _dumps(description)
    return files


def _dumps(description: Description) -> dict[str, bytes]:
    packages, cores = description["processor"]["packages"], description["processor"]["cores_a_package"]
    hops = package_hops(packages, description["interconnect"]["links"])
    return {
        "cpuid.txt": cpuid.cpuid_r(_processors(description["processor"])).encode(),
        "acpi.txt": acpi.acpidump(_tables(description, packages, cores, hops)).encode(),
        "pci.txt": pci.lspci_text(_functions(description, packages, cores)).encode(),
        "latency.csv": _latencies(description["latency"], packages, cores, hops).encode(),
    }


def _facts(description: Description) -> str:
    """facts.pl of a machine with a mesh: what its dumps, if there are any, cannot tell."""
    stated = dict(description["mesh"])
    stated["caches"] = {name: mesh.MeshCache(**cache) for name, cache in stated["caches"].items()}
    return apriori.facts_pl(
        [
            apriori.Paragraph("A priori facts, made of machine.toml, which has the source of each figure.", ()),
            *mesh.paragraphs(mesh.Mesh(**stated)),
            apriori.Paragraph("What mechanisms cost.", apriori.costs(description.get("costs", {}))),
        ]
    )


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
    for name, value in stated.items():
        if isinstance(value, Mapping):
            stated[name] = cpuid.CacheGeometry(**value)
    return encoder(**stated)


def _tables(description: Description, packages: int, cores: int, hops: list[list[int]]) -> list[bytes]:
    """MADT, SRAT, SLIT, MCFG and FADT; APIC ids count the cores package by package."""
    stated = description["acpi"]
    oem = acpi.Oem(oem_id=stated["oem_id"], table_id=stated["table_id"])
    local, hop = stated["distance_local"], stated["distance_hop"]
    everyone = range(packages * cores)
    return [
        acpi.fadt(oem=oem),
        acpi.madt(
            [acpi.Processor(core, core) for core in everyone],
            [acpi.IoApic(**io_apic) for io_apic in stated["io_apics"]],
            [acpi.InterruptOverride(**override) for override in stated["overrides"]],
            [acpi.Nmi(lint=1)],
            oem=oem,
        ),
        acpi.srat(
            [acpi.ProcessorAffinity(core, core // cores) for core in everyone],
            _memory(description["memory"], packages),
            oem=oem,
        ),
        acpi.slit([[local + hop * there for there in row] for row in hops], oem=oem),
        acpi.mcfg([acpi.ConfigurationWindow(stated["configuration_window"])], oem=oem),
    ]


def _memory(memory: Description, packages: int) -> list[acpi.MemoryAffinity]:
    """Node after node from address 0 up, around the hole for devices below 4 GiB."""
    start, end = memory["hole"]
    found, base = [], 0
    for node in range(packages):
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
    ranges: dict[int, tuple[int, int]] = {}
    for part in _memory(description["memory"], packages):
        low, high = ranges.get(part.domain, (part.base, 0))
        ranges[part.domain] = (low, max(high, part.base + part.length - 1))
    found = pci.northbridges(
        packages, description["interconnect"]["links"], [pci.BusRange(stated["root_package"], 0, 255)],
        [pci.AddressRange(node, low, high) for node, (low, high) in ranges.items()], cores,
    )
    return sorted(
        [*found, *map(_function, stated["functions"])],
        key=lambda function: (function.bus, function.device, function.function),
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
        class_name=class_name, vendor_name=vendor_name, device_name=device_name,
    )


def _latencies(latency: Description, packages: int, cores: int, hops: list[list[int]]) -> str:
    """The latency table, square, rows and columns by core, with its unit."""
    by_hops = [latency["shared"], *latency["hops"]]
    everyone = range(packages * cores)
    lines = [f"# unit: {latency['unit']}"]
    for one in everyone:
        row = ["" if one == other else str(by_hops[hops[one // cores][other // cores]]) for other in everyone]
        lines.append(",".join(row))
    return "\n".join(lines) + "\n"


def main(folders: list[str]) -> None:
    """Write the generated files of each folder into it."""
    for folder in map(Path, folders):
        with (folder / "machine.toml").open("rb") as file:
            files = generate(tomllib.load(file))
        for name, data in files.items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1:])
