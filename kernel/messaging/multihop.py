"""Multi-hop channels: messages that monitors pass on from core to core (Barrelfish's `multihop_chan.c`).

A circuit is set up when a channel is bound, one hop after the other: each monitor on the way, which the SKB says
(`monitor_route/4`), draws a random number for each direction of each hop, and notes what a message with that
number is passed on as. So no monitor needs a channel to more than its neighbours on such ways. Messages stay in
order, as each hop keeps them so. A sender may have so many messages under way (cost `multihop_window`) that the other
end has not acknowledged; acknowledgements are counts that ride on messages of the other direction, or go by
themselves when half as many are due. A program reaches its own monitor, and is reached by it, by local messages.

A monitor whose core goes off line is parked (`kernel.hotplug`): who keeps it passes its messages on.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from kernel.errors import KernelError
from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint, Got
from kernel.messaging.lmp import system_call
from kernel.monitor import Handling, Monitor
from kernel.program import Send
from kernel.threads import Thread, ThreadState

NUMBER_BITS = 64
"""A circuit's number on a hop, drawn at random so that nobody guesses it."""


@dataclass(frozen=True, slots=True)
class CircuitMessage:
    """For the monitor of `core`, which knows the circuit as `number`. Without `payload` it only acknowledges.

    `place` counts the messages of a direction from 1 on: those of a dispatcher that is moved may overtake each other.
    """

    core: int
    number: int
    acknowledged: int
    place: int = 0
    payload: object = None


@dataclass(frozen=True, slots=True)
class SetUpCircuit:
    """To the next monitor of `way`, which begins with it and ends where the channel was asked for.

    It is to know messages that come back as `down`, and to pass what goes up on as `up`. At the end `then` is done.
    """

    way: tuple[int, ...]
    above: int
    up: int
    down: int
    link: MultihopLink
    then: object


@dataclass(frozen=True, slots=True)
class RemoveCircuit:
    """Along a circuit: it is not used any more."""

    core: int
    number: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """To the monitor of the core on which a circuit's end receives, if it was moved from where the circuit ends."""

    link: MultihopLink
    message: CircuitMessage


class MultihopLink:
    """One direction of a channel over monitors, to `endpoint`. A circuit's number is known once it is set up."""

    def __init__(self, hardware: Hardware, core: int, endpoint: Endpoint) -> None:
        self._lmp_ps = hardware.cost_ps("lmp", core)
        self._window = round(hardware.cost("multihop_window").value)
        self.endpoint = endpoint
        self.entry: tuple[int, int] | None = None  # the core where the circuit begins, and its number there
        self.back: MultihopLink
        self.sent = 0
        self.acknowledged = 0  # of `sent`
        self.received = 0  # by the other end, as that knows
        self.told = 0  # of `received`
        self.arrived = 0  # by the place of the last that was delivered
        self._early: dict[int, CircuitMessage] = {}  # that have overtaken others
        self._blocked: deque[tuple[Thread, object]] = deque()

    @property
    def blocked(self) -> list[Thread]:
        """The threads that wait for the circuit, or for acknowledgements."""
        return [thread for thread, _ in self._blocked if thread.state is not ThreadState.EXITED]

    def send(self, thread: Thread, message: object, now: int) -> None:
        if self._blocked or not self._may_send:
            self._blocked.append((thread, message))
            thread.block()
        else:
            self._send(thread, message, now)

    @property
    def _may_send(self) -> bool:
        return self.entry is not None and self.sent - self.acknowledged < self._window

    def _send(self, thread: Thread, message: object, now: int) -> None:
        self.sent += 1
        system_call(thread, now, self._lmp_ps, partial(self._to_monitor, thread, self.sent, message))

    def _to_monitor(self, thread: Thread, place: int, message: object, now: int) -> Thread | None:
        driver = thread.dispatcher.driver
        return driver.monitor.deliver(self.carried(place, message), 0, now, driver)

    def carried(self, place: int = 0, message: object = None) -> CircuitMessage:
        """The message as it begins its way, with all that was received acknowledged."""
        assert self.entry is not None
        self.back.told = self.back.received
        return CircuitMessage(*self.entry, self.back.received, place, message)

    def in_order(self, message: CircuitMessage) -> list[object]:
        """What may be delivered now that a message has come."""
        self._early[message.place] = message
        payloads = []
        while self.arrived + 1 in self._early:
            self.arrived += 1
            payloads.append(self._early.pop(self.arrived).payload)
        return payloads

    def opened(self, core: int, number: int) -> None:
        """The circuit is there: it begins on `core` as `number`."""
        self.entry = core, number
        self._let_go()

    def acknowledge(self, count: int) -> None:
        """So many messages have been received."""
        self.acknowledged = max(self.acknowledged, count)
        self._let_go()

    def _let_go(self) -> None:
        """Those that wait send as many as they may."""
        for _ in range(len(self._blocked)):
            if not self._may_send:
                return
            thread, message = self._blocked.popleft()
            if thread.state is ThreadState.BLOCKED:
                self.sent += 1
                now = thread.dispatcher.driver.now
                call = partial(self._to_monitor, thread, self.sent, message)
                thread.compute(0, partial(_call, thread, self._lmp_ps, call))
                thread.unblock(now)

    @property
    def due(self) -> bool:
        """Whether what was received is to be acknowledged by a message of its own."""
        return self.received - self.told > self._window // 2

    def close(self, error: KernelError, now: int) -> None:
        """Nobody reads there any more: those that wait meet the error."""
        waiting, self._blocked = self._blocked, deque()
        for thread, _ in waiting:
            if thread.state is ThreadState.BLOCKED:
                thread.compute(0, partial(thread.resume, error=error))
                thread.unblock(now)


