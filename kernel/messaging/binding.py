"""Binding: how a dispatcher offers a service, and how another gets a channel to it (dissertation §2.6.1-2.6.3).

A service has a reference (IREF), which its monitor gives out and which says the core, and mostly a name, under which
the name service knows the reference. Whoever binds asks its own monitor, which passes the request on to that of
the service's core, and that to the service. The service makes what the channel needs by its own capabilities (a frame
for cache lines, or an endpoint for local messages), and the monitors copy them to the other end with the answer:

    service = yield from export(environment, "doubling")        channel = yield from bind(environment, "doubling")
    arrival = yield from service.receive()                      yield from channel.send(Fragment(0, b"21"))

Monitors know the channels that end on their core. When a domain ends, they tell those at the other ends.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

from kernel.capabilities.calls import CapabilityCalls
from kernel.capabilities.core import TASK_DISPATCHER
from kernel.capabilities.cspace import Address
from kernel.capabilities.database import Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.messages import CopyTo
from kernel.capabilities.operations import Retype
from kernel.capabilities.types import ObjectType
from kernel.dispatcher import Dispatcher
from kernel.domain import Domain
from kernel.errors import KernelError
from kernel.messaging.channel import Arrival, Channel, Closed, Opened
from kernel.messaging.drivers import AS_THE_DRIVER_HAS_IT, DRIVERS, Side, Terms, driver_for
from kernel.messaging.endpoint import Endpoint, Link
from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.messaging.lmp import LmpLink
from kernel.messaging.multihop import Circuits, MultihopLink
from kernel.messaging.scc import SccLink
from kernel.monitor import Handling, Monitor
from kernel.program import Environment, Receive, Send
from kernel.threads import Operation

_IREF_BITS = 16
"""An IREF is its core << 16 | its number there, as Barrelfish's identifiers are (design: identifiers are 32-bit)."""

_FRAME_BITS = 12
"""A channel's frame is a page (`kernel.messaging.ump`)."""

Accepts = Callable[[int], str]
"""A service's answer to a request from the domain of that number: why it refuses, or nothing."""


def core_of(iref: int) -> int:
    """The core of the service that a reference names."""
    return iref >> _IREF_BITS


@dataclass(frozen=True, slots=True)
class End:
    """A channel as the monitor of one of its ends knows it. `service` is the IREF that was bound to."""

    channel: Channel
    dispatcher: Dispatcher
    service: int
    driver: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class Exported:
    """A service as its monitor knows it."""

    iref: int
    dispatcher: Dispatcher
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class AllocateIref:
    """From a program to its monitor: have a reference for what arrives at `endpoint`; the answer is the number."""

    dispatcher: Dispatcher
    endpoint: Endpoint
    reply: Link


@dataclass(frozen=True, slots=True, eq=False)
class BindChannel:
    """From a program to its monitor, and on to that of the service: a channel to `iref`.

    The capability to it is to be copied to `slot`; for local messages the client's own endpoint is in `offers`.
    """

    iref: int
    terms: Terms
    dispatcher: Dispatcher
    endpoint: Endpoint
    slot: Slot
    offers: Slot | None
    calls: CapabilityCalls
    reply: Link


@dataclass(frozen=True, slots=True)
class ChannelRequested:
    """To the service, from its monitor, with the numbers of the ends that it may make."""

    request: BindChannel
    numbers: tuple[int, int]


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """From the service to its monitor: the channel's two ends, or why not.

    `made` has the capability that the client gets; the client's is to go to `takes`.
    """

    request: BindChannel
    ends: tuple[End, End] | None
    refusal: str = ""
    made: Slot | None = None
    takes: Slot | None = None


@dataclass(frozen=True, slots=True)
class ChannelAnswered:
    """To the monitor of the client: its end of the channel, or why there is none."""

    request: BindChannel
    end: End | None
    error: MessageError | CapabilityError | None = None


@dataclass(frozen=True, slots=True)
class CloseChannel:
    """From a program to its monitor: the channel is not needed any more."""

    end: Channel
    why: str


@dataclass(frozen=True, slots=True)
class PeerClosed:
    """To the monitor of a channel's other end: nothing else comes."""

    end: Channel
    why: str


@dataclass(frozen=True, slots=True)
class TearDown:
    """To a monitor: the domain is no more, close what channels it has on this core."""

    domain: Domain


