"""LMP: the receiver's buffer is never over-full, who waits for room is served in turn, nothing is lost or changed."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from kernel.clock import PS_PER_MS
from kernel.domain import Domain
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.messaging.lmp import LmpLink, SendLocal
from kernel.multikernel import Multikernel
from kernel.program import Program
from kernel.programming import (
    Channel,
    Code,
    Compute,
    Environment,
    Fork,
    Fragment,
    Receive,
    Sleep,
    Yield,
    bind,
    export,
)
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]

CORE = 1


@pytest.fixture
def kernel(load: Load) -> Multikernel:
    return Multikernel.boot(load("amd-2x2"))


def spawn(kernel: Multikernel, name: str, main: Callable[[Environment], Code], dispatchers: int = 1) -> Domain:
    return kernel.spawn(Program(name, "", "", main), dispatchers, cores=[CORE])


class Local:
    """An endpoint on CORE, and a link to it with a buffer of so many words."""

    def __init__(self, kernel: Multikernel, words: int) -> None:
        self.endpoint = Endpoint(kernel.hardware.cost_ps("poll", CORE))
        self.link = LmpLink(kernel.hardware, CORE, self.endpoint, words)


def test_a_buffer_takes_what_it_has_room_for_and_the_next_waits(kernel: Multikernel) -> None:
    local, sent, heard = Local(kernel, 10), [0], []

    def main(environment: Environment) -> Code:
        if environment.rank == 0:
            for number in range(4):
                yield SendLocal(local.link, number, 3)
                sent[0] += 1
        else:
            yield Sleep(100_000_000)
            for _ in range(4):
                heard.append((yield Receive(local.endpoint)))

    domain = spawn(kernel, "buffered", main, 2)
    kernel.run(50 * PS_PER_MS)
    assert (sent[0], len(local.link.blocked)) == (3, 1), "3 times 3 words of 10"
    kernel.run(100 * PS_PER_MS)
    assert (heard, domain.alive) == ([0, 1, 2, 3], False)


def test_who_waits_for_room_is_served_in_turn(kernel: Multikernel) -> None:
    """A short message does not overtake a long one for which there is no room yet."""
    local, heard = Local(kernel, 8), []

    def sender(number: int, words: int) -> Code:
        yield Sleep(1_000_000 * (number + 1))
        yield SendLocal(local.link, number, words)

    def main(environment: Environment) -> Code:
        words = [6, 5, 1, 8, 1, 2]
        for number, each in enumerate(words):
            yield Fork(sender(number, each))
        yield Sleep(50_000_000)
        assert len(local.link.blocked) == 5
        for _ in words:
            heard.append((yield Receive(local.endpoint)))

    domain = spawn(kernel, "turns", main)
    kernel.run(100 * PS_PER_MS)
    assert (domain.fault, heard) == ("", [0, 1, 2, 3, 4, 5])


def test_a_synchronous_message_needs_a_receiver_that_waits(kernel: Multikernel) -> None:
    local = Local(kernel, 10)
    said: list[object] = []

    def main(environment: Environment) -> Code:
        if environment.rank == 0:
            for _ in range(3):
                try:
                    yield SendLocal(local.link, "now", 0, synchronous=True)
                    said.append("taken")
                except MessageError as error:
                    said.append(error.code)
                yield Sleep(100_000_000)
        else:
            yield Sleep(50_000_000)
            said.append((yield Receive(local.endpoint)))
            yield Sleep(500_000_000)

    spawn(kernel, "sync", main, 2)
    kernel.run(1000 * PS_PER_MS)
    disabled = MessageErrorCode.TARGET_DISABLED
    assert said == [disabled, "taken", "now", disabled] or said == [disabled, "now", "taken", disabled]


def test_each_message_costs_its_sender_one_latency(kernel: Multikernel) -> None:
    """Table 2.4; how full the buffer is makes no difference, and there is nothing to pay for receiving."""
    local, times = Local(kernel, 1000), []

    def main(environment: Environment) -> Code:
        start = kernel.now
        for number in range(7):
            yield SendLocal(local.link, number, 5)
        times.append(kernel.now - start)
        for _ in range(7):
            yield Receive(local.endpoint)
        times.append(kernel.now - start - times[0])

    spawn(kernel, "cost", main)
    kernel.run(PS_PER_MS)
    assert times == [7 * kernel.hardware.cost_ps("lmp", CORE), 0]


def test_the_buffer_is_never_over_full(kernel: Multikernel) -> None:
    """Random sizes and pauses; words on the way are counted from outside at every message."""
    buffer, longest, count = 22, 11, 3000
    local = Local(kernel, buffer)
    chance = random.Random(5)
    words = [chance.randrange(1, longest + 1) for _ in range(count)]
    received, fullest = [0], [0]

    def main(environment: Environment) -> Code:
        own = random.Random(environment.rank)
        for number in range(count):
            if environment.rank == 0:
                yield SendLocal(local.link, number, words[number])
            else:
                assert (yield Receive(local.endpoint)) == number
                received[0] += 1
            under_way = sum(words[received[0] : local.link.sent])
            fullest[0] = max(fullest[0], under_way)
            if own.random() < 0.1:
                yield Yield()
            elif own.random() < 0.05:
                yield Sleep(own.randrange(100_000))
            else:
                yield Compute(own.randrange(2000))

    domain = spawn(kernel, "random", main, 2)
    kernel.run(20_000 * PS_PER_MS)
    assert (domain.fault, received[0]) == ("", count)
    assert buffer - longest < fullest[0] <= buffer + longest, "one more may be in the receiver's hands"


def payloads(seed: str) -> Callable[[], bytes]:
    chance = random.Random(seed)
    return lambda: chance.randbytes(chance.randrange(81))


def conversation(kernel: Multikernel, operations: int, seed: int) -> None:
    """Two domains on one core, both ways at once, over a channel that monitors have bound; contents are compared."""
    count = operations // 4
    wrong: list[str] = []
    done = [0, 0]

    def talk(channel: Channel, side: int) -> Code:
        payload, chance = payloads(f"{seed} {side}"), random.Random(f"{seed} pauses {side}")
        for _ in range(count):
            yield from channel.send(Fragment(0, payload()))
            if chance.random() < 0.02:
                yield Sleep(chance.randrange(50_000))
            elif chance.random() < 0.2:
                yield Compute(chance.randrange(20_000))

    def hear(receive: Callable[[], Code], side: int) -> Code:
        payload, chance = payloads(f"{seed} {1 - side}"), random.Random(f"{seed} receives {side}")
        for number in range(count):
            fragment = yield from receive()
            if fragment.payload != payload():
                wrong.append(f"message {number} to side {side}")
            done[side] += 1
            if chance.random() < 0.2:
                yield Compute(chance.randrange(20_000))

    def server(environment: Environment) -> Code:
        service = yield from export(environment, "talk")
        channel = (yield from service.receive()).channel

        def receive() -> Code:
            return (yield from service.receive()).what

        yield Fork(talk(channel, 0))
        yield from hear(receive, 0)

    def client(environment: Environment) -> Code:
        channel = yield from bind(environment, "talk")
        yield Fork(talk(channel, 1))
        yield from hear(channel.receive, 1)

    domains = [spawn(kernel, "server", server), spawn(kernel, "client", client)]
    while any(domain.alive for domain in domains):
        before = sum(done)
        kernel.run_until(lambda: not any(domain.alive for domain in domains), 2000 * PS_PER_MS)
        assert not wrong, wrong[:3]
        assert sum(done) > before or not all(domain.alive for domain in domains), f"nothing comes, after {done}"
    assert (done, [domain.fault for domain in domains]) == ([count, count], ["", ""])


@pytest.mark.parametrize("seed", range(2))
def test_domains_on_one_core_hear_each_other_word_for_word(kernel: Multikernel, seed: int) -> None:
    conversation(kernel, 10_000, seed)


@pytest.mark.slow
def test_a_million_messages_are_heard_word_for_word(kernel: Multikernel) -> None:
    conversation(kernel, 1_000_000, 3)
