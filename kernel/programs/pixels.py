"""pixels: one dispatcher hands out work to all others by messages, frame by frame (Barrelfish's demonstration)."""

from __future__ import annotations

from kernel.programming import Code, Compute, Connection, Endpoint, Environment, Receive, Request, Send, program
from kernel.programs.arguments import numbers


@program(
    "pixels", "dispatcher 0 has the others draw for CYCLES (100000), FRAMES (100) times; progress: frames",
    arguments="[FRAMES [CYCLES]]",
)  # fmt: skip
def pixels(environment: Environment) -> Code:
    frames, cycles = numbers(environment.arguments, 100, 100_000, names="[FRAMES [CYCLES]]")
    if environment.rank:
        yield from _draw(environment, frames, cycles)
        return
    client = environment.client()
    artists: list[Connection] = []
    for rank in range(1, environment.size):
        artists.append((yield from client.connect(_name(environment, rank))))
    for frame in range(frames):
        for artist in artists:
            yield Send(artist.link, Request(frame, artist.back))
        for artist in artists:
            yield Receive(artist.endpoint)
        environment.count()


def _draw(environment: Environment, frames: int, cycles: int) -> Code:
    endpoint = Endpoint(environment.hardware.cost_ps("poll", environment.core))
    yield from environment.client().export(_name(environment, environment.rank), endpoint)
    for _ in range(frames):
        request = yield Receive(endpoint)
        yield Compute(cycles)
        yield Send(request.reply, request.message)


def _name(environment: Environment, rank: int) -> str:
    return f"pixels.{environment.domain}.{rank}"
