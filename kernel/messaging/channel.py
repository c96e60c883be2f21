"""Channels: both ways between two dispatchers, whatever link carries the messages (dissertation §2.6).

Each side has one end: it sends on a link, and receives at an endpoint, which may be that of many channels (a
service's). What arrives there says at which end. Ends are made in pairs by binding (`kernel.messaging.binding`) and
torn down together: what was sent before still arrives, then `Closed`; to send after that is an error.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from kernel.capabilities.cspace import Address
from kernel.messaging.endpoint import Endpoint, Link
from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.messaging.transport import Transport
from kernel.program import Receive, Send
from kernel.threads import Operation


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

    def __init__(self, number: int, transport: Transport, endpoint: Endpoint) -> None:
        self.number = number
        self.transport = transport
        self.endpoint = endpoint
        self.link: Link
        self.peer: Channel
        self.closed = ""
        """Why it is closed; empty while it is open."""

    def send(self, fragment: Fragment) -> Generator[Operation, Any, None]:
        """Part of a program: send one message. MessageError where it is too long, or the other end is no more."""
        if len(fragment.payload) > self.transport.payload_bytes:
            raise MessageError(
                MessageErrorCode.MESSAGE_SIZE,
                f"{len(fragment.payload)} bytes in a message of {self.transport.name}, which carries "
                f"{self.transport.payload_bytes} bytes",
            )
        self._check_open()
        yield Send(self.link, Arrival(self.peer, fragment))

    def receive(self) -> Generator[Operation, Any, Fragment]:
        """Part of a program: the next message, on a channel with an endpoint of its own. MessageError if closed."""
        self._check_open()
        arrival = yield Receive(self.endpoint)
        assert isinstance(arrival, Arrival) and arrival.channel is self
        if isinstance(arrival.what, Closed):
            self.closed = arrival.what.why
            self._check_open()
        assert isinstance(arrival.what, Fragment)
        return arrival.what

    def _check_open(self) -> None:
        if self.closed:
            raise MessageError(MessageErrorCode.NO_PEER, f"channel {self.number}: {self.closed}")