class Binding:
    """The part of one monitor that binds."""

    def __init__(self, monitor: Monitor, circuits: Circuits) -> None:
        self._monitor = monitor
        self._circuits = circuits
        self._hardware = monitor.kernel.hardware
        self.ends: dict[int, End] = {}  # of the channels that end on this core, by number
        self.services: dict[int, Exported] = {}  # by IREF
        self._last_iref = 0
        self._asked: list[BindChannel] = []  # services that have not answered
        monitor.handlers[AllocateIref] = self._allocate_iref
        monitor.handlers[BindChannel] = self._bind
        monitor.handlers[AnswerRequest] = self._answered_by_service
        monitor.handlers[ChannelAnswered] = self._answered
        monitor.handlers[CloseChannel] = self._close
        monitor.handlers[PeerClosed] = self._peer_closed
        monitor.handlers[TearDown] = self._tear_down
        monitor.binding = self

    def _tell(self, endpoint: Endpoint, message: object) -> Handling:
        yield Send(LmpLink(self._hardware, self._monitor.core, endpoint), message)

    # -- services ----------------------------------------------------------------------------------

    def _allocate_iref(self, message: AllocateIref) -> Handling:
        self._last_iref += 1
        iref = self._monitor.core << _IREF_BITS | self._last_iref
        self.services[iref] = Exported(iref, message.dispatcher, message.endpoint)
        yield Send(message.reply, iref)

    # -- binding -----------------------------------------------------------------------------------

    def _bind(self, request: BindChannel) -> Handling:
        core = core_of(request.iref)
        monitors = self._monitor.kernel.monitors
        if core != self._monitor.core:
            if core not in monitors or not monitors[core].driver.online:
                yield from self._refuse(request, MessageErrorCode.NO_MONITOR, f"core {core} runs no monitor")
            else:
                yield from self._monitor.send(core, request)
            return
        service = self.services.get(request.iref)
        if service is None:
            yield from self._refuse(request, MessageErrorCode.INVALID_IREF, f"no service {request.iref}")
            return
        self._asked.append(request)
        number = self._monitor.kernel.next_channel_number
        yield from self._tell(service.endpoint, ChannelRequested(request, (number(), number())))

    def _refuse(self, request: BindChannel, code: MessageErrorCode, why: str) -> Handling:
        yield from self._answer(request, ChannelAnswered(request, None, MessageError(code, why)))

    def _answer(self, request: BindChannel, answer: ChannelAnswered) -> Handling:
        yield from self._monitor.send(request.dispatcher.core, answer)

    def _answered_by_service(self, message: AnswerRequest) -> Handling:
        request = message.request
        if request not in self._asked:
            return  # the service has died since, and the client was told
        self._asked.remove(request)
        if message.ends is None:
            yield from self._refuse(request, MessageErrorCode.REFUSED, message.refusal)
            return
        own, other = message.ends
        self.ends[own.channel.number] = own
        copies: list[tuple[Slot, int, Slot]] = []
        if message.made is not None:
            copies.append((message.made, request.dispatcher.core, request.slot))
        if request.offers is not None and message.takes is not None:
            copies.append((request.offers, self._monitor.core, message.takes))
        yield from self._copy(request, other, copies)

    def _copy(self, request: BindChannel, other: End, copies: list[tuple[Slot, int, Slot]]) -> Handling:
        """Copy the capabilities one after the other, then answer."""
        if other.channel.peer.number not in self.ends:  # the service has died meanwhile
            yield from self._refuse(request, MessageErrorCode.INVALID_IREF, f"no service {request.iref} any more")
            return
        if not copies:
            answer, link = ChannelAnswered(request, other), other.channel.peer.link
            if isinstance(link, MultihopLink):
                mode = other.driver.removeprefix("multihop-")
                to = request.dispatcher.core
                yield from self._circuits.begin(mode, link, link.back, to, answer)
            else:
                yield from self._answer(request, answer)
            return
        (source, core, destination), rest = copies[0], copies[1:]
        capabilities = self._monitor.capabilities

        def copied(code: ErrorCode) -> None:
            if code is ErrorCode.OK:
                capabilities.later(lambda: self._copy(request, other, rest))
            else:
                error = CapabilityError(code, f"the channel's capability cannot be copied to core {core}")
                capabilities.later(lambda: self._not_copied(request, other, error))

        submit = capabilities.capabilities.submit
        yield from capabilities.carry_out(
            lambda: submit(lambda client: CopyTo(client, source, core, destination), copied)
        )

    def _not_copied(self, request: BindChannel, other: End, error: CapabilityError) -> Handling:
        """There will be no channel: neither for the client, which may be gone, nor for the service, which has it."""
        yield from self._answer(request, ChannelAnswered(request, None, error))
        yield from self._peer_closed(PeerClosed(other.channel.peer, str(error)))

    def _answered(self, message: ChannelAnswered) -> Handling:
        request = message.request
        if message.end is None:
            yield Send(request.reply, message.error)
        elif not request.dispatcher.domain.alive:
            yield from self._tell_peer(message.end, _ended(request.dispatcher.domain))
        else:
            self.ends[message.end.channel.number] = message.end
            yield Send(request.reply, message.end.channel)

    # -- closing -----------------------------------------------------------------------------------

    def _close(self, message: CloseChannel) -> Handling:
        end = self.ends.pop(message.end.number, None)
        if end is not None:
            end.channel.closed = message.why
            yield from self._tell_peer(end, message.why)

    def _tell_peer(self, end: End, why: str) -> Handling:
        peer, link = end.channel.peer, end.channel.link
        if isinstance(link, MultihopLink):
            yield from self._circuits.remove(link)
        if isinstance(peer.link, SccLink):
            peer.link.release()
        assert peer.dispatcher is not None
        yield from self._monitor.send(peer.dispatcher.core, PeerClosed(peer, why))

    def _peer_closed(self, message: PeerClosed) -> Handling:
        end = self.ends.pop(message.end.number, None)
        if end is None:
            return
        channel = end.channel
        channel.closed = message.why
        if isinstance(channel.link, MultihopLink):
            yield from self._circuits.remove(channel.link)
        if isinstance(channel.peer.link, SccLink):
            channel.peer.link.release()
        yield from self._tell(channel.endpoint, Arrival(channel, Closed(message.why)))
        # Nobody will make room for those that wait to send.
        error = MessageError(MessageErrorCode.INVALID_STATE, f"channel {channel.number}: {message.why}")
        channel.link.close(error, self._monitor.kernel.now)

    def domain_ended(self, domain: Domain) -> TearDown | None:
        """What the monitor is to be told, if the domain has channels or services here."""
        known = [each.dispatcher for each in self.ends.values()]
        known += [each.dispatcher for each in self.services.values()]
        return TearDown(domain) if any(each.domain is domain for each in known) else None

    def _tear_down(self, message: TearDown) -> Handling:
        domain, why = message.domain, _ended(message.domain)
        gone = [end for end in self.ends.values() if end.dispatcher.domain is domain]
        for iref in [iref for iref, each in self.services.items() if each.dispatcher.domain is domain]:
            del self.services[iref]
            for request in [request for request in self._asked if request.iref == iref]:
                self._asked.remove(request)
                yield from self._refuse(request, MessageErrorCode.INVALID_IREF, why)
        for end in gone:
            if self.ends.pop(end.channel.number, None) is not None:  # else its peer, here too, took it along
                yield from self._tell_peer(end, why)

    # -- dispatchers that are moved ----------------------------------------------------------------

    def release(self, dispatcher: Dispatcher) -> list[End]:
        """A dispatcher leaves this core: its channels, which go with it. Its services can be bound to no more."""
        self.services = {iref: each for iref, each in self.services.items() if each.dispatcher is not dispatcher}
        moved = [end for end in self.ends.values() if end.dispatcher is dispatcher]
        for end in moved:
            del self.ends[end.channel.number]
        return moved

    def adopt(self, ends: Iterable[End]) -> None:
        """A dispatcher has come to this core with its channels."""
        for end in ends:
            self.ends[end.channel.number] = end


