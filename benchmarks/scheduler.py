"""What one decision of the scheduler costs, and how often each variant misses deadlines of feasible sets.

    python benchmarks/scheduler.py [--misses SETS]

Times are medians of 7 runs, also as a ratio to a heapq push and pop measured in the same run, for that is
what any event-driven simulator pays for an event. `--misses` repeats the study of docs/rbed.md instead:
SETS random sets that are feasible, 2000 ticks, timeslices of 80, each workload with both variants.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush

from kernel.rbed import BestEffort, Hard, Rbed, Scheduler, Soft, Task, TaskParameters
from kernel.rbed_barrelfish import BarrelfishRbed

VARIANTS: dict[str, Callable[[int], Scheduler]] = {"sound": Rbed, "barrelfish": BarrelfishRbed}
MS = 10**9  # ps
RUNS = 7

LOADS: dict[str, tuple[list[TaskParameters], int]] = {  # name: tasks, timeslice
    "4 best effort": ([BestEffort(weight) for weight in (1, 2, 3, 4)], 5 * MS),
    "1 hard, 1 best effort": ([Hard(4 * MS, 10 * MS, 10 * MS), BestEffort()], 80 * MS),
    "4 hard, U = 0.75": (
        [Hard(n * MS, p * MS, p * MS) for n, p in ((2, 10), (4, 20), (6, 40), (16, 80))], 80 * MS,
    ),
    "4 hard, 4 best effort": (
        [*(Hard(n * MS, p * MS, p * MS) for n, p in ((1, 10), (3, 20), (6, 40), (12, 80))),
         *(BestEffort(weight) for weight in (1, 1, 2, 4))], 5 * MS,
    ),
    "2 hard, 2 soft, 2 best effort": (
        [Hard(2 * MS, 10 * MS, 10 * MS), Hard(10 * MS, 40 * MS, 20 * MS), Soft(4 * MS, 20 * MS),
         Soft(9 * MS, 60 * MS), BestEffort(), BestEffort()], 5 * MS,
    ),
}  # fmt: skip


def decision_ns(make: Callable[[int], Scheduler], load: list[TaskParameters], timeslice: int) -> float:
    """Wall time of one dispatch and next_decision, in ns, over 50,000 of them."""
    scheduler = make(timeslice)
    for number, parameters in enumerate(load):
        scheduler.add(Task(number), parameters, 0)
    dispatch, next_decision = scheduler.dispatch, scheduler.next_decision
    now = 0
    start = time.perf_counter_ns()
    for _ in range(50_000):
        dispatch(now)
        now = next_decision(now) or now + timeslice
    return (time.perf_counter_ns() - start) / 50_000


def heapq_ns() -> float:
    """Wall time of a push and a pop on a heap of 64 events, in ns."""
    heap = [(n * 7919 % 640, n) for n in range(64)]
    heapify(heap)
    start = time.perf_counter_ns()
    for n in range(50_000):
        heappush(heap, (heappop(heap)[0] + 640, n))
    return (time.perf_counter_ns() - start) / 50_000


def print_costs() -> None:
    print(f"{'load':32}{'variant':12}{'ns a decision':>14}{'heapq pairs':>13}")
    for name, (load, timeslice) in LOADS.items():
        for variant, make in VARIANTS.items():
            if variant == "barrelfish" and any(isinstance(parameters, Soft) for parameters in load):
                continue
            pairs = [(decision_ns(make, load, timeslice), heapq_ns()) for _ in range(RUNS)]
            cost = statistics.median(decision for decision, _ in pairs)
            ratio = statistics.median(decision / pair for decision, pair in pairs)
            print(f"{name:32}{variant:12}{cost:14.0f}{ratio:13.1f}")


def feasible_set(rng: random.Random, hard: int, utilisation: float) -> list[Hard]:
    """Random hard tasks with deadlines at their periods' ends, of at most this utilisation (UUniFast)."""
    left, tasks = utilisation * rng.uniform(0.3, 1.0), []
    for remaining in range(hard, 0, -1):
        rest = left * rng.random() ** (1 / (remaining - 1)) if remaining > 1 else 0.0
        period = rng.choice((10, 16, 20, 24, 40, 50, 80, 100, 160))
        # Rounded down, but never to nothing: what goes over is refused and drawn again by the caller.
        tasks.append(Hard(max(1, int((left - rest) * period)), period, period))
        left = rest
    return tasks if sum(task.wcet / task.period for task in tasks) <= utilisation else feasible_set(
        rng, hard, utilisation
    )  # fmt: skip


def misses(make: Callable[[int], Scheduler], arrivals: list[tuple[int, TaskParameters]]) -> tuple[int, int]:
    """Hard jobs late and hard jobs in all, of 2000 ticks decided tick by tick."""
    scheduler = make(80)
    tasks = []
    for now in range(2000):
        for number, (at, parameters) in enumerate(arrivals):
            if at == now:
                tasks.append(Task(number))
                scheduler.add(tasks[-1], parameters, now)
        scheduler.dispatch(now)
    hard = [task for task in tasks if isinstance(task.parameters, Hard)]
    return sum(task.misses for task in hard), sum(task.jobs for task in hard)


def print_misses(sets: int) -> None:
    print(f"{'workload':36}{'variant':12}{'sets with a miss':>18}{'jobs late':>12}")
    for name, hard, best_effort, utilisation, latest in (
        ("4 hard, U <= 0.9, together", 4, 0, 0.9, 0),
        ("4 hard, U <= 0.9, one by one", 4, 0, 0.9, 200),
        ("4 hard, 4 best effort, together", 4, 4, 0.6, 0),
        ("4 hard, 4 best effort, one by one", 4, 4, 0.6, 200),
        ("1 hard, 1 best effort, one by one", 1, 1, 0.6, 200),
    ):
        rng = random.Random(2011)
        drawn = []
        for _ in range(sets):
            load: list[TaskParameters] = [
                *feasible_set(rng, hard, utilisation),
                *(BestEffort(rng.randint(1, 10)) for _ in range(best_effort)),
            ]
            drawn.append([(rng.randint(0, latest), parameters) for parameters in load])
        for variant, make in VARIANTS.items():
            late = [misses(make, arrivals) for arrivals in drawn]
            missed = sum(1 for some, _ in late if some)
            part = 100 * sum(some for some, _ in late) / sum(jobs for _, jobs in late)
            print(f"{name:36}{variant:12}{f'{missed} of {sets}':>18}{part:11.2f}%")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="cost and misses of the RBED variants")
    parser.add_argument("--misses", type=int, metavar="SETS", help="count missed deadlines over random sets")
    arguments = parser.parse_args()
    if arguments.misses:
        print_misses(arguments.misses)
    else:
        print_costs()
