"""Negotiation with domains that run: who is asked to give up cores, and what becomes of what they keep.

The rules are rules/negotiation.pl's (dissertation §3.4.5); each call is one decision, which either holds as a whole
or has changed nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skb.facts import Term, Text
from skb.placement import Move, PlacementController, PlacementError, moves_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """Dispatchers that are on other cores now, others that have other parameters, and what finding this took."""

    moves: tuple[Move, ...]
    changes: tuple[Move, ...]
    inferences: int


class Negotiator:
    """The part of the placement controller that negotiates."""

    def __init__(self, controller: PlacementController) -> None:
        self._controller = controller

    def ask(self, domain: int, wanted: int | Sequence[int]) -> tuple[tuple[tuple[int, int], ...], int]:
        """`domain` is asked for so many cores, or for these: (dispatcher, core) of those that are to end; inferences.

        PlacementError, and nothing has changed, where it is not on them or would be left with none.
        """
        count = isinstance(wanted, int)
        bind: dict[str, Term] = {"Domain": domain, "Wanted": wanted if isinstance(wanted, int) else tuple(wanted)}
        goal = "negotiation:ask(Domain, count(Wanted), Answer)" if count else (
            "negotiation:ask(Domain, cores(Wanted), Answer)"
        )
        inferences, asked = self._controller.decide(goal, bind)["Answer"].args
        return tuple((pair.args[0], pair.args[1]) for pair in asked), inferences

    def given_up(self, domain: int, dispatcher: int) -> Outcome:
        """A dispatcher has ended. Gangs of its domain are gangs again if that was what kept them from it."""
        bind: dict[str, Term] = {"Domain": domain, "Dispatcher": dispatcher}
        inferences, changes = self._controller.decide("negotiation:given_up(Domain, Dispatcher, Answer)", bind)[
            "Answer"
        ].args
        more, again = self._controller.decide("negotiation:gangs_again(Domain, Answer)", {"Domain": domain})[
            "Answer"
        ].args
        newest = {(each.domain, each.dispatcher): each for each in (*moves_of(changes), *moves_of(again))}
        return Outcome((), tuple(newest.values()), inferences + more)

    def virtualise(self, domain: int, cores: Sequence[int], dispatchers: Sequence[int]) -> Outcome:
        """The time to give up `cores` is over; who is there still of `dispatchers` is on others of the domain's."""
        bind: dict[str, Term] = {"Domain": domain, "Cores": tuple(cores), "Late": tuple(dispatchers)}
        found = self._controller.decide("negotiation:virtualise(Domain, Cores, Late, Answer)", bind)
        inferences, moves, changes = found["Answer"].args
        return Outcome(moves_of(moves), moves_of(changes), inferences)

    def offer(self, domain: int, kind: str, cores: int) -> int:
        """The domain says that it can `spare` so many cores, or would `want` so many more; the inferences."""
        bind: dict[str, Term] = {"Domain": domain, "Kind": kind, "Cores": cores}
        return int(self._controller.decide("negotiation:offer(Domain, Kind, Cores, Inferences)", bind)["Inferences"])

    def spared(self, core: int) -> tuple[int, ...]:
        """The domains that may be asked for `core`, which is to go off line.

        PlacementError where it could not go off line even so.
        """
        return tuple(self._controller.decide("negotiation:spared(Core, Domains)", {"Core": core})["Domains"])

    def room_by_asking(
        self, dispatchers: int, *, cores: Sequence[int], manifest: str | None, built_for: Sequence[str],
        coordinator: int,
    ) -> tuple[int, tuple[int, ...], int] | None:
        """Whom to ask for which cores, so that a request that was refused could be granted; with the inferences.

        None if nobody may be asked, or it would not help.
        """
        bind: dict[str, Term] = {
            "Policy": self._controller.policy, "N": dispatchers,
            "Cores": tuple(cores) if cores else "any",
            "Image": tuple(built_for) if built_for else "any",
            "Text": "none" if manifest is None else Text(manifest), "Coordinator": coordinator,
        }
        try:
            found = self._controller.decide(
                "negotiation:room_by_asking(Policy, N, Cores, Image, Text, Coordinator, Answer)", bind
            )
        except PlacementError:
            return None
        inferences, asked = found["Answer"].args
        if not asked:
            return None
        domain, given = asked[0].args
        return domain, tuple(given), inferences