def _ended(domain: Domain) -> str:
    return f"{domain.name} has ended"


# -- what programs call ----------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Service:
    """A service that a program has exported. `receive` is a part of the program."""

    iref: int
    name: str
    endpoint: Endpoint
    accepts: Accepts
    _environment: Environment
    _calls: CapabilityCalls
    channels: dict[Channel, tuple[Address, ...]] = field(default_factory=dict)
    """Its channels, with the capabilities that each was made with."""
    _frames: list[Address] = field(default_factory=list)  # of channels that are no more

    def receive(self) -> Generator[Operation, Any, Arrival]:
        """What arrives next, on any channel: `Opened`, a `Fragment`, or `Closed`."""
        while True:
            message = yield Receive(self.endpoint)
            if isinstance(message, ChannelRequested):
                channel = yield from self._answer(message.request, message.numbers)
                if channel is not None:
                    return Arrival(channel, Opened())
                continue
            assert isinstance(message, Arrival)
            if isinstance(message.what, Closed):
                yield from self.forget(message.channel)
            return message

    def forget(self, channel: Channel) -> Generator[Operation, Any, None]:
        """A channel is closed: take back what it was made with, the frame from the other end as well."""
        made = self.channels.pop(channel, ())
        for address in made:
            yield from self._calls.revoke(address)
            if channel.transport.takes_capabilities:
                yield from self._calls.delete(address)
            else:
                self._frames.append(address)

    def _answer(
        self, request: BindChannel, numbers: tuple[int, int]
    ) -> Generator[Operation, Any, Channel | None]:
        own = _own(self._environment)
        refusal = self.accepts(request.dispatcher.domain.id)
        if refusal:
            yield Send(_to_monitor(own), AnswerRequest(request, None, refusal))
            return None
        slot = self._calls.space.space.slot
        takes: Slot | None = None
        try:
            driver = driver_for(own.driver.hardware, own.core, request.dispatcher.core, request.terms)
            if driver == "lmp":
                takes = slot((yield from self._calls.slot()))
            ends = self._connect(request, own, driver, numbers, takes)
            if driver == "lmp":
                made = yield from _local_endpoint(self._calls)
            else:
                made = self._frames.pop() if self._frames else (yield from _frame(self._calls))
        except KernelError as error:  # what the client has asked for cannot be had
            yield Send(_to_monitor(own), AnswerRequest(request, None, str(error)))
            return None
        yield Send(_to_monitor(own), AnswerRequest(request, ends, "", slot(made), takes))
        channel = ends[0].channel
        self.channels[channel] = (made,)
        return channel

    def _connect(
        self, request: BindChannel, own: Dispatcher, driver: str, numbers: tuple[int, int], takes: Slot | None
    ) -> tuple[End, End]:
        """Both ends of the channel: the service's and the client's."""
        hardware = own.driver.hardware
        client = request.dispatcher
        make = DRIVERS[driver]
        transport = make.transport(hardware)
        here = Channel(numbers[0], transport, self.endpoint, own)
        there = Channel(numbers[1], transport, request.endpoint, client)
        here.peer, there.peer = there, here
        here.calls, there.calls = self._calls, request.calls
        there.link, here.link = make.connect(
            own.driver, Side(client.core, request.endpoint, request.calls, request.slot),
            Side(own.core, self.endpoint, self._calls, takes), request.terms,
        )
        return (
            End(here, own, self.iref, driver, request.terms), End(there, client, self.iref, driver, request.terms)
        )


