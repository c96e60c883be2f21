"""Planners: the part of each monitor that plans its core's schedule (dissertation §3.6.2).

A planner keeps, for each domain with dispatchers on its core, the real-time parameters of every phase, as
the placement controller derived them. At a phase change only the phase's number travels: each planner
looks the parameters up locally and submits them to its CPU driver. The coordinator (the planner of the
domain's first dispatcher) takes a time-stamp of its local clock, tells every peer, and collects one
answer from each; releases are counted from that time-stamp, so that all cores start a gang's timeslice at
the same reading of their clocks (§3.5.4).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, assert_never

from kernel.clock import PS_PER_NS
from kernel.cpu_driver import CpuDriver
from kernel.dispatcher import Dispatcher
from kernel.domain import Domain
from kernel.errors import KernelError
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.lmp import LmpLink
from kernel.monitor import Handling, Monitor
from kernel.program import Environment, Invoke, Receive, Send
from kernel.rbed import BestEffort, Hard, Overcommitted, Soft, TaskParameters
from kernel.threads import Operation
from skb import placement


@dataclass(frozen=True, slots=True)
class ChangePhase:
    """To the coordinator: bring `domain` into `phase`. What came of it goes to `reply` on the core where a program
    asked; the shell, which gives none, is told of it by the kernel.
    """

    domain: Domain
    phase: int
    asked_on: int = -1
    reply: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class RequestPhase:
    """From a program to its monitor: have the coordinator change the phase."""

    change: ChangePhase


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """To the monitor of the core where it was asked: the change is over; `refusal` says why it was not made."""

    reply: Endpoint
    refusal: str


@dataclass(frozen=True, slots=True)
class EnterPhase:
    """To each planner of the domain: enter `phase`; releases count from `timestamp` on the local clock."""

    domain: Domain
    phase: int
    timestamp: int
    coordinator: int


@dataclass(frozen=True, slots=True)
class PhaseAnswer:
    """To the coordinator: done, or why not."""

    domain: Domain
    phase: int
    refusal: str


@dataclass(slots=True)
class _Change:
    """A phase change under way, at its coordinator."""

    request: ChangePhase
    phase: int
    before: int
    timestamp: int
    waiting: int
    refusals: list[str]


class Planner:
    """The planner of one core."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        monitor.planner = self
        self._driver: CpuDriver = monitor.driver
        self._phases: dict[int, list[tuple[Dispatcher, tuple[placement.Parameters, ...]]]] = {}
        self._changes: dict[int, _Change] = {}
        self._queued: dict[int, deque[ChangePhase]] = {}  # of domains whose phase is being changed already
        monitor.handlers[RequestPhase] = self._request
        monitor.handlers[PhaseChanged] = self._changed
        monitor.handlers[ChangePhase] = self._change
        monitor.handlers[EnterPhase] = self._enter
        monitor.handlers[PhaseAnswer] = self._answer

    def adopt(self, dispatcher: Dispatcher, phases: tuple[placement.Parameters, ...]) -> None:
        """A new dispatcher on this core; it starts in its domain's current phase."""
        self._phases.setdefault(dispatcher.domain.id, []).append((dispatcher, phases))
        parameters, release = _submitted(phases[dispatcher.domain.phase], dispatcher)
        now = self._driver.clock.local(self._monitor.kernel.now)
        self._driver.add(dispatcher, parameters, None if release is None else now + release)

    def replan(self, domain: Domain, index: int, phases: tuple[placement.Parameters, ...]) -> None:
        """The placement controller has changed the parameters of a dispatcher on this core."""
        entries = self._phases[domain.id]
        for place, (dispatcher, _) in enumerate(entries):
            if dispatcher.index == index:
                entries[place] = (dispatcher, phases)
                parameters, _ = _submitted(phases[domain.phase], dispatcher)
                self._driver.change(dispatcher, parameters)

    def release(self, dispatcher: Dispatcher) -> None:
        """The dispatcher leaves this core; others of its domain may stay."""
        number = dispatcher.domain.id
        left = [entry for entry in self._phases.get(number, []) if entry[0] is not dispatcher]
        if left:
            self._phases[number] = left
        else:
            self.forget(number)

    def forget(self, domain: int) -> None:
        """The domain is gone from this core."""
        self._phases.pop(domain, None)
        self._queued.pop(domain, None)

    # -- phase changes -----------------------------------------------------------------------------

    def _request(self, message: RequestPhase) -> Handling:
        yield from self._monitor.send(message.change.domain.coordinator, message.change)

    def _changed(self, message: PhaseChanged) -> Handling:
        yield Send(LmpLink(self._monitor.kernel.hardware, self._monitor.core, message.reply), message.refusal)

    def _change(self, message: ChangePhase) -> Handling:
        if not message.domain.alive:
            return
        if message.domain.id in self._changes:
            self._queued.setdefault(message.domain.id, deque()).append(message)
            return
        timestamp = yield Invoke(self._driver.clock.local)
        yield from self._announce(message, message.phase, timestamp)

    def _announce(self, request: ChangePhase, phase: int, timestamp: int) -> Handling:
        domain = request.domain
        self._changes[domain.id] = _Change(request, phase, domain.phase, timestamp, len(domain.cores), [])
        for core in domain.cores:
            yield from self._monitor.send(core, EnterPhase(domain, phase, timestamp, self._monitor.core))

    def _enter(self, message: EnterPhase) -> Handling:
        refusal = yield Invoke(lambda _: self._submit(message.domain, message.phase, message.timestamp))
        answer = PhaseAnswer(message.domain, message.phase, refusal)
        yield from self._monitor.send(message.coordinator, answer)

    def _submit(self, domain: Domain, phase: int, timestamp: int) -> str:
        """Give the CPU driver the parameters of the phase; the refusal, if it cannot take them."""
        for dispatcher, phases in self._phases.get(domain.id, ()):
            parameters, release = _submitted(phases[phase], dispatcher)
            try:
                self._driver.change(dispatcher, parameters, None if release is None else timestamp + release)
            except Overcommitted as error:
                return f"core {self._monitor.core}: {error}"
        return ""

    def _answer(self, message: PhaseAnswer) -> Handling:
        domain = message.domain
        change = self._changes[domain.id]
        change.waiting -= 1
        if message.refusal:
            change.refusals.append(message.refusal)
        if change.waiting:
            return
        del self._changes[domain.id]
        if change.refusals and change.phase != change.before:
            # Back to what every core has granted before; then nothing is half-changed.
            yield from self._announce(change.request, change.before, change.timestamp)
            self._changes[domain.id].refusals = change.refusals
            return
        request = change.request
        if not change.refusals:
            self._monitor.kernel.phase_entered(domain, change.phase)
        if request.reply is None:
            self._monitor.kernel.phase_answered(domain, change.refusals)
        else:
            answer = PhaseChanged(request.reply, change.refusals[0] if change.refusals else "")
            yield from self._monitor.send(request.asked_on, answer)
        if self._queued.get(domain.id):
            yield from self._change(self._queued[domain.id].popleft())


