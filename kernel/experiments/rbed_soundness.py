"""How often each variant of RBED misses deadlines of hard real-time sets that are feasible.

Random sets of four hard tasks are played through the scheduler of one core, the same arrivals for both
variants: the sound one, and Barrelfish's as shipped. Every set is feasible: deadlines are the ends of
periods and the rates add up to at most `utilisation`, so EDF meets them all (Liu and Layland, JACM 20(1),
1973), and each set is one that both variants admit. Three families:

- hard only: four hard tasks, all there at tick 0;
- hard + best effort: four hard tasks and four best-effort ones, all there at tick 0;
- arrivals at run time: the same eight, each coming at a random tick of the first `arrival_ticks`.

A job misses when its WCET has not been executed by its deadline. That is counted from outside, from who had
the core when, and not from the schedulers' own statistics. Barrelfish's kernel panics when it next chooses
the late job; here that job goes on. Each set runs for `hyperperiods` times the least common multiple of its
hard periods and of the round of best effort (tasks times timeslice), after the last arrival. Jobs of one set
are not independent, so the 95 % interval (Wilson, JASA 22, 1927) is that of the sets.

Facts it rests on, none of them a machine's:

- the timeslice of 80 ticks, and the text form of a case: Barrelfish's tools/schedsim (simulator.c);
- Barrelfish's rules, the tenth of a core kept from hard tasks and its rounding: kernel/schedule_rbed.c, restated
  in kernel/rbed_barrelfish.py, which prints byte for byte what Barrelfish's own simulator prints;
- utilisations by UUniFast (Bini and Buttazzo, Real-Time Systems 30, 2005), scaled by 0.3 to 1; periods
  from 10 to 160 ticks; weights from 1 to 10: chosen here.

The smallest failing case is found by shrinking some of those that failed: fewer tasks, then an earlier failure,
then smaller numbers, and of a pair all WCETs and periods up to 160 ticks. `schedsim` reproduces it; for
Barrelfish's variant it ends in the kernel's own panic.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction

from kernel.admission import CAPACITY
from kernel.experiments import Experiment, Outcome, Parameter, Plot, Setting
from kernel.rbed import Rbed
from kernel.rbed_barrelfish import BarrelfishRbed
from kernel.schedsim import TIMESLICE, SimulationPanic, simulate
from kernel.scheduling import BestEffort, Hard, Scheduler, Task

VARIANTS: dict[str, Callable[[int], Scheduler]] = {"sound": Rbed, "barrelfish": BarrelfishRbed}

PERIODS_TICKS = (10, 16, 20, 24, 40, 50, 80, 100, 160)
"""What a hard task's period is drawn from; their least common multiple is 2400."""

TASKS = 4
"""Hard tasks of a set, and best-effort ones where there are any."""

HEAVIEST = 10
"""The largest weight of a best-effort task."""

_SHRUNK = 4  # so many failing sets of a family, those that fail first, are made smaller
_LOOKED_AT_ROUNDS = 4  # timeslices that a case with a task fewer is looked at, at least
_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Arrival:
    """A task that comes at the tick `at`, for good, and then always wants to run."""

    at: int
    task: Hard | BestEffort


Case = tuple[Arrival, ...]
"""Arrivals in the order of time: what one core is to schedule."""


@dataclass(frozen=True, slots=True)
class Family:
    """A family of sets: how many best-effort tasks are with the hard ones, and whether all come at tick 0."""

    name: str
    best_effort: int
    together: bool


