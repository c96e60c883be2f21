"""Admission of hard real-time tasks to one core: whether EDF meets every deadline of a set.

RBED (Brandt et al. 2003; dissertation §3.6.4) admits while the tasks' rates and a reserve for best
effort do not exceed the processor. With deadlines equal to periods that suffices; with shorter ones,
which is what a gang's slot is, the demand of every interval has to fit into it. Three tests, from cheap
to exact: rates, quick processor-demand analysis (QPA: Zhang and Burns, IEEE Trans. Computers 58(9),
2009), and EDF itself over the known releases. Integers of one time unit throughout, no rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple

RESERVE = Fraction(1, 10)
"""Share of every core that hard real time leaves to best effort (Barrelfish's BETA, schedule_rbed.c)."""

CAPACITY = 1 - RESERVE
"""Most that the rates of hard real-time tasks may add up to."""

JOBS_SIMULATED_AT_MOST = 100_000
"""Hyperperiods with more jobs than this are not simulated; what QPA does not show to fit is then refused."""


NEVER = 1 << 200
"""An instant after all others."""


class Demand(NamedTuple):
    """A periodic task: its next release (absolute), budget, period and deadline after each release."""

    release: int
    wcet: int
    period: int
    deadline: int


class Pending(NamedTuple):
    """What is left of a job released already: absolute deadline and remaining budget."""

    due: int
    remaining: int


class Rate(NamedTuple):
    """A share of the processor in use from `start` on, until `end` (NEVER: for good)."""

    start: int
    end: int
    share: Fraction


def share_left(rates: Sequence[Rate], start: int) -> Fraction:
    """The share of the processor that a task released first at `start` may ask for; 0 when there is none.

    Rates that come later count too: the answer is what stays free at every instant from `start` on.
    """
    instants = {start} | {rate.start for rate in rates if rate.start > start}
    taken = max(
        sum((r.share for r in rates if r.start <= at < r.end), Fraction(0))
        for at in instants
    )
    return max(Fraction(0), CAPACITY - taken)


def shortfall(demands: Sequence[Demand], pending: Sequence[Pending] = (), now: int = 0) -> str:
    """Why EDF from `now` on would miss a deadline, as words for the user; empty when it meets them all.

    `demands` are released at their known instants (release, release + period, ...; deadline <= period)
    and `pending` is what is left of jobs already released. Exact while the hyperperiod holds no more
    than JOBS_SIMULATED_AT_MOST jobs; beyond it a set that QPA cannot prove is refused.
    """
    rate = sum((Fraction(d.wcet, d.period) for d in demands), Fraction(0))
    if rate >= 1:
        return f"the rates add up to {float(rate):.3f}"
    started = [Demand(d.release - now, d.wcet, d.period, d.deadline) for d in demands]
    carried = [Pending(p.due - now, p.remaining) for p in pending if p.remaining > 0]
    together = [Demand(0, d.wcet, d.period, d.deadline) for d in demands]
    # An interval in which EDF is busy begins at a release, and then the synchronous demand bounds it,
    # or now, and then the demand from the present state does: either way it fits.
    if _overloaded_interval(together, ()) is None and _overloaded_interval(started, carried) is None:
        return ""
    hyperperiod = math.lcm(*(d.period for d in demands))
    span = 2 * hyperperiod + max(0, *(d.release for d in started))
    jobs = sum(span // d.period + 1 for d in demands)
    if jobs > JOBS_SIMULATED_AT_MOST:
        return f"its releases repeat only after {jobs} jobs, more than the {JOBS_SIMULATED_AT_MOST} looked at"
    late = _first_miss(started, carried, hyperperiod)
    return "" if late is None else f"a job due {late} from now would be late"


def _overloaded_interval(demands: Sequence[Demand], pending: Sequence[Pending]) -> int | None:
    """The length of an interval from 0 whose demand exceeds it; None when there is none (QPA)."""
    rate = sum((Fraction(d.wcet, d.period) for d in demands), Fraction(0))
    # Demand at t is at most sum of (t + period - deadline - release) * rate, plus what is pending.
    excess = sum(
        (Fraction(d.wcet, d.period) * max(0, d.period - d.deadline - d.release) for d in demands),
        Fraction(sum(p.remaining for p in pending)),
    )
    horizon = int(excess / (1 - rate)) + 1
    first = min([d.release + d.deadline for d in demands] + [p.due for p in pending], default=horizon)
    at = _last_deadline_before(horizon + 1, demands, pending)
    while at is not None:
        wanted = _demand(at, demands, pending)
        if wanted > at:
            return at
        if wanted <= first:
            # Every deadline in [first, at] has less demand before it than `first`, the earliest of all.
            return None if _demand(first, demands, pending) <= first else first
        at = wanted if wanted < at else _last_deadline_before(at, demands, pending)
    return None


def _demand(at: int, demands: Sequence[Demand], pending: Sequence[Pending]) -> int:
    total = 0
    for release, wcet, period, deadline in demands:
        room = at - release - deadline
        if room >= 0:
            total += (room // period + 1) * wcet
    for due, remaining in pending:
        if due <= at:
            total += remaining
    return total


def _last_deadline_before(at: int, demands: Sequence[Demand], pending: Sequence[Pending]) -> int | None:
    last = -1
    for release, _, period, deadline in demands:
        first = release + deadline
        if first < at:
            last = max(last, first + (at - 1 - first) // period * period)
    for due, _ in pending:
        if due < at:
            last = max(last, due)
    return last if last >= 0 else None


def _first_miss(demands: Sequence[Demand], pending: Sequence[Pending], hyperperiod: int) -> int | None:
    """The deadline of the first late job of EDF from 0 on; None when no job is ever late.

    Once all tasks have begun and the core was idle for an instant, nothing before matters: the work at
    t is the most that any interval ending at t leaves over, and of those none longer than a hyperperiod
    leaves most (the rates add up to less than 1). Two hyperperiods from there have shown everything.
    """
    releases = [(d.release, index) for index, d in enumerate(demands)]
    heapify(releases)
    ready = [[p.due, p.remaining] for p in pending]
    heapify(ready)
    begun = max(d.release for d in demands)
    end: int | None = None
    at = 0
    while end is None or at < end:
        following = releases[0][0]
        if not ready:
            if end is None and at >= begun:
                end = at + 2 * hyperperiod
            at = max(at, following)
        while releases[0][0] <= at:
            release, index = releases[0]
            demand = demands[index]
            heappush(ready, [release + demand.deadline, demand.wcet])
            heapreplace(releases, (release + demand.period, index))
        job = ready[0]
        run = min(job[1], releases[0][0] - at)
        at += run
        job[1] -= run
        if at > job[0] or (job[1] > 0 and at >= job[0]):
            return job[0]
        if job[1] == 0:
            heappop(ready)
    return None
