"""Messages measured by programs of the simulated kernel: what hardware has is found, and believed when stated."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from kernel import measurement
from kernel.clock import PS_PER_US
from kernel.multikernel import Multikernel
from kernel.timeline import Priority
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]

REAL_TIME = "H 1 2 2 0\n"
"""Half of a core, 1 ms of every 2."""


@pytest.fixture
def kernel(load: Load) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


@pytest.mark.parametrize("pair", [(0, 1), (0, 4), (12, 0)])
def test_an_idle_machine_has_the_latency_of_its_hardware(kernel: Multikernel, pair: tuple[int, int]) -> None:
    found = measurement.ump(kernel, [pair], 30)[0]
    assert len(found.round_trips) == 30
    assert found.latency_ns * 1000 == kernel.hardware.message_ps(*pair)
    assert found.sigma_cycles == 0
    mean, variance, least, most = found.round_trip_cycles
    assert (mean, variance) == pytest.approx((2 * found.latency_cycles, 0))
    assert least == most == pytest.approx(mean)


def test_a_stream_is_pipelined_but_waits_for_acknowledgements(kernel: Multikernel) -> None:
    found = measurement.ump(kernel, [(0, 1)], 300)[0]
    alone = 1000 / found.latency_cycles
    assert alone < found.rate_per_kcycle < 2 * alone


def test_prefetching_trades_latency_for_throughput(kernel: Multikernel) -> None:
    """Dissertation §2.6.3: pipelined throughput is improved at the expense of single-message latency."""
    plain = measurement.ump(kernel, [(0, 4)], 100)[0]
    ahead = measurement.ump(kernel, [(0, 4)], 100, prefetch=True)[0]
    assert ahead.latency_cycles > plain.latency_cycles
    assert ahead.rate_per_kcycle > plain.rate_per_kcycle


def test_a_local_message_takes_what_it_costs(kernel: Multikernel) -> None:
    found = measurement.lmp(kernel, [3], 20)[0]
    assert found.latency_ns * 1000 == kernel.hardware.cost_ps("lmp", 3)
    assert found.rate_per_kcycle > 0


def test_a_call_of_several_messages_takes_longer_than_one_of_one(kernel: Multikernel) -> None:
    short = measurement.rpc(kernel, (0, 4), 8, 20)
    long = measurement.rpc(kernel, (0, 4), 400, 20)
    assert short.latency_ns * 1000 == kernel.hardware.message_ps(0, 4)
    assert short.latency_ns < long.latency_ns < 8 * short.latency_ns


def test_a_multicast_reaches_all_cores_not_before_the_farthest_could_have_it(kernel: Multikernel) -> None:
    found = measurement.multicast(kernel, 0, list(kernel.hardware.cores), 10)
    farthest_ps = max(kernel.hardware.message_ps(0, core) for core in range(1, 16))
    one_by_one_ps = sum(kernel.hardware.message_ps(0, core) for core in range(1, 16))
    assert found.cores == 15
    assert farthest_ps < min(found.took) <= max(found.took) < one_by_one_ps


def test_nothing_is_left_of_a_measurement(kernel: Multikernel) -> None:
    measurement.rpc(kernel, (0, 4), 8, 5)
    measurement.lmp(kernel, [2], 5)
    measurement.ump(kernel, [(0, 4)], 5)
    assert not any(domain.state == "running" for domain in kernel.domains())


def test_what_is_measured_is_stated_for_each_pair(kernel: Multikernel) -> None:
    found = measurement.ump(kernel, [(0, 4), (4, 0)], 10)
    assert measurement.state(kernel, found) == 6
    assert {source for _, source in kernel.kb.facts("message_rate")} == {"user"}
    (row,) = kernel.kb.all("message_rtt(0, 4, Mean, Variance, Least, Most)")
    assert row == {"Mean": 1090.0, "Variance": 0.0, "Least": 1090.0, "Most": 1090.0}


def test_interrupted_half_way_it_states_nothing_and_leaves_no_domain(kernel: Multikernel) -> None:
    kernel.timeline.at(
        kernel.now + 100 * PS_PER_US, Priority.TIMER, 0, lambda now: signal.raise_signal(signal.SIGINT)
    )
    with pytest.raises(KeyboardInterrupt):
        measurement.state(kernel, measurement.ump(kernel, [(0, 4)], 10_000))
    assert kernel.kb.facts("message_rtt") == []
    assert not any(domain.state in ("running", "starting") for domain in kernel.domains())


@pytest.mark.slow
def test_placement_goes_by_what_was_measured(load: Load) -> None:
    """A real-time program holds core 1 up while it is measured: who talks much is then kept away from it."""
    kernel = Multikernel.boot(load("amd-4x4"), policy="least_communication")
    before = kernel.spawn("barrier", 2)
    assert before.cores == (0, 1)
    kernel.kill(before.id)
    busy = kernel.spawn("cpu_bound", 1, cores=[1], manifest=REAL_TIME)
    pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
    found = {(each.sender.number, each.receiver.number): each for each in measurement.ump(kernel, pairs, 4000)}
    kernel.kill(busy.id)
    assert found[0, 1].latency_ns > found[0, 2].latency_ns, "in what is believed a priori they are alike"
    measurement.state(kernel, list(found.values()))
    assert kernel.spawn("barrier", 2).cores == (0, 2)
