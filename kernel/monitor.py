"""Monitors: one a core, a user-level process that does what needs more than one core (§2.5.4).

Monitors share nothing. They are connected by UMP channels, made when first used, and handle one message
after another; whatever takes several messages is split-phase, so that no monitor waits for another.
Here are the monitor itself and the life and death of dispatchers; phase changes are the planner's
(`kernel.planner`), timers `kernel.clock_sync`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from kernel.capabilities.calls import CapabilityCalls
from kernel.capabilities.core import SPACE_BITS, TASK_PAGE_TABLE
from kernel.capabilities.cspace import Address
from kernel.capabilities.database import Slot
from kernel.capabilities.errors import ErrorCode
from kernel.capabilities.invocations import Invocations
from kernel.capabilities.messages import CopyTo
from kernel.capabilities.serving import CapabilityService, UseCapabilities
from kernel.cpu_driver import CpuDriver
from kernel.dispatcher import Dispatcher
from kernel.domain import Domain, DomainState
from kernel.errors import KernelError
from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint, Link, PollForMe, WakeWaiting
from kernel.messaging.lmp import LmpLink, WakingLink
from kernel.messaging.ump import channel
from kernel.phase_change import Outcome, Route
from kernel.program import Environment, Invoke, Receive, Send
from kernel.reference_clocks import Comparison, Method, ReferenceClock
from kernel.threads import Code, Operation
from kernel.timeline import Priority, Timeline
from skb.placement import Combination, Parameters

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
    """A new dispatcher binds to one before it, on the receiver's core, to wake and move threads.

    From dispatcher 0 it gets the domain's root page table, a copy for its slot `page_table`.
    """

    domain: Domain
    index: int
    peer: int
    core: int
    page_table: Slot


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
class DispatcherFailed:
    """To the coordinator: a dispatcher of `domain` cannot be made, and so neither can the domain."""

    domain: Domain
    why: str


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

    def next_channel_number(self) -> int: ...

    def phase_entered(self, domain: Domain, phase: int) -> None: ...

    def phase_answered(self, domain: Domain, outcome: Outcome) -> None: ...

    def route(self, domain: Domain) -> Route: ...

    def combination(self, domains: tuple[int, ...]) -> Combination: ...

    def client(self, domain: Domain, core: int) -> Client: ...

    @property
    def clocks(self) -> Mapping[str, ReferenceClock]: ...

    @property
    def reference_clock(self) -> Method: ...

    def timers_answered(
        self, method: Method, running: bool, in_step: bool, found: Mapping[int, Comparison]
    ) -> None: ...

    @property
    def phase_locked(self) -> bool: ...

    def gang_unlocked(self, domain: Domain) -> None: ...

    def core_changed(self, core: int, online: bool) -> None: ...


class Plans(Protocol):
    """What a monitor needs of its planner (`kernel.planner`), which puts itself into `Monitor.planner`."""

    def adopt(self, dispatcher: Dispatcher, phases: tuple[Parameters, ...]) -> None: ...

    def started(self, domain: Domain) -> Handling: ...

    def forget(self, domain: int) -> None: ...


class Binds(Protocol):
    """What a monitor needs of the part of it that binds channels (`kernel.messaging.binding`)."""

    def domain_ended(self, domain: Domain) -> object | None:
        """What the monitor is to be told, if the domain has channels or services here."""


class Monitor:
    """The monitor of one core. It reaches its own CPU driver, and other cores by messages only."""

    planner: Plans
    capabilities: CapabilityService
    binding: Binds
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
            DispatcherFailed: self._dispatcher_failed,
            KillDomain: self._kill_domain,
            KillDispatchers: self._kill_dispatchers,
            PollForMe: self._poll,
            WakeWaiting: self._wake,
        }
        self._waking = WakingLink(kernel.hardware, self.core)
        self._links: dict[tuple[int, bool], Link] = {}
        self._up: dict[int, int] = {}  # dispatchers that run, by domain, at its coordinator
        self._spawning: dict[tuple[int, int], SpawnDispatcher] = {}
        self._first: dict[int, list[BindRequest]] = {}  # that wait for their domain's dispatcher 0, made here

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

    def urge(self, core: int, message: object) -> Handling:
        """As `send`, a message that cannot wait for the turn of the other monitor on a busy core."""
        if core == self.core:
            yield from self.handle(message)
        else:
            yield Send(self.link(core, urging=True), message)

    def link(self, core: int, urging: bool = False) -> Link:
        """The UMP link to the monitor of another core; the channel is made when first used."""
        link = self._links.get((core, urging))
        if link is None:
            other = self.kernel.monitors[core]
            there, back = channel(
                self.kernel.timeline, self.kernel.hardware,
                (self.core, self.endpoint), (core, other.endpoint), queueing=True,
            )
            there.urging = back.urging = urging
            self._links[core, urging] = link = there
            other._links[self.core, urging] = back
        return link

    def remind(self, message: object, delay_ps: int) -> None:
        """Have a message come to oneself after a while, by the timer."""

        def arrive(now: int) -> None:
            self.endpoint.deliver(message, 0, now)

        self.kernel.timeline.at(self.kernel.now + delay_ps, Priority.TIMER, self.core, arrive)

    # -- waking ------------------------------------------------------------------------------------

    def _poll(self, message: PollForMe) -> Handling:
        """From now on the channels that somebody blocks on are polled here; there is nothing else to do."""
        yield from ()

    def _wake(self, message: WakeWaiting) -> Handling:
        yield Send(self._waking, message.waiting)

    # -- spawning ----------------------------------------------------------------------------------

    def _spawn_domain(self, message: SpawnDomain) -> Handling:
        domain = message.domain
        for assignment in domain.placement.assignments:
            request = SpawnDispatcher(domain, assignment.dispatcher, self.core)
            yield from self.send(assignment.core, request)

    def _spawn_dispatcher(self, message: SpawnDispatcher) -> Handling:
        """Have the dispatcher loaded, make its objects, bind to those before it one by one, as Barrelfish does."""
        if not message.domain.alive:  # it was given up while this was under way
            return
        self._spawning[message.domain.id, message.index] = message
        yield Send(self.spawn_daemon, LoadDispatcher(message))

    def _loaded(self, message: DispatcherLoaded) -> Handling:
        request = message.request
        number, index = request.domain.id, request.index
        if (number, index) in self._spawning:
            capabilities = self.capabilities

            def made(space: Invocations | None) -> None:
                capabilities.later(partial(self._made, request, space))

            yield from capabilities.carry_out(partial(capabilities.make_dispatcher, number, index, made, index == 0))

    def _made(self, request: SpawnDispatcher, space: Invocations | None) -> Handling:
        number = request.domain.id
        if (number, request.index) not in self._spawning:  # it was killed meanwhile
            yield from self.capabilities.carry_out(partial(self.capabilities.end_domain, number))
        elif space is None:
            del self._spawning[number, request.index]
            why = f"{ErrorCode.MEMORY_NOT_FOUND}: no core has {1 << SPACE_BITS} bytes of RAM left for a dispatcher"
            yield from self.send(request.coordinator, DispatcherFailed(request.domain, why))
        else:
            yield from self._bind_next(request, 0)
            for waiting in self._first.pop(number, ()) if request.index == 0 else ():
                yield from self._share_page_table(waiting)

    def _dispatcher_failed(self, message: DispatcherFailed) -> Handling:
        message.domain.trap(message.why, self.kernel.now)
        yield from ()

    def _bind_next(self, message: SpawnDispatcher, peer: int) -> Handling:
        domain = message.domain
        while peer < message.index and domain.assignment(peer) is None:
            peer += 1  # it has ended
        before = domain.assignment(peer)
        if before is not None and peer < message.index:
            core = domain.home if peer == 0 else before.core
            yield from self.send(core, BindRequest(domain, message.index, peer, self.core, self._page_table(message)))
            return
        del self._spawning[domain.id, message.index]
        yield Invoke(lambda _: self._create(domain, message.index))
        yield from self.send(message.coordinator, DispatcherUp(domain, message.index))

    def _bind(self, message: BindRequest) -> Handling:
        if message.peer == 0:
            yield from self._share_page_table(message)
        else:
            yield Invoke(lambda _: None)  # the frame of the channel is copied to the new dispatcher
            yield from self.send(message.core, BindReply(message.domain, message.index, message.peer))

    def _share_page_table(self, message: BindRequest) -> Handling:
        """Copy the root page table of the domain to the new dispatcher, once there is one, and answer.

        The answer goes after the copy and need not wait for its acknowledgement; it may have to be asked again.
        """
        space = self.capabilities.spaces.get((message.domain.id, 0))
        if space is None:
            self._first.setdefault(message.domain.id, []).append(message)
            return
        root = space.space.slot(Address(TASK_PAGE_TABLE))
        copy = partial(CopyTo, source=root, core=message.core, destination=message.page_table)
        submit = self.capabilities.capabilities.submit
        yield from self.capabilities.carry_out(lambda: submit(lambda client: copy(client), lambda code: None))
        yield from self.send(message.core, BindReply(message.domain, message.index, message.peer))

    def _bound(self, message: BindReply) -> Handling:
        spawning = self._spawning.get((message.domain.id, message.index))
        if spawning is not None:
            # Without a page table yet it is asked for again.
            yield from self._bind_next(spawning, message.peer + 1 if self._has_page_table(spawning) else 0)

    def _has_page_table(self, request: SpawnDispatcher) -> bool:
        slot = self._page_table(request)
        return self.capabilities.capabilities.database.get(slot) is not None

    def _page_table(self, request: SpawnDispatcher) -> Slot:
        space = self.capabilities.spaces[request.domain.id, request.index].space
        return space.slot(Address(TASK_PAGE_TABLE))

    def _create(self, domain: Domain, index: int) -> None:
        """Create the dispatcher with its first thread, and let the planner have it scheduled."""
        if not domain.alive:
            return
        assignment = domain.assignment(index)
        assert assignment is not None
        dispatcher = Dispatcher(domain, index, self.driver, self.kernel.next_task_id())
        environment = Environment(
            index, max(each.dispatcher for each in domain.placement.assignments) + 1, self.core,
            self.kernel.hardware, domain.arguments, domain.barriers, domain.shared, domain.dispatchers,
            domain.tally, domain.memory, domain.id, lambda: self.kernel.client(domain, self.core),
            lambda: self._capability_calls(dispatcher),
        )
        _, root = self.capabilities.spaces[domain.id, index].space.lookup(Address(TASK_PAGE_TABLE))
        dispatcher.page_table = root.object.base
        dispatcher.start(_begun(domain.starts.get(index, domain.program.main), environment))
        domain.dispatchers[index] = dispatcher
        self.planner.adopt(dispatcher, assignment.phases)

    def _capability_calls(self, dispatcher: Dispatcher) -> CapabilityCalls:
        """What a thread of `dispatcher`, created here, calls to use its capabilities."""
        number = dispatcher.domain.id
        if dispatcher.driver is not self.driver:
            raise KernelError(
                f"{ErrorCode.CAP_FOREIGN}: the capabilities of {dispatcher.domain.name} are core {self.core}'s, from "
                "where it was moved"
            )
        endpoint = Endpoint(self.endpoint.poll_ps)
        return CapabilityCalls(
            number, self.capabilities.spaces[number, dispatcher.index],
            LmpLink(self.kernel.hardware, self.core, self.endpoint), endpoint,
            LmpLink(self.kernel.hardware, self.core, endpoint),
        )

    def _dispatcher_up(self, message: DispatcherUp) -> Handling:
        domain = message.domain
        if domain.state is DomainState.STARTING:
            self._up[domain.id] = self._up.get(domain.id, 0) + 1
            if self._up[domain.id] == len(domain.placement.assignments):
                del self._up[domain.id]
                domain.state = DomainState.RUNNING
                yield from self.planner.started(domain)
        else:
            self._up.pop(domain.id, None)
            yield from self.spanned(message)

    # -- killing -----------------------------------------------------------------------------------

    def _kill_domain(self, message: KillDomain) -> Handling:
        for core in message.domain.known_on:
            yield from self.send(core, KillDispatchers(message.domain))

    def _kill_dispatchers(self, message: KillDispatchers) -> Handling:
        yield Invoke(lambda _: self.remove(message.domain))

    def remove(self, domain: Domain) -> None:
        """Remove what the domain has on this core; gone already is as well."""
        self.planner.forget(domain.id)
        self._first.pop(domain.id, None)
        for key in [key for key in self._spawning if key[0] == domain.id]:
            del self._spawning[key]
        for dispatcher in domain.dispatchers.values():
            if dispatcher.driver is self.driver and dispatcher.scheduled:
                self.driver.remove(dispatcher)
        ended = self.binding.domain_ended(domain)
        if ended is not None:
            self.endpoint.deliver(ended, 0, self.kernel.now)
        if self.capabilities.holds(domain.id):
            self.endpoint.deliver(UseCapabilities(lambda service: service.end_domain(domain.id)), 0, self.kernel.now)


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
