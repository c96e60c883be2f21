"""Mutexes, spinlocks, conditions, semaphores and barriers under random interleavings of threads on several cores."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.clock import PS_PER_MS
from kernel.domain import Domain
from kernel.multikernel import Multikernel
from kernel.program import Program
from kernel.programming import (
    Atomic,
    Broadcast,
    Code,
    Compute,
    Detach,
    Environment,
    Fork,
    Join,
    Lock,
    Post,
    Signal,
    Sleep,
    Spend,
    Unlock,
    WaitBarrier,
    WaitCondition,
    WaitSemaphore,
    YieldThread,
)
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]
Main = Callable[[Environment], Code]

interleaved = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

WORK = st.lists(st.integers(1, 200_000), min_size=1, max_size=6)
"""What a thread computes between two operations, cycles; it goes round."""

THREADS = st.lists(WORK, min_size=2, max_size=7)
"""A thread each; the i-th runs on dispatcher i mod 3 of a domain on cores 0, 1 and 5."""

LOAD = st.integers(0, 6)
"""Dispatchers of another domain on the same cores, which take timeslices from them."""


def run(load: Load, main: Main, *, dispatchers: int = 3, load_dispatchers: int = 0, ms: int = 4000) -> Domain:
    """Run a program on cores 0, 1 and 5 until it ends, and hold the accounts to the time that passed."""
    kernel = Multikernel.boot(load("amd-4x4"))
    booted = kernel.now
    if load_dispatchers:
        kernel.spawn("cpu_bound", load_dispatchers, cores=(0, 1, 5))
    domain = kernel.spawn(Program("mine", "", "", main), dispatchers, cores=(0, 1, 5)[:dispatchers])
    kernel.run_until(lambda: not domain.alive, ms * PS_PER_MS)
    sums = {c.user_ps + c.kernel_ps + c.switch_ps + c.interrupt_ps + c.idle_ps for c in kernel.cores()}
    assert sums == {kernel.now - booted}
    return domain


def workers(work: list[list[int]], worker: Callable[[Environment, int, list[int]], Code]) -> Main:
    """A program in which dispatcher r forks a thread for each r-th list of `work`, and waits for them."""

    def main(environment: Environment) -> Code:
        threads = []
        for number in range(environment.rank, len(work), environment.size):
            threads.append((yield Fork(worker(environment, number, work[number]))))
        for thread in threads:
            yield Join(thread)

    return main


@pytest.mark.parametrize("kind", ["mutex", "spinlock"])
@interleaved
@given(work=THREADS, busy=LOAD)
def test_one_thread_at_a_time_holds_a_lock_and_all_get_it(
    load: Load, kind: str, work: list[list[int]], busy: int
) -> None:
    inside: list[int] = []
    most, times = [0], [0]

    def worker(environment: Environment, number: int, cycles: list[int]) -> Code:
        lock = environment.mutex() if kind == "mutex" else environment.spinlock()
        for each in cycles:
            yield Compute(each)
            yield Lock(lock)
            inside.append(number)
            most[0] = max(most[0], len(inside))
            yield Compute(each // 2 + 1)
            if number % 2 and kind == "mutex":
                yield YieldThread()
            times[0] += 1
            inside.remove(number)
            yield Unlock(lock)

    domain = run(load, workers(work, worker), load_dispatchers=busy)
    assert (domain.state.value, domain.fault) == ("exited", "")
    assert most[0] == 1
    assert times[0] == sum(map(len, work))


@interleaved
@given(turns=st.permutations(range(6)))
def test_a_mutex_goes_to_whoever_asked_first(load: Load, turns: list[int]) -> None:
    """Six threads on three dispatchers ask 100 µs apart for a mutex that is held meanwhile."""
    had: list[int] = []

    def worker(environment: Environment, number: int, _: list[int]) -> Code:
        mutex = environment.mutex()
        yield Sleep(1_000_000 + 100_000 * turns[number])
        yield Lock(mutex)
        had.append(turns[number])
        yield Unlock(mutex)

    def main(environment: Environment) -> Code:
        if environment.rank == 0:
            yield Lock(environment.mutex())
            yield Fork(workers([[0]] * 6, worker)(environment))
            yield Sleep(3_000_000)
            yield Unlock(environment.mutex())
        else:
            yield from workers([[0]] * 6, worker)(environment)

    domain = run(load, main)
    assert domain.state.value == "exited", domain.fault
    assert had == sorted(turns)


@interleaved
@given(
    items=st.lists(st.integers(1, 50_000), min_size=1, max_size=20), room=st.integers(1, 4), busy=LOAD,
    consumers=st.integers(1, 3),
)
def test_a_bounded_buffer_of_two_conditions_loses_nothing(
    load: Load, items: list[int], room: int, busy: int, consumers: int
) -> None:
    buffer: list[int] = []
    out: list[int] = []

    def producer(environment: Environment) -> Code:
        mutex, filled, freed = environment.mutex(), environment.condition("filled"), environment.condition("freed")
        for item in items:
            yield Compute(item)
            yield Lock(mutex)
            while len(buffer) == room:
                yield WaitCondition(freed, mutex)
            buffer.append(item)
            yield Signal(filled)
            yield Unlock(mutex)
        yield Lock(mutex)
        buffer.extend([0] * consumers)  # one end for each
        yield Broadcast(filled)
        yield Unlock(mutex)

    def consumer(environment: Environment) -> Code:
        mutex, filled, freed = environment.mutex(), environment.condition("filled"), environment.condition("freed")
        while True:
            yield Lock(mutex)
            while not buffer:
                yield WaitCondition(filled, mutex)
            item = buffer.pop(0)
            yield Signal(freed)
            yield Unlock(mutex)
            if item == 0:
                return
            out.append(item)
            yield Compute(item)

    def main(environment: Environment) -> Code:
        if environment.rank == 0:
            yield from producer(environment)
        for number in range(consumers):
            if number % 2 == environment.rank - 1:
                yield Fork(consumer(environment))

    domain = run(load, main, load_dispatchers=busy, dispatchers=3)
    assert domain.state.value == "exited", domain.fault
    assert sorted(out) == sorted(items)
    assert not buffer


@interleaved
@given(work=THREADS, permits=st.integers(1, 4), busy=LOAD)
def test_no_more_pass_a_semaphore_than_it_lets(load: Load, work: list[list[int]], permits: int, busy: int) -> None:
    inside, most, times = [0], [0], [0]

    def worker(environment: Environment, number: int, cycles: list[int]) -> Code:
        semaphore = environment.semaphore("permits", permits)
        for each in cycles:
            yield WaitSemaphore(semaphore)
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            yield Compute(each)
            if number % 3 == 0:
                yield Sleep(each)
            inside[0] -= 1
            times[0] += 1
            yield Post(semaphore)
            assert semaphore.value >= 0

    domain = run(load, workers(work, worker), load_dispatchers=busy)
    assert domain.state.value == "exited", domain.fault
    assert most[0] <= permits
    assert times[0] == sum(map(len, work))


@interleaved
@given(
    work=THREADS, rounds=st.integers(1, 5), spin_ns=st.sampled_from([0, 1_000, 50_000, 10_000_000]), busy=LOAD
)
def test_nobody_passes_a_barrier_before_all_have_arrived(
    load: Load, work: list[list[int]], rounds: int, spin_ns: int, busy: int
) -> None:
    arrived = [0] * len(work)

    def worker(environment: Environment, number: int, cycles: list[int]) -> Code:
        barrier = environment.barrier("all", parties=len(work), spin_ns=spin_ns)
        for turn in range(rounds):
            yield Compute(cycles[turn % len(cycles)])
            arrived[number] += 1
            yield WaitBarrier(barrier)
            assert min(arrived) > turn
            assert max(arrived) <= turn + 2

    domain = run(load, workers(work, worker), load_dispatchers=busy)
    assert domain.state.value == "exited", domain.fault
    assert domain.barriers["all"].rounds == rounds


@pytest.mark.parametrize(
    ("main", "fault"),
    [
        (lambda e: iter_of(Unlock(e.mutex("m"))), "unlocks mutex m, which it does not hold"),
        (lambda e: iter_of(Lock(e.mutex("m")), Lock(e.mutex("m"))), "locks mutex m, which it holds"),
        (lambda e: iter_of(Unlock(e.spinlock("s"))), "unlocks spinlock s, which it does not hold"),
        (
            lambda e: iter_of(WaitCondition(e.condition("c"), e.mutex("m"))),
            "waits at condition c without holding mutex m",
        ),
        (lambda e: iter_of(Atomic(e.word("w"), lambda: [][0])), "IndexError: list index out of range"),
        (lambda e: iter_of(Join("nobody")), "Join takes a thread, as Fork results in, not nobody (str)"),  # type: ignore[arg-type]
        (
            lambda e: iter_of(Fork(iter_of)),  # type: ignore[arg-type]
            "Fork takes a generator, such as worker(environment), not iter_of (function)",
        ),
        (lambda e: iter_of(Sleep(-1)), "Sleep: duration_ns is an integer of at least 0, not -1"),
        (lambda e: iter_of(Sleep("x")), "Sleep: duration_ns is an integer of at least 0, not 'x'"),  # type: ignore[arg-type]
        (lambda e: iter_of(Compute(-5)), "Compute: cycles is an integer of at least 0, not -5"),
        (lambda e: iter_of(Compute(0.5)), "Compute: cycles is an integer of at least 0, not 0.5"),  # type: ignore[arg-type]
        (lambda e: iter_of(Compute("a")), "Compute: cycles is an integer of at least 0, not 'a'"),  # type: ignore[arg-type]
        (lambda e: iter_of(Spend(1.5)), "Spend: duration_ps is an integer of at least 0, not 1.5"),  # type: ignore[arg-type]
        (lambda e: iter_of(Post(e.semaphore("s", -3))), "semaphore: value is an integer of at least 0, not -3"),
        (lambda e: iter_of(WaitBarrier(e.barrier("b", 0))), "a barrier is for one thread at least"),
        (lambda e: iter_of(Lock(None)), "takes a mutex or spinlock of the environment's, not None"),  # type: ignore[arg-type]
        (lambda e: iter_of(WaitSemaphore(3)), "takes a semaphore of the environment's, not 3"),  # type: ignore[arg-type]
        (
            lambda e: iter_of(Detach(None)),  # type: ignore[arg-type]
            "Detach takes a thread, as Fork results in, not None (NoneType)",
        ),
        (
            lambda e: iter_of(WaitBarrier(None)),  # type: ignore[arg-type]
            "WaitBarrier: AttributeError: 'NoneType' object has no attribute 'wait'",
        ),
        (lambda e: None, "the program yields nothing; a program yields what it asks for"),  # type: ignore[arg-type,return-value]
        (lambda e: iter_of("nothing"), "yields 'nothing', which is no operation"),
    ],
)
def test_misuse_is_a_trap_with_words(load: Load, main: Main, fault: str) -> None:
    domain = run(load, main, dispatchers=1, ms=10)
    assert (domain.state.value, domain.fault) == ("trapped", fault)


def iter_of(*operations: object) -> Code:
    yield from operations  # type: ignore[misc]


def test_who_is_woken_pays_for_having_blocked(load: Load) -> None:
    """Dissertation §3.2.5: a thread that blocks and resumes takes 7.37 µs of its core."""
    seen: dict[str, int] = {}

    def main(environment: Environment) -> Code:
        semaphore = environment.semaphore("go")
        if environment.rank == 0:
            yield WaitSemaphore(semaphore)
            seen["woken"] = environment.dispatchers[0].driver.now
        else:
            yield Compute(1_000_000)
            seen["posts"] = environment.dispatchers[1].driver.now
            yield Post(semaphore)

    run(load, main, dispatchers=2)
    assert seen["woken"] - seen["posts"] > 7_370_000
