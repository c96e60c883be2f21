"""Capability spaces: how a program names the capabilities it holds, and by which nothing else can be named.

Two levels of tables (CNodes), themselves objects made from RAM: a root L1 CNode whose slots hold capabilities to L2
CNodes of 256 slots each. An address (caddr) is the L1 slot's number << 8 | the L2 slot's. A name is looked up from
a root that the CPU driver keeps for the dispatcher, one table after the other, each of which must allow it.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernel.capabilities.capability import Capability, Rights
from kernel.capabilities.database import Database, Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.types import L2_SLOTS, SLOT_BYTES, ObjectType

L2_BITS = 8
ADDRESS_BITS = 32


@dataclass(frozen=True, slots=True)
class Address:
    """A name in a capability space. `level`: 0 the root itself, 1 a slot of the L1 CNode, 2 one of an L2 CNode."""

    caddr: int
    level: int = 2

    @property
    def l1(self) -> int:
        return self.caddr >> L2_BITS

    def __str__(self) -> str:
        low = f".{self.caddr % L2_SLOTS}" if self.level == 2 else ""
        return f"{self.l1}{low}" if self.level else "root"


ROOT = Address(0, 0)


def slots_of(cnode: Capability) -> int:
    """How many slots a CNode has."""
    return cnode.object.size // SLOT_BYTES


class CSpace:
    """The capability space whose root L1 CNode is named by the capability in slot `root` of `database`."""

    def __init__(self, database: Database, root: Slot) -> None:
        self.database = database
        self.root = root

    def slot(self, address: Address, need: Rights = Rights.READ) -> Slot:
        """The slot that an address names, whatever it holds; `need` is what all its CNodes must allow.

        Raises CNODE_NOT_FOUND, CNODE_TYPE, CNODE_RIGHTS, L1_CNODE_INDEX, CAP_LOOKUP_DEPTH, CAP_FOREIGN.
        """
        if address.level == 0:
            return self.root
        if address.level not in (1, 2) or not 0 <= address.caddr < 1 << ADDRESS_BITS:
            raise CapabilityError(
                ErrorCode.CAP_LOOKUP_DEPTH,
                f"address {address.caddr} at level {address.level}; addresses are 32 bits, levels 0 to 2",
            )
        l1 = self._cnode(self.root, ObjectType.L1_CNODE, need, "root")
        if address.l1 >= slots_of(l1):
            raise CapabilityError(
                ErrorCode.L1_CNODE_INDEX, f"slot {address.l1} of the L1 CNode, which has {slots_of(l1)}"
            )
        slot = Slot(l1.object.base, address.l1)
        if address.level == 1:
            return slot
        l2 = self._cnode(slot, ObjectType.L2_CNODE, need, str(address.l1))
        return Slot(l2.object.base, address.caddr % L2_SLOTS)

    def _cnode(self, slot: Slot, kind: ObjectType, need: Rights, where: str) -> Capability:
        capability = self.database.get(slot)
        if capability is None:
            raise CapabilityError(ErrorCode.CNODE_NOT_FOUND, f"no CNode at {where}")
        if capability.type is not kind:
            raise CapabilityError(ErrorCode.CNODE_TYPE, f"{where} holds a {capability.type}, not an {kind}")
        if need not in capability.rights:
            raise CapabilityError(
                ErrorCode.CNODE_RIGHTS, f"the CNode at {where} allows {capability.rights}, {need} is needed"
            )
        if not self.database.owns(capability.object):
            owner = self.database.locality[capability.object].owner
            raise CapabilityError(ErrorCode.CAP_FOREIGN, f"the CNode at {where} is core {owner}'s")
        return capability

    def lookup(self, address: Address) -> tuple[Slot, Capability]:
        """The slot and the capability that an address names; an empty slot raises CAP_NOT_FOUND."""
        slot = self.slot(address)
        capability = self.database.get(slot)
        if capability is None:
            raise CapabilityError(ErrorCode.CAP_NOT_FOUND, f"no capability at {address}")
        return slot, capability

    def other(self, address: Address) -> CSpace:
        """The capability space whose root is the L1 CNode that this one has at `address`."""
        slot, capability = self.lookup(address)
        if capability.type is not ObjectType.L1_CNODE:
            raise CapabilityError(ErrorCode.CNODE_NOT_ROOT, f"{address} holds a {capability.type}, not an L1CNode")
        return CSpace(self.database, slot)

    def destination(self, address: Address, count: int = 1) -> list[Slot]:
        """`count` slots from an address on, which must all be in one CNode and empty, to be written to."""
        first = self.slot(address, Rights.READ | Rights.WRITE)
        size = L2_SLOTS if address.level == 2 else slots_of(self.database.slots[self.root]) if address.level else 0
        room = max(0, size - first.entry)
        if count > room:
            raise CapabilityError(ErrorCode.SLOTS_INVALID, f"{count} slots from {address} on; the CNode has {room}")
        slots = [Slot(first.cnode, first.entry + each) for each in range(count)]
        if any(self.database.get(each) is not None for each in slots):
            code = ErrorCode.SLOT_IN_USE if count == 1 else ErrorCode.SLOTS_IN_USE
            raise CapabilityError(code, f"a slot of {count} from {address} on holds a capability; delete it first")
        return slots

    def walk(self) -> list[tuple[Address, Capability]]:
        """Every capability the space names, by address; a CNode that holds itself is entered once."""
        database = self.database
        root = database.get(self.root)
        if root is None or root.type is not ObjectType.L1_CNODE or not database.owns(root.object):
            return []
        found = []
        for outer in database.contents(root.object.base):
            capability = database.slots[outer]
            found.append((Address(outer.entry << L2_BITS, 1), capability))
            if capability.type is ObjectType.L2_CNODE and database.owns(capability.object):
                for inner in database.contents(capability.object.base):
                    found.append((Address(outer.entry << L2_BITS | inner.entry), database.slots[inner]))
        return found


@dataclass(frozen=True, slots=True)
class CSpaceEntry:
    """One line of `print_cspace`: a capability, who owns its object, and how many this core has of it."""

    address: str
    type: str
    base: int
    size_bytes: int
    rights: str
    owner: int
    copies: int


def print_cspace(space: CSpace) -> list[CSpaceEntry]:
    """What the shell's `print_cspace` shows, a line for each capability in the order of addresses."""
    database = space.database
    return [
        CSpaceEntry(
            str(address), capability.type, capability.object.base, capability.object.size,
            str(capability.rights), database.locality[capability.object].owner,
            len(database.copies(capability.object)),
        )
        for address, capability in space.walk()
    ]
