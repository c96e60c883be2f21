"""pipeline: every dispatcher is a stage, which works on what the stage before has sent it."""

from __future__ import annotations

from kernel.programming import Code, Compute, Connection, Endpoint, Environment, Receive, Send, program
from kernel.programs.arguments import numbers


@program(
    "pipeline", "send ITEMS (1000) through a stage a dispatcher, CYCLES (100000) each, then end; progress: items out",
    arguments="[ITEMS [CYCLES]]",
)
def pipeline(environment: Environment) -> Code:
    items, cycles = numbers(environment.arguments, 1000, 100_000, names="[ITEMS [CYCLES]]")
    rank, last = environment.rank, environment.size - 1
    client = environment.client()
    endpoint = Endpoint(environment.hardware.cost_ps("poll", environment.core))
    if rank > 0:
        yield from client.export(f"pipeline.{environment.domain}.{rank}", endpoint)
    after: Connection | None = None
    if rank < last:
        after = yield from client.connect(f"pipeline.{environment.domain}.{rank + 1}")
    for number in range(items):
        item = (yield Receive(endpoint)) if rank > 0 else number
        yield Compute(cycles)
        if after is None:
            environment.count()
        else:
            yield Send(after.link, item)
