"""The booted machine as the shell sees it: spawn, run, change phase, kill; nothing half-changed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.clock import PS_PER_MS, PS_PER_NS, PS_PER_S
from kernel.errors import KernelError
from kernel.multikernel import Multikernel
from kernel.program import PROGRAMS, Compute, Environment, Program
from kernel.threads import Code
from kernel.timeline import Priority
from skb.knowledge import KnowledgeBase
from skb.placement import PlacementError

FIGURE_3_4 = """\
# Best-effort phase with scheduling priority of 1
B 1
# Deterministic scheduling
# WCET period deadline release time
H 80 160 80 480
"""

Load = Callable[[str], KnowledgeBase]


@pytest.fixture
def kernel(load: Load) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


def elapsed_on_each_core(kernel: Multikernel) -> set[int]:
    return {
        core.user_ps + core.kernel_ps + core.switch_ps + core.interrupt_ps + core.idle_ps
        for core in kernel.cores()
    }


def test_time_0_is_when_the_timers_were_put_in_step(kernel: Multikernel) -> None:
    assert kernel.timekeeping.in_step
    assert 0 <= kernel.now < PS_PER_MS
    readings = [driver.clock.local(kernel.now) for driver in kernel.drivers.values()]
    one_read_of_the_tsc = kernel.hardware.cost_ps("tsc_read", 0)
    assert max(readings) - min(readings) <= one_read_of_the_tsc


def test_a_gang_makes_many_times_the_best_effort_progress(load: Load) -> None:
    """Dissertation §3.1.2 and §3.5.4: the demo scenario, in little."""
    progress = []
    for manifest in (None, FIGURE_3_4):
        kernel = Multikernel.boot(load("amd-4x4"))
        kernel.spawn("cpu_bound", 8)
        barrier = kernel.spawn("barrier", 16, manifest=manifest)
        if manifest:
            kernel.change_phase(barrier.id, 1)
        kernel.run(PS_PER_S)
        progress.append(kernel.status(barrier).progress)
        assert kernel.status(barrier).deadline_misses == 0
    assert progress[1] > 100 * progress[0] > 0


def test_the_members_of_a_gang_start_their_timeslices_together(kernel: Multikernel) -> None:
    kernel.spawn("cpu_bound", 8)
    gang = kernel.spawn("barrier", 16, manifest=FIGURE_3_4)
    kernel.change_phase(gang.id, 1)
    changed = kernel.now
    kernel.run(2 * PS_PER_S)
    release = 480 * PS_PER_MS
    starts: dict[int, list[int]] = {}
    for piece in kernel.slices(range(16), changed + release // 2, kernel.now):
        if piece.domain == gang.id and piece.end_ps - piece.start_ps > PS_PER_MS:
            starts.setdefault(round(piece.start_ps / (160 * PS_PER_MS)), []).append(piece.start_ps)
    assert len(starts) >= 8
    for slot in list(starts.values())[1:-1]:  # who was blocked when the gang began joins within the first slot
        assert len(slot) == 16
        assert max(slot) - min(slot) <= 2 * kernel.hardware.cost_ps("tsc_read", 0)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spawns=st.lists(
        st.tuples(st.sampled_from(["barrier", "cpu_bound"]), st.integers(1, 20), st.booleans()), max_size=4
    ),
    durations_ms=st.lists(st.integers(1, 400), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_every_picosecond_of_every_core_is_accounted_for(
    load: Load, spawns: list[tuple[str, int, bool]], durations_ms: list[int], seed: int
) -> None:
    kernel = Multikernel.boot(load("amd-4x4"), seed=seed)
    begin = kernel.now
    for (program, dispatchers, kill), duration in zip(spawns, durations_ms * 4, strict=False):
        domain = kernel.spawn(program, dispatchers)
        kernel.run(duration * PS_PER_MS)
        if kill:
            kernel.kill(domain.id)
            assert kernel.status(domain).state == "killed"
    assert elapsed_on_each_core(kernel) == {kernel.now - begin}


def test_the_same_seed_gives_the_same_schedule(load: Load) -> None:
    def digest(seed: int) -> str:
        kernel = Multikernel.boot(load("amd-4x4"), seed=seed)
        kernel.spawn("barrier", 5)
        kernel.spawn("cpu_bound", 9)
        kernel.run(PS_PER_S)
        return kernel.log.digest()

    assert digest(1) == digest(1)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (lambda k: k.spawn("foo"), "no program 'foo'; programs lists them"),
        (lambda k: k.spawn("barrier", 0), "at least one dispatcher"),
        (lambda k: k.spawn("barrier", arguments=["7"]), "takes no arguments"),
        (lambda k: k.spawn("barrier", name="3"), "another --name"),
        (lambda k: k.spawn("barrier", cores=(99,)), "99"),
        (lambda k: k.spawn("barrier", manifest="B 1\nH 80"), "manifest:2:"),
        (lambda k: k.spawn("barrier", 17, manifest="G 80 160"), "1[67]"),
        (lambda k: k.kill(7), "no domain 7"),
        (lambda k: k.change_phase(7, 1), "no domain 7"),
        (lambda k: k.find("nobody"), "no domain 'nobody'"),
    ],
)
def test_a_refused_request_says_why_and_changes_nothing(
    kernel: Multikernel, request_: Callable[[Multikernel], object], message: str
) -> None:
    before = kernel.now, kernel.domains(), kernel.kb.all("allocation(D, I, C)")
    with pytest.raises((KernelError, PlacementError), match=message):
        request_(kernel)
    assert (kernel.now, kernel.domains(), kernel.kb.all("allocation(D, I, C)")) == before


def test_a_machine_whose_clock_nobody_told_is_refused_in_words(load: Load) -> None:
    kb = load("amd-4x4")
    kb.retract_fact("cpu_clock(7, _)")
    with pytest.raises(KernelError, match=r"clock of core 7; a facts.pl beside the dumps can state"):
        Multikernel.boot(kb)


def test_a_phase_that_a_domain_does_not_have_is_refused(kernel: Multikernel) -> None:
    domain = kernel.spawn("barrier", 2)
    with pytest.raises(KernelError, match="has no phase 1; it has phase 0 only"):
        kernel.change_phase(domain.id, 1)


def test_a_killed_domain_leaves_nothing_behind(kernel: Multikernel) -> None:
    domain = kernel.spawn("barrier", 16, manifest=FIGURE_3_4)
    kernel.change_phase(domain.id, 1)
    kernel.run(PS_PER_S)
    kernel.kill(domain.id)
    assert domain.gone
    assert kernel.kb.all(f"allocation({domain.id}, _, _)") == []
    assert all(driver.current is None or driver.current.domain.id <= 0 for driver in kernel.drivers.values())
    with pytest.raises(KernelError, match="is not running: killed"):
        kernel.kill(domain.id)
    progress = kernel.status(domain).progress
    kernel.run(PS_PER_S)
    assert kernel.status(domain).progress == progress


def test_ctrl_c_during_a_run_keeps_what_has_happened(kernel: Multikernel) -> None:
    kernel.spawn("cpu_bound", 16)
    kernel.timeline.at(
        kernel.now + 300 * PS_PER_MS, Priority.TIMER, 0, lambda _: os.kill(os.getpid(), signal.SIGINT)
    )
    with pytest.raises(KeyboardInterrupt):
        kernel.run(10 * PS_PER_S)
    assert kernel.now < PS_PER_S
    kernel.run(PS_PER_S)
    assert len(elapsed_on_each_core(kernel)) == 1


def test_ctrl_c_during_a_spawn_takes_it_back(kernel: Multikernel) -> None:
    soon = kernel.now + PS_PER_NS
    kernel.timeline.at(soon, Priority.TIMER, 0, lambda _: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        kernel.spawn("barrier", 16)
    assert kernel.kb.all("allocation(D, I, C)") == []
    kernel.run(PS_PER_S)
    assert all(core.idle_ps > core.user_ps for core in kernel.cores())


@pytest.fixture
def programs() -> dict[str, Program]:
    """Programs of the test's own, gone afterwards."""

    def short(_: Environment) -> Code:
        yield Compute(2_500_000)

    def faulty(_: Environment) -> Code:
        yield Compute(100)
        raise ZeroDivisionError("of its own making")

    def busy_with_nothing(_: Environment) -> Code:
        while True:
            yield Compute(0)

    own = {main.__name__: Program(main.__name__, "", "", main) for main in (short, faulty, busy_with_nothing)}
    PROGRAMS.update(own)
    yield own  # type: ignore[misc]
    for name in own:
        del PROGRAMS[name]


