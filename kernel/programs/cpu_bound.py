"""CPU-Bound: the computation of `barrier` in a tight loop, without the barrier (dissertation §3.1.2)."""

from __future__ import annotations

from kernel.program import Environment, Loop, program
from kernel.threads import Code


@program("cpu_bound", "update a variable, over and over, never blocking; progress: iterations of all threads")
def cpu_bound(environment: Environment) -> Code:
    """One thread a dispatcher, each for itself."""
    yield Loop(environment.cycles("update"))
