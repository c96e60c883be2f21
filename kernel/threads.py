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
from types import FrameType
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


def whole(value: int, what: str) -> int:
    """`value`, which a program gave for `what`, if it is an integer of at least 0; else KernelError."""
    if type(value) is not int or value < 0:
        raise KernelError(f"{what} is an integer of at least 0, not {value!r:.40}")
    return value


class ThreadState(Enum):
    RUNNABLE = "runnable"
    BLOCKED = "blocked"
    EXITED = "exited"


class ProgramInterrupted(BaseException):
    """Ctrl-C in the middle of a user's code; a BaseException, lest the code itself catch it."""


USERS_FILES: set[str] = set()
"""The files of users' programs (`kernel.images`)."""


def in_users_code(frame: FrameType | None) -> bool:
    """Whether what is executed at `frame` is, or was called by, a user's program."""
    called: FrameType | None = None
    while frame is not None:
        if frame.f_code is Thread.resume.__code__:
            return called is not None and called.f_code.co_filename in USERS_FILES
        called, frame = frame, frame.f_back
    return False


def _suspended_in(code: Any, file: str) -> str:
    """Where in `file` the code waits, as `file:line: `; nothing where it does not."""
    place = ""
    while file and code is not None:
        frame = getattr(code, "gi_frame", None)
        if frame is not None and frame.f_code.co_filename == file:
            place = f"{Path(file).name}:{frame.f_lineno}: "
        code = getattr(code, "gi_yieldfrom", None)
    return place


def place_in(error: BaseException, file: str) -> str:
    """Where the error happened, as `file:line`: the innermost place in `file`, if it came by there."""
    frames = traceback.extract_tb(error.__traceback__)
    where = next((frame for frame in reversed(frames) if frame.filename == file), frames[-1])
    return f"{Path(where.filename).name}:{where.lineno}"


class Thread:
    """One thread of a dispatcher."""

    __slots__ = (
        "barrier", "code", "detached", "dispatcher", "finish", "floats", "joiners", "loop_iteration_ps", "result",
        "state", "work", "yield_epoch",
    )  # fmt: skip

    def __init__(self, dispatcher: Dispatcher, code: Code) -> None:
        self.dispatcher = dispatcher
        self.code = code
        self.state = ThreadState.RUNNABLE
        self.work = 0
        self.finish: Callable[[int], None] = self.resume
        self.barrier: Barrier | None = None  # the barrier whose loop this thread is in
        self.loop_iteration_ps = 0  # for a loop without a barrier: what one iteration takes
        self.floats = False  # computes with the floating-point unit
        self.yield_epoch = -1  # the timeslice of its dispatcher in which it last yielded
        self.result: object = None  # what its code returned
        self.detached = False  # nobody will join it
        self.joiners: list[Callable[[int], None]] = []  # called when it ends

    def resume(self, now: int, value: object = None, error: KernelError | None = None) -> None:
        """Run the program up to its next operation, handing it the result of the last one, or the error it met."""
        try:
            operation = self.code.send(value) if error is None else self.code.throw(error)
        except StopIteration as stop:
            self._end(stop.value, now)
            return
        except KernelError as error:
            self.fault(str(error), now)
            return
        except ProgramInterrupted as error:
            self.fault(f"{place_in(error, self._source)}: interrupted in a computation that asks for nothing", now)
            return
        except Exception as error:  # a fault of the program, not of the kernel: the kernel goes on
            self.fault(f"{place_in(error, self._source)}: {type(error).__name__}: {error}", now)
            return
        try:
            if not isinstance(operation, Operation):
                raise KernelError(f"yields {operation!r}, which is no operation")
            operation.begin(self, now)
        except KernelError as error:
            self.fault(str(error), now)
        except Exception as error:  # it was yielded with something that is not what it takes
            self.fault(f"{type(operation).__name__}: {type(error).__name__}: {error}", now)

    def _end(self, result: object, now: int) -> None:
        self.state, self.result = ThreadState.EXITED, result
        for joined in self.joiners:
            joined(now)
        self.dispatcher.thread_left(self, now)

    def fault(self, what: str, now: int) -> None:
        """The thread did what it must not: it goes no further, and its domain traps."""
        self.work = ENDLESS
        self.dispatcher.trapped(f"{_suspended_in(self.code, self._source)}{what}", now)

    @property
    def _source(self) -> str:
        return self.dispatcher.domain.program.source

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
