"""The placement controller's Python side: a request in, a `Placement` out.

What is decided, and why, is said by rules/placement.pl and the policies; here a decision is one question to
the knowledge base, and its answer becomes plain data for the kernel's planners. All times are integer
nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from skb.engine import SECONDS, Cancelled, LimitExceeded, Literal, RuleError, RulesRejected, SkbError
from skb.facts import Compound, Term, Text, to_prolog
from skb.knowledge import KnowledgeBase
from skb.machine import Machine

DECISION_INFERENCES = 500_000_000
"""What a decision may take: 64 dispatchers on 256 cores take about a thousandth of it."""


class PlacementError(SkbError):
    """A request the placement controller refuses, or a manifest it cannot read; one line for the user."""


@dataclass(frozen=True, slots=True)
class BestEffort:
    """A share of what real time leaves, in proportion to `weight` (a manifest's B line)."""

    weight: int


@dataclass(frozen=True, slots=True)
class Hard:
    """`wcet_ns` in every period, by `deadline_ns` after each release (H and G lines).

    The first release is `release_ns` after the change into the phase began. Where it is None the kernel chooses the
    first instant at which all can be ready, of those at which the synchronised clocks read `offset_ns` +
    k * `period_ns`; the offset is 0 where it does not matter. With `gang` all dispatchers of the group have
    the same parameters, on distinct cores.
    """

    wcet_ns: int
    period_ns: int
    deadline_ns: int
    release_ns: int | None
    gang: bool = False
    offset_ns: int = 0


@dataclass(frozen=True, slots=True)
class Soft:
    """`wcet_ns` in every period, where there is time for it (a manifest's S line)."""

    wcet_ns: int
    period_ns: int


Parameters = BestEffort | Hard | Soft
"""What a dispatcher gets in one phase."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A dispatcher's core, and its parameters by phase."""

    dispatcher: int
    core: int
    phases: tuple[Parameters, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """A decision: where each dispatcher of `domain` runs (in order of dispatchers), and what it gets.

    `cost` is the policy's, summed over the dispatchers; `inferences` is what the decision took. `changed`
    holds (domain, dispatcher, core, phases) of running dispatchers whose parameters are others from now on. `slack`
    has the weights by which real-time dispatchers share what real time leaves, of those that the policy lets. Where
    the policy did not come to a sensible decision, the default one has decided, and `warning` says why.
    """

    domain: int
    manifest: int | None
    assignments: tuple[Assignment, ...]
    policy: str
    cost: float
    inferences: int
    changed: tuple[tuple[int, int, int, tuple[Parameters, ...]], ...]
    slack: Mapping[int, int] = field(default_factory=dict)
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A dispatcher of a running domain, the core where it is from now on, and its parameters by phase."""

    domain: int
    dispatcher: int
    core: int
    phases: tuple[Parameters, ...]


@dataclass(frozen=True, slots=True)
class Replacement:
    """A dispatcher that is placed on another core than `before`: what it gains, and what the move costs."""

    move: Move
    before: int
    gain_ns: int
    cost_ns: int


Combination = tuple[tuple[int, int], ...]
"""The phase that each domain of a component is in: (domain, phase), by domain."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What a dispatcher gets in one combination of phases; of real time with `release_ns` None, `offset_ns` holds."""

    domain: int
    dispatcher: int
    core: int
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Schedule:
    """The schedule of a combination of phases: a slot for each dispatcher of its domains.

    Offsets are those of all combinations (`scope` is `static`) or of this one alone (`separate`). They were found by
    first fit (`how` is `greedy`), a search for fewer rows (`fewest`), local repair (`repair`) or exact search
    (`exact`), or there was none to be found
    (`none`). Of the matrix of offsets and cores in use `empty_slots` have nothing in them, and in no packing would
    fewer than `bound`. Deriving it took `inferences`.
    """

    combination: Combination
    slots: tuple[Slot, ...]
    scope: str
    how: str
    empty_slots: int
    bound: int
    inferences: int


@dataclass(frozen=True, slots=True)
class PhaseRoute:
    """How a phase change of a domain reaches the planners (rules/phase_routes.pl).

    By `method`, `unicast` or `tree`, down `tree`, the SKB's tree(Core, Subtrees); all have acted after the one of
    `allowances_ns` that is the phase's that is left.
    `together` are the domains that have a schedule for each combination of their phases, if it has to be so.
    """

    method: str
    tree: Compound
    allowances_ns: tuple[int, ...]
    together: tuple[int, ...]
    inferences: int


@dataclass(frozen=True, slots=True)
class Policy:
    """A placement policy and what it says of itself."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a dispatcher is on `core`: its `cost` for the policy, and (core, cost) of the next best.

    `policy` is `given` where the user named the cores. Out of the question were so many cores: forbidden by
    the policy, without room, and taken by another member of the gang.
    """

    dispatcher: int
    core: int
    policy: str
    cost: float
    alternatives: tuple[tuple[int, float], ...]
    forbidden: int
    without_room: int
    same_gang: int


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a request: the cores of its dispatchers, in their order, and the cost; or why it was refused."""

    request: str
    cores: tuple[int, ...]
    cost: float
    refused: str


class PlacementController:
    """Places domains on the cores of the machine that `kb` holds, by the rules of a policy."""

    def __init__(self, kb: KnowledgeBase, policy: str = "load_balance") -> None:
        self._kb = kb
        self.policy = ""
        self.warning = ""  # what the policy did at the last decision instead of deciding, if so
        self.use(policy)

    def place(
        self, domain: int, dispatchers: int, *, cores: Sequence[int] = (), manifest: str | None = None,
        manifest_name: str = "manifest", coordinator: int = 0, built_for: Sequence[str] = (),
    ) -> Placement:
        """Place `domain`; without a manifest it has the single phase BestEffort(1).

        `cores` says where: dispatcher i on the i-th, from the start again where there are fewer. `manifest`
        is text, called `manifest_name` in errors and numbered after the core `coordinator`. `built_for` are
        the instruction sets that the domain's image is built for, if not for all. PlacementError where it
        cannot be done; then nothing has changed.
        """
        return self._placed("request", domain, dispatchers, cores, manifest, manifest_name, coordinator, built_for)

    def would_place(
        self, domain: int, dispatchers: int, *, cores: Sequence[int] = (), manifest: str | None = None,
        manifest_name: str = "manifest", coordinator: int = 0, built_for: Sequence[str] = (),
    ) -> Placement:
        """What `place` would decide; nothing changes."""
        return self._placed(
            "suppose", domain, dispatchers, cores, manifest, manifest_name, coordinator, built_for
        )

    def _placed(
        self, how: str, domain: int, dispatchers: int, cores: Sequence[int], manifest: str | None,
        manifest_name: str, coordinator: int, built_for: Sequence[str],
    ) -> Placement:
        bind: dict[str, Term] = {
            "Policy": self.policy, "Domain": domain, "N": dispatchers,
            "Cores": tuple(cores) if cores else "any",
            "Image": tuple(built_for) if built_for else "any",
            "Text": "none" if manifest is None else Text(manifest), "Coordinator": coordinator,
        }
        slack, slack_warning = ({}, "") if manifest is None else self._slack(dispatchers)
        found = self.decide(
            f"placement:{how}(Policy, Domain, N, Cores, Image, Text, Coordinator, Answer), "
            "choosing:last_warning(Warning)",
            bind, manifest_name,
        )
        self.warning = "; ".join(filter(None, (str(found["Warning"]), slack_warning)))
        number, inferences, decision = found["Answer"].args
        policy, cost, assignments, changes = decision.args
        return Placement(
            domain,
            None if number == "none" else number,
            tuple(Assignment(a.args[0], a.args[1], _phases(a.args[2])) for a in assignments),
            policy, cost, inferences,
            tuple((*c.args[:3], _phases(c.args[3])) for c in changes),
            slack, self.warning,
        )

    def _slack(self, dispatchers: int) -> tuple[dict[int, int], str]:
        """Whom the policy lets share what real time leaves, and by what weight; and what is wrong with its answer."""
        found = self.decide(
            "policy:policy_slack(Policy, N, Weights, Warning)", {"Policy": self.policy, "N": dispatchers}
        )
        return {pair.args[0]: pair.args[1] for pair in found["Weights"]}, str(found["Warning"])

    def span(self, domain: int, cores: Sequence[int] = ()) -> tuple[Assignment, int]:
        """Place one more dispatcher of a domain that runs: on the first of `cores`, or where the policy says.

        It is best effort, and numbered after the others. The result is its place, and what inferences finding it
        took. PlacementError where it cannot be done.
        """
        bind: dict[str, Term] = {
            "Policy": self.policy, "Domain": domain, "Cores": tuple(cores) if cores else "any",
        }
        found = self.decide("placement:span(Policy, Domain, Cores, Answer), choosing:last_warning(Warning)", bind)
        self.warning = str(found["Warning"])
        inferences, assignment = found["Answer"].args
        return Assignment(assignment.args[0], assignment.args[1], _phases(assignment.args[2])), inferences

    def present(self, domain: int, core: int, text: str) -> tuple[int, tuple[Move, ...], int]:
        """A running domain presents its manifest on `core`: its number, what all dispatchers have now, inferences.

        They are in no group yet. PlacementError, and nothing has changed, where the text is no manifest, or there is
        one.
        """
        bind: dict[str, Term] = {"Domain": domain, "Core": core, "Text": Text(text)}
        found = self.decide("membership:present(Domain, Core, Text, Answer)", bind)
        inferences, presented = found["Answer"].args
        manifest, changes = presented.args
        return manifest, moves_of(changes), inferences

    def join(self, domain: int, dispatcher: int, group: str) -> tuple[tuple[Move, ...], int]:
        """A dispatcher joins a group of its domain's manifest.

        The result is what all have now who have something else than before (on the cores where they are), and what
        inferences it took. PlacementError where it cannot be done; then nothing has changed.
        """
        return self._regrouped("join(Domain, Dispatcher, Group, Answer)", domain, dispatcher, group)

    def leave(self, domain: int, dispatcher: int) -> tuple[tuple[Move, ...], int]:
        """A dispatcher leaves its group and is best effort from now on; the result is as of `join`."""
        return self._regrouped("leave(Domain, Dispatcher, Answer)", domain, dispatcher, "")

    def _regrouped(self, goal: str, domain: int, dispatcher: int, group: str) -> tuple[tuple[Move, ...], int]:
        bind: dict[str, Term] = {"Domain": domain, "Dispatcher": dispatcher}
        found = self.decide(f"membership:{goal}", bind | ({"Group": group} if group else {}))
        inferences, changes = found["Answer"].args
        return moves_of(changes), inferences

    def vacate(self, core: int) -> tuple[tuple[Move, ...], tuple[Move, ...], int]:
        """Take a core off line: nothing is placed there any more, and these dispatchers are placed elsewhere now.

        The result is those, others whose time slots are others now, and what inferences it took.
        PlacementError where somebody has to stay there; then nothing has changed.
        """
        found = self.decide("vacating:vacate(Core, Answer), choosing:last_warning(Warning)", {"Core": core})
        self.warning = str(found["Warning"])
        inferences, moves, changes = found["Answer"].args
        return moves_of(moves), moves_of(changes), inferences

    def replace(self) -> tuple[tuple[Replacement, ...], int]:
        """Place anew, by the policy in use, who is better off elsewhere by more than a move costs; and inferences."""
        found = self.decide("replacing:replace(Policy, Answer)", {"Policy": self.policy})
        inferences, moves = found["Answer"].args
        return tuple(_replacement(move) for move in moves), inferences

    def rows(self, domains: Sequence[int]) -> tuple[tuple[tuple[int, ...], ...], int]:
        """The rows of an Ousterhout matrix: which of `domains` can run side by side; and what inferences it took."""
        found = self.decide("matrix:rows(Domains, Answer)", {"Domains": Literal(str(list(domains)))})
        inferences, rows = found["Answer"].args
        return tuple(map(tuple, rows)), inferences

    def migrated(self, domain: int, dispatcher: int, core: int) -> None:
        """A load balancer that asks nobody has moved a dispatcher."""
        bind: dict[str, Term] = {"Domain": domain, "Dispatcher": dispatcher, "Core": core}
        self.decide("matrix:migrated(Domain, Dispatcher, Core)", bind)

    def restore(self, core: int) -> None:
        """The core is on line again."""
        self.decide("vacating:restore(Core)", {"Core": core})

    def release(self, domain: int) -> None:
        """The domain is gone: its cores and its manifest are free. No harm if it was placed nowhere."""
        self.decide("placement:release(Domain)", {"Domain": domain})

    def clear(self) -> None:
        """No domain is placed anywhere: the machine has just booted."""
        self.decide("store:forget(placement)", {})

    def phase_changed(self, domain: int, phase: int) -> None:
        """The domain is in another phase now."""
        self.decide("placement:change_phase(Domain, Phase)", {"Domain": domain, "Phase": phase})

    def route(self, domain: int) -> PhaseRoute:
        """How the domain's phase changes reach its planners; PlacementError if it is placed nowhere."""
        found = self.decide("phase_routes:phase_route(Domain, Answer)", {"Domain": domain})
        inferences, route = found["Answer"].args
        method, tree, allowances, together = route.args
        return PhaseRoute(method, tree, tuple(allowances), tuple(together), inferences)

    def combinations(self, domain: int) -> tuple[tuple[Combination, ...], int]:
        """The combinations of phases of all domains that share cores, directly or by others, with `domain`.

        The current one comes first, then those one phase change away, and so on; at most 256. With them, the
        inferences that it took. PlacementError if the domain is placed nowhere.
        """
        found = self.decide("schedules:next_schedules(Domain, Combinations, Inferences)", {"Domain": domain})
        combinations = tuple(tuple(pair.args for pair in each) for each in found["Combinations"])
        return combinations, found["Inferences"]

    def schedule(self, combination: Combination) -> Schedule:
        """The schedule of a combination, one phase for each domain of a component; PlacementError if it is none."""
        text = Literal(f"[{','.join(f'{domain}-{phase}' for domain, phase in combination)}]")
        found = self.decide("schedules:schedule(Combination, Answer)", {"Combination": text})
        inferences, slots, how = found["Answer"].args
        scope, method, empty, bound = how.args
        return Schedule(combination, tuple(_slot(slot) for slot in slots), scope, method, empty, bound, inferences)

    def explain(self, domain: int) -> tuple[Reason, ...]:
        """Why each dispatcher of the domain is where it is, in their order."""
        found = self._kb.once("placement:explain(Domain, Reasons)", {"Domain": domain})
        if found is None:
            raise PlacementError(f"domain {domain} is placed nowhere")
        return tuple(_reason(reason) for reason in found["Reasons"])

    def policies(self) -> list[Policy]:
        """The policies there are, by name."""
        found = self.decide("policy:policies(Policies)", {})
        return [Policy(policy.args[0], str(policy.args[1])) for policy in found["Policies"]]

    def use(self, policy: str) -> None:
        """Decide by that policy from now on; PlacementError if there is none of that name."""
        self.decide("policy:use_policy(Name)", {"Name": policy})
        self.policy = policy

    def load(self, path: Path) -> tuple[str, tuple[str, ...]]:
        """Load a policy from a user's file: its name, and warnings (file:line: what).

        RulesRejected, and nothing has changed, where there are errors in the file; PlacementError, and no policy of
        that name, where it does what rules may not.
        """
        notes = self._kb.engine.check(path, "policy")
        if any(note.severity == "error" for note in notes):
            raise RulesRejected(path, notes)
        found = self.decide("policy:load_policy(File, Name, _), rehearsal:rehearse", {"File": str(path.absolute())})
        return found["Name"], tuple(map(str, notes))

    def file(self, policy: str) -> Path:
        """The file that a policy is written in; PlacementError if there is none of that name."""
        return Path(self.decide("policy:policy_file(Name, File)", {"Name": policy})["File"])

    def trial(self, policy: str, machine: Machine) -> tuple[Trial, ...]:
        """What a policy would do with some requests on a machine, by itself; nothing changes."""
        found = self._kb.supposing(
            machine.facts, machine.apriori, f"{machine.path}/facts.pl",
            f"placement:trial({to_prolog(policy)}, Trials)",
        )
        if found is None:
            raise PlacementError(f"policy {policy}: the rules gave no answer for {machine.name}")
        return tuple(_trial(each) for each in found["Trials"])

    def decide(self, goal: str, bind: Mapping[str, Term], manifest_name: str = "manifest") -> dict[str, Any]:
        """What the rules conclude from `goal`; PlacementError where they refuse, or come to no end."""
        try:
            found = self._kb.once(goal, bind, inferences=DECISION_INFERENCES, seconds=SECONDS)
        except (Cancelled, LimitExceeded) as error:
            raise PlacementError(f"policy {self.policy}: {error}") from None
        except RuleError as error:
            where = f"{manifest_name}:" if error.kind == "manifest_error" else ""
            raise PlacementError(f"{where}{error}") from None
        if found is None:
            raise PlacementError(f"the rules gave no answer to {goal}")
        return found


def _phases(terms: Sequence[Compound]) -> tuple[Parameters, ...]:
    return tuple(_parameters(term) for term in terms)


def moves_of(terms: Sequence[Compound]) -> tuple[Move, ...]:
    """Terms of domain, dispatcher, core and phases as moves."""
    each: list[tuple[Any, ...]] = [term.args for term in terms]
    return tuple(Move(domain, index, core, _phases(phases)) for domain, index, core, phases in each)


def _replacement(term: Compound) -> Replacement:
    arguments: tuple[Any, ...] = term.args
    domain, dispatcher, before, core, gain, cost, phases = arguments
    return Replacement(Move(domain, dispatcher, core, _phases(phases)), before, gain, cost)


def _parameters(term: Compound) -> Parameters:
    numbers: tuple[Any, ...] = term.args
    match term.name:
        case "best_effort":
            return BestEffort(*numbers)
        case "soft":
            return Soft(*numbers)
        case "hard" | "gang":
            wcet, period, deadline, release, *offset = numbers
            return Hard(wcet, period, deadline, None if release == "auto" else release, term.name == "gang",
                        *offset)
    raise PlacementError(f"the rules gave parameters of no known kind: {term.name}")


def _slot(term: Compound) -> Slot:
    arguments: tuple[Any, ...] = term.args
    domain, dispatcher, core, parameters, offset = arguments
    found = _parameters(parameters)
    return Slot(domain, dispatcher, core, replace(found, offset_ns=offset) if isinstance(found, Hard) else found)


def _trial(term: Compound) -> Trial:
    request, outcome = term.args
    assert isinstance(outcome, Compound)
    if outcome.name == "refused":
        return Trial(str(request), (), 0.0, str(outcome.args[0]))
    cores, cost = outcome.args
    assert isinstance(cores, list) and isinstance(cost, int | float)
    return Trial(str(request), tuple(core for core in cores if isinstance(core, int)), float(cost), "")


def _reason(term: Compound) -> Reason:
    arguments: tuple[Any, ...] = term.args
    dispatcher, core, policy, cost, alternatives, forbidden = arguments
    return Reason(
        dispatcher, core, policy, cost, tuple((other.args[0], other.args[1]) for other in alternatives),
        *forbidden.args,
    )
