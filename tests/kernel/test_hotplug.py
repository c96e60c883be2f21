"""Cores go off line and come back while domains run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.barrier import Barrier
from kernel.clock import PS_PER_MS, PS_PER_S
from kernel.errors import KernelError
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.ump import channel
from kernel.multikernel import CoreStatus, Multikernel
from kernel.program import PROGRAMS, Environment, Loop, Program, Receive, Send, Spend
from kernel.rbed import Hard
from kernel.threads import Code
from kernel.timeline import Priority
from skb.knowledge import KnowledgeBase
from skb.placement import PlacementError

Load = Callable[[str], KnowledgeBase]


@pytest.fixture
def kernel(load: Load) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


def core(kernel: Multikernel, number: int) -> CoreStatus:
    return kernel.cores()[number]


def elapsed(status: CoreStatus) -> int:
    return status.user_ps + status.kernel_ps + status.switch_ps + status.interrupt_ps + status.idle_ps


def test_a_core_off_line_runs_nothing_and_is_idle(kernel: Multikernel) -> None:
    kernel.spawn("cpu_bound", 32)
    kernel.run(PS_PER_S)
    kernel.take_offline(5)
    before = core(kernel, 5)
    assert before.state == "off line"
    kernel.run(PS_PER_S)
    after = core(kernel, 5)
    assert after.idle_ps - before.idle_ps == PS_PER_S
    assert after.context_switches == before.context_switches
    assert kernel.slices([5], kernel.now - PS_PER_S, kernel.now) == []


def test_best_effort_dispatchers_go_elsewhere_and_keep_what_they_did(kernel: Multikernel) -> None:
    domain = kernel.spawn("cpu_bound", 16)
    kernel.run(PS_PER_S)
    done = kernel.status(domain).progress
    moved = kernel.take_offline(5)
    before = kernel.status(domain)
    assert before.progress > done
    assert [(each.id, to) for each, to in moved] == [(domain.id, domain.dispatchers[5].core)]
    assert 5 not in domain.cores
    kernel.run(PS_PER_S)
    after = kernel.status(domain)
    hertz = core(kernel, 0).clock_hz
    cycles = 30  # of an iteration: the cost `update`
    assert after.progress - before.progress == pytest.approx(15 * hertz / cycles, rel=0.01)
    assert domain.state.value == "running"
    kernel.kill(domain.id)
    assert domain.gone


def test_who_was_put_on_the_core_by_its_user_stays_there(kernel: Multikernel) -> None:
    pinned = kernel.spawn("cpu_bound", cores=(5,))
    before = kernel.now
    with pytest.raises(PlacementError, match=f"core 5 stays on line: domain {pinned.id} is pinned to it"):
        kernel.take_offline(5)
    assert (kernel.now, core(kernel, 5).state) == (before, "running")


def test_a_gang_that_needs_every_core_keeps_them(kernel: Multikernel) -> None:
    kernel.spawn("barrier", 16, manifest="B 1\nG 40 160 40 480\n")
    with pytest.raises(PlacementError, match=r"5 stays on line: the gang main has more members than .* 15 cores"):
        kernel.take_offline(5)
    assert kernel.drivers[5].online


def test_a_member_of_a_gang_moves_into_its_slot_on_another_core(kernel: Multikernel) -> None:
    gang = kernel.spawn("barrier", 4, manifest="B 1\nG 20 80 20\n")
    kernel.change_phase(gang.id, 1)
    kernel.run(300 * PS_PER_MS)
    before = gang.cores
    moved = kernel.take_offline(before[2])
    assert [(domain.id, to in before) for domain, to in moved] == [(gang.id, False)]
    kernel.run(300 * PS_PER_MS)
    grids = {each.task.release_time % (80 * PS_PER_MS) for each in gang.dispatchers.values()}
    assert len(grids) == 1 and {each.task.parameters for each in gang.dispatchers.values()} == {
        Hard(20 * PS_PER_MS, 80 * PS_PER_MS, 20 * PS_PER_MS)
    }
    assert kernel.status(gang).deadline_misses == 0


def test_the_core_of_the_skb_stays(kernel: Multikernel) -> None:
    with pytest.raises(KernelError, match="core 0 stays on line: the SKB runs there"):
        kernel.take_offline(0)


def test_nothing_is_placed_on_a_core_off_line(kernel: Multikernel) -> None:
    kernel.take_offline(5)
    domain = kernel.spawn("cpu_bound", 30)
    assert 5 not in domain.cores
    with pytest.raises(PlacementError, match="core 5 is off line; core online 5 brings it back"):
        kernel.spawn("cpu_bound", cores=(5,))
    with pytest.raises(PlacementError, match="core 5 is off line already"):
        kernel.take_offline(5)


def test_a_core_that_comes_back_is_as_good_as_the_others(kernel: Multikernel) -> None:
    """Its timer agrees with theirs, so that a gang's members start together."""
    kernel.take_offline(5)
    kernel.run(PS_PER_S)
    kernel.bring_online(5)
    assert core(kernel, 5).state != "off line"
    readings = [driver.clock.local(kernel.now) for driver in kernel.drivers.values()]
    assert max(readings) - min(readings) <= kernel.hardware.cost_ps("tsc_read", 5)
    gang = kernel.spawn("barrier", 16, manifest="B 1\nG 80 160 80 480\n")
    kernel.change_phase(gang.id, 1)
    kernel.run(2 * PS_PER_S)
    slices = kernel.slices(range(16), kernel.now - 300 * PS_PER_MS, kernel.now)
    starts = {piece.core: piece.start_ps for piece in slices if piece.domain == gang.id}
    assert len(starts) == 16
    assert max(starts.values()) - min(starts.values()) <= 2 * kernel.hardware.cost_ps("tsc_read", 0)
    with pytest.raises(PlacementError, match="core 5 is on line already"):
        kernel.bring_online(5)


