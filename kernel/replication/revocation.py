"""Revocation of capabilities by two-phase commit, beside the protocol of its own that the monitors use.

`kernel.capabilities.revoking` marks, waits until all are ready, sweeps, waits until all are done. That is two-phase
commit, message for message: to mark is to prepare, to be ready is to vote, to sweep is to commit. What differs is
what a participant does, not how they agree: it votes late, when no operation of its own has any of the tree locked,
never against, and it may be prepared for several trees at once. Here the same operations run with `TwoPhaseCommit` in
the place of those four messages. `step` is the monitors' protocol so changed, which `kernel.capabilities.exploration`
holds to the same rules in every order of messages; and it takes as many messages.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, Self

from kernel.capabilities import revoking
from kernel.capabilities.agreement import MonitorState, Revoking
from kernel.capabilities.database import Database
from kernel.capabilities.distributed import HANDLERS, REQUESTS, settle
from kernel.capabilities.messages import (
    RevokeCommit,
    RevokeDone,
    RevokeMark,
    RevokeReady,
    Send,
)
from kernel.replication.node import Command, Deliver, Multicast, Output
from kernel.replication.node import Send as NodeSend
from kernel.replication.two_phase_commit import Acknowledge, Prepare, Transaction, TwoPhaseCommit

_OWN = (RevokeMark, RevokeReady, RevokeCommit, RevokeDone)


class MarkAndSweep(TwoPhaseCommit):
    """Two-phase commit of revocations: any number at once, each voted for when the core's own operations allow it."""

    def ready(self, work: Hashable) -> bool | None:
        return None


class AgreeingMonitor(MonitorState):
    """A monitor's capabilities, with its part in the agreement on revocations."""

    def __init__(self, database: Database, cores: Iterable[int]) -> None:
        super().__init__(database, cores)
        self.agreement: TwoPhaseCommit = MarkAndSweep(self.core, self.cores)

    def clone(self) -> Self:
        other = type(self)(self.database.clone(), self.cores)
        vars(other).update({name: value for name, value in vars(super().clone()).items() if name != "agreement"})
        other.agreement = self.agreement.clone()
        return other

    def frozen(self) -> tuple[Any, ...]:
        return (*super().frozen(), self.agreement.frozen())


def step(state: MonitorState, sender: int | None, message: Any) -> tuple[MonitorState, list[Any]]:
    """The state after a message of `sender`, or a client's request, and what it sends (`distributed.step`)."""
    assert isinstance(state, AgreeingMonitor)
    after = state.clone()
    outputs: list[Any] = []
    if sender is None:
        REQUESTS[type(message)](after, message)
    elif type(message) in HANDLERS:
        HANDLERS[type(message)](after, sender, message)
    else:
        _agreed(after, sender, message, outputs)
    while True:
        settled = settle(after)
        outputs += [each for each in settled if not (isinstance(each, Send) and isinstance(each.message, _OWN))]
        _agree(after, settled, outputs)
        if not (after.changed or after.outputs):
            return after, outputs


def _agreed(state: AgreeingMonitor, sender: int, message: Any, outputs: list[Any]) -> None:
    """A message of the agreement: what it says is done as if the revocation's own had come."""
    if isinstance(message, Prepare):
        work = message.work
        assert isinstance(work, Command)
        _carry_out(state, state.agreement.handle(sender, message), outputs)
        revoking.revoke_mark(state, sender, RevokeMark(work.number, work.operation))  # type: ignore[arg-type]
        return
    known = state.agreement.coordinating.get(message.transaction)
    _carry_out(state, state.agreement.handle(sender, message), outputs)
    if isinstance(message, Acknowledge) and known is not None and isinstance(known.prepare.work, Command):
        revoking.revoke_done(state, sender, RevokeDone(known.prepare.work.number))


def _agree(state: AgreeingMonitor, settled: Iterable[Any], outputs: list[Any]) -> None:
    """What the revocations would send of their own is put to the agreement."""
    agreement = state.agreement
    marked: set[int] = set()
    for output in settled:
        match output:
            case Send(_, RevokeMark(number, target)) if number not in marked:
                marked.add(number)
                agreement.submitted = number - 1  # a command is numbered as the monitor's operation is
                _carry_out(state, agreement.submit(target), outputs)
            case Send(core, RevokeReady(number)):
                _carry_out(state, agreement.vote(_transaction(agreement, core, number)), outputs)
    for number, operation in list(state.operations.items()):
        if isinstance(operation, Revoking) and operation.phase == revoking.MARKING and operation.waiting:
            transaction = _transaction(agreement, state.core, number)
            mine = agreement.coordinating[transaction]
            if state.core in mine.waiting and revoking.idle_below(state, operation.object):
                _carry_out(state, agreement.vote(transaction), outputs)


def _transaction(agreement: TwoPhaseCommit, core: int, number: int) -> Transaction:
    """The transaction of that operation of that core."""
    under_way = (*agreement.deferred.items(), *agreement.prepared.items())
    for transaction, prepare in under_way:
        if isinstance(prepare.work, Command) and (prepare.work.core, prepare.work.number) == (core, number):
            return transaction
    raise AssertionError(f"operation {number} of core {core} is not being agreed on")


def _carry_out(state: AgreeingMonitor, decided: Iterable[Output], outputs: list[Any]) -> None:
    for output in decided:
        match output:
            case NodeSend(core, message):
                outputs.append(Send(core, message))  # type: ignore[arg-type]
            case Multicast(cores, message):
                outputs += [Send(core, message) for core in cores]  # type: ignore[arg-type]
            case Deliver(Command(core, number)) if core == state.core:
                for other in sorted(state.others):  # all have voted: the owner may sweep
                    revoking.revoke_ready(state, other, RevokeReady(number))
            case Deliver(Command(core, number)):
                revoking.revoke_commit(state, core, RevokeCommit(number))
