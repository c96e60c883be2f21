"""The barrier loop: what it costs, that it blocks, and that carrying it in closed form changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.barrier import Barrier
from kernel.clock import PS_PER_MS, PS_PER_US
from kernel.multikernel import Multikernel
from skb.knowledge import KnowledgeBase
from skb.placement import PlacementController


@pytest.fixture
def small_timeslices(load: Callable[[str], KnowledgeBase]) -> Iterator[KnowledgeBase]:
    """The 4x4-core AMD system with timeslices of 1 ms, so that many happen in little time."""
    kb = load("amd-4x4")
    kb.assert_fact('cost(timeslice, 1, ms, "this test")')
    controller = PlacementController(kb)
    controller.clear()
    controller.place(1, 1)  # after what other tests have loaded the first decision may take longer than the next
    yield kb


def beside_cpu_bound(
    kb: KnowledgeBase, parties: int, others: int, duration_ps: int, pieces: int
) -> tuple[int, int, int, int, list[tuple[int, ...]], str]:
    """Run `barrier` beside `cpu_bound`: both decisions' inferences and progresses, the cores' accounts, the hash."""
    kernel = Multikernel.boot(kb)
    rest = kernel.spawn("cpu_bound", others)
    domain = kernel.spawn("barrier", parties)
    for _ in range(pieces):
        kernel.run(duration_ps // pieces)
        kernel.domains()  # asking must not disturb
    accounts = [
        (core.user_ps, core.kernel_ps, core.switch_ps, core.interrupt_ps, core.idle_ps)
        for core in kernel.cores()
    ]
    progress = kernel.status(domain).progress, kernel.status(rest).progress
    kernel.kill(domain.id)
    kernel.kill(rest.id)
    inferences = domain.placement.inferences, rest.placement.inferences
    return (*inferences, *progress, accounts, kernel.log.digest())


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parties=st.integers(2, 16),
    others=st.integers(1, 8),
    duration_us=st.integers(100, 3500),
    pieces=st.integers(1, 4),
)
def test_rounds_in_closed_form_equal_rounds_event_by_event(
    small_timeslices: KnowledgeBase, parties: int, others: int, duration_us: int, pieces: int
) -> None:
    duration_ps = duration_us * PS_PER_US // pieces * pieces
    carried = beside_cpu_bound(small_timeslices, parties, others, duration_ps, pieces)
    Barrier.carry = False
    try:
        played = beside_cpu_bound(small_timeslices, parties, others, duration_ps, pieces)
    finally:
        Barrier.carry = True
    assert carried == played


def test_a_barrier_within_a_package_costs_about_half(load: Callable[[str], KnowledgeBase]) -> None:
    """Dissertation §3.1.2: half as much as among packages, as the latencies are 75 and 160 cycles."""
    kernel = Multikernel.boot(load("amd-4x4"))
    within = kernel.spawn("barrier", 4, cores=(0, 1, 2, 3))
    among = kernel.spawn("barrier", 4, cores=(4, 8, 12, 7))
    kernel.run(PS_PER_MS)
    ratio = kernel.status(within).progress / kernel.status(among).progress
    assert 1.5 < ratio < 2.5


def test_a_waiter_whose_sibling_is_away_blocks_after_spinning(load: Callable[[str], KnowledgeBase]) -> None:
    kernel = Multikernel.boot(load("amd-4x4"))
    kernel.spawn("cpu_bound", 1, cores=(0,))
    kernel.spawn("barrier", 2, cores=(0, 1))
    kernel.run(100 * PS_PER_MS)
    idle = kernel.cores()[1].idle_ps
    assert idle > 10 * PS_PER_MS, "core 1 has nobody but the waiter, who must not spin for ever"
