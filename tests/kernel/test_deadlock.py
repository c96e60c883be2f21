"""Deadlocks: the graph by itself, and against what the simulation shows to be stuck for ever."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.clock import PS_PER_MS
from kernel.deadlock import Need, deadlocks, never, sentence
from kernel.domain import Domain
from kernel.errors import KernelError
from kernel.messaging.drivers import Terms
from kernel.multikernel import Multikernel
from kernel.ownership import owned_waits
from kernel.program import Program
from kernel.programming import (
    Code,
    Compute,
    Environment,
    Fork,
    Fragment,
    Join,
    Lock,
    Post,
    Signal,
    Sleep,
    Thread,
    Unlock,
    WaitBarrier,
    WaitCondition,
    WaitSemaphore,
    bind,
    export,
)
from kernel.programs import PROGRAMS
from kernel.waiting import take_deadlocks, wait_for_graph, waiting
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]
Main = Callable[[Environment], Code]

randomly = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# -- the graph by itself ---------------------------------------------------------------------------


def need(at: str, *by: int) -> Need[int]:
    return Need(at, by, at, "of {}", "of nobody")


def told(waits: dict[int, list[Need[int]]]) -> list[str]:
    return [sentence(each, str) for each in deadlocks(waits)]


def test_a_cycle_is_told_from_one_to_the_next() -> None:
    waits = {1: [need("a", 2)], 2: [need("b", 3)], 3: [need("c", 1)], 4: [need("a", 2)], 5: [need("d", 6)]}
    assert set(never(waits)) == {1, 2, 3, 4}
    assert told(waits) == [
        "deadlock: 1 waits for a, of 2, which waits for b, of 3, which waits for c, of 1; 1 other waits in vain, too"
    ]


def test_one_who_can_help_is_enough_where_any_may() -> None:
    assert never({1: [need("a", 2, 3)], 2: [need("b", 1)]}) == {}
    assert set(never({1: [need("a", 2, 3)], 2: [need("b", 1)], 3: [need("b", 1)]})) == {1, 2, 3}


def test_all_of_several_needs_have_to_be_met() -> None:
    waits = {1: [need("a", 9), need("b", 2)], 2: [need("c", 1)]}
    assert told(waits) == ["deadlock: 1 waits for b, of 2, which waits for c, of 1"]


def test_where_all_wait_at_one_place_it_is_nobody_s() -> None:
    waits = {1: [need("a", 1, 2)], 2: [need("a", 1, 2)], 3: [need("b", 1)]}
    assert told(waits) == ["deadlock: 1 waits for a, of nobody; 2 others wait in vain, too"]


NODES = st.integers(0, 5)
GRAPHS = st.dictionaries(
    NODES, st.lists(st.tuples(st.integers(0, 3), st.lists(NODES, max_size=3)), min_size=1, max_size=3), max_size=6
)


@randomly
@given(graph=GRAPHS)
def test_never_is_the_greatest_set_in_which_each_needs_another_of_it(
    graph: dict[int, list[tuple[int, list[int]]]]
) -> None:
    waits = {node: [need(f"place {at}", *by) for at, by in needs] for node, needs in graph.items()}

    def closed(nodes: Sequence[int]) -> bool:
        return all(any(set(each.by) <= set(nodes) for each in waits[node]) for node in nodes)

    sets = [
        nodes for size in range(len(waits) + 1) for nodes in itertools.combinations(waits, size) if closed(nodes)
    ]
    assert set(never(waits)) == set().union(*sets)


@randomly
@given(graph=GRAPHS)
def test_every_node_that_is_stuck_is_in_one_deadlock_and_each_cause_holds(
    graph: dict[int, list[tuple[int, list[int]]]]
) -> None:
    waits = {node: [need(f"place {at}", *by) for at, by in needs] for node, needs in graph.items()}
    found = deadlocks(waits)
    assert sorted(node for each in found for node in each.nodes) == sorted(never(waits))
    for each in found:
        assert set(each.cause) <= set(each.nodes)
        steps = list(zip(each.cause, each.needs, each.cause[1:], strict=False))
        if each.closed:
            steps.append((each.cause[-1], each.needs[-1], each.cause[0]))
        assert all(by in its.by and its in waits[node] for node, its, by in steps)


# -- on a machine ----------------------------------------------------------------------------------


@pytest.fixture
def kernel(load: Load) -> Multikernel:
    return Multikernel.boot(load("amd-2x2"))


def spawn(kernel: Multikernel, name: str, main: Main, cores: Sequence[int] = (0, 1)) -> Domain:
    return kernel.spawn(Program(name, "", "", main), len(cores), cores=cores)


def stuck(kernel: Multikernel) -> list[str]:
    return [each.text for each in waiting(kernel).deadlocks]


def found(kernel: Multikernel) -> list[str]:
    return [each.text for _, each in take_deadlocks(kernel)]


@pytest.mark.parametrize("kind", ["mutex", "spinlock"])
def test_crossed_locks_on_two_cores_are_told_when_they_cross(kernel: Multikernel, kind: str) -> None:
    def crossed(environment: Environment) -> Code:
        locks = [getattr(environment, kind)(name) for name in "ab"]
        if environment.rank:
            locks.reverse()
        yield Lock(locks[0])
        yield WaitBarrier(environment.barrier())
        yield Lock(locks[1])

    domain = spawn(kernel, "crossed", crossed)
    kernel.run(100 * PS_PER_MS)
    (text,) = found(kernel)
    assert text in (
        f"deadlock: crossed.0 thread 1 waits for {kind} b, held by crossed.1 thread 1, which waits for {kind} a, "
        "held by crossed.0 thread 1",
        f"deadlock: crossed.1 thread 1 waits for {kind} a, held by crossed.0 thread 1, which waits for {kind} b, "
        "held by crossed.1 thread 1",
    )
    assert found(kernel) == []  # it was told
    assert len(stuck(kernel)) == 1
    assert domain.alive  # nothing is ended for it


@pytest.mark.parametrize("ordered", [True, False])
def test_philosophers_starve_unless_they_keep_an_order(kernel: Multikernel, ordered: bool) -> None:
    seats = 5

    def philosopher(environment: Environment, seat: int) -> Code:
        forks = [environment.mutex(f"fork {number}") for number in (seat, (seat + 1) % seats)]
        if ordered and seat == seats - 1:
            forks.reverse()
        for _ in range(3):
            yield Lock(forks[0])
            yield Sleep(1_000_000)
            yield Lock(forks[1])
            yield Unlock(forks[1])
            yield Unlock(forks[0])

    def dinner(environment: Environment) -> Code:
        yield WaitBarrier(environment.barrier())
        guests = []
        for seat in range(environment.rank, seats, environment.size):
            guests.append((yield Fork(philosopher(environment, seat))))
        for guest in guests:
            yield Join(guest)

    domain = spawn(kernel, "dinner", dinner)
    kernel.run(1000 * PS_PER_MS)
    if ordered:
        assert (domain.alive, found(kernel), stuck(kernel)) == (False, [], [])
        return
    (text,) = found(kernel)
    assert text.count("held by") == seats and all(f"fork {number}," in text for number in range(seats))
    (said,) = stuck(kernel)
    assert said.endswith("; 2 others wait in vain, too")  # those that join them


def test_threads_that_join_each_other_in_a_circle_are_told(kernel: Multikernel) -> None:
    threads: list[Thread] = []

    def link(number: int) -> Code:
        yield Sleep((number + 1) * 1_000_000)
        yield Join(threads[(number + 1) % 3])

    def circle(environment: Environment) -> Code:
        for number in range(3):
            threads.append((yield Fork(link(number))))

    spawn(kernel, "circle", circle, [0])
    kernel.run(100 * PS_PER_MS)
    (text,) = found(kernel)
    assert text == (
        "deadlock: circle.0 thread 3 waits for the end of circle.0 thread 1, which waits for the end of "
        "circle.0 thread 2, which waits for the end of circle.0 thread 3"
    )


def test_to_join_oneself_is_refused(kernel: Multikernel) -> None:
    def own(environment: Environment) -> Code:
        yield Join(environment.dispatchers[environment.rank].threads[0])

    domain = spawn(kernel, "own", own, [0])
    kernel.run(PS_PER_MS)
    assert domain.fault == "a thread cannot wait for its own end"


def test_a_condition_s_mutex_closes_a_circle_too(kernel: Multikernel) -> None:
    """Who is signalled waits for the mutex, whose holder waits for a lock that was kept while waiting."""

    def waiter(environment: Environment) -> Code:
        yield Lock(environment.mutex("kept"))
        yield Lock(environment.mutex("m"))
        yield WaitCondition(environment.condition("c"), environment.mutex("m"))

    def holder(environment: Environment) -> Code:
        yield Sleep(1_000_000)
        yield Lock(environment.mutex("m"))
        yield Lock(environment.mutex("kept"))

    def main(environment: Environment) -> Code:
        yield Fork(waiter(environment))
        yield Fork(holder(environment))
        yield Sleep(10_000_000)
        assert found(kernel) == []
        yield Signal(environment.condition("c"))
        yield Sleep(10_000_000)

    domain = spawn(kernel, "cond", main, [0])
    kernel.run(5 * PS_PER_MS)
    assert stuck(kernel) == [  # before the signal, as it would be of no use
        "deadlock: cond.0 thread 3 waits for mutex kept, held by cond.0 thread 2, which waits for mutex m, held by "
        "cond.0 thread 3"
    ]
    kernel.run(10 * PS_PER_MS)
    assert domain.alive, domain.fault
    assert len(found(kernel)) == 1


def test_a_barrier_that_too_few_come_to_waits_for_nobody(kernel: Multikernel) -> None:
    def main(environment: Environment) -> Code:
        yield Sleep(environment.rank * 50_000_000)
        yield WaitBarrier(environment.barrier("gate", parties=3))

    spawn(kernel, "few", main)
    kernel.run(40 * PS_PER_MS)
    assert stuck(kernel) == []  # the other could yet fork a third
    kernel.run(400 * PS_PER_MS)
    assert stuck(kernel) == [
        "deadlock: few.0 thread 1 waits for barrier gate (2 of 3 there), to which nobody is left to come; 1 other "
        "waits in vain, too"
    ]


def test_a_barrier_s_member_that_waits_elsewhere_holds_up_all(kernel: Multikernel) -> None:
    def main(environment: Environment) -> Code:
        barrier, mutex = environment.barrier("gate"), environment.mutex("m")
        if environment.rank:
            yield Lock(mutex)
        yield WaitBarrier(barrier)
        if environment.rank == 0:
            yield Lock(mutex)
        yield WaitBarrier(barrier)

    spawn(kernel, "held", main)
    kernel.run(400 * PS_PER_MS)
    assert stuck(kernel) == [
        "deadlock: held.0 thread 1 waits for mutex m, held by held.1 thread 1, which waits for barrier gate (1 of 2 "
        "there), to which held.0 thread 1 has to come"
    ]


def test_a_lock_that_died_with_its_owner_is_told(kernel: Multikernel) -> None:
    def dies(environment: Environment) -> Code:
        yield Lock(environment.mutex("m"))

    def main(environment: Environment) -> Code:
        yield Join((yield Fork(dies(environment))))
        yield Lock(environment.mutex("m"))

    spawn(kernel, "heir", main, [0])
    kernel.run(10 * PS_PER_MS)
    assert found(kernel) == ["a thread of heir.0 has ended while it held mutex m: nobody can unlock it"]
    assert found(kernel) == []
    assert stuck(kernel) == ["deadlock: heir.0 thread 1 waits for mutex m, whose holder has ended"]


ANY_TERMS = Terms()


def peers(fills: bool = False, terms: Terms = ANY_TERMS) -> list[Main]:
    """Two programs, each of which offers a service, binds to the other's, and waits for a message or sends on."""

    def side(own: str, other: str) -> Main:
        def main(environment: Environment) -> Code:
            service = yield from export(environment, own)

            def serve() -> Code:
                yield from service.receive()

            thread = yield Fork(serve())  # answers the other's request, and ends
            channel = yield from bind(environment, other, terms=terms)
            yield Join(thread)
            while fills:
                yield from channel.send(Fragment(0, b""))
            yield from channel.receive()

        return main

    return [side("one", "two"), side("two", "one")]


