"""What a monitor remembers of capability operations between cores, and what all of them are made of.

Each object has one owner among the cores that have a capability to it, and every operation that concerns other cores
goes through the owner, one at a time: who takes part holds the object locked until all it asked have answered. What
`copying`, `deleting`, `retyping` and `revoking` do is a function of this state and one message, which changes the
state and leaves messages in `outputs`; there is no clock and no waiting in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from kernel.capabilities.capability import Capability, Object
from kernel.capabilities.database import Database, Slot
from kernel.capabilities.errors import ErrorCode
from kernel.capabilities.messages import Answer, Message, Output, Reclaimed, Send
from kernel.capabilities.operations import Aftermath, Retype


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation under way that began on this core, and the cores whose answers are due."""

    object: Object
    waiting: frozenset[int]


@dataclass(frozen=True, slots=True)
class CopyOut(Operation):
    """The owner has sent a copy, for a client or for the operation of another core."""

    client: int | None
    requester: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class CopyRequested(Operation):
    """The owner has been asked to send a copy."""

    client: int


@dataclass(frozen=True, slots=True)
class NewOwner(Operation):
    """The core has been made owner, and all are told."""


@dataclass(frozen=True, slots=True)
class Deleting(Operation):
    """The owner's last copy is to be deleted. Moveable: a new owner is sought; else, all copies go.

    `holders` have a copy and were not tried yet, `trying` is asked to be the owner, `refused` if one could not.
    """

    slot: Slot
    client: int | None
    epoch: int | None
    holders: tuple[int, ...] = ()
    trying: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class PendingRetype:
    """A client's retype: what it needs to be made once it may be. `epoch` tells whether slots are still theirs."""

    client: int
    source: Slot
    capability: Capability
    request: Retype
    slots: tuple[Slot, ...]
    epoch: int


@dataclass(frozen=True, slots=True)
class RetypeRequested(Operation):
    """The owner has been asked whether."""

    pending: PendingRetype


@dataclass(frozen=True, slots=True)
class RetypeAllowed(Operation):
    """The owner has let another core retype, and waits until that is done."""


@dataclass(frozen=True, slots=True)
class Retyping(Operation):
    """The owner asks all cores whether, for a client of its own or for the operation of another core."""

    base: int
    size: int
    pending: PendingRetype | None
    requester: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Revoking(Operation):
    """A revocation: `phase` is retrieving (the ownership), updating (all are told), marking or sweeping."""

    slot: Slot
    client: int
    phase: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delete that waits in the queue of a locked or marked object.

    If a CNode is destroyed after `epoch`, the slot may be another's by now; None: it is nobody else's, ever.
    """

    slot: Slot
    object: Object
    client: int | None
    epoch: int | None = None


AnyOperation = TypeVar("AnyOperation", bound=Operation)


class MonitorState:
    """The capability half of the monitor of `database.core`; `cores` are all that have monitors, it included.

    A change of `cores` must wait until no monitor has an operation under way.
    """

    def __init__(self, database: Database, cores: Iterable[int]) -> None:
        self.database = database
        self.core = database.core
        self.cores = cores if isinstance(cores, frozenset) else frozenset(cores)
        self.operations: dict[int, Operation] = {}
        self.queue: list[Waiting] = []
        self.reservations: dict[tuple[int, int], tuple[Object, int, int]] = {}  # parts that are being retyped
        self.unready: set[tuple[int, int]] = set()  # marks to be answered yet
        self.outputs: list[Output] = []
        self.changed = False  # a lock or mark was released: what waits may go on
        self._number = 0

    def clone(self) -> MonitorState:
        """The same state, to be changed by itself."""
        other = MonitorState(self.database.clone(), self.cores)
        other.operations = self.operations.copy()
        other.queue = self.queue.copy()
        other.reservations = self.reservations.copy()
        other.unready = self.unready.copy()
        other._number = self._number
        return other

    def frozen(self) -> tuple[Any, ...]:
        """The state as a value: two states that are equal behave the same."""
        database = self.database
        return (
            self.core, frozenset(database.slots.items()), frozenset(database.locality.items()),
            frozenset(database.locks.items()), frozenset(database.marks.items()),
            frozenset(self.operations.items()), tuple(self.queue), frozenset(self.reservations.items()),
            frozenset(self.unready), self._number, database.epoch,
        )  # fmt: skip

    @property
    def others(self) -> frozenset[int]:
        """All cores but this; not kept, as on n cores that would be n² numbers."""
        return self.cores - {self.core}

    # -- words of the protocol ---------------------------------------------------------------------

    def send(self, core: int, message: Message) -> None:
        self.outputs.append(Send(core, message))

    def broadcast(self, message: Message) -> None:
        """To all other cores."""
        for core in sorted(self.others):
            self.send(core, message)

    def answer(self, client: int | None, code: ErrorCode) -> None:
        """Tell a client; what the monitor does of itself has none."""
        if client is not None:
            self.outputs.append(Answer(client, code))

    def number(self) -> int:
        """A number for a new operation."""
        self._number += 1
        return self._number

    def answered(self, number: int, sender: int, kind: type[AnyOperation]) -> AnyOperation | None:
        """The operation, which now waits for `sender` no more; None if it is over."""
        operation = self.operations.get(number)
        if operation is None:
            return None
        assert isinstance(operation, kind), f"operation {number} is no {kind.__name__}"
        operation = replace(operation, waiting=operation.waiting - {sender})
        self.operations[number] = operation
        return operation

    def end(self, number: int) -> None:
        """The operation is over, its lock released."""
        self.release(self.operations.pop(number).object)

    def release(self, target: Object) -> None:
        self.database.unlock(target)
        self.changed = True

    def clear_up(self, aftermath: Aftermath) -> None:
        """Queue what is left to delete of destroyed CNodes, give memory back."""
        for slot in aftermath.limbo:
            capability = self.database.get(slot)
            if capability is not None:  # a mapping goes with what it mapped
                self.queue.append(Waiting(slot, capability.object, None))
                self.changed = True
        self.outputs += [Reclaimed(each) for each in aftermath.reclaimed]

    def reserved(self, target: Object) -> bool:
        """Whether the object must not come to this core, as it is being made sure that there is none such."""
        return any(
            source.is_ancestor_of(target) and target.base < base + size and base < target.end
            for source, base, size in self.reservations.values()
        )
