"""What the CPU driver does to capabilities: copy, mint, retype, delete and revoke, within its core.

Slots here are already looked up (`invocations` does that for programs). Every function does all of what it is
asked, or raises a CapabilityError and has changed nothing. What needs other cores is refused with the code
that sends the caller to its monitor: RETRY_THROUGH_MONITOR, DELETE_LAST_OWNED; what an operation between cores
has locked or marked, with REMOTE_CAP_RETRY.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kernel.capabilities.capability import Capability, Object, Rights
from kernel.capabilities.database import Database, Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.types import KINDS, PAGE_BYTES, RETYPES_TO, Copying, ObjectType, Space

CONTAINERS = frozenset({ObjectType.L1_CNODE, ObjectType.L2_CNODE, ObjectType.DISPATCHER})
"""Types whose objects hold capabilities: CNodes, and a dispatcher the root of its capability space."""


@dataclass(slots=True)
class Aftermath:
    """What deleting left to do: `limbo`, slots of destroyed CNodes to be deleted through the monitor; `reclaimed`,
    RAM that nobody on any core can name any more and that goes back to the memory server."""

    limbo: list[Slot] = field(default_factory=list)
    reclaimed: list[Object] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Retype:
    """What to make: `count` objects of `type`, `size` units each, from `offset` units into the source on.

    `size` may be 0 where the type has only one. `fields` tells a new endpoint or identifier apart.
    """

    type: ObjectType
    offset: int = 0
    size: int = 0
    count: int = 1
    fields: tuple[int, ...] = ()


def held(database: Database, slot: Slot) -> Capability:
    """The capability in a slot; CAP_NOT_FOUND if there is none."""
    capability = database.get(slot)
    if capability is None:
        raise CapabilityError(ErrorCode.CAP_NOT_FOUND, f"no capability in {slot}")
    return capability


def not_busy(database: Database, target: Object) -> None:
    """Refuse with REMOTE_CAP_RETRY while an operation between cores has the object."""
    if database.busy(target):
        raise CapabilityError(ErrorCode.REMOTE_CAP_RETRY, f"{target} is in an operation between cores; try again")


def copy(database: Database, source: Slot, destination: Slot, rights: Rights | None = None) -> None:
    """Put a copy into an empty slot; with `rights` (mint) the copy allows only those, which the source must have.

    Raises CAP_NOT_FOUND, SLOT_IN_USE, INVALID_ARGUMENTS for rights the source lacks, REMOTE_CAP_RETRY.
    """
    capability = held(database, source)
    if database.get(destination) is not None:
        raise CapabilityError(ErrorCode.SLOT_IN_USE, f"{destination} holds a capability; delete it first")
    if rights is not None:
        if rights not in capability.rights:
            raise CapabilityError(
                ErrorCode.INVALID_ARGUMENTS, f"rights {rights} of a capability that has {capability.rights}"
            )
        capability = Capability(capability.object, rights)
    if KINDS[capability.type].copying is Copying.NEVER:
        raise CapabilityError(ErrorCode.ILLEGAL_INVOCATION, f"{capability.type} is never copied")
    if database.held(capability.object):
        raise CapabilityError(ErrorCode.REMOTE_CAP_RETRY, f"{capability.object} is in an operation; try again")
    database.insert(destination, capability, database.locality[capability.object].owner)


# -- retype ----------------------------------------------------------------------------------------


def retyped(source: Capability, request: Retype, core: int) -> list[Object]:
    """The objects that a retype on `core` makes. Raises what is wrong with the request by itself.

    That is INVALID_RETYPE, RETYPE_MAPPING_EXPLICIT, INVALID_SIZE, RETYPE_INVALID_COUNT, RETYPE_INVALID_OFFSET,
    INVALID_ARGUMENTS.
    """
    kind = KINDS[request.type]
    if kind.maps is not None:
        raise CapabilityError(ErrorCode.RETYPE_MAPPING_EXPLICIT, f"a {request.type} is made by mapping")
    if request.type not in RETYPES_TO[source.type]:
        makes = ", ".join(each for each in RETYPES_TO[source.type] if KINDS[each].maps is None) or "nothing"
        raise CapabilityError(ErrorCode.INVALID_RETYPE, f"{source.type} to {request.type}; it makes {makes}")
    if kind.shares or kind.space is Space.NONE:  # endpoints and identifiers stand on the whole of their source
        if request.count != 1:
            raise CapabilityError(ErrorCode.RETYPE_INVALID_COUNT, f"{request.count} {request.type}; one at a time")
        # Identifiers begin with the core that gives them out, so that no two cores make the same one.
        fields = request.fields if kind.space is Space.MEMORY else (core, *request.fields)
        return [Object(request.type, source.object.base, source.object.size, fields)]
    if request.fields:
        raise CapabilityError(ErrorCode.INVALID_ARGUMENTS, f"{request.type} takes no fields")
    size = request.size or kind.object_bytes or 0
    if size <= 0 or size % kind.granule or kind.object_bytes not in (None, size):
        wanted = f"is {kind.object_bytes}" if kind.object_bytes else f"is a multiple of {kind.granule}"
        raise CapabilityError(ErrorCode.INVALID_SIZE, f"{request.type} of size {request.size}; it {wanted}")
    if request.count < 1:
        raise CapabilityError(ErrorCode.RETYPE_INVALID_COUNT, f"{request.count} objects; at least 1")
    base = source.object.base + request.offset
    alignment = min(kind.granule, PAGE_BYTES)
    if request.offset < 0 or base % alignment or base >= source.object.end:
        raise CapabilityError(
            ErrorCode.RETYPE_INVALID_OFFSET,
            f"offset {request.offset} into {source.object.size}; a multiple of {alignment} below that",
        )
    if base + size * request.count > source.object.end:
        raise CapabilityError(
            ErrorCode.RETYPE_INVALID_COUNT,
            f"{request.count} of size {size} from {request.offset} on; the source has {source.object.size}",
        )
    return [Object(request.type, base + size * each, size) for each in range(request.count)]


def needs_check(source: Object, objects: Sequence[Object]) -> bool:
    """Whether nothing else may stand where `objects` will: not for what shares, nor for a copy of the source."""
    first = objects[0]
    return first != source and not KINDS[first.type].shares


def check_destination(database: Database, slots: Sequence[Slot]) -> None:
    """Refuse slots that hold something."""
    if any(database.get(slot) is not None for slot in slots):
        raise CapabilityError(ErrorCode.SLOTS_IN_USE, "a destination slot holds a capability; delete it first")


def extent(objects: Sequence[Object]) -> tuple[int, int]:
    """Base and size of what adjacent objects take together."""
    return objects[0].base, objects[-1].end - objects[0].base


def not_in_the_way(database: Database, source: Object, objects: Sequence[Object]) -> None:
    """Refuse with REVOKE_FIRST where this core has a descendant of `source` on any of it."""
    if needs_check(source, objects):
        found = database.in_the_way(source, *extent(objects))
        if found is not None:
            raise CapabilityError(ErrorCode.REVOKE_FIRST, f"{found} was made of it already")


def create(database: Database, source: Slot, slots: Sequence[Slot], objects: Sequence[Object]) -> None:
    """Make the objects' first capabilities, or copies of the source; all has been checked."""
    capability = database.slots[source]
    locality = database.locality[capability.object]
    for slot, target in zip(slots, objects, strict=True):
        if target == capability.object:
            database.insert(slot, capability, locality.owner)
            continue
        database.insert(slot, Capability(target, capability.rights), database.core)
        # Whoever owns the new object must not give its memory back while another core has what it is made of.
        if locality.owner != database.core or locality.remote_copies or locality.remote_ancestors:
            database.locality[target] = database.locality[target]._replace(remote_ancestors=True)