def test_two_domains_that_each_wait_for_the_other_s_message_are_found(kernel: Multikernel) -> None:
    for core, main in enumerate(peers()):
        spawn(kernel, f"peer{core}", main, [core])
    kernel.run(1000 * PS_PER_MS)
    (text,) = stuck(kernel)
    assert "peer0.0 thread 1 waits for a message on channel" in text
    assert ", which peer1.0 thread 1 could send" in text
    assert found(kernel) == []  # that is not looked for while they run


@pytest.mark.parametrize(("cores", "terms"), [((0, 1), Terms(slots=4)), ((0, 0), Terms())])
def test_two_domains_that_fill_each_other_s_rings_are_found(
    kernel: Multikernel, cores: tuple[int, int], terms: Terms
) -> None:
    for number, main in enumerate(peers(fills=True, terms=terms)):
        spawn(kernel, f"peer{number}", main, [cores[number]])
    kernel.run(1000 * PS_PER_MS)
    (text,) = stuck(kernel)
    assert "peer0.0 thread 1 waits for room on channel" in text
    assert ", where peer1.0 thread 1 could receive" in text


def test_messages_on_their_way_are_waited_for_in_no_deadlock(kernel: Multikernel) -> None:
    """Two domains that speak in turn, looked at all the time: one waits always, mostly both do."""
    turns, waiters = [0], [0]

    def side(own: str, other: str, first: bool) -> Main:
        def main(environment: Environment) -> Code:
            service = yield from export(environment, own)
            out = []

            def serve() -> Code:
                out.append((yield from service.receive()).channel)

            thread = yield Fork(serve())
            into = yield from bind(environment, other, terms=Terms(slots=3))
            yield Join(thread)
            if first:
                yield from out[0].send(Fragment(0, b""))
            while True:
                yield from into.receive()
                yield Sleep(20_000)
                yield from out[0].send(Fragment(0, b""))
                turns[0] += 1

        return main

    spawn(kernel, "ping", side("ping", "pong", True), [0])
    spawn(kernel, "pong", side("pong", "ping", False), [1])
    for _ in range(1000):
        kernel.run(500_000)
        found = waiting(kernel)
        assert found.deadlocks == ()
        waiters[0] += len(found.waits)
    assert turns[0] > 10 and waiters[0] > 100


