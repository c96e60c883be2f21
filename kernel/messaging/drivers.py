"""Interconnect drivers: which way messages can go between two cores, and what makes the links (dissertation §2.6).

Whoever binds may say which is to be used; else it is the first that can: local messages on one core, lines of
shared memory between others, by notification where their caches are not coherent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kernel.capabilities.calls import CapabilityCalls
from kernel.capabilities.database import Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.cpu_driver import CpuDriver
from kernel.hardware import Hardware
from kernel.messaging import multihop, scc, transport, ump
from kernel.messaging.endpoint import ChannelLink, Endpoint
from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.messaging.lmp import LmpLink
from kernel.messaging.transport import Transport


@dataclass(frozen=True, slots=True)
class Terms:
    """How a channel is to be: the slots of its rings, whether to prefetch, which driver; else the driver decides."""

    slots: int | None = None
    prefetch: bool = False
    over: str | None = None


AS_THE_DRIVER_HAS_IT = Terms()

@dataclass(frozen=True, slots=True)
class Side:
    """One side of a channel to be: its core, where it receives, and its slot for the capability to the other side."""

    core: int
    endpoint: Endpoint
    calls: CapabilityCalls
    slot: Slot | None

    def authority(self) -> None:
        """Raises CapabilityError where the capability is not there any more."""
        database = self.calls.space.database
        if self.slot is None or database.get(self.slot) is None:
            raise CapabilityError(ErrorCode.CAP_NOT_FOUND, "the capability to the other end's endpoint is gone")


Connect = Callable[[CpuDriver, Side, Side, Terms], tuple[ChannelLink, ChannelLink]]


@dataclass(frozen=True, slots=True)
class InterconnectDriver:
    """`fits` says whether it joins two cores; `connect` makes the links: the client's, and the service's.

    `terms` are those it can fulfil.
    """

    fits: Callable[[Hardware, int, int], bool]
    transport: Callable[[Hardware], Transport]
    connect: Connect
    terms: tuple[str, ...] = ()


def _lmp(driver: CpuDriver, client: Side, service: Side, terms: Terms) -> tuple[ChannelLink, ChannelLink]:
    """Both wait for room."""
    hardware = driver.hardware
    words = round(hardware.cost("lmp_buffer").value)
    return (
        LmpLink(hardware, service.core, service.endpoint, words, client.authority),
        LmpLink(hardware, client.core, client.endpoint, words, service.authority),
    )


def _ump(driver: CpuDriver, client: Side, service: Side, terms: Terms) -> tuple[ChannelLink, ChannelLink]:
    """Of the two the client waits for room; a service queues, lest it wait for a client that takes no answers."""
    there, back = ump.channel(
        driver.timeline, driver.hardware, (client.core, client.endpoint), (service.core, service.endpoint),
        slots=terms.slots, prefetch=terms.prefetch,
    )
    back.queueing = True
    return there, back


def _scc(how: str) -> Connect:
    """As with UMP, by notification through the receiver's message-passing buffer."""

    def connect(driver: CpuDriver, client: Side, service: Side, terms: Terms) -> tuple[ChannelLink, ChannelLink]:
        there, back = scc.scc_channel(
            driver.timeline, driver.notifications, (client.core, client.endpoint), (service.core, service.endpoint),
            how, terms.slots,
        )
        back.queueing = True
        return there, back

    return connect


def _multihop(driver: CpuDriver, client: Side, service: Side, terms: Terms) -> tuple[ChannelLink, ChannelLink]:
    """The monitors set the circuit up when they have the service's answer."""
    return multihop.links(driver.hardware, (client.core, client.endpoint), (service.core, service.endpoint))


def _apart(hardware: Hardware, one: int, other: int) -> bool:
    return one != other


def _buffered(hardware: Hardware, one: int, other: int) -> bool:
    return one != other and hardware.message_buffers.issuperset((one, other))


def _coherent(hardware: Hardware, one: int, other: int) -> bool:
    return one != other and not _buffered(hardware, one, other)


DRIVERS: dict[str, InterconnectDriver] = {
    "lmp": InterconnectDriver(lambda hardware, one, other: one == other, transport.lmp, _lmp),
    "scc": InterconnectDriver(_buffered, transport.scc, _scc("ring"), ("slots",)),
    "scc-tree": InterconnectDriver(_buffered, transport.scc, _scc("tree"), ("slots",)),
    "scc-payload": InterconnectDriver(_buffered, transport.scc, _scc("payload"), ("slots",)),
    "ump": InterconnectDriver(_coherent, transport.ump, _ump, ("slots", "prefetch")),
    "multihop-direct": InterconnectDriver(_apart, transport.multihop, _multihop),
    "multihop-ring": InterconnectDriver(_apart, transport.multihop, _multihop),
    "multihop-tree": InterconnectDriver(_apart, transport.multihop, _multihop),
}
"""By name, in the order in which they are tried."""


def driver_for(hardware: Hardware, one: int, other: int, terms: Terms) -> str:
    """The driver for a channel between two cores. MessageError where it cannot be the one that was asked for."""
    if terms.over is not None:
        if terms.over not in DRIVERS:
            known = ", ".join(DRIVERS)
            raise MessageError(MessageErrorCode.NO_DRIVER, f"no interconnect driver {terms.over}; there are {known}")
        if not DRIVERS[terms.over].fits(hardware, one, other):
            raise MessageError(
                MessageErrorCode.NO_DRIVER, f"{terms.over} does not join core {one} and core {other}"
            )
        name = terms.over
    else:
        name = next(name for name, driver in DRIVERS.items() if driver.fits(hardware, one, other))
    for term in ("slots", "prefetch"):
        if getattr(terms, term) not in (None, False) and term not in DRIVERS[name].terms:
            raise MessageError(MessageErrorCode.NO_DRIVER, f"{name} knows no {term}")
    return name
