"""UMP: no message is lost, duplicated or reordered, and no unacknowledged slot is written again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.clock import PS_PER_MS
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.ump import UmpLink, channel
from kernel.multikernel import Multikernel
from kernel.program import PROGRAMS, Compute, Environment, Program, Receive, Send
from kernel.threads import Code
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]


def exchange(
    kb: KnowledgeBase, one_way: int, back: int, work: tuple[int, int], queueing: bool, cores: tuple[int, int]
) -> tuple[list[object], list[object], UmpLink, int]:
    """Two dispatchers send each other numbers; what each received, the link, the most slots ever in use."""
    kernel = Multikernel.boot(kb)
    ends = [Endpoint(kernel.hardware.cost_ps("poll", core)) for core in cores]
    links = channel(kernel.timeline, kernel.hardware, (cores[0], ends[0]), (cores[1], ends[1]), queueing)
    received: list[list[object]] = [[], []]
    most = 0

    def talk(environment: Environment) -> Code:
        nonlocal most
        rank = environment.rank
        mine, yours = (one_way, back) if rank == 0 else (back, one_way)
        for number in range(max(mine, yours)):
            if number < mine:
                yield Send(links[rank], number)
                most = max(most, links[rank].sent - links[rank].acknowledged)
            yield Compute(work[rank])
            if number < yours:
                received[rank].append((yield Receive(ends[rank])))
        while queueing:  # what is queued is written when an acknowledgement is received
            yield Receive(ends[rank])

    PROGRAMS["talk"] = Program("talk", "", "", talk)
    try:
        kernel.spawn("talk", 2, cores=cores)
        kernel.run(50 * PS_PER_MS)
    finally:
        del PROGRAMS["talk"]
    return received[0], received[1], links[0], most


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    one_way=st.integers(0, 200),
    back=st.integers(0, 200),
    work=st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)),
    queueing=st.booleans(),
    cores=st.sampled_from([(0, 1), (0, 4), (0, 12), (9, 3)]),
)
def test_every_message_arrives_once_and_in_order(
    load: Load, one_way: int, back: int, work: tuple[int, int], queueing: bool, cores: tuple[int, int]
) -> None:
    at_one, at_other, link, most = exchange(load("amd-4x4"), one_way, back, work, queueing, cores)
    assert at_other == list(range(one_way))
    assert at_one == list(range(back))
    assert most <= link.slots


@pytest.mark.parametrize("queueing", [False, True])
def test_a_full_ring_is_never_overwritten(load: Load, queueing: bool) -> None:
    """A receiver that takes its time: the sender waits, or queues, but the ring is never over-full."""
    _, at_other, link, most = exchange(load("amd-4x4"), 200, 0, (1, 100_000), queueing, (0, 12))
    assert at_other == list(range(200))
    assert most <= link.slots == 32


def test_a_message_takes_the_measured_latency(load: Load) -> None:
    kernel = Multikernel.boot(load("amd-4x4"))
    assert kernel.hardware.message_ps(0, 12) == 558 * 400, "558 cycles of 2.5 GHz: table 2.5"
    assert kernel.hardware.message_ps(0, 1) == 448 * 400


def test_many_dispatchers_do_not_stop_the_monitors(load: Load) -> None:
    """More requests to one core than a ring has slots: monitors queue, none waits for another."""
    kernel = Multikernel.boot(load("amd-4x4"))
    domain = kernel.spawn("barrier", 160, cores=(0, 1))
    assert kernel.status(domain).state == "running"
