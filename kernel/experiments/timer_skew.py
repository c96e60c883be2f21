"""What a gang loses when the cores' timers are not in step.

A barrier program is gang-scheduled on all its cores for one slice of every two, beside a domain that only computes.
The timers of every other core are put ahead by the skew after the machine has booted, and before the kernel compares
them again, after a second (docs/clocks.md). Half of the gang then begins its slices so much earlier than
the other half; while only one half runs, its threads spin at the barrier and then block.

For each skew: rounds of the barrier in a second, what part that is of the rounds without skew, and for what part of
its slices the whole gang ran. A gang could do no better than lose the skew of each slice; `bound` is what is left.

Facts it rests on: the machine's cache-line latencies, its cost of blocking and the time a barrier spins
(`cost_of/4`); the barrier program of §3.1.2. Skews and slice are chosen here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from kernel.clock import PS_PER_MS, PS_PER_S, PS_PER_US
from kernel.experiments import Experiment, Outcome, Parameter, Plot, Setting
from kernel.multikernel import Multikernel
from kernel.workers import machine_loaded, run_points

LONGEST_RUN_MS = 900
"""Timers are compared after a second."""

SHARES = (0, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.25, 0.5, 0.75, 1)
"""The skews, in slices."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run."""

    machine: str
    seed: int
    threads: int
    slice_us: int
    run_ms: int
    skew_us: float


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one skew."""

    threads: int
    skew_us: float
    rounds_per_s: int
    share_percent: float
    together_percent: float
    bound_percent: float


def play(point: Point) -> tuple[float, float]:
    """Rounds of the barrier in a second, and for what part of the time that any of the gang ran all of it did."""
    kernel = Multikernel.boot(machine_loaded(point.machine), seed=point.seed)
    for core, driver in list(kernel.drivers.items())[1::2]:
        if core < point.threads:
            driver.correct_timer(round(point.skew_us * PS_PER_US))
    cores = range(point.threads)
    slice_ms = point.slice_us / 1000
    manifest = f"B 1\nG {slice_ms:g} {2 * slice_ms:g} {slice_ms:g}\n"
    gang = kernel.spawn("barrier", point.threads, cores=cores, manifest=manifest)
    kernel.spawn("cpu_bound", point.threads, cores=cores)
    kernel.change_phase(gang.id, 1)
    kernel.run(2 * point.slice_us * PS_PER_US)
    since, before = kernel.now, kernel.status(gang).progress
    kernel.run(point.run_ms * PS_PER_MS)
    rounds = (kernel.status(gang).progress - before) * PS_PER_S / (kernel.now - since)
    return rounds, _together(kernel, gang.id, cores, since)


def _together(kernel: Multikernel, domain: int, cores: range, since: int) -> float:
    edges = []
    for each in kernel.slices(cores, since, kernel.now):
        if each.domain == domain:
            edges += [(each.start_ps, 1), (each.end_ps, -1)]
    everybody = anybody = running = 0
    last = since
    for at, step in sorted(edges):
        everybody += (at - last) * (running == len(cores))
        anybody += (at - last) * (running > 0)
        last, running = at, running + step
    return everybody / anybody if anybody else 0.0


def run(setting: Setting) -> Outcome:
    """Every skew once."""
    slice_us = setting.integer("slice_us")
    points = [
        Point(str(setting.values["machine"]), setting.integer("seed"), setting.integer("threads"), slice_us,
              setting.integer("run_ms"), share * slice_us)
        for share in SHARES
    ]  # fmt: skip
    found = run_points(play, points, setting.progress)
    alone = found[0][0]
    rows = [
        Row(
            point.threads, round(point.skew_us, 3), round(rounds), round(100 * rounds / alone, 2) if alone else 0.0,
            round(100 * together, 2), round(100 * (1 - point.skew_us / slice_us), 2),
        )
        for point, (rounds, together) in zip(points, found, strict=True)
    ]  # fmt: skip
    return Outcome([asdict(row) for row in rows], ("the rounds are a prediction: no source prints them",))


EXPERIMENT = Experiment(
    name="timer-skew",
    summary="what a gang loses when the cores' timers are not in step",
    run=run,
    parameters=(
        Parameter("machine", "amd-4x4", "the machine, by name or folder"),
        Parameter("threads", 16, "of the gang, on cores 0, 1, ...", at_least=2, at_most=4096),
        Parameter("slice_us", 20_000, "the gang's part of twice as long, us", at_least=20, at_most=200_000),
        Parameter("run_ms", 800, "how long it is looked at, ms", at_least=10, at_most=LONGEST_RUN_MS),
        Parameter("seed", 0, "seed of the machine's boot (the session's where it is not set)"),
    ),
    plots=(
        Plot(
            "lines", x="skew_us", y="share_percent", series="threads",
            title="A gang-scheduled barrier program against the skew of timers",
            x_label="timers of every other core ahead by (us)", y_label="rounds, as without skew (%)",
            y_limits=(0, 105),
        ),
    ),
)  # fmt: skip
