"""The states of dispatchers (figures 2.9 and 2.10), and the entry points, faults and yields of running ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import PS_PER_MS, PS_PER_S
from kernel.dispatch_state import (
    AT_LMP,
    AT_PAGE_FAULT,
    AT_PAGE_FAULT_DISABLED,
    AT_RUN,
    AT_TRAP,
    AT_TRAP_DISABLED,
    CRITICAL,
    ENTRY_POINTS,
    NOT_RUNNING,
    RUNNING,
    SCHEDULING,
    START,
    STATES,
    TRANSITIONS,
    UNRUNNABLE,
    Event,
    IllegalTransition,
    SaveArea,
    State,
)
from kernel.dispatching import Install, MapPage, Raise, Touch, Yield, YieldTo, self_paging
from kernel.domain import Domain
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.lmp import LmpLink
from kernel.multikernel import Multikernel
from kernel.program import PROGRAMS, Compute, Environment, Loop, Program, Receive, Send, Spend
from kernel.threads import Code
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]
E, D, T = SaveArea.ENABLED, SaveArea.DISABLED, SaveArea.TRAP

FIGURE_2_9 = {
    # enabled or disabled, running or not: the event, then the same, and the save area in brackets
    ("running enabled", Event.PREEMPT_THREAD): ("running disabled", E, None),
    ("running enabled", Event.PREEMPT): ("not running enabled", E, None),
    ("running disabled", Event.RESUME): ("running enabled", None, E),
    ("running disabled", Event.PREEMPT): ("not running disabled", D, None),
    ("not running enabled", Event.SCHEDULE): ("running disabled", None, None),
    ("not running disabled", Event.SCHEDULE): ("running disabled", None, D),
}

LEFT_OUT = (UNRUNNABLE, AT_TRAP, AT_PAGE_FAULT_DISABLED, AT_TRAP_DISABLED)
"""Not in the figure, which is of what goes on after no fault."""

FIGURE_2_10 = {
    (NOT_RUNNING, Event.SCHEDULE): AT_RUN,
    (NOT_RUNNING, Event.LMP): AT_LMP,
    (AT_RUN, Event.RESUME): RUNNING,
    (AT_LMP, Event.RESUME): RUNNING,
    (RUNNING, Event.SYSTEM_CALL): RUNNING,
    (RUNNING, Event.PREEMPT): NOT_RUNNING,
}

TEXT = {
    # §2.5.2: the entry points, the save areas, and the critical section
    (RUNNING, Event.PAGE_FAULT): (AT_PAGE_FAULT, E, None),
    (RUNNING, Event.TRAP): (AT_TRAP, T, None),
    (SCHEDULING, Event.PAGE_FAULT): (AT_PAGE_FAULT_DISABLED, T, None),
    (AT_RUN, Event.TRAP): (AT_TRAP_DISABLED, T, None),
    (AT_PAGE_FAULT, Event.RESUME): (RUNNING, None, E),
    (AT_TRAP, Event.RESUME): (RUNNING, None, T),
    (AT_PAGE_FAULT_DISABLED, Event.RESUME): (SCHEDULING, None, T),
    (AT_RUN, Event.ENABLE): (CRITICAL, None, None),
    (CRITICAL, Event.RESUME): (RUNNING, None, E),
}


def quadrant(state: State) -> str:
    return f"{'' if state.running else 'not '}running {'disabled' if state.disabled else 'enabled'}"


def test_a_domain_starts_not_running_and_disabled() -> None:
    assert quadrant(START) == "not running disabled"
    assert START.on[Event.SCHEDULE] is not None
    assert START.on[Event.SCHEDULE].after is SCHEDULING


@pytest.mark.parametrize(("state", "event"), FIGURE_2_9)
def test_figure_2_9_says_where_registers_are_kept(state: str, event: Event) -> None:
    taken = {
        (quadrant(t.after), t.saves, t.restores)
        for (s, e), t in TRANSITIONS.items()
        if quadrant(s) == state and e is event and s not in LEFT_OUT
    }
    assert taken == {FIGURE_2_9[state, event]}


@pytest.mark.parametrize(("state", "event"), FIGURE_2_10)
def test_figure_2_10_says_how_a_dispatcher_is_entered(state: State, event: Event) -> None:
    assert state.transition(event).after is FIGURE_2_10[state, event]


@pytest.mark.parametrize(("state", "event"), TEXT)
def test_the_text_says_what_the_figures_leave_out(state: State, event: Event) -> None:
    taken = state.transition(event)
    assert (taken.after, taken.saves, taken.restores) == TEXT[state, event]



def test_every_pair_of_state_and_event_is_taken_or_refused() -> None:
    """Whatever the table does not have raises, and names the event and the state."""
    for state in STATES:
        for event in Event:
            if (state, event) in TRANSITIONS:
                assert state.transition(event).after in STATES
            else:
                what = event.name.lower().replace("_", " ")
                said = re.escape(f"{what} cannot happen to a dispatcher that is {state}")
                with pytest.raises(IllegalTransition, match=said):
                    state.transition(event)


def test_every_state_is_reached_and_every_entry_point_entered() -> None:
    reached, front = {START}, [START]
    while front:
        for event in Event:
            found = front[0].on[event]
            if found is not None and found.after not in reached:
                reached.add(found.after)
                front.append(found.after)
        front.pop(0)
    assert reached == set(STATES)
    assert {state.entry for state in reached} - {""} == set(ENTRY_POINTS)


@given(st.lists(st.sampled_from(Event), max_size=40))
def test_registers_are_restored_from_where_they_were_saved_last(events: list[Event]) -> None:
    """An area is taken from only after something was stored there; what is preempted disabled goes on just so."""
    state, stored = START, {D}
    before_preemption = SCHEDULING
    for event in events:
        taken = state.on[event]
        if taken is None:
            continue
        if event is Event.PREEMPT and state.disabled:
            before_preemption = state
        if event is Event.SCHEDULE and state.disabled:
            assert taken.after is before_preemption
        if taken.saves is not None:
            stored.add(taken.saves)
        if taken.restores in (D, T):
            assert taken.restores in stored
        state = taken.after
        if state is UNRUNNABLE:
            assert all(state.on[each] is None for each in Event)


# -- running ones ----------------------------------------------------------------------------------


@pytest.fixture
def kernel(load: Load) -> Multikernel:
    return Multikernel.boot(load("intel-2x4"))


@pytest.fixture
def spawn(kernel: Multikernel) -> Iterator[Callable[..., Domain]]:
    """`spawn(main, cores=...)`: a program of the test's own, spawned and run for a second."""
    made: list[str] = []

    def spawn_it(main: Callable[[Environment], Code], cores: tuple[int, ...] = (1,), run: bool = True) -> Domain:
        name = f"test{len(made)}"
        made.append(name)
        PROGRAMS[name] = Program(name, "", "", main)
        domain = kernel.spawn(name, len(cores), cores=cores)
        if run:
            kernel.run(PS_PER_S)
        return domain

    yield spawn_it
    for name in made:
        del PROGRAMS[name]