FAMILIES = (
    Family("hard only", 0, True),
    Family("hard + best effort", TASKS, True),
    Family("arrivals at run time", TASKS, False),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case: hard jobs due within the run, those that missed, the first deadline missed."""

    jobs: int
    misses: int
    first_miss: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """What one variant did with the sets of one family."""

    family: str
    variant: str
    sets: int
    sets_with_a_miss: int
    sets_with_a_miss_percent: float
    low_95_percent: float
    high_95_percent: float
    jobs: int
    misses: int
    miss_rate_percent: float


# -- drawing sets ----------------------------------------------------------------------------------


def draw(family: Family, rng: random.Random, utilisation: float, arrival_ticks: int) -> Case:
    """A random set of the family, whose hard rates add up to at most `utilisation` (of one core)."""
    hard = _hard_tasks(rng, utilisation)
    while rate(hard) > min(Fraction(utilisation), CAPACITY):  # WCETs are whole ticks, and one at least
        hard = _hard_tasks(rng, utilisation)
    tasks: list[Hard | BestEffort] = [*hard]
    tasks += [BestEffort(rng.randint(1, HEAVIEST)) for _ in range(family.best_effort)]
    arrivals = [Arrival(0 if family.together else rng.randrange(arrival_ticks), task) for task in tasks]
    return tuple(sorted(arrivals, key=lambda arrival: arrival.at))


def _hard_tasks(rng: random.Random, utilisation: float) -> list[Hard]:
    """Four hard tasks by UUniFast, their WCETs rounded to ticks."""
    left = utilisation * rng.uniform(0.3, 1.0)
    tasks = []
    for remaining in range(TASKS - 1, -1, -1):
        rest = left * rng.random() ** (1 / remaining) if remaining else 0.0
        period = rng.choice(PERIODS_TICKS)
        tasks.append(Hard(min(period, max(1, round((left - rest) * period))), period, period))
        left = rest
    return tasks


def rate(tasks: Sequence[Hard | BestEffort]) -> Fraction:
    """The part of the core that the hard tasks ask for."""
    return sum((Fraction(t.wcet, t.period) for t in tasks if isinstance(t, Hard)), Fraction(0))


def duration(case: Case, hyperperiods: int) -> int:
    """Ticks until all has come, and `hyperperiods` more: of the hard periods and a round of best effort."""
    periods = [arrival.task.period for arrival in case if isinstance(arrival.task, Hard)]
    best_effort = len(case) - len(periods)
    return case[-1].at + hyperperiods * math.lcm(*periods, max(1, best_effort) * TIMESLICE)


# -- playing them ----------------------------------------------------------------------------------


def play(variant: str, case: Case, ticks: int) -> Verdict:
    """What the variant makes of a case in so many ticks. Raises Overcommitted where it refuses a task."""
    scheduler = VARIANTS[variant](TIMESLICE)
    executed = [0] * len(case)
    late = [0] * len(case)
    first = ticks + 1
    coming = now = 0
    while now < ticks:
        chosen: Task | None = None
        arrived = coming
        while coming < len(case) and case[coming].at == now:
            scheduler.add(Task(coming), case[coming].task, now)
            chosen = scheduler.dispatch(now)  # after every arrival, as Barrelfish's simulator does
            coming += 1
        if coming == arrived:
            chosen = scheduler.dispatch(now)
        until = case[coming].at if coming < len(case) else ticks
        decision = scheduler.next_decision(now)
        if decision is not None and decision < until:
            until = decision
        if until > ticks:
            until = ticks
        if chosen is not None:
            number = chosen.id
            before = executed[number]
            executed[number] = after = before + until - now
            task = case[number].task
            if isinstance(task, Hard):
                # Its jobs run one after the other, so what it has executed says which of them have ended.
                for job in range(before // task.wcet, after // task.wcet):
                    due = case[number].at + job * task.period + task.deadline
                    if due <= ticks and now + (job + 1) * task.wcet - before > due:
                        late[number] += 1
                        first = min(first, due)
        now = until
    jobs = 0
    for number, (at, task) in enumerate((arrival.at, arrival.task) for arrival in case):
        if isinstance(task, Hard):
            due_by_now = max(0, (ticks - at - task.deadline) // task.period + 1)
            ended = min(due_by_now, executed[number] // task.wcet)
            if ended < due_by_now:
                late[number] += due_by_now - ended
                first = min(first, at + ended * task.period + task.deadline)
            jobs += due_by_now
    return Verdict(jobs, sum(late), first if first <= ticks else None)


# -- the smallest of them --------------------------------------------------------------------------


def failure(variant: str, case: Case, ticks: int) -> int | None:
    """The first tick at which a job is late, for Barrelfish's variant that of the panic; None: not by `ticks`."""
    missed = play(variant, case, ticks).first_miss
    if missed is None or variant != "barrelfish":
        return None if missed is None else missed + 1
    stop = panic(case, ticks + 1)
    return None if stop is None else stop.at


def panic(case: Case, ticks: int) -> SimulationPanic | None:
    """Barrelfish's panic within so many ticks of its own simulator, if it comes to one."""
    try:
        simulate(configuration(case), ticks)
    except SimulationPanic as panic:
        return panic
    return None


def shrink(variant: str, case: Case, fails: int) -> tuple[Case, int]:
    """The smallest failing case that leaving out and making smaller leads to, and the tick at which it fails.

    `case` fails at the tick `fails`. Hard rates never exceed what admission allows.
    """
    ticks = max(fails, _LOOKED_AT_ROUNDS * TIMESLICE)
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(case):
            again = failure(variant, candidate, ticks if len(candidate) < len(case) else fails)
            if again is not None and size(candidate, again) < size(case, fails):
                case, fails, smaller = candidate, again, True
                break
    return case, fails


def smallest_pair(variant: str, case: Case, fails: int) -> tuple[Case, int]:
    """Of a failing case of at most one hard task and one other, the smallest that its WCET and period can make."""
    best = case, fails
    hard = [index for index, arrival in enumerate(case) if isinstance(arrival.task, Hard)]
    if len(case) > 2 or len(hard) != 1:
        return best
    for period in range(1, max(PERIODS_TICKS) + 1):
        for wcet in range(1, math.floor(CAPACITY * period) + 1):
            changed = replace(case[hard[0]], task=Hard(wcet, period, period))
            candidate = (*case[: hard[0]], changed, *case[hard[0] + 1 :])
            again = failure(variant, candidate, best[1])
            if again is not None and size(candidate, again) < size(*best):
                best = candidate, again
    return best


def size(case: Case, fails: int) -> tuple[int, int, int, int]:
    """The order of cases: tasks, the tick at which it fails, ticks and weights in all, hard periods in all."""
    tasks = [arrival.task for arrival in case]
    periods = sum(task.period for task in tasks if isinstance(task, Hard))
    others = sum(task.wcet if isinstance(task, Hard) else task.weight for task in tasks)
    return len(case), fails, sum(arrival.at for arrival in case) + periods + others, periods


def _smaller(case: Case) -> Iterator[Case]:
    """Cases a step smaller: one task fewer, or a number of one task smaller; admission would take them all."""
    for index in range(len(case)):
        if len(case) > 1:
            yield _from_0(case[:index] + case[index + 1 :])
    for index, arrival in enumerate(case):
        task = arrival.task
        others = rate([other.task for other in case if other is not arrival])
        for at in _less(arrival.at, 0):
            moved = (*case[:index], replace(arrival, at=at), *case[index + 1 :])
            yield _from_0(tuple(sorted(moved, key=lambda each: each.at)))
        if isinstance(task, BestEffort):
            forms: list[Hard | BestEffort] = [BestEffort(weight) for weight in _less(task.weight, 1)]
        else:
            forms = [
                Hard(wcet, period, period)
                for period in (*_less(task.period, 1), task.period)
                for wcet in (*_less(task.wcet, 1), task.wcet)
                if wcet <= period and others + Fraction(wcet, period) <= CAPACITY
                and (wcet, period) != (task.wcet, task.period)
            ]  # fmt: skip
        for form in forms:
            yield (*case[:index], replace(arrival, task=form), *case[index + 1 :])


def _less(number: int, least: int) -> list[int]:
    """Smaller numbers to try, the smallest first: all of them where they are few, else halves and a step."""
    if number - least <= 30:
        return list(range(least, number))
    return sorted({least, number // 2, number - number // 4, number - 1})


def _from_0(case: Case) -> Case:
    """The case, beginning at tick 0."""
    first = case[0].at
    return tuple(replace(arrival, at=arrival.at - first) for arrival in case)


def configuration(case: Case) -> str:
    """The case in the text form of `schedsim`: a line a task."""
    return "".join(
        f"{a.at} H {a.task.wcet} {a.task.period} 0\n" if isinstance(a.task, Hard) else f"{a.at} B {a.task.weight}\n"
        for a in case
    )


# -- the experiment --------------------------------------------------------------------------------


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a proportion, in per cent."""
    share = count / of
    centre = share + _Z95**2 / (2 * of)
    spread = _Z95 * math.sqrt(share * (1 - share) / of + _Z95**2 / (4 * of**2))
    scale = 100 / (1 + _Z95**2 / of)
    return max(0.0, (centre - spread) * scale), min(100.0, (centre + spread) * scale)


def run(setting: Setting) -> Outcome:
    """Both variants over the same sets of each family, and the smallest case that failed under each."""
    sets = setting.integer("sets")
    rows: list[Row] = []
    smallest: dict[str, tuple[Case, int]] = {}
    total = len(FAMILIES) * sets
    for number, family in enumerate(FAMILIES):
        verdicts: dict[str, list[Verdict]] = {variant: [] for variant in VARIANTS}
        failed: dict[str, list[tuple[int, int, Case]]] = {variant: [] for variant in VARIANTS}
        for index in range(sets):
            # A set is the same whichever others are drawn.
            rng = random.Random(f"{setting.integer('seed')}/{family.name}/{index}")
            case = draw(family, rng, setting.number("utilisation"), setting.integer("arrival_ticks"))
            ticks = duration(case, setting.integer("hyperperiods"))
            for variant in VARIANTS:
                verdict = play(variant, case, ticks)
                verdicts[variant].append(verdict)
                if verdict.first_miss is not None:
                    failed[variant].append((verdict.first_miss, index, case))
            setting.progress(number * sets + index + 1, total)
        for variant in VARIANTS:
            rows.append(_row(family.name, variant, verdicts[variant]))
            for _, _, case in sorted(failed[variant], key=lambda each: each[:2])[:_SHRUNK]:
                fails = failure(variant, case, duration(case, setting.integer("hyperperiods")))
                if fails is not None:  # at the very end of a run, Barrelfish's kernel may not have noticed yet
                    shrunk = shrink(variant, case, fails)
                    if variant not in smallest or size(*shrunk) < size(*smallest[variant]):
                        smallest[variant] = shrunk
    remarks: list[str] = []
    files: dict[str, str] = {}
    for variant, found in smallest.items():
        case, fails = smallest_pair(variant, *found)
        name = f"smallest-{variant}.cfg"
        files[name] = configuration(case)
        remarks += [f"the smallest case that {variant} fails, {name}:", *files[name].splitlines(),
                    _reproduction(variant, name, case, fails)]  # fmt: skip
    remarks += [f"{variant} missed no deadline" for variant in VARIANTS if variant not in smallest]
    return Outcome([asdict(row) for row in rows], tuple(remarks), files)


def _row(family: str, variant: str, verdicts: Sequence[Verdict]) -> Row:
    missing = sum(1 for verdict in verdicts if verdict.misses)
    jobs = sum(verdict.jobs for verdict in verdicts)
    misses = sum(verdict.misses for verdict in verdicts)
    low, high = wilson(missing, len(verdicts))
    return Row(
        family, variant, len(verdicts), missing, round(100 * missing / len(verdicts), 2), round(low, 2),
        round(high, 2), jobs, misses, round(100 * misses / jobs, 4),
    )  # fmt: skip


def _reproduction(variant: str, name: str, case: Case, fails: int) -> str:
    """How `schedsim` shows the miss, in the kernel's words where it has some."""
    said = panic(case, fails + 1) if variant == "barrelfish" else None
    return f"schedsim --variant {variant} {name} {fails + 1}: {said or f'a job due at tick {fails - 1} is late'}"


EXPERIMENT = Experiment(
    name="rbed-soundness",
    summary="how often each variant of RBED misses deadlines of feasible hard sets",
    run=run,
    parameters=(
        Parameter("sets", 500, "sets of each family", at_least=1, at_most=100_000),
        Parameter("seed", 0, "seed of the random sets (the session's where it is not set)"),
        Parameter("utilisation", 0.9, "most of a core that hard tasks take", at_least=0.1, at_most=0.9),
        Parameter("hyperperiods", 2, "hyperperiods that each set runs for", at_least=1, at_most=1000),
        Parameter("arrival_ticks", 200, "ticks within which tasks come at run time", at_least=1, at_most=100_000),
    ),
    plots=(
        Plot(
            "bars", x="family", y="sets_with_a_miss_percent", series="variant",
            title="Feasible hard real-time sets under both variants of RBED", x_label="family of random task sets",
            y_label="sets with a missed deadline (%, 95 % interval)", low="low_95_percent", high="high_95_percent",
            y_limits=(0, 100),
        ),
    ),
)  # fmt: skip
