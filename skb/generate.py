"""Machine folders from descriptions: the raw bytes of a machine's dumps, made from stated facts.

A description (machine.toml in the folder, every figure with its source beside it) says what a machine is;
`generate` turns it into the files that the readers read. Adding a machine is writing a description:

    python -m skb.generate machines/amd-4x4

Its tables, all of them optional; what is not stated is not written:

- `[processor]`: `encoder`, one of those in skb/writers/cpuid.py, and its parameters under their own names; caches are
  tables of `size_bytes`, `ways`, `line_bytes`, or "none"; `[[processor.groups]]` are the groups of cores of
  `intel_modern`. They make cpuid.txt; who is where, who shares a cache and what APIC ids there are follows from it
  (description.py).
- `[clocks]`: the clock in Hz by kind of core (`uniform` where there is one kind), where CPUID does not tell it.
- `[dies]`: `cores`, how many are on a die, where neither CPUID nor the encoder's parameters tell.
- `[interconnect]`: `links`, pairs of packages; or `shape`, one of those in interconnect.py, which lays them.
- `[memory]`: `node_bytes` each node, `nodes_a_package` (1), `hole`, the addresses below 4 GiB that devices have.
- `[acpi]`: makes acpi.txt: FADT (`fadt` has its fields), MADT (`io_apics`, `overrides`), ids `oem_id`, `table_id`;
  SRAT and SLIT where `distance_local` is stated: a node's distance to itself, to another of its package
  (`distance_package`), and `distance_hop` more for each link; MCFG where `configuration_window` is. Without
  distances all memory is one node, of which facts.pl tells.
- `[latency]`: makes latency.csv: `unit`, and `pairs`, as skb/writers/latency.py has them: the first that holds of two
  cores is their latency. A pair of cores may be left unmeasured; where the table would be too large it is left out,
  and `costs` tell by relation (ump_shared_cache, ump_same_package, ump_hop, ump_next_hop; rules/distance.pl).
- `[costs]`: name to value, unit and source; they go into facts.pl, as do links, clocks and dies.
- `[pci]`: makes pci.txt: `functions` (devices.py); AMD's northbridges follow from links and memory, and `roots`, the
  packages with I/O and their buses.
- `[mesh]`: a chip of tiles, for itself or beside the processors (skb/writers/mesh.py).
"""

from __future__ import annotations

import functools
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from skb import description as described
from skb import devices
from skb.description import Cpu, Description
from skb.facts import Fact, compound, fact
from skb.interconnect import Link
from skb.writers import acpi, apriori, cpuid, latency, mesh, pci

Hops = Callable[[], list[list[int]]]
"""Fewest links between packages, found when they are asked for: of thousands it takes a while."""

MOST_SLIT_NODES = 256
"""A SLIT of more nodes is not written: its entries, and the facts made of them, grow with their square."""

_FARTHEST = 254
"""The largest distance of a SLIT that is one; 255 is unreachable (ACPI 6.5, 5.2.17)."""

_LARGEST_LAPIC = 254
"""Beyond it, processors have x2APIC entries, which alone hold more than 8 bits (ACPI 6.5, 5.2.12.12)."""


