"""Planners: the part of each monitor that plans its core's schedule (dissertation §3.6.2).

A planner keeps, for each domain with dispatchers on its core, the real-time parameters of every phase, as
the placement controller derived them. At a phase change only the phase's number travels: each planner
looks the parameters up locally and submits them to its CPU driver. The coordinator (the planner of the
domain's first dispatcher) takes a time-stamp of its local clock, tells every peer, and collects one
answer from each; releases are counted from that time-stamp, so that all cores start a gang's timeslice at
the same reading of their clocks (§3.5.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from kernel.clock import PS_PER_NS
from kernel.cpu_driver import CpuDriver
from kernel.dispatcher import Dispatcher
from kernel.domain import Domain
from kernel.monitor import Handling, Monitor
from kernel.program import Invoke
from kernel.rbed import BestEffort, Hard, Overcommitted, Soft, TaskParameters
from skb import placement


@dataclass(frozen=True, slots=True)
class ChangePhase:
    """To the coordinator: bring `domain` into `phase`."""

    domain: Domain
    phase: int


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
        monitor.handlers[ChangePhase] = self._change
        monitor.handlers[EnterPhase] = self._enter
        monitor.handlers[PhaseAnswer] = self._answer

    def adopt(self, dispatcher: Dispatcher, phases: tuple[placement.Parameters, ...]) -> None:
        """A new dispatcher on this core; it starts in its domain's current phase."""
        self._phases.setdefault(dispatcher.domain.id, []).append((dispatcher, phases))
        parameters, release = _submitted(phases[dispatcher.domain.phase])
        now = self._driver.clock.local(self._monitor.kernel.now)
        self._driver.add(dispatcher, parameters, None if release is None else now + release)

    def replan(self, domain: Domain, index: int, phases: tuple[placement.Parameters, ...]) -> None:
        """The placement controller has changed the parameters of a dispatcher on this core."""
        entries = self._phases[domain.id]
        for place, (dispatcher, _) in enumerate(entries):
            if dispatcher.index == index:
                entries[place] = (dispatcher, phases)
                parameters, _ = _submitted(phases[domain.phase])
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

    # -- phase changes -----------------------------------------------------------------------------

    def _change(self, message: ChangePhase) -> Handling:
        timestamp = yield Invoke(self._driver.clock.local)
        yield from self._announce(message.domain, message.phase, message.domain.phase, timestamp)

    def _announce(self, domain: Domain, phase: int, before: int, timestamp: int) -> Handling:
        self._changes[domain.id] = _Change(phase, before, timestamp, len(domain.cores), [])
        for core in domain.cores:
            yield from self._monitor.send(core, EnterPhase(domain, phase, timestamp, self._monitor.core))

    def _enter(self, message: EnterPhase) -> Handling:
        refusal = yield Invoke(lambda _: self._submit(message.domain, message.phase, message.timestamp))
        answer = PhaseAnswer(message.domain, message.phase, refusal)
        yield from self._monitor.send(message.coordinator, answer)

    def _submit(self, domain: Domain, phase: int, timestamp: int) -> str:
        """Give the CPU driver the parameters of the phase; the refusal, if it cannot take them."""
        for dispatcher, phases in self._phases.get(domain.id, ()):
            parameters, release = _submitted(phases[phase])
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
            yield from self._announce(domain, change.before, change.before, change.timestamp)
            self._changes[domain.id].refusals = change.refusals
        else:
            self._monitor.kernel.phase_answered(domain, change.phase, change.refusals)


def _submitted(parameters: placement.Parameters) -> tuple[TaskParameters, int | None]:
    """Scheduling parameters as the CPU driver takes them (ps), and the release after the phase's start."""
    match parameters:
        case placement.BestEffort(weight):
            return BestEffort(weight), None
        case placement.Soft(wcet, period):
            return Soft(wcet * PS_PER_NS, period * PS_PER_NS), 0
        case placement.Hard(wcet, period, deadline, release):
            hard = Hard(wcet * PS_PER_NS, period * PS_PER_NS, deadline * PS_PER_NS)
            return hard, release * PS_PER_NS
        case _ as other:
            assert_never(other)