def change_phase(environment: Environment, phase: int) -> Generator[Operation, Any, str]:
    """Part of a program: bring its domain into another phase of its manifest; wait for the answer of all planners.

    Any dispatcher may ask, by a local message to its monitor. The result is why the change was refused, or "".
    KernelError where the manifest has no such phase.
    """
    own = environment.dispatchers[environment.rank]
    phases = len(own.domain.placement.assignments[0].phases)
    if not 0 <= phase < phases:
        raise KernelError(f"{own.domain.name} has no phase {phase}; its manifest has {phases}")
    reply = Endpoint(environment.hardware.cost_ps("poll", own.core))
    change = ChangePhase(own.domain, phase, own.core, reply)
    yield Send(LmpLink(environment.hardware, own.core, own.driver.monitor), RequestPhase(change))
    return str((yield Receive(reply)))


def _submitted(
    parameters: placement.Parameters, dispatcher: Dispatcher
) -> tuple[TaskParameters, int | None]:
    """Scheduling parameters as the CPU driver takes them (ps), and the release after the phase's start."""
    slack = dispatcher.domain.placement.slack.get(dispatcher.index, 0)
    match parameters:
        case placement.BestEffort(weight):
            return BestEffort(weight), None
        case placement.Soft(wcet, period):
            return Soft(wcet * PS_PER_NS, period * PS_PER_NS, slack), 0
        case placement.Hard(wcet, period, deadline, release):
            hard = Hard(wcet * PS_PER_NS, period * PS_PER_NS, deadline * PS_PER_NS, slack)
            return hard, (release or 0) * PS_PER_NS
        case _ as other:
            assert_never(other)