def retype(database: Database, source: Slot, request: Retype, slots: Sequence[Slot]) -> None:
    """Make new objects of a part of another, their capabilities in empty `slots`, `request.count` of them.

    Raises what `retyped` does, SLOTS_IN_USE, REVOKE_FIRST, REMOTE_CAP_RETRY, and RETRY_THROUGH_MONITOR where
    other cores may have something in the way.
    """
    capability = held(database, source)
    objects = retyped(capability, request, database.core)
    check_destination(database, slots)
    not_busy(database, capability.object)
    if any(database.busy(each) for each in objects):
        raise CapabilityError(ErrorCode.REMOTE_CAP_RETRY, "what is to be made is still being revoked; try again")
    not_in_the_way(database, capability.object, objects)
    locality = database.locality[capability.object]
    if request.type is ObjectType.ENDPOINT_LMP and locality.owner != database.core:
        raise CapabilityError(ErrorCode.CAP_FOREIGN, f"the dispatcher is core {locality.owner}'s")
    if needs_check(capability.object, objects) and (
        locality.owner != database.core or locality.remote_descendants
    ):
        raise CapabilityError(
            ErrorCode.RETRY_THROUGH_MONITOR, f"other cores may use {capability.object}; ask the monitor"
        )
    create(database, source, slots, objects)


