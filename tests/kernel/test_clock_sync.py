"""Timers put in step by each protocol, found to drift, corrected while programs run (dissertation §3.5.4, §3.6.3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.clock import PS_PER_MS, PS_PER_NS, PS_PER_S, PS_PER_US
from kernel.clock_sync import StartSynchronisation
from kernel.domain import Domain
from kernel.errors import KernelError
from kernel.multikernel import Multikernel
from kernel.rbed import Hard, Rbed, Task
from kernel.reference_clocks import METHODS, Method
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]

GANG = "B 1\nG 20 80 20\n"

some = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def apart(kernel: Multikernel) -> int:
    """By how much the timers differ at this instant, ps."""
    readings = [driver.clock.local(kernel.now) for driver in kernel.drivers.values()]
    return max(readings) - min(readings)


def wrong(kernel: Multikernel, offsets_ps: list[int]) -> None:
    """Put the timers of cores 1, 2, ... wrong by so much."""
    for core, by in enumerate(offsets_ps, start=1):
        kernel.drivers[core].correct_timer(by)


def gang(kernel: Multikernel) -> Domain:
    """Four of a gang that is phase-locked."""
    domain = kernel.spawn("cpu_bound", 4, cores=range(4), manifest=GANG)
    kernel.change_phase(domain.id, 1)
    return domain


def starts(kernel: Multikernel, domain: Domain, since: int) -> list[list[int]]:
    """When each core began the gang's slots."""
    return [
        [each.start_ps for each in kernel.slices([core], since, kernel.now)
         if each.domain == domain.id and each.end_ps - each.start_ps > 15 * PS_PER_MS]
        for core in domain.cores
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["amd-2x2", "amd-4x4", "intel-2x4", "scc"])
def test_a_booted_machine_s_timers_are_within_the_error_that_the_skb_tells(load: Load, name: str) -> None:
    kernel = Multikernel.boot(load(name))
    assert kernel.timekeeping.in_step
    assert kernel.timekeeping.method == ("messages" if name == "scc" else "tsc")
    assert apart(kernel) <= kernel.timekeeping.error_ps()


@some
@given(st.sampled_from(METHODS), st.lists(st.integers(-50 * PS_PER_US, 50 * PS_PER_US), min_size=1, max_size=15),
       st.integers(0, 1_000))  # fmt: skip
def test_whatever_was_wrong_is_right_to_within_the_error_after(
    load: Load, method: Method, offsets_ps: list[int], seed: int
) -> None:
    kernel = Multikernel.boot(load("amd-4x4"), seed=seed)
    wrong(kernel, offsets_ps)
    assert kernel.synchronise_timers(method)
    assert apart(kernel) <= kernel.timekeeping.error_ps()
    for core, by in enumerate(offsets_ps, start=1):
        seen = kernel.timekeeping.timers[core].offset_ps
        assert abs(seen - by) <= kernel.timekeeping.error_ps()


def test_a_busy_machine_stops_for_nobody_and_is_right_all_the_same(load: Load) -> None:
    kernel = Multikernel.boot(load("amd-4x4"))
    kernel.spawn("cpu_bound", 32)
    for method in METHODS:
        wrong(kernel, [3 * PS_PER_US, -8 * PS_PER_US, 20 * PS_PER_US])
        before = kernel.now
        assert kernel.synchronise_timers(method)
        assert kernel.now - before < 10 * PS_PER_MS
        assert apart(kernel) <= kernel.timekeeping.error_ps()


def test_counters_that_disagree_are_no_reference(load: Load) -> None:
    kb = load("amd-4x4")
    kb.assert_fact("tsc_offset(5, 4000)")
    kernel = Multikernel.boot(kb)
    assert kernel.timekeeping.method == "pit"
    assert apart(kernel) <= kernel.timekeeping.error_ps()
    kernel.synchronise_timers("tsc")
    assert apart(kernel) == pytest.approx(4_000 * PS_PER_NS, abs=kernel.hardware.cost_ps("tsc_read", 0))
    assert apart(kernel) <= kernel.timekeeping.error_ps()


def test_a_clock_that_not_all_cores_can_read_is_refused(load: Load) -> None:
    kernel = Multikernel.boot(load("scc"))
    with pytest.raises(KernelError, match="not all cores can read it"):
        kernel.synchronise_timers("pit")


