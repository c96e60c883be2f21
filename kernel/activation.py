"""Scheduler activations: what a core's scheduler tells the programs on it (dissertation §3.5.2).

Each dispatcher has a page that its CPU driver writes and its domain reads: what the dispatcher is allocated, when
its timeslice began and ends, and how often the core was taken away from it. As the page is in memory that a domain
shares, its other dispatchers read it as well: a language runtime tells from it whether a peer runs, and takes
over its work when it does not (§2.5.2).

The page also counts the changes of what is allocated: other parameters, another core, a request to give the core
up and its end (§3.4.5). In Barrelfish a dispatcher looks at its page when it is entered at Run; so may a program at
any time, or have a thread wait for the next change (`AwaitAllocation`), which is then told by an upcall.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from kernel.admission import CAPACITY
from kernel.rbed import BestEffort, Hard, Soft, Task
from kernel.threads import Operation, Thread, whole

if TYPE_CHECKING:
    from kernel.dispatcher import Dispatcher


@dataclass(frozen=True, slots=True)
class Activation:
    """A dispatcher's page as it reads at one instant; times in ps.

    In each `period_ps` it gets the `share` of its core: as granted to real time; for best effort, its part by
    weight of what real time leaves, over a turn of everybody who can run. Its timeslice began at
    `timeslice_start_ps` and is over by `timeslice_end_ps`, both None while it does not run. `misses` counts the
    deadlines by which a job did not get what it is granted, or, of soft real time, demands.

    `changes` counts the changes of the allocation. By `asked_until_ps` the dispatcher is asked to give up its core,
    None if it is not; later it is virtualised. `sharing` is how many dispatchers of its own domain are
    multiplexed on the core, itself included.
    """

    core: int
    running: bool
    period_ps: int
    share: Fraction
    timeslice_start_ps: int | None
    timeslice_end_ps: int | None
    deallocations: int
    misses: int
    changes: int = 0
    asked_until_ps: int | None = None
    sharing: int = 1


def page(dispatcher: Dispatcher) -> Activation:
    """The page of `dispatcher`, now. Of one that is gone nothing is left but the count."""
    driver = dispatcher.driver
    if not dispatcher.scheduled:
        gone = dispatcher.deallocations, dispatcher.task.misses, dispatcher.allocation_changes
        return Activation(dispatcher.core, False, 0, Fraction(0), None, None, *gone, sharing=0)
    tasks = [each.task for each in driver.dispatchers.values()]
    period, share = _allocation(dispatcher.task, tasks, driver.timeslice_ps)
    running = driver.current is dispatcher
    return Activation(
        dispatcher.core, running, period, share,
        dispatcher.dispatched_ps if running else None,
        driver.timeslice_end() if running else None,
        dispatcher.deallocations,
        dispatcher.task.misses,
        dispatcher.allocation_changes,
        dispatcher.asked_until_ps,
        sum(each.domain is dispatcher.domain for each in driver.dispatchers.values()),
    )


@dataclass(frozen=True, slots=True)
class AwaitAllocation(Operation):
    """Wait until the page of the thread's dispatcher does not say `seen` changes; the result is the page.

    Without `seen`, for the next change. The thread is told by an upcall (cost `activation`) when its dispatcher runs.
    """

    seen: int | None = None

    def begin(self, thread: Thread, now: int) -> None:
        own = thread.dispatcher

        def told(later: int) -> None:
            thread.resume(later, page(thread.dispatcher))

        if self.seen is not None and whole(self.seen, "AwaitAllocation: seen") != own.allocation_changes:
            thread.compute(0, told)
        else:
            thread.compute(own.driver.hardware.cost_ps("activation", own.core), told)
            own.awaiting.append(thread)
            thread.block()


def _allocation(task: Task, tasks: list[Task], timeslice_ps: int) -> tuple[int, Fraction]:
    match task.parameters:
        case Hard(wcet=wcet, period=period) | Soft(wcet=wcet, period=period):
            return period, Fraction(wcet, period)
        case BestEffort(weight):
            taken = sum(
                (Fraction(each.wcet, each.period) for each in tasks if not isinstance(each.parameters, BestEffort)),
                Fraction(0),
            )
            weights = [
                each.weight for each in tasks
                if each is task or (each.runnable and (each.sharing or isinstance(each.parameters, BestEffort)))
            ]
            left = max(1 - taken, 1 - CAPACITY)  # soft real time gives way to best effort's reserve
            return timeslice_ps * len(weights), left * weight / sum(weights)