def test_a_service_that_waits_may_have_another_client(kernel: Multikernel) -> None:
    def serves(environment: Environment) -> Code:
        service = yield from export(environment, "mute")
        while True:
            yield from service.receive()

    def asks(environment: Environment) -> Code:
        channel = yield from bind(environment, "mute")
        yield from channel.receive()

    spawn(kernel, "mute", serves, [0])
    spawn(kernel, "asks", asks, [1])
    kernel.run(500 * PS_PER_MS)
    (wait,) = waiting(kernel).waits
    assert (wait.thread, wait.by, wait.never) == ("asks.0 thread 1", ("mute.0 thread 1",), False)


def test_who_waits_for_a_timer_or_for_the_next_client_is_in_no_deadlock(kernel: Multikernel) -> None:
    def sleeps(environment: Environment) -> Code:
        yield Lock(environment.mutex())
        yield Sleep(900_000_000)
        yield Unlock(environment.mutex())

    def main(environment: Environment) -> Code:
        yield Fork(sleeps(environment))
        yield Sleep(1_000_000)
        yield Lock(environment.mutex())

    def serves(environment: Environment) -> Code:
        service = yield from export(environment, "serving")
        while True:
            yield from service.receive()

    def looks(environment: Environment) -> Code:
        yield from bind(environment, "nobody has it yet")

    domain = spawn(kernel, "sleeper", main, [0])
    spawn(kernel, "server", serves, [1])
    spawn(kernel, "asker", looks, [1])
    kernel.run(500 * PS_PER_MS)
    assert (stuck(kernel), found(kernel)) == ([], [])
    assert [each.thread for each in waiting(kernel).waits] == ["sleeper.0 thread 1"]
    kernel.run(1000 * PS_PER_MS)
    assert not domain.alive


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_no_shipped_program_is_ever_reported(kernel: Multikernel, name: str) -> None:
    kernel.spawn(name, 3 if name != "hello" else 1)
    kernel.spawn("stressor", 2)
    for _ in range(20):
        kernel.run(7 * PS_PER_MS)
        assert (stuck(kernel), found(kernel)) == ([], [])


