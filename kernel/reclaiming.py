"""Reclaiming cores: requests to domains to give some up, from the SKB's decision to what became of each dispatcher.

A request stays open until each dispatcher that was asked for has ended, or has been virtualised because its domain
did not respond in time (dissertation §3.4.5). The rules are rules/negotiation.pl's, the messages
`kernel.negotiation`'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kernel.domain import Domain
from kernel.errors import KernelError
from kernel.hardware import Hardware
from kernel.negotiation import AskDispatcher, AskForCores
from skb.negotiation import Negotiator, Outcome


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a dispatcher that was asked for: `given up`, `virtualised` on core `to`, or `kept`.

    It is kept where its domain has given up all other cores meanwhile.
    """

    dispatcher: int
    core: int
    what: str
    to: int | None = None


@dataclass(slots=True)
class Request:
    """A request to a domain, and what has come of it so far."""

    domain: Domain
    asked: tuple[tuple[int, int], ...]
    patience_ps: int
    fates: dict[int, Fate] = field(default_factory=dict)
    """By dispatcher."""

    @property
    def done(self) -> bool:
        """Whether it is over: each dispatcher has ended, or is where it was moved to; or the domain is no more."""
        return not self.domain.alive or all(
            index in self.fates and self._there(self.fates[index]) for index, _ in self.asked
        )

    def _there(self, fate: Fate) -> bool:
        dispatcher = self.domain.dispatchers[fate.dispatcher]
        arrived = dispatcher.scheduled and dispatcher.core == fate.to
        return fate.to is None or arrived or self.domain.assignment(fate.dispatcher) is None


class Reclaiming:
    """The SKB's side of all requests.

    `decided(message, inferences)` has the monitor of the SKB's core told what was decided; `carry_out(outcome)` has
    dispatchers moved, and planners told of other parameters.
    """

    def __init__(
        self, negotiator: Negotiator, hardware: Hardware, first_core: int,
        decided: Callable[[object, int], None], carry_out: Callable[[Outcome], None],
    ) -> None:
        self._negotiator = negotiator
        self._hardware = hardware
        self._first_core = first_core
        self._decided = decided
        self._carry_out = carry_out
        self._open: dict[int, Request] = {}
        self._numbers = itertools.count(1)

    def ask(self, domain: Domain, wanted: int | Sequence[int], patience_ps: int | None = None) -> Request:
        """Ask `domain` for so many cores, or for these, within `patience_ps` (cost `negotiation_patience`).

        KernelError or PlacementError, and nothing has changed, where it cannot be asked for them.
        """
        if not domain.complete:
            raise KernelError(f"{domain.name} is still being started on some core; ask it later")
        if patience_ps is None:
            patience_ps = self._hardware.cost_ps("negotiation_patience", self._first_core)
        asked, inferences = self._negotiator.ask(domain.id, wanted)
        number = next(self._numbers)
        request = self._open[number] = Request(domain, asked, patience_ps)
        self._decided(AskForCores(number, domain, asked, patience_ps), inferences)
        return request

    # -- what the monitor of the SKB's core tells --------------------------------------------------

    def ended(self, domain: Domain, index: int) -> None:
        """A dispatcher has ended: its domain has one fewer."""
        for request in self._open.values():
            for asked, core in request.asked:
                if request.domain is domain and asked == index and index not in request.fates:
                    request.fates[index] = Fate(index, core, "given up")
        if domain.alive:
            domain.without(index)
            self._carry_out(self._negotiator.given_up(domain.id, index))

    def patience_over(self, request: AskForCores) -> None:
        """The time for a request is over."""
        found = self._open.pop(request.number)
        if not found.domain.alive:
            return
        late = [(index, core) for index, core in found.asked if index not in found.fates]
        cores = sorted({core for _, core in found.asked})
        outcome = self._negotiator.virtualise(found.domain.id, cores, [index for index, _ in late])
        to = {move.dispatcher: move.core for move in outcome.moves}
        for index, core in late:
            found.fates[index] = (
                Fate(index, core, "virtualised", to[index]) if index in to else Fate(index, core, "kept")
            )
            if index not in to:
                self._decided(AskDispatcher(found.domain, index, None), 0)
        if late:
            self._carry_out(outcome)
