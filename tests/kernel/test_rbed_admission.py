"""Admission against EDF played out unit by unit."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.admission import NEVER, Demand, Pending, Rate, share_left, shortfall


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    period = draw(st.sampled_from([2, 3, 4, 5, 6, 8, 10, 12]))
    wcet = draw(st.integers(1, max(1, period // 2)))
    return Demand(draw(st.integers(0, 15)), wcet, period, draw(st.integers(wcet, period)))


def edf_is_late(tasks: list[Demand], pending: list[Pending]) -> bool:
    """EDF, one unit of time after the other, for far longer than anything here takes to repeat."""
    jobs = [[due, left] for due, left in pending if left]
    for now in range(15 + 8 * math.lcm(*(task.period for task in tasks))):
        released = [t for t in tasks if now >= t.release and (now - t.release) % t.period == 0]
        jobs += [[now + t.deadline, t.wcet] for t in released]
        if any(due <= now for due, _ in jobs):
            return True
        if jobs:
            job = min(jobs)
            job[1] -= 1
            if job[1] == 0:
                jobs.remove(job)
    return False


@settings(max_examples=250, deadline=None)
@given(
    st.lists(demands(), min_size=1, max_size=4),
    st.lists(st.builds(Pending, st.integers(1, 20), st.integers(0, 5)), max_size=2),
)
def test_a_set_is_admitted_exactly_if_edf_meets_its_deadlines(
    tasks: list[Demand], pending: list[Pending]
) -> None:
    rate = sum(Fraction(task.wcet, task.period) for task in tasks)
    if rate >= 1:
        assert shortfall(tasks, pending).startswith("the rates add up to")
    else:
        assert bool(shortfall(tasks, pending)) == edf_is_late(tasks, pending)


@given(st.lists(demands(), min_size=1, max_size=4), st.integers(-1000, 1000))
def test_what_the_clock_reads_does_not_matter(tasks: list[Demand], now: int) -> None:
    moved = [Demand(task.release + now, *task[1:]) for task in tasks]
    assert shortfall(moved, (), now) == shortfall(tasks)


def test_two_gang_slots_fit_side_by_side_and_not_together() -> None:
    slot = Demand(0, 40, 160, 40)
    assert shortfall([slot, slot._replace(release=80)]) == ""
    assert shortfall([slot, slot]) == "a job due 40 from now would be late"


def test_a_set_that_repeats_too_late_to_be_played_out_is_refused_with_the_reason() -> None:
    tasks = [Demand(0, 40, 1600, 40), Demand(40, 40, 1601, 40), Demand(90, 1, 1603, 40)]
    assert shortfall(tasks).startswith("its releases repeat only after")


def test_the_share_left_is_what_stays_free_for_good() -> None:
    rates = [
        Rate(0, 50, Fraction(1, 2)),  # of one who left
        Rate(0, NEVER, Fraction(1, 10)),
        Rate(100, NEVER, Fraction(3, 10)),  # of one who is to come
    ]
    assert share_left(rates, 0) == Fraction(3, 10)
    assert share_left(rates, 50) == Fraction(1, 2)
    assert share_left([Rate(0, NEVER, Fraction(9, 10))], 7) == 0
