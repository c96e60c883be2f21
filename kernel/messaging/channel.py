"""Channels: both ways between two dispatchers, whatever link carries the messages (dissertation §2.6).

Each side has one end: it sends on a link, and receives at an endpoint, which may be that of many channels (a
service's). What arrives there says at which end. Ends are made in pairs by binding (`kernel.messaging.binding`) and
torn down together: what was sent before still arrives, then `Closed`; to send after that is an error.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kernel.capabilities.cspace import Address
from kernel.messaging.endpoint import ChannelLink, Endpoint
from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.messaging.lmp import LmpLink, SendLocal
from kernel.messaging.transport import Transport
from kernel.program import Receive, Send
from kernel.threads import Operation

if TYPE_CHECKING:
    from kernel.capabilities.calls import CapabilityCalls
    from kernel.dispatcher import Dispatcher


@dataclass(frozen=True, slots=True)
class Fragment:
    """One message of a transport: what its header word says (0 where it has none), and its payload.

    A `capability` that goes with it is named in the sender's space when sent, in the receiver's when received.
    """

    header: int
    payload: bytes
    capability: Address | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A service has a new channel."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The other end is no more; nothing else comes."""

    why: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """What has arrived at an endpoint, and for which of its channels."""

    channel: Channel
    what: Fragment | Opened | Closed


class Channel:
    """One end of a channel. `number` is its own, the other end has the next one."""

    def __init__(
        self, number: int, transport: Transport, endpoint: Endpoint, dispatcher: Dispatcher | None = None
    ) -> None:
        self.number = number
        self.transport = transport
        self.endpoint = endpoint
        self.dispatcher = dispatcher
        self.calls: CapabilityCalls | None = None
        """By which this end sends and receives capabilities; a bound channel has them."""
        self.link: ChannelLink
        self.peer: Channel
        self.closed = ""
        """Why nothing can be sent any more; empty while it is open."""
        self._ended = False  # and everything that was sent before has been received

    def send(self, fragment: Fragment) -> Generator[Operation, Any, None]:
        """Part of a program: send one message. MessageError where it is too long, or the other end is no more."""
        if len(fragment.payload) > self.transport.payload_bytes:
            raise MessageError(
                MessageErrorCode.MESSAGE_SIZE,
                f"{len(fragment.payload)} bytes in a message of {self.transport.name}, which carries "
                f"{self.transport.payload_bytes} bytes",
            )
        if self.closed:
            raise self._no_peer()
        if fragment.capability is not None:
            fragment = replace(fragment, capability=(yield from self._transfer(fragment.capability)))
        yield self._sending(fragment)

    def call(self, fragment: Fragment) -> Generator[Operation, Any, Fragment]:
        """Part of a program: send a message and receive the answer to it.

        A local one is synchronous: it does without the receiver's buffer, and the receiver runs in this program's
        time. It is refused (TARGET_DISABLED) where the receiver does not wait for messages.
        """
        if isinstance(self.link, LmpLink) and not self.closed:
            yield SendLocal(self.link, Arrival(self.peer, fragment), 0, synchronous=True)
        else:
            yield from self.send(fragment)
        return (yield from self.receive())

    def _sending(self, fragment: Fragment) -> Operation:
        arrival = Arrival(self.peer, fragment)
        if isinstance(self.link, LmpLink):
            words = 1 + -(-len(fragment.payload) // self.transport.word_bytes)
            return SendLocal(self.link, arrival, words)
        return Send(self.link, arrival)

    def _transfer(self, capability: Address) -> Generator[Operation, Any, Address]:
        """Copy a capability to a slot that the other end keeps free for what it receives: the address there.

        The CPU driver does it where both are on its core, else the monitors (Barrelfish's `cap_send_request`).
        """
        there = self.peer.calls
        if self.calls is None or there is None or self.peer.dispatcher is None:
            raise MessageError(MessageErrorCode.INVALID_STATE, f"channel {self.number} takes no capabilities")
        address = there.space.reserve_for_receiving()
        slot = there.space.space.slot(address)
        if self.transport.takes_capabilities:
            yield from self.calls.transfer(capability, slot)
        else:
            yield from self.calls.send_to(capability, self.peer.dispatcher.core, slot)
        return address

    def receive(self) -> Generator[Operation, Any, Fragment]:
        """Part of a program: the next message, on a channel with an endpoint of its own.

        MessageError when the other end is no more, and all that it has sent was received.
        """
        if self._ended:
            raise self._no_peer()
        arrival = yield Receive(self.endpoint)
        assert isinstance(arrival, Arrival) and arrival.channel is self
        if isinstance(arrival.what, Closed):
            self.closed, self._ended = arrival.what.why, True
            raise self._no_peer()
        assert isinstance(arrival.what, Fragment)
        return arrival.what

    def _no_peer(self) -> MessageError:
        return MessageError(MessageErrorCode.INVALID_STATE, f"channel {self.number}: {self.closed}")
