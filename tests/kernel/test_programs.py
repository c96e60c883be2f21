"""Threads, and the programs that come along: what each is about happens, whatever else runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernel.clock import PS_PER_MS, PS_PER_S
from kernel.multikernel import Multikernel
from kernel.program import PROGRAMS, Program
from kernel.programming import (
    Code,
    Compute,
    Detach,
    Environment,
    Fork,
    Join,
    KernelError,
    Loop,
    Migrate,
    Sleep,
    YieldThread,
    change_phase,
)
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]
Main = Callable[[Environment], Code]


@pytest.fixture
def kernel(load: Load) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


def run(kernel: Multikernel, main: Main, cores: tuple[int, ...] = (0,), ms: int = 1000) -> str:
    """Run a program to its end; its fault, or ""."""
    domain = kernel.spawn(Program("mine", "", "", main), len(cores), cores=cores)
    kernel.run_until(lambda: not domain.alive, ms * PS_PER_MS)
    assert not domain.alive
    return domain.fault


def test_join_gives_what_a_thread_returned(kernel: Multikernel) -> None:
    got: list[object] = []

    def square(number: int) -> Code:
        yield Compute(1000 * number)
        return number * number

    def main(_: Environment) -> Code:
        threads = []
        for number in (3, 1, 2):
            threads.append((yield Fork(square(number))))
        for thread in threads:
            got.append((yield Join(thread)))
        got.append((yield Join(threads[0])))  # one that has ended long ago

    assert run(kernel, main) == ""
    assert got == [9, 1, 4, 9]


def test_a_domain_lives_as_long_as_its_last_thread(kernel: Multikernel) -> None:
    def child() -> Code:
        yield Sleep(5_000_000)

    def main(_: Environment) -> Code:
        yield Detach((yield Fork(child())))

    domain = kernel.spawn(Program("mine", "", "", main), 1)
    kernel.run(4 * PS_PER_MS)
    assert domain.alive
    kernel.run(2 * PS_PER_MS)
    assert domain.state.value == "exited"


def test_threads_of_a_dispatcher_take_turns(kernel: Multikernel) -> None:
    """Round robin at every upcall (dissertation §3.6.5): beside another domain, three threads get a third each."""
    done: dict[int, int] = {}

    def child(number: int) -> Code:
        while True:
            yield Compute(25_000)
            done[number] = done.get(number, 0) + 1

    def main(_: Environment) -> Code:
        for number in range(3):
            yield Fork(child(number))

    kernel.spawn("cpu_bound", 1, cores=(0,))
    kernel.spawn(Program("mine", "", "", main), 1, cores=(0,))
    kernel.run(2 * PS_PER_S)
    timeslice = 80_000 // 10  # of 10 µs pieces
    assert max(done.values()) - min(done.values()) <= timeslice < min(done.values())


def test_a_thread_that_yields_lets_the_others_run_in_the_same_timeslice(kernel: Multikernel) -> None:
    order: list[int] = []

    def child(number: int) -> Code:
        for _ in range(3):
            order.append(number)
            yield YieldThread()

    def main(_: Environment) -> Code:
        for number in range(3):
            yield Fork(child(number))

    assert run(kernel, main) == ""
    assert order == [0, 1, 2] * 3


def test_a_thread_goes_to_another_core_and_back(kernel: Multikernel) -> None:
    where: list[tuple[int, int]] = []

    def main(environment: Environment) -> Code:
        if environment.rank:
            return
        yield Sleep(1_000_000)  # until all are there
        for rank in (1, 2, 2, 0):
            before = environment.dispatchers[rank].cpu_time_ps
            yield Migrate(environment.dispatchers[rank])
            yield Compute(1_000_000)
            yield Compute(0)
            environment.dispatchers[rank].driver.settle(environment.dispatchers[rank].driver.now)
            where.append((rank, round((environment.dispatchers[rank].cpu_time_ps - before) / 400_000_000)))

    while_waiting = kernel.spawn(Program("home", "", "", lambda _: iter_of(Sleep(10**9))), 1)
    assert run(kernel, main, cores=(0, 5, 12)) == ""
    assert where == [(1, 1), (2, 1), (2, 1), (0, 1)], "each million of cycles was spent where the thread was"
    assert while_waiting.alive


def test_a_domain_ends_only_when_a_thread_that_moved_has(kernel: Multikernel) -> None:
    def main(environment: Environment) -> Code:
        if environment.rank == 0:
            yield Sleep(1_000_000)
            yield Migrate(environment.dispatchers[1])  # whose own thread has ended
            yield Compute(1_000_000)
            environment.count()
        else:
            yield Compute(1)

    domain = kernel.spawn(Program("mine", "", "", main), 2, cores=(0, 1))
    kernel.run(20 * PS_PER_MS)
    assert (domain.state.value, domain.progress(kernel.now)) == ("exited", 1)


def test_sleep_lets_time_pass_and_others_run(kernel: Multikernel) -> None:
    slept: list[int] = []

    def sleeper(environment: Environment) -> Code:
        driver = environment.dispatchers[0].driver
        before = driver.now
        yield Sleep(3_000_000)
        slept.append(driver.now - before)

    def main(environment: Environment) -> Code:
        thread = yield Fork(sleeper(environment))
        yield Compute(2_500_000)
        yield Join(thread)

    assert run(kernel, main) == ""
    assert 3 * PS_PER_MS <= slept[0] < 3.1 * PS_PER_MS


def test_a_program_changes_its_phase_from_any_dispatcher(kernel: Multikernel) -> None:
    answers: list[str] = []

    def main(environment: Environment) -> Code:
        yield Sleep(1_000_000 * (1 + environment.rank))
        answers.append((yield from change_phase(environment, 1 - environment.rank % 2)))
        if environment.rank == 2:
            try:
                yield from change_phase(environment, 7)
            except KernelError as error:
                answers.append(str(error))
        yield Loop(1000)

    domain = kernel.spawn(Program("mine", "", "", main), 3, cores=(0, 4, 8), manifest="B 1\nG 20 80\n")
    kernel.run(2 * PS_PER_S)
    assert sorted(answers) == ["", "", "", "mine has no phase 7; its manifest has 2"]
    assert domain.phase == 1, "dispatcher 2 asked last"


def test_changes_that_come_at_once_are_made_one_after_another(kernel: Multikernel) -> None:
    answers: list[str] = []

    def main(environment: Environment) -> Code:
        for turn in range(5):
            answers.append((yield from change_phase(environment, (environment.rank + turn) % 2)))
        yield Loop(1000)

    domain = kernel.spawn(Program("mine", "", "", main), 4, cores=(0, 4, 8, 12), manifest="B 1\nG 20 80\n")
    kernel.run(10 * PS_PER_S)
    assert answers == [""] * 20
    assert domain.alive


SERVED = {
    "ask", "buffer_cache", "database", "echo", "filebench", "httperf", "packet_generator", "packet_sink", "ramfsd",
    "terminald", "webserver",
}  # fmt: skip
"""Services and their clients, which get on only with each other (tests/kernel/services)."""


@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() - SERVED))
@pytest.mark.parametrize("neighbours", [0, 16])
def test_every_program_gets_on_and_every_picosecond_is_accounted_for(
    kernel: Multikernel, name: str, neighbours: int
) -> None:
    booted = kernel.now
    if neighbours:
        kernel.spawn("cpu_bound", neighbours)
    domain = kernel.spawn(name, 4)
    kernel.run(2 * PS_PER_S)
    assert domain.fault == ""
    assert domain.progress(kernel.now) > 0
    kernel.cores()
    sums = {c.user_ps + c.kernel_ps + c.switch_ps + c.interrupt_ps + c.idle_ps for c in kernel.cores()}
    assert sums == {kernel.now - booted}
    if domain.alive:
        kernel.kill(domain.id)
    assert domain.gone


@pytest.mark.parametrize("arguments", [("x",), ("0",), ("-1",), ("1", "2", "3"), ("9" * 30,)])
def test_arguments_that_are_no_numbers_are_refused_in_words(kernel: Multikernel, arguments: tuple[str, ...]) -> None:
    domain = kernel.spawn("pipeline", 1, arguments=arguments)
    kernel.run(PS_PER_MS)
    assert domain.fault.startswith("takes [ITEMS [CYCLES]]")


def test_tasks_of_a_core_that_was_taken_away_are_stolen(kernel: Multikernel) -> None:
    """Dissertation §2.5.2: who looks for work takes it from a dispatcher that does not run."""

    def seconds(neighbours: int) -> float:
        domain = kernel.spawn("work_stealing", 4, cores=(0, 1, 2, 3), arguments=("2000", "5000000"))
        others = [kernel.spawn("cpu_bound", 1, cores=(0,)) for _ in range(neighbours)]
        began = kernel.now
        kernel.run_until(lambda: not domain.alive, 30 * PS_PER_S)
        assert domain.progress(kernel.now) == 2000
        for other in others:
            kernel.kill(other.id)
        return (kernel.now - began) / PS_PER_S

    alone, crowded = seconds(0), seconds(3)
    # 2,000 tasks of 2 ms take 1 s on four cores. With a quarter of core 0 left, its own would take 4 s if they stayed
    # there; 3.25 cores do all in 1.24 s, and what core 0 is in the middle of waits for three timeslices at most.
    assert alone < 1.05
    assert crowded < 1.24 + 0.24 + 0.08


def test_the_same_seed_runs_programs_alike(load: Load) -> None:
    def trace() -> list[tuple[int, int | None, int, int]]:
        kernel = Multikernel.boot(load("amd-4x4"), seed=7)
        for name in ("work_stealing", "fork_join", "pixels", "gc"):
            kernel.spawn(name, 4, cores=(0, 1, 4, 5))
        kernel.run(PS_PER_S // 2)
        return [(p.core, p.domain, p.start_ps, p.end_ps) for p in kernel.slices(range(16), 0, kernel.now)]

    assert trace() == trace()


def iter_of(*operations: object) -> Code:
    yield from operations  # type: ignore[misc]


@pytest.mark.parametrize("mode", ["lazy", "eager"])
@pytest.mark.parametrize("others_float", [True, False])
def test_floating_point_registers_are_saved_when_the_mode_says(load: Load, mode: str, others_float: bool) -> None:
    """Two dispatchers take turns on one core: what the kernel spends on their registers is counted out by hand."""
    kb = load("amd-4x4")
    kb.assert_fact(f"fpu_switching({mode})")
    kernel = Multikernel.boot(kb)

    def computing(floating: bool) -> Main:
        return lambda _: iter_of(Compute(10**12, floating))

    for name, floating in (("one", True), ("two", others_float)):
        kernel.spawn(Program(name, "", "", computing(floating)), 1, cores=(3,))
    driver = kernel.drivers[3]
    kernel.run(PS_PER_S)
    kernel.cores()
    before, switches = (driver.account.kernel, driver.account.switch), driver.context_switches
    kernel.run(8 * PS_PER_S)
    kernel.cores()
    kernel_ps, switch_ps = driver.account.kernel - before[0], driver.account.switch - before[1]
    switches = driver.context_switches - switches
    save, restore, trap, switch = (
        kernel.hardware.cost_ps(cost, 3) for cost in ("fpu_save", "fpu_restore", "trap", "context_switch")
    )
    assert switches > 50
    claims = switches if others_float else switches // 2
    if mode == "lazy":  # nobody else's registers, nothing to do
        assert kernel_ps == pytest.approx(claims * (trap + save + restore) if others_float else 0, rel=0.03)
        assert switch_ps == pytest.approx(switches * switch, rel=0.03)
    else:
        assert kernel_ps == pytest.approx(claims * restore, rel=0.03)
        assert switch_ps == pytest.approx(switches * switch + claims * save, rel=0.03)
