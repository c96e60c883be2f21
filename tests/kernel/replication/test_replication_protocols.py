"""The replication protocols in every order of messages on small configurations, and at random on larger ones.

A core may stop at any point, also between two messages that it sends in one step, and may be started again. That the
checker finds what is wrong is shown by protocols that are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kernel.replication.eventual import Eventual, Update
from kernel.replication.exploration import (
    Check,
    Client,
    Exploration,
    Violation,
    World,
    all_done,
    answered,
    atomicity,
    delivered,
    explore,
    one_order,
    one_order_of_survivors,
    run,
    same_views,
    validity,
)
from kernel.replication.group import Flushed, Group
from kernel.replication.node import Node, Output
from kernel.replication.paxos import Paxos, Promise, Vote
from kernel.replication.spreading import Spreading, chain
from kernel.replication.two_phase_commit import TwoPhaseCommit


def first_letter(operation: Hashable) -> Hashable:
    return str(operation)[0]


def bare(node: Node) -> Any:
    """The protocol's node, whether its multicasts go along a tree or not."""
    return node.node if isinstance(node, Spreading) else node


def with_a_majority(explored: Exploration, world: World) -> None:
    if len(world.running) > len(world.nodes) // 2:
        all_done(explored, world)


def unless_blocked(explored: Exploration, world: World) -> None:
    """All is decided and nothing held, unless the coordinator has stopped with all prepared."""
    nodes = [bare(explored.nodes(world)[core]) for core in sorted(world.running)]
    if any(node.blocked for node in nodes):
        return
    all_done(explored, world)
    for node in nodes:
        if node.prepared or node.coordinating or node.deferred or node.fresh:
            raise Violation(f"core {node.core} is left with {node.prepared} {node.coordinating} {node.deferred}")


def converged(explored: Exploration, world: World) -> None:
    """All replicas that run know the same, and last wrote the same."""
    answered(explored, world)
    nodes = [bare(explored.nodes(world)[core]) for core in sorted(world.running)]
    for node in nodes:
        if (node.vector, node.last) != (nodes[0].vector, nodes[0].last):
            raise Violation(f"core {node.core} has {node.last}, core {nodes[0].core} {nodes[0].last}")


@dataclass(frozen=True)
class Protocol:
    """How a protocol is made, and what must hold."""

    make: Callable[[int, range], Node]
    always: tuple[Check, ...]
    rest: tuple[Check, ...]

    def explored(self, cores: int, *clients: tuple[int, str], **given: Any) -> Exploration:
        nodes = [self.make(core, range(cores)) for core in range(cores)]
        who = [Client(core, tuple(operations.split())) for core, operations in clients]
        return Exploration(nodes, who, self.always, self.rest, **given)


PAXOS = Protocol(Paxos, (validity, one_order), (with_a_majority,))
TWO_PHASE = Protocol(TwoPhaseCommit, (validity, one_order_of_survivors, atomicity), (unless_blocked,))
GROUP = Protocol(Group, (validity, one_order_of_survivors, same_views), (all_done,))
EVENTUAL = Protocol(lambda core, cores: Eventual(core, cores, first_letter), (validity,), (converged,))
PROTOCOLS = {"paxos": PAXOS, "two-phase": TWO_PHASE, "group": GROUP, "eventual": EVENTUAL}

each_protocol = pytest.mark.parametrize("name", PROTOCOLS)


# -- every order of messages -------------------------------------------------------------------------


@each_protocol
def test_one_command_reaches_all_wherever_a_core_stops(name: str) -> None:
    for core in (0, 1):
        for fifo in (True, False):
            explore(PROTOCOLS[name].explored(3, (core, "x1"), stops=1, fifo=fifo), 20_000)


@each_protocol
def test_two_cores_that_write_at_once_agree(name: str) -> None:
    _, ends = explore(PROTOCOLS[name].explored(3, (0, "x1"), (1, "x2")), 2000)
    assert len({tuple(map(tuple, end.history)) for end in ends}) > 1 or len(ends) == 1


@each_protocol
def test_of_two_replicas_one_stops_and_comes_back(name: str) -> None:
    explore(PROTOCOLS[name].explored(2, (0, "x1"), (1, "y1"), stops=1, starts=1), 20_000)


