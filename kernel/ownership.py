"""What a thread has to itself while others wait for it: a lock, its own end. Cycles are found as they close.

Whoever waits for a lock waits for its owner, and whoever joins a thread for that thread: each waits for one other
(the simplest kind of deadlock, `kernel.deadlock`). So when a thread begins to wait, walking from owner to owner
shows whether it waits for itself. The walk costs the program nothing; mostly it is over at once, as the owner
runs. What is found is kept until somebody asks; nothing is ended for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel.deadlock import Deadlock, Need, sentence
from kernel.hardware import Hardware
from kernel.shared_memory import SharedObject, wake
from kernel.threads import ENDLESS, Thread, ThreadState

if TYPE_CHECKING:
    from kernel.domain import Domain


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, in words, and for a cycle the simulated time at which it closed."""

    text: str
    at_ps: int | None


class Owned(SharedObject):
    """A lock: one thread at a time is its owner."""

    kind = "lock"

    def __init__(self, name: str, hardware: Hardware) -> None:
        super().__init__(name, hardware)
        self.owner: Thread | None = None
        self.found: Found | None = None  # the cycle that closed here, until it was told
        self._told_of: Thread | None = None  # the owner that has ended, which was told

    @property
    def waiters(self) -> Sequence[Thread]:
        """Who waits for the lock."""
        raise AssertionError(f"{type(self).__name__} does not say who waits")

    def waits(self, thread: Thread, now: int) -> None:
        """`thread` has begun to wait."""
        assert self.owner is not None
        self.found = self.found or cycle_closed(thread, self.owner, now)

    def abandoned(self) -> Found | None:
        """That its owner has ended, the first time this is asked."""
        owner = self.owner
        if owner is None or owner.state is not ThreadState.EXITED or self._told_of is owner:
            return None
        self._told_of = owner
        place = f"{owner.dispatcher.domain.name}.{owner.dispatcher.index}"
        what = f"a thread of {place} has ended while it held {self.kind} {self.name}: nobody can unlock it"
        return Found(what, None)


@dataclass(slots=True, eq=False)
class Joining:
    """`waiter` waits for the end of `other`, and is woken by it."""

    waiter: Thread
    other: Thread
    found: Found | None = None

    def begin(self, now: int) -> None:
        self.other.joiners.append(self)
        self.waiter.block()
        self.found = cycle_closed(self.waiter, self.other, now)

    def __call__(self, now: int) -> None:
        """The other has ended."""
        if self.waiter.state is ThreadState.BLOCKED:
            wake(self.waiter, self.other, now, lambda later: self.waiter.resume(later, self.other.result))


def thread_name(thread: Thread) -> str:
    """`crossed.0 thread 2`: the second, by age, of those that its dispatcher has now."""
    dispatcher = thread.dispatcher
    place = f"{dispatcher.domain.name}.{dispatcher.index}"
    if thread not in dispatcher.threads:
        return f"{place}, a thread that has ended"
    return f"{place} thread {dispatcher.threads.index(thread) + 1}"


def locks(domain: Domain) -> list[Owned]:
    """The locks of a domain, in the order in which they were made."""
    return [each for each in domain.shared.values() if isinstance(each, Owned)]


def joins(domain: Domain) -> Iterator[Joining]:
    """Who waits for the end of a thread of the domain."""
    for dispatcher in domain.dispatchers.values():
        for thread in dispatcher.threads:
            for each in thread.joiners:
                if isinstance(each, Joining) and each.waiter.state is not ThreadState.EXITED:
                    yield each


def owned_waits(domain: Domain) -> dict[Thread, Need[Thread]]:
    """What each thread of the domain that waits for an owner needs."""
    waits: dict[Thread, Need[Thread]] = {}
    for lock in locks(domain):
        need = lock_need(lock)
        waits.update((thread, need) for thread in lock.waiters)
    for join in joins(domain):
        waits[join.waiter] = Need(join.other, (join.other,), f"the end of {thread_name(join.other)}", "", "")
    return waits


def lock_need(lock: Owned) -> Need[Thread]:
    """What those that wait for a lock need: its owner, unless that has ended."""
    owner = () if lock.owner is None or lock.owner.state is ThreadState.EXITED else (lock.owner,)
    return Need(lock, owner, f"{lock.kind} {lock.name}", "held by {}", "whose holder has ended")


def cycle_closed(thread: Thread, owner: Thread, now: int) -> Found | None:
    """`thread` waits for `owner` from now on: the cycle that closes, if one does."""
    if owner.state is ThreadState.RUNNABLE and owner.work < ENDLESS:
        return None  # it runs; the endless work of a spinning thread is to wait
    waits = owned_waits(thread.dispatcher.domain)
    path = [thread]
    while owner in waits and owner not in path:
        path.append(owner)
        owner = waits[owner].by[0] if waits[owner].by else path[-1]
    if owner is not thread:
        return None
    cycle = tuple(path)
    deadlock = Deadlock(cycle, tuple(waits[each] for each in cycle), True, cycle)
    return Found(sentence(deadlock, thread_name), now)


def take_found(domain: Domain) -> list[Found]:
    """What has been found in a domain since this was last asked: cycles, and locks whose owners have ended."""
    told: list[Found] = []
    places: list[Owned | Joining] = [*locks(domain), *joins(domain)]
    for each in places:
        if each.found is not None:
            told.append(each.found)
            each.found = None
    return told + [found for lock in locks(domain) if (found := lock.abandoned()) is not None]