def test_a_request_that_is_interrupted_goes_on_when_time_passes(kernel: Multikernel) -> None:
    kernel.spawn("cpu_bound", 16)
    soon = kernel.now + PS_PER_MS
    kernel.timeline.at(soon, Priority.TIMER, 0, lambda _: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        kernel.take_offline(5)
    assert core(kernel, 5).state != "off line"
    kernel.bring_online(5)
    assert core(kernel, 5).state != "off line"
    assert kernel.kb.all("offline(C)") == []
    assert 5 in kernel.spawn("cpu_bound", cores=(5,)).cores


def test_a_reset_brings_every_core_back(load: Load) -> None:
    Multikernel.boot(load("amd-4x4")).take_offline(5)
    kernel = Multikernel.boot(load("amd-4x4"))
    assert 5 in kernel.spawn("cpu_bound", 16).cores


@pytest.fixture
def slow_barrier() -> Iterator[str]:
    """The name of a program that computes 0.4 ms a round."""

    def main(environment: Environment) -> Code:
        yield Loop(1_000_000, environment.barrier())

    PROGRAMS["slow_barrier"] = Program("slow_barrier", "", "", main)
    yield "slow_barrier"
    del PROGRAMS["slow_barrier"]


def test_a_barrier_goes_on_elsewhere_whichever_way_its_rounds_are_counted(load: Load, slow_barrier: str) -> None:
    """Rounds in closed form and rounds played out agree, also across a move."""

    def rounds(carry: bool) -> list[int]:
        kernel = Multikernel.boot(load("amd-4x4"))
        Barrier.carry = carry
        try:
            domain = kernel.spawn(slow_barrier, 4)
            counted = []
            kernel.run(300 * PS_PER_MS)
            for move in (2, 3):
                kernel.take_offline(move)
                kernel.run(300 * PS_PER_MS)
                counted.append(kernel.status(domain).progress)
            kernel.bring_online(2)
            kernel.run(300 * PS_PER_MS)
            return [*counted, kernel.status(domain).progress]
        finally:
            Barrier.carry = True

    carried = rounds(True)
    assert carried == rounds(False)
    assert carried == sorted(set(carried))


def test_work_that_moves_to_a_slower_core_takes_longer(load: Load) -> None:
    """So many cycles remain, whatever the clock."""
    kernel = Multikernel.boot(load("hybrid-client"))
    clocks = {number: each.clock_hz for number, each in kernel.hardware.cores.items()}
    assert set(clocks.values()) == {3_200_000_000, 2_400_000_000}
    domain = kernel.spawn("cpu_bound", 1)
    dispatcher = domain.dispatchers[0]
    driver = next(driver for number, driver in kernel.drivers.items() if clocks[number] != clocks[dispatcher.core])
    kernel.run(PS_PER_MS)
    kernel.status(domain)
    done, before = dispatcher.iterations, dispatcher.looped_iteration_ps
    dispatcher.driver.take_off(dispatcher)
    was = clocks[dispatcher.core]
    dispatcher.move_to(driver)
    assert dispatcher.looped_iteration_ps == pytest.approx(before * was / driver.core.clock_hz, rel=0.01)
    assert dispatcher.iterations == pytest.approx(done, rel=0.01)


def test_the_same_seed_gives_the_same_schedule_also_across_hot_plugs(load: Load) -> None:
    def digest() -> str:
        kernel = Multikernel.boot(load("amd-4x4"), seed=3)
        kernel.spawn("cpu_bound", 20)
        kernel.spawn("barrier", 9)
        for number in (5, 7):
            kernel.take_offline(number)
            kernel.run(100 * PS_PER_MS)
        kernel.bring_online(5)
        kernel.run(PS_PER_S)
        return kernel.log.digest()

    assert digest() == digest()


def test_messages_take_the_way_to_where_their_receiver_is_now(kernel: Multikernel) -> None:
    """A channel within a package, of which one end is moved to another."""
    box, back = Endpoint(PS_PER_S), Endpoint(PS_PER_S)
    there, _ = channel(kernel.timeline, kernel.hardware, (1, back), (2, box))
    sent: list[int] = []
    got: list[int] = []

    def sender(_: Environment) -> Code:
        while True:
            yield Spend(PS_PER_MS)
            sent.append(kernel.now)
            yield Send(there, "ping")

    def receiver(_: Environment) -> Code:
        while True:
            yield Receive(box)
            got.append(kernel.now)

    def main(environment: Environment) -> Code:
        return receiver(environment) if environment.rank else sender(environment)

    PROGRAMS["pair"] = Program("pair", "", "", main)
    try:
        kernel.spawn("cpu_bound", 1, cores=(0,))
        kernel.spawn("pair", 2)
    finally:
        del PROGRAMS["pair"]
    kernel.run(10 * PS_PER_MS)
    domain = kernel.find("pair")
    one, other = (domain.dispatchers[index].core for index in (0, 1))

    def latency() -> int:
        return got[-1] - sent[len(got) - 1]

    hardware = kernel.hardware
    assert latency() == hardware.message_ps(one, other)
    for each in (2, 3):  # the rest of the package
        if each not in (one, other):
            kernel.take_offline(each)
    kernel.take_offline(other)
    moved = domain.dispatchers[1].core
    kernel.run(10 * PS_PER_MS)
    assert hardware.message_ps(one, moved) != hardware.message_ps(one, other)
    assert latency() == hardware.message_ps(one, moved)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["spawn", "barrier", "kill", "offline", "online", "gang"]),
            st.integers(0, 15), st.integers(0, 120),
        ),
        max_size=10,
    ),
    seed=st.integers(0, 99),
)
def test_whatever_happens_every_picosecond_is_accounted_for_and_nothing_is_lost(
    load: Load, steps: list[tuple[str, int, int]], seed: int
) -> None:
    kernel = Multikernel.boot(load("amd-4x4"), seed=seed)
    begin = kernel.now
    for what, number, milliseconds in steps:
        try:
            match what:
                case "spawn":
                    kernel.spawn("cpu_bound", number + 1)
                case "barrier":
                    kernel.spawn("barrier", number + 1)
                case "gang":
                    kernel.spawn("barrier", 4, manifest="G 10 80 10 80\n")
                case "kill":
                    kernel.kill(number)
                case "offline":
                    kernel.take_offline(number)
                case "online":
                    kernel.bring_online(number)
        except (KernelError, PlacementError):
            pass
        kernel.run(milliseconds * PS_PER_MS)
    cores = kernel.cores()
    assert {elapsed(each) for each in cores} == {kernel.now - begin}
    alive = [kernel.find(str(status.id)) for status in kernel.domains() if status.state == "running"]
    for domain in alive:
        placed = {(each.dispatcher, each.core) for each in domain.placement.assignments}
        assert {(index, each.core) for index, each in domain.dispatchers.items() if each.scheduled} == placed
        assert not placed & {(index, each.core) for index, _ in placed for each in cores if each.state == "off line"}
    assert sum(len(driver.dispatchers) for driver in kernel.drivers.values()) == 33 + sum(
        len(domain.dispatchers) for domain in alive
    )


