"""What threads of one domain synchronise by: mutexes, spinlocks, condition variables, semaphores.

All work across the domain's dispatchers (dissertation §2.5.5), and as Barrelfish's thread library has them: a
mutex, condition or semaphore is a word and a queue of threads; who finds a mutex locked is queued and blocks, and
the one that unlocks it hands it to the first in the queue, so that nobody overtakes. Whom a condition wakes
queues for its mutex without running in between. A spinlock has no queue: who finds it locked spins, and does
so for as long as its dispatcher lets it; of those that run, the one that the line reaches first has it next.

Barriers, which spin and then block, are in `kernel.barrier`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from kernel.errors import KernelError
from kernel.hardware import Hardware
from kernel.ownership import Owned
from kernel.shared_memory import SharedObject, wake
from kernel.threads import ENDLESS, Operation, Thread, ThreadState

Then = Callable[[int], None]
"""What a thread does next, at the instant it is given."""


class Mutex(Owned):
    """Held by one thread at a time."""

    kind = "mutex"

    def __init__(self, name: str, hardware: Hardware) -> None:
        super().__init__(name, hardware)
        self._waiting: deque[tuple[Thread, Then]] = deque()

    @property
    def waiters(self) -> list[Thread]:
        """See `Owned`."""
        return [thread for thread, _ in self._waiting if thread.state is not ThreadState.EXITED]

    def lock(self, thread: Thread, now: int) -> None:
        def arrived(later: int) -> None:
            if self.owner is thread:
                thread.fault(f"locks mutex {self.name}, which it holds", later)
            elif self.owner is None:
                self.owner = thread
                thread.resume(later)
            else:
                self._waiting.append((thread, thread.resume))
                thread.block()
                self.waits(thread, later)

        self.access(thread, now, arrived)

    def unlock(self, thread: Thread, now: int) -> None:
        def arrived(later: int) -> None:
            if self.owner is not thread:
                thread.fault(f"unlocks mutex {self.name}, which it does not hold", later)
            else:
                self.hand_over(thread, later)
                thread.resume(later)

        self.access(thread, now, arrived)

    def hand_over(self, by: Thread, now: int) -> None:
        """The owner gives it up: the first in the queue has it, if there is one."""
        if self._waiting:
            self.owner, then = self._waiting.popleft()
            wake(self.owner, by, now, then)
        else:
            self.owner = None

    def queue(self, thread: Thread, by: Thread, now: int) -> None:
        """`thread`, which is blocked, goes on once it has the mutex."""
        if self.owner is None:
            self.owner = thread
            wake(thread, by, now, thread.resume)
        else:
            self._waiting.append((thread, thread.resume))
            self.waits(thread, now)


class Spinlock(Owned):
    """Held by one thread at a time; the others spin."""

    kind = "spinlock"

    def __init__(self, name: str, hardware: Hardware) -> None:
        super().__init__(name, hardware)
        self._spinning: list[Thread] = []

    @property
    def waiters(self) -> list[Thread]:
        """See `Owned`."""
        return [thread for thread in self._spinning if thread.state is not ThreadState.EXITED]

    def lock(self, thread: Thread, now: int) -> None:
        def arrived(later: int) -> None:
            if self.owner is thread:
                thread.fault(f"locks spinlock {self.name}, which it holds", later)
            elif self.owner is None:
                self.owner = thread
                thread.resume(later)
            else:
                self._spinning.append(thread)
                thread.compute(ENDLESS, thread.resume)
                self.waits(thread, later)

        self.access(thread, now, arrived)

    def unlock(self, thread: Thread, now: int) -> None:
        def arrived(later: int) -> None:
            if self.owner is not thread:
                thread.fault(f"unlocks spinlock {self.name}, which it does not hold", later)
                return
            self.owner = None
            spinning, self._spinning = self._spinning, []
            core = thread.dispatcher.core
            spinning.sort(key=lambda each: self._hardware.line_ps(core, each.dispatcher.core))
            for each in spinning:
                driver = each.dispatcher.driver
                if driver.runs(each.dispatcher) and each.dispatcher.current_thread is each:
                    driver.settle(later)
                    self.lock(each, later)  # it sees the line change
                    driver.plan(later)
                else:
                    each.compute(0, partial(self.lock, each))  # it sees that when it next runs
            thread.resume(later)

        self.access(thread, now, arrived)


class Condition(SharedObject):
    """Threads wait here, a mutex given up meanwhile, until another says that something has changed."""

    def __init__(self, name: str, hardware: Hardware) -> None:
        super().__init__(name, hardware)
        self._waiting: deque[tuple[Thread, Mutex]] = deque()

    @property
    def waiters(self) -> list[tuple[Thread, Mutex]]:
        """Who waits here, and for which mutex after that."""
        return [(thread, mutex) for thread, mutex in self._waiting if thread.state is not ThreadState.EXITED]

    def wait(self, thread: Thread, mutex: Mutex, now: int) -> None:
        def arrived(later: int) -> None:
            if mutex.owner is not thread:
                thread.fault(f"waits at condition {self.name} without holding mutex {mutex.name}", later)
                return
            self._waiting.append((thread, mutex))
            mutex.hand_over(thread, later)
            thread.block()

        self.access(thread, now, arrived)

    def signal(self, thread: Thread, now: int, everybody: bool) -> None:
        def arrived(later: int) -> None:
            for _ in range(len(self._waiting) if everybody else min(1, len(self._waiting))):
                woken, mutex = self._waiting.popleft()
                mutex.queue(woken, thread, later)
            thread.resume(later)

        self.access(thread, now, arrived)


class Semaphore(SharedObject):
    """So many may pass; who posts lets one more."""

    def __init__(self, name: str, hardware: Hardware, value: int) -> None:
        super().__init__(name, hardware)
        self.value = value
        self._waiting: deque[Thread] = deque()

    @property
    def waiters(self) -> list[Thread]:
        """Who waits for a post."""
        return [thread for thread in self._waiting if thread.state is not ThreadState.EXITED]

    def wait(self, thread: Thread, now: int) -> None:
        def arrived(later: int) -> None:
            if self.value > 0:
                self.value -= 1
                thread.resume(later)
            else:
                self._waiting.append(thread)
                thread.block()

        self.access(thread, now, arrived)

    def post(self, thread: Thread, now: int) -> None:
        def arrived(later: int) -> None:
            if self._waiting:
                woken = self._waiting.popleft()
                wake(woken, thread, later, woken.resume)
            else:
                self.value += 1
            thread.resume(later)

        self.access(thread, now, arrived)


def _must_be(given: object, *kinds: type[SharedObject]) -> None:
    if not isinstance(given, kinds):
        wanted = " or ".join(kind.__name__.lower() for kind in kinds)
        raise KernelError(f"takes a {wanted} of the environment's, not {given!r:.40}")


# -- what a program yields -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lock(Operation):
    """Lock a mutex or a spinlock; go on when it is this thread's."""

    lock: Mutex | Spinlock

    def begin(self, thread: Thread, now: int) -> None:
        _must_be(self.lock, Mutex, Spinlock)
        self.lock.lock(thread, now)


