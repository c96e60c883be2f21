"""Taking cores off line and bringing them back while domains run (dissertation §2.4.3, §2.5.4).

The SKB says which dispatchers of the core go where (rules/vacating.pl). Then the monitors carry it out, by messages:
the core's own takes each dispatcher off its CPU driver and hands it to the monitor of its new core; when the last
has arrived, the core is told to halt, answers, and halts. Nothing reaches it then but the interrupt that starts
it. A core that starts puts its timer in step with the others'
as all do at boot (`kernel.clock_sync`), before it answers.

The monitor of a core that is off line is parked, as Barrelfish parks kernels: the coordinator, the monitor of the
SKB's core, answers for it what others still ask, above all about the capabilities that its core has.

A dispatcher moves as it is: its threads, what they are in the middle of (the same number of cycles, on a core
of another speed), its barriers. What its program took from its environment, such as the number of its core, is
what it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kernel.clock_sync import FollowTimer
from kernel.dispatcher import Dispatcher
from kernel.domain import Domain
from kernel.messaging.binding import Binding, End
from kernel.monitor import Handling, Monitor
from kernel.planner import Planned, Planner
from kernel.program import Invoke
from kernel.reference_clocks import ReadClock, ResetTimer
from kernel.timeline import Priority
from skb.placement import Parameters

_ALLOWANCE_SYSTEM_CALLS = 4
"""A core that starts alone sets its timer so many system calls ahead, twice as many after each failure."""


@dataclass(frozen=True, slots=True)
class MoveDispatcher:
    """To the monitor of the core it is on: take dispatcher `index` of `domain` off, and hand it to core `to`."""

    domain: Domain
    index: int
    to: int
    phases: tuple[Parameters, ...]
    coordinator: int


@dataclass(frozen=True, slots=True)
class TakeCoreOffline:
    """To the coordinator: these moves, then the core halts."""

    core: int
    moves: tuple[MoveDispatcher, ...]


@dataclass(frozen=True, slots=True)
class MoveDispatchers:
    """To the coordinator: these moves, each from a core that stays on line."""

    moves: tuple[tuple[int, MoveDispatcher], ...]
    """From which core, and what."""


@dataclass(frozen=True, slots=True)
class AdoptDispatcher:
    """To the new core's monitor: the dispatcher is yours. The coordinator is told when it is scheduled."""

    planned: Planned
    move: MoveDispatcher
    core: int
    channels: tuple[End, ...]


@dataclass(frozen=True, slots=True)
class DispatcherMoved:
    """To the coordinator: a dispatcher has left `core` and is scheduled elsewhere."""

    core: int


@dataclass(frozen=True, slots=True)
class HaltCore:
    """To the core's monitor, when nobody else is left there."""

    coordinator: int


@dataclass(frozen=True, slots=True)
class ForParkedMonitor:
    """To the monitor that keeps the state of that of `core`, which is off line: a message for it."""

    core: int
    message: object


@dataclass(frozen=True, slots=True)
class BringCoreOnline:
    """To the coordinator: start the core."""

    core: int


@dataclass(frozen=True, slots=True)
class CoreStarted:
    """To the monitor of a core that has been started: put its timer in step, and answer."""

    coordinator: int


@dataclass(frozen=True, slots=True)
class CoreChanged:
    """To the coordinator: the core is on line now, or is about to halt."""

    core: int
    online: bool


