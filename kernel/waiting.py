"""Who waits for whom on a booted machine: the graph that `kernel.deadlock` judges.

Seen are locks, joins, conditions, semaphores and barriers of a domain, and the channels that monitors know, over
LMP and UMP, whether a thread waits for a message there or for room. Whoever waits for anything else is taken to go
on by itself, as it may: a timer, the kernel, a monitor or the SKB wakes it, or a service gets a new client, which a
user may spawn. So nobody is said to be in a deadlock who could yet be released; but a thread that waits for what is
not seen, or could be helped by one that only could, is not found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from kernel.barrier import Barrier
from kernel.cpu_driver import CpuDriver
from kernel.deadlock import Deadlock, Need, deadlocks, never, sentence
from kernel.domain import Domain
from kernel.messaging.binding import Binding, End
from kernel.messaging.lmp import LmpLink
from kernel.messaging.ump import UmpLink
from kernel.monitor import Monitor
from kernel.ownership import Found, lock_need, owned_waits, take_found, thread_name
from kernel.synchronisation import Condition, Semaphore
from kernel.threads import Thread, ThreadState

Waits = dict[Thread, list[Need[Thread]]]


class Machine(Protocol):
    """What is looked at of a booted machine."""

    drivers: dict[int, CpuDriver]
    monitors: dict[int, Monitor]


@dataclass(frozen=True, slots=True)
class WaitStatus:
    """One thing that a thread waits for. `by` are those who could help it; none of `never` ever goes on."""

    thread: str
    waits_for: str
    by: tuple[str, ...]
    never: bool


@dataclass(frozen=True, slots=True)
class DeadlockStatus:
    """Threads that can never go on, and the cycle, or the end, that is the reason."""

    text: str
    cycle: tuple[str, ...]
    closed: bool
    threads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The whole graph, and what is wrong with it."""

    waits: tuple[WaitStatus, ...]
    deadlocks: tuple[DeadlockStatus, ...]


def waiting(machine: Machine, domain: Domain | None = None) -> Waiting:
    """Who waits, and who does so in vain; of one domain, if one is given, and the deadlocks that it has part in."""
    graph = wait_for_graph(machine)
    stuck = never(graph)
    found = deadlocks(graph)

    def concerns(threads: Iterable[Thread]) -> bool:
        return domain is None or any(thread.dispatcher.domain is domain for thread in threads)

    waits = [
        WaitStatus(thread_name(thread), need.what, _names(thread, need), thread in stuck)
        for thread, needs in graph.items()
        if concerns([thread])
        for need in needs
    ]
    return Waiting(tuple(waits), tuple(deadlock_status(each) for each in found if concerns(each.nodes)))


def deadlock_status(deadlock: Deadlock[Thread]) -> DeadlockStatus:
    """A deadlock in words."""
    return DeadlockStatus(
        sentence(deadlock, thread_name), tuple(map(thread_name, deadlock.cause)), deadlock.closed,
        tuple(map(thread_name, deadlock.nodes)),
    )


def _names(thread: Thread, need: Need[Thread]) -> tuple[str, ...]:
    return tuple(thread_name(by) for by in need.by if by is not thread)


def take_deadlocks(machine: Machine) -> list[tuple[Domain, Found]]:
    """What was found as it came about, and not yet asked for: cycles of locks and joins, locks of the dead."""
    return [(domain, found) for domain in domains(machine) for found in take_found(domain)]


def domains(machine: Machine) -> list[Domain]:
    """The domains that have dispatchers, those of the system itself aside."""
    found = {
        dispatcher.domain.id: dispatcher.domain
        for driver in machine.drivers.values()
        for dispatcher in driver.dispatchers.values()
        if dispatcher.domain.id > 0 and dispatcher.domain.alive
    }
    return [found[number] for number in sorted(found)]


def wait_for_graph(machine: Machine) -> Waits:
    """What every thread needs that waits for something seen."""
    waits: Waits = {}
    for domain in domains(machine):
        _within(domain, waits)
    _between(machine, waits)
    return {thread: needs for thread, needs in waits.items() if thread.state is not ThreadState.EXITED}


