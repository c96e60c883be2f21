"""The interconnect driver of machines without coherent caches (dissertation §2.6.3, SCC message passing).

It is that of cache lines (`kernel.messaging.ump`): a ring a direction, acknowledged in the same way, in lines of
32 bytes. Both rings lie in the region of shared memory of the core that asks for the channel, mapped so that writes
go through the write-combining buffer; a reader invalidates its copy of a line first. Nobody polls, as that would
fetch a line from memory each time: after each line the sender notifies (`kernel.messaging.notification`).

Where the receiver's buffer has no room for that, the system call says so (LIB_ERR_RCK_NOTIFY). The message is
written by then and cannot be taken back, so only the notification is tried again, after a while, before the sender
goes on. With `payload` there are no rings in shared memory: what is acknowledged are messages in the private memory
of the receiver.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kernel.errors import KernelError
from kernel.messaging.channel import Arrival, Fragment
from kernel.messaging.endpoint import Endpoint, poll_then_block
from kernel.messaging.errors import MessageErrorCode
from kernel.messaging.notification import Notifications, Packet
from kernel.messaging.ring import ACKNOWLEDGEMENT
from kernel.messaging.ump import UmpLink
from kernel.threads import Thread, ThreadState
from kernel.timeline import Timeline

REGION_BYTES = 4096
"""One page holds both rings, as with cache lines."""

_WORD_BYTES = 4


@dataclass(frozen=True, slots=True)
class _Packed:
    """What a line of a ring has, where it goes through the message-passing buffer."""

    message: object
    acknowledged: int


class SccLink(UmpLink):
    """One direction of a channel: from `sender` to `receiver`, both core numbers; the rings in `region`."""

    back: SccLink

    def __init__(
        self, timeline: Timeline, notifications: Notifications, sender: int, receiver: int, endpoint: Endpoint,
        region: int, how: str, queueing: bool, slots: int,
    ) -> None:
        self._notifications = notifications
        self._buffers = notifications.buffers
        self._region = region
        self._how = how
        self._number = -1
        self._registered_on: int | None = None
        self._arrived = 0  # lines that the receiver has been told of
        self.refused: list[MessageErrorCode] = []
        """What notifications answered that had to be tried again."""
        polled = endpoint.polled
        super().__init__(timeline, notifications.hardware, sender, receiver, endpoint, queueing, slots)
        endpoint.polled = polled

    def _between(self, sender: int, receiver: int) -> None:
        buffers = self._buffers
        self._sender, self._receiver = sender, receiver
        self._cached_ps = self._hardware.cost_ps("update", sender)
        self._ahead_ps = 0
        if self._how == "payload":  # from the buffer to private memory; the receiver reads it there
            self._invalidate_ps = 0
            self._fetch_ps = buffers.memory_read_ps(receiver, buffers.region(receiver))
        else:
            self._invalidate_ps = buffers.memory_write_ps(sender, self._region)
            self._fetch_ps = buffers.memory_read_ps(receiver, self._region)
        if self._registered_on != receiver:
            self.release()
            self._number = self._notifications.register(receiver, self, self._how)
            self._registered_on = receiver

    def release(self) -> None:
        """Nobody receives here: the number is free for another channel, and what is notified of it is ignored."""
        if self._registered_on is not None:
            self._notifications.release(self._registered_on, self._number)
            self._registered_on = None

    # -- the sender's side -------------------------------------------------------------------------

    def _write_by(self, thread: Thread, message: object) -> None:
        self._put(thread, message, lambda: None, thread.resume)

    def _write_owed(self, thread: Thread, message: object, then: Callable[[int], None]) -> None:
        self._draining = True

        def written() -> None:
            self._draining = False

        self._put(thread, message, written, lambda now: self._catch_up(thread, now, then))

    def _put(
        self, thread: Thread, message: object, over: Callable[[], None], then: Callable[[int], None]
    ) -> None:
        """Write a line and notify; when that is `over` the thread does `then`."""
        self._writing += 1

        def written(now: int) -> None:
            acknowledged = self.back.ring.tell()
            if self._how == "payload":
                notify(now, Packet(_size_bytes(message), _Packed(message, acknowledged)))
            else:
                self._writing -= 1
                self.ring.write(message, acknowledged)
                notify(now, None)

        def notify(now: int, packet: Packet | None) -> None:
            def answered(later: int, code: MessageErrorCode | None) -> None:
                thread.dispatcher.driver.settle(later)
                if code is None:
                    over()
                    thread.compute(0, then)
                else:
                    self.refused.append(code)
                    thread.compute(self._hardware.cost_ps("poll", self._sender), lambda at: notify(at, packet))

            self._notifications.notify(thread, self._receiver, self._number, packet, now, answered)

        thread.compute(self._invalidate_ps, written)

    def _wait(self, thread: Thread, message: object) -> None:
        if self.queueing:
            super()._wait(thread, message)
        else:
            self._blocked.append((thread, message))
            self._block(thread)

    def _block(self, thread: Thread) -> None:
        poll_then_block(thread, self, self._hardware.cost_ps("poll", self._sender), polled=False)

    @property
    def _full(self) -> bool:
        """Whether even the slot for an acknowledgement is taken, lines counted that are still in the buffer."""
        return self.ring.written + self._writing - self.ring.acknowledged >= self.slots

    @property
    def _owes(self) -> bool:
        return super()._owes and not self._full

    def _catch_up(self, thread: Thread, now: int, then: Callable[[int], None]) -> None:
        if self._full:
            then(now)
        else:
            super()._catch_up(thread, now, then)

    def _let_go(self, thread: Thread, message: object) -> None:
        def look(now: int) -> None:
            self.back._look()
            if self.ring.room <= self._writing and not self._owes:
                self._block(thread)
                return
            self._blocked.remove((thread, message))
            if self.ring.room <= self._writing:
                self._catch_up(thread, now, lambda later: self._look_for_room(thread, message))
                return
            self._write_by(thread, message)
            if self._blocked:
                self._acknowledgement_arrived(now)

        thread.compute(self.back._look_ps(), look)

    def _acknowledgement_arrived(self, now: int) -> None:
        """The CPU driver has told of a line while senders wait here: the first looks at it."""
        first = next((each for each, _ in self._blocked if each.state is not ThreadState.EXITED), None)
        if first is not None and first.state is ThreadState.BLOCKED:
            self.wake(now)
        else:
            super()._acknowledgement_arrived(now)

    def close(self, error: KernelError, now: int) -> None:
        """As for any link; notifications that still come are ignored."""
        self.release()
        super().close(error, now)

    # -- the receiver's side -----------------------------------------------------------------------

    def signalled(self, what: object, now: int) -> None:
        """See `Notified`: the receiver's CPU driver signals; all lines that were written by now are there."""
        if isinstance(what, _Packed):
            self._writing -= 1
            self.ring.write(what.message, what.acknowledged)
        while self._arrived < self.ring.written:
            self._arrived += 1
            self._arrive(now)

    def _arrive(self, now: int) -> None:
        """A line is there. Whoever is blocked is woken by the CPU driver that has told of it, not by a monitor."""
        waiter = self.endpoint.waiter
        blocked = waiter is not None and waiter.state is ThreadState.BLOCKED and waiter.dispatcher.driver.online
        if waiter is None or not blocked:
            super()._arrive(now)
            return
        self.back._acknowledgement_arrived(now)
        if self._announced < self.ring.written - self.ring.read:
            self._announced += 1
            self.endpoint.deliver_from(self, now, waiter.dispatcher.driver)


def _size_bytes(message: object) -> int:
    """What a message takes in the buffer: a fragment's header word and payload, a word for an acknowledgement."""
    if isinstance(message, Arrival) and isinstance(message.what, Fragment):
        return _WORD_BYTES + len(message.what.payload)
    return _WORD_BYTES if message is ACKNOWLEDGEMENT else 7 * _WORD_BYTES


def scc_channel(
    timeline: Timeline, notifications: Notifications, one: tuple[int, Endpoint], other: tuple[int, Endpoint],
    how: str = "ring", slots: int | None = None, queueing: bool = False,
) -> tuple[SccLink, SccLink]:
    """A channel between two (core, endpoint) pairs, asked for by `one`: the link from it, and the one back.

    `how` is one of DESIGNS. MessageError where one of the two cores uses another.
    """
    region = notifications.buffers.region(one[0])
    if slots is None:
        slots = round(REGION_BYTES / 2 / notifications.hardware.cost("cache_line").value)
    there = SccLink(timeline, notifications, one[0], other[0], other[1], region, how, queueing, slots)
    try:
        back = SccLink(timeline, notifications, other[0], one[0], one[1], region, how, queueing, slots)
    except KernelError:
        there.release()
        raise
    there.back, back.back = back, there
    return there, back