def test_a_page_fault_without_a_handler_ends_the_domain(spawn: Callable[..., Domain]) -> None:
    def main(_: Environment) -> Code:
        yield Compute(10)
        yield Touch((7,))

    domain = spawn(main)
    assert domain.state.value == "trapped"
    assert domain.fault == "page fault at page 7, and the program handles none at PageFault"


def test_a_self_paging_program_maps_each_page_once(kernel: Multikernel, spawn: Callable[..., Domain]) -> None:
    def main(_: Environment) -> Code:
        yield Compute(0)
        yield Install("PageFault", self_paging)
        yield Touch((1, 2, 3))
        yield Touch((3, 2, 1))

    account = kernel.drivers[1].account
    before = account.kernel
    domain = spawn(main)
    assert domain.state.value == "exited"
    assert domain.pages == {1, 2, 3}
    hardware = kernel.hardware
    spawning = 7 * hardware.cost_ps("system_call", 1)  # what spawn daemon and monitor invoke to make the dispatcher
    spawning += hardware.cost_ps("system_call", 1)  # and the monitor to take back what it was made of
    spawning += 2 * hardware.cost_ps("lmp", 1)  # what they tell each other
    each = hardware.cost_ps("activation", 1) + hardware.cost_ps("system_call", 1)
    assert account.kernel - before == spawning + 3 * each


