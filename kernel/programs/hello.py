"""hello: the smallest program: compute a little, and end."""

from __future__ import annotations

from kernel.programming import Code, Compute, Environment, program


@program("hello", "compute a little on every dispatcher, then end; progress: dispatchers that did")
def hello(environment: Environment) -> Code:
    yield Compute(1000)
    environment.count()
