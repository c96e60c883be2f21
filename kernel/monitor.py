"""Monitors: one a core, a user-level process that does what needs more than one core (§2.5.4).

Monitors share nothing. They are connected by UMP channels, made when first used, and handle one message
after another; whatever takes several messages is split-phase, so that no monitor waits for another.
Here are the monitor itself and the life and death of dispatchers; phase changes are the planner's
(`kernel.planner`), timers `kernel.clock_sync`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kernel.cpu_driver import CpuDriver
from kernel.dispatcher import Dispatcher
from kernel.domain import Domain, DomainState
from kernel.errors import KernelError
from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint, Link
from kernel.messaging.ump import channel
from kernel.program import Environment, Invoke, Receive, Send
from kernel.threads import Code, Operation
from kernel.timeline import Timeline
from skb.placement import Parameters

if TYPE_CHECKING:
    from kernel.services.knowledge import Client

Handling = Generator[Operation, Any, None]
"""What a monitor does for one message."""

@dataclass(frozen=True, slots=True)
class SpawnDomain:
    """To the monitor of the SKB's core: the placement of a domain is decided, create it."""

    domain: Domain


@dataclass(frozen=True, slots=True)
class SpawnDispatcher:
    """Create dispatcher `index` of `domain`, and tell the monitor of `coordinator` when it runs."""

    domain: Domain
    index: int
    coordinator: int


@dataclass(frozen=True, slots=True)
class LoadDispatcher:
    """To the core's spawn daemon: make the dispatcher's objects."""

    request: SpawnDispatcher


@dataclass(frozen=True, slots=True)
class DispatcherLoaded:
    """From the spawn daemon: they are made."""

    request: SpawnDispatcher


@dataclass(frozen=True, slots=True)
class BindRequest:
    """A new dispatcher binds to the one before it on the receiver's core, to wake and move threads."""

    domain: Domain
    index: int
    peer: int
    core: int


@dataclass(frozen=True, slots=True)
class BindReply:
    """Answer to a BindRequest: dispatcher `index` is connected to `peer`."""

    domain: Domain
    index: int
    peer: int


@dataclass(frozen=True, slots=True)
class DispatcherUp:
    """To the coordinator: dispatcher `index` of `domain` runs."""

    domain: Domain
    index: int


@dataclass(frozen=True, slots=True)
class KillDomain:
    """To the coordinator: end the domain on all its cores."""

    domain: Domain


@dataclass(frozen=True, slots=True)
class KillDispatchers:
    """Remove the dispatchers of `domain` on the receiver's core."""

    domain: Domain


class Kernel(Protocol):
    """What monitors need of the kernel they are part of."""

    timeline: Timeline
    hardware: Hardware
    monitors: dict[int, Monitor]
    timeslice_ps: int

    @property
    def now(self) -> int: ...

    def next_task_id(self) -> int: ...

    def phase_entered(self, domain: Domain, phase: int) -> None: ...

    def phase_answered(self, domain: Domain, refusals: list[str]) -> None: ...

    def client(self, domain: Domain, core: int) -> Client: ...

    def timers_answered(self, in_step: bool) -> None: ...

    def core_changed(self, core: int, online: bool) -> None: ...


class Plans(Protocol):
    """What a monitor needs of its planner (`kernel.planner`), which puts itself into `Monitor.planner`."""

    def adopt(self, dispatcher: Dispatcher, phases: tuple[Parameters, ...]) -> None: ...

    def release(self, dispatcher: Dispatcher) -> None: ...

    def forget(self, domain: int) -> None: ...


