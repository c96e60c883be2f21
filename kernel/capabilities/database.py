"""The mapping database of one core: every capability on it, by slot, by object and by range.

Barrelfish keeps an AA tree with range queries (`lib/mdb`). Here objects are kept by type and size, each list sorted
by base, so that what overlaps a range is found by one bisection for each size there is, in any type that
matters; how many capabilities there are otherwise makes no difference. The database also knows for each object
who owns it and what other cores may have of it (the bits of Barrelfish's `mdbnode`), and which objects an
operation has locked or a revocation has marked.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from kernel.capabilities.capability import Capability, Object
from kernel.capabilities.types import ANCESTORS, KINDS, ObjectType, Space

_DESCENDANTS: dict[ObjectType, tuple[ObjectType, ...]] = {
    source: tuple(each for each, sources in ANCESTORS.items() if source in sources) for source in KINDS
}
_IN_MEMORY = tuple(each for each, kind in KINDS.items() if kind.space is Space.MEMORY)
_RELATIVES = {each: tuple({*ANCESTORS[each], *_DESCENDANTS[each]}) for each in KINDS}


class Slot(NamedTuple):
    """A place for a capability: number `entry` of the CNode (or dispatcher) at physical address `cnode`."""

    cnode: int
    entry: int

    def __str__(self) -> str:
        return f"slot {self.entry} of the CNode at 0x{self.cnode:x}"


LIMBO = -1
"""The `cnode` of slots of CNodes that are gone, whose capabilities are still to be deleted: nobody can name them."""


EXCLUSIVE = -1


class Locality(NamedTuple):
    """What a core knows of an object on other cores: at its owner False is certain, True may be out of date."""

    owner: int
    remote_copies: bool = False
    remote_descendants: bool = False
    remote_ancestors: bool = False

    @property
    def remote(self) -> bool:
        """Whether another core may have a copy or a descendant."""
        return self.remote_copies or self.remote_descendants


class Watcher(Protocol):
    """What wants to know when a capability leaves a slot."""

    def removed(self, slot: Slot, capability: Capability) -> None: ...

    def moved(self, old: Slot, new: Slot) -> None: ...


class Database:
    """The capabilities of core `core`."""

    def __init__(self, core: int) -> None:
        self.core = core
        self.slots: dict[Slot, Capability] = {}
        self.locality: dict[Object, Locality] = {}  # of every object here, and of no other
        self.locks: dict[Object, int] = {}  # EXCLUSIVE, or how many copies of it are on their way
        self.marks: dict[tuple[int, int], Object] = {}  # what is being revoked, by core and its operation
        self.epoch = 0  # how many CNodes have been destroyed; with the same, slots are where they were
        self.watchers: list[Watcher] = []
        self._copies: dict[Object, dict[Slot, None]] = {}
        self._sorted: dict[ObjectType, dict[int, list[Object]]] = {}  # by size; each list by base, then fields
        self._in: dict[int, dict[Slot, None]] = {}  # by CNode
        self._limbo = 0

    def clone(self) -> Database:
        """A database with the same contents, which nothing watches."""
        other = Database(self.core)
        other.slots = self.slots.copy()
        other.locality = self.locality.copy()
        other.locks = self.locks.copy()
        other.marks = self.marks.copy()
        other._copies = {each: slots.copy() for each, slots in self._copies.items()}
        other._sorted = {
            each: {size: objects.copy() for size, objects in sizes.items()} for each, sizes in self._sorted.items()
        }
        other._in = {cnode: slots.copy() for cnode, slots in self._in.items()}
        other._limbo = self._limbo
        other.epoch = self.epoch
        return other

    # -- changes -----------------------------------------------------------------------------------

    def insert(self, slot: Slot, capability: Capability, owner: int) -> None:
        """Put a capability into an empty slot. `owner` matters for the first of an object on this core."""
        assert slot not in self.slots, f"{slot} is in use"
        target = capability.object
        self.slots[slot] = capability
        self._in.setdefault(slot.cnode, {})[slot] = None
        copies = self._copies.get(target)
        if copies is None:
            self._copies[target] = {slot: None}
            self.locality[target] = Locality(owner)
            insort(self._sorted.setdefault(target.type, {}).setdefault(target.size, []), target)
        else:
            copies[slot] = None

    def remove(self, slot: Slot) -> Capability:
        """Take the capability out of a slot that has one."""
        capability = self.slots.pop(slot)
        target = capability.object
        self._leave(slot)
        copies = self._copies[target]
        del copies[slot]
        if not copies:
            del self._copies[target], self.locality[target]
            sizes = self._sorted[target.type]
            objects = sizes[target.size]
            del objects[bisect_left(objects, target)]
            if not objects:
                del sizes[target.size]
        for watcher in self.watchers:
            watcher.removed(slot, capability)
        return capability

    def to_limbo(self, slot: Slot) -> Slot:
        """Move the capability of a slot to where nobody can name it; returns its new slot."""
        self._limbo += 1
        new = Slot(LIMBO, self._limbo)
        capability = self.slots.pop(slot)
        self._leave(slot)
        self.slots[new] = capability
        self._in.setdefault(LIMBO, {})[new] = None
        copies = self._copies[capability.object]
        del copies[slot]
        copies[new] = None
        for watcher in self.watchers:
            watcher.moved(slot, new)
        return new

    def _leave(self, slot: Slot) -> None:
        siblings = self._in[slot.cnode]
        del siblings[slot]
        if not siblings:
            del self._in[slot.cnode]

    # -- questions ---------------------------------------------------------------------------------

    def get(self, slot: Slot) -> Capability | None:
        """What the slot holds."""
        return self.slots.get(slot)

    def has(self, target: Object) -> bool:
        """Whether this core has a capability to the object."""
        return target in self._copies

    def copies(self, target: Object) -> tuple[Slot, ...]:
        """The slots that hold a capability to the object, oldest first."""
        return tuple(self._copies.get(target, ()))

    def contents(self, cnode: int) -> list[Slot]:
        """The slots in use of the CNode or dispatcher at that address, in order."""
        return sorted(self._in.get(cnode, ()))

    def _overlapping(self, types: tuple[ObjectType, ...], target: Object) -> Iterator[Object]:
        """Objects of those types that have at least a unit of the range, or are of no range."""
        for each in types:
            for size, objects in self._sorted.get(each, {}).items():
                if size == 0:
                    yield from objects
                    continue
                first = bisect_right(objects, target.base - size, key=lambda one: one.base)
                for index in range(first, len(objects)):
                    if objects[index].base >= target.end:
                        break
                    yield objects[index]

    def descendants(self, target: Object) -> list[Object]:
        """The objects here that come of `target`, sorted."""
        found = self._overlapping(_DESCENDANTS[target.type], target)
        return sorted(each for each in found if target.is_ancestor_of(each))

    def ancestors(self, target: Object) -> list[Object]:
        """The objects here that `target` comes of, sorted."""
        found = self._overlapping(tuple(ANCESTORS[target.type]), target)
        return sorted(each for each in found if each.is_ancestor_of(target))

    def relatives(self, target: Object) -> list[Object]:
        """Ancestors and descendants."""
        found = self._overlapping(_RELATIVES[target.type], target)
        return sorted(each for each in found if each != target and each.is_related_to(target))

    def in_the_way(self, source: Object, base: int, size: int) -> Object | None:
        """A descendant of `source` on that part of it, which forbids to retype the part; mappings do not."""
        part = source._replace(base=base, size=size)
        for each in self._overlapping(_DESCENDANTS[source.type], part):
            if source.is_ancestor_of(each) and KINDS[each.type].maps is None:
                return each
        return None

    def in_use(self, target: Object) -> bool:
        """Whether there is an object here, mappings apart, on any of the target's memory."""
        return any(KINDS[each.type].maps is None for each in self._overlapping(_IN_MEMORY, target))

    def owns(self, target: Object) -> bool:
        """Whether this core is the object's owner."""
        locality = self.locality.get(target)
        return locality is not None and locality.owner == self.core

    def locality_abroad(self, target: Object) -> Locality:
        """What another core is to know of an object of which it gets a capability from here."""
        own = self.locality[target]
        return Locality(
            own.owner, True,
            own.remote_descendants or bool(self.descendants(target)),
            own.remote_ancestors or bool(self.ancestors(target)),
        )

    def goes_abroad(self, target: Object) -> None:
        """Note that another core gets a capability to an object of which this one has one."""
        self.locality[target] = self.locality[target]._replace(remote_copies=True)
        for each in self.ancestors(target):
            self.locality[each] = self.locality[each]._replace(remote_descendants=True)
        for each in self.descendants(target):
            self.locality[each] = self.locality[each]._replace(remote_ancestors=True)

    # -- locks and marks ---------------------------------------------------------------------------

    def lock(self, target: Object) -> None:
        """Have the object for one operation alone."""
        assert target not in self.locks, f"{target} is locked"
        self.locks[target] = EXCLUSIVE

    def share(self, target: Object) -> None:
        """Have the object for one more copy on its way."""
        self.locks[target] = self.locks.get(target, 0) + 1

    def unlock(self, target: Object) -> None:
        """Undo `lock` or one `share`."""
        count = self.locks.pop(target)
        if count > 1:
            self.locks[target] = count - 1

    def held(self, target: Object) -> bool:
        """Whether the object must not even be copied: an operation has it alone, or it is being revoked."""
        return self.locks.get(target) == EXCLUSIVE or (bool(self.marks) and self.marked(target))

    def marked(self, target: Object) -> bool:
        """Whether the object is being revoked, or comes of what is."""
        return any(each == target or each.is_ancestor_of(target) for each in self.marks.values())

    def busy(self, target: Object) -> bool:
        """Whether an operation has the object, or a revocation is about to take it."""
        return target in self.locks or (bool(self.marks) and self.marked(target))
