"""Interconnect drivers: which way messages can go between two cores, and what makes the links (dissertation §2.6).

Whoever binds may say which is to be used; else it is the first that can: local messages on one core, else cache
lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kernel.cpu_driver import CpuDriver
from kernel.hardware import Hardware
from kernel.messaging import transport, ump
from kernel.messaging.endpoint import Endpoint, Link
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

Side = tuple[int, Endpoint]
"""A core, and where it receives."""


@dataclass(frozen=True, slots=True)
class InterconnectDriver:
    """`fits` says whether it joins two cores; `connect` makes the links: the client's, and the service's."""

    fits: Callable[[Hardware, int, int], bool]
    transport: Callable[[Hardware], Transport]
    connect: Callable[[CpuDriver, Side, Side, Terms], tuple[Link, Link]]


def _lmp(driver: CpuDriver, client: Side, service: Side, terms: Terms) -> tuple[Link, Link]:
    hardware = driver.hardware
    return LmpLink(hardware, service[0], service[1]), LmpLink(hardware, client[0], client[1])


def _ump(driver: CpuDriver, client: Side, service: Side, terms: Terms) -> tuple[Link, Link]:
    """Of the two the client waits for room; a service queues, lest it wait for a client that takes no answers."""
    there, back = ump.channel(
        driver.timeline, driver.hardware, client, service, slots=terms.slots, prefetch=terms.prefetch
    )
    back.queueing = True
    return there, back


DRIVERS: dict[str, InterconnectDriver] = {
    "lmp": InterconnectDriver(lambda hardware, one, other: one == other, transport.lmp, _lmp),
    "ump": InterconnectDriver(lambda hardware, one, other: one != other, transport.ump, _ump),
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
        return terms.over
    for name, driver in DRIVERS.items():
        if driver.fits(hardware, one, other):
            return name
    raise MessageError(MessageErrorCode.NO_DRIVER, f"nothing joins core {one} and core {other}")