def test_a_program_that_ends_exits(kernel: Multikernel, programs: dict[str, Program]) -> None:
    domain = kernel.spawn("short", 3)
    kernel.run(10 * PS_PER_MS)
    status = kernel.status(domain)
    assert status.state == "exited"
    assert status.cpu_time_ps >= 3 * PS_PER_MS
    assert domain.gone
    assert kernel.kb.all(f"allocation({domain.id}, _, _)") == []


@pytest.mark.parametrize(
    ("name", "fault"),
    [("faulty", "ZeroDivisionError: of its own making"), ("busy_with_nothing", "take no time")],
)
def test_a_fault_of_a_program_ends_the_program_only(
    kernel: Multikernel, programs: dict[str, Program], name: str, fault: str
) -> None:
    other = kernel.spawn("cpu_bound", 16)
    domain = kernel.spawn("cpu_bound", 1)
    kernel.kill(domain.id)
    with pytest.raises(KernelError, match=fault):
        kernel.spawn(name, 1)
        kernel.run(PS_PER_S)
        raise KernelError(kernel.domains()[-1].fault)
    before = kernel.status(other).progress
    kernel.run(PS_PER_S)
    assert kernel.status(other).progress > before


GENEROUS = """\
:- policy(generous, "the least loaded core; real time shares what it leaves").

cost(_, Core, Load) :- load(Core, Load).
slack(_, WEIGHT).
"""


