"""The sound variant of RBED, driven by the smallest CPU driver there can be, over random lives of tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.rbed import BestEffort, Hard, Overcommitted, Rbed, Soft, Task, TaskParameters

TIMESLICE = 20


@dataclass(frozen=True)
class Event:
    """At `at`, `what` happens to the task `number`."""

    at: int
    what: str
    number: int
    parameters: TaskParameters | None = None
    release: int | None = None


@dataclass
class Run:
    """What came of a run: who had the core from when to when (None: nobody), merged."""

    scheduler: Rbed
    tasks: dict[int, Task] = field(default_factory=dict)
    slices: list[tuple[int, int, int | None]] = field(default_factory=list)
    refused: list[tuple[Event, Overcommitted]] = field(default_factory=list)
    grids: dict[int, tuple[int, Hard]] = field(default_factory=dict)  # first release, as long as undisturbed

    def ran(self, number: int | None, start: int, end: int) -> int:
        return sum(max(0, min(e, end) - max(s, start)) for s, e, n in self.slices if n == number)

    def of(self, numbers: Iterable[int]) -> list[tuple[int, int, int]]:
        wanted = set(numbers)
        return [(s, e, n) for s, e, n in self.slices if n in wanted]


def drive(
    events: Sequence[Event],
    until: int,
    look: Callable[[Run, int], None] = lambda run, now: None,
    looks: Iterable[int] = (),
) -> Run:
    """Run the events, dispatching when the scheduler says and, for no reason, at `looks` too."""
    run = Run(Rbed(TIMESLICE))
    scheduler = run.scheduler
    stops = sorted({event.at for event in events} | set(looks) | {until})
    pending = sorted(events, key=lambda event: event.at)
    now = 0
    while now < until:
        while pending and pending[0].at <= now:
            apply(run, pending.pop(0), now)
        chosen = scheduler.dispatch(now)
        look(run, now)
        decision = scheduler.next_decision(now)
        end = next(stop for stop in stops if stop > now)
        if decision is not None:
            assert decision > now
            end = min(end, decision)
        number = None if chosen is None else chosen.id
        if run.slices and run.slices[-1][2] == number:
            run.slices[-1] = (run.slices[-1][0], end, number)
        else:
            run.slices.append((now, end, number))
        now = end
    scheduler.dispatch(now)
    return run


def apply(run: Run, event: Event, now: int) -> None:
    """One call of the scheduler; what makes no sense for the task as it is, is left out."""
    task = run.tasks.get(event.number)
    scheduler = run.scheduler
    parameters = event.parameters
    if event.what in ("add", "change"):
        assert parameters is not None
        try:
            if event.what == "add":
                if task is not None:
                    return
                task = Task(event.number)
                scheduler.add(task, parameters, now, event.release)
                run.tasks[event.number] = task
                if isinstance(parameters, Hard):
                    run.grids[event.number] = (event.release or now, parameters)
            elif task is not None:
                scheduler.change(task, parameters, now, event.release)
                run.grids.pop(event.number, None)
        except Overcommitted as error:
            run.refused.append((event, error))
        return
    if task is None:
        return
    run.grids.pop(event.number, None)
    if event.what == "remove":
        scheduler.remove(task, now)
        del run.tasks[event.number]
    elif event.what == "block":
        scheduler.block(task, now)
    elif event.what == "unblock":
        scheduler.unblock(task, now)
    else:
        scheduler.yield_(task, now)


def shares(run: Run) -> dict[int, int]:
    return {number: task.executed for number, task in run.tasks.items()}


@st.composite
def hards(draw: st.DrawFn) -> Hard:
    period = draw(st.sampled_from([8, 10, 12, 16, 20, 24, 30, 40, 48, 60, 80, 97]))
    wcet = draw(st.integers(1, max(1, period * 2 // 3)))
    return Hard(wcet, period, draw(st.one_of(st.just(period), st.integers(wcet, period))))


softs = st.builds(
    lambda part, period: Soft(max(1, period * part // 10), period), st.integers(1, 8), st.integers(5, 90)
)
best_efforts = st.builds(BestEffort, st.integers(1, 7))
parameters_of = {"hard": hards(), "soft": softs, "best effort": best_efforts}


@st.composite
def lives(
    draw: st.DrawFn, kinds: Sequence[str] = ("hard", "soft", "best effort"), changes: bool = True
) -> list[Event]:
    """Arrivals, and then whatever may happen to those who came."""
    events = []
    any_of = st.one_of(*(parameters_of[kind] for kind in kinds))
    count = draw(st.integers(1, 7))
    for number in range(count):
        at = draw(st.integers(0, 60))
        release = draw(st.one_of(st.none(), st.integers(at, at + 100)))
        events.append(Event(at, "add", number, draw(any_of), release))
    whats = ["block", "unblock", "unblock", "yield", *(["change", "remove", "add"] if changes else [])]
    for _ in range(draw(st.integers(0, 25))):
        at = draw(st.integers(0, 400))
        what = draw(st.sampled_from(whats))
        parameters = draw(any_of) if what in ("change", "add") else None
        release = draw(st.one_of(st.none(), st.integers(at, at + 50))) if parameters else None
        events.append(Event(at, what, draw(st.integers(0, count - 1)), parameters, release))
    return events


@settings(max_examples=120, deadline=None)
@given(lives())
def test_no_admitted_hard_task_misses_whatever_happens_around_it(events: list[Event]) -> None:
    run = drive(events, 700)
    for number, (first, hard) in run.grids.items():  # those that ran through, from their first release on
        assert run.tasks[number].misses == 0
        release = first
        while release + hard.period <= 700:
            assert run.ran(number, release, release + hard.deadline) == hard.wcet
            assert run.ran(number, release + hard.deadline, release + hard.period) == 0
            release += hard.period


@settings(max_examples=80, deadline=None)
@given(lives(kinds=("hard", "best effort")), st.lists(softs, max_size=3))
def test_no_hard_job_is_ever_late_even_of_tasks_that_block_change_or_leave(
    events: list[Event], load: list[Soft]
) -> None:
    ever: set[Task] = set()

    def look(run: Run, now: int) -> None:
        for task in run.tasks.values():
            if isinstance(task.parameters, Hard):
                ever.add(task)
                assert task.budget <= task.parameters.wcet
                # What is left fits between now and the deadline.
                assert task.budget == 0 or now + task.budget <= task.due

    drive([*events, *(Event(0, "add", 10 + n, soft) for n, soft in enumerate(load))], 600, look)
    assert all(task.misses == 0 for task in ever)


@settings(max_examples=50, deadline=None)
@given(lives())
def test_the_core_never_idles_while_somebody_could_use_it(events: list[Event]) -> None:
    def look(run: Run, now: int) -> None:
        if run.scheduler.running is not None:
            return
        wanting = [task for task in run.tasks.values() if task.runnable]
        assert not any(isinstance(task.parameters, BestEffort) for task in wanting)
        assert not any(isinstance(task.parameters, Soft) and task.budget > 0 for task in wanting)
        if any(isinstance(task.parameters, Hard) and task.budget > 0 for task in wanting):
            # Only in the slot of a blocked hard task, which the others keep out of.
            hard = [task for task in run.tasks.values() if isinstance(task.parameters, Hard)]
            live = [task for task in hard if task.budget > 0]
            assert not min(live, key=lambda task: (task.due, task.release_time, task.id)).runnable

    drive(events, 500, look)


@settings(max_examples=50, deadline=None)
@given(lives())
def test_all_time_is_somebodys_or_idle(events: list[Event]) -> None:
    run = drive([e for e in events if e.what != "remove"], 500)
    assert sum(shares(run).values()) + run.scheduler.idle == 500
    for number, executed in shares(run).items():
        assert executed == run.ran(number, 0, 500)
    assert run.scheduler.idle == run.ran(None, 0, 500)


@settings(max_examples=50, deadline=None)
@given(lives(), st.lists(st.integers(0, 500), max_size=40))
def test_the_same_inputs_give_the_same_schedule_however_often_it_is_asked(
    events: list[Event], looks: list[int]
) -> None:
    run = drive(events, 500)
    assert drive(events, 500).slices == run.slices
    asked = drive(events, 500, looks=looks)
    assert asked.slices == run.slices
    assert shares(asked) == shares(run)


@settings(max_examples=50, deadline=None)
@given(lives(kinds=("hard",)), lives(kinds=("soft", "best effort")))
def test_hard_tasks_run_at_the_same_instants_with_other_load_and_without(
    hard: list[Event], other: list[Event]
) -> None:
    moved = [Event(e.at, e.what, e.number + 100, e.parameters, e.release) for e in other]
    assert drive(hard, 500).of(range(100)) == drive([*hard, *moved], 500).of(range(100))


@settings(max_examples=80, deadline=None)
@given(lives(kinds=("hard",), changes=False), st.integers(0, 6))
def test_hard_tasks_run_at_the_same_instants_whether_others_block_or_not(
    events: list[Event], sleeper: int
) -> None:
    def asleep(event: Event) -> bool:
        return event.number == sleeper and event.what in ("block", "unblock")

    others = set(range(7)) - {sleeper}
    blocking = drive(events, 500)
    busy = drive([event for event in events if not asleep(event)], 500)
    assert blocking.of(others) == busy.of(others)


@settings(max_examples=50, deadline=None)
@given(lives())
def test_a_refused_task_leaves_no_trace(events: list[Event]) -> None:
    run = drive(events, 500)
    refused = {id(event) for event, _ in run.refused}
    assert drive([event for event in events if id(event) not in refused], 500).slices == run.slices


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=6),
    st.lists(hards(), max_size=2),
    st.lists(st.integers(0, 4000), min_size=2, max_size=2, unique=True),
)
def test_best_effort_shares_are_proportional_to_weight_within_a_quantum_each(
    weights: list[int], load: list[Hard], window: list[int]
) -> None:
    events = [Event(0, "add", number, BestEffort(weight)) for number, weight in enumerate(weights)]
    events += [Event(0, "add", 100 + number, hard) for number, hard in enumerate(load)]
    run = drive(events, 4000)
    start, end = sorted(window)
    had = [Fraction(run.ran(number, start, end), weight) for number, weight in enumerate(weights)]
    for one, one_weight in zip(had, weights, strict=True):
        for other, other_weight in zip(had, weights, strict=True):
            assert one - other <= Fraction(TIMESLICE, one_weight) + Fraction(TIMESLICE, other_weight)


@settings(max_examples=50, deadline=None)
@given(st.lists(hards(), max_size=3), st.lists(softs, min_size=1, max_size=6))
def test_best_effort_keeps_its_reserve_under_any_amount_of_soft_real_time(
    load: list[Hard], soft: list[Soft]
) -> None:
    events = [Event(0, "add", 0, BestEffort(1))]
    real_time: list[TaskParameters] = [*load, *soft]
    events += [Event(0, "add", 10 + n, parameters) for n, parameters in enumerate(real_time)]
    run = drive(events, 5000)
    assert run.ran(0, 0, 5000) >= 500 - 10 * 97  # up to a period of each, at the end
    assert run.ran(0, 0, 5000) >= 300


def test_a_task_that_leaves_and_comes_back_gets_no_second_budget() -> None:
    scheduler = Rbed(TIMESLICE)
    other, guest = Task(0), Task(1)
    scheduler.add(other, BestEffort(), 0)
    scheduler.add(guest, Hard(60, 100, 100), 0)
    scheduler.dispatch(0)
    scheduler.dispatch(60)
    scheduler.remove(guest, 60)
    with pytest.raises(Overcommitted) as refusal:
        scheduler.add(guest, Hard(60, 100, 100), 60)
    assert str(refusal.value) == "overcommitted: asked for 0.600 of the core, 0.300 is available"
    assert (refusal.value.asked, refusal.value.available) == (Fraction(3, 5), Fraction(3, 10))
    scheduler.add(guest, Hard(60, 100, 100), 60, release=100)  # when its period is over, it may


def test_a_task_that_changes_in_the_middle_of_its_period_gets_the_new_budget_after_it() -> None:
    hard = Hard(60, 100, 100)
    events = [Event(0, "add", 0, hard), Event(70, "change", 0, hard), Event(110, "change", 0, hard, 120)]
    run = drive(events, 300)
    assert not run.refused
    assert run.of([0]) == [(0, 60, 0), (100, 110, 0), (120, 180, 0), (220, 280, 0)]
    greedy = drive([Event(0, "add", 0, hard), Event(60, "change", 0, hard, 80)], 300)
    assert greedy.slices[1] == (60, 180, None)  # 80 is too early, 180 is next on its grid


def test_leaving_without_having_run_frees_the_core_at_once() -> None:
    scheduler = Rbed(TIMESLICE)
    first, second = Task(0), Task(1)
    scheduler.add(first, Hard(60, 100, 100), 0)
    scheduler.remove(first, 0)
    scheduler.add(second, Hard(90, 100, 100), 0)
    assert scheduler.dispatch(0) is second


def test_a_blocked_hard_task_lends_its_slot_and_wakes_into_what_is_left_of_it() -> None:
    events = [
        Event(0, "add", 0, Hard(40, 100, 100)),
        Event(0, "add", 1, BestEffort()),
        Event(10, "block", 0),
        Event(25, "unblock", 0),
        Event(90, "block", 0),
        Event(150, "unblock", 0),
    ]
    run = drive(events, 240)
    assert run.slices == [
        (0, 10, 0), (10, 25, 1), (25, 40, 0), (40, 200, 1), (200, 240, 0)
    ]  # fmt: skip
    assert run.tasks[0].misses == 0


def test_a_hard_task_that_yields_is_over_until_its_next_release() -> None:
    events = [Event(0, "add", 0, Hard(40, 100, 60)), Event(5, "yield", 0)]
    assert drive(events, 150).slices == [(0, 5, 0), (5, 100, None), (100, 140, 0), (140, 150, None)]


def test_the_deadline_decides_between_hard_tasks_and_a_tie_preempts_nobody() -> None:
    events = [
        Event(0, "add", 2, Hard(10, 40, 40)),
        Event(0, "add", 1, Hard(5, 40, 35), 5),
        Event(0, "add", 0, Hard(5, 80, 40), 2),
    ]
    assert drive(events, 30).slices == [(0, 10, 2), (10, 15, 1), (15, 20, 0), (20, 30, None)]


def test_a_woken_best_effort_task_waits_for_its_turn() -> None:
    events = [
        Event(0, "add", 0, BestEffort()),
        Event(0, "add", 1, BestEffort()),
        Event(0, "block", 1),
        Event(7, "unblock", 1),
    ]
    assert drive(events, 60).slices == [(0, 20, 0), (20, 40, 1), (40, 60, 0)]


def test_an_interrupted_quantum_goes_on_afterwards() -> None:
    events = [
        Event(0, "add", 0, BestEffort()),
        Event(0, "add", 1, BestEffort()),
        Event(0, "add", 2, Hard(5, 100, 100), 15),
    ]
    assert drive(events, 60).slices == [(0, 15, 0), (15, 20, 2), (20, 25, 0), (25, 45, 1), (45, 60, 0)]


def test_who_yields_comes_after_everybody_who_was_runnable() -> None:
    events = [Event(0, "add", n, BestEffort(weight)) for n, weight in enumerate((9, 1, 1))]
    events.append(Event(5, "yield", 0))
    assert [n for _, _, n in drive(events, 80).slices][:4] == [0, 1, 2, 0]


def test_an_over_committed_soft_set_shrinks_evenly_and_its_misses_are_counted() -> None:
    events = [Event(0, "add", 9, BestEffort())]
    events += [Event(0, "add", n, Soft(90, 100)) for n in range(2)]
    run = drive(events, 999)
    assert run.scheduler.soft_granted == Fraction(1, 2)
    assert [run.ran(n, 0, 900) for n in (0, 1, 9)] == [405, 405, 90]
    assert [run.tasks[n].misses for n in (0, 1)] == [9, 9]  # the tenth job is due at 1000
    alone = drive(events[1:2], 999)
    assert (alone.tasks[0].jobs, alone.tasks[0].misses) == (9, 0)


def test_a_soft_task_short_of_budget_uses_time_that_nobody_wants() -> None:
    run = drive([Event(0, "add", n, Soft(60, 100)) for n in range(2)], 100)
    assert run.ran(None, 0, 100) == 0  # granted 45 each of 60 wanted, the rest is free


def test_real_time_has_slack_only_where_its_parameters_say_so_and_by_weight() -> None:
    plain = [Event(0, "add", 0, Hard(10, 100, 100)), Event(0, "add", 1, BestEffort(1))]
    assert drive(plain, 4000).ran(0, 0, 4000) == 400
    given_slack = [Event(0, "add", 0, Hard(10, 100, 100, slack=2)), *plain[1:]]
    assert drive(given_slack, 4000).ran(0, 0, 4000) == pytest.approx(400 + 3600 * 2 / 3, abs=2 * TIMESLICE)
    assert drive(given_slack[:1], 1000).ran(0, 0, 1000) == 1000


def test_a_soft_task_with_slack_gets_beside_best_effort_what_was_not_granted() -> None:
    others = [Event(0, "add", 9, BestEffort()), Event(0, "add", 1, Soft(50, 100))]
    plain = drive([*others, Event(0, "add", 0, Soft(46, 100))], 20_000)
    slack = drive([*others, Event(0, "add", 0, Soft(46, 100, slack=9))], 20_000)
    assert plain.tasks[0].misses > 0
    assert slack.tasks[0].misses < plain.tasks[0].misses
    assert slack.ran(0, 0, 20_000) > plain.ran(0, 0, 20_000)
    assert slack.ran(1, 0, 20_000) == plain.ran(1, 0, 20_000)


def test_a_real_time_task_that_yields_is_off_slack_until_its_next_release() -> None:
    events = [Event(0, "add", 0, Hard(10, 100, 100, slack=1), 20), Event(50, "yield", 0)]
    assert drive(events, 140).slices == [(0, 20, None), (20, 50, 0), (50, 120, None), (120, 140, 0)]


def test_a_slot_lent_by_a_blocked_task_goes_to_slack_without_draining_the_takers_budget() -> None:
    events = [
        Event(0, "add", 0, Hard(20, 100, 50)), Event(0, "block", 0),
        Event(0, "add", 1, Hard(10, 100, 100, slack=1)), Event(0, "add", 2, BestEffort()),
        Event(35, "yield", 1),
    ]  # fmt: skip
    assert drive(events, 60).slices == [(0, 30, 1), (30, 60, 2)]


@settings(max_examples=80, deadline=None)
@given(lives(), st.lists(st.integers(0, 3), min_size=40, max_size=40))
def test_slack_takes_nothing_from_any_slot(events: list[Event], weights: list[int]) -> None:
    """Whoever has slack besides, every hard job has its budget at the same instants or gets more."""
    slack = [
        replace(event, parameters=replace(event.parameters, slack=weight))
        if isinstance(event.parameters, (Hard, Soft)) else event
        for event, weight in zip(events, weights, strict=False)
    ]  # fmt: skip
    without, run = drive(events, 500), drive(slack, 500)
    assert len(without.refused) == len(run.refused)
    soft = {event.number for event in events if isinstance(event.parameters, Soft)}  # at some time at least
    hard = {
        n for n, task in run.tasks.items()
        if isinstance(task.parameters, Hard) and n in run.grids and n not in soft
    }  # fmt: skip
    for start, end, number in without.slices:
        if number in hard:
            assert run.ran(number, start, end) == end - start
    assert all(run.tasks[number].misses == 0 for number in hard)


def test_a_release_that_is_past_moves_on_along_its_own_grid() -> None:
    run = drive([Event(30, "add", 0, Hard(5, 20, 20), 7)], 60)
    assert run.slices == [(0, 47, None), (47, 52, 0), (52, 60, None)]


def test_two_gangs_with_no_slack_share_a_core_in_different_slots_only() -> None:
    gang = Hard(40, 160, 40)
    scheduler = Rbed(TIMESLICE)
    scheduler.add(Task(0), gang, 0, 0)
    scheduler.add(Task(1), gang, 0, 80)
    for offset in (0, 39, 80, 119, 160):
        with pytest.raises(Overcommitted):
            scheduler.add(Task(2), Hard(1, 160, 1), 0, offset)
    scheduler.add(Task(2), Hard(1, 160, 1), 0, 40)
    scheduler.add(Task(3), Hard(1, 160, 1), 0, 79)


def test_a_changed_task_keeps_sleeping_and_keeps_its_turn() -> None:
    scheduler = Rbed(TIMESLICE)
    sleeper, awake = Task(0), Task(1)
    scheduler.add(sleeper, BestEffort(), 0)
    scheduler.add(awake, BestEffort(), 0)
    scheduler.block(sleeper, 0)
    scheduler.change(sleeper, Hard(5, 20, 20), 0)
    scheduler.change(awake, BestEffort(3), 0)
    assert not sleeper.runnable
    assert scheduler.dispatch(0) is awake
    scheduler.unblock(sleeper, 2)
    assert scheduler.dispatch(2) is sleeper


def test_changing_back_and_forth_wins_no_best_effort_time() -> None:
    scheduler = Rbed(TIMESLICE)
    fickle, steady = Task(0), Task(1)
    scheduler.add(fickle, BestEffort(), 0)
    scheduler.add(steady, BestEffort(), 0)
    for now in range(0, 4000, 5):
        if now % 20 == 0:
            scheduler.change(fickle, Hard(1, 10_000, 10_000), now, now + 9000)
            scheduler.change(fickle, BestEffort(), now)
        scheduler.dispatch(now)
    scheduler.dispatch(4000)
    assert abs(fickle.executed - steady.executed) <= 2 * TIMESLICE


@settings(max_examples=50, deadline=None)
@given(lives(kinds=("hard", "best effort")), st.lists(st.integers(0, 30), min_size=10, max_size=60))
def test_a_driver_that_comes_late_harms_no_slot(events: list[Event], delays: list[int]) -> None:
    scheduler = Rbed(TIMESLICE)
    run = Run(scheduler)
    pending = sorted(events, key=lambda event: event.at)
    now = 0
    for delay in delays:
        while pending and pending[0].at <= now:
            apply(run, pending.pop(0), now)
        scheduler.dispatch(now)
        decision = scheduler.next_decision(now)
        now = (now if decision is None else decision) + delay
        if pending:
            now = min(now, max(pending[0].at, now - delay))
    assert all(task.misses == 0 for task in run.tasks.values())


@settings(max_examples=50, deadline=None)
@given(lives(changes=False), st.integers(0, 300), st.integers(-1000, 1000))
def test_setting_the_clock_moves_the_schedule_with_it(events: list[Event], at: int, by: int) -> None:
    plain = drive([event for event in events if event.at <= at], 500)
    scheduler = Rbed(TIMESLICE)
    run = Run(scheduler)
    pending = sorted((event for event in events if event.at <= at), key=lambda event: event.at)
    now, offset = 0, 0
    while now < 500:
        while pending and pending[0].at <= now:
            apply(run, pending.pop(0), now)
        if now == at:
            scheduler.set_clock(now, now + by)
            offset = by
        chosen = scheduler.dispatch(now + offset)
        decision = scheduler.next_decision(now + offset)
        end = 500 if decision is None else min(500, decision - offset)
        end = min([end, *(event.at for event in pending), *([at] if at > now else [])])
        assert plain.ran(None if chosen is None else chosen.id, now, end) == end - now
        now = end
