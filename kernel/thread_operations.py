"""What a thread may ask of the threads package: more threads, their ends, a pause, another core.

Threads are the dispatcher's, scheduled round robin at user level (dissertation §2.5.5, §3.6.5). To make one
takes no system call, and costs nothing but what it then does. A thread that sleeps or moves lets the others of its
dispatcher run; a timer's interrupt or a message wakes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel.clock import PS_PER_NS
from kernel.dispatching import Yield
from kernel.errors import KernelError
from kernel.ownership import Joining
from kernel.threads import Code, Operation, Thread, ThreadState, whole

if TYPE_CHECKING:
    from kernel.dispatcher import Dispatcher


@dataclass(frozen=True, slots=True)
class Fork(Operation):
    """Start a thread that runs `code` beside this one, on the same dispatcher; the result is the thread."""

    code: Code

    def begin(self, thread: Thread, now: int) -> None:
        if not hasattr(self.code, "send"):
            raise KernelError(f"Fork takes a generator, such as worker(environment), not {_named(self.code)}")
        made = thread.dispatcher.start(self.code)
        thread.compute(0, lambda later: thread.resume(later, made))


@dataclass(frozen=True, slots=True)
class Join(Operation):
    """Wait until `other` has ended; the result is what it returned."""

    other: Thread

    def begin(self, thread: Thread, now: int) -> None:
        other = self.other
        if not isinstance(other, Thread):
            raise KernelError(f"Join takes a thread, as Fork results in, not {_named(other)}")
        if other is thread:
            raise KernelError("a thread cannot wait for its own end")
        if other.detached:
            raise KernelError("a thread that was detached cannot be joined")
        if other.state is ThreadState.EXITED:
            thread.compute(0, lambda later: thread.resume(later, other.result))
        else:
            Joining(thread, other).begin(now)


@dataclass(frozen=True, slots=True)
class Detach(Operation):
    """Let `other` end by itself: nobody is going to join it."""

    other: Thread

    def begin(self, thread: Thread, now: int) -> None:
        if not isinstance(self.other, Thread):
            raise KernelError(f"Detach takes a thread, as Fork results in, not {_named(self.other)}")
        if self.other.joiners:
            raise KernelError("a thread that somebody waits for cannot be detached")
        self.other.detached = True
        thread.compute(0, thread.resume)


@dataclass(frozen=True, slots=True)
class Sleep(Operation):
    """Do nothing for `duration_ns`, and let others run meanwhile."""

    duration_ns: int

    def begin(self, thread: Thread, now: int) -> None:
        until = now + whole(self.duration_ns, "Sleep: duration_ns") * PS_PER_NS
        thread.compute(0, thread.resume)
        thread.block()
        thread.dispatcher.driver.notify(thread, until)


@dataclass(frozen=True, slots=True)
class YieldThread(Operation):
    """Let the dispatcher's other threads run; if all of them have had their turn, other dispatchers."""

    def begin(self, thread: Thread, now: int) -> None:
        thread.compute(0, thread.resume)
        if not thread.dispatcher.thread_yields(thread):
            Yield().begin(thread, now)


@dataclass(frozen=True, slots=True)
class Migrate(Operation):
    """Go on on another dispatcher of the domain (`environment.dispatchers[rank]`), and so on another core."""

    to: Dispatcher

    def begin(self, thread: Thread, now: int) -> None:
        own = thread.dispatcher
        if self.to.domain is not own.domain:
            raise KernelError(f"a thread of {own.domain.name} cannot go to a dispatcher of {self.to.domain.name}")
        if not self.to.scheduled:
            raise KernelError(f"dispatcher {self.to.index} of {own.domain.name} is gone")
        if self.to is own:
            thread.compute(0, thread.resume)
            return
        hardware = own.driver.hardware
        thread.compute(hardware.cost_ps("block", self.to.core), thread.resume)
        own.emigrate(thread, self.to)
        self.to.driver.notify(thread, now + hardware.message_ps(own.core, self.to.core))


def _named(value: object) -> str:
    return f"{getattr(value, '__name__', value)!s} ({type(value).__name__})"
