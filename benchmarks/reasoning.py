"""What conclusions cost on large machines; medians of five.

    python benchmarks/reasoning.py

Machines are made ones: 256 cores with all 65,280 latencies, and 1,024 and 4,096 cores in a torus whose latencies
follow from hops. A query is timed with the crossing; all else is one goal, timed whole.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from skb import machine, planned
from skb.facts import Fact, fact
from skb.knowledge import KnowledgeBase
from skb.readers import acpi, cpuid

RUNS = 5


def median(action: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def load(kb: KnowledgeBase, packages: int, cores: int, measured: bool) -> None:
    """The knowledge base holds a torus of so many packages of so many cores."""
    plan = planned.Plan(packages, 1, cores, 1, "torus", 2_500_000_000, "amd", None, None, None, 1 << 32, {})
    files = planned.files("benchmark", plan)
    everyone = range(packages * cores)
    latencies: list[Fact] = [
        fact("core_latency", one, other, 40 + (one * other) % 97, "ns")
        for one in everyone for other in everyone if measured and one != other
    ]
    kb.load_machine(
        [("cpuid", cpuid.read(files["cpuid.txt"], "cpuid.txt")), ("acpi", acpi.read(files["acpi.txt"], "acpi.txt")),
         ("measured", latencies)],
        files["facts.pl"].decode(),
    )


def main() -> None:
    kb = KnowledgeBase()

    def goal(text: str) -> Callable[[], object]:
        return lambda: kb.once(text, inferences=1 << 50)

    def row(what: str, seconds: float) -> None:
        print(f"{what:58} {seconds * 1e6:12.1f} us" if seconds < 1e-3 else f"{what:58} {seconds * 1e3:12.2f} ms")

    load(kb, 8, 32, measured=True)
    for question in ("package_of(200, X)", "shares_cache(0, 31, 3)", "hops(0, 255, X)", "distance(17, 200, X)",
                     "nearest_cores(17, 8, X)", "closest_memory(200, X)"):
        row(f"256 cores: {question}", median(lambda q=question: [kb.once(q) for _ in range(200)]) / 200)
    row("256 cores: distance of all 65,280 pairs", median(goal("aggregate_all(count, distance(_, _, _), X)")))
    row("256 cores: groups of equal cores", median(goal("equal_cores(G)")))
    tree = "numlist(0, {last}, Cores), multicast_tree(0, Cores, Tree), multicast_cost(Tree, Cost)"
    row("256 cores: multicast tree", median(goal(tree.format(last=255))))
    load(kb, 32, 32, measured=False)
    row("1,024 cores: multicast tree", median(goal(tree.format(last=1023))))
    load(kb, 128, 32, measured=False)
    row("4,096 cores: multicast tree", median(goal(tree.format(last=4095))))

    print("\nbroadcast to all, simulated ns:")
    for packages, cores in ((8, 32), (32, 32), (128, 32)):
        load(kb, packages, cores, measured=False)
        found = kb.all(
            f"numlist(0, {packages * cores - 1}, Cores), broadcast_cost(0, Cores, Method, Ns)", inferences=1 << 50
        )
        costs = ", ".join(f"{answer['Method']} {answer['Ns']:.0f}" for answer in found)
        print(f"  {packages * cores:5} cores: {costs}")

    print()
    for info in machine.list_machines():
        machine.load(kb, info.path)
        for root in kb.all("pci_roots(Roots), member(Root, Roots), pci_problem(Root, problem(R, W, _)), R > 0"):
            taken = median(lambda root=root: kb.once("pci_plan(Root, _)", {"Root": root["Root"]}, inferences=1 << 50))
            row(f"PCI of {info.name}, root {root['Root']}: {root['R']} registers, {root['W']} windows", taken)


if __name__ == "__main__":
    main()
