"""The vocabulary of programs: what a thread may yield, and how programs register themselves.

A program is a function that is given its `Environment` and returns a generator; every dispatcher of a
domain starts one thread of it (single program, multiple data). Each operation costs processor time,
which passes only while the dispatcher is scheduled:

    @program("hello", "compute a little, then end")
    def hello(environment: Environment) -> Code:
        yield Compute(1000)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from kernel import activation
from kernel.barrier import Barrier
from kernel.clock import PS_PER_NS
from kernel.errors import KernelError
from kernel.hardware import Hardware
from kernel.shared_memory import SharedObject
from kernel.synchronisation import Condition, Mutex, Semaphore, Spinlock
from kernel.threads import ENDLESS, Code, Operation, Thread, whole

if TYPE_CHECKING:
    from kernel.capabilities.calls import CapabilityCalls
    from kernel.dispatcher import Dispatcher
    from kernel.messaging.endpoint import Endpoint, Link
    from kernel.services.knowledge import Client

S = TypeVar("S", bound=SharedObject)


@dataclass(frozen=True, slots=True)
class Compute(Operation):
    """Compute for `cycles` of the core it happens to run on; of several types of cores, of the most capable.

    `floating` says that it computes with the floating-point unit, whose registers then have to be this thread's.
    """

    cycles: int
    floating: bool = False

    def begin(self, thread: Thread, now: int) -> None:
        thread.floats = self.floating
        cycles = whole(self.cycles, "Compute: cycles")
        thread.compute(thread.dispatcher.driver.core.compute_ps(cycles), thread.resume)


@dataclass(frozen=True, slots=True)
class Spend(Operation):
    """Compute for `duration_ps`: work whose measured cost is a time, not cycles."""

    duration_ps: int

    def begin(self, thread: Thread, now: int) -> None:
        thread.compute(whole(self.duration_ps, "Spend: duration_ps"), thread.resume)


@dataclass(frozen=True, slots=True)
class Loop(Operation):
    """Repeat a computation of `cycles` without end, with a barrier after each iteration if one is given.

    Without a barrier a domain's progress is the iterations of all its threads; with one, the rounds.
    """

    cycles: int
    barrier: Barrier | None = None

    def begin(self, thread: Thread, now: int) -> None:
        iteration_ps = thread.dispatcher.driver.core.compute_ps(whole(self.cycles, "Loop: cycles"))
        if self.barrier is not None:
            self.barrier.join(thread, iteration_ps, now)
        else:
            thread.loop_iteration_ps = iteration_ps
            thread.compute(ENDLESS, thread.resume)


@dataclass(frozen=True, slots=True)
class WaitBarrier(Operation):
    """Arrive at a barrier once, and go on when all have."""

    barrier: Barrier

    def begin(self, thread: Thread, now: int) -> None:
        self.barrier.wait(thread, now)


@dataclass(frozen=True, slots=True)
class Send(Operation):
    """Send `message` on `link`; the sender is held up for what sending costs, and while the link is full."""

    link: Link
    message: object

    def begin(self, thread: Thread, now: int) -> None:
        self.link.send(thread, self.message, now)


@dataclass(frozen=True, slots=True)
class Receive(Operation):
    """Wait for the next message at `endpoint`: poll for a while, then block. The result is the message."""

    endpoint: Endpoint

    def begin(self, thread: Thread, now: int) -> None:
        self.endpoint.receive(thread, now)


@dataclass(frozen=True, slots=True)
class Invoke(Operation):
    """A system call: `action(now)` is done by the CPU driver, its result is the operation's."""

    action: Callable[[int], object]

    def begin(self, thread: Thread, now: int) -> None:
        thread.dispatcher.driver.system_call(now)
        thread.compute(0, lambda later: thread.resume(later, self.action(later)))


