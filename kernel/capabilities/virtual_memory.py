"""Page tables as capabilities: x86-64's four levels, built by the programs that use them (dissertation §2.5.3).

A page table is an object made from RAM (VNode). Entering a frame, or a table of the next level, makes a mapping: a
capability of its own, that names the entries and comes of what is mapped. So what is revoked is unmapped, on every
core; what is deleted takes the mappings with it that were made through that very capability; and deleting a
mapping clears its entries. Each clearing is noted in `invalidations`, for the cores that may have the
translation in a TLB (`shootdown`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from kernel.capabilities import operations
from kernel.capabilities.capability import Capability, Object, Rights
from kernel.capabilities.database import Database, Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.types import MAPPING_OF, PAGE_BYTES
from kernel.capabilities.types import ObjectType as T

ENTRIES = 512
"""Entries of a page table, on every level."""
ACCESS = Rights.READ | Rights.WRITE | Rights.EXECUTE
FRAMES = frozenset({T.FRAME, T.DEV_FRAME, T.ENDPOINT_UMP})


@dataclass(frozen=True, slots=True)
class Level:
    """A level of page tables: what else its entries may name, and how much address space each spans."""

    table: T | None
    entry_bytes: int
    maps_frames: bool


LEVELS: dict[T, Level] = {
    T.VNODE_PML4: Level(T.VNODE_PDPT, PAGE_BYTES * ENTRIES**3, maps_frames=False),
    T.VNODE_PDPT: Level(T.VNODE_PDIR, PAGE_BYTES * ENTRIES**2, maps_frames=True),
    T.VNODE_PDIR: Level(T.VNODE_PTABLE, PAGE_BYTES * ENTRIES, maps_frames=True),
    T.VNODE_PTABLE: Level(None, PAGE_BYTES, maps_frames=True),
}


class Mapping(NamedTuple):
    """What `pages` entries from `entry` of `table` on say: `object` from `offset` bytes on."""

    table: Object
    entry: int
    pages: int
    object: Object
    offset: int
    rights: Rights
    slot: Slot  # of the mapping's capability
    through: Slot  # the capability it was made with


class Invalidation(NamedTuple):
    """A range of the address space of the root table at `root` that is not mapped any more."""

    root: int
    base: int
    size: int


class Translation(NamedTuple):
    """Where an address leads: to what physical address, with what rights, by a page of how many bytes."""

    physical: int
    rights: Rights
    page_bytes: int


class PageTables:
    """All page tables of one core; it watches the core's database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.invalidations: list[Invalidation] = []
        self._tables: dict[int, dict[int, Mapping]] = {}  # by address of the table, then entry
        self._mappings: dict[Slot, Mapping] = {}  # by slot of their capability
        self._through: dict[Slot, set[Slot]] = {}  # the mappings made with the capability in a slot
        self._above: dict[int, set[Slot]] = {}  # the mappings of a table into others
        database.watchers.append(self)

    # -- system calls ------------------------------------------------------------------------------

    def map(
        self, vnode: Slot, entry: int, source: Slot, destination: Slot, rights: Rights,
        offset: int = 0, count: int = 1,
    ) -> None:
        """Enter what `source` names into `count` entries of the table `vnode` names; the mapping in `destination`.

        `rights` is what may be done through it, of READ, WRITE and EXECUTE. Raises CAP_NOT_FOUND, SLOT_IN_USE,
        VNODE_TYPE, CAP_FOREIGN, WRONG_MAPPING, VNODE_SLOT_INVALID, MAP_SIZE, FRAME_OFFSET_INVALID,
        FRAME_TOO_SMALL, FRAME_UNALIGNED, MAP_RIGHTS, VNODE_SLOT_IN_USE, REMOTE_CAP_RETRY; then nothing has changed.
        """
        database = self.database
        table = self._table(vnode)
        what = operations.held(database, source)
        operations.check_destination(database, [destination])
        level = LEVELS[table.type]
        if what.type is level.table:
            if offset or count != 1:
                raise CapabilityError(ErrorCode.MAP_SIZE, f"{count} entries from {offset} on for one {what.type}")
        elif level.maps_frames and what.type in FRAMES:
            self._check_frame(what.object, level, offset, count)
        else:
            raise CapabilityError(ErrorCode.WRONG_MAPPING, f"a {what.type} into a {table.type}")
        if not 0 <= entry < ENTRIES:
            raise CapabilityError(ErrorCode.VNODE_SLOT_INVALID, f"entry {entry}; a table has {ENTRIES}")
        if not 0 < count <= ENTRIES - entry:
            raise CapabilityError(ErrorCode.MAP_SIZE, f"{count} entries from {entry} on; a table has {ENTRIES}")
        if rights not in ACCESS or rights not in what.rights:
            raise CapabilityError(ErrorCode.MAP_RIGHTS, f"{rights} of a {what.type} that allows {what.rights}")
        if Rights.WRITE not in table.rights:
            raise CapabilityError(ErrorCode.MAP_RIGHTS, f"the table allows {table.rights}, not to be written")
        entries = self._tables.get(table.object.base, {})
        if any(each in entries for each in range(entry, entry + count)):
            raise CapabilityError(
                ErrorCode.VNODE_SLOT_IN_USE, f"entry {entry} or one of the {count} from there on; unmap first"
            )
        operations.not_busy(database, table.object)
        operations.not_busy(database, what.object)
        fields = (table.object.base, entry, count, offset)
        target = Object(MAPPING_OF[what.type], what.object.base, what.object.size, fields)
        operations.create(database, source, [destination], [target])
        self._enter(
            Mapping(table.object, entry, count, what.object, offset, rights, destination, source)
        )

    def _table(self, vnode: Slot) -> Capability:
        table = operations.held(self.database, vnode)
        if table.type not in LEVELS:
            raise CapabilityError(ErrorCode.VNODE_TYPE, f"a {table.type} is no page table")
        if not self.database.owns(table.object):
            owner = self.database.locality[table.object].owner
            raise CapabilityError(ErrorCode.CAP_FOREIGN, f"the page table is core {owner}'s")
        return table

    @staticmethod
    def _check_frame(frame: Object, level: Level, offset: int, count: int) -> None:
        if not 0 <= offset < frame.size:
            raise CapabilityError(ErrorCode.FRAME_OFFSET_INVALID, f"offset {offset} into {frame.size} bytes")
        if (frame.base + offset) % level.entry_bytes:
            raise CapabilityError(
                ErrorCode.FRAME_UNALIGNED, f"0x{frame.base + offset:x} is no multiple of {level.entry_bytes}"
            )
        if offset + count * level.entry_bytes > frame.size:
            raise CapabilityError(
                ErrorCode.FRAME_TOO_SMALL,
                f"{count} pages of {level.entry_bytes} from {offset} on; the frame has {frame.size} bytes",
            )

    def unmap(self, vnode: Slot, mapping: Slot) -> None:
        """Clear the entries that a mapping's capability names, in the table `vnode` names, and delete it.

        Raises CAP_NOT_FOUND, VNODE_TYPE, CAP_FOREIGN, WRONG_MAPPING.
        """
        table = self._table(vnode)
        capability = operations.held(self.database, mapping)
        entered = self._mappings.get(mapping)
        if entered is None or entered.table != table.object:
            raise CapabilityError(ErrorCode.WRONG_MAPPING, f"a {capability.type} that is not of this table")
        self.database.remove(mapping)

    def translate(self, root: Object, address: int) -> Translation | None:
        """What the table at `root` makes of a virtual address; None where nothing is mapped."""
        vnode, kind, rights = root.base, root.type, ACCESS
        while True:
            level = LEVELS[kind]
            entry = address // level.entry_bytes % ENTRIES
            mapping = self._tables.get(vnode, {}).get(entry)
            if mapping is None:
                return None
            rights &= mapping.rights
            if mapping.object.type not in LEVELS:
                within = (entry - mapping.entry) * level.entry_bytes + address % level.entry_bytes
                return Translation(mapping.object.base + mapping.offset + within, rights, level.entry_bytes)
            vnode, kind = mapping.object.base, mapping.object.type

    def taken_invalidations(self) -> list[Invalidation]:
        """What has been unmapped since this was asked last, each once."""
        taken, self.invalidations = sorted(set(self.invalidations)), []
        return taken

    # -- the entries -------------------------------------------------------------------------------

    def _enter(self, mapping: Mapping) -> None:
        table = self._tables.setdefault(mapping.table.base, {})
        for entry in range(mapping.entry, mapping.entry + mapping.pages):
            table[entry] = mapping
        self._mappings[mapping.slot] = mapping
        self._through.setdefault(mapping.through, set()).add(mapping.slot)
        if mapping.object.type in LEVELS:
            self._above.setdefault(mapping.object.base, set()).add(mapping.slot)

    def _clear(self, mapping: Mapping) -> None:
        table = self._tables[mapping.table.base]
        for entry in range(mapping.entry, mapping.entry + mapping.pages):
            del table[entry]
        if not table:
            del self._tables[mapping.table.base]
        del self._mappings[mapping.slot]
        self._through[mapping.through].remove(mapping.slot)
        if not self._through[mapping.through]:
            del self._through[mapping.through]
        if mapping.object.type in LEVELS:
            self._above[mapping.object.base].remove(mapping.slot)
            if not self._above[mapping.object.base]:
                del self._above[mapping.object.base]

    def _ranges(self, table: Object, base: int, size: int) -> list[Invalidation]:
        """Where a range of a table's span is in address spaces: once for each way from a root to the table."""
        if table.type is T.VNODE_PML4:
            return [Invalidation(table.base, base, size)]
        found = []
        for slot in self._above.get(table.base, ()):
            above = self._mappings[slot]
            span = LEVELS[above.table.type].entry_bytes
            found += self._ranges(above.table, above.entry * span + base, size)
        return found

    def removed(self, slot: Slot, capability: Capability) -> None:
        """A capability is gone: a mapping's, something mapped, or the last of a table."""
        mapping = self._mappings.get(slot)
        if mapping is not None:
            span = LEVELS[mapping.table.type].entry_bytes
            self.invalidations += self._ranges(mapping.table, mapping.entry * span, mapping.pages * span)
            self._clear(mapping)
        for each in sorted(self._through.get(slot, ())):
            self.database.remove(each)
        if capability.type in LEVELS and not self.database.has(capability.object):
            table = self._tables.get(capability.object.base, {})
            for each in sorted({entered.slot for entered in table.values()}):
                self.database.remove(each)

    def moved(self, old: Slot, new: Slot) -> None:
        """A capability has another slot now."""
        mapping = self._mappings.get(old)
        if mapping is not None:
            self._clear(mapping)
            self._enter(mapping._replace(slot=new))
        for each in sorted(self._through.get(old, ())):
            entered = self._mappings[each]
            self._clear(entered)
            self._enter(entered._replace(through=new))
