"""The CPU driver: what mechanisms cost, who pays, and that every picosecond is somebody's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.clock import PS_PER_MS, PS_PER_S, PS_PER_US
from kernel.cpu_driver import Account
from kernel.dispatch_state import UNRUNNABLE
from kernel.dispatching import Install, Raise, Touch, Yield, YieldTo, self_paging
from kernel.errors import KernelError
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.lmp import LmpLink
from kernel.messaging.ump import channel
from kernel.multikernel import Multikernel
from kernel.program import PROGRAMS, Compute, Environment, Invoke, Loop, Program, Receive, Send, Spend
from kernel.spanning import span
from kernel.threads import Code, Operation
from kernel.timeline import Priority
from skb.facts import Fact
from skb.knowledge import KnowledgeBase
from skb.placement import PlacementError

Load = Callable[[str], KnowledgeBase]
Main = Callable[[Environment], Code]


@pytest.fixture
def kernel(load: Load) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


@pytest.fixture
def register() -> Iterator[Callable[[Main], str]]:
    """`register(main)`: a program of the test's own; its name."""
    made: list[str] = []

    def register_it(main: Main) -> str:
        name = f"own{len(made)}"
        made.append(name)
        PROGRAMS[name] = Program(name, "", "", main)
        return name

    yield register_it
    for name in made:
        del PROGRAMS[name]


def spent(kernel: Multikernel, core: int, duration_ps: int) -> tuple[Account, int, int]:
    """Where a core's time goes while `duration_ps` pass, and how many context switches and wake-ups that has."""
    driver = kernel.drivers[core]
    driver.settle(kernel.now)
    before, switches, wakeups = driver.account, driver.context_switches, driver.wakeups
    driver.account = Account()
    kernel.run(duration_ps)
    driver.settle(kernel.now)
    after, driver.account = driver.account, before
    return after, driver.context_switches - switches, driver.wakeups - wakeups


def total(account: Account) -> int:
    return account.user + account.kernel + account.switch + account.interrupt + account.idle


# -- what things cost ------------------------------------------------------------------------------


def test_each_context_switch_costs_what_the_machine_says(kernel: Multikernel) -> None:
    for _ in range(3):
        kernel.spawn("cpu_bound", cores=(1,))
    kernel.run(PS_PER_S)
    account, switches, wakeups = spent(kernel, 1, 20 * 240 * PS_PER_MS)
    assert switches == pytest.approx(60, abs=1)
    assert account.switch == switches * kernel.hardware.cost_ps("context_switch", 1)
    assert account.user == 20 * 240 * PS_PER_MS - account.switch
    assert (account.idle, account.interrupt, account.kernel, wakeups) == (0, 0, 0, 0)


def test_a_core_with_nothing_to_run_is_halted(kernel: Multikernel) -> None:
    assert kernel.cores()[1].state == "halted"
    account, switches, wakeups = spent(kernel, 1, PS_PER_S)
    assert account == Account(idle=PS_PER_S)
    assert (switches, wakeups) == (0, 0)


def test_waking_up_by_its_timer_costs_an_interrupt_each_time(kernel: Multikernel) -> None:
    """A hard real-time program alone on a core: halted until each release."""
    kernel.spawn("cpu_bound", cores=(1,), manifest="H 10 100 100 0\n")
    kernel.run(PS_PER_S)
    account, switches, wakeups = spent(kernel, 1, 2 * PS_PER_S)
    hardware = kernel.hardware
    assert switches == wakeups == 20
    assert account.interrupt == 20 * hardware.cost_ps("interrupt", 1)
    assert account.switch == 20 * hardware.cost_ps("context_switch", 1)
    assert account.user + account.interrupt + account.switch == 20 * 10 * PS_PER_MS
    assert account.idle == 2 * PS_PER_S - 20 * 10 * PS_PER_MS


