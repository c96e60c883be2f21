"""Everything that a program needs, in one place: what it may yield, and how it registers.

    from kernel.programming import Compute, Environment, program

docs/programs.md explains it.
"""

from __future__ import annotations

from kernel.activation import Activation, AwaitAllocation
from kernel.dispatching import Install, MapPage, Raise, Touch, Yield, YieldTo, self_paging
from kernel.errors import KernelError
from kernel.messaging.binding import Service, bind, close, export
from kernel.messaging.channel import Arrival, Channel, Closed, Fragment, Opened
from kernel.messaging.drivers import Terms
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.errors import MessageError
from kernel.negotiation import relinquish
from kernel.phase_change import change_phase
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
from kernel.resources import rsrc_join, rsrc_leave, rsrc_manifest, rsrc_phase, rsrc_spare, rsrc_want
from kernel.services.knowledge import Client
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
    "Activation", "Arrival", "Atomic", "AwaitAllocation", "Broadcast",
    "Channel", "Client", "Closed", "Code", "Compute", "Detach", "Endpoint",
    "Environment", "Fork", "Fragment", "Install", "Join", "KernelError", "Lock", "Loop", "MapPage", "MessageError",
    "Migrate", "Opened", "Operation", "Post", "Raise", "Receive", "Send", "Service", "Signal", "Sleep", "Spanned",
    "Spend", "Terms", "Thread", "Touch", "Unlock", "WaitBarrier", "WaitCondition", "WaitSemaphore", "Yield",
    "YieldThread", "YieldTo", "bind", "change_phase", "close", "export", "program", "relinquish",
    "rsrc_join", "rsrc_leave", "rsrc_manifest", "rsrc_phase", "rsrc_spare", "rsrc_want", "self_paging", "span",
]  # fmt: skip
