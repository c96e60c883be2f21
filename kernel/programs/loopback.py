"""packet_sink and packet_generator: IP loopback between two domains by messages (dissertation §2.6.4, table 2.7).

The generator writes each packet into a buffer that both share and sends a descriptor; the sink reads the packet,
checks and discards it, and sends the buffer back. Besides the descriptor's line, the lines of the packet are all that
crosses the interconnect: each is written in the generator's cache (cost `update`) and moved to the sink's
(`line_transfer`). What computing a checksum takes besides is not known, and costs nothing here.
"""

from __future__ import annotations

from contextlib import suppress

from kernel.programming import Code, Environment, Fragment, MessageError, Spend, bind, export, program
from kernel.programs.arguments import numbers
from kernel.services.packets import Datagram, PacketError, packet, unpacked

_PAYLOAD_BYTES = 1000
"""As in the dissertation's experiment."""

_BUFFERS = 16


def _lines(environment: Environment, length: int) -> int:
    """How many cache lines so many bytes take."""
    return -(-length // round(environment.hardware.cost("cache_line").value))


@program("packet_sink", "receive UDP packets by loopback, check and discard them; progress: packets")
def packet_sink(environment: Environment) -> Code:
    service = yield from export(environment, "packet_sink")
    while True:
        arrival = yield from service.receive()
        if not isinstance(arrival.what, Fragment):
            continue
        channel, number = arrival.channel, arrival.what.header
        assert channel.peer.dispatcher is not None
        shared = channel.peer.dispatcher.domain.memory.get("packets")  # the frame that both have mapped
        data = shared.get(number) if isinstance(shared, dict) else None
        if not isinstance(data, bytes):
            continue  # a descriptor of nothing
        generator = channel.peer.dispatcher.core
        moved_ps = environment.hardware.line_ps(generator, environment.core)
        yield Spend(_lines(environment, len(data)) * moved_ps)
        with suppress(PacketError):  # a damaged packet is discarded like others, but not counted
            unpacked(data)
            environment.count()
        with suppress(MessageError):  # the generator may have ended meanwhile
            yield from channel.send(Fragment(number, b""))


@program(
    "packet_generator", "send PACKETS (1000) of 1000 bytes each to the packet_sink, then end; progress: packets",
    arguments="[PACKETS]",
)
def packet_generator(environment: Environment) -> Code:
    (packets,) = numbers(environment.arguments, 1000, names="[PACKETS]")
    channel = yield from bind(environment, "packet_sink")
    shared: dict[int, bytes] = {}
    environment.memory["packets"] = shared
    free = list(range(_BUFFERS))
    update_ps = environment.hardware.cost_ps("update", environment.core)
    for number in range(packets):
        if not free:
            free.append((yield from channel.receive()).header)
        buffer = free.pop()
        payload = number.to_bytes(4, "big") * (_PAYLOAD_BYTES // 4)
        data = packet(Datagram(("127.0.0.1", 4000), ("127.0.0.1", 4001), payload), number)
        yield Spend(_lines(environment, len(data)) * update_ps)
        shared[buffer] = data
        yield from channel.send(Fragment(buffer, len(data).to_bytes(8, "little")))
        environment.count()
    while len(free) < _BUFFERS:
        free.append((yield from channel.receive()).header)
