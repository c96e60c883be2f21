"""Local message passing (LMP): between two dispatchers of one core, by the CPU driver.

The third system call: the CPU driver copies the payload and, where the receiver was waiting and does not run,
enters it at its LMP entry point, in the sender's time, the payload in registers. Else it goes into the receiver's
buffer, as far as that has room; a sender that finds none waits until some is read. The synchronous variant does
without the buffer: who is called has to be ready. The one-way cost, program to program, is the machine's
(dissertation §2.6.2, table 2.4): it includes the switch and the upcall, which therefore cost nothing more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from kernel.errors import KernelError
from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint, Got, Waiting
from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.threads import Operation, Thread, ThreadState


class LmpLink:
    """Messages from one dispatcher to `endpoint` on the same core.

    A channel's link has a buffer of `buffer_words`; what the system sends within itself is taken from unbounded
    queues. `authority` is asked before each message: it raises CapabilityError where the sender's capability
    to the endpoint is gone.
    """

    def __init__(
        self, hardware: Hardware, core: int, endpoint: Endpoint, buffer_words: int | None = None,
        authority: Callable[[], None] = lambda: None,
    ) -> None:
        self._cost_ps = hardware.cost_ps("lmp", core)
        self.endpoint = endpoint
        self.sent = 0
        self._authority = authority
        self._free_words = buffer_words
        self._blocked: deque[tuple[Thread, object, int]] = deque()

    @property
    def blocked(self) -> list[Thread]:
        """The threads that wait for room in the buffer."""
        return [thread for thread, _, _ in self._blocked if thread.state is not ThreadState.EXITED]

    def send(self, thread: Thread, message: object, now: int, words: int = 0) -> None:
        """See `Link`; `words` is how many of the receiver's buffer it takes, its header included."""
        system_call(thread, now, self._cost_ps, lambda later: self._deliver(thread, message, words, later))

    def call(self, thread: Thread, message: object, now: int) -> None:
        """The synchronous variant; TARGET_DISABLED where the receiver does not wait."""

        def deliver(later: int) -> Thread | None:
            if self.endpoint.waiter is None:
                what = "the receiver of a synchronous message is not ready"
                raise MessageError(MessageErrorCode.TARGET_DISABLED, what)
            self._authority()
            return self._hand_over(thread, message, later)

        system_call(thread, now, self._cost_ps, deliver)

    def _deliver(self, thread: Thread, message: object, words: int, now: int) -> Thread | None:
        self._authority()
        if self._free_words is None or (self.endpoint.waiter is not None and not self._blocked):
            return self._hand_over(thread, message, now)
        if self._blocked or words > self._free_words:
            self._blocked.append((thread, message, words))
            thread.block()
        else:
            self._buffer(message, words, now)
        return None

    def _hand_over(self, thread: Thread, message: object, now: int) -> Thread | None:
        self.sent += 1
        return self.endpoint.deliver(message, 0, now, local=thread.dispatcher.driver)

    def _buffer(self, message: object, words: int, now: int) -> None:
        assert self._free_words is not None
        self.sent += 1
        self._free_words -= words
        self.endpoint.arrived(_Buffered(self, message, words), now)

    def read(self, words: int, now: int) -> None:
        """So many words of the buffer have been read: who waits for room goes on."""
        assert self._free_words is not None
        self._free_words += words
        while self._blocked and self._blocked[0][2] <= self._free_words:
            thread, message, wanted = self._blocked.popleft()
            if thread.state is ThreadState.BLOCKED:
                self._buffer(message, wanted, now)
                thread.compute(0, thread.resume)
                thread.unblock(now)

    def close(self, error: KernelError, now: int) -> None:
        """Nobody reads here any more: those that wait for room meet the error."""
        waiting, self._blocked = self._blocked, deque()
        for thread, _, _ in waiting:
            if thread.state is ThreadState.BLOCKED:
                thread.compute(0, partial(thread.resume, error=error))
                thread.unblock(now)


@dataclass(frozen=True, slots=True)
class _Buffered:
    """A message in the receiver's buffer."""

    link: LmpLink
    message: object
    words: int

    def fetch_ps(self, thread: Thread) -> int:
        return 0  # part of what the message has cost

    def take(self, thread: Thread, now: int, got: Got) -> None:
        self.link.read(self.words, now)
        got(now, self.message)


@dataclass(frozen=True, slots=True)
class SendLocal(Operation):
    """Send by LMP a message that takes `words` of the receiver's buffer; `synchronous` if it has to be ready."""

    link: LmpLink
    message: object
    words: int
    synchronous: bool = False

    def begin(self, thread: Thread, now: int) -> None:
        if self.synchronous:
            self.link.call(thread, self.message, now)
        else:
            self.link.send(thread, self.message, now, self.words)


class WakingLink:
    """Local messages of a monitor to whoever blocks, for it to poll again: what is sent is the `Waiting`."""

    def __init__(self, hardware: Hardware, core: int) -> None:
        self._cost_ps = hardware.cost_ps("lmp", core)

    def send(self, thread: Thread, message: object, now: int) -> None:
        waiting: Waiting = message  # type: ignore[assignment]
        system_call(thread, now, self._cost_ps, waiting.wake)


def system_call(thread: Thread, now: int, cost_ps: int, deliver: Callable[[int], Thread | None]) -> None:
    """After `cost_ps` in the kernel something is delivered: to a thread that waited for it, at which it goes on."""
    driver = thread.dispatcher.driver

    def delivered(later: int) -> None:
        try:
            receiver = deliver(later)
        except KernelError as error:
            thread.resume(later, error=error)
            return
        if receiver is not None:
            driver.local_message(thread.dispatcher, receiver)
        if thread.state is not ThreadState.BLOCKED:
            thread.resume(later)

    driver.system_call(now, cost_ps)
    thread.compute(0, delivered)
