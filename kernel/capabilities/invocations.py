"""The capability system calls as a program makes them: everything is named by an address in its own space.

A program has no other way to name anything: not slots, not objects, not physical addresses. `to` is the address
of another L1 CNode it holds, to name the destination in that space instead.
"""

from __future__ import annotations

from kernel.capabilities import operations
from kernel.capabilities.capability import Object, Rights
from kernel.capabilities.cspace import L2_BITS, Address, CSpace, slots_of
from kernel.capabilities.database import Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.messages import CopyTo, DeleteSlot, RetypeSlot, RevokeSlot
from kernel.capabilities.operations import Aftermath, Retype
from kernel.capabilities.types import L2_SLOTS, ObjectType
from kernel.capabilities.virtual_memory import PageTables

GROWTHS = 7
"""So many L2 CNodes the library adds to a space when it needs slots; the RAM of each has a slot of the task CNode."""


class Invocations:
    """The system calls of a dispatcher whose capability space is `space`. All raise CapabilityError."""

    def __init__(self, space: CSpace, page_tables: PageTables) -> None:
        self.space = space
        self.database = space.database
        self.page_tables = page_tables
        self._reserved: set[Address] = set()  # empty slots that the program's library has given out

    # -- which slots are free, as the program's library keeps account --------------------------------

    def cnodes(self) -> list[int]:
        """The L1 slots of the L2 CNodes to give slots out of: the task CNode, and those added after it."""
        root = self.database.slots[self.space.root].object.base
        found = {slot.entry for slot in self.database.contents(root)}
        return [entry for entry in range(slots_of(self.database.slots[self.space.root])) if entry in found]

    def reserve(self) -> Address | None:
        """An empty slot that nobody else is given; from the last of a CNode down, as programs name the first."""
        for l1 in self.cnodes():
            for entry in range(L2_SLOTS - 1, -1, -1):
                address = Address(l1 << L2_BITS | entry)
                if (l1 == 0 and entry >= L2_SLOTS - GROWTHS) or address in self._reserved:
                    continue
                if self.database.get(self.space.slot(address)) is None:
                    self._reserved.add(address)
                    return address
        return None

    def reserve_for_receiving(self) -> Address:
        """An empty slot for a capability that comes in a message; LMP_SLOT_OCCUPIED where there is none."""
        address = self.reserve()
        if address is None:
            raise CapabilityError(ErrorCode.LMP_SLOT_OCCUPIED, "the receiver has no empty slot left")
        return address

    def free(self, address: Address) -> None:
        """The slot is empty again, or never was filled."""
        self._reserved.discard(address)

    def growth(self) -> tuple[Address, Address]:
        """Where the RAM of one more L2 CNode goes, and the CNode itself; NO_SLOT when there have been enough."""
        number = len(self.cnodes())
        if number > GROWTHS:
            raise CapabilityError(ErrorCode.NO_SLOT, f"all {number * L2_SLOTS} slots are taken; delete some")
        return Address(L2_SLOTS - number), Address(number << L2_BITS, 1)

    # -- system calls ------------------------------------------------------------------------------

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

    def transfer(self, address: Address, destination: Slot, give_away: bool = False) -> Aftermath:
        """Hand a capability on with a local message, to the slot that the receiver has kept free for it.

        With `give_away` the sender keeps none (LMP's GIVEAWAY). Raises LMP_SOURCE_LOOKUP, LMP_SLOT_OCCUPIED,
        ILLEGAL_INVOCATION without the right to grant, REMOTE_CAP_RETRY.
        """
        try:
            slot = self.to_send(address)
        except CapabilityError as error:
            if error.code is ErrorCode.ILLEGAL_INVOCATION:
                raise
            raise CapabilityError(ErrorCode.LMP_SOURCE_LOOKUP, str(error)) from None
        if self.database.get(destination) is not None:
            raise CapabilityError(ErrorCode.LMP_SLOT_OCCUPIED, f"the receiver's {destination} holds a capability")
        if give_away:
            self.to_delete(address)  # the CNode it is in must allow it
            operations.not_busy(self.database, self.database.slots[slot].object)
        operations.copy(self.database, slot, destination)
        return operations.delete(self.database, slot) if give_away else Aftermath()

    # -- what the kernel has sent to the monitor (RETRY_THROUGH_MONITOR, DELETE_LAST_OWNED) ----------------

    def retype_through_monitor(
        self, client: int, source: Address, request: Retype, destination: Address, to: Address | None = None
    ) -> RetypeSlot:
        """The same retype, as a request to the core's monitor."""
        slot, _ = self.space.lookup(source)
        empty = self._destination(destination, to, max(1, request.count), request.type)
        return RetypeSlot(client, slot, request, tuple(empty))

    def delete_through_monitor(self, client: int, address: Address) -> DeleteSlot:
        """The same delete, as a request to the core's monitor."""
        return DeleteSlot(client, self.to_delete(address))

    def revoke_through_monitor(self, client: int, address: Address) -> RevokeSlot:
        """The same revoke, as a request to the core's monitor."""
        return RevokeSlot(client, self.space.lookup(address)[0])

    def send_to(self, client: int, address: Address, core: int, destination: Slot) -> CopyTo:
        """A copy to another core, as a request to the monitor.

        `destination` is a slot of the monitor there (`CoreCapabilities.new_slot`), which hands the copy on by
        `transfer`; a slot in a program's CNode might be gone by then.
        """
        return CopyTo(client, self.to_send(address), core, destination)

    # -- page tables -------------------------------------------------------------------------------

    def map(
        self, vnode: Address, entry: int, source: Address, mapping: Address, rights: Rights,
        offset: int = 0, count: int = 1,
    ) -> None:
        """Enter the object at `source` into the page table at `vnode`; `mapping` gets the capability to the entry."""
        table, _ = self.space.lookup(vnode)
        what, _ = self.space.lookup(source)
        empty = self._destination(mapping, None, 1, ObjectType.FRAME_MAPPING)
        self.page_tables.map(table, entry, what, empty[0], rights, offset, count)

    def unmap(self, vnode: Address, mapping: Address) -> None:
        """Undo a mapping in the page table at `vnode`; its capability goes, too."""
        table, _ = self.space.lookup(vnode)
        self.page_tables.unmap(table, self.to_delete(mapping))

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
