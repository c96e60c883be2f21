"""Revocation of a whole derivation tree on all cores: ownership, marks, sweep.

Who revokes becomes the owner. It has all cores mark what they have of the tree, and a core answers when none of its
own operations has any of it locked: then nothing of the tree is on its way from there, and marks keep it from
coming or going. When all have answered, all sweep. A revocation within the tree ends before that of the tree does,
as it is one of the operations waited for; as it waits only for what lies below it, none waits for itself.
"""

from __future__ import annotations

from dataclasses import replace

from kernel.capabilities import operations
from kernel.capabilities.agreement import MonitorState, Revoking
from kernel.capabilities.capability import Object
from kernel.capabilities.errors import ErrorCode
from kernel.capabilities.messages import (
    Retrieve,
    RetrieveResult,
    RevokeCommit,
    RevokeDone,
    RevokeMark,
    RevokeReady,
    RevokeSlot,
    UpdateOwner,
)
from kernel.capabilities.types import KINDS

RETRIEVING, UPDATING, MARKING, SWEEPING = "retrieving", "updating", "marking", "sweeping"


def revoke_slot(state: MonitorState, request: RevokeSlot) -> None:
    """A client's revoke."""
    database = state.database
    capability = database.get(request.slot)
    if capability is None:
        state.answer(request.client, ErrorCode.CAP_NOT_FOUND)
        return
    target = capability.object
    owner = database.locality[target].owner
    if owner != state.core and not KINDS[target.type].moveable:
        state.answer(request.client, ErrorCode.CAP_FOREIGN)
    elif database.busy(target):
        state.answer(request.client, ErrorCode.REMOTE_CAP_RETRY)
    else:
        database.lock(target)
        number = state.number()
        operation = Revoking(target, frozenset({owner}), request.slot, request.client, RETRIEVING)
        state.operations[number] = operation
        if owner == state.core:
            mark(state, number, operation)
        else:
            state.send(owner, Retrieve(number, target))


def retrieve(state: MonitorState, sender: int, message: Retrieve) -> None:
    database, target = state.database, message.object
    if not database.owns(target) or database.busy(target):
        state.send(sender, RetrieveResult(message.operation, ErrorCode.REMOTE_CAP_RETRY, None))
        return
    locality = database.locality_abroad(target)._replace(owner=sender)
    database.locality[target] = database.locality[target]._replace(owner=sender)
    state.send(sender, RetrieveResult(message.operation, ErrorCode.OK, locality))


def retrieve_result(state: MonitorState, sender: int, message: RetrieveResult) -> None:
    operation = state.answered(message.operation, sender, Revoking)
    assert operation is not None
    if message.code is not ErrorCode.OK:
        state.end(message.operation)
        state.answer(operation.client, message.code)
        return
    assert message.locality is not None
    state.database.locality[operation.object] = message.locality
    state.operations[message.operation] = replace(operation, waiting=state.others, phase=UPDATING)
    state.broadcast(UpdateOwner(message.operation, operation.object))


def mark(state: MonitorState, number: int, operation: Revoking) -> None:
    """This core is the owner, and all know: have them mark."""
    database, target = state.database, operation.object
    if database.marked(target):  # it is to go itself
        state.end(number)
        state.answer(operation.client, ErrorCode.REMOTE_CAP_RETRY)
        return
    asked = state.others if database.locality[target].remote else frozenset[int]()
    state.operations[number] = replace(operation, waiting=asked, phase=MARKING)
    database.marks[state.core, number] = target
    if asked:
        state.broadcast(RevokeMark(number, target))
    state.changed = True


def revoke_mark(state: MonitorState, sender: int, message: RevokeMark) -> None:
    state.database.marks[sender, message.operation] = message.object
    state.unready.add((sender, message.operation))
    state.changed = True


def revoke_ready(state: MonitorState, sender: int, message: RevokeReady) -> None:
    state.answered(message.operation, sender, Revoking)
    state.changed = True


def idle_below(state: MonitorState, target: Object) -> bool:
    """Whether no operation of this core has locked anything that comes of `target`."""
    return not any(target.is_ancestor_of(each) for each in state.database.locks)


def go_on(state: MonitorState) -> None:
    """Something was released: answer the marks that can be, and sweep where all have."""
    for core, number in sorted(state.unready):
        target = state.database.marks[core, number]
        if target not in state.database.locks and idle_below(state, target):
            state.unready.remove((core, number))
            state.send(core, RevokeReady(number))
    for number, operation in list(state.operations.items()):
        if not isinstance(operation, Revoking) or operation.phase != MARKING or operation.waiting:
            continue
        if idle_below(state, operation.object):
            asked = state.others if state.database.locality[operation.object].remote else frozenset[int]()
            state.operations[number] = operation = replace(operation, waiting=asked, phase=SWEEPING)
            if asked:
                state.broadcast(RevokeCommit(number))
            else:
                _finish(state, number, operation)


def revoke_commit(state: MonitorState, sender: int, message: RevokeCommit) -> None:
    target = state.database.marks.pop((sender, message.operation))
    state.clear_up(operations.uproot(state.database, target))
    state.changed = True
    state.send(sender, RevokeDone(message.operation))


def revoke_done(state: MonitorState, sender: int, message: RevokeDone) -> None:
    operation = state.answered(message.operation, sender, Revoking)
    assert operation is not None
    if not operation.waiting:
        _finish(state, message.operation, operation)


def _finish(state: MonitorState, number: int, operation: Revoking) -> None:
    """All others have swept: so does this core, and the slot's capability is the only one left."""
    database, target = state.database, operation.object
    locality = database.locality[target]
    database.locality[target] = locality._replace(remote_copies=False, remote_descendants=False)
    del database.marks[state.core, number]
    kept = database.get(operation.slot)
    keep = operation.slot if kept is not None and kept.object == target else None
    state.end(number)
    state.clear_up(operations.uproot(database, target, keep))
    state.answer(operation.client, ErrorCode.OK)
