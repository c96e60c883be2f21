"""A barrier program beside one that only computes, under Linux-like scheduling (dissertation §3.1.2, figure 3.1).

BARRIER has 2 to 16 threads, CPU-Bound 8; both compute the same in a tight loop, and BARRIER's threads meet after
each iteration. Linux places BARRIER's threads at random on cores that have nothing to do as long as there are any;
here the seed of each run does so, and the load balancer may move them from then on. `scheduler` takes any other way
of scheduling instead (docs/schedulers.md): then the SKB places them.

For each number of threads, over the runs: iterations of either program in a second, least, mean and most.

Facts it rests on: cache lines move in 75 cycles within a package and 160 between packages, an update takes 30
(§3.1.2, §2.1.3); blocking costs 7.37 us (§3.2.5), a barrier spins for 50 us (§3.3.3); the tunables of Linux 2.6.32,
the dissertation's, by `cost_of/4`. Figure 3.1 is a drawing: no figures of it are printed, and none were read off it.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass

from kernel.clock import PS_PER_MS, PS_PER_S
from kernel.experiments import Experiment, Outcome, Parameter, Plot, Setting
from kernel.multikernel import Multikernel
from kernel.schedulers import kinds
from kernel.workers import machine_loaded, run_points

PROGRAMS = ("barrier", "cpu_bound")


@dataclass(frozen=True, slots=True)
class Point:
    """One run."""

    machine: str
    scheduler: str
    seed: str
    threads: int
    others: int
    run_ms: int


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one number of threads, for one of the programs: iterations in a second."""

    program: str
    threads: int
    runs: int
    least_per_s: int
    mean_per_s: int
    most_per_s: int


def play(point: Point) -> tuple[float, float]:
    """Iterations of BARRIER and of CPU-Bound in a second."""
    kernel = Multikernel.boot(machine_loaded(point.machine), scheduler=point.scheduler)
    cpu_bound = kernel.spawn("cpu_bound", point.others)
    if point.scheduler == "cfs":
        rng = random.Random(point.seed)
        idle = [core for core in kernel.drivers if core not in cpu_bound.cores]
        busy = list(cpu_bound.cores)
        rng.shuffle(idle)
        rng.shuffle(busy)
        barrier = kernel.spawn("barrier", point.threads, cores=(idle + busy)[: point.threads])
        barrier.pinned = False
    else:
        barrier = kernel.spawn("barrier", point.threads)
    before = [kernel.status(domain).progress for domain in (barrier, cpu_bound)]
    kernel.run(point.run_ms * PS_PER_MS)
    after = [kernel.status(domain).progress for domain in (barrier, cpu_bound)]
    scale = PS_PER_S / (point.run_ms * PS_PER_MS)
    return (after[0] - before[0]) * scale, (after[1] - before[1]) * scale


def run(setting: Setting) -> Outcome:
    """All runs of all numbers of threads."""
    scheduler, runs = str(setting.values["scheduler"]), setting.integer("runs")
    if scheduler != "cfs":
        runs = 1  # nothing is left to chance
    counts = range(2, setting.integer("most_threads") + 1, setting.integer("step"))
    points = [
        Point(str(setting.values["machine"]), scheduler, f"{setting.integer('seed')}/{threads}/{index}", threads,
              setting.integer("others"), setting.integer("run_ms"))
        for threads in counts for index in range(runs)
    ]  # fmt: skip
    found = dict(zip(points, run_points(play, points, setting.progress), strict=True))
    rows = []
    for number, program in enumerate(PROGRAMS):
        for threads in counts:
            rates = [rate[number] for point, rate in found.items() if point.threads == threads]
            mean = sum(rates) / len(rates)
            rows.append(Row(program, threads, runs, round(min(rates)), round(mean), round(max(rates))))
    return Outcome([asdict(row) for row in rows], (
        "figure 3.1 prints no figures; its text has CPU-Bound slow down linearly when cores are short",
    ))  # fmt: skip


EXPERIMENT = Experiment(
    name="mis-scheduling",
    summary="a barrier program beside one that only computes, as Linux schedules them",
    run=run,
    parameters=(
        Parameter("machine", "amd-4x4", "the machine, by name or folder"),
        Parameter("scheduler", "cfs", "how all cores are scheduled", choices=tuple(kinds.KINDS)),
        Parameter("most_threads", 16, "of the barrier program", at_least=2, at_most=4096),
        Parameter("step", 2, "from one number of threads to the next", at_least=1, at_most=64),
        Parameter("others", 8, "threads of the program that only computes", at_least=1, at_most=4096),
        Parameter("runs", 4, "of each number of threads; the dissertation's are 20", at_least=1, at_most=1000),
        Parameter("run_ms", 200, "how long a run is, ms; the dissertation's are 15 s", at_least=1, at_most=100_000),
        Parameter("seed", 0, "seed of where Linux puts threads (the session's where it is not set)"),
    ),
    plots=(
        Plot(
            "lines", x="threads", y="mean_per_s", series="program",
            title="Two programs on one machine, no gang scheduling", x_label="threads of the barrier program",
            y_label="iterations (1/s, least to most)", low="least_per_s", high="most_per_s", y_scale="log",
        ),
    ),
)  # fmt: skip
