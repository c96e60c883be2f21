"""Domains: spanning more cores as they run, ending in every state, and leaving nothing behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from kernel.clock import PS_PER_MS, PS_PER_S
from kernel.dispatching import Install, MapPage, Touch
from kernel.domain import Domain, DomainState
from kernel.errors import KernelError
from kernel.messaging.binding import bind, export
from kernel.messaging.endpoint import Endpoint
from kernel.multikernel import Multikernel
from kernel.program import PROGRAMS, Compute, Environment, Loop, Program, Receive, Spend
from kernel.spanning import Spanned, span
from kernel.threads import Code
from skb.knowledge import KnowledgeBase
from skb.placement import PlacementError

Load = Callable[[str], KnowledgeBase]
Main = Callable[[Environment], Code]


@pytest.fixture
def kernel(load: Load) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


@pytest.fixture
def register() -> Iterator[Callable[..., str]]:
    """`register(main)`: a program of the test's own; its name."""
    made: list[str] = []

    def register_it(main: Main, built_for: tuple[str, ...] = ()) -> str:
        name = f"own{len(made)}"
        made.append(name)
        PROGRAMS[name] = Program(name, "", "", main, built_for)
        return name

    yield register_it
    for name in made:
        del PROGRAMS[name]


def endless(_: Environment) -> Code:
    yield Loop(1000)


# -- spanning --------------------------------------------------------------------------------------


