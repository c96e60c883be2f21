"""The monitors' protocol for capabilities: one message or request in, the new state and what to send out.

After Nevill's hybrid of 2012 as Barrelfish's `usr/monitor/capops` has it: a sequencer and lock for each object (its
owner), two phases to revoke. `step` is the protocol as a pure function, which the tests explore in every order of
messages; a monitor of the simulated kernel keeps one `CapabilityMonitor` and sends what it returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernel.capabilities import copying, deleting, messages, retyping, revoking
from kernel.capabilities.agreement import MonitorState, Revoking
from kernel.capabilities.messages import Message, Output, Request


def _owner_updated(state: MonitorState, sender: int, message: messages.OwnerUpdated) -> None:
    copying.owner_updated(state, sender, message)
    operation = state.operations.get(message.operation)
    if isinstance(operation, Revoking) and not operation.waiting:
        revoking.mark(state, message.operation, operation)


REQUESTS: dict[type, Callable[[MonitorState, Any], None]] = {
    messages.CopyTo: copying.copy_to,
    messages.RetypeSlot: retyping.retype_slot,
    messages.DeleteSlot: deleting.delete_slot,
    messages.RevokeSlot: revoking.revoke_slot,
}
HANDLERS: dict[type, Callable[[MonitorState, int, Any], None]] = {
    messages.RequestCopy: copying.request_copy,
    messages.ReceiveCopy: copying.receive_copy,
    messages.CopyResult: copying.copy_result,
    messages.CopyDone: copying.copy_done,
    messages.Move: copying.move,
    messages.UpdateOwner: copying.update_owner,
    messages.OwnerUpdated: _owner_updated,
    messages.FindCopy: deleting.find_copy,
    messages.FindResult: deleting.find_result,
    messages.MoveResult: deleting.move_result,
    messages.DeleteRemote: deleting.delete_remote,
    messages.DeleteRemoteResult: deleting.delete_remote_result,
    messages.RequestRetype: retyping.request_retype,
    messages.RetypeResponse: retyping.retype_response,
    messages.RetypeMade: retyping.retype_made,
    messages.CheckRetypeable: retyping.check_retypeable,
    messages.RetypeableResult: retyping.retypeable_result,
    messages.RetypeDecided: retyping.retype_decided,
    messages.Retrieve: revoking.retrieve,
    messages.RetrieveResult: revoking.retrieve_result,
    messages.RevokeMark: revoking.revoke_mark,
    messages.RevokeReady: revoking.revoke_ready,
    messages.RevokeCommit: revoking.revoke_commit,
    messages.RevokeDone: revoking.revoke_done,
}


class CapabilityMonitor:
    """The capability operations of one core's monitor."""

    def __init__(self, state: MonitorState) -> None:
        self.state = state

    def request(self, request: Request) -> list[Output]:
        """A client of this core asks for something; an `Answer` comes now or by a later call."""
        REQUESTS[type(request)](self.state, request)
        return settle(self.state)

    def handle(self, sender: int, message: Message) -> list[Output]:
        """A message has come from the monitor of core `sender`."""
        HANDLERS[type(message)](self.state, sender, message)
        return settle(self.state)


def settle(state: MonitorState) -> list[Output]:
    """Let go on what waited for what was released; returns all that is to be sent out."""
    while state.changed:
        state.changed = False
        revoking.go_on(state)
        queue, state.queue = state.queue, []
        for delete in queue:
            deleting.attempt(state, delete)
    outputs, state.outputs = state.outputs, []
    return outputs


def step(state: MonitorState, sender: int | None, message: Message | Request) -> tuple[MonitorState, list[Output]]:
    """The protocol as a function: the state after a message of `sender`, or a client's request, and what it sends."""
    after = state.clone()
    if sender is None:
        REQUESTS[type(message)](after, message)
    else:
        HANDLERS[type(message)](after, sender, message)
    return after, settle(after)