@pytest.mark.parametrize("name", ["two-phase", "group", "eventual"])
def test_two_cores_write_while_one_stops(name: str) -> None:
    explore(PROTOCOLS[name].explored(3, (0, "x1"), (1, "x2"), stops=1), 50_000)


@pytest.mark.parametrize("name", ["two-phase", "group", "eventual"])
def test_one_replica_of_three_is_left(name: str) -> None:
    explore(PROTOCOLS[name].explored(3, (1, "x1"), stops=2), 20_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["group", "eventual", "two-phase", "paxos"])
def test_a_core_of_three_stops_and_comes_back_amid_writes(name: str) -> None:
    writers = [(0, "x1"), (1, "x2")] if name in ("group", "eventual") else [(1, "x1")]
    explore(PROTOCOLS[name].explored(3, *writers, stops=1, starts=1), 1_500_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROTOCOLS)
def test_one_client_writes_twice_and_another_once_while_a_core_stops(name: str) -> None:
    writers = [(0, "x1"), (1, "x2")] if name == "paxos" else [(0, "x1 y1"), (1, "x2")]
    explore(PROTOCOLS[name].explored(3, *writers, stops=1), 1_500_000)


@each_protocol
def test_along_a_tree_a_command_reaches_all_wherever_a_core_stops(name: str) -> None:
    """The deepest tree there is, so that one that stops is between the others."""
    protocol = PROTOCOLS[name]

    def make(core: int, cores: range) -> Node:
        return Spreading(protocol.make(core, cores), chain)

    for core in (0, 1):
        explore(replace(protocol, make=make).explored(3, (core, "x1"), stops=1), 50_000)


def test_paxos_decides_nothing_without_a_majority_and_all_when_it_is_back() -> None:
    _, ends = explore(PAXOS.explored(2, (0, "x1"), stops=1), 1000)
    stopped = [end for end in ends if len(end.running) == 1]
    assert any(not delivered(history) for end in stopped for history in end.history)
    _, ends = explore(PAXOS.explored(2, (0, "x1"), stops=1, starts=1), 5000)
    back = [end for end in ends if len(end.running) == 2]
    assert back and all(len(delivered(history)) == len(end.answers[0]) for end in back for history in end.history)


def test_two_phase_commit_blocks_only_when_the_coordinator_stops() -> None:
    explored = TWO_PHASE.explored(3, (0, "x1"), stops=1)
    _, ends = explore(explored, 5000)
    blocked = [end for end in ends if any(explored.nodes(end)[core].blocked for core in end.running)]
    assert blocked and all(0 not in end.running for end in blocked)
    decided = [end for end in ends if 0 not in end.running and end not in blocked]
    assert {len(delivered(end.history[1])) for end in decided} == {0, 1}  # those that run find out, either way


def test_of_two_transactions_at_once_at_least_one_may_be_refused_and_none_halfway() -> None:
    _, ends = explore(TWO_PHASE.explored(2, (0, "x1"), (1, "x2")), 1000)
    assert {end.answers for end in ends} == {
        ((one,), (other,)) for one in (True, False) for other in (True, False)
    }


def test_a_group_goes_on_without_a_majority() -> None:
    _, ends = explore(GROUP.explored(2, (1, "x1"), stops=1), 1000)
    alone = [end for end in ends if end.running == {1}]
    assert alone and all(end.answers == ((True,),) for end in alone)


def test_the_last_writer_wins_on_every_replica() -> None:
    explored = EVENTUAL.explored(2, (0, "x1 x2"), (1, "x3"))
    _, ends = explore(explored, 1000)
    last = {explored.nodes(end)[0].last["x"].command.operation for end in ends}
    assert last == {"x2", "x3"}


# -- the checker finds what is wrong -----------------------------------------------------------------


class TooSmallAQuorum(Paxos):
    @property
    def quorum(self) -> int:
        return len(self.cores) // 2


class ForgetsItsVotes(Paxos):
    def _own_votes(self) -> tuple[Vote, ...]:
        return ()


class IgnoresPromises(Paxos):
    def _promise(self, sender: int, message: Promise) -> None:
        super()._promise(sender, replace(message, votes=(), decided=()))


