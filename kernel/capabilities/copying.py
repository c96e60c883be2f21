"""Copies of capabilities to other cores, and the move of ownership.

Only the owner sends copies: with FIFO channels whatever it sends afterwards, a mark or a check, comes after the
copy. What others send does not: so the owner answers no mark while a copy of its is on its way (`revoking.go_on`),
and the receiver takes in nothing that is marked or being checked. That settles the case in which A revokes
while B sends C a copy.
"""

from __future__ import annotations

from kernel.capabilities import operations
from kernel.capabilities.agreement import CopyOut, CopyRequested, MonitorState, NewOwner, Operation
from kernel.capabilities.capability import Capability, Object
from kernel.capabilities.database import Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.messages import (
    CopyDone,
    CopyResult,
    CopyTo,
    Move,
    MoveResult,
    OwnerUpdated,
    ReceiveCopy,
    RequestCopy,
    UpdateOwner,
)
from kernel.capabilities.types import KINDS, Copying


def copy_to(state: MonitorState, request: CopyTo) -> None:
    """A client's copy to another core."""
    database = state.database
    capability = database.get(request.source)
    if capability is None:
        state.answer(request.client, ErrorCode.CAP_NOT_FOUND)
    elif KINDS[capability.type].copying is Copying.NEVER:
        state.answer(request.client, ErrorCode.ILLEGAL_INVOCATION)
    elif request.core == state.core:
        try:
            operations.copy(database, request.source, request.destination)
            state.answer(request.client, ErrorCode.OK)
        except CapabilityError as error:
            state.answer(request.client, error.code)
    elif request.core not in state.others:
        state.answer(request.client, ErrorCode.INVALID_ARGUMENTS)
    elif database.held(capability.object):
        state.answer(request.client, ErrorCode.REMOTE_CAP_RETRY)
    elif database.owns(capability.object):
        _send_copy(state, capability, request.core, request.destination, request.client, None)
    else:
        owner = database.locality[capability.object].owner
        database.share(capability.object)
        number = state.number()
        state.operations[number] = CopyRequested(capability.object, frozenset({owner}), request.client)
        state.send(owner, RequestCopy(number, capability, request.core, request.destination))


def _send_copy(
    state: MonitorState, capability: Capability, core: int, destination: Slot,
    client: int | None, requester: tuple[int, int] | None,
) -> None:
    target = capability.object
    state.database.share(target)
    number = state.number()
    state.operations[number] = CopyOut(target, frozenset({core}), client, requester)
    state.send(core, ReceiveCopy(number, capability, state.database.locality_abroad(target), destination))
    state.database.goes_abroad(target)


def request_copy(state: MonitorState, sender: int, message: RequestCopy) -> None:
    database, target = state.database, message.capability.object
    if not database.owns(target) or database.held(target):
        state.send(sender, CopyDone(message.operation, ErrorCode.REMOTE_CAP_RETRY))
    elif message.core == state.core:
        code = _take(state, message.capability, message.destination, state.core)
        state.send(sender, CopyDone(message.operation, code))
    else:
        requester = (sender, message.operation)
        _send_copy(state, message.capability, message.core, message.destination, None, requester)


def _take(state: MonitorState, capability: Capability, destination: Slot, owner: int) -> ErrorCode:
    if state.database.get(destination) is not None:
        return ErrorCode.SLOT_IN_USE
    if state.database.marked(capability.object) or state.reserved(capability.object):
        return ErrorCode.REMOTE_CAP_RETRY
    state.database.insert(destination, capability, owner)
    return ErrorCode.OK


def receive_copy(state: MonitorState, sender: int, message: ReceiveCopy) -> None:
    target = message.capability.object
    first = not state.database.has(target)
    code = _take(state, message.capability, message.destination, sender)
    if code is ErrorCode.OK and first:
        state.database.locality[target] = message.locality
    state.send(sender, CopyResult(message.operation, code))


def copy_result(state: MonitorState, sender: int, message: CopyResult) -> None:
    operation = state.answered(message.operation, sender, CopyOut)
    assert operation is not None
    state.end(message.operation)
    state.answer(operation.client, message.code)
    if operation.requester is not None:
        core, number = operation.requester
        state.send(core, CopyDone(number, message.code))


def copy_done(state: MonitorState, sender: int, message: CopyDone) -> None:
    operation = state.answered(message.operation, sender, CopyRequested)
    assert operation is not None
    state.end(message.operation)
    state.answer(operation.client, message.code)


# -- ownership -------------------------------------------------------------------------------------


def move(state: MonitorState, sender: int, message: Move) -> None:
    """The owner gives up its last copy; this core is the new owner as soon as it says so."""
    database, target = state.database, message.object
    if not database.has(target):
        state.send(sender, MoveResult(message.operation, ErrorCode.CAP_NOT_FOUND))
    elif database.busy(target):
        state.send(sender, MoveResult(message.operation, ErrorCode.REMOTE_CAP_RETRY))
    else:
        database.locality[target] = message.locality._replace(owner=state.core)
        state.send(sender, MoveResult(message.operation, ErrorCode.OK))
        # The old owner is told again: until it has answered it may not have seen the result, and would take this
        # core for the owner after the next has told it otherwise.
        database.lock(target)
        number = state.number()
        state.operations[number] = NewOwner(target, state.others)
        state.broadcast(UpdateOwner(number, target))


def update_owner(state: MonitorState, sender: int, message: UpdateOwner) -> None:
    set_owner(state, message.object, sender)
    state.send(sender, OwnerUpdated(message.operation))


def set_owner(state: MonitorState, target: Object, owner: int) -> None:
    """Note who owns an object of which there may be a copy here."""
    locality = state.database.locality.get(target)
    if locality is not None:
        state.database.locality[target] = locality._replace(owner=owner)


def owner_updated(state: MonitorState, sender: int, message: OwnerUpdated) -> None:
    """Another core knows that this one is the owner."""
    operation = state.answered(message.operation, sender, Operation)
    if isinstance(operation, NewOwner) and not operation.waiting:
        state.end(message.operation)
