"""Endpoints: where messages arrive, whatever link brought them.

A thread that waits at an endpoint polls for a while and then blocks; a message that arrives for a
blocked thread comes with a notification, an interrupt of the core it is on (dissertation §2.6.3).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from kernel.threads import Thread, ThreadState

if TYPE_CHECKING:
    from kernel.cpu_driver import CpuDriver


class Link(Protocol):
    """One direction of a channel: it takes a message from a thread and delivers it to an endpoint."""

    def send(self, thread: Thread, message: object, now: int) -> None:
        """Take `message`; the thread goes on (`thread.resume`) when sending is done."""


class Endpoint:
    """A queue of messages for one thread, on one core; `poll_ps` is how long it polls before it blocks."""

    def __init__(self, poll_ps: int) -> None:
        self.poll_ps = poll_ps
        self._messages: deque[tuple[object, int, Callable[[int], None]]] = deque()
        self._waiter: Thread | None = None
        self._receiver: Thread | None = None  # who received here last

    @property
    def core(self) -> int | None:
        """The core on which messages are received here; None before anybody has."""
        return None if self._receiver is None else self._receiver.dispatcher.core

    def receive(self, thread: Thread, now: int) -> None:
        """Give the thread the next message when there is one."""
        self._receiver = thread
        if self._messages:
            self._hand_over(thread, now)
        else:
            self._waiter = thread
            thread.compute(self.poll_ps, lambda _: thread.block())

    def deliver(
        self, message: object, receive_ps: int, now: int, taken: Callable[[int], None] = lambda _: None,
        local: CpuDriver | None = None,
    ) -> Thread | None:
        """A message has arrived; taking it costs the receiver `receive_ps`, and `taken` is told of it.

        The result is the thread that waited and has it now. If it was blocked, an interrupt woke it, unless its
        own CPU driver, `local`, has brought the message.
        """
        self._messages.append((message, receive_ps, taken))
        thread = self._waiter
        if thread is None or thread.state is ThreadState.EXITED:
            return None
        self._waiter = None
        driver = thread.dispatcher.driver
        if thread.state is ThreadState.BLOCKED:
            self._hand_over(thread, now)
            if driver is not local:
                driver.interrupt(now)
            thread.unblock(now)
            return thread
        driver.settle(now)
        self._hand_over(thread, now)
        driver.plan(now)
        return thread

    def _hand_over(self, thread: Thread, now: int) -> None:
        message, receive_ps, taken = self._messages.popleft()
        taken(now)
        thread.compute(receive_ps, lambda now: thread.resume(now, message))
