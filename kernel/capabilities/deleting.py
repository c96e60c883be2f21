"""Deletion across cores: before the owner's last copy goes, another core becomes owner, or all copies go with it.

A delete whose object is locked or marked waits in a queue until that is over. Deletes of what was in a destroyed
CNode come the same way, for no client.
"""

from __future__ import annotations

from dataclasses import replace

from kernel.capabilities import operations
from kernel.capabilities.agreement import Deleting, MonitorState, Waiting
from kernel.capabilities.copying import set_owner
from kernel.capabilities.errors import ErrorCode
from kernel.capabilities.messages import (
    DeleteRemote,
    DeleteRemoteResult,
    DeleteSlot,
    FindCopy,
    FindResult,
    Move,
    MoveResult,
)
from kernel.capabilities.operations import Aftermath
from kernel.capabilities.types import KINDS


def delete_slot(state: MonitorState, request: DeleteSlot) -> None:
    """A client's delete."""
    capability = state.database.get(request.slot)
    if capability is None:
        state.answer(request.client, ErrorCode.CAP_NOT_FOUND)
    else:
        attempt(state, Waiting(request.slot, capability.object, request.client, state.database.epoch))


def attempt(state: MonitorState, delete: Waiting) -> None:
    """Delete now, begin to, or wait; a slot that something else has emptied is deleted."""
    database, target = state.database, delete.object
    capability = database.get(delete.slot)
    if delete.epoch not in (None, database.epoch):
        state.answer(delete.client, ErrorCode.REMOTE_CAP_RETRY)
    elif capability is None or capability.object != target:
        state.answer(delete.client, ErrorCode.OK)
    elif database.busy(target):
        state.queue.append(delete)
    elif not operations.is_last_owned(database, delete.slot):
        aftermath = Aftermath()
        operations.discard(database, delete.slot, aftermath)
        state.clear_up(aftermath)
        state.answer(delete.client, ErrorCode.OK)
    else:
        database.lock(target)
        number = state.number()
        state.operations[number] = Deleting(target, state.others, delete.slot, delete.client, delete.epoch)
        if KINDS[target.type].moveable:
            state.broadcast(FindCopy(number, target))
        else:
            state.broadcast(DeleteRemote(number, target))


def _again(state: MonitorState, number: int, operation: Deleting) -> None:
    """The way is clear, or has to wait for a revocation: try anew."""
    state.end(number)
    attempt(state, Waiting(operation.slot, operation.object, operation.client, operation.epoch))


def _no_copies_elsewhere(state: MonitorState, number: int, operation: Deleting) -> None:
    locality = state.database.locality[operation.object]
    state.database.locality[operation.object] = locality._replace(remote_copies=False)
    _again(state, number, operation)


def find_copy(state: MonitorState, sender: int, message: FindCopy) -> None:
    state.send(sender, FindResult(message.operation, state.database.has(message.object)))


def find_result(state: MonitorState, sender: int, message: FindResult) -> None:
    operation = state.answered(message.operation, sender, Deleting)
    if operation is not None:
        if message.found:
            operation = replace(operation, holders=(*operation.holders, sender))
        _offer(state, message.operation, operation)


def _offer(state: MonitorState, number: int, operation: Deleting) -> None:
    """Ask the next holder to be the owner; when all have said no, look again if there were any."""
    state.operations[number] = operation
    if operation.trying:
        return
    if operation.holders:
        core, *rest = operation.holders
        state.operations[number] = replace(operation, holders=tuple(rest), trying=True)
        state.send(core, Move(number, operation.object, state.database.locality_abroad(operation.object)))
    elif not operation.waiting:
        if not operation.refused:
            _no_copies_elsewhere(state, number, operation)
        elif state.database.marked(operation.object):
            _again(state, number, operation)
        else:
            state.operations[number] = replace(operation, waiting=state.others, refused=False)
            state.broadcast(FindCopy(number, operation.object))


def move_result(state: MonitorState, sender: int, message: MoveResult) -> None:
    operation = state.answered(message.operation, sender, Deleting)
    assert operation is not None
    if message.code is ErrorCode.OK:
        set_owner(state, operation.object, sender)
        _again(state, message.operation, operation)
    else:
        _offer(state, message.operation, replace(operation, trying=False, refused=True))


def delete_remote(state: MonitorState, sender: int, message: DeleteRemote) -> None:
    aftermath = Aftermath()
    for slot in state.database.copies(message.object):
        operations.discard(state.database, slot, aftermath)
    state.clear_up(aftermath)
    state.send(sender, DeleteRemoteResult(message.operation))


def delete_remote_result(state: MonitorState, sender: int, message: DeleteRemoteResult) -> None:
    operation = state.answered(message.operation, sender, Deleting)
    assert operation is not None
    if not operation.waiting:
        _no_copies_elsewhere(state, message.operation, operation)
