"""The monitors' protocol in every order of messages, on small configurations, and on large ones at random."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from kernel.capabilities import agreement, copying, distributed, retyping, revoking
from kernel.capabilities.agreement import MonitorState
from kernel.capabilities.capability import Capability, Object, Rights
from kernel.capabilities.database import Database, Slot
from kernel.capabilities.errors import ErrorCode
from kernel.capabilities.exploration import (
    Client,
    Exploration,
    TooManyWorlds,
    Violation,
    World,
    capabilities,
    explore,
    run,
)
from kernel.capabilities.messages import (
    CopyTo,
    DeleteSlot,
    Move,
    OwnerUpdated,
    Request,
    RetypeSlot,
    RevokeSlot,
    Send,
    UpdateOwner,
)
from kernel.capabilities.operations import Retype
from kernel.capabilities.types import CNODE_BYTES
from kernel.capabilities.types import ObjectType as T

RAM = Object(T.RAM, 0, 4 * 4096)
HALF = Object(T.RAM, 0, 2 * 4096)
FRAME = Object(T.FRAME, 0, 4096)
TABLE = Object(T.VNODE_PTABLE, 2 * 4096, 4096)
POOL = Object(T.RAM, 1 << 20, 2 * CNODE_BYTES)
CNODE = Object(T.L2_CNODE, 1 << 20, CNODE_BYTES)
OK, RETRY, FIRST = ErrorCode.OK, ErrorCode.REMOTE_CAP_RETRY, ErrorCode.REVOKE_FIRST

Holding = tuple[int, Slot, Object, int]
"""Core, slot, object, owner."""


def monitors(cores: int, holdings: Sequence[Holding]) -> list[MonitorState]:
    """Monitors that hold these capabilities, and know of one another what they would."""
    databases = [Database(core) for core in range(cores)]
    for core, slot, target, owner in holdings:
        databases[core].insert(slot, Capability(target), owner)
    for database in databases:
        others = [each for each in databases if each is not database]
        for target, locality in list(database.locality.items()):
            database.locality[target] = locality._replace(
                remote_copies=any(each.has(target) for each in others),
                remote_descendants=any(each.descendants(target) for each in others),
                remote_ancestors=any(each.ancestors(target) for each in others),
            )
    return [MonitorState(database, range(cores)) for database in databases]


def slot(number: int) -> Slot:
    return Slot(0, number)


def all_ends(
    cores: int, holdings: Sequence[Holding], *clients: tuple[int, Request]
) -> list[tuple[World, Exploration]]:
    """Every way it can end when each of these clients makes its request."""
    exploration = Exploration(monitors(cores, holdings), [Client(core, (request,)) for core, request in clients])
    _, ends = explore(exploration, 100_000)
    return [(end, exploration) for end in ends]


def answers(ends: list[tuple[World, Exploration]]) -> set[tuple[ErrorCode, ...]]:
    return {tuple(each[0] for each in end.answers) for end, _ in ends}


def a_frame(client: int, source: int, destination: int, offset: int = 0) -> RetypeSlot:
    return RetypeSlot(client, slot(source), Retype(T.FRAME, offset, 4096), (slot(destination),))


# -- one operation -----------------------------------------------------------------------------------


def test_a_foreign_copy_is_sent_on_by_way_of_the_owner() -> None:
    ends = all_ends(3, [(0, slot(0), FRAME, 0), (1, slot(0), FRAME, 0)], (1, CopyTo(1, slot(0), 2, slot(7))))
    assert answers(ends) == {(OK,)}
    for end, exploration in ends:
        there = exploration.states(end)[2].database
        assert there.get(slot(7)) == Capability(FRAME) and there.locality[FRAME].owner == 0


def test_a_copy_keeps_the_rights_of_what_was_copied() -> None:
    states = monitors(2, [(0, slot(0), FRAME, 0)])
    states[0].database.insert(slot(1), Capability(FRAME, Rights.READ), 0)
    exploration = Exploration(states, [Client(0, (CopyTo(1, slot(1), 1, slot(0)),))])
    _, ends = explore(exploration, 1000)
    assert exploration.states(ends[0])[1].database.get(slot(0)) == Capability(FRAME, Rights.READ)


def test_the_owners_last_copy_hands_ownership_on() -> None:
    ends = all_ends(3, [(0, slot(0), FRAME, 0), (2, slot(0), FRAME, 0)], (0, DeleteSlot(1, slot(0))))
    assert answers(ends) == {(OK,)}
    for end, exploration in ends:
        zero, one, two = exploration.states(end)
        assert not capabilities(zero) and not capabilities(one) and two.database.owns(FRAME)


def test_copies_of_what_cannot_move_go_with_the_owners_last() -> None:
    ends = all_ends(3, [(0, slot(0), TABLE, 0), (2, slot(0), TABLE, 0)], (0, DeleteSlot(1, slot(0))))
    assert answers(ends) == {(OK,)}
    assert all(not capabilities(state) for end, exploration in ends for state in exploration.states(end))


def test_a_retype_elsewhere_asks_the_owner_who_asks_all() -> None:
    holdings = [(0, slot(0), RAM, 0), (1, slot(0), RAM, 0), (2, slot(0), FRAME, 2)]
    assert answers(all_ends(3, holdings, (1, a_frame(1, 0, 5)))) == {(FIRST,)}
    assert answers(all_ends(3, holdings, (1, a_frame(1, 0, 5, offset=4096)))) == {(OK,)}


def test_revocation_makes_the_revoker_owner_and_leaves_it_the_only_holder() -> None:
    holdings = [
        (0, slot(0), RAM, 0), (1, slot(0), RAM, 0), (1, slot(1), RAM, 0), (2, slot(0), FRAME, 2),
        (0, slot(1), TABLE, 0),
    ]  # fmt: skip
    ends = all_ends(3, holdings, (1, RevokeSlot(1, slot(0))))
    assert answers(ends) == {(OK,)}
    for end, exploration in ends:
        zero, one, two = exploration.states(end)
        assert not capabilities(zero) and not capabilities(two) and capabilities(one) == {slot(0): RAM}
        assert one.database.owns(RAM) and not one.database.locality[RAM].remote


def test_what_cannot_move_is_revoked_at_its_owner_only() -> None:
    holdings = [(0, slot(0), TABLE, 0), (1, slot(0), TABLE, 0)]
    assert answers(all_ends(2, holdings, (1, RevokeSlot(1, slot(0))))) == {(ErrorCode.CAP_FOREIGN,)}
    assert answers(all_ends(2, holdings, (0, RevokeSlot(1, slot(0))))) == {(OK,)}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (CopyTo(1, slot(9), 1, slot(5)), ErrorCode.CAP_NOT_FOUND),
        (CopyTo(1, slot(0), 7, slot(5)), ErrorCode.INVALID_ARGUMENTS),
        (CopyTo(1, slot(0), 1, slot(0)), ErrorCode.SLOT_IN_USE),
        (CopyTo(1, slot(0), 0, slot(0)), ErrorCode.SLOT_IN_USE),
        (DeleteSlot(1, slot(9)), ErrorCode.CAP_NOT_FOUND),
        (RevokeSlot(1, slot(9)), ErrorCode.CAP_NOT_FOUND),
        (a_frame(1, 0, 0), ErrorCode.SLOTS_IN_USE),
        (a_frame(1, 0, 5, offset=5), ErrorCode.RETYPE_INVALID_OFFSET),
    ],
)
def test_bad_requests_are_answered_by_name(request_: Request, code: ErrorCode) -> None:
    assert answers(all_ends(2, [(0, slot(0), RAM, 0), (1, slot(0), RAM, 0)], (0, request_))) == {(code,)}


def test_a_destroyed_cnode_hands_on_what_it_owned() -> None:
    cnode = Object(T.L2_CNODE, 0x40_0000, CNODE_BYTES)
    holdings = [(0, slot(0), cnode, 0), (0, Slot(cnode.base, 3), FRAME, 0), (1, slot(0), FRAME, 0)]
    for end, exploration in all_ends(2, holdings, (0, DeleteSlot(1, slot(0)))):
        zero, one = exploration.states(end)
        assert not capabilities(zero) and one.database.owns(FRAME)


# -- two at once: the pairs of the conflict matrix ---------------------------------------------------


def test_a_copy_sent_while_an_ancestor_is_revoked_survives_nowhere() -> None:
    """A revokes while B sends C a copy: C may be asked to delete before the copy has come."""
    holdings = [(0, slot(0), RAM, 0), (1, slot(0), FRAME, 1)]
    ends = all_ends(3, holdings, (0, RevokeSlot(1, slot(0))), (1, CopyTo(2, slot(0), 2, slot(0))))
    assert answers(ends) == {(OK, OK), (OK, RETRY), (OK, ErrorCode.CAP_NOT_FOUND)}
    for end, exploration in ends:
        assert [len(capabilities(state)) for state in exploration.states(end)] == [1, 0, 0]


def test_of_two_retypes_of_the_same_memory_at_most_one_succeeds() -> None:
    holdings = [(core, slot(0), RAM, 0) for core in range(3)]
    for clients in ([(0, a_frame(1, 0, 1)), (1, a_frame(2, 0, 1))], [(1, a_frame(1, 0, 1)), (2, a_frame(2, 0, 1))]):
        codes = answers(all_ends(3, holdings, *clients))
        assert (OK, OK) not in codes and any(OK in each for each in codes)


def test_two_deletes_leave_no_copy_and_no_lost_owner() -> None:
    ends = all_ends(2, [(0, slot(0), FRAME, 0), (1, slot(0), FRAME, 0)],
                    (0, DeleteSlot(1, slot(0))), (1, DeleteSlot(2, slot(0))))  # fmt: skip
    assert answers(ends) == {(OK, OK)}
    assert all(not capabilities(state) for end, exploration in ends for state in exploration.states(end))


def test_of_two_revocations_of_one_object_one_at_most_keeps_it() -> None:
    ends = all_ends(3, [(0, slot(0), RAM, 0), (1, slot(0), RAM, 0), (2, slot(0), FRAME, 2)],
                    (0, RevokeSlot(1, slot(0))), (1, RevokeSlot(2, slot(0))))  # fmt: skip
    for end, exploration in ends:
        assert sum(len(capabilities(state)) for state in exploration.states(end)) == 1
    assert answers(ends) <= {(OK, RETRY), (RETRY, OK), (OK, ErrorCode.CAP_NOT_FOUND), (ErrorCode.CAP_NOT_FOUND, OK)}


def test_deleting_does_not_make_revoking_or_copying_fail() -> None:
    holdings = [(0, slot(0), FRAME, 0), (1, slot(0), FRAME, 0), (1, slot(1), FRAME, 0)]
    assert answers(all_ends(2, holdings, (1, DeleteSlot(1, slot(0))), (0, RevokeSlot(2, slot(0))))) <= {
        (OK, OK), (ErrorCode.CAP_NOT_FOUND, OK)
    }  # fmt: skip
    ends = all_ends(2, holdings, (1, DeleteSlot(1, slot(0))), (1, CopyTo(2, slot(1), 0, slot(4))))
    assert answers(ends) == {(OK, OK)}


def test_a_revocation_leaves_nothing_of_what_is_retyped_meanwhile() -> None:
    holdings = [(0, slot(0), RAM, 0), (1, slot(0), RAM, 0)]
    ends = all_ends(3, holdings, (0, RevokeSlot(1, slot(0))), (1, a_frame(2, 0, 1)))
    assert answers(ends) == {(OK, OK), (OK, RETRY), (OK, ErrorCode.CAP_NOT_FOUND), (RETRY, OK)}
    for end, exploration in ends:
        if end.answers[0] == (OK,):
            assert [len(capabilities(state)) for state in exploration.states(end)] == [1, 0, 0]


def test_retyping_goes_on_while_the_owner_deletes_its_copy() -> None:
    holdings = [(0, slot(0), RAM, 0), (1, slot(0), RAM, 0)]
    ends = all_ends(2, holdings, (0, DeleteSlot(1, slot(0))), (1, a_frame(2, 0, 1)))
    assert (OK, OK) in answers(ends) <= {(OK, OK), (OK, RETRY)}
    for end, exploration in ends:
        assert exploration.states(end)[1].database.owns(RAM) and not capabilities(exploration.states(end)[0])


def test_retyping_and_copying_what_is_retyped_both_succeed_or_may_be_tried_again() -> None:
    holdings = [(0, slot(0), RAM, 0), (1, slot(0), RAM, 0), (2, slot(1), TABLE, 2)]
    ends = all_ends(3, holdings, (0, a_frame(1, 0, 1)), (1, CopyTo(2, slot(0), 2, slot(0))))
    assert (OK, OK) in answers(ends) <= {(OK, OK), (OK, RETRY), (RETRY, OK)}


# -- everything at once ------------------------------------------------------------------------------

SETUPS: dict[str, list[Holding]] = {
    "a tree over three cores": [(0, slot(0), RAM, 0), (1, slot(0), HALF, 1), (2, slot(0), FRAME, 2)],
    "copies on all cores": [(core, slot(0), RAM, 1) for core in range(3)],
    "a child whose owner is not its parent's": [
        (0, slot(0), RAM, 0), (1, slot(0), RAM, 0), (1, slot(1), FRAME, 2), (2, slot(0), FRAME, 2)
    ],
    "a CNode with an owner's last copy in it": [
        (0, slot(0), POOL, 0), (1, slot(0), POOL, 0), (0, slot(1), CNODE, 0),
        (0, Slot(CNODE.base, 5), FRAME, 0), (2, slot(0), FRAME, 0),
    ],
    "what cannot move": [(0, slot(0), RAM, 0), (1, slot(0), TABLE, 1), (2, slot(0), TABLE, 1), (2, slot(1), RAM, 0)],
}  # fmt: skip


def menu(holdings: Sequence[Holding]) -> list[tuple[int, Request]]:
    """Every request a client can make of what there is; to be numbered."""
    requests: list[tuple[int, Request]] = []
    for core, source, target, _ in holdings:
        requests += [
            (core, DeleteSlot(0, source)),
            (core, RevokeSlot(0, source)),
            (core, CopyTo(0, source, (core + 1) % 3, slot(8))),
            (core, CopyTo(0, source, (core + 2) % 3, slot(9))),
        ]
        if target.type is T.RAM:
            requests.append((core, RetypeSlot(0, source, Retype(T.FRAME, 0, 4096), (slot(10),))))
            requests.append((core, RetypeSlot(0, source, Retype(T.VNODE_PTABLE, 4096), (slot(11),))))
    return requests


def numbered(client: int, request: Request) -> Request:
    return type(request)(client, *(getattr(request, name) for name in request.__slots__ if name != "client"))


def explore_all(at_once: int, setup: str) -> int:
    """All sets of that many requests, in every order of messages; returns the number of worlds."""
    total = 0
    for chosen in combinations(menu(SETUPS[setup]), at_once):
        clients = [Client(core, (numbered(number, request),)) for number, (core, request) in enumerate(chosen)]
        total += explore(Exploration(monitors(3, SETUPS[setup]), clients), 50_000)[0]
    return total


@pytest.mark.parametrize("setup", SETUPS)
def test_every_two_requests_end_well_in_every_order_of_messages(setup: str) -> None:
    assert explore_all(2, setup) > 1_000


@pytest.mark.slow
@pytest.mark.parametrize("setup", SETUPS)
def test_every_three_requests_end_well_in_every_order_of_messages(setup: str) -> None:
    assert explore_all(3, setup) > 50_000


# -- what each precaution is for: without it, there is an order of messages that goes wrong ----------


def wrong(cores: int, holdings: Sequence[Holding], *clients: tuple[int, tuple[Request, ...]]) -> str:
    """What goes wrong first."""
    exploration = Exploration(monitors(cores, holdings), [Client(*client) for client in clients])
    with pytest.raises(Violation) as caught:
        explore(exploration, 200_000)
    return str(caught.value).splitlines()[0]


def right(cores: int, holdings: Sequence[Holding], *clients: tuple[int, tuple[Request, ...]]) -> None:
    explore(Exploration(monitors(cores, holdings), [Client(*client) for client in clients]), 200_000)


def test_marks_must_not_be_answered_while_a_copy_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    case = (
        3, [(0, slot(0), RAM, 0), (1, slot(0), FRAME, 1)],
        (0, (RevokeSlot(1, slot(0)),)), (1, (CopyTo(2, slot(0), 2, slot(0)),)),
    )  # fmt: skip
    right(*case)
    monkeypatch.setattr(revoking, "idle_below", lambda state, target: True)
    assert "after its revocation" in wrong(*case)


def test_a_core_that_was_asked_must_not_take_in_what_it_said_it_had_not(monkeypatch: pytest.MonkeyPatch) -> None:
    case = (
        3, [(0, slot(0), RAM, 0), (1, slot(0), FRAME, 1)],
        (0, (RetypeSlot(1, slot(0), Retype(T.VNODE_PTABLE), (slot(1),)),)),
        (1, (CopyTo(2, slot(0), 2, slot(0)), DeleteSlot(3, slot(0)))),
    )  # fmt: skip
    right(*case)
    monkeypatch.setattr(agreement.MonitorState, "reserved", lambda state, target: False)
    assert "are on the same memory" in wrong(*case)


def test_an_owner_must_wait_until_what_it_allowed_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    case = (
        3, [(core, slot(0), RAM, 2) for core in range(3)],
        (2, (DeleteSlot(1, slot(0)),)), (0, (a_frame(2, 0, 1),)),
        (1, (RetypeSlot(3, slot(0), Retype(T.VNODE_PTABLE), (slot(1),)),)),
    )  # fmt: skip
    right(*case)
    decide = retyping._decide

    def and_forget(state: MonitorState, number: int, code: ErrorCode) -> None:
        decide(state, number, code)
        if number in state.operations:
            state.end(number)

    monkeypatch.setattr(retyping, "_decide", and_forget)
    monkeypatch.setattr(agreement.MonitorState, "end", _end_if_there)
    assert "are on the same memory" in wrong(*case)


def _end_if_there(state: MonitorState, number: int) -> None:
    operation = state.operations.pop(number, None)
    if operation is not None:
        state.release(operation.object)


def test_a_new_owner_must_hear_from_the_old_one_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    case = (
        3, [(core, slot(0), RAM, 1) for core in range(3)],
        (2, (CopyTo(1, slot(0), 1, slot(5)),)), (0, (DeleteSlot(2, slot(0)),)), (1, (DeleteSlot(3, slot(0)),)),
    )  # fmt: skip
    right(*case)

    def move_and_tell_others_only(state: MonitorState, sender: int, message: Move) -> None:
        copying.move(state, sender, message)
        for output in [each for each in state.outputs if isinstance(each, Send) and each.core == sender]:
            if isinstance(output.message, UpdateOwner):
                state.outputs.remove(output)
                copying.owner_updated(state, sender, OwnerUpdated(output.message.operation))

    monkeypatch.setitem(distributed.HANDLERS, Move, move_and_tell_others_only)
    assert "has owners" in wrong(*case)


# -- at random, and large ----------------------------------------------------------------------------

TREE = [RAM, HALF, FRAME, TABLE, Object(T.RAM, 0, 4096), Object(T.FRAME, 3 * 4096, 4096), CNODE]


@st.composite
def crowds(draw: st.DrawFn, cores_at_most: int, clients_at_most: int, requests_at_most: int) -> Exploration:
    """Cores that share a tree, and clients that make one request after another."""
    last = cores_at_most - 1
    holdings: list[Holding] = []
    targets = draw(st.lists(st.sampled_from(TREE), min_size=1, max_size=5, unique=True))
    cnode_core = None
    for target in targets:
        cores = draw(st.lists(st.integers(0, last), min_size=1, unique=True))
        holdings += [(core, Slot(0, len(holdings) + core), target, cores[0]) for core in cores]
        if target == CNODE:
            cnode_core = cores[0]
        elif cnode_core is not None and (cores[0] == cnode_core or cnode_core in cores):  # in the CNode, too
            holdings.append((cnode_core, Slot(CNODE.base, len(holdings)), target, cores[0]))
    slots = st.builds(Slot, st.just(0), st.integers(0, len(holdings) + 3))
    request = st.one_of(
        st.builds(CopyTo, st.just(0), slots, st.integers(0, last), slots),
        st.builds(lambda where: DeleteSlot(0, where), slots),
        st.builds(lambda where: RevokeSlot(0, where), slots),
        st.builds(
            lambda source, kind, offset, size, to: RetypeSlot(
                0, source, Retype(kind, offset * 4096, size * 4096), (to,)
            ),
            slots, st.sampled_from([T.RAM, T.FRAME, T.VNODE_PTABLE]), st.integers(0, 3), st.integers(1, 2), slots,
        ),
    )  # fmt: skip
    clients = []
    for number in range(clients_at_most):
        made = draw(st.lists(request, min_size=1, max_size=requests_at_most))
        requests = tuple(numbered(number * 10 + each, one) for each, one in enumerate(made))
        clients.append(Client(draw(st.integers(0, last)), requests))
    return Exploration(monitors(cores_at_most, holdings), clients)


@settings(max_examples=120, deadline=None)
@given(crowds(4, 5, 6), st.randoms(use_true_random=False))
def test_long_schedules_at_random_revoke_all_and_lose_nothing(crowd: Exploration, chance: object) -> None:
    run(crowd, chance.randrange)  # type: ignore[attr-defined]


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(crowds(3, 3, 2))
def test_crowds_of_three_end_well_in_every_order_of_messages(crowd: Exploration) -> None:
    try:
        explore(crowd, 40_000)
    except TooManyWorlds:
        reject()


def test_a_delete_whose_new_owner_is_asked_in_vain_looks_again() -> None:
    """Both holders refuse while they copy; ownership finds its place in the end."""
    holdings = [(core, slot(0), FRAME, 0) for core in range(3)]
    ends = all_ends(
        3, holdings, (0, DeleteSlot(1, slot(0))),
        (1, CopyTo(2, slot(0), 2, slot(3))), (2, CopyTo(3, slot(0), 1, slot(3))),
    )  # fmt: skip
    assert all(codes[0] is OK for codes in answers(ends))
