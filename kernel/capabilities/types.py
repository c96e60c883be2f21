"""The capability type graph as data, after Barrelfish's `capabilities/caps.hl` (the Hamlet language).

A row says what a type's objects are made from, whether that can be done to the same memory several times, what
its base and size count, and what happens to its owner when the owner's last copy goes. Whatever asks about
types asks this table; no other module names a type to treat it differently, but for the objects it implements
itself (CNodes in `cspace`, page tables in `virtual_memory`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

PAGE_BYTES = 4096
SLOT_BYTES = 64
"""One capability in a CNode: OBJBITS_CTE = 6."""
L2_SLOTS = 256
CNODE_BYTES = L2_SLOTS * SLOT_BYTES
"""An L2 CNode; L1 CNodes are whole multiples of it."""


class ObjectType(StrEnum):
    """Every type of object a capability can name; what architectures alone have is x86-64's."""

    NULL = "Null"
    PHYS_ADDR = "PhysAddr"
    RAM = "RAM"
    L1_CNODE = "L1CNode"
    L2_CNODE = "L2CNode"
    FOREIGN_CNODE = "FCNode"
    DISPATCHER = "Dispatcher"
    ENDPOINT_LMP = "EndPointLMP"
    ENDPOINT_UMP = "EndPointUMP"
    ENDPOINT_UMP_MAPPING = "EndPointUMP_Mapping"
    FRAME = "Frame"
    FRAME_MAPPING = "Frame_Mapping"
    DEV_FRAME = "DevFrame"
    DEV_FRAME_MAPPING = "DevFrame_Mapping"
    VNODE_PML4 = "VNode_x86_64_pml4"
    VNODE_PML4_MAPPING = "VNode_x86_64_pml4_Mapping"
    VNODE_PDPT = "VNode_x86_64_pdpt"
    VNODE_PDPT_MAPPING = "VNode_x86_64_pdpt_Mapping"
    VNODE_PDIR = "VNode_x86_64_pdir"
    VNODE_PDIR_MAPPING = "VNode_x86_64_pdir_Mapping"
    VNODE_PTABLE = "VNode_x86_64_ptable"
    VNODE_PTABLE_MAPPING = "VNode_x86_64_ptable_Mapping"
    KERNEL = "Kernel"
    KERNEL_CONTROL_BLOCK = "KernelControlBlock"
    IRQ_TABLE = "IRQTable"
    IRQ_DEST = "IRQDest"
    IRQ_SRC = "IRQSrc"
    IO = "IO"
    NOTIFY_IPI = "Notify_IPI"
    ID = "ID"
    PERF_MON = "PerfMon"
    IPI = "IPI"
    PROCESS_MANAGER = "ProcessManager"
    DOMAIN = "Domain"
    DEVICE_ID_MANAGER = "DeviceIDManager"
    DEVICE_ID = "DeviceID"


class Space(Enum):
    """What base and size of a type's objects count; objects of different spaces never overlap."""

    MEMORY = "bytes of physical memory"
    INTERRUPT = "interrupt vectors"
    PORT = "I/O ports"
    NONE = "nothing: told apart by their own fields alone"


class Copying(Enum):
    """When two capabilities of a type are copies of one another."""

    SAME_FIELDS = "if base, size and the fields marked eq are the same"
    ALWAYS = "always: there is one such object"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Kind:
    """A type's row.

    `made_from` are its sources (`from`, and itself for `from_self`). `shares`: several such objects may stand on
    the same memory (`can_retype_multiple` of the source, and all mappings). `object_bytes` is the size of one where
    that is fixed; `granule` what base and size must be multiples of. `moveable`: another core's copy can
    become the owner's; otherwise all copies go with the last one of the owner (`include/barrelfish_kpi/distcaps.h`).
    `maps` is the type that a mapping maps.
    """

    made_from: frozenset[ObjectType] = frozenset()
    space: Space = Space.NONE
    copying: Copying = Copying.SAME_FIELDS
    shares: bool = False
    object_bytes: int | None = None
    granule: int = 1
    moveable: bool = True
    maps: ObjectType | None = None


def _memory(
    *made_from: ObjectType, object_bytes: int | None = None, granule: int = PAGE_BYTES, moveable: bool = False
) -> Kind:
    """A type whose objects are ranges of memory."""
    return Kind(
        frozenset(made_from), Space.MEMORY, object_bytes=object_bytes, granule=granule, moveable=moveable
    )