def test_each_fault_is_handled_at_its_entry_point(kernel: Multikernel, spawn: Callable[..., Domain]) -> None:
    """A fault in the program, one in the handler of it, and an exception."""
    seen: list[tuple[object, str]] = []
    domains: list[Domain] = []

    def note(argument: object) -> None:
        seen.append((argument, domains[0].dispatchers[0].state.name))

    def enabled(page: int) -> Code:
        note(page)
        yield Touch((page + 100,))
        note(page)
        yield MapPage(page)

    def disabled(page: int) -> Code:
        note(page)
        yield MapPage(page)

    def trap(what: str) -> Code:
        note(what)
        yield Compute(10)

    def main(_: Environment) -> Code:
        yield Compute(1_000_000)
        yield Install("PageFault", enabled)
        yield Install("PageFault_Disabled", disabled)
        yield Install("Trap", trap)
        yield Touch((1,))
        note("between")
        yield Raise("division by zero")
        note("after")

    domains.append(spawn(main, run=False))
    kernel.run(PS_PER_S)
    assert domains[0].state.value == "exited"
    assert seen == [
        (1, "at PageFault"), (101, "at PageFault_Disabled"), (1, "scheduling its threads"), ("between", "running"),
        ("division by zero", "at Trap"), ("after", "running"),
    ]


def test_a_third_fault_while_disabled_ends_the_domain(spawn: Callable[..., Domain]) -> None:
    def handler(page: int) -> Code:
        yield Touch((page + 1,))

    def main(_: Environment) -> Code:
        yield Compute(10)
        yield Install("PageFault", handler)
        yield Install("PageFault_Disabled", handler)
        yield Touch((1,))

    domain = spawn(main)
    assert domain.state.value == "trapped"
    assert domain.fault == "page fault at page 4: one too many while disabled, at most 2"
    assert domain.dispatchers[0].state is UNRUNNABLE
    assert domain.gone


def test_a_second_fault_while_disabled_loses_what_the_first_had_saved(spawn: Callable[..., Domain]) -> None:
    def handler(page: int) -> Code:
        if page < 3:
            yield Touch((page + 1,))
        yield MapPage(page)

    def main(_: Environment) -> Code:
        yield Compute(10)
        yield Install("PageFault", handler)
        yield Install("PageFault_Disabled", handler)
        yield Touch((1,))

    domain = spawn(main)
    assert domain.pages == {2, 3}
    assert domain.fault == "a fault while disabled overwrote what the one before it had saved"


def test_a_handler_that_waits_ends_the_domain(kernel: Multikernel, spawn: Callable[..., Domain]) -> None:
    def handler(_: int) -> Code:
        yield Receive(Endpoint(0))

    def main(_: Environment) -> Code:
        yield Compute(10)
        yield Install("PageFault", handler)
        yield Touch((1,))

    assert spawn(main).fault == "the handler at PageFault waits, which a disabled dispatcher must not"


def test_a_handler_that_yields_ends_the_domain(spawn: Callable[..., Domain]) -> None:
    def handler(_: int) -> Code:
        yield Yield()

    def main(_: Environment) -> Code:
        yield Install("PageFault", handler)
        yield Touch((1,))

    assert spawn(main).fault == "the handler at PageFault yields; it has to come to its end first"


