"""BARRIER: a tight loop of a small computation and a barrier among all threads (dissertation §3.1.2)."""

from __future__ import annotations

from kernel.program import Environment, Loop, program
from kernel.threads import Code


@program("barrier", "update a variable, synchronise with all threads, over and over; progress: rounds")
def barrier(environment: Environment) -> Code:
    """One thread a dispatcher; the computation is the update of one cached variable."""
    yield Loop(environment.cycles("update"), environment.barrier())