# -- random programs -------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["lock", "unlock", "spin", "wait", "post", "condition", "signal", "barrier", "join", "sleep"]
        ),
        st.integers(0, 2), st.integers(0, 60_000),
    ),
    max_size=6,
)


class Programs:
    """A domain whose threads do random steps; which of them have not come to their ends is seen from outside."""

    def __init__(self, scripts: list[list[tuple[str, int, int]]]) -> None:
        self.scripts = scripts
        self.threads: dict[int, Thread] = {}

    def main(self, environment: Environment) -> Code:
        yield WaitBarrier(environment.barrier("start"))
        own = []
        for number in range(environment.rank, len(self.scripts), environment.size):
            thread = yield Fork(self._worker(environment, number))
            self.threads[number] = thread
            own.append(thread)
        for thread in own:
            yield Join(thread)

    def _worker(self, environment: Environment, number: int) -> Code:
        held: list[Any] = []
        for kind, which, cycles in self.scripts[number]:
            yield Compute(cycles)
            mutex, spinlock = environment.mutex(f"m{which}"), environment.spinlock(f"s{which}")
            lock = spinlock if kind == "spin" else mutex
            if kind in ("lock", "spin") and lock not in held:
                yield Lock(lock)
                held.append(lock)
            elif kind == "unlock" and held:
                yield Unlock(held.pop())
            elif kind == "wait":
                yield WaitSemaphore(environment.semaphore(f"p{which}"))
            elif kind == "post":
                yield Post(environment.semaphore(f"p{which}"))
            elif kind == "condition" and mutex in held:
                yield WaitCondition(environment.condition(f"c{which}"), mutex)
            elif kind == "signal":
                yield Signal(environment.condition(f"c{which}"))
            elif kind == "barrier":
                yield WaitBarrier(environment.barrier(f"b{which}", parties=2))
            elif kind == "join" and which != number and which in self.threads:
                yield Join(self.threads[which])
            elif kind == "sleep":
                yield Sleep(cycles)


