"""Linux's fair scheduler on one core, driven by the smallest CPU driver there can be, over random lives of tasks."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from kernel.schedulers.fair_share import Cfs, FairShare
from kernel.scheduling import BestEffort, Hard, Task

SHARE = FairShare(latency=20, granularity=4, wakeup=4, tick=1)


@dataclass(frozen=True)
class Event:
    """At `at`, `what` happens to the task `number`."""

    at: int
    what: str
    number: int


@dataclass
class Run:
    """What came of a run: who had the core from when to when (None: nobody), and who could have had it."""

    scheduler: Cfs
    tasks: dict[int, Task]
    slices: list[tuple[int, int, int | None]] = field(default_factory=list)
    suspended: set[int] = field(default_factory=set)
    raised: set[int] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def ran(self, number: int, start: int, end: int) -> int:
        return sum(max(0, min(e, end) - max(s, start)) for s, e, n in self.slices if n == number)

    def can_run(self) -> set[int]:
        return {number for number, task in self.tasks.items() if task.runnable and number not in self.suspended}

    def happens(self, event: Event) -> None:
        scheduler, task = self.scheduler, self.tasks[event.number]
        match event.what:
            case "block":
                scheduler.block(task, event.at)
            case "wake":
                scheduler.unblock(task, event.at)
            case "yield":
                if scheduler.running is task:
                    scheduler.yield_(task, event.at)
            case "suspend":
                scheduler.suspend(task, event.at)
                self.suspended.add(event.number)
            case "resume":
                scheduler.resume(task, event.at)
                self.suspended.discard(event.number)
            case "raise":
                scheduler.raise_(task, event.at)
                self.raised.add(event.number)
            case "lower":
                scheduler.lower(task, event.at)
                self.raised.discard(event.number)

    def note(self, start: int, end: int, chosen: Task | None) -> None:
        number = None if chosen is None else chosen.id
        self.slices.append((start, end, number))
        able = self.can_run()
        if (number is None and able) or (number is not None and number not in able):
            self.wrong.append(f"at {start} {number} was chosen, {able} could run")
        if able & self.raised and number not in self.raised:
            self.wrong.append(f"at {start} {number} was chosen, and {able & self.raised} are raised")


def drive(weights: dict[int, int], events: list[Event], until: int, share: FairShare = SHARE) -> Run:
    scheduler = Cfs(share)
    run = Run(scheduler, {number: Task(number) for number in weights})
    for number, weight in weights.items():
        scheduler.add(run.tasks[number], BestEffort(weight), 0)
    pending = sorted(events, key=lambda event: event.at)
    now = 0
    while now < until:
        while pending and pending[0].at <= now:
            run.happens(pending.pop(0))
        chosen = scheduler.dispatch(now)
        decision = scheduler.next_decision(now)
        ends = min([until, *([decision] if decision is not None else []), *(e.at for e in pending[:1])])
        assert ends > now, "a decision that is due at once, again and again"
        run.note(now, ends, chosen)
        now = ends
    scheduler.dispatch(until)
    return run


WEIGHTS = st.dictionaries(st.integers(1, 5), st.integers(1, 8), min_size=1)
WHAT = st.sampled_from(["block", "wake", "yield", "suspend", "resume", "raise", "lower"])


@st.composite
def lives(draw: st.DrawFn) -> tuple[dict[int, int], list[Event]]:
    weights = draw(WEIGHTS)
    numbers = st.sampled_from(sorted(weights))
    events = st.builds(Event, st.integers(0, 400), WHAT, numbers)
    return weights, draw(st.lists(events, max_size=30))


@given(lives())
def test_whoever_can_run_does_and_no_time_is_lost(life: tuple[dict[int, int], list[Event]]) -> None:
    weights, events = life
    run = drive(weights, events, 500)
    assert run.wrong == []
    assert sum(task.executed for task in run.tasks.values()) + run.scheduler.idle == 500
    for number, task in run.tasks.items():
        assert task.executed == run.ran(number, 0, 500)


@given(WEIGHTS)
def test_shares_are_by_weight_to_within_two_periods(weights: dict[int, int]) -> None:
    until = 20_000
    run = drive(weights, [], until)
    period = max(SHARE.latency, len(weights) * SHARE.granularity)
    for number, weight in weights.items():
        assert abs(run.ran(number, 0, until) - until * weight / sum(weights.values())) <= 2 * period + SHARE.tick


@given(st.integers(1, 4), st.integers(150, 300))
def test_one_that_slept_has_half_a_period_in_advance_and_no_more(others: int, slept: int) -> None:
    weights = dict.fromkeys(range(others + 1), 1)
    run = drive(weights, [Event(1, "block", 0), Event(slept, "wake", 0)], slept + 500)
    wakes = slept
    assert run.ran(0, wakes, wakes + 1) == 1, "it preempts who has had more"
    ahead = run.ran(0, wakes, slept + 500) - max(run.ran(other, wakes, slept + 500) for other in range(1, others + 1))
    period = max(SHARE.latency, (others + 1) * SHARE.granularity)
    assert ahead <= SHARE.latency // 2 + period


def test_a_wake_up_does_not_preempt_who_has_had_hardly_more() -> None:
    run = drive({1: 1, 2: 1}, [Event(10, "block", 2), Event(11, "wake", 2)], 12)
    assert run.slices[-1][2] == 1 or run.ran(1, 0, 11) > run.ran(2, 0, 11) + SHARE.wakeup


def test_preemption_comes_at_ticks_and_each_core_has_its_own() -> None:
    share = FairShare(latency=20, granularity=4, wakeup=4, tick=8, skew=3)
    ends = []
    for position in (0, 1, 2):
        scheduler = Cfs(share, position=position)
        for number in (1, 2):
            scheduler.add(Task(number), BestEffort(), 0)
        scheduler.dispatch(0)
        ends.append(scheduler.next_decision(0))
    assert ends == [16, 11, 14], "the first tick after half a period: 8k, 8k + 3 and 8k + 6"


def test_real_time_is_best_effort_and_nothing_is_refused() -> None:
    scheduler = Cfs(SHARE)
    tasks = [Task(number) for number in range(3)]
    for task in tasks:
        scheduler.add(task, Hard(wcet=9, period=10, deadline=10, slack=2), 0)
        scheduler.check(task, Hard(wcet=10, period=10, deadline=10), 0, 0)
        assert task.parameters == BestEffort(2)


def test_one_that_comes_from_another_core_keeps_its_distance() -> None:
    """Whatever the two cores have been through, it is as far ahead of those it meets as of those it leaves."""
    here = drive({1: 1, 2: 1, 3: 1}, [], 1_000)
    there = drive({4: 1, 5: 1}, [], 50_000)
    moved = max(here.tasks.values(), key=lambda task: task.virtual)
    ahead = moved.virtual - min(task.virtual for task in here.tasks.values())
    here.scheduler.remove(moved, 1_000)
    there.scheduler.add(moved, BestEffort(), 50_000)
    assert moved.virtual - min(task.virtual for task in there.tasks.values()) == ahead
