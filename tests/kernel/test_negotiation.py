"""Domains are told what they are allocated, asked to give up cores, and virtualised where they do not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.activation import Activation, AwaitAllocation
from kernel.admission import CAPACITY
from kernel.clock import PS_PER_MS, PS_PER_S
from kernel.domain import Domain, DomainState
from kernel.errors import KernelError
from kernel.messaging.binding import export
from kernel.multikernel import Multikernel
from kernel.negotiation import relinquish
from kernel.program import Compute, Environment, Loop, Program
from kernel.rbed import Hard
from kernel.resources import rsrc_spare, rsrc_want
from kernel.spanning import Spanned, span
from kernel.synchronisation import Post, WaitSemaphore
from kernel.thread_operations import Fork, Join, Migrate, Sleep
from kernel.threads import Code
from skb.knowledge import KnowledgeBase
from skb.placement import PlacementError

Load = Callable[[str], KnowledgeBase]
Main = Callable[[Environment], Code]


@pytest.fixture
def kernel(load: Load) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


def own(main: Main) -> Program:
    return Program("own", "", "", main)


def listening(heard: dict[int, list[Activation]]) -> Main:
    """A program that notes, by dispatcher, its page after each change."""

    def main(environment: Environment) -> Code:
        seen = 0
        while True:
            page = yield AwaitAllocation(seen)
            heard.setdefault(environment.rank, []).append(page)
            seen = page.changes

    return main


def giving_up(environment: Environment) -> Code:
    """Computes in small pieces, and ends its dispatcher when it is asked for the core."""
    while True:
        yield Compute(100_000)
        environment.count()
        page = environment.activation(environment.rank)
        if environment.rank > 0 and page is not None and page.asked_until_ps is not None:
            yield from relinquish(environment)


def late(environment: Environment) -> Code:
    """Does as it is asked when it finds that it shares its core with another of its domain."""
    while True:
        yield Compute(100_000)
        page = environment.activation(environment.rank)
        if environment.rank == environment.size - 1 and page is not None and page.sharing > 1:
            yield from relinquish(environment)


def allocated(kernel: Multikernel, domain: Domain) -> dict[int, int]:
    """Where the SKB has the domain's dispatchers."""
    rows = kernel.kb.all(f"allocation({domain.id}, D, C)")
    return {row["D"]: row["C"] for row in rows}


def agrees(kernel: Multikernel) -> None:
    """The SKB, the domain and the CPU drivers say the same of who is where, and no core is over-committed."""
    for status in kernel.domains():
        domain = kernel.find(str(status.id))
        if not domain.alive:
            assert allocated(kernel, domain) == {}
            continue
        placed = {each.dispatcher: each.core for each in domain.placement.assignments}
        there = {index: each.core for index, each in domain.dispatchers.items() if each.scheduled}
        assert allocated(kernel, domain) == placed == there
    for driver in kernel.drivers.values():
        hard = [each.task.parameters for each in driver.dispatchers.values()]
        assert sum(Fraction(each.wcet, each.period) for each in hard if isinstance(each, Hard)) <= CAPACITY
        assert all(each.task.misses == 0 for each in driver.dispatchers.values())


def test_the_first_request_takes_as_long_as_the_next(load: Load) -> None:
    """The SKB's inferences are simulated time, so the same session is the same however often."""

    def took() -> list[int]:
        kernel = Multikernel.boot(load("amd-4x4"))
        domain = kernel.spawn("barrier", 4, cores=(0, 1, 2, 3), manifest="G 20 80 20")
        other = kernel.spawn(own(giving_up), 4, cores=(4, 5, 6, 7))
        times = []
        for each in (domain, other):
            kernel.reclaim(each.id, 2, PS_PER_MS)
            times.append(kernel.now)
        return times

    assert took() == took()


# -- being told ------------------------------------------------------------------------------------