def _mapping(of: ObjectType) -> Kind:
    """Objects of type `of`, entered into a page table; on the memory of what is mapped, and gone with the entry."""
    return Kind(frozenset({of}), Space.MEMORY, Copying.NEVER, shares=True, moveable=False, maps=of)


_T = ObjectType
_VNODE = _memory(_T.RAM, object_bytes=PAGE_BYTES)
_SINGLE = Kind(copying=Copying.ALWAYS)

KINDS: dict[ObjectType, Kind] = {
    _T.NULL: Kind(copying=Copying.NEVER, moveable=False),
    _T.PHYS_ADDR: _memory(_T.PHYS_ADDR, moveable=True),
    _T.RAM: _memory(_T.PHYS_ADDR, _T.RAM, moveable=True),
    _T.L1_CNODE: _memory(_T.RAM, granule=CNODE_BYTES),
    _T.L2_CNODE: _memory(_T.RAM, object_bytes=CNODE_BYTES, granule=CNODE_BYTES),
    _T.FOREIGN_CNODE: Kind(),
    _T.DISPATCHER: _memory(_T.RAM, object_bytes=1024, granule=1024),  # dispatcher_size: 2^10
    _T.ENDPOINT_LMP: Kind(frozenset({_T.DISPATCHER}), Space.MEMORY, shares=True, moveable=False),
    _T.ENDPOINT_UMP: _memory(_T.RAM, moveable=True),
    _T.ENDPOINT_UMP_MAPPING: _mapping(_T.ENDPOINT_UMP),
    _T.FRAME: _memory(_T.RAM, _T.FRAME, moveable=True),
    _T.FRAME_MAPPING: _mapping(_T.FRAME),
    _T.DEV_FRAME: _memory(_T.PHYS_ADDR, _T.DEV_FRAME),
    _T.DEV_FRAME_MAPPING: _mapping(_T.DEV_FRAME),
    _T.VNODE_PML4: _VNODE,
    _T.VNODE_PML4_MAPPING: _mapping(_T.VNODE_PML4),
    _T.VNODE_PDPT: _VNODE,
    _T.VNODE_PDPT_MAPPING: _mapping(_T.VNODE_PDPT),
    _T.VNODE_PDIR: _VNODE,
    _T.VNODE_PDIR_MAPPING: _mapping(_T.VNODE_PDIR),
    _T.VNODE_PTABLE: _VNODE,
    _T.VNODE_PTABLE_MAPPING: _mapping(_T.VNODE_PTABLE),
    _T.KERNEL: _SINGLE,
    _T.KERNEL_CONTROL_BLOCK: _memory(_T.RAM, object_bytes=1 << 16),  # kcb_size: 2^16
    _T.IRQ_TABLE: _SINGLE,
    _T.IRQ_DEST: Kind(),
    _T.IRQ_SRC: Kind(frozenset({_T.IRQ_SRC}), Space.INTERRUPT),
    _T.IO: Kind(space=Space.PORT),
    _T.NOTIFY_IPI: Kind(),
    _T.ID: Kind(),
    _T.PERF_MON: _SINGLE,
    _T.IPI: _SINGLE,
    _T.PROCESS_MANAGER: _SINGLE,
    _T.DOMAIN: Kind(frozenset({_T.PROCESS_MANAGER}), shares=True),
    _T.DEVICE_ID_MANAGER: _SINGLE,
    _T.DEVICE_ID: Kind(frozenset({_T.DEVICE_ID_MANAGER}), shares=True),
}


def _closure() -> dict[ObjectType, frozenset[ObjectType]]:
    reached = {each: set(kind.made_from) for each, kind in KINDS.items()}
    while True:
        grown = {each: sources.union(*(reached[source] for source in sources)) for each, sources in reached.items()}
        if grown == reached:
            return {each: frozenset(sources) for each, sources in grown.items()}
        reached = grown


ANCESTORS: dict[ObjectType, frozenset[ObjectType]] = _closure()
"""The types that objects of a type can come from, at any remove."""

RETYPES_TO: dict[ObjectType, tuple[ObjectType, ...]] = {
    source: tuple(each for each, kind in KINDS.items() if source in kind.made_from) for source in KINDS
}
"""What an object can be retyped to; to mappings only by mapping it."""

MAPPING_OF: dict[ObjectType, ObjectType] = {
    kind.maps: each for each, kind in KINDS.items() if kind.maps is not None
}
"""The type of mapping that mapping an object gives."""
