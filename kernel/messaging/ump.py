"""User-mode message passing (UMP) between two cores (dissertation §2.6.3).

A channel is two rings of cache-line slots in one shared frame, one a direction. The sender writes the
next free slot, the receiver polls its last word. Messages are numbered; what has been received is
acknowledged by count, on any message of the other direction or by one of its own when a ring is nearly
used up. A slot that is not acknowledged is never written again: a sender waits.

A message takes the machine's measured one-way latency. The sender is held up for one transfer of the line
(the invalidation of the receiver's copy), and so is the receiver (the fetch).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint
from kernel.threads import Thread
from kernel.timeline import Priority, Timeline

FRAME_BYTES = 4096
"""One page holds both rings (Barrelfish's DEFAULT_UMP_BUFLEN is half of it)."""


@dataclass(frozen=True, slots=True)
class _Acknowledgement:
    """A message that carries nothing but the count."""


class UmpLink:
    """One direction of a channel: from `sender` to `receiver`, both core numbers."""

    def __init__(
        self, timeline: Timeline, hardware: Hardware, sender: int, receiver: int, endpoint: Endpoint,
        queueing: bool = False,
    ) -> None:
        self._timeline = timeline
        self._hardware = hardware
        self._endpoint = endpoint
        self._between(sender, receiver)
        self.slots = FRAME_BYTES // 2 // round(hardware.cost("cache_line").value)
        self.back: UmpLink  # the other direction, set by `channel`
        self.sent = 0  # messages written here
        self.received = 0  # messages read here by the receiver
        self.acknowledged = 0  # of `sent`, as the sender knows it
        self._told = 0  # of `received`, as the receiver has acknowledged it
        self._blocked: deque[tuple[Thread, object]] = deque()
        self._queueing = queueing
        self._queue: deque[object] = deque()  # written as acknowledgements make room

    @property
    def free(self) -> int:
        """Slots that may be written; the last one is kept for an acknowledgement."""
        return self.slots - 1 - (self.sent - self.acknowledged)

    def _between(self, sender: int, receiver: int) -> None:
        self._sender, self._receiver = sender, receiver
        self._latency_ps = self._hardware.message_ps(sender, receiver)
        self._line_ps = self._hardware.line_ps(sender, receiver)

    def send(self, thread: Thread, message: object, now: int) -> None:
        sender, receiver = thread.dispatcher.driver.core.number, self._endpoint.core
        if sender != self._sender or (receiver is not None and receiver != self._receiver):
            # A dispatcher was moved. Its ring stays where it is; what takes time is the way between the two cores.
            self._between(sender, self._receiver if receiver is None else receiver)
        if self.free >= 1:
            self._write(message, now)
        elif self._queueing:
            self._queue.append(message)
        else:
            self._blocked.append((thread, message))
            thread.block()
            return
        thread.compute(self._line_ps, thread.resume)

    def _write(self, message: object, now: int) -> None:
        self.sent += 1
        count = self.back.received
        self.back._told = count

        def arrive(later: int) -> None:
            self._read(message, count, later)

        self._timeline.at(now + self._latency_ps, Priority.MESSAGE, self._receiver, arrive)

    def _read(self, message: object, count: int, now: int) -> None:
        self.back._acknowledge(count, now)
        if isinstance(message, _Acknowledgement):
            self._taken(now)
        else:
            self._endpoint.deliver(message, self._line_ps, now, self._taken)

    def _taken(self, now: int) -> None:
        """The receiver has copied a message out of its slot."""
        self.received += 1
        if self.received - self._told >= self.slots - 2:
            self.back._write(_Acknowledgement(), now)

    def _acknowledge(self, count: int, now: int) -> None:
        self.acknowledged = max(self.acknowledged, count)
        while self._queue and self.free >= 1:
            self._write(self._queue.popleft(), now)
        while self._blocked and self.free >= 1:
            thread, message = self._blocked.popleft()
            self._write(message, now)
            thread.compute(self._line_ps, thread.resume)
            thread.unblock(now)


def channel(
    timeline: Timeline, hardware: Hardware, one: tuple[int, Endpoint], other: tuple[int, Endpoint],
    queueing: bool = False,
) -> tuple[UmpLink, UmpLink]:
    """A channel between two (core, endpoint) pairs: the link from `one` to `other`, and the one back.

    With `queueing` a sender never waits: what finds no slot is queued on its side, as Barrelfish's monitors
    do, so that no monitor ever waits for another.
    """
    there = UmpLink(timeline, hardware, one[0], other[0], other[1], queueing)
    back = UmpLink(timeline, hardware, other[0], one[0], one[1], queueing)
    there.back, back.back = back, there
    return there, back