def test_a_program_is_told_of_a_change_of_phase(kernel: Multikernel) -> None:
    heard: dict[int, list[Activation]] = {}
    manifest = "B 1\nG 20 80 20"
    domain = kernel.spawn(own(listening(heard)), 2, cores=(1, 2), manifest=manifest)
    assert heard == {}
    kernel.change_phase(domain.id, 1)
    kernel.run(PS_PER_S)
    assert [(page.period_ps, page.share) for page in heard[1]] == [(80 * PS_PER_MS, Fraction(1, 4))]
    kernel.change_phase(domain.id, 0)
    kernel.run(PS_PER_S)
    assert [page.share for page in heard[0]] == [Fraction(1, 4), 1]


def test_a_program_is_told_that_its_allocation_shrank(kernel: Multikernel) -> None:
    heard: dict[int, list[Activation]] = {}
    kernel.spawn(own(listening(heard)), cores=(1,), manifest="H 60 100")
    kernel.run(PS_PER_S)
    before = heard[0][-1].share
    kernel.spawn("cpu_bound", cores=(1,), manifest="H 60 100")
    kernel.run(PS_PER_S)
    assert (before, heard[0][-1].share) == (Fraction(6, 10), Fraction(45, 100))


def test_a_program_is_told_that_it_has_been_moved(kernel: Multikernel) -> None:
    heard: dict[int, list[Activation]] = {}
    domain = kernel.spawn(own(listening(heard)))
    before = domain.dispatchers[0].core
    if before == 0:
        kernel.kill(domain.id)
        kernel.spawn("cpu_bound")
        domain = kernel.spawn(own(listening(heard)))
        before = domain.dispatchers[0].core
    kernel.take_offline(before)
    kernel.run(PS_PER_MS)
    assert [page.core for page in heard[0]] == [domain.dispatchers[0].core] != [before]


def test_a_program_is_told_by_when_it_is_to_give_up_its_core(kernel: Multikernel) -> None:
    heard: dict[int, list[Activation]] = {}
    domain = kernel.spawn(own(listening(heard)), 3, cores=(1, 2, 3))
    asked = kernel.now
    kernel.reclaim(domain.id, 1, 10 * PS_PER_MS)
    kernel.run(PS_PER_MS)
    request, moved = heard[2]
    assert (request.core, moved.core) == (3, 1)
    assert request.asked_until_ps is not None and moved.asked_until_ps is None
    assert 10 * PS_PER_MS <= request.asked_until_ps - asked < 11 * PS_PER_MS
    assert set(heard) == {2}
    assert [domain.dispatchers[index].page.sharing for index in range(3)] == [2, 1, 2]


def test_who_waits_for_a_change_is_told_by_an_upcall(kernel: Multikernel) -> None:
    """The cost of the upcall is the machine's; a page that says other changes than were seen costs nothing."""
    def main(environment: Environment) -> Code:
        yield AwaitAllocation(7)
        environment.memory["at once"] = True
        yield AwaitAllocation()

    domain = kernel.spawn(own(main), 2, cores=(1, 2))
    kernel.run(PS_PER_MS)
    dispatcher = domain.dispatchers[1]
    before = dispatcher.cpu_time_ps
    kernel.reclaim(domain.id, 1, PS_PER_MS)
    kernel.run(PS_PER_MS)
    assert domain.memory == {"at once": True}
    assert dispatcher.cpu_time_ps - before == kernel.hardware.cost_ps("activation", 2)


# -- giving up -------------------------------------------------------------------------------------


def test_who_responds_has_a_dispatcher_fewer(kernel: Multikernel) -> None:
    domain = kernel.spawn(own(giving_up), 4, cores=(0, 1, 2, 3))
    kernel.run(100 * PS_PER_MS)
    request = kernel.reclaim(domain.id, (1, 3))
    assert {index: (fate.core, fate.what) for index, fate in request.fates.items()} == {
        1: (1, "given up"), 3: (3, "given up")
    }
    assert domain.cores == (0, 2)
    agrees(kernel)
    before = domain.progress(kernel.now)
    kernel.run(PS_PER_S)
    assert domain.progress(kernel.now) - before == pytest.approx(2 * 25_000, rel=0.01)
    assert not [each for each in kernel.slices([1, 3], kernel.now - PS_PER_S, kernel.now) if each.domain == domain.id]
    kernel.kill(domain.id)
    assert domain.gone