def test_a_handler_that_is_none_ends_the_domain_when_it_is_needed(spawn: Callable[..., Domain]) -> None:
    def main(_: Environment) -> Code:
        yield Install("PageFault", lambda page: 1 // 0)  # type: ignore[arg-type, return-value]
        yield Touch((1,))

    assert "ZeroDivisionError" in spawn(main).fault


def test_an_exception_without_a_handler_ends_the_domain(spawn: Callable[..., Domain]) -> None:
    def main(_: Environment) -> Code:
        yield Raise("illegal instruction")

    assert spawn(main).fault == "illegal instruction, and the program handles none at Trap"


def test_a_preempted_handler_goes_on_where_it_was(kernel: Multikernel, spawn: Callable[..., Domain]) -> None:
    """A disabled dispatcher is resumed, not entered at Run; it counts no timeslice."""
    long_ps = 200 * PS_PER_MS  # two and a half timeslices
    states: set[str] = set()

    def handler(page: int) -> Code:
        yield Spend(long_ps)
        yield MapPage(page)

    def main(_: Environment) -> Code:
        yield Install("PageFault", handler)
        yield Touch((1,))
        yield Loop(1000)

    kernel.spawn("cpu_bound", 1, cores=(1,))
    domain = spawn(main, run=False)
    dispatcher = domain.dispatchers[0]
    while not domain.pages:
        kernel.run(PS_PER_MS)
        states.add(dispatcher.state.name)
    assert states >= {"at PageFault", "preempted at PageFault"}
    assert dispatcher.deallocations >= 2
    assert dispatcher.timeslices == 1
    assert dispatcher.save_areas[SaveArea.ENABLED] is dispatcher.threads[0]
    assert dispatcher.save_areas[SaveArea.DISABLED] not in dispatcher.threads


def test_yielders_take_turns_before_their_timeslices_end(spawn: Callable[..., Domain]) -> None:
    turns: list[str] = []

    def program(name: str) -> Callable[[Environment], Code]:
        def main(_: Environment) -> Code:
            yield Spend(PS_PER_MS)  # until both are there
            for _ in range(4):
                turns.append(name)
                yield Spend(PS_PER_MS)
                yield Yield()

        return main

    spawn(program("a"), run=False)
    spawn(program("b"))
    assert "".join(turns).count("ab") >= 3


def test_a_directed_yield_gives_the_rest_of_the_timeslice(kernel: Multikernel, spawn: Callable[..., Domain]) -> None:
    """Of three on a core, the yielder's time goes to one; the third has its third."""

    def endless(_: Environment) -> Code:
        yield Loop(1000)

    favourite, other = spawn(endless, run=False), spawn(endless, run=False)

    def generous(_: Environment) -> Code:
        while True:
            yield YieldTo(favourite.dispatchers[0])

    giver = spawn(generous, run=False)
    before = [kernel.status(domain).cpu_time_ps for domain in (favourite, other, giver)]
    kernel.run(12 * PS_PER_S)
    after = [kernel.status(domain).cpu_time_ps for domain in (favourite, other, giver)]
    got = [(b - a) / (12 * PS_PER_S) for a, b in zip(before, after, strict=True)]
    assert got == pytest.approx([2 / 3, 1 / 3, 0], abs=0.01)
    kernel.kill(favourite.id)
    kernel.run(PS_PER_MS)
    assert giver.alive  # with nobody to give it to, it yields to any


def test_yielding_to_another_core_is_refused(spawn: Callable[..., Domain]) -> None:
    def endless(_: Environment) -> Code:
        yield Loop(1000)

    there = spawn(endless, cores=(2,), run=False).dispatchers[0]

    def main(_: Environment) -> Code:
        yield YieldTo(there)

    assert spawn(main).fault == "a dispatcher on core 1 cannot yield to one on core 2"


# -- local messages --------------------------------------------------------------------------------


def test_a_local_message_switches_to_who_waits_for_it(kernel: Multikernel, spawn: Callable[..., Domain]) -> None:
    """The receiver has it one LMP latency after it was sent, whoever else there is, and the sender pays."""
    request, reply = Endpoint(0), Endpoint(0)
    times: list[int] = []

    def server(_: Environment) -> Code:
        while True:
            yield Receive(request)
            times.append(kernel.now)
            yield Send(LmpLink(kernel.hardware, 1, reply), "reply")

    def client(_: Environment) -> Code:
        for _ in range(3):
            yield Spend(PS_PER_MS)
            times.append(kernel.now)
            yield Send(LmpLink(kernel.hardware, 1, request), "request")
            yield Receive(reply)
            times.append(kernel.now)

    kernel.spawn("cpu_bound", 1, cores=(1,))
    spawn(server, run=False)
    spawn(client)
    one_way = kernel.hardware.cost_ps("lmp", 1)
    sent, there, back = times[0::3], times[1::3], times[2::3]
    assert [b - a for a, b in zip(sent, there, strict=True)] == [one_way] * 3
    assert [b - a for a, b in zip(there, back, strict=True)] == [one_way] * 3


def test_a_message_for_a_disabled_dispatcher_waits_until_it_is_enabled(
    kernel: Multikernel, spawn: Callable[..., Domain]
) -> None:
    box = Endpoint(0)
    got: list[tuple[object, bool]] = []

    def handler(page: int) -> Code:
        yield Spend(300 * PS_PER_MS)
        yield MapPage(page)

    def faulting(environment: Environment) -> Code:
        yield Install("PageFault", handler)
        yield Touch((1,))

    def sender(_: Environment) -> Code:
        while receiver.dispatchers[0].state.name != "preempted at PageFault":
            yield Compute(100_000)
        yield Send(LmpLink(kernel.hardware, 1, box), "hello")
        got.append(("sent", bool(receiver.pages)))

    def waiting(_: Environment) -> Code:
        got.append(((yield Receive(box)), bool(receiver.pages)))

    receiver = spawn(faulting, run=False)
    dispatcher = receiver.dispatchers[0]
    dispatcher.start(waiting(Environment(0, 1, 1, kernel.hardware, (), {})))
    spawn(sender)
    assert got == [("sent", False), ("hello", True)]


# -- the page --------------------------------------------------------------------------------------


def test_the_page_says_what_a_dispatcher_is_allocated(kernel: Multikernel) -> None:
    """§3.5.2: scheduling period and allocated time, as the core's scheduler has it."""
    gang = kernel.spawn("cpu_bound", 2, cores=(1, 2), manifest="H 20 80 40 0\n")
    first = kernel.spawn("cpu_bound", 1, cores=(1,))
    second = kernel.spawn("cpu_bound", 1, cores=(1,), manifest="B 2\n")
    kernel.run(PS_PER_S)  # the monitor and the spawn daemon have blocked by then
    page = gang.dispatchers[0].page
    assert (page.core, page.period_ps, page.share) == (1, 80 * PS_PER_MS, Fraction(1, 4))
    shares = [domain.dispatchers[0].page.share for domain in (first, second)]
    assert shares == [Fraction(1, 4), Fraction(1, 2)]
    before = [kernel.status(domain).cpu_time_ps for domain in (first, second)]
    kernel.run(20 * PS_PER_S)
    after = [kernel.status(domain).cpu_time_ps for domain in (first, second)]
    got = [(b - a) / (20 * PS_PER_S) for a, b in zip(before, after, strict=True)]
    assert got == pytest.approx([float(share) for share in shares], abs=0.01)


def test_a_peer_can_tell_from_the_page_who_runs_and_until_when(kernel: Multikernel) -> None:
    one, other = (kernel.spawn("cpu_bound", 1, cores=(1,)).dispatchers[0] for _ in range(2))
    kernel.run(PS_PER_S)
    seen = one.deallocations
    for _ in range(40):
        pages = one.page, other.page
        assert [page.running for page in pages].count(True) == 1
        running = pages[0] if pages[0].running else pages[1]
        idle = pages[1] if pages[0].running else pages[0]
        assert idle.timeslice_start_ps is idle.timeslice_end_ps is None
        start, end = running.timeslice_start_ps, running.timeslice_end_ps
        assert start is not None
        assert end is not None
        assert start <= kernel.now <= end
        kernel.run(end - kernel.now + 1)
        assert not (one if pages[0].running else other).page.running
    assert one.deallocations == seen + 20
    with pytest.raises(AttributeError):
        one.page.deallocations = 0  # type: ignore[misc]


def test_the_page_of_a_dispatcher_that_is_gone_says_so(kernel: Multikernel) -> None:
    domain = kernel.spawn("cpu_bound", 1, cores=(1,))
    kernel.kill(domain.id)
    page = domain.dispatchers[0].page
    assert not page.running
    assert page.share == 0
