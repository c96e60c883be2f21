"""Barrelfish's variant as a Scheduler: what it does where the kernel would panic, and when to ask it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.rbed import BestEffort, Hard, Overcommitted, ParameterError, Soft, Task, TaskParameters
from kernel.rbed_barrelfish import BarrelfishRbed, SchedulerPanic

TIMESLICE = 80


@st.composite
def hards(draw: st.DrawFn) -> Hard:
    period = draw(st.sampled_from([8, 10, 20, 24, 40, 97, 160]))
    wcet = draw(st.integers(1, max(1, period // 3)))
    return Hard(wcet, period, draw(st.one_of(st.just(period), st.integers(wcet, period))))


calls = st.tuples(st.integers(0, 400), st.sampled_from(["block", "unblock", "yield_"]), st.integers(0, 5))


def schedule(
    tasks: list[tuple[int, TaskParameters]], events: list[tuple[int, str, int]], every_tick: bool
) -> tuple[list[int | None], list[int]]:
    """Who runs in each of 600 ticks, and the misses; asked at every tick or when the scheduler says."""
    scheduler = BarrelfishRbed(TIMESLICE)
    present: dict[int, Task] = {}
    ran: list[int | None] = []
    decision: int | None = 0
    for now in range(600):
        called = False
        for number, (at, parameters) in enumerate(tasks):
            if at == now:
                called = True
                try:
                    scheduler.add(task := Task(number), parameters, now)
                    present[number] = task
                except Overcommitted:
                    pass
        for at, what, number in events:
            if at == now and number in present:
                called = True
                # Who yields is who runs: the kernel forgets the time of whoever ran when another yields.
                who = scheduler.running if what == "yield_" else present[number]
                if who is not None:
                    getattr(scheduler, what)(who, now)
        if every_tick or called or now == decision:
            chosen = scheduler.dispatch(now)
            decision = scheduler.next_decision(now)
            assert decision is None or decision > now
        ran.append(None if chosen is None else chosen.id)
    scheduler.dispatch(600)
    assert sum(task.executed for task in present.values()) + scheduler.idle == 600
    assert all(task.executed == ran.count(number) for number, task in present.items())
    return ran, [task.misses for task in present.values()]


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.one_of(hards(), st.builds(BestEffort, st.integers(1, 9)))),
        min_size=1, max_size=6,
    ),
    st.lists(calls, max_size=12),
)  # fmt: skip
def test_asked_when_it_says_it_does_what_it_does_asked_at_every_tick(
    tasks: list[tuple[int, TaskParameters]], events: list[tuple[int, str, int]]
) -> None:
    assert schedule(tasks, events, every_tick=False) == schedule(tasks, events, every_tick=True)


def test_a_feasible_pair_misses_a_deadline_and_the_run_goes_on() -> None:
    tasks: list[tuple[int, TaskParameters]] = [(0, Hard(4, 24, 24)), (0, BestEffort())]
    ran, (misses, _) = schedule(tasks, [], every_tick=False)
    assert misses > 0
    assert ran[-50:].count(0) > 0


def test_strictly_the_same_pair_panics_in_the_kernels_words() -> None:
    scheduler = BarrelfishRbed(TIMESLICE, strict=True)
    scheduler.add(Task(0), Hard(4, 24, 24), 0)
    scheduler.add(Task(1), BestEffort(), 0)
    with pytest.raises(SchedulerPanic, match="Missed hard deadline: now = 241, deadline = 240"):
        for now in range(1000):
            scheduler.dispatch(now)


def test_an_overload_is_refused_even_while_others_sleep() -> None:
    scheduler = BarrelfishRbed(TIMESLICE)
    sleeper, late = Task(0), Task(1)
    scheduler.add(sleeper, Hard(50, 100, 100), 0)
    scheduler.block(sleeper, 0)
    with pytest.raises(Overcommitted, match=r"asked for 0\.410 of the core, 0\.400 is available"):
        scheduler.add(late, Hard(41, 100, 100), 0)
    assert scheduler.dispatch(0) is None
    scheduler.add(late, Hard(40, 100, 100), 0)
    scheduler.unblock(sleeper, 0)
    assert scheduler.dispatch(0) is late


def test_what_the_kernel_has_not_is_refused() -> None:
    scheduler = BarrelfishRbed(TIMESLICE)
    with pytest.raises(Overcommitted, match="no soft real time"):
        scheduler.add(Task(0), Soft(1, 10), 0)
    with pytest.raises(ParameterError, match="weights below 4294"):
        scheduler.add(Task(0), BestEffort(4294), 0)


def test_a_release_in_the_past_becomes_now() -> None:
    scheduler = BarrelfishRbed(TIMESLICE)
    task = Task(0)
    scheduler.add(task, Hard(5, 20, 20), 30, release=7)
    assert task.release_time == 30
    assert scheduler.dispatch(30) is task


def test_budgets_that_round_to_nothing_do_not_hang_it() -> None:
    scheduler = BarrelfishRbed(timeslice=1)
    scheduler.add(Task(0), Hard(600, 1000, 1000), 0, release=500)
    starving = Task(1)
    scheduler.add(starving, BestEffort(), 0)  # 0.4 of a timeslice of 1
    assert scheduler.dispatch(0) is starving
    strict = BarrelfishRbed(timeslice=1, strict=True)
    strict.add(Task(0), Hard(600, 1000, 1000), 0, release=500)
    strict.add(Task(1), BestEffort(), 0)
    with pytest.raises(SchedulerPanic, match="livelock"):
        strict.dispatch(0)


def test_a_changed_task_stays_blocked_and_its_old_budget_is_forgotten() -> None:
    scheduler = BarrelfishRbed(TIMESLICE)
    task = Task(0)
    scheduler.add(task, BestEffort(), 0)
    scheduler.block(task, 5)
    scheduler.change(task, Hard(5, 20, 20), 10, release=40)
    assert scheduler.dispatch(10) is None
    scheduler.unblock(task, 12)
    assert scheduler.dispatch(12) is None
    assert scheduler.next_decision(12) == 40


def test_a_set_clock_releases_everything_at_once() -> None:
    scheduler = BarrelfishRbed(TIMESLICE)
    task = Task(0)
    scheduler.add(task, Hard(5, 100, 100), 1000)
    scheduler.dispatch(1000)
    scheduler.dispatch(1005)
    scheduler.set_clock(1010, 0)
    assert scheduler.dispatch(0) is task
    assert scheduler.next_decision(0) == 5


def test_slack_for_real_time_is_refused_as_the_kernel_has_none() -> None:
    with pytest.raises(ParameterError, match="gives slack to best effort only"):
        BarrelfishRbed(80).add(Task(0), Hard(4, 20, 20, slack=1), 0)
