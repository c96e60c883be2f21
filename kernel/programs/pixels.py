"""pixels: one dispatcher hands out work to all others by messages, frame by frame (Barrelfish's demonstration)."""

from __future__ import annotations

from kernel.programming import Channel, Code, Compute, Environment, Fragment, bind, export, program
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
    artists: list[Channel] = []
    for rank in range(1, environment.size):
        artists.append((yield from bind(environment, _name(environment, rank))))
    for frame in range(frames):
        for artist in artists:
            yield from artist.send(Fragment(frame, b""))
        for artist in artists:
            yield from artist.receive()
        environment.count()


def _draw(environment: Environment, frames: int, cycles: int) -> Code:
    service = yield from export(environment, _name(environment, environment.rank))
    yield from service.receive()  # the channel
    for _ in range(frames):
        frame = yield from service.receive()
        yield Compute(cycles)
        assert isinstance(frame.what, Fragment)
        yield from frame.channel.send(frame.what)


def _name(environment: Environment, rank: int) -> str:
    return f"pixels.{environment.domain}.{rank}"
