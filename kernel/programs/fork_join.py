"""fork_join: each dispatcher forks threads, waits for their ends, and does so over and over."""

from __future__ import annotations

from kernel.programming import Code, Compute, Environment, Fork, Join, program
from kernel.programs.arguments import numbers


@program(
    "fork_join", "fork THREADS (4) a dispatcher, CYCLES (100000) each, and join them, over and over; progress: joins",
    arguments="[THREADS [CYCLES]]",
)  # fmt: skip
def fork_join(environment: Environment) -> Code:
    threads, cycles = numbers(environment.arguments, 4, 100_000, names="[THREADS [CYCLES]]")
    while True:
        forked = []
        for _ in range(threads):
            forked.append((yield Fork(_work(cycles))))
        for thread in forked:
            yield Join(thread)
            environment.count()


def _work(cycles: int) -> Code:
    yield Compute(cycles)
