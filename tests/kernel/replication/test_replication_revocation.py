"""Revocation by two-phase commit: it ends as the monitors' own does, in every order, with as many messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from kernel.capabilities import distributed
from kernel.capabilities.agreement import MonitorState
from kernel.capabilities.capability import Capability, Object
from kernel.capabilities.database import Database, Slot
from kernel.capabilities.exploration import Client, Exploration, Step, World, capabilities, explore, run
from kernel.capabilities.messages import CopyTo, DeleteSlot, Request, RetypeSlot, RevokeSlot, Send
from kernel.capabilities.operations import Retype
from kernel.capabilities.types import ObjectType as T
from kernel.replication import revocation
from kernel.replication.revocation import AgreeingMonitor

RAM = Object(T.RAM, 0, 4 * 4096)
HALF = Object(T.RAM, 0, 2 * 4096)
FRAME = Object(T.FRAME, 0, 4096)
TREE = [(0, 0, RAM, 0), (1, 0, HALF, 1), (2, 0, FRAME, 2)]
COPIES = [(0, 0, RAM, 0), (1, 0, RAM, 0), (1, 1, FRAME, 1), (2, 0, FRAME, 1)]

Holding = tuple[int, int, Object, int]
"""Core, slot, object, owner."""


def monitors(kind: type[MonitorState], holdings: Sequence[Holding]) -> list[MonitorState]:
    databases = [Database(core) for core in range(3)]
    for core, number, target, owner in holdings:
        databases[core].insert(Slot(0, number), Capability(target), owner)
    for database in databases:
        others = [each for each in databases if each is not database]
        for target, locality in list(database.locality.items()):
            database.locality[target] = locality._replace(
                remote_copies=any(each.has(target) for each in others),
                remote_descendants=any(each.descendants(target) for each in others),
                remote_ancestors=any(each.ancestors(target) for each in others),
            )
    return [kind(database, range(3)) for database in databases]


def ends(
    holdings: Sequence[Holding], requests: Sequence[tuple[int, Request]], agreeing: bool
) -> set[tuple[Any, ...]]:
    """Every way it can end: what clients are answered, and what each core has."""
    kind, step = (AgreeingMonitor, revocation.step) if agreeing else (MonitorState, distributed.step)
    clients = [Client(core, (request,)) for core, request in requests]
    exploration = Exploration(monitors(kind, holdings), clients, step)
    _, found = explore(exploration, 200_000)

    def ended(world: World) -> tuple[Any, ...]:
        states = exploration.states(world)
        for state in states:
            if isinstance(state, AgreeingMonitor):
                agreement = state.agreement
                assert not (agreement.prepared or agreement.deferred or agreement.coordinating)
        return world.answers, *(tuple(capabilities(state).items()) for state in states)

    return {ended(world) for world in found}


REVOKE = RevokeSlot(1, Slot(0, 0))


@pytest.mark.parametrize(
    ("holdings", "requests"),
    [
        (TREE, [(0, REVOKE)]),
        (COPIES, [(1, REVOKE)]),
        (TREE, [(0, REVOKE), (1, RevokeSlot(2, Slot(0, 0)))]),
        (COPIES, [(0, REVOKE), (1, RevokeSlot(2, Slot(0, 0)))]),
        (TREE, [(0, REVOKE), (1, CopyTo(2, Slot(0, 0), 2, Slot(0, 5)))]),
        (TREE, [(0, REVOKE), (2, DeleteSlot(2, Slot(0, 0)))]),
        (COPIES, [(0, REVOKE), (1, RetypeSlot(2, Slot(0, 0), Retype(T.FRAME, 4096, 4096), (Slot(0, 5),)))]),
    ],
)
def test_two_phase_commit_ends_as_the_monitors_own_protocol_does(
    holdings: list[Holding], requests: list[tuple[int, Request]]
) -> None:
    assert ends(holdings, requests, agreeing=True) == ends(holdings, requests, agreeing=False)


def messages(holdings: Sequence[Holding], core: int, step: Step, kind: type[MonitorState]) -> int:
    sent = 0

    def counting(state: MonitorState, sender: int | None, message: Any) -> tuple[MonitorState, list[Any]]:
        nonlocal sent
        after, outputs = step(state, sender, message)
        sent += sum(isinstance(each, Send) for each in outputs)
        return after, outputs

    run(Exploration(monitors(kind, holdings), [Client(core, (REVOKE,))], counting), lambda count: 0)
    return sent


@pytest.mark.parametrize(("holdings", "core", "expected"), [(TREE, 0, 8), (COPIES, 0, 8), (COPIES, 1, 2 + 4 + 8)])
def test_it_takes_as_many_messages(holdings: list[Holding], core: int, expected: int) -> None:
    """Four for each of two other cores; before that, two to become the owner and four to tell of it."""
    assert messages(holdings, core, distributed.step, MonitorState) == expected
    assert messages(holdings, core, revocation.step, AgreeingMonitor) == expected