@dataclass(frozen=True, slots=True)
class Environment:
    """What a thread of a program knows: its place among the domain's dispatchers, the machine, arguments.

    `domain` is its number. `barriers`, `shared`, `tally` and `memory`, for whatever the program keeps there, are the
    domain's, for all its dispatchers, as they share an address space. So are `dispatchers`, by rank, which are there
    as soon as they have been created.
    """

    rank: int
    size: int
    core: int
    hardware: Hardware
    arguments: tuple[str, ...]
    barriers: dict[str, Barrier]
    shared: dict[tuple[type, str], SharedObject] = field(default_factory=dict)
    dispatchers: Mapping[int, Dispatcher] = field(default_factory=dict)
    tally: dict[int, int] = field(default_factory=dict)
    memory: dict[str, object] = field(default_factory=dict)
    domain: int = 0
    connect: Callable[[], Client] | None = None
    capability_calls: Callable[[], CapabilityCalls] | None = None

    def activation(self, rank: int) -> activation.Activation | None:
        """What the read-only page of that dispatcher of the domain says now; None before it is created."""
        dispatcher = self.dispatchers.get(rank)
        return None if dispatcher is None else activation.page(dispatcher)

    def barrier(self, name: str = "barrier", parties: int | None = None, spin_ns: int | None = None) -> Barrier:
        """The domain's barrier of that name, made when it is first asked for.

        It is for one thread of each dispatcher if `parties` does not say for how many; who arrives early spins for
        `spin_ns` (cost `barrier_spin`, if not said) before it blocks.
        """
        barrier = self.barriers.get(name)
        if barrier is None:
            whole(spin_ns or 0, "barrier: spin_ns")
            if parties is not None and whole(parties, "barrier: parties") == 0:
                raise KernelError("a barrier is for one thread at least")
            hardware = self.hardware
            barrier = self.barriers[name] = Barrier(
                self.size if parties is None else parties,
                hardware.cost_ps("barrier_spin", self.core) if spin_ns is None else spin_ns * PS_PER_NS,
                lambda core: hardware.cost_ps("block", core),
                hardware.line_ps,
                hardware.message_ps,
            )
        return barrier

    def mutex(self, name: str = "mutex") -> Mutex:
        """The domain's mutex of that name."""
        return self._shared(Mutex, name, lambda: Mutex(name, self.hardware))

    def spinlock(self, name: str = "spinlock") -> Spinlock:
        """The domain's spinlock of that name."""
        return self._shared(Spinlock, name, lambda: Spinlock(name, self.hardware))

    def condition(self, name: str = "condition") -> Condition:
        """The domain's condition variable of that name."""
        return self._shared(Condition, name, lambda: Condition(name, self.hardware))

    def semaphore(self, name: str = "semaphore", value: int = 0) -> Semaphore:
        """The domain's semaphore of that name; whoever asks first says how many may pass."""
        whole(value, "semaphore: value")
        return self._shared(Semaphore, name, lambda: Semaphore(name, self.hardware, value))

    def _shared(self, kind: type[S], name: str, make: Callable[[], S]) -> S:
        found = self.shared.get((kind, name))
        if found is None:
            found = self.shared[kind, name] = make()
        assert isinstance(found, kind)
        return found

    def word(self, name: str) -> SharedObject:
        """A word of the domain's memory of that name, for `Atomic` operations."""
        return self._shared(SharedObject, name, lambda: SharedObject(name, self.hardware))

    def count(self, done: int = 1) -> None:
        """So much more of what the program is about is done; `ps` shows it as progress."""
        self.tally[self.rank] = self.tally.get(self.rank, 0) + done

    def client(self) -> Client:
        """A connection to the SKB: `answers = yield from client.ask("core(C)")`."""
        if self.connect is None:
            raise KernelError("this program has no connection to the SKB")
        return self.connect()

    def capabilities(self) -> CapabilityCalls:
        """What a thread calls to use the capabilities of its dispatcher: `yield from calls.retype(...)`."""
        if self.capability_calls is None:
            raise KernelError("this program has no capabilities")
        return self.capability_calls()

    def cycles(self, cost: str) -> int:
        """A cost fact in cycles of this core."""
        core = self.hardware.cores[self.core]
        return max(1, self.hardware.cost_ps(cost, self.core) * core.clock_hz // 10**12)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that can be spawned."""

    name: str
    summary: str
    arguments: str
    main: Callable[[Environment], Code]
    built_for: tuple[str, ...] = ()  # instruction sets (isa_of/2); none: it is built for whatever core it runs on
    source: str = ""  # the file of a user's own

    def check(self, arguments: Sequence[str]) -> None:
        """Refuse arguments that the program does not take."""
        if arguments and not self.arguments:
            raise KernelError(f"program '{self.name}' takes no arguments, got '{' '.join(arguments)}'")


PROGRAMS: dict[str, Program] = {}
"""Every program by name; `kernel.programs` fills it."""


def program(
    name: str, summary: str, arguments: str = "", built_for: tuple[str, ...] = ()
) -> Callable[[Callable[[Environment], Code]], Callable[[Environment], Code]]:
    """Register a program under `name`."""

    def register(main: Callable[[Environment], Code]) -> Callable[[Environment], Code]:
        PROGRAMS[name] = Program(name, summary, arguments, main, built_for)
        return main

    return register