class Monitor:
    """The monitor of one core. It reaches its own CPU driver, and other cores by messages only."""

    planner: Plans
    spawn_daemon: Link
    spanned: Callable[[DispatcherUp], Handling]
    """What else is to be done when a dispatcher is up (`kernel.spanning`)."""

    def __init__(self, kernel: Kernel, driver: CpuDriver) -> None:
        self.kernel = kernel
        self.driver = driver
        self.core = driver.core.number
        self.endpoint = driver.monitor = Endpoint(kernel.hardware.cost_ps("poll", self.core))
        self.handlers: dict[type, Callable[[Any], Handling]] = {
            SpawnDomain: self._spawn_domain,
            SpawnDispatcher: self._spawn_dispatcher,
            DispatcherLoaded: self._loaded,
            BindRequest: self._bind,
            BindReply: self._bound,
            DispatcherUp: self._dispatcher_up,
            KillDomain: self._kill_domain,
            KillDispatchers: self._kill_dispatchers,
        }
        self._links: dict[int, Link] = {}
        self._up: dict[int, int] = {}  # dispatchers that run, by domain, at its coordinator
        self._spawning: dict[tuple[int, int], SpawnDispatcher] = {}

    def main(self) -> Code:
        """The monitor's program."""
        while True:
            yield from self.handle((yield Receive(self.endpoint)))  # kept nowhere while it waits for the next

    def handle(self, message: object) -> Handling:
        """Do what the message asks for."""
        yield from self.handlers[type(message)](message)

    def send(self, core: int, message: object) -> Handling:
        """Send to the monitor of `core`; a message to oneself is handled at once."""
        if core == self.core:
            yield from self.handle(message)
        else:
            yield Send(self.link(core), message)

    def link(self, core: int) -> Link:
        """The UMP link to the monitor of another core; the channel is made when first used."""
        link = self._links.get(core)
        if link is None:
            other = self.kernel.monitors[core]
            there, back = channel(
                self.kernel.timeline, self.kernel.hardware,
                (self.core, self.endpoint), (core, other.endpoint), queueing=True,
            )
            self._links[core] = link = there
            other._links[self.core] = back
        return link

    # -- spawning ----------------------------------------------------------------------------------

    def _spawn_domain(self, message: SpawnDomain) -> Handling:
        domain = message.domain
        for assignment in domain.placement.assignments:
            request = SpawnDispatcher(domain, assignment.dispatcher, self.core)
            yield from self.send(assignment.core, request)

    def _spawn_dispatcher(self, message: SpawnDispatcher) -> Handling:
        """Have the dispatcher made, then bind to those before it one by one, as Barrelfish's library does."""
        self._spawning[message.domain.id, message.index] = message
        yield Send(self.spawn_daemon, LoadDispatcher(message))

    def _loaded(self, message: DispatcherLoaded) -> Handling:
        request = message.request
        if (request.domain.id, request.index) in self._spawning:
            yield from self._bind_next(request, 0)

    def _bind_next(self, message: SpawnDispatcher, peer: int) -> Handling:
        domain = message.domain
        if peer < message.index:
            core = domain.placement.assignments[peer].core
            yield from self.send(core, BindRequest(domain, message.index, peer, self.core))
            return
        del self._spawning[domain.id, message.index]
        yield Invoke(lambda _: self._create(domain, message.index))
        yield from self.send(message.coordinator, DispatcherUp(domain, message.index))

    def _bind(self, message: BindRequest) -> Handling:
        yield Invoke(lambda _: None)  # the frame of the channel is copied to the new dispatcher
        yield from self.send(message.core, BindReply(message.domain, message.index, message.peer))

    def _bound(self, message: BindReply) -> Handling:
        spawning = self._spawning.get((message.domain.id, message.index))
        if spawning is not None:
            yield from self._bind_next(spawning, message.peer + 1)

    def _create(self, domain: Domain, index: int) -> None:
        """Create the dispatcher with its first thread, and let the planner have it scheduled."""
        if not domain.alive:
            return
        assignment = domain.placement.assignments[index]
        dispatcher = Dispatcher(domain, index, self.driver, self.kernel.next_task_id())
        environment = Environment(
            index, len(domain.placement.assignments), self.core,
            self.kernel.hardware, domain.arguments, domain.barriers, domain.shared, domain.dispatchers,
            domain.tally, domain.memory, domain.id, lambda: self.kernel.client(domain, self.core),
        )
        dispatcher.start(_begun(domain.starts.get(index, domain.program.main), environment))
        domain.dispatchers[index] = dispatcher
        self.planner.adopt(dispatcher, assignment.phases)

    def _dispatcher_up(self, message: DispatcherUp) -> Handling:
        domain = message.domain
        if domain.state is DomainState.STARTING:
            self._up[domain.id] = self._up.get(domain.id, 0) + 1
            if self._up[domain.id] == len(domain.placement.assignments):
                del self._up[domain.id]
                domain.state = DomainState.RUNNING
        else:
            self._up.pop(domain.id, None)
            yield from self.spanned(message)

    # -- killing -----------------------------------------------------------------------------------

    def _kill_domain(self, message: KillDomain) -> Handling:
        for core in message.domain.cores:
            yield from self.send(core, KillDispatchers(message.domain))

    def _kill_dispatchers(self, message: KillDispatchers) -> Handling:
        yield Invoke(lambda _: self.remove(message.domain))

    def remove(self, domain: Domain) -> None:
        """Remove what the domain has on this core; gone already is as well."""
        self.planner.forget(domain.id)
        for key in [key for key in self._spawning if key[0] == domain.id]:
            del self._spawning[key]
        for dispatcher in domain.dispatchers.values():
            if dispatcher.driver is self.driver and dispatcher.scheduled:
                self.driver.remove(dispatcher)


def _begun(main: Callable[[Environment], Code], environment: Environment) -> Code:
    """The code of a program's first thread; what is wrong with it shows when that runs."""
    try:
        code = main(environment)
    except Exception as error:
        return _failing(error)
    if not hasattr(code, "send"):
        return _failing(KernelError("the program yields nothing; a program yields what it asks for"))
    return code


def _failing(error: Exception) -> Code:
    raise error
    yield