def test_a_core_that_never_answers_turns_phase_locking_off_after_a_second(load: Load) -> None:
    kernel = Multikernel.boot(load("scc"))
    kernel.drivers[7].hold(kernel.now, 3 * PS_PER_S)
    before = kernel.now
    assert not kernel.synchronise_timers()
    assert kernel.now - before == pytest.approx(PS_PER_S, rel=0.001)
    assert not kernel.phase_locked
    kernel.run(3 * PS_PER_S)
    assert kernel.synchronise_timers() and kernel.phase_locked, "and on again when it can be done"


@some
@given(st.lists(st.integers(-100_000, 100_000), min_size=1, max_size=3), st.sampled_from(["amd-4x4", "scc"]))
def test_a_drift_is_measured_and_corrected_while_a_gang_runs(load: Load, drifts: list[int], name: str) -> None:
    kb = load(name)
    for core, ppb in enumerate(drifts, start=1):
        kb.assert_fact(f"timer_drift({core}, {ppb})")
    kernel = Multikernel.boot(kb)
    domain = gang(kernel)
    kernel.run(4 * PS_PER_S)
    error = kernel.timekeeping.error_ps()
    for core, ppb in enumerate(drifts, start=1):
        seen = kernel.timekeeping.timers[core].drift_ppb
        assert seen is not None
        assert seen == pytest.approx(ppb, rel=0.05, abs=30 if name == "amd-4x4" else 40_000)
    since = kernel.now
    kernel.run(4 * PS_PER_S)
    assert apart(kernel) <= error
    slack = error + 2 * kernel.hardware.cost_ps("context_switch", 0) + kernel.hardware.cost_ps("interrupt", 0)
    for together in zip(*starts(kernel, domain, since), strict=True):
        assert max(together) - min(together) <= slack
    assert sum(each.task.misses for each in domain.dispatchers.values()) == 0


def rounds(kernel: Multikernel, seconds: int) -> int:
    before = kernel.timekeeping.rounds
    kernel.run(seconds * PS_PER_S)
    return kernel.timekeeping.rounds - before


def test_timers_that_do_not_drift_are_left_alone(load: Load) -> None:
    """Compared after 1, 2, 4, ... seconds; without a gang never."""
    kernel = Multikernel.boot(load("amd-4x4"))
    assert rounds(kernel, 20) == 0
    domain = gang(kernel)
    assert rounds(kernel, 16) == 4
    kernel.change_phase(domain.id, 0)
    rounds(kernel, 32)
    assert rounds(kernel, 64) == 0


def test_no_message_is_sent_for_a_scheduler_that_locks_nothing(load: Load) -> None:
    kernel = Multikernel.boot(load("amd-4x4"), scheduler="cfs")
    gang(kernel)
    assert rounds(kernel, 10) == 0


def test_a_gang_goes_on_after_a_core_was_off_line_and_drifted(load: Load) -> None:
    kb = load("amd-4x4")
    kb.assert_fact("timer_drift(9, 80000)")
    kernel = Multikernel.boot(kb)
    gang(kernel)
    kernel.take_offline(9)
    kernel.run(3 * PS_PER_S)
    kernel.bring_online(9)
    kernel.run(10 * PS_PER_S)
    assert apart(kernel) <= kernel.timekeeping.error_ps()


def test_an_answer_that_comes_too_late_changes_nothing(load: Load) -> None:
    """The second is over, another synchronisation has begun: the first one's answers are still under way."""
    kernel = Multikernel.boot(load("scc"))
    kernel.drivers[7].hold(kernel.now, 2 * PS_PER_S)
    kernel.synchronise_timers()
    kernel.monitors[0].endpoint.deliver(StartSynchronisation("messages", running=True), 0, kernel.now)
    kernel.run(3 * PS_PER_S)
    assert kernel.synchronise_timers()
    assert apart(kernel) <= kernel.timekeeping.error_ps()


@given(st.integers(-30, 30), st.integers(1, 200))
def test_a_corrected_schedule_keeps_to_the_clock_s_instants(by: int, at: int) -> None:
    """A zero-laxity slot every 100: whatever the correction, the next one begins when the clock says so."""
    scheduler = Rbed(20)
    task = Task(1)
    scheduler.add(task, Hard(wcet=40, period=100, deadline=40), 0, release=0)
    clock = 0
    corrected = False
    begins = []
    while clock < 1_000:
        if not corrected and clock >= at:
            scheduler.correct_clock(clock, clock + by)
            clock, corrected = clock + by, True
        if scheduler.dispatch(clock) is task and task.release_time % 100 == 0:
            begins.append(clock)
        decision = scheduler.next_decision(clock)
        assert decision is not None
        clock = max(clock + 1, decision) if corrected else max(clock + 1, min(decision, at))
    assert task.misses == 0
    assert {begin % 100 for begin in begins if begin > at + 100} == {0}