def test_a_message_from_another_core_wakes_a_halted_one_by_one_interrupt_of_its_monitor(
    kernel: Multikernel, register: Callable[[Main], str]
) -> None:
    """The monitor wakes the receiver by a local message; before it blocks again that asks the monitor to poll."""
    box, back = Endpoint(0), Endpoint(0)
    there, _ = channel(kernel.timeline, kernel.hardware, (1, back), (2, box))

    def sender(_: Environment) -> Code:
        yield Spend(500 * PS_PER_MS)
        for _ in range(5):
            yield Spend(20 * PS_PER_MS)
            yield Send(there, "ping")
        yield Loop(1000)

    def receiver(_: Environment) -> Code:
        while True:
            yield Receive(box)

    kernel.spawn(register(receiver), cores=(2,))
    kernel.spawn(register(sender), cores=(1,))
    kernel.run(250 * PS_PER_MS)
    account, switches, wakeups = spent(kernel, 2, PS_PER_S)
    hardware = kernel.hardware
    assert (switches, wakeups) == (5 * len(("monitor", "receiver", "monitor")), 5)
    assert account.interrupt == 5 * hardware.cost_ps("interrupt", 2)
    assert account.kernel == 5 * 2 * hardware.cost_ps("lmp", 2)
    fetched = hardware.message_ps(1, 2) // 2
    assert account.user == pytest.approx(5 * (fetched + hardware.cost_ps("poll", 2)), rel=1e-3)


@pytest.mark.parametrize(
    ("operation", "cost"),
    [
        (lambda kernel: Invoke(lambda _: None), ("system_call",)),
        (lambda kernel: Yield(), ("system_call",)),
        (lambda kernel: Send(LmpLink(kernel.hardware, 1, Endpoint(0)), "hello"), ("lmp",)),
        (lambda kernel: Raise("breakpoint"), ("activation",)),
    ],
    ids=["invoke", "yield", "LMP", "trap"],
)
def test_each_way_into_the_kernel_costs_what_the_machine_says(
    kernel: Multikernel, register: Callable[[Main], str], operation: Callable[[Multikernel], Operation],
    cost: tuple[str, ...],
) -> None:
    """The three system calls, and an exception that a handler has nothing to do about."""

    def handler(_: object) -> Code:
        yield from ()

    def main(_: Environment) -> Code:
        yield Install("Trap", handler)
        yield Spend(100 * PS_PER_MS)
        for _ in range(7):
            yield operation(kernel)
            yield Spend(PS_PER_MS)
        yield Loop(1000)

    kernel.spawn(register(main), cores=(1,))
    kernel.run(50 * PS_PER_MS)
    account, switches, _ = spent(kernel, 1, PS_PER_S)
    assert switches == 0
    assert account == Account(
        user=PS_PER_S - account.kernel,
        kernel=7 * sum(kernel.hardware.cost_ps(each, 1) for each in cost),
    )


def test_the_kernel_is_not_preempted_by_an_interrupt(kernel: Multikernel) -> None:
    """While a CPU driver stays in the kernel, nothing is dispatched; what it owes for the interrupt comes after."""
    first = kernel.spawn("cpu_bound", cores=(1,)).dispatchers[0]
    kernel.run(10 * PS_PER_MS)
    driver = kernel.drivers[1]
    kernel.spawn("cpu_bound", cores=(1,), manifest="H 10 100 100 0\n")
    kernel.run(200 * PS_PER_MS)  # by then it is real time
    for runs in (False, True):  # a job of the real-time program, which takes 10 ms of 100
        assert kernel.run_until(lambda runs=runs: (driver.current is first) is runs, PS_PER_S)
    kernel.run(85 * PS_PER_MS)
    assert driver.current is first
    started = kernel.now
    driver.hold(started, 10 * PS_PER_MS)  # across the real-time program's release
    kernel.timeline.at(started + PS_PER_MS, Priority.MESSAGE, 1, driver.interrupt)
    kernel.run(10 * PS_PER_MS - 1)
    assert driver.current is first
    assert not driver.runs(first)
    kernel.run(2)
    assert driver.current is not first


# -- cores that are not alike ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capacities", "ratio"),
    [({}, 1), ({1: 1024, 2: 512}, 0.5), ({1: 200, 2: 150}, 0.75), ({1: 1024}, 1)],
    ids=["untold", "half", "three quarters", "not of all"],
)
def test_a_program_gets_done_on_a_core_what_its_capacity_allows(
    load: Load, capacities: dict[int, int], ratio: float
) -> None:
    kb = load("amd-4x4")
    if len(capacities) > 1:
        capacities = {core: capacities.get(core, max(capacities.values())) for core in range(16)}
    kb.load("sysfs", [Fact("cpu_capacity", (core, capacity)) for core, capacity in capacities.items()])
    kernel = Multikernel.boot(kb)
    domain = kernel.spawn("cpu_bound", 2, cores=(1, 2))
    kernel.run(PS_PER_S)
    kernel.status(domain)
    one, other = (domain.dispatchers[index].iterations for index in (0, 1))
    assert other / one == pytest.approx(ratio, rel=1e-3)


