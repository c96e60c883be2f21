"""pipeline: every dispatcher is a stage, which works on what the stage before has sent it."""

from __future__ import annotations

from kernel.programming import Channel, Code, Compute, Environment, Fragment, bind, export, program
from kernel.programs.arguments import numbers


@program(
    "pipeline", "send ITEMS (1000) through a stage a dispatcher, CYCLES (100000) each, then end; progress: items out",
    arguments="[ITEMS [CYCLES]]",
)
def pipeline(environment: Environment) -> Code:
    items, cycles = numbers(environment.arguments, 1000, 100_000, names="[ITEMS [CYCLES]]")
    rank, last = environment.rank, environment.size - 1
    service = (yield from export(environment, _name(environment, rank))) if rank > 0 else None
    after: Channel | None = None
    if rank < last:
        after = yield from bind(environment, _name(environment, rank + 1))
    if service is not None:
        yield from service.receive()  # the stage before has a channel
    for number in range(items):
        item = Fragment(number, b"") if service is None else (yield from service.receive()).what
        yield Compute(cycles)
        if after is None:
            environment.count()
        else:
            assert isinstance(item, Fragment)
            yield from after.send(item)


def _name(environment: Environment, rank: int) -> str:
    return f"pipeline.{environment.domain}.{rank}"