class HotPlug:
    """The module of one monitor that stops and starts cores."""

    def __init__(self, monitor: Monitor, planner: Planner, binding: Binding) -> None:
        self._monitor = monitor
        self._planner = planner
        self._binding = binding
        self._moving: dict[int, int] = {}  # at the coordinator, by core: dispatchers under way
        monitor.handlers[TakeCoreOffline] = self._take_offline
        monitor.handlers[MoveDispatchers] = self._move_all
        monitor.handlers[MoveDispatcher] = self._move
        monitor.handlers[AdoptDispatcher] = self._adopt
        monitor.handlers[DispatcherMoved] = self._moved
        monitor.handlers[HaltCore] = self._halt
        monitor.handlers[ForParkedMonitor] = self._for_parked
        monitor.handlers[BringCoreOnline] = self._bring_online
        monitor.handlers[CoreStarted] = self._started
        monitor.handlers[CoreChanged] = self._changed

    # -- off line ----------------------------------------------------------------------------------

    def _take_offline(self, message: TakeCoreOffline) -> Handling:
        self._moving[message.core] = len(message.moves)
        for move in message.moves:
            yield from self._monitor.send(message.core, move)
        yield from self._halt_if_empty(message.core)

    def _move(self, message: MoveDispatcher) -> Handling:
        planned = yield Invoke(lambda _: self._take_off(message))
        if planned is None:  # its domain has ended since
            yield from self._monitor.send(message.coordinator, DispatcherMoved(self._monitor.core))
        else:
            channels = tuple(self._binding.release(planned.dispatcher))
            yield from self._monitor.send(
                message.to, AdoptDispatcher(planned, message, self._monitor.core, channels)
            )

    def _take_off(self, message: MoveDispatcher) -> Planned | None:
        dispatcher = message.domain.dispatchers.get(message.index)
        if dispatcher is None or not dispatcher.scheduled:
            return None
        planned = self._planner.release(dispatcher, message.to)
        if planned is None or not message.domain.alive:
            self._monitor.driver.remove(dispatcher)
            return None
        self._monitor.driver.take_off(dispatcher)
        return planned

    def hand_over(self, dispatcher: Dispatcher, to: HotPlug) -> None:
        """A dispatcher goes to another core at once and without a message, as between kernels that share memory."""
        core = self._monitor.core
        move = MoveDispatcher(dispatcher.domain, dispatcher.index, to._monitor.core, (), core)
        planned = self._take_off(move)
        if planned is not None:
            channels = tuple(self._binding.release(dispatcher))
            to._put_on(AdoptDispatcher(planned, replace(move, phases=planned.phases), core, channels))

    def _adopt(self, message: AdoptDispatcher) -> Handling:
        yield Invoke(lambda _: None)  # its capability is copied to this core's monitor
        yield Invoke(lambda _: self._put_on(message))
        yield from self._monitor.send(message.move.coordinator, DispatcherMoved(message.core))

    def _put_on(self, message: AdoptDispatcher) -> None:
        dispatcher = message.planned.dispatcher
        if message.move.domain.alive:
            dispatcher.move_to(self._monitor.driver)
            self._planner.adopt(dispatcher, message.move.phases, message.planned)
            self._binding.adopt(message.channels)
        else:
            dispatcher.end()

    def _moved(self, message: DispatcherMoved) -> Handling:
        if message.core in self._moving:
            self._moving[message.core] -= 1
            yield from self._halt_if_empty(message.core)

    def _move_all(self, message: MoveDispatchers) -> Handling:
        for core, move in message.moves:
            yield from self._monitor.send(core, move)

    def _halt_if_empty(self, core: int) -> Handling:
        if self._moving.get(core) == 0:
            del self._moving[core]
            yield from self._monitor.send(core, HaltCore(self._monitor.core))

    def _halt(self, message: HaltCore) -> Handling:
        yield from self._monitor.send(message.coordinator, CoreChanged(self._monitor.core, online=False))
        yield Invoke(lambda now: self._stop(message.coordinator, now))

    def _stop(self, keeper: int, now: int) -> None:
        endpoint = self._monitor.kernel.monitors[keeper].endpoint
        self._monitor.endpoint.park(endpoint, lambda what: ForParkedMonitor(self._monitor.core, what), now)
        self._monitor.driver.stop()

    def _for_parked(self, message: ForParkedMonitor) -> Handling:
        yield from self._monitor.kernel.monitors[message.core].handle(message.message)

    # -- on line -----------------------------------------------------------------------------------

    def _bring_online(self, message: BringCoreOnline) -> Handling:
        yield Invoke(lambda now: self._start(message.core, now))
        yield from self._monitor.send(message.core, CoreStarted(self._monitor.core))

    def _start(self, core: int, now: int) -> None:
        """Send the interrupt that starts a core; its monitor has its messages to itself again."""
        kernel = self._monitor.kernel
        kernel.monitors[core].endpoint.unpark()
        driver = kernel.monitors[core].driver
        arrives = now + kernel.hardware.message_ps(self._monitor.core, core)
        kernel.timeline.at(arrives, Priority.MESSAGE, core, driver.start)

    def _started(self, message: CoreStarted) -> Handling:
        kernel = self._monitor.kernel
        allowance = _ALLOWANCE_SYSTEM_CALLS * kernel.hardware.cost_ps("system_call", self._monitor.core)
        answer = CoreChanged(self._monitor.core, online=True)
        clock = kernel.clocks.get(kernel.reference_clock)
        if clock is None:
            yield from self._monitor.handle(FollowTimer(message.coordinator, running=False, answer=answer))
            return
        while True:
            reads, _ = yield ReadClock(clock)
            if (yield ResetTimer(reads + allowance, clock, 1)):
                break
            allowance *= 2
        yield from self._monitor.send(message.coordinator, answer)

    def _changed(self, message: CoreChanged) -> Handling:
        self._monitor.kernel.core_changed(message.core, message.online)
        yield from ()
