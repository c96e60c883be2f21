"""Negotiation with running domains: what passes between monitors, and what a program calls (dissertation §3.4.5).

The SKB asks a domain to give up cores. Each of its dispatchers there finds the request on its page
(`kernel.activation`): by when. A program that agrees takes its work elsewhere, lets its threads there end or
migrate, and has the last of them call `relinquish`: the dispatcher ends, and the SKB hears of it. What has not been
given up when the time is over the SKB has virtualised: the dispatchers are moved to other cores of their domain's
(`kernel.hotplug`).

    if environment.activation(environment.rank).asked_until_ps is not None:
        ...
        yield from relinquish(environment)
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

from kernel.dispatch_state import UNRUNNABLE
from kernel.dispatcher import Dispatcher
from kernel.domain import Domain
from kernel.errors import KernelError
from kernel.messaging.binding import Binding
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.lmp import LmpLink
from kernel.monitor import Handling, Monitor
from kernel.planner import Planner
from kernel.program import Environment, Invoke, Receive, Send
from kernel.threads import Operation


@dataclass(frozen=True, slots=True)
class AskForCores:
    """To the monitor of the SKB's core: `domain` is to end these dispatchers, (index, core), within `patience_ps`."""

    number: int
    domain: Domain
    asked: tuple[tuple[int, int], ...]
    patience_ps: int


@dataclass(frozen=True, slots=True)
class AskDispatcher:
    """To the monitor of its core: dispatcher `index` is asked to end until then; or, with None, no longer."""

    domain: Domain
    index: int
    until_ps: int | None


@dataclass(frozen=True, slots=True)
class PatienceOver:
    """To the monitor of the SKB's core, by its timer: what has not been given up of that request is virtualised."""

    request: AskForCores


@dataclass(frozen=True, slots=True)
class Relinquish:
    """From a program to its monitor: end dispatcher `index`. Why not goes to `reply`; else there is no answer."""

    domain: Domain
    index: int
    reply: Endpoint


@dataclass(frozen=True, slots=True)
class DispatcherEnded:
    """To the monitor of the SKB's core: `domain` has one dispatcher fewer."""

    domain: Domain
    index: int


class Desk(Protocol):
    """Who decides, at the SKB (`kernel.reclaiming`)."""

    def ended(self, domain: Domain, index: int) -> None: ...

    def patience_over(self, request: AskForCores) -> None: ...


def relinquish(environment: Environment) -> Generator[Operation, Any, None]:
    """Part of a program: its dispatcher ends, and this thread, its last, with it, whether it was asked or not.

    KernelError where other threads are left there, or channels and services that end there; and of dispatcher 0,
    which has the domain's page table and coordinates its phase changes.
    """
    own = environment.dispatchers[environment.rank]
    if why := _has_to_stay(own):
        raise KernelError(why)
    reply = Endpoint(environment.hardware.cost_ps("poll", own.core))
    to_monitor = LmpLink(environment.hardware, own.core, own.driver.monitor)
    yield Send(to_monitor, Relinquish(own.domain, own.index, reply))
    raise KernelError(str((yield Receive(reply))))


def _has_to_stay(dispatcher: Dispatcher) -> str:
    """Why the dispatcher cannot end, or nothing."""
    name = f"dispatcher {dispatcher.index} of {dispatcher.domain.name}"
    others = len(dispatcher.threads) - 1
    if dispatcher.index == 0:
        return f"{name} cannot end: it has the page table, and coordinates phase changes"
    if others > 0:
        threads = "thread" if others == 1 else "threads"
        return f"{name} has {others} other {threads}; they have to end or to migrate first"
    return ""


class Negotiation:
    """The module of one monitor that negotiates; `desk` decides, on core `decider`."""

    def __init__(self, monitor: Monitor, planner: Planner, binding: Binding, decider: int, desk: Desk) -> None:
        self._monitor = monitor
        self._planner = planner
        self._binding = binding
        self._decider = decider
        self._desk = desk
        monitor.handlers[AskForCores] = self._ask_for_cores
        monitor.handlers[AskDispatcher] = self._ask
        monitor.handlers[PatienceOver] = self._patience_over
        monitor.handlers[Relinquish] = self._relinquish
        monitor.handlers[DispatcherEnded] = self._ended

    # -- at the SKB's core -------------------------------------------------------------------------

    def _ask_for_cores(self, message: AskForCores) -> Handling:
        until = self._monitor.kernel.now + message.patience_ps
        self._monitor.remind(PatienceOver(message), message.patience_ps)
        for index, core in message.asked:
            yield from self._monitor.urge(core, AskDispatcher(message.domain, index, until))

    def _patience_over(self, message: PatienceOver) -> Handling:
        self._desk.patience_over(message.request)
        yield from ()

    def _ended(self, message: DispatcherEnded) -> Handling:
        self._desk.ended(message.domain, message.index)
        yield from ()

    # -- at the dispatcher's -----------------------------------------------------------------------

    def _ask(self, message: AskDispatcher) -> Handling:
        dispatcher = message.domain.dispatchers[message.index]
        if not message.domain.alive or dispatcher.state is UNRUNNABLE:
            return
        if self._has(dispatcher):
            yield Invoke(lambda now: dispatcher.ask(message.until_ps, now))
        else:
            yield from self._pass_on(dispatcher, message)

    def _relinquish(self, message: Relinquish) -> Handling:
        dispatcher = message.domain.dispatchers[message.index]
        if not message.domain.alive or dispatcher.state is UNRUNNABLE:
            return
        if not self._has(dispatcher):
            yield from self._pass_on(dispatcher, message)
            return
        why = _has_to_stay(dispatcher) or self._is_connected(dispatcher)
        if why:
            yield Send(LmpLink(self._monitor.kernel.hardware, self._monitor.core, message.reply), why)
            return
        yield Invoke(lambda now: self._end(dispatcher, now))
        yield from self._monitor.urge(self._decider, DispatcherEnded(message.domain, message.index))

    def _has(self, dispatcher: Dispatcher) -> bool:
        return dispatcher.driver is self._monitor.driver and dispatcher.scheduled

    def _pass_on(self, dispatcher: Dispatcher, message: object) -> Handling:
        """The dispatcher has been moved, or is on its way: what is sent after it arrives after it."""
        place = dispatcher.domain.assignment(dispatcher.index)
        if place is not None and place.core != self._monitor.core:
            yield from self._monitor.send(place.core, message)
        elif place is not None:
            self._monitor.remind(message, self._monitor.kernel.timeslice_ps)  # it is coming back here

    def _is_connected(self, dispatcher: Dispatcher) -> str:
        """Why others need the dispatcher where it is, or nothing."""
        ends = sum(end.dispatcher is dispatcher for end in self._binding.ends.values())
        services = sum(each.dispatcher is dispatcher for each in self._binding.services.values())
        if ends + services == 0:
            return ""
        name = f"dispatcher {dispatcher.index} of {dispatcher.domain.name}"
        return f"{name} cannot end: {ends} channels and {services} services of it are open"

    def _end(self, dispatcher: Dispatcher, now: int) -> None:
        left = list(dispatcher.threads)
        self._planner.release(dispatcher)
        self._monitor.driver.remove(dispatcher)
        dispatcher.threads.clear()
        for thread in left:
            for joined in thread.joiners:
                joined(now)
            dispatcher.domain.thread_ended(now)
