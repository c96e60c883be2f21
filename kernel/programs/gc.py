"""gc: a language runtime that stops the world to collect garbage (dissertation §3.5.1, on phases).

Mutators compute on their own until memory runs out; then all stop at a safe point, collect together, with a
barrier after every step, and go on. With a manifest of two phases the collection is phase 1: it can have a gang.
"""

from __future__ import annotations

from kernel.programming import Code, Compute, Environment, WaitBarrier, change_phase, program
from kernel.programs.arguments import numbers

_STEPS = 32
"""Steps of a collection; after each all wait for all."""


@program(
    "gc", "compute MUTATE (10000000) cycles, stop the world, COLLECT (2000000), over and over; progress: collections",
    arguments="[MUTATE [COLLECT]]",
)  # fmt: skip
def gc(environment: Environment) -> Code:
    mutate, collect = numbers(environment.arguments, 10_000_000, 2_000_000, names="[MUTATE [COLLECT]]")
    stopped, step, started = (environment.barrier(name) for name in ("stopped", "step", "started"))
    phases = len(environment.dispatchers[environment.rank].domain.placement.assignments[0].phases)
    while True:
        yield Compute(mutate)
        yield WaitBarrier(stopped)
        if environment.rank == 0 and phases > 1:
            yield from change_phase(environment, 1)
        for _ in range(_STEPS):
            yield Compute(max(1, collect // _STEPS))
            yield WaitBarrier(step)
        if environment.rank == 0:
            if phases > 1:
                yield from change_phase(environment, 0)
            environment.count()
        yield WaitBarrier(started)
