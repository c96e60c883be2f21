"""Retype across cores: the owner makes sure that no core has made anything of that part of the memory.

A check that asks one core after the other could miss an object that moves from a core not yet asked to one asked
already. So a core that has been asked takes in nothing that would have been in the way, until the owner says that
the check is over. And a yes that is on its way to another core could be overtaken by the next check, of a new
owner: so the owner keeps the object locked until what it allowed has been made. Barrelfish does neither.
"""

from __future__ import annotations

from kernel.capabilities import operations
from kernel.capabilities.agreement import MonitorState, PendingRetype, RetypeAllowed, RetypeRequested, Retyping
from kernel.capabilities.capability import Object
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.messages import (
    CheckRetypeable,
    RequestRetype,
    RetypeableResult,
    RetypeDecided,
    RetypeMade,
    RetypeResponse,
    RetypeSlot,
)


def retype_slot(state: MonitorState, request: RetypeSlot) -> None:
    """A client's retype: on this core alone where that will do."""
    database = state.database
    try:
        operations.retype(database, request.source, request.request, request.slots)
        state.answer(request.client, ErrorCode.OK)
        return
    except CapabilityError as error:
        if error.code is not ErrorCode.RETRY_THROUGH_MONITOR:
            state.answer(request.client, error.code)
            return
    capability = database.slots[request.source]
    target = capability.object
    pending = PendingRetype(
        request.client, request.source, capability, request.request, request.slots, database.epoch
    )
    base, size = operations.extent(operations.retyped(capability, request.request, state.core))
    if database.owns(target):
        _check(state, target, base, size, pending, None)
    else:
        owner = database.locality[target].owner
        database.lock(target)
        number = state.number()
        state.operations[number] = RetypeRequested(target, frozenset({owner}), pending)
        state.send(owner, RequestRetype(number, target, base, size))


def _check(
    state: MonitorState, target: Object, base: int, size: int,
    pending: PendingRetype | None, requester: tuple[int, int] | None,
) -> None:
    """Ask all other cores; this one has nothing in the way."""
    state.database.lock(target)
    number = state.number()
    asked = state.others if state.database.locality[target].remote_descendants else frozenset[int]()
    state.operations[number] = Retyping(target, asked, base, size, pending, requester)
    if asked:
        state.reservations[state.core, number] = (target, base, size)
        state.broadcast(CheckRetypeable(number, target, base, size))
    else:
        _decide(state, number, ErrorCode.OK)


def request_retype(state: MonitorState, sender: int, message: RequestRetype) -> None:
    database, target = state.database, message.object
    if not database.owns(target) or database.busy(target):
        state.send(sender, RetypeResponse(message.operation, ErrorCode.REMOTE_CAP_RETRY))
    elif database.in_the_way(target, message.base, message.size) is not None:
        state.send(sender, RetypeResponse(message.operation, ErrorCode.REVOKE_FIRST))
    else:
        _check(state, target, message.base, message.size, None, (sender, message.operation))


def check_retypeable(state: MonitorState, sender: int, message: CheckRetypeable) -> None:
    state.reservations[sender, message.operation] = (message.object, message.base, message.size)
    found = state.database.in_the_way(message.object, message.base, message.size)
    code = ErrorCode.OK if found is None else ErrorCode.REVOKE_FIRST
    state.send(sender, RetypeableResult(message.operation, code))


def retype_decided(state: MonitorState, sender: int, message: RetypeDecided) -> None:
    del state.reservations[sender, message.operation]


def retypeable_result(state: MonitorState, sender: int, message: RetypeableResult) -> None:
    if not isinstance(state.operations.get(message.operation), Retyping):
        return  # another core has said no before
    operation = state.answered(message.operation, sender, Retyping)
    assert operation is not None
    if message.code is not ErrorCode.OK or not operation.waiting:
        state.broadcast(RetypeDecided(message.operation))
        del state.reservations[state.core, message.operation]
        _decide(state, message.operation, message.code)


def _decide(state: MonitorState, number: int, code: ErrorCode) -> None:
    operation = state.operations[number]
    assert isinstance(operation, Retyping)
    if operation.requester is not None and code is ErrorCode.OK:
        core, theirs = operation.requester
        locality = state.database.locality[operation.object]
        state.database.locality[operation.object] = locality._replace(remote_descendants=True)
        state.operations[number] = RetypeAllowed(operation.object, frozenset({core}))
        state.send(core, RetypeResponse(theirs, code, number))
        return
    state.end(number)
    if operation.requester is not None:
        core, theirs = operation.requester
        state.send(core, RetypeResponse(theirs, code))
    elif operation.pending is not None:
        _complete(state, operation.pending, code)


def retype_response(state: MonitorState, sender: int, message: RetypeResponse) -> None:
    operation = state.answered(message.operation, sender, RetypeRequested)
    assert operation is not None
    state.end(message.operation)
    _complete(state, operation.pending, message.code)
    if message.code is ErrorCode.OK:
        state.send(sender, RetypeMade(message.theirs))


def retype_made(state: MonitorState, sender: int, message: RetypeMade) -> None:
    state.answered(message.operation, sender, RetypeAllowed)
    state.end(message.operation)


def _complete(state: MonitorState, pending: PendingRetype, code: ErrorCode) -> None:
    """Make the objects, if their source and the slots are still what they were when the client asked."""
    database = state.database
    if code is ErrorCode.OK:
        objects = operations.retyped(pending.capability, pending.request, state.core)
        if any(database.get(slot) is not None for slot in pending.slots):
            code = ErrorCode.SLOTS_IN_USE
        elif (
            database.epoch != pending.epoch
            or database.get(pending.source) != pending.capability
            or database.marked(pending.capability.object)
        ):
            code = ErrorCode.REMOTE_CAP_RETRY
        else:
            operations.create(database, pending.source, pending.slots, objects)
    state.answer(pending.client, code)