def test_a_program_spans_its_domain_to_a_core_it_names(kernel: Multikernel, register: Callable[..., str]) -> None:
    answers: list[Spanned] = []
    seen: list[tuple[int, int, int]] = []

    def worker(environment: Environment) -> Code:
        seen.append((environment.rank, environment.size, environment.core))
        yield Loop(1000)

    def main(environment: Environment) -> Code:
        answers.append((yield from span(environment, worker, 7)))
        yield Loop(1000)

    domain = kernel.spawn(register(main), 2, cores=(1, 2))
    kernel.run(PS_PER_S)
    assert sorted((answer.rank, answer.core) for answer in answers) == [(2, 7), (3, 7)]
    assert sorted(seen) == [(2, 4, 7), (3, 4, 7)]
    assert domain.cores == (1, 2, 7)
    assert kernel.kb.all(f"allocation({domain.id}, D, 7)") == [{"D": 2}, {"D": 3}]
    kernel.status(domain)
    share = [dispatcher.cpu_time_ps for dispatcher in domain.dispatchers.values()]
    assert share == pytest.approx([PS_PER_S, PS_PER_S, PS_PER_S // 2, PS_PER_S // 2], rel=0.25)
    kernel.kill(domain.id)
    assert domain.gone


def test_the_policy_says_where_if_the_program_does_not(kernel: Multikernel, register: Callable[..., str]) -> None:
    answers: list[Spanned] = []

    def main(environment: Environment) -> Code:
        answers.append((yield from span(environment, endless)))
        yield Loop(1000)

    kernel.spawn("cpu_bound", 3)
    domain = kernel.spawn(register(main))
    kernel.run(PS_PER_S)
    assert [answer.rank for answer in answers] == [1]
    assert len(set(domain.cores)) == 2
    assert not set(domain.cores) & set(kernel.find("cpu_bound").cores)


@pytest.mark.parametrize(
    ("core", "refusal"),
    [(99, "no core 99; cores are 0-15"), (5, "core 5 is off line; core online 5 brings it back")],
)
def test_a_span_that_cannot_be_is_refused_and_the_program_told(
    kernel: Multikernel, register: Callable[..., str], core: int, refusal: str
) -> None:
    answers: list[Spanned] = []

    def main(environment: Environment) -> Code:
        answers.append((yield from span(environment, endless, core)))

    kernel.take_offline(5)
    domain = kernel.spawn(register(main))
    kernel.run(PS_PER_S)
    assert answers == [Spanned(None, None, refusal)]
    assert domain.state is DomainState.EXITED


def test_a_domain_ends_when_its_last_dispatcher_does_spanned_ones_too(
    kernel: Multikernel, register: Callable[..., str]
) -> None:
    def worker(_: Environment) -> Code:
        yield Spend(500 * PS_PER_MS)

    def main(environment: Environment) -> Code:
        yield from span(environment, worker, 7)

    domain = kernel.spawn(register(main))
    kernel.run(100 * PS_PER_MS)
    assert domain.state is DomainState.RUNNING
    kernel.run(PS_PER_S)
    assert domain.state is DomainState.EXITED
    assert domain.gone


# -- instruction sets ------------------------------------------------------------------------------


def test_a_program_runs_where_its_instruction_set_is(load: Load, register: Callable[..., str]) -> None:
    kernel = Multikernel.boot(load("scc-host"))
    host, card = register(endless, ("x86_64",)), register(endless, ("x86_32",))
    assert set(kernel.spawn(host, 8).cores) == set(range(8))
    assert set(kernel.spawn(card, 8).cores) <= set(range(8, 56))
    with pytest.raises(PlacementError, match="core 9 runs x86_32, and the image is built for x86_64"):
        kernel.spawn(host, 2, cores=(1, 9))
    with pytest.raises(PlacementError, match="the image is built for armv8; the cores run x86_32, x86_64"):
        kernel.spawn(register(endless, ("armv8",)))
    both = kernel.spawn(register(endless, ("x86_64", "x86_32")), 2, cores=(1, 9))
    kernel.run(PS_PER_S)
    fast, slow = (both.dispatchers[index].iterations / both.dispatchers[index].cpu_time_ps for index in (0, 1))
    clocks = [kernel.hardware.cores[core].clock_hz for core in (1, 9)]
    assert fast / slow == pytest.approx(clocks[0] / clocks[1], rel=0.01)


# -- the end ---------------------------------------------------------------------------------------


def waits(_: Environment) -> Code:
    yield Receive(Endpoint(0))


def handles(_: Environment) -> Code:
    def handler(page: int) -> Code:
        yield Compute(10**12)
        yield MapPage(page)

    yield Install("PageFault", handler)
    yield Touch((1,))


def spans(environment: Environment) -> Code:
    yield from span(environment, endless, 3)
    yield Loop(1000)


def at_barrier(environment: Environment) -> Code:
    yield Loop(1000, environment.barrier())


STATES = {
    "running": endless, "blocked": waits, "in a handler": handles, "spanning": spans, "in a barrier": at_barrier,
}


@pytest.mark.parametrize("crowded", [False, True], ids=["alone", "beside others"])
@pytest.mark.parametrize("wait_ps", [0, 1_000_000, 3 * PS_PER_MS, 200 * PS_PER_MS])
@pytest.mark.parametrize("state", STATES)
def test_a_domain_is_killed_in_any_state_and_leaves_nothing(
    kernel: Multikernel, register: Callable[..., str], state: str, wait_ps: int, crowded: bool
) -> None:
    if crowded:
        kernel.spawn("cpu_bound", 32)
    before = footprint(kernel)
    domain = kernel.spawn(register(STATES[state]), 2, cores=(1, 2))
    kernel.run(wait_ps)
    kernel.kill(domain.id)
    kernel.run(PS_PER_S)
    assert domain.state is DomainState.KILLED
    assert all(dispatcher.state.name == "unrunnable" for dispatcher in domain.dispatchers.values())
    assert footprint(kernel) == before
    with pytest.raises(KernelError, match="is not running: killed"):
        kernel.kill(domain.id)


@pytest.mark.parametrize("steps", range(1, 400, 37))
def test_a_spawn_that_is_interrupted_anywhere_leaves_nothing(kernel: Multikernel, steps: int) -> None:
    """A domain that is being started is taken back, however far it has come."""
    before = footprint(kernel)
    seen = 0

    def count() -> bool:
        nonlocal seen
        seen += 1
        if seen == steps:
            raise KeyboardInterrupt
        return False

    run_until = kernel._run_until

    def interrupted(done: Callable[[], bool], what: str) -> None:
        run_until(lambda: count() or done(), what)

    kernel._run_until = interrupted  # type: ignore[method-assign]
    try:
        started = kernel.spawn("barrier", 8)
    except KeyboardInterrupt:
        pass
    else:
        kernel._run_until = run_until  # type: ignore[method-assign]
        kernel.kill(started.id)
    kernel._run_until = run_until  # type: ignore[method-assign]
    kernel.run(PS_PER_S)
    assert footprint(kernel) == before


def test_a_domain_that_traps_or_exits_leaves_nothing(kernel: Multikernel, register: Callable[..., str]) -> None:
    def short(_: Environment) -> Code:
        yield Spend(PS_PER_MS)

    def faulty(environment: Environment) -> Code:
        yield Spend(PS_PER_MS)
        yield Touch((environment.rank,))

    before = footprint(kernel)
    domains = [kernel.spawn(register(main), 4) for main in (short, faulty)]
    kernel.run(PS_PER_S)
    assert [domain.state for domain in domains] == [DomainState.EXITED, DomainState.TRAPPED]
    assert footprint(kernel) == before


@pytest.mark.parametrize("ends", ["killed", "trapped"])
def test_the_services_of_a_dead_domain_and_what_it_waits_for_are_gone(
    kernel: Multikernel, register: Callable[..., str], ends: str
) -> None:
    def main(environment: Environment) -> Code:
        if environment.rank == 0:
            yield from export(environment, "here")
            yield Spend(500 * PS_PER_MS)
            if ends == "trapped":
                yield Touch((1,))
            yield Loop(1000)
        else:
            yield from bind(environment, "nowhere")

    before = footprint(kernel)
    domain = kernel.spawn(register(main), 2)
    kernel.run(50 * PS_PER_MS)
    assert footprint(kernel)["records"] != before["records"]
    kernel.run(PS_PER_S)
    if ends == "killed":
        kernel.kill(domain.id)
    assert domain.state.value == ends
    kernel.run(PS_PER_S)
    assert footprint(kernel) == before


def test_the_threads_of_a_dead_domain_are_garbage(kernel: Multikernel, register: Callable[..., str]) -> None:
    """No queue, timer or link of the kernel's holds what they were."""
    domain: Domain = kernel.spawn(register(at_barrier), 4)
    kernel.run(100 * PS_PER_MS)
    dispatchers = domain.dispatchers.values()
    threads = [weakref.ref(thread.code) for dispatcher in dispatchers for thread in dispatcher.threads]
    kernel.kill(domain.id)
    kernel.run(PS_PER_S)
    del kernel._domains[domain.id], domain, dispatchers
    gc.collect()
    assert [each() for each in threads] == [None] * 4


def footprint(kernel: Multikernel) -> dict[str, object]:
    """Everything in which a domain could leave something."""
    return {
        "tasks": [sorted(driver.dispatchers) for driver in kernel.drivers.values()],
        "scheduled": [sorted(driver.scheduler._tasks) for driver in kernel.drivers.values()],  # type: ignore[attr-defined]
        "facts": [
            kernel.kb.all(goal)
            for goal in (
                "allocation(D, I, C)", "granted(D, I, P, G, A)", "domain_phase(D, P)", "domain_manifest(D, M)",
                "considered(D, I, P, C, K, A, F)", "built_for(D, I)",
            )
        ],
        "records": (kernel.records.names("_"), kernel.records.watches()),
        "services": (kernel.services(), kernel.channels(), dict(kernel.knowledge._waiting)),
        "memory": [service.capabilities.memory.free_bytes for service in kernel.capabilities.values()],
        "capabilities": [
            (len(service.capabilities.database.slots), list(service.spaces), dict(service._blocks))
            for service in kernel.capabilities.values()
        ],
        "planners": [
            [sorted(kept) for kept in (planner._planned, planner._changes, planner._in_force, planner._gathering)]
            for planner in kernel.planners.values()
        ],
        "monitors": [(monitor._up, monitor._spawning, monitor._first) for monitor in kernel.monitors.values()],
    }