@dataclass(frozen=True, slots=True)
class Unlock(Operation):
    """Unlock a mutex or a spinlock that this thread holds."""

    lock: Mutex | Spinlock

    def begin(self, thread: Thread, now: int) -> None:
        _must_be(self.lock, Mutex, Spinlock)
        self.lock.unlock(thread, now)


@dataclass(frozen=True, slots=True)
class WaitCondition(Operation):
    """Give `mutex` up, wait until the condition is signalled, and go on when the mutex is this thread's again."""

    condition: Condition
    mutex: Mutex

    def begin(self, thread: Thread, now: int) -> None:
        _must_be(self.condition, Condition)
        _must_be(self.mutex, Mutex)
        self.condition.wait(thread, self.mutex, now)


@dataclass(frozen=True, slots=True)
class Signal(Operation):
    """Wake the first thread that waits at the condition."""

    condition: Condition

    def begin(self, thread: Thread, now: int) -> None:
        _must_be(self.condition, Condition)
        self.condition.signal(thread, now, everybody=False)


@dataclass(frozen=True, slots=True)
class Broadcast(Operation):
    """Wake all threads that wait at the condition."""

    condition: Condition

    def begin(self, thread: Thread, now: int) -> None:
        _must_be(self.condition, Condition)
        self.condition.signal(thread, now, everybody=True)


@dataclass(frozen=True, slots=True)
class WaitSemaphore(Operation):
    """Pass the semaphore, when there is a post for this thread."""

    semaphore: Semaphore

    def begin(self, thread: Thread, now: int) -> None:
        _must_be(self.semaphore, Semaphore)
        self.semaphore.wait(thread, now)


@dataclass(frozen=True, slots=True)
class Post(Operation):
    """Let one more pass the semaphore: the thread that waits longest, if one does."""

    semaphore: Semaphore

    def begin(self, thread: Thread, now: int) -> None:
        _must_be(self.semaphore, Semaphore)
        self.semaphore.post(thread, now)


@dataclass(frozen=True, slots=True)
class Atomic(Operation):
    """Do `action` on memory that is shared, as one atomic operation on `word`; the result is what it returns."""

    word: SharedObject
    action: Callable[[], object]

    def begin(self, thread: Thread, now: int) -> None:
        def arrived(later: int) -> None:
            try:
                result = self.action()
            except Exception as error:
                thread.fault(f"{type(error).__name__}: {error}", later)
                return
            thread.resume(later, result)

        self.word.access(thread, now, arrived)
