"""How long a phase change takes, in simulated cycles, and how that grows with the machine.

    python benchmarks/phase_changes.py [--quick]

A domain that spans so many cores of each x86 machine changes all its parameters, again and again, on an otherwise
idle machine. Counted are cycles of the coordinator from its time-stamp until every planner has answered. Then
machines of `machine generate`, up to 4,096 cores: each planner told by the coordinator against planners that tell
planners; `bound` is what the SKB says that it takes at most to tell them all, and `wall` the time of this computer
for a change.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from kernel.clock import PS_PER_MS, PS_PER_NS, PS_PER_S
from kernel.dispatcher import Dispatcher
from kernel.domain import Domain, DomainState
from kernel.messaging.endpoint import Endpoint
from kernel.multicast import tree_of
from kernel.multikernel import Multikernel
from kernel.phase_change import Route
from kernel.program import Environment, Program, Receive
from kernel.threads import Code
from skb import machine
from skb.engine import Engine
from skb.knowledge import KnowledgeBase
from skb.planned import Latency, Plan, files

MACHINES = ("intel-2x4", "amd-2x2", "amd-4x4", "amd-8x4")
TWO_PHASES = "B 1\nB 2\n"
GROWING = (16, 64, 256, 1024, 4096)


def waits(_: Environment) -> Code:
    """A program that does nothing and never ends."""
    yield Receive(Endpoint(0))


def spanned(kernel: Multikernel, cores: Sequence[int]) -> Domain:
    """A domain with a dispatcher on each of these cores, put there at once: its dispatchers bind to nobody."""
    number = max(kernel._domains) + 1
    placement = kernel.controller.place(number, len(cores), cores=cores, manifest=TWO_PHASES)
    domain = Domain(number, f"spans{number}", Program("waits", "", "", waits), (), placement, kernel._ended)
    kernel._domains[number] = domain
    for assignment in placement.assignments:
        dispatcher = Dispatcher(
            domain, assignment.dispatcher, kernel.drivers[assignment.core], kernel.next_task_id()
        )
        dispatcher.start(waits(None))  # type: ignore[arg-type]
        domain.dispatchers[assignment.dispatcher] = dispatcher
        kernel.planners[assignment.core].adopt(dispatcher, assignment.phases)
    domain.state = DomainState.RUNNING
    kernel.run(PS_PER_MS)
    return domain


def changes(kernel: Multikernel, domain: Domain, count: int) -> list[int]:
    """The cycles of so many phase changes, each on an idle machine."""
    clock_hz = kernel.hardware.cores[domain.coordinator].clock_hz
    found = []
    for _ in range(count):
        outcome = kernel.change_phase(domain.id, 1 - domain.phase)
        assert outcome.late == 0
        found.append(outcome.answered_ps * clock_hz // PS_PER_S)
        kernel.run(PS_PER_MS)
    return found


def by(method: str, kernel: Multikernel, domain: Domain) -> float | None:
    """Have the domain's phases change by that method; the bound, in ns, until all are told."""
    found = kernel.kb.once(
        "phase_routes:phase_route(Domain, Method, Route)", {"Domain": domain.id, "Method": method},
        inferences=500_000_000, seconds=100,
    )  # fmt: skip
    if found is None:
        return None
    tree, told, _ = found["Route"].args
    kernel._routes[domain.id] = Route(tree_of(tree), (round(3 * told * PS_PER_NS),) * 2, method)
    return float(told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 changes each, and machines of 256 cores at most")
    quick = parser.parse_args().quick
    kb = KnowledgeBase(Engine.start())
    count = 20 if quick else 1000
    print(f"cycles of a phase change, {count} each: median, standard deviation")
    print(f"{'machine':12}{'cores':>6}{'method':>9}{'median':>9}{'deviation':>10}")
    for name in MACHINES:
        machine.load(kb, machine.find(name))
        kernel = Multikernel.boot(kb)
        sizes = [size for size in (2, 4, 8, 12, 16, 20, 24, 28, 32) if size <= len(kernel.drivers)]
        for size in sizes:
            domain = spanned(kernel, range(size))
            found = changes(kernel, domain, count)
            method = kernel.route(domain).method
            deviation = statistics.pstdev(found)
            print(f"{name:12}{size:6}{method:>9}{statistics.median(found):9.0f}{deviation:10.1f}", flush=True)
            kernel.kill(domain.id)
    count = 3
    print(f"\ngenerated machines, {count} changes each, all cores")
    print(f"{'cores':>6}{'method':>9}{'median':>9}{'bound':>9}{'wall ms':>9}")
    for cores in (each for each in GROWING if not quick or each <= 256):
        generated(kb, cores, count)


def generated(kb: KnowledgeBase, cores: int, count: int) -> None:
    """A machine of packages of 16 cores, linked as a mesh: messages take 200 ns in a package, 100 ns a link more."""
    latencies = {"shared": Latency(200, "ns"), "hop": Latency(300, "ns"), "next_hop": Latency(100, "ns")}
    packages = cores // 16
    kept = {key: each for key, each in latencies.items() if key == "shared" or packages > (key == "next_hop") + 1}
    plan = Plan(packages=packages, cores=16, latencies=kept)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files("grown", plan).items():
            (Path(folder) / name).write_bytes(content)
        machine.load(kb, Path(folder))
        kernel = Multikernel.boot(kb)
        domain = spanned(kernel, range(cores))
        clock_hz = kernel.hardware.cores[0].clock_hz
        for method in ("unicast", "tree"):
            told_ns = by(method, kernel, domain)
            if told_ns is None:
                continue
            began = time.perf_counter()
            found = changes(kernel, domain, count)
            wall_ms = (time.perf_counter() - began) * 1000 / count
            bound = told_ns * clock_hz / 1e9
            print(f"{cores:6}{method:>9}{statistics.median(found):9.0f}{bound:9.0f}{wall_ms:9.1f}", flush=True)


if __name__ == "__main__":
    main()