# -- nothing is lost -------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from([
            "compute", "spend", "yield", "yield to", "touch", "raise", "invoke", "ping", "answer", "span", "wait",
        ]),
        st.integers(0, 5),
    ),
    max_size=12,
)

COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(["spawn", "real time", "kill", "offline", "online", "phase", "run"]),
        st.integers(0, 7), st.integers(0, 200), STEPS,
    ),
    max_size=8,
)


def program(kernel: Multikernel, steps: list[tuple[str, int]], boxes: list[Endpoint]) -> Main:
    """A program that does these steps, over and over."""

    def handler(_: object) -> Code:
        yield Compute(50_000)

    def helper(_: Environment) -> Code:
        yield Spend(30 * PS_PER_MS)

    def main(environment: Environment) -> Code:
        own = environment.dispatchers[environment.rank]
        yield Install("PageFault", self_paging)
        yield Install("Trap", handler)
        for lap in range(200):
            yield Compute(1000)
            for step, number in steps:
                match step:
                    case "compute":
                        yield Compute(10 ** (number + 3))
                    case "spend":
                        yield Spend(number * 7 * PS_PER_MS + PS_PER_US)
                    case "yield":
                        yield Yield()
                    case "yield to":
                        others = list(own.driver.dispatchers.values())
                        yield YieldTo(others[number % len(others)])
                    case "touch":
                        yield Touch((lap, lap + number))
                    case "raise":
                        yield Raise("breakpoint")
                    case "invoke":
                        yield Invoke(lambda _: None)
                    case "ping":
                        yield Send(LmpLink(kernel.hardware, own.core, boxes[number]), "ping")
                    case "answer":
                        if lap < 3:
                            yield Receive(Endpoint(PS_PER_US)) if number == 5 else Send(
                                LmpLink(kernel.hardware, own.core, boxes[number]), "answer"
                            )
                    case "span":
                        if lap == 0:
                            yield from span(environment, helper, number)
                    case "wait":
                        if lap < 2 and environment.rank == 0:
                            yield Receive(boxes[number])

    return main


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=COMMANDS, seed=st.integers(0, 99))
def test_whatever_programs_and_users_do_the_five_parts_sum_to_the_time_that_passed(
    load: Load, commands: list[tuple[str, int, int, list[tuple[str, int]]]], seed: int
) -> None:
    kernel = Multikernel.boot(load("intel-2x4"), seed=seed)
    begin = kernel.now
    boxes = [Endpoint(PS_PER_US) for _ in range(6)]
    try:
        for what, number, milliseconds, steps in commands:
            PROGRAMS["own"] = Program("own", "", "", program(kernel, steps, boxes))
            try:
                match what:
                    case "spawn":
                        kernel.spawn("own", number + 1)
                    case "real time":
                        kernel.spawn("own", number % 3 + 1, manifest="H 10 80 40 0\nB 1\nS 10 40\n")
                    case "kill":
                        kernel.kill(number)
                    case "offline":
                        kernel.take_offline(number)
                    case "online":
                        kernel.bring_online(number)
                    case "phase":
                        kernel.change_phase(number, milliseconds % 3)
            except (KernelError, PlacementError):
                pass
            kernel.run(milliseconds * PS_PER_MS)
    finally:
        PROGRAMS.pop("own", None)
    kernel.run(PS_PER_MS + 1)  # nothing is in the middle of an instant then
    kernel.cores()
    assert {total(driver.account) for driver in kernel.drivers.values()} == {kernel.now - begin}
    known = {dispatcher for driver in kernel.drivers.values() for dispatcher in driver.dispatchers.values()}
    for status in kernel.domains():
        domain = kernel.find(str(status.id))
        assert all((dispatcher in known) == domain.alive for dispatcher in domain.dispatchers.values())
        assert domain.alive or all(dispatcher.state is UNRUNNABLE for dispatcher in domain.dispatchers.values())
    running = [driver.current for driver in kernel.drivers.values() if driver.current is not None]
    assert all(dispatcher.state.running for dispatcher in running)
    for driver in kernel.drivers.values():
        for dispatcher in driver.dispatchers.values():
            assert dispatcher.state.running == (driver.current is dispatcher)
