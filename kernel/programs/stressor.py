"""stressor: load in bursts, as a neighbour on a shared machine makes it."""

from __future__ import annotations

from kernel.programming import Code, Environment, Sleep, Spend, program
from kernel.programs.arguments import numbers

_PERIOD_NS = 10_000_000
"""What is computed and slept together: an eighth of Barrelfish's timeslice of 80 ms."""


@program(
    "stressor", "compute for PERCENT (100) of every 10 ms, sleep for the rest, without end; progress: bursts",
    arguments="[PERCENT]",
)
def stressor(environment: Environment) -> Code:
    (percent,) = numbers(environment.arguments, 100, names="[PERCENT]")
    busy_ns = _PERIOD_NS * min(percent, 100) // 100
    while True:
        yield Spend(busy_ns * 1000)
        if busy_ns < _PERIOD_NS:
            yield Sleep(_PERIOD_NS - busy_ns)
        environment.count()
