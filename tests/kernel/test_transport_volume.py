"""Transports by volume: random senders and receivers, every message compared with what was sent, in its order.

A seed says everything: the ring, the cores, what else runs there, how many threads send on each side, and how the
threads pause. Pauses come in stretches, so that rings run full and senders block, and run empty and receivers block.
An operation is a message sent or received.
"""

from __future__ import annotations

import gc
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import pytest

from kernel.clock import PS_PER_MS
from kernel.domain import Domain
from kernel.messaging.drivers import Terms
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.lmp import LmpLink, SendLocal
from kernel.messaging.ump import UmpLink, channel
from kernel.multikernel import Multikernel
from kernel.program import Program
from kernel.programming import (
    Code,
    Compute,
    Environment,
    Fork,
    Fragment,
    Join,
    Operation,
    Receive,
    Send,
    Sleep,
    YieldThread,
    bind,
    export,
)
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]

QUICK, SLOW = 10_000, 1_000_000


class Message(NamedTuple):
    """What is sent: by which thread of which side, its number there, and something that nobody can guess."""

    side: int
    sender: int
    number: int
    content: int


@dataclass(frozen=True, slots=True)
class Setting:
    """What is tried. `cores` of the two sides; `busy` dispatchers that compute beside them; `moves` dispatchers."""

    cores: tuple[int, int]
    slots: int = 32
    prefetch: bool = False
    senders: int = 1
    both_ways: bool = True
    busy: int = 0
    moves: bool = False


