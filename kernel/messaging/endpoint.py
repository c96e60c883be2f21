"""Endpoints: where a thread receives, whatever links bring the messages.

A thread that waits at an endpoint polls for a while and then blocks. What the CPU driver brings, a local message or
a notification, unblocks it. Cache lines bring no notification: whoever blocks on them asks its monitor, by
a local message, to poll in its place and to wake it by another when something is there (dissertation §2.6.3). The
monitor itself, when it waits, is woken by an interrupt.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kernel.errors import KernelError
from kernel.threads import Thread, ThreadState

if TYPE_CHECKING:
    from kernel.cpu_driver import CpuDriver


class Link(Protocol):
    """One direction of a channel: it takes a message from a thread and delivers it to an endpoint."""

    def send(self, thread: Thread, message: object, now: int) -> None:
        """Take `message`; the thread goes on (`thread.resume`) when sending is done."""


class ChannelLink(Link, Protocol):
    """A link of a channel between domains."""

    @property
    def sent(self) -> int:
        """Messages so far."""

    @property
    def blocked(self) -> list[Thread]:
        """The threads that wait for room."""

    def close(self, error: KernelError, now: int) -> None:
        """Nobody reads here any more: those that wait for room meet the error."""


NOTHING = object()
"""What is received where a line had no message but an acknowledgement."""

Got = Callable[[int, object], None]
"""Called at the instant at which a message has been copied out, with the message, or with NOTHING."""


class Source(Protocol):
    """Where a message lies that has arrived."""

    def fetch_ps(self, thread: Thread) -> int:
        """What it costs `thread` to get at it."""

    def take(self, thread: Thread, now: int, got: Got) -> None:
        """`thread` copies it out, and does what has to be done before it goes on with it."""


@dataclass(frozen=True, slots=True)
class _Delivered:
    """A message that was copied to where the receiver has it at hand."""

    message: object
    receive_ps: int

    def fetch_ps(self, thread: Thread) -> int:
        return self.receive_ps

    def take(self, thread: Thread, now: int, got: Got) -> None:
        got(now, self.message)


@dataclass(frozen=True, slots=True)
class _Parked:
    """What has arrived at the endpoint `of`, and is received elsewhere in its place."""

    of: Endpoint
    source: Source
    wrap: Callable[[object], object]

    def fetch_ps(self, thread: Thread) -> int:
        return self.source.fetch_ps(thread)

    def take(self, thread: Thread, now: int, got: Got) -> None:
        self.source.take(thread, now, lambda later, what: got(later, what if what is NOTHING else self.wrap(what)))


@dataclass(frozen=True, slots=True)
class PollForMe:
    """To the monitor: a thread of its core blocks; poll for it."""

    waiting: Waiting


@dataclass(frozen=True, slots=True)
class WakeWaiting:
    """To the monitor, from its own polling: what a thread waits for is there."""

    waiting: Waiting


class Waiting(Protocol):
    """What a monitor polls for in place of a thread."""

    def wake(self, now: int) -> Thread | None:
        """The monitor wakes who waits: the thread, if one does still."""


def poll_then_block(thread: Thread, waiting: Waiting, poll_ps: int, polled: bool = True) -> None:
    """`thread` polls for `poll_ps`, then blocks; where lines are `polled` it asks its monitor to go on with that."""

    def ask(now: int) -> None:
        driver = thread.dispatcher.driver
        if not polled or driver.monitor is waiting:
            thread.block()
            return
        driver.system_call(now, driver.hardware.cost_ps("lmp", driver.core.number))
        thread.compute(0, asked)

    def asked(now: int) -> None:
        driver = thread.dispatcher.driver
        driver.monitor.deliver(PollForMe(waiting), 0, now, driver)
        thread.block()

    thread.compute(poll_ps, ask)


def woken_by_monitor(waiting: Waiting, thread: Thread, now: int) -> None:
    """A line has arrived that `thread`, which is blocked, waits for: the monitor of its core finds it.

    Whoever reads the line after that is charged for its transfer, not the monitor, which has it first.
    """
    thread.dispatcher.driver.monitor.deliver(WakeWaiting(waiting), 0, now)


class Endpoint:
    """A queue of messages for one thread, on one core; `poll_ps` is how long it polls before it blocks."""

    def __init__(self, poll_ps: int) -> None:
        self.poll_ps = poll_ps
        self.polled = False
        """Whether cache lines are polled for it, so that a monitor has to when it is blocked."""
        self._arrived: deque[Source] = deque()
        self._waiter: Thread | None = None
        self._receiver: Thread | None = None  # who received here last
        self._waking = False  # the monitor has been told
        self._parked: tuple[Endpoint, Callable[[object], object]] | None = None

    @property
    def core(self) -> int | None:
        """The core on which messages are received here; None before anybody has."""
        return None if self._receiver is None else self._receiver.dispatcher.core

    @property
    def receiver(self) -> Thread | None:
        """Who received here last."""
        return self._receiver

    @property
    def waiter(self) -> Thread | None:
        """Who waits here for a message, if anybody does."""
        thread = self._waiter
        return None if thread is None or thread.state is ThreadState.EXITED else thread

    def receive(self, thread: Thread, now: int) -> None:
        """Give the thread the next message when there is one."""
        self._receiver = thread
        if self._arrived:
            self._hand_over(thread)
        else:
            self._waiter = thread
            poll_then_block(thread, self, self.poll_ps, self.polled)

    def deliver(
        self, message: object, receive_ps: int, now: int, local: CpuDriver | None = None
    ) -> Thread | None:
        """A message has arrived; taking it costs the receiver `receive_ps`.

        The result is the thread that waited and has it now. If it was blocked, an interrupt woke it, unless its
        own CPU driver, `local`, has brought the message.
        """
        if self._parked is not None:
            at, wrap = self._parked
            return at.deliver(wrap(message), receive_ps, now, local)
        return self.deliver_from(_Delivered(message, receive_ps), now, local)

    def deliver_from(self, source: Source, now: int, local: CpuDriver | None = None) -> Thread | None:
        """As `deliver`, of a message that does more than be there when it is taken."""
        self._arrived.append(source)
        thread = self.waiter
        if thread is None:
            return None
        if thread.state is not ThreadState.BLOCKED:
            self._polled(thread, now)
        else:
            if thread.dispatcher.driver is not local:
                thread.dispatcher.driver.interrupt(now)
            self._unblock(thread, now)
        return thread

    def arrived(self, source: Source, now: int) -> None:
        """A line has arrived: a thread that polls finds it, one that is blocked is woken by its monitor."""
        if self._parked is not None:
            at, wrap = self._parked
            at.arrived(_Parked(self, source, wrap), now)
            return
        self._arrived.append(source)
        thread = self.waiter
        if thread is None:
            return
        if thread.state is not ThreadState.BLOCKED:
            self._polled(thread, now)
        elif thread.dispatcher.driver.monitor is self:
            thread.dispatcher.driver.interrupt(now)
            self._unblock(thread, now)
        elif not self._waking:
            self._waking = True
            woken_by_monitor(self, thread, now)

    def wake(self, now: int) -> Thread | None:
        """See `Waiting`."""
        self._waking = False
        thread = self.waiter
        if thread is None or thread.state is not ThreadState.BLOCKED or not self._arrived:
            return None
        self._unblock(thread, now)
        return thread

    def park(self, at: Endpoint, wrap: Callable[[object], object], now: int) -> None:
        """From now on what arrives here is received at another endpoint, as `wrap` makes of it."""
        arrived, self._arrived = self._arrived, deque()
        self._parked = at, wrap
        for source in arrived:
            at.arrived(_Parked(self, source, wrap), now)

    def unpark(self) -> None:
        """What arrives is received here again, and what was not received elsewhere yet is, too."""
        if self._parked is None:
            return
        (at, _), self._parked = self._parked, None
        mine = [each for each in at._arrived if isinstance(each, _Parked) and each.of is self]
        at._arrived = deque(each for each in at._arrived if each not in mine)
        self._arrived.extend(each.source for each in mine)

    def _polled(self, thread: Thread, now: int) -> None:
        """The thread finds it at its next poll."""
        driver = thread.dispatcher.driver
        driver.settle(now)
        self._hand_over(thread)
        driver.plan(now)

    def _unblock(self, thread: Thread, now: int) -> None:
        self._hand_over(thread)
        thread.unblock(now)

    def _hand_over(self, thread: Thread) -> None:
        self._waiter = None
        source = self._arrived.popleft()

        def got(now: int, message: object) -> None:
            if message is NOTHING:
                self.receive(thread, now)
            else:
                thread.resume(now, message)

        thread.compute(source.fetch_ps(thread), lambda now: source.take(thread, now, got))


