"""Everything that a program needs, in one place: what it may yield, and how it registers.

    from kernel.programming import Compute, Environment, program

docs/programs.md explains it.
"""

from __future__ import annotations

from kernel.dispatching import Install, MapPage, Raise, Touch, Yield, YieldTo, self_paging
from kernel.errors import KernelError
from kernel.messaging.endpoint import Endpoint
from kernel.planner import change_phase
from kernel.program import (
    Compute,
    Environment,
    Loop,
    Receive,
    Send,
    Spend,
    WaitBarrier,
    program,
)
from kernel.services.knowledge import Client, Connection, Request
from kernel.spanning import Spanned, span
from kernel.synchronisation import (
    Atomic,
    Broadcast,
    Lock,
    Post,
    Signal,
    Unlock,
    WaitCondition,
    WaitSemaphore,
)
from kernel.thread_operations import Detach, Fork, Join, Migrate, Sleep, YieldThread
from kernel.threads import Code, Operation, Thread

__all__ = [
    "Atomic", "Broadcast", "Client", "Code", "Compute", "Connection", "Detach", "Endpoint", "Environment", "Fork",
    "Install", "Join", "KernelError", "Lock", "Loop", "MapPage", "Migrate", "Operation", "Post", "Raise", "Receive",
    "Request", "Send", "Signal", "Sleep", "Spanned", "Spend", "Thread", "Touch", "Unlock", "WaitBarrier",
    "WaitCondition", "WaitSemaphore", "Yield", "YieldThread", "YieldTo", "change_phase", "program", "self_paging",
    "span",
]  # fmt: skip