def generate(description: Description) -> dict[str, bytes]:
    """The files of the machine, by name.

    ValueError (DescriptionError, those of the writers), TypeError or KeyError for what no machine can be made from.
    """
    described.check(description)
    files: dict[str, bytes] = {}
    cpus: list[Cpu] = []
    links: list[Link] = []
    if "processor" in description:
        files["cpuid.txt"] = cpuid.cpuid_r(described.registers(description["processor"])).encode()
        cpus = described.cpus(description, files["cpuid.txt"])
        packages = 1 + max(cpu.place.package for cpu in cpus)
        links = described.links(description, packages)
        hops = functools.cache(functools.partial(described.hops, description, packages))
        memory = _memory(description, cpus) if "memory" in description else []
        if "acpi" in description:
            files["acpi.txt"] = acpi.acpidump(_tables(description, cpus, hops, memory)).encode()
        if "pci" in description:
            functions = devices.functions(description, packages, len(cpus) // packages, links, memory)
            files["pci.txt"] = pci.lspci_text(functions).encode()
        if "latency" in description:
            chip = described.mesh_of(description)
            places = [*(cpu.place for cpu in cpus), *(mesh.places(chip) if chip else [])]
            pairs = [latency.Pairs(**each) for each in description["latency"]["pairs"]]
            files["latency.csv"] = latency.latency_csv(places, pairs, description["latency"]["unit"], hops()).encode()
    facts = _facts(description, cpus, links)
    if any(paragraph.facts for paragraph in facts):
        title = "A priori facts, made of machine.toml, which has the source of each figure."
        files["facts.pl"] = apriori.facts_pl(title, facts).encode()
    return files


def _facts(description: Description, cpus: Sequence[Cpu], links: Sequence[Link]) -> list[apriori.Paragraph]:
    """facts.pl: what the dumps, if there are any, cannot tell."""
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
    chip = described.mesh_of(description)
    if "memory" in description and not described.nodes_a_package(description):
        nodes = sorted({cpu.place.node for cpu in cpus})
        memory = [fact("node_memory", node, description["memory"]["node_bytes"]) for node in nodes]
        placed = [fact("cpu_node", number, cpu.place.node) for number, cpu in enumerate(cpus)] if chip else []
        paragraphs.append(apriori.Paragraph("Memory, of which no table of the firmware tells.", [*memory, *placed]))
    if chip:
        paragraphs += mesh.paragraphs(chip)
    paragraphs.append(apriori.Paragraph("What mechanisms cost.", apriori.costs(description.get("costs", {}))))
    return paragraphs


def _clocks(description: Description, cpus: Sequence[Cpu]) -> Iterator[Fact]:
    """Stated by kind of core; what CPUID says otherwise is said to be wrong."""
    stated = description.get("clocks", {})
    for number, cpu in enumerate(cpus):
        if cpu.place.kind in stated:
            clock_hz = stated[cpu.place.kind]
            if cpu.clock_hz not in (0, clock_hz):
                yield fact("wrong", compound("cpu_clock", number, cpu.clock_hz))
            yield fact("cpu_clock", number, clock_hz)


def _tables(
    description: Description, cpus: Sequence[Cpu], hops: Hops, memory: Sequence[acpi.MemoryAffinity]
) -> list[bytes]:
    """FADT and MADT; SRAT and SLIT where distances are stated, MCFG where its window is."""
    stated = description["acpi"]
    oem = acpi.Oem(oem_id=stated["oem_id"], table_id=stated["table_id"])
    tables = [
        acpi.fadt(oem=oem, **stated.get("fadt", {})),
        acpi.madt(
            [acpi.Processor(uid, cpu.apic_id) for uid, cpu in zip(_uids(cpus), cpus, strict=True)],
            [acpi.IoApic(**io_apic) for io_apic in stated["io_apics"]],
            [acpi.InterruptOverride(**override) for override in stated["overrides"]],
            [acpi.Nmi(lint=1)],
            oem=oem,
        ),
    ]
    if described.nodes_a_package(description):
        affinities = [acpi.ProcessorAffinity(cpu.apic_id, cpu.place.node) for cpu in cpus]
        tables.append(acpi.srat(affinities, memory, oem=oem))
        nodes = sorted({(cpu.place.node, cpu.place.package) for cpu in cpus})
        if len(nodes) <= MOST_SLIT_NODES:
            matrix = [
                [_distance(stated, one == other, hops()[package][far]) for other, far in nodes]
                for one, package in nodes
            ]
            tables.append(acpi.slit(matrix, oem=oem))
    if "configuration_window" in stated:
        tables.append(acpi.mcfg([acpi.ConfigurationWindow(stated["configuration_window"])], oem=oem))
    return tables


def _uids(cpus: Sequence[Cpu]) -> list[int]:
    """Processor ids: the operating system's numbers; where such a one does not fit the 8 bits of a LAPIC entry,
    processors count by APIC id, so that those with small ones fit."""
    if all(cpu.apic_id > _LARGEST_LAPIC or number <= _LARGEST_LAPIC for number, cpu in enumerate(cpus)):
        return list(range(len(cpus)))
    rank = {apic_id: at for at, apic_id in enumerate(sorted(cpu.apic_id for cpu in cpus))}
    return [rank[cpu.apic_id] for cpu in cpus]


def _distance(stated: Description, same: bool, links: int) -> int:
    """Of two nodes: themselves, of one package, or of packages so many links apart."""
    if same:
        return int(stated["distance_local"])
    if not links:
        return int(stated["distance_package"])
    return min(int(stated["distance_local"]) + int(stated["distance_hop"]) * links, _FARTHEST)


def _memory(description: Description, cpus: Sequence[Cpu]) -> list[acpi.MemoryAffinity]:
    """Node after node from address 0 up, around the hole for devices below 4 GiB."""
    memory = description["memory"]
    if "hole" not in memory:
        return []
    start, end = memory["hole"]
    found, base = [], 0
    for node in sorted({cpu.place.node for cpu in cpus}):
        left = memory["node_bytes"]
        while left:
            if start <= base < end:
                base = end
            length = min(left, start - base) if base < start else left
            found.append(acpi.MemoryAffinity(base, length, node))
            base, left = base + length, left - length
    return found


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
