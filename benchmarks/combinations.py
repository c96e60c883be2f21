"""How long the SKB takes to derive the schedules of all combinations of phases of four domains of three phases.

    python benchmarks/combinations.py

Four domains of four dispatchers each share four cores; in two phases of three they are gangs. `place` is the CPU time
of placing all four, admission in all combinations included; `derive` that of deriving the schedules of all 81 of
them after that. Medians of seven.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter

from skb import machine
from skb.engine import Engine
from skb.knowledge import KnowledgeBase
from skb.placement import PlacementController

DOMAINS = 4
MANIFEST = "B 1\nG 15 80 15\nG 10 40 10\n"
RUNS = 7


def main() -> None:
    """Print the medians, and how the schedules were found."""
    kb = KnowledgeBase(Engine.start())
    machine.load(kb, machine.find("amd-4x4"))
    place, derive = [], []
    inferences = 0
    found: Counter[str] = Counter()
    for _ in range(RUNS):
        controller = PlacementController(kb)
        controller.clear()
        begin = time.process_time()
        for domain in range(1, DOMAINS + 1):
            controller.place(domain, 4, cores=range(4), manifest=MANIFEST)
        placed = time.process_time()
        combinations, _ = controller.combinations(1)
        schedules = [controller.schedule(each) for each in combinations]
        derive.append(time.process_time() - placed)
        place.append(placed - begin)
        inferences = sum(each.inferences for each in schedules)
        found = Counter(f"{each.scope}, {each.how}" for each in schedules)
    print(f"| {len(schedules)} combinations | place | {1000 * statistics.median(place):.1f} ms |")
    print(f"| | derive | {1000 * statistics.median(derive):.1f} ms, {inferences:,} inferences |")
    for how, count in found.items():
        print(f"| | {how} | {count} |")


if __name__ == "__main__":
    main()