class DecidesAlone(TwoPhaseCommit):
    """It presumes an abort where it has prepared."""

    def _lost(self, core: int) -> None:
        super()._lost(core)
        for transaction in self.blocked:
            self._resolve(transaction, commit=False)


class IgnoresLocks(TwoPhaseCommit):
    def ready(self, work: Hashable) -> bool:
        return True


class DoesNotFlush(Group):
    """What others have is taken for what this core has."""

    def _flushed(self, sender: int, message: Flushed) -> None:
        super()._flushed(sender, Flushed(message.attempt, message.view, message.length, (), message.fresh))


class WritesInAnyOrder(Eventual):
    def _take(self, updates: Any) -> None:
        for update in updates:
            self.last.pop(self.key_of(update.command.operation), None)
            super()._take([update])


class NoAntiEntropy(Eventual):
    def _exchange(self, core: int | None) -> None:
        pass


class DoesNotReachBelow(Spreading):
    def _reach(self, number: int, stopped: int) -> list[Output]:
        return []


def test_a_tree_that_is_not_mended_is_found_out() -> None:
    def make(core: int, cores: range) -> Node:
        return DoesNotReachBelow(Paxos(core, cores), chain)

    with pytest.raises(Violation):
        explore(replace(PAXOS, make=make).explored(3, (0, "x1"), stops=1), 50_000)


@pytest.mark.parametrize(
    ("wrong", "protocol", "clients", "stops", "says"),
    [
        (TooSmallAQuorum, PAXOS, [(0, "x1"), (1, "x2")], 1, "carried out"),
        (ForgetsItsVotes, PAXOS, [(0, "x1"), (1, "x2")], 1, "carried out|answered"),
        (IgnoresPromises, PAXOS, [(0, "x1"), (1, "x2")], 1, "carried out|answered"),
        (DecidesAlone, TWO_PHASE, [(0, "x1")], 1, "at rest|carried out"),
        (IgnoresLocks, TWO_PHASE, [(0, "x1"), (1, "x2")], 0, "carried out"),
        (DoesNotFlush, GROUP, [(0, "x1")], 1, "carried out|at rest"),
        (WritesInAnyOrder, EVENTUAL, [(0, "x1"), (1, "x2")], 0, "core 1 has"),
        (NoAntiEntropy, EVENTUAL, [(0, "x1")], 1, "core 2 has"),
    ],
)
def test_a_protocol_that_is_wrong_is_found_out(
    wrong: type[Node], protocol: Protocol, clients: list[tuple[int, str]], stops: int, says: str
) -> None:
    def make(core: int, cores: range) -> Node:
        return wrong(core, cores, first_letter) if issubclass(wrong, Eventual) else wrong(core, cores)

    mutant = Protocol(make, protocol.always, protocol.rest)
    with pytest.raises(Violation, match=says):
        explore(mutant.explored(3, *clients, stops=stops), 300_000)


# -- orders at random --------------------------------------------------------------------------------


@each_protocol
@settings(max_examples=40, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_larger_configurations_hold_in_orders_at_random(name: str, data: st.DataObject) -> None:
    cores = data.draw(st.integers(4, 6))
    clients = [
        (core, " ".join(f"{data.draw(st.sampled_from('xyz'))}{core}{number}" for number in range(3)))
        for core in sorted(data.draw(st.sets(st.integers(0, cores - 1), min_size=1, max_size=3)))
    ]
    stops = data.draw(st.integers(0, 2))
    starts = data.draw(st.integers(0, stops))
    explored = PROTOCOLS[name].explored(cores, *clients, stops=stops, starts=starts)
    chance = data.draw(st.randoms(use_true_random=False))
    run(explored, chance.randrange)


def test_an_update_that_comes_twice_or_late_changes_nothing() -> None:
    one, two = Eventual(0, range(2), first_letter), Eventual(1, range(2), first_letter)
    (_, first), (_, second) = one.submit("x1"), one.submit("x2")
    updates = [first.message, second.message]
    assert all(isinstance(each, Update) for each in updates)
    for update in (updates[1], updates[0], updates[0], updates[1]):
        two.handle(0, update)
    assert two.last == one.last and not two.early