# -- delete and revoke -----------------------------------------------------------------------------


def discard(database: Database, slot: Slot, aftermath: Aftermath) -> None:
    """Take a capability out of its slot for good. The last of a CNode takes what is in it along, into limbo."""
    target = database.slots[slot].object
    locality = database.locality[target]
    database.remove(slot)
    if database.has(target) or locality.owner != database.core:
        return
    if target.type in CONTAINERS:
        database.epoch += 1
        aftermath.limbo += [database.to_limbo(each) for each in database.contents(target.base)]
    if (
        KINDS[target.type].space is Space.MEMORY and KINDS[target.type].maps is None
        and not (locality.remote or locality.remote_ancestors)
        and not database.in_use(target)
    ):
        aftermath.reclaimed.append(Object(ObjectType.RAM, target.base, target.size))


def is_last_owned(database: Database, slot: Slot) -> bool:
    """Whether deleting the slot's capability would leave copies on other cores without an owner."""
    target = database.slots[slot].object
    locality = database.locality[target]
    return locality.owner == database.core and locality.remote_copies and len(database.copies(target)) == 1


def delete(database: Database, slot: Slot) -> Aftermath:
    """Delete the capability in a slot, and what was in it if it was the last of a CNode.

    Raises CAP_NOT_FOUND, REMOTE_CAP_RETRY, and DELETE_LAST_OWNED where copies on other cores need a new owner.
    """
    target = held(database, slot).object
    not_busy(database, target)
    if is_last_owned(database, slot):
        raise CapabilityError(
            ErrorCode.DELETE_LAST_OWNED, f"other cores may have copies of {target}; ask the monitor"
        )
    aftermath = Aftermath()
    discard(database, slot, aftermath)
    return sweep_limbo(database, aftermath)


def sweep_limbo(database: Database, aftermath: Aftermath) -> Aftermath:
    """Delete of what is in limbo all that needs no other core; the rest is left in `limbo`."""
    left: list[Slot] = []
    while aftermath.limbo:
        slot = aftermath.limbo.pop()
        if database.get(slot) is None:
            continue  # a mapping, gone with what it mapped
        if database.busy(database.slots[slot].object) or is_last_owned(database, slot):
            left.append(slot)
        else:
            discard(database, slot, aftermath)
    aftermath.limbo = left
    return aftermath


def revoke(database: Database, slot: Slot) -> Aftermath:
    """Delete all copies of the slot's capability, and all that was made of it; the slot's own stays.

    Raises CAP_NOT_FOUND, REMOTE_CAP_RETRY, and RETRY_THROUGH_MONITOR where other cores may have some of it.
    """
    target = held(database, slot).object
    not_busy(database, target)
    locality = database.locality[target]
    if (
        locality.owner != database.core or locality.remote
        or any(each in database.locks for each in database.descendants(target))
    ):  # fmt: skip
        raise CapabilityError(
            ErrorCode.RETRY_THROUGH_MONITOR, f"other cores may have some of {target}; ask the monitor"
        )
    return sweep_limbo(database, uproot(database, target, keep=slot))


def uproot(database: Database, target: Object, keep: Slot | None = None) -> Aftermath:
    """Discard all capabilities here to an object and its descendants, but for the one in slot `keep`."""
    aftermath = Aftermath()
    for each in [*database.descendants(target), target]:
        # A CNode may hold capabilities to itself, which go into limbo with it: look anew each time.
        while slots := [slot for slot in database.copies(each) if slot != keep]:
            discard(database, slots[0], aftermath)
    aftermath.limbo = [slot for slot in aftermath.limbo if database.get(slot) is not None]
    return aftermath