def _call(thread: Thread, cost_ps: int, call: Callable[[int], Thread | None], now: int) -> None:
    system_call(thread, now, cost_ps, call)


@dataclass(frozen=True, slots=True)
class _Received:
    """A message that its monitor has brought; reading it is what is acknowledged."""

    link: MultihopLink
    payload: object
    acknowledging: Callable[[], None]

    def fetch_ps(self, thread: Thread) -> int:
        return 0

    def take(self, thread: Thread, now: int, got: Got) -> None:
        self.link.received += 1
        if self.link.due:
            self.acknowledging()
        got(now, self.payload)


class Circuits:
    """The part of one monitor that passes messages on. `route(mode, one, other)` is the way, both ends included."""

    def __init__(self, monitor: Monitor, route: Callable[[str, int, int], tuple[int, ...]]) -> None:
        self._monitor = monitor
        self._route = route
        self._chance = random.Random(monitor.core)
        self._table: dict[int, tuple[int, int] | MultihopLink] = {}  # what a number is passed on as; or who has it
        monitor.handlers[CircuitMessage] = self._pass_on
        monitor.handlers[SetUpCircuit] = self._set_up
        monitor.handlers[RemoveCircuit] = self._remove
        monitor.handlers[Arrived] = self._arrived

    @property
    def numbers(self) -> int:
        """How many numbers of circuits this monitor knows."""
        return len(self._table)

    def begin(self, mode: str, own: MultihopLink, other: MultihopLink, to: int, then: object) -> Handling:
        """Set up a circuit from here, where `own` sends, to core `to`, where `other` does; handle `then` there."""
        here = self._monitor.core
        way = self._route(mode, here, to)
        entry, up, below = self._number(), self._number(), self._number()
        self._table[entry] = way[1], below  # what is sent here goes down
        self._table[up] = other  # what comes up is delivered here
        own.opened(here, entry)
        yield from self._monitor.send(way[1], SetUpCircuit(way[1:], here, up, below, own, then))

    def _number(self) -> int:
        """A number that nothing has."""
        while (number := self._chance.getrandbits(NUMBER_BITS)) in self._table:
            pass
        return number

    def _set_up(self, message: SetUpCircuit) -> Handling:
        here, rest = self._monitor.core, message.way[1:]
        up = self._number()  # what is sent here, or comes from below, goes up
        self._table[up] = message.above, message.up
        if not rest:
            self._table[message.down] = message.link
            message.link.back.opened(here, up)
            yield from self._monitor.handle(message.then)
            return
        below = self._number()
        self._table[message.down] = rest[0], below
        following = SetUpCircuit(rest, here, up, below, message.link, message.then)
        yield from self._monitor.send(rest[0], following)

    def _pass_on(self, message: CircuitMessage) -> Handling:
        if message.core != self._monitor.core:  # from a program that was moved from where its circuit begins
            yield from self._monitor.send(message.core, message)
            return
        following = self._table.get(message.number)
        if following is None:
            return  # the circuit has been removed
        if isinstance(following, tuple):
            core, number = following
            yield from self._monitor.send(core, replace(message, core=core, number=number))
        else:
            receiver = following.endpoint.core
            if receiver in (None, self._monitor.core):
                yield from self._deliver(following, message)
            else:
                assert receiver is not None
                yield from self._monitor.send(receiver, Arrived(following, message))

    def _arrived(self, message: Arrived) -> Handling:
        yield from self._deliver(message.link, message.message)

    def _deliver(self, link: MultihopLink, message: CircuitMessage) -> Handling:
        link.back.acknowledge(message.acknowledged)
        if message.place:
            for payload in link.in_order(message):
                yield Send(_Delivery(self._monitor, link), payload)

    def remove(self, link: MultihopLink) -> Handling:
        """The channel whose end here sends on `link` is no more."""
        if link.entry is not None:
            yield from self._monitor.send(link.entry[0], RemoveCircuit(*link.entry))

    def _remove(self, message: RemoveCircuit) -> Handling:
        following = self._table.pop(message.number, None)
        if isinstance(following, tuple):
            yield from self._monitor.send(following[0], RemoveCircuit(*following))


class _Delivery:
    """A local message from the monitor to whoever receives at the end of a circuit."""

    def __init__(self, monitor: Monitor, link: MultihopLink) -> None:
        self._monitor = monitor
        self._link = link

    def send(self, thread: Thread, message: object, now: int) -> None:
        link, monitor = self._link, self._monitor

        def acknowledge() -> None:
            if link.back.entry is not None:
                monitor.endpoint.deliver(link.back.carried(), 0, monitor.kernel.now, monitor.driver)

        def deliver(later: int) -> Thread | None:
            return link.endpoint.deliver_from(_Received(link, message, acknowledge), later, thread.dispatcher.driver)

        cost_ps = monitor.kernel.hardware.cost_ps("lmp", monitor.core)
        system_call(thread, now, cost_ps, deliver)


def links(
    hardware: Hardware, one: tuple[int, Endpoint], other: tuple[int, Endpoint]
) -> tuple[MultihopLink, MultihopLink]:
    """Both directions of a channel between two (core, endpoint) pairs; the circuit is set up by `Circuits.begin`."""
    there, back = MultihopLink(hardware, one[0], other[1]), MultihopLink(hardware, other[0], one[1])
    there.back, back.back = back, there
    return there, back

