"""Phase-locked gang scheduling against a centralised one by interrupts (dissertation, figure 4.7: a prediction).

A barrier program and a background load of as many threads, on the same cores, have turns of a timeslice each. Under
`phase-locked` the SKB has planned it once (a manifest of one slice in every two) and every core switches by its own
timer; under `interrupts` a coordinator core sends an interrupt to every other core at each timeslice's end, one after
the other (docs/schedulers.md).

For each timeslice: rounds of the barrier in a second, what part that is of the rounds of a machine of its own in half
of the time, and what part of all cores' time went into context switches and interrupts.

Facts it rests on: `context_switch`, `ipi_send`, `interrupt`, the machine's message and cache-line latencies and the
costs of a barrier (`cost_of/4` tells them with their sources). Both schedulers switch the same way, so the cost of a
switch is the same. Nothing here is taken from the published figure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from kernel.clock import PS_PER_MS, PS_PER_S, PS_PER_US
from kernel.experiments import Experiment, Outcome, Parameter, Plot, Setting
from kernel.multikernel import Multikernel
from kernel.workers import machine_loaded, run_points

TIMESLICES_US = (20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 80_000)
"""From 20 us to 80 ms."""

SCHEDULERS = {"phase-locked": "rbed", "interrupts": "gang-ipi"}

TURNS = 10
"""A run is so many turns of both programs at least, and a whole number of them."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run; `scheduler` is `alone` for the barrier on a machine of its own."""

    machine: str
    seed: int
    threads: int
    run_ms: int
    scheduler: str
    timeslice_us: int


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one."""

    scheduler: str
    timeslice_us: int
    rounds_per_s: int
    of_half_a_machine_percent: float
    switch_percent: float
    interrupt_percent: float


def play(point: Point) -> tuple[float, float, float]:
    """Rounds of the barrier in a second, and the shares of switches and interrupts."""
    kb = machine_loaded(point.machine)
    slice_us = point.timeslice_us
    kb.assert_fact(f'cost(interrupt_timeslice, {slice_us}, us, "ipi-comparison")')
    kernel = Multikernel.boot(kb, seed=point.seed, scheduler=SCHEDULERS.get(point.scheduler, "rbed"))
    cores = range(point.threads)
    if point.scheduler == "phase-locked":
        manifest = f"B 1\nG {slice_us / 1000:g} {slice_us / 500:g} {slice_us / 1000:g}\n"
        gang = kernel.spawn("barrier", point.threads, cores=cores, manifest=manifest)
        kernel.spawn("cpu_bound", point.threads, cores=cores)
        kernel.change_phase(gang.id, 1)
    else:
        gang = kernel.spawn("barrier", point.threads, cores=cores)
        if point.scheduler == "interrupts":
            kernel.spawn("cpu_bound", point.threads, cores=cores)
    kernel.run(2 * slice_us * PS_PER_US)
    turns_ps = 2 * slice_us * PS_PER_US
    duration = max(-(-point.run_ms * PS_PER_MS // turns_ps), TURNS) * turns_ps
    before, parts = kernel.status(gang).progress, _parts(kernel)
    kernel.run(duration)
    rounds = (kernel.status(gang).progress - before) * PS_PER_S / duration
    total = duration * len(kernel.drivers)
    switch, interrupt = ((after - then) / total for after, then in zip(_parts(kernel), parts, strict=True))
    return rounds, switch, interrupt


def _parts(kernel: Multikernel) -> tuple[int, int]:
    cores = kernel.cores()
    return sum(core.switch_ps for core in cores), sum(core.interrupt_ps for core in cores)


def run(setting: Setting) -> Outcome:
    """Both schedulers at every timeslice."""
    machine, seed = str(setting.values["machine"]), setting.integer("seed")
    threads, run_ms = setting.integer("threads"), setting.integer("run_ms")
    longest = setting.integer("longest_us")
    points = [Point(machine, seed, threads, run_ms, "alone", TIMESLICES_US[0])] + [
        Point(machine, seed, threads, run_ms, scheduler, timeslice)
        for scheduler in SCHEDULERS for timeslice in TIMESLICES_US if timeslice <= longest
    ]  # fmt: skip
    alone, *found = run_points(play, points, setting.progress)
    rows = [
        Row(point.scheduler, point.timeslice_us, round(rounds), round(200 * rounds / alone[0], 2),
            round(100 * switch, 3), round(100 * interrupt, 3))
        for point, (rounds, switch, interrupt) in zip(points[1:], found, strict=True)
    ]  # fmt: skip
    return Outcome([asdict(row) for row in rows], (
        f"alone on the machine: {alone[0]:.0f} rounds/s",
        "predictions: the published figure 4.7 was not looked at",
    ))  # fmt: skip


EXPERIMENT = Experiment(
    name="ipi-comparison",
    summary="phase-locked gang scheduling against one by interrupts from a coordinator",
    run=run,
    parameters=(
        Parameter("machine", "amd-4x4", "the machine, by name or folder"),
        Parameter("threads", 16, "of either program, on cores 0, 1, ...", at_least=2, at_most=4096),
        Parameter("run_ms", 100, "how long a run is, ms; 10 turns at least", at_least=1, at_most=100_000),
        Parameter("longest_us", 80_000, "the longest timeslice, us", at_least=20, at_most=80_000),
        Parameter("seed", 0, "seed of the machine's boot (the session's where it is not set)"),
    ),
    plots=(
        Plot(
            "lines", x="timeslice_us", y="of_half_a_machine_percent", series="scheduler",
            title="A barrier program by turns with background load", x_label="timeslice (us)",
            y_label="rounds, as alone in half of the time (%)", x_scale="log", y_limits=(0, 105),
        ),
        Plot(
            "lines", x="timeslice_us", y="switch_percent", series="scheduler",
            title="Time spent in context switches", x_label="timeslice (us)",
            y_label="of all cores' time (%)", x_scale="log", name="switches",
        ),
    ),
)  # fmt: skip