def test_the_time_that_it_had_is_free(kernel: Multikernel) -> None:
    kernel.controller.use("near")
    domain = kernel.spawn(own(giving_up), 2, cores=(1, 2), manifest="G 80 100 80")
    with pytest.raises(PlacementError):
        kernel.spawn("cpu_bound", cores=(2,), manifest="H 50 100")
    kernel.reclaim(domain.id, 1)
    kernel.spawn("cpu_bound", cores=(2,), manifest="H 50 100")
    kernel.run(PS_PER_S)
    agrees(kernel)


def test_it_may_span_again_under_another_number(kernel: Multikernel) -> None:
    spanned: list[Spanned] = []

    def main(environment: Environment) -> Code:
        if environment.rank == 1:
            yield from relinquish(environment)
        yield Sleep(10_000_000)
        spanned.append((yield from span(environment, lambda _: iter_of(Loop(1000)), core=2)))
        yield Loop(1000)

    domain = kernel.spawn(own(main), 2, cores=(1, 2))
    kernel.run(PS_PER_S)
    assert spanned == [Spanned(2, 2)]
    assert {index: each.scheduled for index, each in domain.dispatchers.items()} == {0: True, 1: False, 2: True}
    agrees(kernel)


def test_it_spans_again_though_its_first_dispatcher_has_been_moved(kernel: Multikernel) -> None:
    spanned: list[Spanned] = []

    def main(environment: Environment) -> Code:
        yield WaitSemaphore(environment.semaphore("go"))
        spanned.append((yield from span(environment, lambda _: iter_of(Loop(1000)))))

    kernel.spawn("cpu_bound")
    domain = kernel.spawn(own(main))
    kernel.take_offline(domain.dispatchers[0].core)
    for each in domain.shared.values():
        waiter = next(iter(each.waiters))  # type: ignore[attr-defined]
        waiter.compute(0, waiter.resume)
        waiter.unblock(kernel.now)
    kernel.run(PS_PER_S)
    assert len(spanned) == 1 and spanned[0].rank == 1
    agrees(kernel)


def test_a_domain_whose_last_thread_gives_up_its_dispatcher_has_ended(kernel: Multikernel) -> None:
    def main(environment: Environment) -> Code:
        if environment.rank == 1:
            yield Sleep(10_000_000)
            yield from relinquish(environment)
        yield Compute(1000)

    domain = kernel.spawn(own(main), 2, cores=(1, 2))
    kernel.run(PS_PER_S)
    assert domain.state is DomainState.EXITED
    assert domain.gone and allocated(kernel, domain) == {}


def test_threads_go_elsewhere_before_their_dispatcher_ends(kernel: Multikernel) -> None:
    results: list[object] = []

    def worker(environment: Environment) -> Code:
        yield Compute(1_000_000)
        yield Migrate(environment.dispatchers[0])
        yield Post(environment.semaphore("gone"))
        yield Compute(10_000_000)
        return environment.rank

    def main(environment: Environment) -> Code:
        if environment.rank == 1:
            environment.memory["worker"] = yield Fork(worker(environment))
            yield WaitSemaphore(environment.semaphore("gone"))
            yield from relinquish(environment)
        yield Sleep(1_000_000)
        results.append((yield Join(environment.memory["worker"])))  # type: ignore[arg-type]

    domain = kernel.spawn(own(main), 2, cores=(1, 2))
    kernel.run(PS_PER_S)
    assert results == [1]
    assert domain.state is DomainState.EXITED


def two_threads(environment: Environment) -> Code:
    yield Fork(iter_of(Loop(1000)))
    yield from relinquish(environment)


def with_a_service(environment: Environment) -> Code:
    yield from export(environment, "service")
    yield from relinquish(environment)


