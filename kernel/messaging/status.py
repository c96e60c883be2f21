"""What the shell is told of channels and services: one line of `channels`, one of `names`."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.messaging.binding import Binding, End, Exported
from kernel.messaging.ump import UmpLink


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """One end of a channel; `unacknowledged` of its ring's `slots`, if it has one, were not read as far as is known.

    `waiting` threads and queued messages have found no room.
    """

    number: int
    domain: int
    name: str
    core: int
    peer: int
    peer_name: str
    peer_core: int
    over: str
    iref: int
    sent: int
    unacknowledged: int | None
    slots: int | None
    waiting: int


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A service: its name, if it has one, whose it is, and how many channels it has."""

    name: str
    iref: int
    domain: int
    domain_name: str
    core: int
    channels: int


def channel_status(end: End) -> ChannelStatus:
    """How one end of a channel stands."""
    channel, link = end.channel, end.channel.link
    peer = channel.peer.dispatcher
    assert peer is not None
    ring = link.ring if isinstance(link, UmpLink) else None
    return ChannelStatus(
        channel.number, end.dispatcher.domain.id, end.dispatcher.domain.name, end.dispatcher.core,
        channel.peer.number, peer.domain.name, peer.core, end.driver, end.service,
        link.sent,
        None if ring is None else ring.written - ring.acknowledged,
        None if ring is None else ring.slots,
        len(link.blocked) + (link.queued if isinstance(link, UmpLink) else 0),
    )


def service_status(service: Exported, name: str, binding: Binding) -> ServiceStatus:
    """One service of the monitor whose part `binding` is."""
    dispatcher = service.dispatcher
    channels = sum(end.service == service.iref and end.dispatcher is dispatcher for end in binding.ends.values())
    return ServiceStatus(
        name, service.iref, dispatcher.domain.id, dispatcher.domain.name, dispatcher.core, channels
    )
