"""What monitors say to one another about capabilities (Barrelfish's `if/intermon.if`, the `capops_` messages).

`operation` is the number that its sender gave the operation; an answer carries the number of what it answers. A
channel from one monitor to another keeps messages in order; nothing is assumed of different channels.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernel.capabilities.capability import Capability, Object
from kernel.capabilities.database import Locality, Slot
from kernel.capabilities.errors import ErrorCode
from kernel.capabilities.operations import Retype

# -- from clients on the monitor's own core, and to them ---------------------------------------------


@dataclass(frozen=True, slots=True)
class CopyTo:
    """Copy the capability in `source` to the empty slot `destination` of another core."""

    client: int
    source: Slot
    core: int
    destination: Slot


@dataclass(frozen=True, slots=True)
class RetypeSlot:
    """Retype the capability in `source`, the new ones to go into the empty `slots`."""

    client: int
    source: Slot
    request: Retype
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class DeleteSlot:
    """Delete the capability in `slot`."""

    client: int
    slot: Slot


@dataclass(frozen=True, slots=True)
class RevokeSlot:
    """Delete, on all cores, the copies and descendants of the capability in `slot`, which stays."""

    client: int
    slot: Slot


Request = CopyTo | RetypeSlot | DeleteSlot | RevokeSlot


@dataclass(frozen=True, slots=True)
class Answer:
    """How the request of that client went: every request has exactly one."""

    client: int
    code: ErrorCode


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """RAM that no capability on any core names any more, to go back to the memory server."""

    ram: Object


# -- between monitors --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RequestCopy:
    """To the owner: send a copy to `core` (capops_request_copy)."""

    operation: int
    capability: Capability
    core: int
    destination: Slot


@dataclass(frozen=True, slots=True)
class ReceiveCopy:
    """From the owner: take this copy (capops_recv_copy)."""

    operation: int
    capability: Capability
    locality: Locality
    destination: Slot


@dataclass(frozen=True, slots=True)
class CopyResult:
    """To the owner: whether it was taken (capops_recv_copy_result)."""

    operation: int
    code: ErrorCode


@dataclass(frozen=True, slots=True)
class CopyDone:
    """From the owner to who asked for the copy (capops_request_copy_result)."""

    operation: int
    code: ErrorCode


@dataclass(frozen=True, slots=True)
class FindCopy:
    """Have you got a copy (capops_find_cap)?"""

    operation: int
    object: Object


@dataclass(frozen=True, slots=True)
class FindResult:
    """Whether there is one."""

    operation: int
    found: bool


@dataclass(frozen=True, slots=True)
class Move:
    """Become the owner (capops_move_request)."""

    operation: int
    object: Object
    locality: Locality


@dataclass(frozen=True, slots=True)
class MoveResult:
    """Whether the sender is the owner now."""

    operation: int
    code: ErrorCode


@dataclass(frozen=True, slots=True)
class UpdateOwner:
    """The sender is the owner now (capops_update_owner)."""

    operation: int
    object: Object


@dataclass(frozen=True, slots=True)
class OwnerUpdated:
    """That is known here."""

    operation: int


@dataclass(frozen=True, slots=True)
class Retrieve:
    """To the owner: let me be the owner (capops_retrieve_request)."""

    operation: int
    object: Object


@dataclass(frozen=True, slots=True)
class RetrieveResult:
    """Whether the receiver is the owner now, and what the old one knew if so."""

    operation: int
    code: ErrorCode
    locality: Locality | None


@dataclass(frozen=True, slots=True)
class RequestRetype:
    """To the owner: may `size` from `base` on be retyped (capops_request_retype)?"""

    operation: int
    object: Object
    base: int
    size: int


@dataclass(frozen=True, slots=True)
class RetypeResponse:
    """From the owner: whether it may, and the number of its own operation, which waits if so."""

    operation: int
    code: ErrorCode
    theirs: int = 0


@dataclass(frozen=True, slots=True)
class RetypeMade:
    """To the owner that said yes: it has been made, or never will be."""

    operation: int


@dataclass(frozen=True, slots=True)
class CheckRetypeable:
    """From the owner to all: has nothing been made of that part, and take in nothing that was, until told."""

    operation: int
    object: Object
    base: int
    size: int


@dataclass(frozen=True, slots=True)
class RetypeableResult:
    """OK or REVOKE_FIRST."""

    operation: int
    code: ErrorCode


@dataclass(frozen=True, slots=True)
class RetypeDecided:
    """From the owner: the check is over."""

    operation: int


@dataclass(frozen=True, slots=True)
class DeleteRemote:
    """From the owner: delete your copies (capops_delete_remote)."""

    operation: int
    object: Object


@dataclass(frozen=True, slots=True)
class DeleteRemoteResult:
    """They are deleted."""

    operation: int


@dataclass(frozen=True, slots=True)
class RevokeMark:
    """From the owner: mark your copies and descendants; nothing more may be done with them."""

    operation: int
    object: Object


@dataclass(frozen=True, slots=True)
class RevokeReady:
    """They are marked, and no operation of the sender on any of them is under way."""

    operation: int


@dataclass(frozen=True, slots=True)
class RevokeCommit:
    """All are ready: sweep."""

    operation: int


@dataclass(frozen=True, slots=True)
class RevokeDone:
    """They are gone."""

    operation: int


Message = (
    RequestCopy | ReceiveCopy | CopyResult | CopyDone | FindCopy | FindResult | Move | MoveResult
    | UpdateOwner | OwnerUpdated | Retrieve | RetrieveResult | RequestRetype | RetypeResponse | RetypeMade
    | CheckRetypeable | RetypeableResult | RetypeDecided | DeleteRemote | DeleteRemoteResult
    | RevokeMark | RevokeReady | RevokeCommit | RevokeDone
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Send:
    """A message to the monitor of `core`."""

    core: int
    message: Message


Output = Send | Answer | Reclaimed