@pytest.mark.parametrize(("weight", "share"), [(None, 0.25), ("1", 0.25 + 0.75 / 2), ("3", 0.25 + 0.75 * 3 / 4)])
def test_real_time_shares_slack_where_a_rule_says_so(
    kernel: Multikernel, tmp_path: Path, weight: str | None, share: float
) -> None:
    """20 of 80 ms are promised; of the other 60 best effort has what the rule leaves it."""
    if weight is not None:
        file = tmp_path / "generous.pl"
        file.write_text(GENEROUS.replace("WEIGHT", weight))
        kernel.controller.use(kernel.controller.load(file)[0])
    real_time = kernel.spawn("cpu_bound", 1, cores=(3,), manifest="H 20 80\n", name="real_time")
    kernel.spawn("cpu_bound", 1, cores=(3,))
    began, spent = kernel.now, kernel.status(real_time).cpu_time_ps
    kernel.run(20 * PS_PER_S)
    told = real_time.dispatchers[0].page
    assert (kernel.status(real_time).cpu_time_ps - spent) / (kernel.now - began) == pytest.approx(share, abs=0.02)
    assert (told.share, told.misses) == (Fraction(1, 4), 0)


@pytest.mark.parametrize("weight", ["0", "much", "1.5", "1000001"])
def test_a_weight_for_slack_that_is_none_counts_for_nothing_and_is_told(
    kernel: Multikernel, tmp_path: Path, weight: str
) -> None:
    file = tmp_path / "generous.pl"
    file.write_text(GENEROUS.replace("WEIGHT", weight))
    kernel.controller.use(kernel.controller.load(file)[0])
    placement = kernel.spawn("cpu_bound", manifest="H 10 80\n").placement
    assert placement.slack == {}
    assert placement.warning == (
        f"policy generous: slack(0, Weight) gives {weight}, no weight from 1 to 1,000,000; nobody gets slack"
    )


def test_a_missed_deadline_of_soft_real_time_is_told_to_the_task(kernel: Multikernel) -> None:
    """The RBED paper: soft real time gets what there is, and learns of the deadlines that it missed."""
    seen: list[int] = []

    def main(environment: Environment) -> Code:
        while True:
            yield Compute(100_000_000)
            page = environment.activation(0)
            assert page is not None
            seen.append(page.misses)

    for name in ("one", "two"):
        kernel.spawn(Program(name, "", "", main), 1, cores=(3,), manifest="S 60 80\n")
    kernel.run(5 * PS_PER_S)
    assert seen[-1] > 0
