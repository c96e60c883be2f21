"""Spanning: a domain that runs gets a dispatcher on one more core (dissertation §2.5.2, §2.5.5).

A program asks its monitor by a local message. The monitor of the SKB's core has the place decided and the
dispatcher made, as when a domain is spawned: it shares the domain's address space, is bound to every dispatcher
before it, and starts with a thread of its own, on what the program says.

    spanned = yield from span(environment, worker, core=3)
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from kernel.domain import Domain
from kernel.errors import KernelError
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.lmp import LmpLink
from kernel.monitor import DispatcherUp, Handling, Monitor, SpawnDispatcher
from kernel.program import Environment, Receive, Send
from kernel.threads import Code, Operation


@dataclass(frozen=True, slots=True)
class Spanned:
    """The domain's new dispatcher has number `rank` and runs on `core`; or both are None, and why."""

    rank: int | None
    core: int | None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class SpanRequest:
    """To the program's monitor, and on to that of the SKB's core: one more dispatcher, on `core` if it is given."""

    domain: Domain
    main: Callable[[Environment], Code]
    core: int | None
    asked_on: int
    reply: Endpoint


@dataclass(frozen=True, slots=True)
class SpawnSpanned:
    """To the monitor of the SKB's core: the place of dispatcher `index` is decided, create it."""

    request: SpanRequest
    index: int


@dataclass(frozen=True, slots=True)
class SpanAnswer:
    """To the monitor of the core where it was asked."""

    request: SpanRequest
    answer: Spanned


def span(
    environment: Environment, main: Callable[[Environment], Code], core: int | None = None
) -> Generator[Operation, Any, Spanned]:
    """Part of a program: span its domain to `core`, or to where the policy says, and wait until it is there.

    The new dispatcher runs `main`, given an environment of its own. It is best effort, whatever the domain's
    manifest says. The result says what came of it.
    """
    own = environment.dispatchers[environment.rank]
    reply = Endpoint(environment.hardware.cost_ps("poll", own.core))
    to_monitor = LmpLink(environment.hardware, own.core, own.driver.monitor)
    yield Send(to_monitor, SpanRequest(own.domain, main, core, own.core, reply))
    answer = yield Receive(reply)
    assert isinstance(answer, Spanned)
    return answer


class Spanning:
    """The module of one monitor that spans domains; `decide(request)` is the index, or raises KernelError."""

    def __init__(self, monitor: Monitor, decider: int, decide: Callable[[SpanRequest], None]) -> None:
        self._monitor = monitor
        self._decider = decider
        self._decide = decide
        self._waiting: dict[tuple[int, int], SpanRequest] = {}
        monitor.handlers[SpanRequest] = self._request
        monitor.handlers[SpawnSpanned] = self._spawn
        monitor.handlers[SpanAnswer] = self._answer
        monitor.spanned = self._up

    def _request(self, message: SpanRequest) -> Handling:
        if self._monitor.core != self._decider:
            yield from self._monitor.send(self._decider, message)
            return
        try:
            self._decide(message)
        except KernelError as error:
            yield from self._reply(message, Spanned(None, None, str(error)))

    def _spawn(self, message: SpawnSpanned) -> Handling:
        domain, index = message.request.domain, message.index
        if not domain.alive:
            return
        self._waiting[domain.id, index] = message.request
        place = domain.assignment(index)
        assert place is not None
        core = place.core
        yield from self._monitor.send(core, SpawnDispatcher(domain, index, self._monitor.core))

    def _up(self, message: DispatcherUp) -> Handling:
        """A dispatcher runs; was it one that a program waits for?"""
        request = self._waiting.pop((message.domain.id, message.index), None)
        if request is not None and message.domain.alive:
            place = message.domain.assignment(message.index)
            assert place is not None
            yield from self._reply(request, Spanned(message.index, place.core))

    def _reply(self, request: SpanRequest, answer: Spanned) -> Handling:
        yield from self._monitor.send(request.asked_on, SpanAnswer(request, answer))

    def _answer(self, message: SpanAnswer) -> Handling:
        hardware = self._monitor.kernel.hardware
        yield Send(LmpLink(hardware, self._monitor.core, message.request.reply), message.answer)
