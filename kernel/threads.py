"""User-level threads: a program's generator, and the work it is in the middle of.

A thread always has at most one piece of `work`, in picoseconds of processor time still to be spent,
and `finish`, which is called at the instant the work is done. Time passes on a thread only while its
dispatcher is dispatched and the thread is the one the dispatcher resumed (dissertation §3.6.5).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernel.errors import KernelError

if TYPE_CHECKING:
    from kernel.barrier import Barrier
    from kernel.dispatcher import Dispatcher

ENDLESS = 1 << 80
"""Work that does not end by itself: a loop without a count, or a loop that a barrier carries."""

Code = Generator["Operation", Any, Any]
"""What a program is: a generator that yields operations and is sent their results."""


class Operation:
    """Something a thread asks for; see `kernel.program` for the vocabulary."""

    __slots__ = ()

    def begin(self, thread: Thread, now: int) -> None:
        """Set the thread's work and what follows it, or block the thread."""
        raise AssertionError(f"{type(self).__name__} does not say how it begins")


class ThreadState(Enum):
    RUNNABLE = "runnable"
    BLOCKED = "blocked"
    EXITED = "exited"


class Thread:
    """One thread of a dispatcher."""

    __slots__ = (
        "barrier", "code", "detached", "dispatcher", "finish", "joiners", "loop_iteration_ps", "result", "state",
        "work", "yield_epoch",
    )  # fmt: skip

    def __init__(self, dispatcher: Dispatcher, code: Code) -> None:
        self.dispatcher = dispatcher
        self.code = code
        self.state = ThreadState.RUNNABLE
        self.work = 0
        self.finish: Callable[[int], None] = self.resume
        self.barrier: Barrier | None = None  # the barrier whose loop this thread is in
        self.loop_iteration_ps = 0  # for a loop without a barrier: what one iteration takes
        self.yield_epoch = -1  # the timeslice of its dispatcher in which it last yielded
        self.result: object = None  # what its code returned
        self.detached = False  # nobody will join it
        self.joiners: list[Callable[[int], None]] = []  # called when it ends

    def resume(self, now: int, value: object = None) -> None:
        """Run the program up to its next operation, handing it the result of the last one."""
        try:
            operation = self.code.send(value)
            operation.begin(self, now)
        except StopIteration as stop:
            self.state, self.result = ThreadState.EXITED, stop.value
            for joined in self.joiners:
                joined(now)
            self.dispatcher.thread_left(self, now)
        except KernelError as error:
            self.fault(str(error), now)
        except Exception as error:  # a fault of the program, not of the kernel: the kernel goes on
            where = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{Path(where.filename).name}:{where.lineno}: {type(error).__name__}: {error}"
            self.fault(what, now)

    def fault(self, what: str, now: int) -> None:
        """The thread did what it must not: it goes no further, and its domain traps."""
        self.work = ENDLESS
        self.dispatcher.trapped(what, now)

    def compute(self, work_ps: int, finish: Callable[[int], None]) -> None:
        """Spend `work_ps` of processor time, then call `finish`."""
        self.work = work_ps
        self.finish = finish

    def block(self) -> None:
        """Stop being runnable until `unblock`."""
        self.state = ThreadState.BLOCKED
        self.dispatcher.thread_blocked(self)

    def unblock(self, now: int) -> None:
        """Be runnable again; the dispatcher with it."""
        if self.state is ThreadState.BLOCKED:
            self.state = ThreadState.RUNNABLE
            self.dispatcher.thread_runnable(self, now)