@pytest.mark.parametrize(("main", "dispatcher", "why"), [
    (relinquish, 0, "dispatcher 0 of own cannot end: it has the page table, and coordinates phase changes"),
    (two_threads, 1, "dispatcher 1 of own has 1 other thread; they have to end or to migrate first"),
    (with_a_service, 1, "dispatcher 1 of own cannot end: 0 channels and 1 services of it are open"),
])  # fmt: skip
def test_a_dispatcher_that_is_needed_does_not_end(kernel: Multikernel, main: Main, dispatcher: int, why: str) -> None:
    refusals: list[str] = []

    def trying(environment: Environment) -> Code:
        if environment.rank == dispatcher:
            try:
                yield from main(environment)
            except KernelError as error:
                refusals.append(str(error))
        yield Loop(1000)

    kernel.spawn(own(trying), 2, cores=(1, 2))
    kernel.run(PS_PER_S)
    assert refusals == [why]
    agrees(kernel)


def iter_of(*operations: object) -> Code:
    yield from operations  # type: ignore[misc]


@pytest.mark.parametrize(("wanted", "why"), [
    (3, "domain 1 is on 3 cores and has to keep one: it can give up 2, not 3"),
    (0, "a domain is asked for 1 core at least, not 0"),
    ((1, 2, 3), "domain 1 has to keep a core; to give up 1-3 would leave it none"),
    ((0, 1), "domain 1 is not on core 0; it is on 1-3"),
])  # fmt: skip
def test_what_cannot_be_asked_for(kernel: Multikernel, wanted: int | tuple[int, ...], why: str) -> None:
    domain = kernel.spawn("barrier", 3, cores=(1, 2, 3))
    before = kernel.now, kernel.kb.all("allocation(D, I, C)")
    with pytest.raises(PlacementError) as refused:
        kernel.reclaim(domain.id, wanted)
    assert str(refused.value) == why
    assert (kernel.now, kernel.kb.all("allocation(D, I, C)")) == before
    assert kernel.kb.all("asked_back(D, C)") == []


def test_a_domain_that_ends_meanwhile_gives_up_nothing(kernel: Multikernel) -> None:
    domain = kernel.spawn(own(lambda _: iter_of(Compute(10_000_000))), 2, cores=(1, 2))
    with pytest.raises(KernelError, match="own has ended: exited"):
        kernel.reclaim(domain.id, 1)
    kernel.run(2 * PS_PER_S)  # until the patience would have been over
    assert kernel.kb.all("asked_back(D, C)") == kernel.kb.all("virtualised(D, I, C)") == []


# -- virtualised -----------------------------------------------------------------------------------


def test_a_team_that_does_not_respond_is_multiplexed_rather_than_gang_scheduled(kernel: Multikernel) -> None:
    """Dissertation §3.4.5, the example: from 4 threads to 3."""
    domain = kernel.spawn("barrier", 4, cores=(0, 1, 2, 3), manifest="G 20 80 20")
    kernel.run(PS_PER_S)
    together = kernel.status(domain).progress
    began = kernel.now
    request = kernel.reclaim(domain.id, 1, 100 * PS_PER_MS)
    assert kernel.now - began >= 100 * PS_PER_MS
    assert [(fate.what, fate.core, fate.to) for fate in request.fates.values()] == [("virtualised", 3, 0)]
    assert domain.cores == (0, 1, 2)
    agrees(kernel)
    kernel.run(100 * PS_PER_MS)
    assert not any(isinstance(each.task.parameters, Hard) for each in domain.dispatchers.values())
    assert [each.page.share for each in domain.dispatchers.values()] == [
        pytest.approx(0.5), 1, 1, pytest.approx(0.5)
    ]
    before = kernel.status(domain).progress
    kernel.run(PS_PER_S)
    alone = kernel.status(domain).progress - before
    assert 0 < alone < together  # it goes on, though slower than with a quarter of the time, all at once


def test_a_gang_is_one_again_when_who_was_late_has_ended(kernel: Multikernel) -> None:
    domain = kernel.spawn(own(late), 3, cores=(1, 2, 3), manifest="G 20 80 20")
    request = kernel.reclaim(domain.id, 1, 10 * PS_PER_MS)
    assert request.fates[2].what == "virtualised"
    kernel.run(PS_PER_S)
    assert domain.cores == (1, 2)
    assert kernel.kb.all("virtualised(D, I, C)") == kernel.kb.all("unganged(D, G)") == []
    assert all(isinstance(domain.dispatchers[each].task.parameters, Hard) for each in (0, 1))
    agrees(kernel)


