"""What capability operations answer: Barrelfish's error codes by name, with what was wrong and where.

The names and their meaning are those of Barrelfish's `errors/errno.fugu`. They go into messages between
monitors as well, so that an answer from another core reads like one from this core.
"""

from __future__ import annotations

from enum import StrEnum

from kernel.errors import KernelError


class ErrorCode(StrEnum):
    """An answer; OK is one too."""

    OK = "SYS_ERR_OK"
    LMP_SOURCE_LOOKUP = "SYS_ERR_LMP_CAPTRANSFER_SRC_LOOKUP"
    LMP_SLOT_OCCUPIED = "SYS_ERR_LMP_CAPTRANSFER_DST_SLOT_OCCUPIED"
    ILLEGAL_INVOCATION = "SYS_ERR_ILLEGAL_INVOCATION"
    INVALID_ARGUMENTS = "SYS_ERR_INVARGS_SYSCALL"
    CNODE_NOT_FOUND = "SYS_ERR_CNODE_NOT_FOUND"
    CNODE_TYPE = "SYS_ERR_CNODE_TYPE"
    CNODE_RIGHTS = "SYS_ERR_CNODE_RIGHTS"
    CAP_NOT_FOUND = "SYS_ERR_CAP_NOT_FOUND"
    L1_CNODE_INDEX = "SYS_ERR_L1_CNODE_INDEX"
    CAP_LOOKUP_DEPTH = "SYS_ERR_CAP_LOOKUP_DEPTH"
    SLOT_IN_USE = "SYS_ERR_SLOT_IN_USE"
    CNODE_NOT_ROOT = "SYS_ERR_CNODE_NOT_ROOT"
    DEST_TYPE_INVALID = "SYS_ERR_DEST_TYPE_INVALID"
    INVALID_RETYPE = "SYS_ERR_INVALID_RETYPE"
    RETYPE_MAPPING_EXPLICIT = "SYS_ERR_RETYPE_MAPPING_EXPLICIT"
    RETYPE_INVALID_COUNT = "SYS_ERR_RETYPE_INVALID_COUNT"
    RETYPE_INVALID_OFFSET = "SYS_ERR_RETYPE_INVALID_OFFSET"
    INVALID_SIZE = "SYS_ERR_INVALID_SIZE"
    REVOKE_FIRST = "SYS_ERR_REVOKE_FIRST"
    SLOTS_INVALID = "SYS_ERR_SLOTS_INVALID"
    SLOTS_IN_USE = "SYS_ERR_SLOTS_IN_USE"
    RETRY_THROUGH_MONITOR = "SYS_ERR_RETRY_THROUGH_MONITOR"
    DELETE_LAST_OWNED = "SYS_ERR_DELETE_LAST_OWNED"
    CAP_LOCKED = "SYS_ERR_CAP_LOCKED"
    VNODE_SLOT_INVALID = "SYS_ERR_VNODE_SLOT_INVALID"
    VNODE_SLOT_IN_USE = "SYS_ERR_VNODE_SLOT_INUSE"
    VNODE_TYPE = "SYS_ERR_VNODE_TYPE"
    WRONG_MAPPING = "SYS_ERR_WRONG_MAPPING"
    FRAME_OFFSET_INVALID = "SYS_ERR_FRAME_OFFSET_INVALID"
    MAP_SIZE = "SYS_ERR_VM_MAP_SIZE"
    MAP_RIGHTS = "SYS_ERR_VM_MAP_RIGHTS"
    FRAME_UNALIGNED = "SYS_ERR_VM_FRAME_UNALIGNED"
    FRAME_TOO_SMALL = "SYS_ERR_VM_FRAME_TOO_SMALL"
    REMOTE_CAP_RETRY = "MON_ERR_REMOTE_CAP_RETRY"
    CAP_FOREIGN = "MON_ERR_CAP_FOREIGN"
    NO_SLOT = "LIB_ERR_SLOT_ALLOC_NO_SPACE"
    MEMORY_NOT_FOUND = "MM_ERR_NOT_FOUND"
    MEMORY_TOO_SMALL = "MM_ERR_REQUEST_TOO_SMALL"


class CapabilityError(KernelError):
    """An operation was refused and nothing changed; `code` says why, `str(error)` is one line."""

    def __init__(self, code: ErrorCode, what: str) -> None:
        super().__init__(f"{code}: {what}")
        self.code = code