def pauses(chance: random.Random) -> Iterator[Operation | None]:
    """What a thread does between two operations: for a while nothing, then a little, then a lot, in any order."""
    while True:
        longest = chance.choice([0, 0, 2_000, 20_000, 200_000])
        for _ in range(chance.randrange(1, 80)):
            cycles = chance.randrange(longest) if longest and chance.random() < 0.5 else 0
            if not cycles:
                yield None
            elif chance.random() < 0.1:
                yield Sleep(cycles // 2)
            elif chance.random() < 0.1:
                yield YieldThread()
            else:
                yield Compute(cycles)


class Exchange:
    """Two sides, each a dispatcher of one domain, that send each other `messages` a side that sends."""

    def __init__(self, kernel: Multikernel, setting: Setting, operations: int, seed: int) -> None:
        self.kernel, self.setting, self.seed = kernel, setting, seed
        sides = 2 if setting.both_ways else 1
        self.each = operations // (2 * sides * setting.senders)
        self.messages = [self.each * setting.senders, self.each * setting.senders if setting.both_ways else 0]
        hardware = kernel.hardware
        self.ends = [Endpoint(hardware.cost_ps("poll", core)) for core in setting.cores]
        self.links: list[UmpLink | LmpLink] = []
        if setting.cores[0] == setting.cores[1]:
            self.words = setting.slots
            self.links = [LmpLink(hardware, setting.cores[0], end, self.words) for end in reversed(self.ends)]
        else:
            one, other = zip(setting.cores, self.ends, strict=True)
            self.links = [*channel(
                kernel.timeline, hardware, one, other, slots=setting.slots, prefetch=setting.prefetch
            )]
        self.received = [0, 0]
        self.wrong: list[str] = []
        self.moved = 0
        self._offline: list[int] = []
        self._chance = random.Random(f"{seed} moves")

    def content(self, side: int, sender: int) -> Iterator[int]:
        chance = random.Random(f"{self.seed} {side} {sender}")
        while True:
            yield chance.getrandbits(64)

    def main(self, environment: Environment) -> Code:
        rank = environment.rank
        threads = []
        for sender in range(self.setting.senders if self.messages[rank] else 0):
            threads.append((yield Fork(self._send(rank, sender))))
        yield from self._receive(rank)
        for thread in threads:
            yield Join(thread)

    def _send(self, side: int, sender: int) -> Code:
        chance = random.Random(f"{self.seed} pauses of {side} {sender}")
        content, pause = self.content(side, sender), pauses(chance)
        link = self.links[side]
        for number in range(self.each):
            message = Message(side, sender, number, next(content))
            if isinstance(link, LmpLink):
                yield SendLocal(link, message, chance.randrange(1, self.words + 1))
            else:
                yield Send(link, message)
            between = next(pause)
            if between is not None:
                yield between

    def _receive(self, side: int) -> Code:
        pause = pauses(random.Random(f"{self.seed} pauses of receiver {side}"))
        expected = [(number, self.content(1 - side, number)) for number in range(self.setting.senders)]
        numbers = [0] * self.setting.senders
        for _ in range(self.messages[1 - side]):
            message = yield Receive(self.ends[side])
            self._check(message, 1 - side, numbers, [content for _, content in expected])
            self.received[side] += 1
            between = next(pause)
            if between is not None:
                yield between

    def _check(self, message: object, side: int, numbers: list[int], contents: list[Iterator[int]]) -> None:
        """The message is the next one of the thread that sent it, with what it had in it."""
        if not isinstance(message, Message) or message.side != side:
            self.wrong.append(f"{message} is none that side {side} has sent")
            return
        due = Message(side, message.sender, numbers[message.sender], next(contents[message.sender]))
        numbers[message.sender] += 1
        if message != due:
            self.wrong.append(f"{message} came for {due}")

    @property
    def held(self) -> int:
        """The most that any part of the transport holds now, messages."""
        in_it = (
            link.ring.written - link.ring.acknowledged if isinstance(link, UmpLink) else self.pending(link)
            for link in self.links
        )
        return max(*in_it, *(len(link.blocked) for link in self.links))

    def pending(self, link: LmpLink | UmpLink) -> int:
        """What has arrived at the link's endpoint and is not received."""
        return len(link.endpoint._arrived)

    def run(self) -> None:
        """Until all has been received; AssertionError as soon as something is wrong, or nothing comes any more."""
        kernel, setting = self.kernel, self.setting
        if setting.busy:
            kernel.spawn("cpu_bound", setting.busy, cores=sorted(set(setting.cores)))
        domain = kernel.spawn(Program("volume", "", "", self.main), 2, cores=() if setting.moves else setting.cores)
        before, since, objects = 0, kernel.now, 0
        while domain.alive:
            if setting.moves:
                self._move(domain)
            kernel.run_until(lambda: not domain.alive, PS_PER_MS if setting.moves else 2000 * PS_PER_MS)
            assert not self.wrong, self.wrong[:3]
            assert self.held <= max(setting.slots, setting.senders), "more than there is room for"
            if sum(self.received) > before:
                before, since = sum(self.received), kernel.now
            stands = f"nothing comes any more, after {self.received} of {self.messages[::-1]}"
            assert not domain.alive or kernel.now - since < (300 if setting.moves else 2000) * PS_PER_MS, stands
            objects = objects or _objects()
        assert domain.state.value == "exited", domain.fault
        assert self.received == self.messages[::-1]
        assert _objects() < 1.2 * objects + 10_000, "memory grows with what is sent"

    def _move(self, domain: Domain) -> None:
        """Take one of the domain's cores off line, which moves what is there, and bring another back."""
        core = self._chance.choice([core for core in domain.cores if core != self.kernel.first_core])
        if self._offline:
            self.kernel.bring_online(self._offline.pop(0))
        self.kernel.take_offline(core)
        self._offline.append(core)
        self.moved += 1


def _objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def drawn(seed: int, base: Setting) -> Setting:
    """The rest of a setting, as the seed has it."""
    chance = random.Random(seed)
    return replace(
        base, slots=chance.choice([3, 4, 5, 8, 16, 32, 64]), senders=chance.choice([1, 1, 2, 3]),
        both_ways=chance.random() < 0.75, busy=chance.choice([0, 0, 2, 5]),
    )


TRANSPORTS = {
    "lmp": Setting((1, 1)),
    "ump, in a package": Setting((0, 1)),
    "ump, between packages": Setting((1, 2)),
    "ump with prefetching": Setting((1, 2), prefetch=True),
}


@pytest.mark.parametrize(("name", "seed"), [*zip(TRANSPORTS, (0, 1, 5, 4), strict=True)])
def test_every_message_arrives_once_in_order_and_as_it_was(load: Load, name: str, seed: int) -> None:
    setting = drawn(seed, TRANSPORTS[name])
    Exchange(Multikernel.boot(load("amd-2x2")), setting, QUICK, seed).run()


def test_one_question_after_another_is_answered_over_the_shortest_rings(load: Load) -> None:
    heard = answers(Multikernel.boot(load("amd-2x2")), 3, 100)
    assert heard == list(range(100))


def answers(kernel: Multikernel, slots: int, questions: int) -> list[int]:
    """One side asks, the other says the same: what is heard."""
    ends = [Endpoint(kernel.hardware.cost_ps("poll", core)) for core in (0, 2)]
    links = channel(kernel.timeline, kernel.hardware, (0, ends[0]), (2, ends[1]), slots=slots)
    heard: list[int] = []

    def main(environment: Environment) -> Code:
        for number in range(questions):
            if environment.rank == 0:
                yield Send(links[0], number)
                heard.append((yield Receive(ends[0])))
            else:
                yield Send(links[1], (yield Receive(ends[1])))

    kernel.spawn(Program("answers", "", "", main), 2, cores=(0, 2))
    kernel.run(1000 * PS_PER_MS)
    return heard


def test_a_side_that_only_sends_keeps_no_list_of_acknowledgements(load: Load) -> None:
    setting = Setting((0, 1), slots=8, both_ways=False)
    exchange = Exchange(Multikernel.boot(load("amd-2x2")), setting, 2000, 0)
    exchange.run()
    assert exchange.pending(exchange.links[1]) <= setting.slots


@pytest.mark.parametrize(("kind", "seed"), [("ump", 0), ("ump", 2), ("ump with prefetching", 1)])
def test_dispatchers_are_moved_while_they_send_and_receive(load: Load, kind: str, seed: int) -> None:
    """Cores go off line and come back all the time; what is on the way arrives as if nothing had happened."""
    chance = random.Random(seed)
    setting = Setting((0, 1), chance.choice([3, 8, 32]), kind != "ump", chance.choice([1, 2]), moves=True)
    exchange = Exchange(Multikernel.boot(load("amd-4x4")), setting, QUICK // 4, seed)
    exchange.run()
    assert exchange.moved >= 5


@pytest.mark.parametrize(("seed", "slots", "senders"), [(21, 4, 2), (19, 3, 3)])
def test_two_that_send_and_look_for_room_do_not_shut_each_other_out(
    load: Load, seed: int, slots: int, senders: int
) -> None:
    """What a waiting sender reads it has to acknowledge itself: perhaps its side receives nothing more.

    A line that was looked at while a message before it was not read yet counts as read with that message.
    """
    setting = Setting((0, 1), slots, seed == 21, senders, moves=True)
    Exchange(Multikernel.boot(load("amd-4x4")), setting, 2000 if seed == 19 else 6000, seed).run()


def echo(kernel: Multikernel, over: str, messages: int, seed: int, every_ms: int | None) -> None:
    """A client keeps some questions under way, a service gives them back turned round; cores go and come meanwhile.

    Two channels at once, from two domains; what a service has to say waits on its side where a client is slow.
    """
    heard = {0: 0, 1: 0}
    wrong: list[str] = []

    def server(environment: Environment) -> Code:
        service = yield from export(environment, "echo")
        pause = pauses(random.Random(f"{seed} server"))
        while True:
            arrival = yield from service.receive()
            if isinstance(arrival.what, Fragment):
                yield from arrival.channel.send(Fragment(0, arrival.what.payload[::-1]))
            between = next(pause)
            if between is not None:
                yield between

    def client(number: int) -> Callable[[Environment], Code]:
        def main(environment: Environment) -> Code:
            chance = random.Random(f"{seed} client {number}")
            channel = yield from bind(environment, "echo", terms=Terms(over=over))
            pause, asked, sent = pauses(chance), deque[bytes](), 0
            while heard[number] < messages:
                for _ in range(min(chance.randrange(12), messages - sent)):
                    asked.append(chance.randbytes(chance.randrange(1, 50)))
                    yield from channel.send(Fragment(0, asked[-1]))
                    sent += 1
                for _ in range(chance.randrange(len(asked) + 1)):
                    answer = yield from channel.receive()
                    if answer.payload != asked.popleft()[::-1]:
                        wrong.append(f"answer {heard[number]} to client {number}")
                    heard[number] += 1
                between = next(pause)
                if between is not None:
                    yield between

        return main

    kernel.spawn(Program("server", "", "", server), cores=[5])
    clients = [kernel.spawn(Program(f"client{number}", "", "", client(number))) for number in heard]
    chance, offline = random.Random(f"{seed} moves"), [0]
    since, before = kernel.now, 0
    while any(domain.alive for domain in clients):
        alive = [domain for domain in clients if domain.alive]
        cores = [core for domain in alive for core in domain.cores if core not in (0, 5)]
        if every_ms is not None and cores:
            if offline[-1]:
                kernel.bring_online(offline.pop())
            offline.append(chance.choice(cores))
            kernel.take_offline(offline[-1])
        kernel.run_until(lambda: not any(domain.alive for domain in clients), (every_ms or 1000) * PS_PER_MS)
        assert not wrong, wrong[:3]
        if sum(heard.values()) > before:
            before, since = sum(heard.values()), kernel.now
        assert kernel.now - since < 2000 * PS_PER_MS, f"nothing comes any more, after {heard}"
    assert [domain.fault for domain in clients] == ["", ""]
    assert set(heard.values()) == {messages}


@pytest.mark.parametrize(
    ("over", "seed", "every_ms"),
    [
        ("ump", 0, None), ("ump", 1, 1), ("multihop-tree", 1, 1), ("multihop-direct", 0, None),
        ("multihop-ring", 1, 1), ("multihop-direct", 1, 1),
    ],
)
def test_answers_come_back_over_bound_channels_wherever_dispatchers_go(
    load: Load, over: str, seed: int, every_ms: int | None
) -> None:
    echo(Multikernel.boot(load("amd-4x4")), over, 500, seed, every_ms)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_million_operations_are_as_good(load: Load, name: str) -> None:
    setting = replace(drawn(7, TRANSPORTS[name]), both_ways=True)
    Exchange(Multikernel.boot(load("amd-2x2")), setting, SLOW, 7).run()


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_hundred_settings_are_as_good(load: Load, name: str) -> None:
    for seed in range(100, 200):
        Exchange(Multikernel.boot(load("amd-2x2")), drawn(seed, TRANSPORTS[name]), QUICK, seed).run()
