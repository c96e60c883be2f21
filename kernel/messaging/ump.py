"""User-mode message passing (UMP) between two cores (dissertation §2.6.3).

A channel is two rings of cache-line slots in one shared frame, one a direction (`kernel.messaging.ring`). What it
costs comes from the machine's measured one-way latency alone, which is two round trips across the interconnect:
first the sender is held up while the receiver's copy of the line is invalidated, then the receiver while it
fetches the line. Each is half of the latency. So a stream of messages is pipelined by the two cores; that the ring
is acknowledged only when it has been read, and the sender waits meanwhile, comes out of the protocol.

With `prefetch`, chosen when the channel is made, both ask for the next line together with the one they need, and the
two transfers overlap; what is in the cache by then costs a cached access (cost `update`, §2.1.3). The sender keeps
the next line unless the receiver, polling it, takes it back. Where the next line had not been written yet, the
receiver has fetched it in vain, and that transfer (§3.1.2) is what a single message takes longer.

A sender that finds no room polls for an acknowledgement, and then blocks like a receiver.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from kernel.errors import KernelError
from kernel.hardware import Hardware
from kernel.messaging.endpoint import NOTHING, Endpoint, Got, poll_then_block, woken_by_monitor
from kernel.messaging.ring import ACKNOWLEDGEMENT, LEAST_SLOTS, Ring
from kernel.threads import Thread, ThreadState
from kernel.timeline import Priority, Timeline

FRAME_BYTES = 4096
"""One page holds both rings (Barrelfish's DEFAULT_UMP_BUFLEN is half of it)."""


class UmpLink:
    """One direction of a channel: from `sender` to `receiver`, both core numbers.

    With `queueing` a sender never waits: what finds no slot is queued on its side, as Barrelfish's monitors do, so
    that no monitor ever waits for another. With `urging` each line has the receiver run before best effort.
    """

    def __init__(
        self, timeline: Timeline, hardware: Hardware, sender: int, receiver: int, endpoint: Endpoint,
        queueing: bool = False, slots: int | None = None, prefetch: bool = False,
    ) -> None:
        self._timeline = timeline
        self._hardware = hardware
        self.urging = False
        self.endpoint = endpoint
        endpoint.polled = True
        self._between(sender, receiver)
        self.slots = round(FRAME_BYTES / 2 / hardware.cost("cache_line").value) if slots is None else slots
        if self.slots < LEAST_SLOTS:
            raise KernelError(f"a UMP ring has at least {LEAST_SLOTS} slots, not {slots}")
        self.ring = Ring(self.slots)
        self.back: UmpLink  # the other direction, set by `channel`
        self.prefetch = prefetch
        self._writing = 0  # lines that threads are about to write
        self._owned = -1  # the line that the sender has fetched ahead
        self._fetched = 0  # lines before this one are in the receiver's cache
        self._announced = 0  # how often the receiver's endpoint has this link as one that has a line
        self._blocked: deque[tuple[Thread, object]] = deque()
        self._waking = False
        self.queueing = queueing
        self._queue: deque[object] = deque()  # written as acknowledgements make room
        self._draining = False  # a thread is writing what was queued, or an acknowledgement

    @property
    def sent(self) -> int:
        """Lines written here, acknowledgements among them."""
        return self.ring.written

    @property
    def acknowledged(self) -> int:
        """Of `sent`, as the sender knows it."""
        return self.ring.acknowledged

    @property
    def queued(self) -> int:
        """Messages of a queueing link that have found no room yet."""
        return len(self._queue)

    @property
    def blocked(self) -> list[Thread]:
        """The threads that wait for room here."""
        return [thread for thread, _ in self._blocked if thread.state is not ThreadState.EXITED]

    def _between(self, sender: int, receiver: int) -> None:
        self._sender, self._receiver = sender, receiver
        latency_ps = self._hardware.message_ps(sender, receiver)
        self._invalidate_ps = latency_ps // 2
        self._fetch_ps = latency_ps - self._invalidate_ps
        self._ahead_ps = self._hardware.line_ps(sender, receiver)
        self._cached_ps = self._hardware.cost_ps("update", sender)

    # -- the sender's side -------------------------------------------------------------------------

    def send(self, thread: Thread, message: object, now: int) -> None:
        sender, receiver = thread.dispatcher.driver.core.number, self.endpoint.core
        if sender != self._sender or (receiver is not None and receiver != self._receiver):
            # A dispatcher was moved. Its ring stays where it is; what takes time is the way between the two cores.
            self._between(sender, self._receiver if receiver is None else receiver)
        if self._blocked or self._queue or (self.queueing and self._draining):
            self._wait(thread, message)
        elif self.ring.room > self._writing:
            self._write_by(thread, message)
        else:
            self._look_for_room(thread, message)

    def _write_by(self, thread: Thread, message: object) -> None:
        """`thread` goes on when it has written the message."""
        self._writing += 1

        def written(now: int) -> None:
            self._writing -= 1
            self._write(message, now)
            thread.resume(now)

        thread.compute(self._write_ps(), written)

    def _write_ps(self) -> int:
        return self._cached_ps if self._owned == self.ring.written + self._writing - 1 else self._invalidate_ps

    def _write(self, message: object, now: int) -> None:
        """The line is complete: its last word, the control word, has been written."""
        self.ring.write(message, self.back.ring.tell())
        if self.prefetch and self._owned != self.ring.written - 1 and self.ring.written - self.ring.read > 1:
            self._owned = self.ring.written  # which the receiver, having others to read first, is not polling
        self._timeline.at(now, Priority.MESSAGE, self._receiver, self._arrive)

    def _look_for_room(self, thread: Thread, message: object) -> None:
        """The ring is full, as far as the sender knows: is there an acknowledgement it has not seen?"""
        cost_ps = self.back._look_ps()
        if cost_ps:
            thread.compute(cost_ps, lambda now: self._looked(thread, message, now))
        else:
            self._wait(thread, message)

    def _looked(self, thread: Thread, message: object, now: int) -> None:
        self.back._look()
        if self.ring.room > self._writing:
            self._write_by(thread, message)
        elif self._owes:
            self._catch_up(thread, now, lambda later: self._look_for_room(thread, message))
        else:
            self._wait(thread, message)

    @property
    def _owes(self) -> bool:
        """Whether an acknowledgement is due to the other side, and can be written; a line under way will carry it."""
        return not self._writing and self.back.ring.due and self.ring.room_to_acknowledge

    def _wait(self, thread: Thread, message: object) -> None:
        if self.queueing:
            self._queue.append(message)
            thread.compute(0, thread.resume)
        else:
            self._blocked.append((thread, message))
            poll_then_block(thread, self, self._hardware.cost_ps("poll", self._sender))

    def _acknowledgement_arrived(self, now: int) -> None:
        """A line has come the other way while senders wait here: one that polls sees it, or the monitor does."""
        while self._blocked and self._blocked[0][0].state is ThreadState.EXITED:
            self._blocked.popleft()
        if not self._blocked:
            return
        thread, message = self._blocked[0]
        if thread.state is ThreadState.RUNNABLE:
            driver = thread.dispatcher.driver
            driver.settle(now)
            self._let_go(thread, message)
            driver.plan(now)
        elif not self._waking:
            self._waking = True
            woken_by_monitor(self, thread, now)

    def wake(self, now: int) -> Thread | None:
        """See `Waiting`: the first of the senders that wait."""
        self._waking = False
        for thread, message in self._blocked:
            if thread.state is ThreadState.BLOCKED:
                self._let_go(thread, message)
                thread.unblock(now)
                return thread
        return None

    def _let_go(self, thread: Thread, message: object) -> None:
        """A waiting sender looks at the acknowledgement; if that makes room it writes, and so do those behind it."""

        def look(now: int) -> None:
            self.back._look()
            if self.ring.room <= self._writing and not self._owes:
                poll_then_block(thread, self, self._hardware.cost_ps("poll", self._sender))
                return
            self._blocked.remove((thread, message))
            if self.ring.room <= self._writing:
                self._catch_up(thread, now, lambda later: self._look_for_room(thread, message))
                return
            self._write_by(thread, message)
            if self._blocked:
                self._acknowledgement_arrived(now)

        thread.compute(self.back._look_ps(), look)

    def close(self, error: KernelError, now: int) -> None:
        """Nobody reads here any more: those that wait for room meet the error, and what was queued is forgotten."""
        waiting, self._blocked = self._blocked, deque()
        self._queue.clear()
        for thread, _ in waiting:
            if thread.state is not ThreadState.EXITED:
                thread.compute(0, partial(thread.resume, error=error))
                if thread.state is ThreadState.BLOCKED:
                    thread.unblock(now)
                else:
                    thread.dispatcher.driver.settle(now)
                    thread.dispatcher.driver.plan(now)

    # -- the receiver's side -----------------------------------------------------------------------

    def _arrive(self, now: int) -> None:
        """The receiver's core can see the line."""
        self.back._acknowledgement_arrived(now)
        if self._announced < self.ring.written - self.ring.read:  # one that was read by a sender is announced still
            self._announced += 1
            self.endpoint.arrived(self, now)
        receiver = self.endpoint.receiver
        if self.urging and receiver is not None:
            receiver.dispatcher.driver.urge(receiver.dispatcher, now)

    def fetch_ps(self, thread: Thread) -> int:
        """See `Source`: the line that is to be read next, if it has not been looked at."""
        ring = self.ring
        return self._line_ps(ring.read) if ring.read == ring.looked < ring.written else 0

    def _line_ps(self, number: int) -> int:
        """What it takes the receiver to read line `number`, which it has not looked at."""
        if number < self._fetched:
            return self._cached_ps
        in_vain = self.prefetch and number + 1 >= self.ring.written
        return self._fetch_ps + (self._ahead_ps if in_vain else 0)

    def _looks_at(self, number: int) -> None:
        """The receiver has read line `number`, and, where it prefetches, the next as well if that was written."""
        if self.prefetch and number >= self._fetched:
            self._fetched = min(number + 2, self.ring.written)

    def _look_ps(self) -> int:
        """What it takes the receiver to look at every line there is."""
        ring = self.ring
        return sum(self._line_ps(number) for number in range(ring.looked, ring.written))

    def _look(self) -> None:
        """Look at every line there is for its acknowledgement; a line that is nothing else is done with."""
        ring = self.ring
        while ring.looked < ring.written:
            self._looks_at(ring.looked)
            self.back.ring.acknowledge(ring.look())
        self._sweep()

    def _sweep(self) -> None:
        """Be done with lines that have been looked at and are nothing but acknowledgements."""
        ring = self.ring
        while ring.read < ring.looked and ring.next_message is ACKNOWLEDGEMENT:
            ring.take()

    def take(self, thread: Thread, now: int, got: Got) -> None:
        """See `Source`: copy out the next message, and write what is owed the other way before going on."""
        ring = self.ring
        self._announced -= 1
        if ring.read == ring.written:  # it was an acknowledgement, and has been seen by a sender that waited for it
            got(now, NOTHING)
            return
        if ring.read == ring.looked:
            self._looks_at(ring.read)
            self.back.ring.acknowledge(ring.look())
        message = ring.take()
        self._sweep()
        got_it = NOTHING if message is ACKNOWLEDGEMENT else message
        self.back._catch_up(thread, now, lambda later: got(later, got_it))

    def _catch_up(self, thread: Thread, now: int, then: Callable[[int], None]) -> None:
        """Who has read a line writes what is queued this way, or the acknowledgement that is due, and does `then`."""
        if self._draining:
            then(now)
        elif self._queue and self.ring.room > self._writing:
            self._write_owed(thread, self._queue.popleft(), then)
        elif self._owes:
            self._write_owed(thread, ACKNOWLEDGEMENT, then)
        else:
            then(now)

    def _write_owed(self, thread: Thread, message: object, then: Callable[[int], None]) -> None:
        self._draining = True
        self._writing += 1

        def written(now: int) -> None:
            self._draining = False
            self._writing -= 1
            self._write(message, now)
            self._catch_up(thread, now, then)

        thread.compute(self._write_ps(), written)


def channel(
    timeline: Timeline, hardware: Hardware, one: tuple[int, Endpoint], other: tuple[int, Endpoint],
    queueing: bool = False, slots: int | None = None, prefetch: bool = False,
) -> tuple[UmpLink, UmpLink]:
    """A channel between two (core, endpoint) pairs: the link from `one` to `other`, and the one back.

    `slots` a ring (as many as fill the frame, if not said), `prefetch` and `queueing` are for both directions.
    """
    there = UmpLink(timeline, hardware, one[0], other[0], other[1], queueing, slots, prefetch)
    back = UmpLink(timeline, hardware, other[0], one[0], one[1], queueing, slots, prefetch)
    there.back, back.back = back, there
    return there, back
