"""Wall time of a simulated context switch, beside a bare event queue's.

Sixteen cores, two best-effort dispatchers each, switch at every timeslice. In the same run a plain
heapq loop and plain SimPy timeouts do the same number of wake-ups, so that the ratio says what the kernel
costs above the queue it stands on. Medians of five runs.

    python benchmarks/context_switch.py
"""

from __future__ import annotations

import heapq
import statistics
import time
from collections.abc import Callable, Generator
from functools import partial

import simpy

from kernel.clock import PS_PER_S
from kernel.multikernel import Multikernel
from skb import machine
from skb.engine import Engine
from skb.knowledge import KnowledgeBase

RUNS = 5
SIMULATED_S = 100


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def bare_heapq(wakes: int) -> None:
    """So many wake-ups of 16 cores by a heap of (time, core)."""
    heap = [(core, core) for core in range(16)]
    for _ in range(wakes):
        when, core = heap[0]
        heapq.heapreplace(heap, (when + 80, core))


def plain_simpy(wakes: int) -> None:
    """So many timeouts of 16 SimPy processes."""

    def core(environment: simpy.Environment) -> Generator[simpy.Event, None, None]:
        while True:
            yield environment.timeout(80)

    environment = simpy.Environment()
    for _ in range(16):
        environment.process(core(environment))
    environment.run(until=80 * wakes // 16)


def main() -> None:
    kb = KnowledgeBase(Engine.start())
    machine.load(kb, machine.find("amd-4x4"))
    rows: dict[str, list[float]] = {"pilotfish": [], "heapq": [], "simpy": []}
    switches = 0
    for _ in range(RUNS):
        kernel = Multikernel.boot(kb)
        for _ in range(2):
            kernel.spawn("cpu_bound", 16)
        before = sum(core.context_switches for core in kernel.cores())
        rows["pilotfish"].append(seconds(partial(kernel.run, SIMULATED_S * PS_PER_S)))
        switches = sum(core.context_switches for core in kernel.cores()) - before
        rows["heapq"].append(seconds(partial(bare_heapq, switches)))
        rows["simpy"].append(seconds(partial(plain_simpy, switches)))
    base = statistics.median(rows["heapq"])
    print(f"{switches} context switches, 16 cores, {SIMULATED_S} simulated seconds, median of {RUNS}")
    print(f"{'loop':12} {'us a switch':>12} {'x heapq':>9}")
    for name, times in rows.items():
        median = statistics.median(times)
        print(f"{name:12} {median / switches * 1e6:12.2f} {median / base:9.1f}")


if __name__ == "__main__":
    main()
