"""The capability system calls as a program makes them: everything is named by an address in its own space.

A program has no other way to name anything: not slots, not objects, not physical addresses. `to` is the address
of another L1 CNode it holds, to name the destination in that space instead.
"""

from __future__ import annotations

from kernel.capabilities import operations
from kernel.capabilities.capability import Object, Rights
from kernel.capabilities.cspace import Address, CSpace
from kernel.capabilities.database import Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.operations import Aftermath, Retype
from kernel.capabilities.types import ObjectType


class Invocations:
    """The system calls of a dispatcher whose capability space is `space`. All raise CapabilityError."""

    def __init__(self, space: CSpace) -> None:
        self.space = space
        self.database = space.database

    def copy(self, source: Address, destination: Address, to: Address | None = None) -> None:
        """Copy the capability at `source` into the empty slot `destination`."""
        self._copy(source, destination, None, to)

    def mint(self, source: Address, destination: Address, rights: Rights, to: Address | None = None) -> None:
        """Copy with no rights but `rights`, all of which the source must have."""
        self._copy(source, destination, rights, to)

    def _copy(self, source: Address, destination: Address, rights: Rights | None, to: Address | None) -> None:
        slot, capability = self.space.lookup(source)
        empty = self._destination(destination, to, 1, capability.type)
        operations.copy(self.database, slot, empty[0], rights)

    def retype(self, source: Address, request: Retype, destination: Address, to: Address | None = None) -> None:
        """Make `request.count` objects, and put their capabilities into the slots from `destination` on."""
        slot, _ = self.space.lookup(source)
        empty = self._destination(destination, to, max(1, request.count), request.type)
        operations.retype(self.database, slot, request, empty)

    def delete(self, address: Address) -> Aftermath:
        """Delete the capability at `address`."""
        return operations.delete(self.database, self.to_delete(address))

    def revoke(self, address: Address) -> Aftermath:
        """Delete all copies and descendants of the capability at `address`, which stays."""
        return operations.revoke(self.database, self.space.lookup(address)[0])

    def identify(self, address: Address) -> Object:
        """What the capability at `address` names; it must have the right to be asked."""
        _, capability = self.space.lookup(address)
        if Rights.IDENTIFY not in capability.rights:
            raise CapabilityError(
                ErrorCode.ILLEGAL_INVOCATION, f"{address} allows {capability.rights}, not to be identified"
            )
        return capability.object

    def to_delete(self, address: Address) -> Slot:
        """The slot at `address`, which must hold something and be in a CNode that may be written."""
        if address.level == 0:
            raise CapabilityError(ErrorCode.CAP_LOOKUP_DEPTH, "the root of a space goes with its dispatcher")
        slot = self.space.slot(address, Rights.READ | Rights.WRITE)
        operations.held(self.database, slot)
        return slot

    def to_send(self, address: Address) -> Slot:
        """The slot of a capability that may be given to others, by message or to another core."""
        slot, capability = self.space.lookup(address)
        if Rights.GRANT not in capability.rights:
            raise CapabilityError(
                ErrorCode.ILLEGAL_INVOCATION, f"{address} allows {capability.rights}, not to be given away"
            )
        return slot

    def _destination(self, address: Address, to: Address | None, count: int, kind: ObjectType) -> list[Slot]:
        if address.level == 1 and kind is not ObjectType.L2_CNODE:
            raise CapabilityError(ErrorCode.DEST_TYPE_INVALID, f"a {kind} in an L1 CNode, which holds L2 CNodes")
        space = self.space if to is None else self.space.other(to)
        return space.destination(address, count)
