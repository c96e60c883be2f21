"""Ways to schedule all cores: what each does with gangs, what all of them keep to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.clock import PS_PER_MS, PS_PER_S, PS_PER_US
from kernel.domain import Domain
from kernel.errors import KernelError
from kernel.multikernel import Multikernel
from kernel.schedulers.balancing import Linux
from kernel.schedulers.kinds import KINDS
from skb.knowledge import KnowledgeBase
from skb.placement import PlacementError

Load = Callable[[str], KnowledgeBase]
ALL = sorted(KINDS)
COORDINATED = ["gang-ipi", "gang-user"]


def timeslice(kb: KnowledgeBase, name: str, ms: int) -> None:
    kb.assert_fact(f'cost({KINDS[name].timeslice}, {ms}, ms, "this test")')


def pair(load: Load, name: str, ms: int = 10, cores: int = 8) -> tuple[Multikernel, Domain, Domain]:
    """A barrier and a compute-bound domain on the same cores, under a scheduler with timeslices of so many ms."""
    kb = load("amd-4x4")
    if KINDS[name].timeslice is not None:
        timeslice(kb, name, ms)
    kernel = Multikernel.boot(kb, scheduler=name)
    barrier, stressor = (kernel.spawn(program, cores, cores=range(cores)) for program in ("barrier", "cpu_bound"))
    return kernel, barrier, stressor


def together(kernel: Multikernel, domain: Domain, since: int) -> tuple[int, int]:
    """For how long all dispatchers of the domain ran at once, and for how long any did, ps."""
    edges: list[tuple[int, int]] = []
    for each in kernel.slices(domain.cores, since, kernel.now):
        if each.domain == domain.id:
            edges += [(each.start_ps, 1), (each.end_ps, -1)]
    everybody = anybody = running = 0
    last = since
    for at, step in sorted(edges):
        everybody += (at - last) * (running == len(domain.cores))
        anybody += (at - last) * (running > 0)
        last, running = at, running + step
    return everybody, anybody


@pytest.mark.parametrize("name", ALL)
def test_programs_end_and_every_picosecond_is_accounted_for(load: Load, name: str) -> None:
    kernel = Multikernel.boot(load("amd-4x4"), scheduler=name)
    booted = kernel.now
    domains = [kernel.spawn(program, 4) for program in ("hello", "fork_join", "work_stealing", "pipeline")]
    kernel.run_until(lambda: not kernel.at_work, PS_PER_S)
    for domain in domains:
        assert not domain.fault, f"{domain.name}: {domain.fault}"
    for each in kernel.cores():
        parts = each.user_ps, each.kernel_ps, each.switch_ps, each.interrupt_ps, each.idle_ps
        assert sum(parts) == kernel.now - booted


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_run(load: Load, name: str) -> None:
    def run() -> list[tuple[int, int, int, int]]:
        kernel, *_ = pair(load, name)
        kernel.run(PS_PER_S // 4)
        ran = kernel.slices(range(16), 0, kernel.now)
        return [(each.start_ps, each.end_ps, each.core, each.domain) for each in ran]

    assert run() == run()


@pytest.mark.parametrize("name", COORDINATED)
def test_gangs_run_together_by_turns(load: Load, name: str) -> None:
    kernel, barrier, stressor = pair(load, name)
    since = kernel.now
    kernel.run(PS_PER_S)
    for domain in (barrier, stressor):
        everybody, anybody = together(kernel, domain, since)
        assert everybody > 0.97 * anybody
        assert 0.45 * PS_PER_S < anybody < 0.55 * PS_PER_S


def test_the_coordinator_switches_a_core_after_the_other(load: Load) -> None:
    """An interrupt takes its time to be sent: the last core begins so much later than the first."""
    kernel, barrier, _ = pair(load, "gang-ipi")
    kernel.run(PS_PER_S)
    since = PS_PER_S // 2
    begins = {
        core: [each.start_ps for each in kernel.slices([core], since, kernel.now) if each.domain == barrier.id]
        for core in (1, 7)
    }
    send = kernel.hardware.cost_ps("ipi_send", 0)
    apart = [last - first for first in begins[1] for last in begins[7] if abs(last - first) < PS_PER_MS]
    assert len(apart) > 20
    assert all(6 * send <= each < 6 * send + 2 * PS_PER_US for each in apart)


def test_slurm_stops_a_job_whose_turn_it_is_not(load: Load) -> None:
    kernel, barrier, stressor = pair(load, "slurm-like", ms=200)
    kernel.run(PS_PER_S // 10)
    before = kernel.status(stressor).cpu_time_ps
    kernel.run(PS_PER_S // 20)
    assert kernel.status(stressor).cpu_time_ps == before, "its turn has not come"
    kernel.run(PS_PER_S)
    everybody, anybody = together(kernel, barrier, 0)
    assert everybody > 0.9 * anybody
    assert kernel.status(stressor).cpu_time_ps > 8 * PS_PER_S // 3


def test_slurm_takes_its_daemons_time_to_switch(load: Load) -> None:
    """Each of eight cores is asked over a connection of its own, one after the other."""
    kernel, barrier, stressor = pair(load, "slurm-like", ms=100)
    kernel.run(PS_PER_S)
    ran = kernel.slices([7], 0, kernel.now)
    ends = [each.end_ps for each in ran if each.domain == barrier.id]
    begins = [each.start_ps for each in ran if each.domain == stressor.id]
    gap = min(begin - max(end for end in ends if end <= begin) for begin in begins[1:])
    assert gap > 8 * 5 * kernel.hardware.cost_ps("tcp_packet", 0)


@pytest.mark.parametrize("name", [*COORDINATED, "slurm-like"])
def test_who_is_left_has_all_the_time_when_a_gang_ends(load: Load, name: str) -> None:
    kernel, barrier, stressor = pair(load, name)
    kernel.run(PS_PER_S // 10)
    kernel.kill(barrier.id)
    kernel.run(PS_PER_S // 10)
    before = kernel.status(stressor).cpu_time_ps
    kernel.run(PS_PER_S // 10)
    assert kernel.status(stressor).cpu_time_ps - before > 0.99 * 8 * PS_PER_S // 10


@pytest.mark.parametrize("name", COORDINATED)
def test_one_that_is_no_gang_has_its_turn_too(load: Load, name: str) -> None:
    kernel, *_ = pair(load, name)
    single = kernel.spawn("cpu_bound", 1, cores=[3])
    before = kernel.status(single).cpu_time_ps
    kernel.run(PS_PER_S)
    share = (kernel.status(single).cpu_time_ps - before) / PS_PER_S
    assert 0.05 < share < 0.35


@pytest.mark.parametrize("name", COORDINATED)
def test_a_manifest_says_who_is_a_gang_and_when(load: Load, name: str) -> None:
    kb = load("amd-4x4")
    kernel = Multikernel.boot(kb, scheduler=name)
    gang = kernel.spawn("cpu_bound", 8, cores=range(8), manifest="B 1\nG 20 80\n")
    kernel.spawn("cpu_bound", 12, cores=[0, 1, 2, 0, 1, 0], manifest="B 1\n")
    shares = []
    for phase in (0, 1):
        kernel.change_phase(gang.id, phase)
        since = kernel.now
        kernel.run(PS_PER_S)
        everybody, _ = together(kernel, gang, since)
        shares.append(everybody / PS_PER_S)
    assert shares[0] < 0.2 < 0.45 < shares[1], "every second turn is the gang's own"


def test_an_idle_core_takes_over_what_waits(load: Load) -> None:
    kernel = Multikernel.boot(load("amd-4x4"), scheduler="cfs")
    first = kernel.spawn("cpu_bound", 16)
    second = kernel.spawn("cpu_bound", 8)
    kernel.kill(first.id)
    kernel.run(PS_PER_S)
    third = kernel.spawn("cpu_bound", 1, cores=[second.cores[0]])
    fourth = kernel.spawn("cpu_bound", 12)
    kernel.kill(third.id)
    kernel.run(PS_PER_S)
    assert isinstance(kernel.regime, Linux)
    before = {each.id: kernel.status(each).cpu_time_ps for each in (second, fourth)}
    idle = [each.idle_ps for each in kernel.cores()]
    kernel.run(PS_PER_S)
    assert sum(each.idle_ps for each in kernel.cores()) - sum(idle) < 0.1 * PS_PER_S
    for each in (second, fourth):
        assert kernel.status(each).cpu_time_ps > before[each.id]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_skb_knows_where_the_balancer_has_put_everybody(load: Load, data: st.DataObject) -> None:
    kernel = Multikernel.boot(load("amd-4x4"), scheduler="cfs")
    domains: list[Domain] = []
    for _ in range(data.draw(st.integers(2, 6))):
        if domains and data.draw(st.booleans()):
            kernel.kill(domains.pop(data.draw(st.integers(0, len(domains) - 1))).id)
        else:
            program = data.draw(st.sampled_from(["barrier", "cpu_bound"]))
            domains.append(kernel.spawn(program, data.draw(st.integers(1, 12))))
        kernel.run(data.draw(st.integers(1, 40)) * PS_PER_MS)
    placed = {(row["D"], row["N"], row["C"]) for row in kernel.kb.all("facts:allocation(D, N, C)")}
    there = {
        (domain.id, dispatcher.index, dispatcher.core)
        for domain in domains for dispatcher in domain.dispatchers.values()
    }
    assert placed == there
    for domain in domains:
        assert [each.core for each in domain.placement.assignments] == [
            domain.dispatchers[index].core for index in range(len(domain.dispatchers))
        ]


def test_what_the_user_has_pinned_stays(load: Load) -> None:
    kernel = Multikernel.boot(load("amd-4x4"), scheduler="cfs")
    pinned = kernel.spawn("cpu_bound", 4, cores=[2])
    kernel.run(PS_PER_S)
    assert pinned.cores == (2,)


def test_partition_gives_each_domain_cores_of_its_own_or_none(load: Load) -> None:
    kernel = Multikernel.boot(load("amd-4x4"), scheduler="partition")
    first, second = kernel.spawn("barrier", 12), kernel.spawn("cpu_bound", 8)
    assert not set(first.cores) & set(second.cores)
    assert len(second.cores) == 4, "its dispatchers share what is left"
    with pytest.raises(PlacementError, match="16 of 16 cores are taken"):
        kernel.spawn("hello")


def test_an_unknown_scheduler_is_refused_with_the_name_that_was_meant(load: Load) -> None:
    with pytest.raises(KernelError, match="no scheduler 'gang-ip'; did you mean gang-ipi"):
        Multikernel.boot(load("amd-4x4"), scheduler="gang-ip")