def check_random(load: Load, scripts: list[list[tuple[str, int, int]]]) -> None:
    """Whoever is reported at any time never goes on, and whoever never goes on is reported in the end."""
    kernel = Multikernel.boot(load("amd-2x2"))
    kernel.spawn("cpu_bound", 2, cores=(0, 1))  # so that those that spin do not keep their dispatcher to themselves
    try:
        domain = spawn(kernel, "random", Programs(scripts).main)
    except KernelError as error:  # it trapped before all of it was up
        assert "joined by one more" in str(error)
        return
    ever: dict[Thread, str] = {}
    said: list[str] = []
    for step in range(40):  # threads that spin take whole timeslices, in turn with the others
        kernel.run(PS_PER_MS // 50 if step < 30 else 2000 * PS_PER_MS)
        for thread in never(wait_for_graph(kernel)):
            ever.setdefault(thread, f"step {step}")
        said += [text for text in found(kernel) if text.startswith("deadlock")]
    if domain.fault:
        assert "joined by one more" in domain.fault
        return
    left = {thread for each in domain.dispatchers.values() for thread in each.threads}
    assert set(ever) == left, [ever.get(thread) for thread in left ^ set(ever)]
    of_locks = deadlocks({thread: [need] for thread, need in owned_waits(domain).items()})
    assert len(said) == sum(each.closed for each in of_locks)  # each cycle was told by itself, once


TURNS = st.lists(st.lists(st.integers(0, 4), unique=True, max_size=4), max_size=4)
"""Which locks a thread holds together, one time after another."""


@settings(randomly, max_examples=10)
@given(
    wanted=st.lists(TURNS, min_size=2, max_size=6),
    spins=st.sets(st.integers(0, 4)), cycles=st.integers(0, 500_000),
)
def test_whoever_keeps_an_order_of_locks_is_never_reported(
    load: Load, wanted: list[list[list[int]]], spins: set[int], cycles: int
) -> None:
    kernel = Multikernel.boot(load("amd-2x2"))

    def worker(environment: Environment, turns: list[list[int]]) -> Code:
        for turn in turns:
            locks: list[Any] = [
                environment.spinlock(f"{each}") if each in spins else environment.mutex(f"{each}")
                for each in sorted(turn)
            ]
            for lock in locks:
                yield Lock(lock)
                yield Compute(cycles)
            for lock in locks:
                yield Unlock(lock)

    def main(environment: Environment) -> Code:
        yield WaitBarrier(environment.barrier())
        workers = []
        for turns in wanted[environment.rank :: environment.size]:
            workers.append((yield Fork(worker(environment, turns))))
        for each in workers:
            yield Join(each)

    kernel.spawn("cpu_bound", 2, cores=(0, 1))
    domain = spawn(kernel, "ordered", main)
    for step in range(40):
        kernel.run(PS_PER_MS // 10 if step < 20 else 4000 * PS_PER_MS)
        assert (stuck(kernel), found(kernel)) == ([], [])
    assert not domain.alive


@settings(randomly, max_examples=25)
@given(scripts=st.lists(STEPS, min_size=2, max_size=5))
def test_reported_is_exactly_who_the_simulation_shows_stuck(
    load: Load, scripts: list[list[tuple[str, int, int]]]
) -> None:
    check_random(load, scripts)


@pytest.mark.slow
@settings(randomly, max_examples=1000)
@given(scripts=st.lists(STEPS, min_size=2, max_size=6))
def test_reported_is_exactly_who_is_stuck_in_a_thousand_programs(
    load: Load, scripts: list[list[tuple[str, int, int]]]
) -> None:
    check_random(load, scripts)
