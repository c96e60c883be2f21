"""Phase changes: the messages of the planners, and how a program asks for one (dissertation §3.6.2).

A request goes from the dispatcher to its monitor and on to the domain's coordinator. That one reads its clock, adds
what the SKB knows that it takes to reach every planner and back (`Route.allowances_ps`), and sends both down the
route; each planner passes the message on, submits the parameters to its CPU driver, and answers for all below
it. What the dispatcher gets back is one answer.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

from kernel.domain import Domain
from kernel.errors import KernelError
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.lmp import LmpLink
from kernel.multicast import Tree
from kernel.program import Environment, Receive, Send
from kernel.threads import Operation
from skb.placement import Combination, Move, Parameters


@dataclass(frozen=True, slots=True)
class Route:
    """How a domain's phase changes go: down the tree, whose root coordinates them.

    After the coordinator's time-stamp and the one of `allowances_ps` that is the phase's that is left, every
    planner has been told, has answered, and would have been told to stay as it was. `method` is how the tree came
    about, `unicast` or `tree`. `together` are the domains whose schedules depend on each other's phases, in
    order; empty where each has one that suits all.
    """

    tree: Tree
    allowances_ps: tuple[int, ...]
    method: str
    together: tuple[int, ...] = ()

    @property
    def coordinator(self) -> int:
        """The core whose planner coordinates the changes."""
        return self.tree.core


@dataclass(frozen=True, slots=True)
class ChangePhase:
    """To the coordinator: bring `domain` into `phase`.

    What came of it goes to `reply` on the core where a program asked; the shell is told of it by the kernel.
    """

    domain: Domain
    phase: int
    asked_on: int = -1
    reply: Endpoint | None = None
    from_shell: bool = False


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
    """To a planner: the domain is in `phase` from `begins` on; pass it on to `below`, and answer to core `above`.

    Both times are on the synchronised clocks; explicit releases count from `timestamp`. `combination` names the
    schedule where it depends on other domains' phases. `number` is the sender's, for the answer. With `instead`, what
    was to begin is taken back.
    """

    domain: Domain
    phase: int
    timestamp: int
    begins: int
    combination: Combination
    below: Tree
    above: int
    number: int = 0
    instead: bool = False


@dataclass(frozen=True, slots=True)
class PhaseAnswer:
    """To the planner above: what its message `number` has come to on all cores below, and how many were late."""

    domain: Domain
    timestamp: int
    number: int
    refusals: tuple[str, ...]
    late: int


@dataclass(frozen=True, slots=True)
class Replan:
    """To the monitor of the SKB's core: dispatchers of running domains have other parameters; tell their planners."""

    changes: tuple[tuple[Domain, Move], ...]


@dataclass(frozen=True, slots=True)
class ReplanDispatcher:
    """To a planner: a dispatcher on its core has other parameters by phase from now on."""

    domain: Domain
    change: Move


@dataclass(frozen=True, slots=True)
class Distribute:
    """To the monitor of the SKB's core: the schedule of a combination of phases is derived; tell the planners."""

    combination: Combination
    parameters: Mapping[int, Mapping[tuple[int, int], Parameters]]
    """By core, and by domain and dispatcher."""


@dataclass(frozen=True, slots=True)
class ScheduleDerived:
    """To a planner: the parameters of its dispatchers, by domain and number, in one combination of phases."""

    combination: Combination
    parameters: Mapping[tuple[int, int], Parameters]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a phase change: from when on it holds, on the synchronised clocks, or why it does not.

    All planners had answered `answered_ps` after the coordinator's time-stamp, `late` of them that they heard of it
    after it had begun.
    """

    begins: int
    refusals: tuple[str, ...]
    late: int
    answered_ps: int


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
