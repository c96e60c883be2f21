"""How fast dumps become facts, reader by reader, and how fast a large machine's facts are loaded; medians of five.

    python benchmarks/readers.py

CPUID, ACPI and latencies are those of a made machine of 256 cores, PCI is that of amd-8x4; the hwloc export is
lstopo's, of a synthetic topology, and the copy of /sys is this computer's, where they are to be had. Loading 65,280
latencies, each checked and with its source, and looking one up by its indexed arguments is set beside
SWI-Prolog consulting the same facts from a file.
"""

from __future__ import annotations

import importlib
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from skb import host, machine, planned
from skb.engine import Engine
from skb.facts import Fact, fact
from skb.knowledge import KnowledgeBase
from skb.readers import acpi, cpuid, hwloc, latency, pci

RUNS = 5
CORES = 256


def median(action: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def latencies() -> bytes:
    """A square table, ns."""
    rows = (
        ",".join("" if one == other else str(40 + (one * other) % 97) for other in range(CORES))
        for one in range(CORES)
    )
    return "\n".join(rows).encode()


def readers(folder: Path) -> Iterator[tuple[str, int, Callable[[], list[Fact]]]]:
    """What is read: its name, its size in bytes, and the reading."""
    plan = planned.Plan(8, 1, 32, 1, "hypercube", 2_500_000_000, "amd", None, None, None, 1 << 32, {})
    made = planned.files("benchmark", plan)
    table = latencies()
    devices = (machine.SHIPPED / "amd-8x4" / "pci.txt").read_bytes()
    yield "cpuid", len(made["cpuid.txt"]), lambda: cpuid.read(made["cpuid.txt"], "cpuid.txt")
    yield "acpi", len(made["acpi.txt"]), lambda: acpi.read(made["acpi.txt"], "acpi.txt")
    yield "latency", len(table), lambda: latency.read(table, "latency.csv")
    yield "pci", len(devices), lambda: pci.read(devices, "pci.txt")
    if shutil.which("lstopo"):
        export = folder / "synthetic.xml"
        synthetic = "pack:8 numa:1 l3:4 l2:8 core:1 pu:1"
        subprocess.run(["lstopo", "-i", synthetic, str(export)], check=True, capture_output=True)
        text = export.read_bytes()
        yield "hwloc", len(text), lambda: hwloc.read(text, "hwloc.xml")
    for dump in host.read_host().dumps:
        if dump.kind == "sysfs":
            yield "sysfs (this computer)", sum(map(len, dump.files.values())), dump.read


def main() -> None:
    kb = KnowledgeBase(Engine.start())
    Prolog = importlib.import_module("pyswip").Prolog  # after the engine: it must not start Prolog its own way
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'reader':24} {'facts':>8} {'kB':>8} {'ms':>8} {'facts/s':>10}")
        for reader, size, read in readers(folder):
            count, taken = len(read()), median(read)
            print(f"{reader:24} {count:8} {size / 1000:8.0f} {taken * 1000:8.1f} {count / taken:10.0f}")

        cores = [fact("cpu_thread", core, core // 32, core % 32, 0) for core in range(CORES)]
        measured = latency.read(latencies(), "latency.csv")
        file = folder / "consulted.pl"
        file.write_text("".join([":- dynamic consulted:core_latency/4.\n", *(f"consulted:{f}.\n" for f in measured)]))

        def load() -> None:
            kb.load_machine([("cpuid", cores), ("measured", measured)])
            kb.once("core_latency(17, 200, Latency, _)")

        def consult() -> None:
            Prolog.consult(str(file))
            list(Prolog.query("consulted:core_latency(17, 200, Latency, _)"))

        ours, theirs = median(load), median(consult)
        print(f"\n{len(measured)} latencies loaded and looked up in: {ours:.3f} s; consulted: {theirs:.3f} s; "
              f"{theirs / ours:.1f} times as fast")


if __name__ == "__main__":
    main()