def export(
    environment: Environment, name: str | None = None, accepts: Accepts = lambda domain: ""
) -> Generator[Operation, Any, Service]:
    """Part of a program: offer a service, under a name if one is given; `accepts` may refuse who binds.

    KernelError where the name is taken.
    """
    own = _own(environment)
    endpoint, reply, back = _reply(environment)
    waits_at = Endpoint(endpoint.poll_ps)
    yield Send(_to_monitor(own), AllocateIref(own, waits_at, back))
    iref: int = yield Receive(reply)
    if name is not None:
        yield from environment.client().register(name, iref)
    return Service(iref, name or "", waits_at, accepts, environment, environment.capabilities())


def bind(
    environment: Environment, to: str | int, waits: bool = True, terms: Terms = AS_THE_DRIVER_HAS_IT
) -> Generator[Operation, Any, Channel]:
    """Part of a program: a channel to a service, by its name or its IREF.

    A name that nobody has is waited for, unless `waits` is False. MessageError with the code of the refusal.
    """
    iref = (yield from environment.client().look_up(to, waits)) if isinstance(to, str) else to
    own = _own(environment)
    calls = environment.capabilities()
    endpoint, reply, back = _reply(environment)
    slot = calls.space.space.slot((yield from calls.slot()))
    offers: Slot | None = None
    if core_of(iref) == own.core:
        offers = calls.space.space.slot((yield from _local_endpoint(calls)))
    request = BindChannel(iref, terms, own, endpoint, slot, offers, calls, back)
    yield Send(_to_monitor(own), request)
    answer = yield Receive(reply)
    if isinstance(answer, KernelError):
        raise answer
    assert isinstance(answer, Channel)
    return answer


def close(environment: Environment, channel: Channel) -> Generator[Operation, Any, None]:
    """Part of a program: the channel is not needed any more; the other end is told."""
    own = _own(environment)
    yield Send(_to_monitor(own), CloseChannel(channel, f"{own.domain.name} has closed it"))


def _own(environment: Environment) -> Dispatcher:
    return environment.dispatchers[environment.rank]


def _to_monitor(own: Dispatcher) -> LmpLink:
    return LmpLink(own.driver.hardware, own.core, own.driver.monitor)


def _reply(environment: Environment) -> tuple[Endpoint, Endpoint, Link]:
    """An endpoint for a channel; one for the monitor's answers, and the link by which they come."""
    own = _own(environment)
    poll_ps = own.driver.hardware.cost_ps("poll", own.core)
    reply = Endpoint(poll_ps)
    return Endpoint(poll_ps), reply, LmpLink(own.driver.hardware, own.core, reply)


def _frame(calls: CapabilityCalls) -> Generator[Operation, Any, Address]:
    """A new frame for a channel's rings."""
    ram, frame = (yield from calls.slot()), (yield from calls.slot())
    yield from calls.allocate(_FRAME_BITS, ram)
    yield from calls.retype(ram, Retype(ObjectType.FRAME, size=1 << _FRAME_BITS), frame)
    return frame


def _local_endpoint(calls: CapabilityCalls) -> Generator[Operation, Any, Address]:
    """An endpoint of the program's own dispatcher."""
    endpoint = yield from calls.slot()
    yield from calls.retype(Address(TASK_DISPATCHER), Retype(ObjectType.ENDPOINT_LMP), endpoint)
    return endpoint