def _within(domain: Domain, waits: Waits) -> None:
    """What threads of one domain wait for there."""
    threads = threads_of(domain)
    for thread, need in owned_waits(domain).items():
        waits.setdefault(thread, []).append(need)
    for shared in domain.shared.values():
        if isinstance(shared, Condition):
            what = f"condition {shared.name}"
            signal = Need(shared, threads, what, "which {} could signal", "which nobody is left to signal")
            for thread, mutex in shared.waiters:
                needs = waits.setdefault(thread, [])
                if domain.complete:
                    needs.append(signal)
                if mutex.owner is not None:  # it has to be the thread's again, too
                    needs.append(lock_need(mutex))
        elif isinstance(shared, Semaphore) and domain.complete:
            what = f"semaphore {shared.name}"
            post = Need(shared, threads, what, "which {} could post", "which nobody is left to post")
            for thread in shared.waiters:
                waits.setdefault(thread, []).append(post)
    for name, barrier in domain.barriers.items():
        for thread, needs in _at_barrier(domain, name, barrier, threads):
            waits.setdefault(thread, []).extend(needs)


def _at_barrier(
    domain: Domain, name: str, barrier: Barrier, threads: tuple[Thread, ...]
) -> Iterator[tuple[Thread, list[Need[Thread]]]]:
    """Members that live and have not come have to; in place of those that are missing anybody may come, or fork."""
    arrived = barrier.waiters
    if not arrived:
        return
    members, there = barrier.members, set(arrived)
    what = f"barrier {name} ({len(arrived)} of {barrier.parties} there)"
    nobody = "to which nobody is left to come"
    needs = [Need(barrier, (each,), what, "to which {} has to come", nobody) for each in members if each not in there]
    if len(members) < barrier.parties and domain.complete:
        needs.append(Need(barrier, threads, what, "to which {} could come", nobody))
    for thread in arrived:
        yield thread, needs


def _between(machine: Machine, waits: Waits) -> None:
    """What threads wait for at channels between domains."""
    bindings = [each.binding for each in machine.monitors.values() if isinstance(each.binding, Binding)]
    ends = {number: end for binding in bindings for number, end in binding.ends.items()}
    services = {id(service.endpoint) for binding in bindings for service in binding.services.values()}
    at: dict[int, list[End]] = {}
    for end in ends.values():
        at.setdefault(id(end.channel.endpoint), []).append(end)
    for own in at.values():
        endpoint = own[0].channel.endpoint
        waiter = endpoint.waiter
        if waiter is None or id(endpoint) in services or any(_under_way(end, ends) for end in own):
            continue
        senders = tuple(thread for end in own for thread in _others(end))
        what = f"a message on channel {', '.join(str(end.channel.number) for end in own)}"
        message = Need(endpoint, senders, what, "which {} could send", "which nobody is left to send")
        waits.setdefault(waiter, []).append(message)
    for end in ends.values():
        link = end.channel.link
        if not link.blocked or end.channel.peer.number not in ends or _room(link) or not _all_there(end):
            continue
        what = f"room on channel {end.channel.number}"
        room = Need(end.channel, _others(end), what, "where {} could receive", "where nobody is left to receive")
        for thread in link.blocked:
            waits.setdefault(thread, []).append(room)


def _under_way(end: End, ends: dict[int, End]) -> bool:
    """Whether something may come to this end by itself: a message already sent, or that the other end is no more."""
    link = end.channel.peer.link
    if not _seen(link) or end.channel.peer.number not in ends or not _all_there(end):
        return True
    return isinstance(link, UmpLink) and link.ring.written > link.ring.read


def _room(link: object) -> bool:
    """Whether those that wait for room on a link may be about to find some."""
    if not _seen(link):
        return True
    return isinstance(link, UmpLink) and (link.ring.room > 0 or link.back.ring.looked < link.back.ring.written)


def _seen(link: object) -> bool:
    """Whether it can be told what is on its way: not where monitors pass it on, or a notification brings it."""
    return type(link) in (LmpLink, UmpLink)


def _all_there(end: End) -> bool:
    """Whether the domain at the other end is alive, and none of its dispatchers still to come."""
    other = end.channel.peer.dispatcher
    return other is not None and other.domain.alive and other.domain.complete


def _others(end: End) -> tuple[Thread, ...]:
    """The threads that have the other end."""
    other = end.channel.peer.dispatcher
    assert other is not None
    return threads_of(other.domain)


def threads_of(domain: Domain) -> tuple[Thread, ...]:
    """All threads of a domain."""
    return tuple(thread for dispatcher in domain.dispatchers.values() for thread in dispatcher.threads)