@pytest.mark.parametrize("replaces", [True, False])
def test_whoever_is_better_off_elsewhere_goes_there_by_itself_if_wished(kernel: Multikernel, replaces: bool) -> None:
    """When a domain has ended, and when a core has come back."""
    kernel.replaces = replaces
    first = kernel.spawn("cpu_bound", 8, cores=range(8, 16))
    second = kernel.spawn("cpu_bound", 16)
    assert len(second.cores) < 16
    kernel.kill(first.id)
    kernel.run(PS_PER_S)
    assert (len(second.cores) == 16) is replaces, "each has a core to itself"
    moved = kernel.take_replaced()
    assert bool(moved) is replaces
    assert all(each.gain_ns > each.cost_ns for each in moved)
    kernel.take_offline(15)
    kernel.bring_online(15)
    kernel.run(PS_PER_S)
    assert [each.move.core for each in kernel.take_replaced()] == [15] * replaces
    placed = {(each.dispatcher, each.core) for each in second.placement.assignments}
    assert {(index, each.core) for index, each in second.dispatchers.items()} == placed


def test_who_shares_a_core_moves_to_one_that_came_back(kernel: Multikernel) -> None:
    """Placed anew where that is worth a move, and not again."""
    domain = kernel.spawn("cpu_bound", 16)
    kernel.take_offline(5)
    kernel.bring_online(5)
    assert 5 not in domain.cores
    (move,) = kernel.replace()
    assert (move.move.core, move.gain_ns > move.cost_ns) == (5, True)
    assert sorted(domain.cores) == list(range(16))
    assert kernel.replace() == []
    before = kernel.status(domain).progress
    kernel.run(100 * PS_PER_MS)
    assert kernel.status(domain).progress > before
    assert all(each.driver.core.number == domain.placement.assignments[index].core
               for index, each in domain.dispatchers.items())