def test_the_first_dispatcher_can_be_virtualised_only(kernel: Multikernel) -> None:
    domain = kernel.spawn(own(giving_up), 3, cores=(1, 2, 3))
    request = kernel.reclaim(domain.id, (1, 3), 10 * PS_PER_MS)
    assert {index: fate.what for index, fate in request.fates.items()} == {0: "virtualised", 2: "given up"}
    assert allocated(kernel, domain) == {0: 2, 1: 2}
    agrees(kernel)


def test_real_time_of_others_is_not_touched(kernel: Multikernel) -> None:
    kernel.controller.use("near")
    other = kernel.spawn("cpu_bound", 2, cores=(1, 2), manifest="G 40 80 40", name="other")
    domain = kernel.spawn("barrier", 2, cores=(1, 2), manifest="G 20 80 20")
    before = other.placement.assignments
    kernel.reclaim(domain.id, 1, PS_PER_MS)
    kernel.run(PS_PER_S)
    assert other.placement.assignments == before
    agrees(kernel)


# -- for others ------------------------------------------------------------------------------------


def test_a_domain_says_what_it_could_spare_or_use(kernel: Multikernel) -> None:
    def main(environment: Environment) -> Code:
        yield from rsrc_spare(environment, 2)
        yield from rsrc_want(environment, 1)
        yield from rsrc_spare(environment, 0)
        yield Loop(1000)

    domain = kernel.spawn(own(main), cores=(1,))
    kernel.run(PS_PER_MS)
    assert kernel.kb.all("wants_cores(D, N)") == [{"D": domain.id, "N": 1}]
    assert kernel.kb.all("can_spare(D, N)") == []
    kernel.kill(domain.id)
    assert kernel.kb.all("wants_cores(D, N)") == []


def test_a_spawn_that_does_not_fit_asks_who_can_spare_cores(kernel: Multikernel) -> None:
    kernel.controller.use("near")
    manifest = "G 80 100 80"
    spare = kernel.spawn("work_stealing", 3, cores=(1, 2, 3), manifest=manifest, arguments=("100000",))
    kernel.run(200 * PS_PER_MS)
    domain = kernel.spawn("cpu_bound", cores=(3,), manifest="H 50 100")
    assert (domain.cores, spare.cores) == ((3,), (1, 2))
    with pytest.raises(PlacementError, match="core 1 is over-committed"):
        kernel.spawn("cpu_bound", cores=(1,), manifest="H 50 100")  # that of dispatcher 0 nobody is asked for
    assert spare.cores == (1, 2)
    agrees(kernel)


def test_nobody_is_asked_who_has_not_said_so_or_for_nothing(kernel: Multikernel) -> None:
    kernel.controller.use("near")
    spare = kernel.spawn("cpu_bound", 3, cores=(1, 2, 3), manifest="G 80 100 80")
    with pytest.raises(PlacementError):
        kernel.spawn("cpu_bound", cores=(3,), manifest="H 50 100")
    assert spare.cores == (1, 2, 3)
    kernel.kb.assert_fact(f"may_reclaim({spare.id}, 1)")
    domain = kernel.spawn("cpu_bound", cores=(3,), manifest="H 50 100")
    assert allocated(kernel, spare) == {0: 1, 1: 2, 2: 1}  # it did not respond
    assert domain.cores == (3,)
    agrees(kernel)


def test_a_core_that_goes_off_line_is_asked_back_from_who_can_spare_it(kernel: Multikernel) -> None:
    spare = kernel.spawn("work_stealing", 3, cores=(1, 2, 3), arguments=("100000",))
    kernel.run(10 * PS_PER_MS)
    assert kernel.take_offline(3) == []
    assert spare.cores == (1, 2)
    with pytest.raises(PlacementError, match="core 1 stays on line: domain 1 is pinned to it"):
        kernel.take_offline(1)
    agrees(kernel)


# -- work, and anything that may happen --------------------------------------------------------------


