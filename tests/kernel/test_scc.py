"""SCC message passing in the whole kernel: nothing lost, doubled, reordered or overwritten, whatever the design."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from kernel.clock import PS_PER_MS
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.messaging.notification import DESIGNS, Notifications
from kernel.messaging.ring import LEAST_SLOTS
from kernel.messaging.scc import SccLink, scc_channel
from kernel.multikernel import Multikernel
from kernel.program import Compute, Environment, Program, Receive, Send
from kernel.threads import Code, Thread
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]
CYCLE_PS = 10**12 / 533_333_333


@dataclass
class Scc:
    kernel: Multikernel
    notifications: Notifications
    programs: int = field(default=0)

    def ends(self, one: int, other: int, how: str, slots: int | None = None) -> tuple[list[Endpoint], list[SccLink]]:
        ends = [Endpoint(0), Endpoint(0)]
        links = scc_channel(
            self.kernel.timeline, self.notifications, (one, ends[0]), (other, ends[1]), how=how, slots=slots
        )
        return ends, list(links)

    def start(self, core: int, main: Callable[[Environment], Code]) -> None:
        self.programs += 1
        self.kernel.spawn(Program(f"program{self.programs}", "a test", "", main), cores=[core])


@pytest.fixture
def scc(load: Load) -> Scc:
    kb = load("scc")
    kernel = Multikernel.boot(kb)
    return Scc(kernel, Notifications(kb, kernel.hardware, kernel.timeline, kernel.drivers))


def one_way_cycles(scc: Scc, sender: int, receiver: int, how: str) -> int:
    """A message between two programs that do nothing else: from the instant of sending to that of having it."""
    ends, links = scc.ends(sender, receiver, how)
    at: list[int] = []

    def receiving(environment: Environment) -> Code:
        yield Receive(ends[1])
        at.append(scc.kernel.now)

    def sending(environment: Environment) -> Code:
        yield Compute(1_000_000)
        at.append(scc.kernel.now)
        yield Send(links[0], 1)

    scc.start(receiver, receiving)
    scc.start(sender, sending)
    scc.kernel.run(200 * PS_PER_MS)
    return round((at[1] - at[0]) / CYCLE_PS)


def exchange(scc: Scc, how: str, slots: int, operations: int, seed: int, goes_on: bool = True) -> None:
    """Random programs on three cores, each with a channel to each other; all sent is received, once, in order.

    Receivers end when they have all, or go on, and still take what acknowledges the messages of the other thread.
    """
    chance = random.Random(seed)
    cores = chance.sample(range(2, 48), 3)
    ends: dict[tuple[int, int], Endpoint] = {}
    links: dict[tuple[int, int], SccLink] = {}
    for one, other in ((0, 1), (0, 2), (1, 2)):
        (ends[one, other], ends[other, one]), (links[one, other], links[other, one]) = scc.ends(
            cores[one], cores[other], how, slots
        )
    count = operations // 12
    received: dict[tuple[int, int], list[int]] = {key: [] for key in ends}
    over_full: list[str] = []

    def sending(rank: int, peer: int, seed: int) -> Callable[[Environment], Code]:
        def main(environment: Environment) -> Code:
            chance = random.Random(seed)
            link = links[rank, peer]
            for number in range(count):
                if chance.random() < 0.3:
                    yield Compute(chance.randrange(20_000))
                yield Send(link, number)
                if link.ring.written - link.ring.acknowledged > slots:
                    over_full.append(f"{rank} {peer} {number}")

        return main

    def receiving(rank: int, peer: int, seed: int) -> Callable[[Environment], Code]:
        def main(environment: Environment) -> Code:
            chance = random.Random(seed)
            while goes_on or len(received[rank, peer]) < count:
                if chance.random() < 0.3:
                    yield Compute(chance.randrange(20_000))
                received[rank, peer].append((yield Receive(ends[rank, peer])))

        return main

    for rank, peer in ends:
        scc.start(cores[rank], receiving(rank, peer, chance.randrange(1 << 30)))
        scc.start(cores[rank], sending(rank, peer, chance.randrange(1 << 30)))
    scc.kernel.run_until(lambda: sum(map(len, received.values())) == 6 * count, operations * 5 * PS_PER_MS)
    scc.kernel.run(PS_PER_MS)  # were anything doubled it would come now
    assert received == {key: list(range(count)) for key in ends}
    assert not over_full


@pytest.mark.parametrize("how", DESIGNS)
@pytest.mark.parametrize("slots", [LEAST_SLOTS, 16])
def test_every_message_arrives_once_and_in_order(scc: Scc, how: str, slots: int) -> None:
    exchange(scc, how, slots, 600, seed=slots)


@pytest.mark.parametrize("how", DESIGNS)
@pytest.mark.parametrize("seed", range(3))
def test_receivers_that_are_through_hold_nobody_up(scc: Scc, how: str, seed: int) -> None:
    exchange(scc, how, LEAST_SLOTS, 600, seed, goes_on=False)


@pytest.mark.parametrize("how", DESIGNS)
def test_ten_thousand_operations_lose_nothing(scc: Scc, how: str) -> None:
    exchange(scc, how, 8, 10_000, seed=7)


@pytest.mark.slow
@pytest.mark.parametrize("how", DESIGNS)
def test_a_million_operations_lose_nothing(scc: Scc, how: str) -> None:
    exchange(scc, how, 8, 1_000_000, seed=8)


def test_several_senders_wait_for_each_others_lock_and_interrupt_once(scc: Scc) -> None:
    """Eleven cores notify one at the same instant: all are heard, and an interrupt that is pending is not raised."""
    senders = range(2, 24, 2)
    heard: list[int] = []
    ends = {core: scc.ends(core, 0, "ring") for core in senders}

    def sending(core: int) -> Callable[[Environment], Code]:
        def main(environment: Environment) -> Code:
            yield Compute((200 * PS_PER_MS - scc.kernel.now) // 1875)
            yield Send(ends[core][1][0], core)

        return main

    def receiving(core: int) -> Callable[[Environment], Code]:
        def main(environment: Environment) -> Code:
            heard.append((yield Receive(ends[core][0][1])))

        return main

    for core in senders:
        scc.start(0, receiving(core))
    for core in senders:
        scc.start(core, sending(core))
    scc.kernel.run(2000 * PS_PER_MS)
    assert sorted(heard) == list(senders)
    assert scc.notifications.buffers[0].interrupts < len(heard)


def test_a_full_ring_has_the_notification_tried_again_and_the_message_written_once(scc: Scc) -> None:
    ends, links = scc.ends(2, 0, "ring")
    lines = scc.notifications.buffers[0].lines
    got: list[int] = []
    lines[0] = 254  # as many numbers of nobody's channels as there is room for
    for line in range(2, 256):
        lines[line] = 60_000

    def sending(environment: Environment) -> Code:
        yield Send(links[0], 1)
        yield Send(links[0], 2)

    def receiving(environment: Environment) -> Code:
        while True:
            got.append((yield Receive(ends[1])))

    scc.start(0, receiving)
    scc.start(2, sending)
    scc.kernel.run(PS_PER_MS)
    assert got == [], "who is told of nothing reads nothing"
    assert set(links[0].refused) == {MessageErrorCode.NOTIFY}
    assert links[0].ring.written == 1
    scc.notifications.buffers[0].interrupt()
    scc.kernel.run(200 * PS_PER_MS)
    assert got == [1, 2]
    assert links[0].ring.written == 2


def test_a_number_that_nobody_is_registered_for_is_ignored(scc: Scc) -> None:
    ends, links = scc.ends(2, 0, "ring")
    links[0].release()

    def sending(environment: Environment) -> Code:
        yield Send(links[0], 1)

    scc.start(2, sending)
    scc.kernel.run(10 * PS_PER_MS)
    assert ends[1]._arrived == type(ends[1]._arrived)()
    assert scc.notifications.buffers[0].lines[1] == 1, "it was taken from the ring all the same"


def test_a_buffer_has_one_design(scc: Scc) -> None:
    scc.ends(0, 2, "ring")
    with pytest.raises(MessageError, match="the message-passing buffer of core 2 has a ring, no tree"):
        scc.ends(4, 2, "tree")
    with pytest.raises(MessageError, match="no notification by pigeon; there are ring, tree, payload"):
        scc.ends(4, 6, "pigeon")


def test_the_designs_compare_as_they_did(load: Load) -> None:
    """Dissertation §2.6.3: notification trees are slower than rings, and payload in the buffers costs more."""
    took = {}
    for how in DESIGNS:
        kb = load("scc")
        kernel = Multikernel.boot(kb)
        scc = Scc(kernel, Notifications(kb, kernel.hardware, kernel.timeline, kernel.drivers))
        took[how] = [one_way_cycles(scc, 0, core, how) for core in (1, 2, 46)]
        assert took[how] == sorted(took[how]), "farther is later"
    assert all(ring < tree < payload for ring, tree, payload in zip(*(took[how] for how in DESIGNS), strict=True))


def test_whoever_is_killed_in_the_system_call_holds_no_lock(scc: Scc) -> None:
    ends, links = scc.ends(2, 0, "ring")
    got: list[int] = []

    def sending(environment: Environment) -> Code:
        yield Compute(1_000_000)
        yield Send(links[0], 1)
        raise AssertionError("it was killed before")

    def receiving(environment: Environment) -> Code:
        while True:
            got.append((yield Receive(ends[1])))

    scc.start(0, receiving)
    scc.start(2, sending)
    buffer = scc.notifications.buffers[0]
    assert scc.kernel.run_until(lambda: buffer.locked, 100 * PS_PER_MS)
    (victim,) = scc.kernel.find("program2").dispatchers.values()
    scc.kernel.drivers[2].remove(victim)
    scc.kernel.run(10 * PS_PER_MS)
    assert not buffer.locked
    assert got == [1], "the message was written, and the CPU driver had begun to tell of it"
    assert isinstance(ends[1].waiter, Thread)


def test_a_receiver_that_is_moved_is_notified_where_it_is(scc: Scc) -> None:
    ends, links = scc.ends(0, 9, "ring")
    got: list[int] = []

    def sending(environment: Environment) -> Code:
        for number in range(200):
            yield Compute(1_000_000)
            yield Send(links[0], number)

    def receiving(environment: Environment) -> Code:
        while True:
            got.append((yield Receive(ends[1])))

    scc.start(0, sending)
    domain = scc.kernel.spawn(Program("moving", "a test", "", receiving))
    (dispatcher,) = domain.dispatchers.values()
    first = dispatcher.core
    scc.kernel.run(10 * PS_PER_MS)
    before = len(got)
    assert 0 < before < 200
    assert [moved for moved, _ in scc.kernel.take_offline(first)] == [domain]
    assert dispatcher.core != first
    scc.kernel.run(2000 * PS_PER_MS)
    assert got == list(range(200))


def test_a_link_that_queues_never_makes_its_sender_wait(scc: Scc) -> None:
    ends = Endpoint(0), Endpoint(0)
    there, back = scc_channel(
        scc.kernel.timeline, scc.notifications, (2, ends[0]), (9, ends[1]), slots=4, queueing=True
    )
    got: list[int] = []
    sent: list[int] = []

    def sending(environment: Environment) -> Code:
        for number in range(50):
            yield Send(there, number)
        sent.append(there.queued)
        while True:
            yield Receive(ends[0])

    def receiving(environment: Environment) -> Code:
        yield Compute(5_000_000)
        while True:
            got.append((yield Receive(ends[1])))

    scc.start(9, receiving)
    scc.start(2, sending)
    scc.kernel.run(8 * PS_PER_MS)
    assert sent and sent[0] > 40, "what found no room was queued"
    scc.kernel.run(200 * PS_PER_MS)
    assert got == list(range(50))
    assert there.queued == 0 and back.queued == 0
