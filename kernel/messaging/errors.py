"""What sending, receiving and binding answer when refused: Barrelfish's error codes by name, with what was wrong.

The names are those of Barrelfish's `errors/errno.fugu`; those of capabilities are in `kernel.capabilities.errors`.
"""

from __future__ import annotations

from enum import StrEnum

from kernel.errors import KernelError


class MessageErrorCode(StrEnum):
    """Why a message, or a channel, could not be had."""

    INVALID_STATE = "FLOUNDER_ERR_INVALID_STATE"
    """The channel is in no state for that: it was torn down, or its other end has died."""
    TARGET_DISABLED = "SYS_ERR_LMP_TARGET_DISABLED"
    """A synchronous message found its receiver not ready."""
    BUSY = "FLOUNDER_ERR_TX_BUSY"
    MESSAGE_SIZE = "FLOUNDER_ERR_TX_MSG_SIZE"
    EMPTY_MESSAGE = "FLOUNDER_ERR_RX_EMPTY_MSG"
    MESSAGE_NUMBER = "FLOUNDER_ERR_RX_INVALID_MSGNUM"
    MESSAGE_LENGTH = "FLOUNDER_ERR_RX_INVALID_LENGTH"
    NO_DRIVER = "FLOUNDER_ERR_GENERIC_BIND_NO_MORE_DRIVERS"
    """No interconnect driver can make the channel that was asked for."""
    INVALID_IREF = "MON_ERR_INVALID_IREF"
    NOT_SAME_CORE = "MON_ERR_IDC_BIND_NOT_SAME_CORE"
    NO_MONITOR = "MON_ERR_NO_MONITOR_FOR_CORE"
    REFUSED = "LIB_ERR_NO_UMP_BIND_HANDLER"
    """The service takes no more channels."""
    UNKNOWN_NAME = "LIB_ERR_NAMESERVICE_UNKNOWN_NAME"
    INVALID_NAME = "LIB_ERR_NAMESERVICE_INVALID_NAME"
    NOTIFY = "LIB_ERR_RCK_NOTIFY"
    """The receiver's ring of notifications is full (dissertation §2.6.3, SCC)."""


class MessageError(KernelError):
    """Sending, receiving or binding was refused; `code` says why, `str(error)` is one line."""

    def __init__(self, code: MessageErrorCode, what: str) -> None:
        super().__init__(f"{code}: {what}")
        self.code = code