def in_hand(domain: Domain) -> list[int]:
    queues = domain.memory.get("deques", [])
    assert isinstance(queues, list)
    return [task for queue in queues if isinstance(queue, deque) for task in queue]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asks=st.lists(st.tuples(st.integers(0, 80), st.integers(1, 3), st.sampled_from([0, 5, 1000])), max_size=3),
    neighbours=st.integers(0, 2),
)
def test_no_work_is_lost_or_done_twice(load: Load, asks: list[tuple[int, int, int]], neighbours: int) -> None:
    """Cores are reclaimed at any time, some of them too soon for the program to respond."""
    kernel = Multikernel.boot(load("amd-4x4"))
    tasks = 600
    domain = kernel.spawn("work_stealing", 6, cores=range(1, 7), arguments=(str(tasks), "1000000"))
    for _ in range(neighbours):
        kernel.spawn("cpu_bound", 2, cores=(2, 5))
    for wait_ms, cores, within_ms in asks:
        kernel.run(wait_ms * PS_PER_MS)
        with suppress(KernelError, PlacementError):  # it has ended, or has no more to give
            kernel.reclaim(domain.id, cores, within_ms * PS_PER_MS)
        waiting = in_hand(domain)
        assert len(waiting) == len(set(waiting))
        started = tasks - len(waiting) - sum(domain.tally.values())
        assert 0 <= started <= tasks
        agrees(kernel)
    kernel.run_until(lambda: not domain.alive, 30 * PS_PER_S)
    assert domain.state is DomainState.EXITED
    assert sum(domain.tally.values()) == tasks
    assert in_hand(domain) == []


MANIFESTS = (None, "B 1\nG 20 80 20", "G 30 100 30", "H 20 100", "B 1\nH 40 80")
STEP = st.one_of(
    st.tuples(st.just("spawn"), st.integers(1, 4), st.integers(0, len(MANIFESTS) - 1)),
    st.tuples(st.just("reclaim"), st.integers(0, 5), st.integers(1, 3)),
    st.tuples(st.just("kill"), st.integers(0, 5), st.just(0)),
    st.tuples(st.just("phase"), st.integers(0, 5), st.integers(0, 1)),
    st.tuples(st.just("run"), st.integers(1, 200), st.just(0)),
    st.tuples(st.just("offline"), st.integers(1, 7), st.just(0)),
    st.tuples(st.just("online"), st.integers(1, 7), st.just(0)),
)


def happens(kernel: Multikernel, step: tuple[str, int, int], programs: tuple[str | Program, ...]) -> None:
    what, one, other = step
    living = [kernel.find(str(each.id)) for each in kernel.domains() if kernel.find(str(each.id)).alive]
    if what == "spawn":
        program = programs[(one + other) % len(programs)]
        kernel.spawn(program, one, manifest=MANIFESTS[other])
    elif what == "run":
        kernel.run(one * PS_PER_MS)
    elif what == "offline":
        kernel.take_offline(one)
    elif what == "online":
        kernel.bring_online(one)
    elif living:
        domain = living[one % len(living)]
        if what == "reclaim":
            kernel.reclaim(domain.id, other, 3 * PS_PER_MS)
        elif what == "kill":
            kernel.kill(domain.id)
        else:
            kernel.change_phase(domain.id, other)


def survives(load: Load, steps: list[tuple[str, int, int]]) -> None:
    kernel = Multikernel.boot(load("intel-2x4"))
    for step in steps:
        with suppress(KernelError, PlacementError):  # refused: it must have changed nothing
            happens(kernel, step, ("barrier", own(giving_up), "cpu_bound", own(late)))
        agrees(kernel)
    before = {each.id: each.progress for each in kernel.domains() if each.state == "running"}
    kernel.run(5 * PS_PER_S)
    agrees(kernel)
    for each in kernel.domains():
        if each.id in before and each.program != "own":
            assert each.progress > before[each.id]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=8))
def test_no_core_is_ever_over_committed(load: Load, steps: list[tuple[str, int, int]]) -> None:
    survives(load, steps)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=20))
def test_nor_after_many_steps(load: Load, steps: list[tuple[str, int, int]]) -> None:
    survives(load, steps)
