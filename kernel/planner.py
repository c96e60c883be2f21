"""Planners: the part of each monitor that plans its core's schedule (dissertation §3.6.2).

A planner keeps, for each domain with dispatchers on its core, the real-time parameters of every phase, as
the placement controller derived them; where the schedule of a phase depends on the phases of other domains, it has
one for each combination that has been sent to it so far, and best effort for the rest. At a phase change only the
phase's number travels (`kernel.phase_change`): each planner looks the parameters up locally and submits them to its
CPU driver, which puts them into force at the instant that is in the message: on all cores at the same reading of
their clocks (§3.5.4), so that nobody ever sees half a change.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from kernel.clock import PS_PER_NS
from kernel.cpu_driver import CpuDriver
from kernel.dispatcher import Dispatcher
from kernel.domain import Domain
from kernel.messaging.lmp import LmpLink
from kernel.monitor import Handling, Monitor
from kernel.multicast import Tree
from kernel.phase_change import (
    ChangePhase,
    Distribute,
    EnterPhase,
    Outcome,
    PhaseAnswer,
    PhaseChanged,
    Replan,
    ReplanDispatcher,
    RequestPhase,
    Route,
    ScheduleDerived,
)
from kernel.program import Invoke, Send
from kernel.rbed import BestEffort, Hard, Overcommitted, Soft, TaskParameters
from kernel.timeline import Priority
from skb import placement
from skb.placement import Combination, Move, Parameters

_UNPLANNED = placement.BestEffort(1)
"""What a dispatcher has until the schedule is there (§3.6.2)."""


@dataclass(slots=True)
class Planned:
    """What a dispatcher has: its parameters by phase, and those submitted last, with their first release.

    They came with the message `told`, and hold from `since` on, in place of `before`.
    """

    dispatcher: Dispatcher
    phases: tuple[Parameters, ...]
    parameters: Parameters
    release: int | None = None
    since: int = 0
    before: tuple[Parameters, int | None] | None = None
    told: EnterPhase | None = None


@dataclass(slots=True)
class _Gathering:
    """The answers to one EnterPhase that a planner still waits for, its own among them."""

    number: int
    message: EnterPhase
    waiting: int
    refusals: list[str]
    late: int = 0


@dataclass(slots=True)
class _Change:
    """A phase change under way, at its coordinator."""

    request: ChangePhase
    phase: int
    before: int
    begins: int
    refusals: tuple[str, ...] = ()


class Planner:
    """The planner of one core."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        monitor.planner = self
        self._driver: CpuDriver = monitor.driver
        self._planned: dict[int, list[Planned]] = {}
        self._schedules: dict[Combination, Mapping[tuple[int, int], Parameters]] = {}
        self._in_force: dict[int, EnterPhase] = {}  # the newest message on each domain
        self._left: dict[int, list[tuple[int, int]]] = {}  # by domain: when a dispatcher left, and to which core
        self._gathering: dict[int, _Gathering] = {}  # by number
        self._numbers = itertools.count(1)
        self._changes: dict[int, _Change] = {}  # by the first of the domains that change together
        self._queued: dict[int, deque[ChangePhase]] = {}
        self._begins = 0  # when the newest change that is coordinated here begins
        monitor.handlers[RequestPhase] = self._request
        monitor.handlers[PhaseChanged] = self._changed
        monitor.handlers[ChangePhase] = self._change
        monitor.handlers[EnterPhase] = self._enter
        monitor.handlers[PhaseAnswer] = self._answer
        monitor.handlers[ScheduleDerived] = self._derived
        monitor.handlers[Distribute] = self._distribute
        monitor.handlers[Replan] = self._replan
        monitor.handlers[ReplanDispatcher] = self._replan_dispatcher

    # -- coming and going --------------------------------------------------------------------------

    def adopt(self, dispatcher: Dispatcher, phases: tuple[Parameters, ...], moved: Planned | None = None) -> None:
        """A dispatcher comes to this core, new or as it was planned on the core it comes from.

        Where the phase is real time it is best effort at first: a new one until all of its domain are there, one that
        was moved until the next slot.
        """
        domain = dispatcher.domain
        first = phases[domain.phase] if domain.phase < len(phases) else _UNPLANNED
        planned = Planned(dispatcher, phases, first if isinstance(first, placement.BestEffort) else _UNPLANNED)
        self._planned.setdefault(domain.id, []).append(planned)
        self._driver.add(dispatcher, _task(planned.parameters, dispatcher))
        known = [self._in_force.get(domain.id), None if moved is None else moved.told]
        newest = max((each for each in known if each is not None), key=lambda each: each.timestamp, default=None)
        if moved is not None and newest is not None:
            self._in_force[domain.id] = newest
            self._submit(planned, self._wanted(planned, newest), newest)

    def release(self, dispatcher: Dispatcher, to: int | None = None) -> Planned | None:
        """The dispatcher leaves this core, for core `to` if that is said; others of its domain may stay."""
        number = dispatcher.domain.id
        found = next((each for each in self._planned.get(number, ()) if each.dispatcher is dispatcher), None)
        if found is not None:
            self._planned[number].remove(found)
            if not self._planned[number]:
                del self._planned[number]
        if to is not None:
            self._left.setdefault(number, []).append((self._local(), to))
        return found

    def forget(self, domain: int) -> None:
        """The domain is gone from this core."""
        for kept in (self._planned, self._queued, self._in_force, self._left):
            kept.pop(domain, None)
        for combination in [each for each in self._schedules if any(one == domain for one, _ in each)]:
            del self._schedules[combination]

    def started(self, domain: Domain) -> Handling:
        """At the coordinator: all dispatchers are up. What real time their phase has begins everywhere together."""
        phases = [each.phases[domain.phase] for each in domain.placement.assignments]
        if not all(isinstance(each, placement.BestEffort) for each in phases):
            yield from self._request(RequestPhase(ChangePhase(domain, domain.phase)))

    def _local(self) -> int:
        return self._driver.clock.local(self._monitor.kernel.now)

    # -- the coordinator ---------------------------------------------------------------------------

    def _request(self, message: RequestPhase) -> Handling:
        coordinator = self._monitor.kernel.route(message.change.domain).coordinator
        yield from self._monitor.urge(coordinator, message.change)

    def _changed(self, message: PhaseChanged) -> Handling:
        yield Send(LmpLink(self._monitor.kernel.hardware, self._monitor.core, message.reply), message.refusal)

    def _change(self, message: ChangePhase) -> Handling:
        if not message.domain.alive:
            return
        key = _key(message.domain, self._monitor.kernel.route(message.domain))
        if key in self._changes:
            self._queued.setdefault(key, deque()).append(message)
            return
        timestamp = yield Invoke(self._driver.clock.local)
        yield from self._announce(message, message.phase, timestamp)

    def _announce(
        self, request: ChangePhase, phase: int, timestamp: int, taken_back: tuple[str, ...] = ()
    ) -> Handling:
        domain, kernel = request.domain, self._monitor.kernel
        route = kernel.route(domain)
        allowance = max(route.allowances_ps[left] for left in (domain.phase, domain.agreed_phase))
        begins = max(timestamp + allowance, self._begins + 1)
        self._begins = begins
        self._changes[_key(domain, route)] = _Change(request, phase, domain.agreed_phase, begins, taken_back)
        domain.agreed_phase = phase
        if not kernel.phase_locked and any(_is_gang(each.phases[phase]) for each in domain.placement.assignments):
            kernel.gang_unlocked(domain)
        message = EnterPhase(
            domain, phase, timestamp, begins, kernel.combination(route.together), route.tree, self._monitor.core,
            instead=bool(taken_back),
        )
        yield from self._enter(message)

    def _over(self, domain: Domain, timestamp: int, refusals: tuple[str, ...], late: int) -> Handling:
        """Every planner has answered."""
        kernel = self._monitor.kernel
        key = _key(domain, kernel.route(domain))
        change = self._changes.pop(key, None)
        if change is None:
            return
        if refusals and not change.refusals and change.phase != change.before:
            # Back to what every core has granted before, which it has still: nothing has begun yet.
            again = yield Invoke(self._driver.clock.local)
            yield from self._announce(change.request, change.before, max(again, timestamp + 1), refusals)
            return
        refusals = change.refusals or refusals
        if not refusals:
            begins = self._driver.clock.reference(change.begins)
            kernel.timeline.at(
                max(begins, kernel.now), Priority.TIMER, self._monitor.core,
                lambda _: kernel.phase_entered(domain, change.phase),
            )
        request = change.request
        if request.from_shell:
            kernel.phase_answered(domain, Outcome(change.begins, refusals, late, self._local() - timestamp))
        elif request.reply is not None:
            yield from self._monitor.urge(
                request.asked_on, PhaseChanged(request.reply, refusals[0] if refusals else "")
            )
        if self._queued.get(key):
            yield from self._change(self._queued[key].popleft())

    # -- every planner -----------------------------------------------------------------------------

    def _enter(self, message: EnterPhase) -> Handling:
        domain = message.domain
        below = [*message.below.subtrees, *self._followed(message)]
        gathering = _Gathering(next(self._numbers), message, len(below) + 1, [])
        self._gathering[gathering.number] = gathering
        for subtree in below:
            down = EnterPhase(
                domain, message.phase, message.timestamp, message.begins, message.combination, subtree,
                self._monitor.core, gathering.number, message.instead,
            )
            yield from self._monitor.urge(subtree.core, down)
        refusal, late = yield Invoke(lambda _: self._put_into_force(message))
        yield from self._gathered(gathering, refusal, late)

    def _followed(self, message: EnterPhase) -> list[Tree]:
        """The cores to which dispatchers have left that the sender believed here."""
        on_the_way = message.below.cores
        return [
            Tree(core) for left, core in self._left.get(message.domain.id, ())
            if message.timestamp <= left and core not in on_the_way
        ]

    def _put_into_force(self, message: EnterPhase) -> tuple[tuple[str, ...], int]:
        """Give the CPU driver the parameters of the phase: the refusals, and whether it is late for that."""
        late = int(self._local() > message.begins)
        refusals = []
        for number in [one for one, _ in message.combination] or [message.domain.id]:
            for planned in self._planned.get(number, ()):
                if message.instead:
                    self._take_back(planned)
                refusal = self._submit(planned, self._wanted(planned, message), message)
                if refusal:
                    refusals.append(refusal)
            if message.domain.alive and (number == message.domain.id or number in self._planned):
                self._in_force[number] = message
        return tuple(refusals), late

    def _wanted(self, planned: Planned, message: EnterPhase) -> Parameters:
        """What a dispatcher is to have: the local look-up."""
        domain = planned.dispatcher.domain
        if not message.combination:
            wanted = planned.phases[message.phase] if message.phase < len(planned.phases) else _UNPLANNED
        else:
            known = self._schedules.get(message.combination, {})
            wanted = known.get((domain.id, planned.dispatcher.index), _UNPLANNED)
        return _UNPLANNED if _is_gang(wanted) and not self._monitor.kernel.phase_locked else wanted

    def _submit(self, planned: Planned, wanted: Parameters, message: EnterPhase) -> str:
        """Have the CPU driver change to `wanted` when the phase begins; the refusal, if it cannot.

        Real time ends with the period that it is in then. What waits for a first release goes on as it was till then.
        """
        planned.told = message
        earliest = max(message.begins, self._local())
        if planned.before is not None and planned.since >= earliest:
            # What was submitted last waits for its first release still: it will never have been.
            self._driver.forget_changes(planned.dispatcher, earliest)
            planned.parameters, planned.release = planned.before
            planned.before = None
        counted_from_now = isinstance(wanted, placement.Hard) and wanted.release_ns is not None
        if wanted == planned.parameters and not counted_from_now:
            return ""
        old = planned.parameters
        was_hard = isinstance(old, placement.Hard)
        if isinstance(old, placement.Hard) and planned.release is not None and planned.release < earliest:
            earliest = _next_on_grid(planned.release, old.period_ns * PS_PER_NS, earliest)
        at, release = earliest, None
        match wanted:
            case placement.Hard(period_ns=period, release_ns=None, offset_ns=offset):
                release = _next_on_grid(offset * PS_PER_NS, period * PS_PER_NS, earliest)
            case placement.Hard(period_ns=period, release_ns=after) if after is not None:
                release = message.timestamp + after * PS_PER_NS
                if release < earliest:
                    release = _next_on_grid(release, period * PS_PER_NS, earliest)
            case placement.Soft():
                release = earliest
        if release is not None and not was_hard:
            at = release
        dispatcher = planned.dispatcher
        try:
            self._driver.change_at(at, dispatcher, _task(wanted, dispatcher), release)
        except Overcommitted as error:
            return f"core {self._monitor.core}: {error}"
        planned.before = planned.parameters, planned.release
        planned.parameters, planned.release, planned.since = wanted, release, at
        return ""

    def _take_back(self, planned: Planned) -> None:
        """What was submitted last does not come into force, if it has not yet."""
        if planned.before is not None and self._driver.forget_changes(planned.dispatcher):
            planned.parameters, planned.release = planned.before
            planned.before = None

    def _gathered(self, gathering: _Gathering, refusals: Iterable[str], late: int) -> Handling:
        gathering.refusals.extend(refusals)
        gathering.late += late
        gathering.waiting -= 1
        if gathering.waiting:
            return
        message = gathering.message
        del self._gathering[gathering.number]
        answer = PhaseAnswer(
            message.domain, message.timestamp, message.number, tuple(gathering.refusals), gathering.late
        )
        if message.above == self._monitor.core:
            yield from self._over(answer.domain, answer.timestamp, answer.refusals, answer.late)
        else:
            yield from self._monitor.urge(message.above, answer)

    def _answer(self, message: PhaseAnswer) -> Handling:
        yield from self._gathered(self._gathering[message.number], message.refusals, message.late)

    # -- what the placement controller has decided since -------------------------------------------

    def _replan(self, message: Replan) -> Handling:
        for domain, change in message.changes:
            yield from self._monitor.urge(change.core, ReplanDispatcher(domain, change))

    def _replan_dispatcher(self, message: ReplanDispatcher) -> Handling:
        yield Invoke(lambda _: self._change_parameters(message.domain, message.change))

    def _change_parameters(self, domain: Domain, change: Move) -> None:
        now, core = self._local(), self._monitor.core
        newest = self._in_force.get(domain.id) or EnterPhase(domain, domain.phase, now, now, (), Tree(core), core)
        for planned in self._planned.get(domain.id, ()):
            if planned.dispatcher.index == change.dispatcher:
                planned.phases = change.phases
                self._submit(planned, self._wanted(planned, newest), newest)

    def _distribute(self, message: Distribute) -> Handling:
        for core, parameters in message.parameters.items():
            yield from self._monitor.urge(core, ScheduleDerived(message.combination, parameters))

    def _derived(self, message: ScheduleDerived) -> Handling:
        """The schedule of a combination; if it is the one that is waited for, it comes into force."""
        self._schedules[message.combination] = message.parameters
        for number, _ in message.combination:
            newest = self._in_force.get(number)
            if newest is not None and newest.combination == message.combination:
                yield Invoke(lambda _, newest=newest: self._put_into_force(newest))  # type: ignore[misc]
                return


def _is_gang(parameters: Parameters) -> bool:
    return isinstance(parameters, placement.Hard) and parameters.gang


def _key(domain: Domain, route: Route) -> int:
    """What the changes that wait for each other have in common."""
    return route.together[0] if route.together else domain.id


def _next_on_grid(first: int, period: int, earliest: int) -> int:
    """The first of first + k * period, for any whole k, that is not before `earliest`."""
    return earliest + (first - earliest) % period


def _task(parameters: Parameters, dispatcher: Dispatcher) -> TaskParameters:
    """Scheduling parameters as the CPU driver takes them, in ps."""
    slack = dispatcher.domain.placement.slack.get(dispatcher.index, 0)
    match parameters:
        case placement.BestEffort(weight):
            return BestEffort(weight)
        case placement.Soft(wcet, period):
            return Soft(wcet * PS_PER_NS, period * PS_PER_NS, slack)
        case placement.Hard(wcet, period, deadline):
            return Hard(wcet * PS_PER_NS, period * PS_PER_NS, deadline * PS_PER_NS, slack)
        case _ as other:
            assert_never(other)
