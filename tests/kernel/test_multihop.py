"""Multi-hop channels: monitors pass messages on, in order, within a window, by the way the SKB says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernel.messaging.binding import bind, export
from kernel.messaging.channel import Fragment
from kernel.messaging.drivers import Terms
from kernel.messaging.errors import MessageError
from kernel.messaging.multihop import Circuits, MultihopLink
from kernel.multikernel import Multikernel
from kernel.program import Compute, Environment, Program
from kernel.threads import Code
from skb.knowledge import KnowledgeBase

MS = 10**9


@pytest.fixture
def kernel(load: Callable[[str], KnowledgeBase]) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


def circuits(kernel: Multikernel) -> dict[int, Circuits]:
    return {core: binding._circuits for core, binding in kernel._bindings.items()}


def echo(environment: Environment) -> Code:
    service = yield from export(environment, "echo")
    while True:
        arrival = yield from service.receive()
        if isinstance(arrival.what, Fragment):
            yield from arrival.channel.send(arrival.what)


def client(over: str, count: int, heard: list[int], pause: int = 1) -> Callable[[Environment], Code]:
    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, "echo", terms=Terms(over=over))
        for number in range(count):
            yield from channel.send(Fragment(number, b"payload"))
            yield Compute(pause)
        for _ in range(count):
            heard.append((yield from channel.receive()).header)

    return main


@pytest.mark.parametrize(("over", "hops"), [("multihop-direct", 1), ("multihop-tree", 3), ("multihop-ring", 3)])
def test_messages_go_hop_by_hop_and_stay_in_order(kernel: Multikernel, over: str, hops: int) -> None:
    heard: list[int] = []
    kernel.spawn(Program("echo", "", "", echo), cores=[14])
    domain = kernel.spawn(Program("client", "", "", client(over, 60, heard)), cores=[1])
    assert kernel.run_until(lambda: bool(heard), 100 * MS)
    known = {core: each.numbers for core, each in circuits(kernel).items() if each.numbers}
    assert len(known) == hops + 1 and set(known.values()) == {2}, "a number a direction, on each core of the way"
    kernel.run(100 * MS)
    assert heard == list(range(60))
    assert domain.state.value == "exited"
    kernel.run(100 * MS)
    assert not any(each.numbers for each in circuits(kernel).values()), "the circuit is gone with its channel"


def test_more_hops_take_longer(kernel: Multikernel) -> None:
    took = []
    for over in ("ump", "multihop-direct", "multihop-tree", "multihop-ring"):
        heard: list[int] = []
        service = kernel.spawn(Program("echo", "", "", echo), cores=[14])
        kernel.spawn(Program(over, "", "", client(over, 1, heard)), cores=[1])
        began = kernel.now
        assert kernel.run_until(lambda heard=heard: bool(heard), 100 * MS)
        took.append(kernel.now - began)
        kernel.kill(service.id)
        kernel.run(10 * MS)
    assert took == sorted(took)


def test_a_sender_has_no_more_under_way_than_the_window(kernel: Multikernel) -> None:
    def deaf(environment: Environment) -> Code:
        service = yield from export(environment, "echo")
        yield from service.receive()
        yield Compute(500_000_000)
        while True:
            arrival = yield from service.receive()
            if isinstance(arrival.what, Fragment):
                read.append(arrival.what.header)

    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, "echo", terms=Terms(over="multihop-tree"))
        for number in range(250):
            yield from channel.send(Fragment(number, b""))
            environment.count()
        yield Compute(10_000_000_000)

    read: list[int] = []
    kernel.spawn(Program("deaf", "", "", deaf), cores=[14])
    sender = kernel.spawn(Program("sender", "", "", main), cores=[1])
    kernel.run(150 * MS)
    assert sender.progress(kernel.now) == 100
    (end,) = kernel.channels(sender)
    assert (end.over, end.waiting) == ("multihop-tree", 1)
    kernel.run(3_000 * MS)
    assert read == list(range(250))


def test_a_core_on_the_way_that_goes_off_line_is_parked_and_the_circuit_goes_on(kernel: Multikernel) -> None:
    heard: list[int] = []
    kernel.spawn(Program("echo", "", "", echo), cores=[14])

    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, "echo", terms=Terms(over="multihop-tree"))
        for number in range(400):
            yield from channel.send(Fragment(number, b""))
            heard.append((yield from channel.receive()).header)
            yield Compute(100_000)

    kernel.spawn(Program("client", "", "", main), cores=[5])
    kernel.run(5 * MS)
    before = len(heard)
    kernel.take_offline(4)  # the leader of the client's package
    assert 0 < before < 400
    kernel.run(500 * MS)
    assert heard == list(range(400))


def test_both_ends_are_told_when_one_dies(kernel: Multikernel) -> None:
    said: list[str] = []

    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, "echo", terms=Terms(over="multihop-ring"))
        try:
            while True:
                yield from channel.send(Fragment(0, b""))
                yield from channel.receive()
        except MessageError as error:
            said.append(str(error))

    service = kernel.spawn(Program("echo", "", "", echo), cores=[14])
    kernel.spawn(Program("client", "", "", main), cores=[1])
    kernel.run(20 * MS)
    assert isinstance(kernel._bindings[1].ends[2].channel.link, MultihopLink)
    kernel.kill(service.id)
    kernel.run(20 * MS)
    assert said and said[0].startswith("FLOUNDER_ERR_INVALID_STATE")
    kernel.run(20 * MS)
    assert not any(each.numbers for each in circuits(kernel).values())
