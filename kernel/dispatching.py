"""What a thread may ask of its dispatcher and of the CPU driver: to yield, to touch memory, to raise.

The processor is yielded to any other dispatcher of the core or to one of them, a system call (dissertation
§2.5.1). A domain pages for itself: it installs a handler at its PageFault entry point, which maps what is
missing by invoking the page table's capability; without one, a page fault ends it (§2.5.2). A fault costs the
upcall of the dispatcher (cost `activation`) and what the handler does; that the instruction is then tried again
costs nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel.dispatch_state import ENTRY_POINTS
from kernel.errors import KernelError
from kernel.program import Invoke
from kernel.threads import Code, Operation, Thread

if TYPE_CHECKING:
    from kernel.dispatcher import Dispatcher, Handler

FAULT_ENTRIES = tuple(entry for entry in ENTRY_POINTS if entry not in ("Run", "LMP"))
"""The entry points at which a program's handlers can be installed."""


@dataclass(frozen=True, slots=True)
class Yield(Operation):
    """Give the processor to any other dispatcher; go on when this one is run again."""

    def begin(self, thread: Thread, now: int) -> None:
        _yield(thread, None, now)


@dataclass(frozen=True, slots=True)
class YieldTo(Operation):
    """Give the processor to `dispatcher`, on the same core, for the time that this one has left."""

    dispatcher: Dispatcher

    def begin(self, thread: Thread, now: int) -> None:
        _yield(thread, self.dispatcher, now)


def _yield(thread: Thread, to: Dispatcher | None, now: int) -> None:
    own = thread.dispatcher
    if to is not None and to.driver is not own.driver:
        raise KernelError(f"a dispatcher on core {own.core} cannot yield to one on core {to.core}")
    if own.state.disabled:
        raise KernelError(f"the handler at {own.state.entry} yields; it has to come to its end first")

    def enter_kernel(_: int) -> None:
        thread.compute(0, thread.resume)
        own.driver.yield_(own, to)

    own.driver.system_call(now)
    thread.compute(0, enter_kernel)


@dataclass(frozen=True, slots=True)
class Touch(Operation):
    """Access pages of the domain's address space, in order; those that are mapped cost nothing."""

    pages: tuple[int, ...]

    def begin(self, thread: Thread, now: int) -> None:
        own = thread.dispatcher
        missing = next((page for page in self.pages if page not in own.domain.pages), None)
        if missing is None:
            thread.compute(0, thread.resume)
        else:
            own.page_fault(thread, missing, lambda later: self.begin(thread, later), now)


@dataclass(frozen=True, slots=True)
class Raise(Operation):
    """Raise an exception, such as a division by zero or a breakpoint; goes on if a handler says so."""

    what: str

    def begin(self, thread: Thread, now: int) -> None:
        thread.dispatcher.exception(thread, self.what, thread.resume, now)


@dataclass(frozen=True, slots=True)
class Install(Operation):
    """Install `handler` at an entry point for faults; it is given the page, or what was raised.

    A handler is a part of a program, run while the dispatcher is disabled: it must not wait for anything.
    """

    entry: str
    handler: Handler

    def begin(self, thread: Thread, now: int) -> None:
        if self.entry not in FAULT_ENTRIES:
            raise KernelError(f"no handler at {self.entry}; there can be one at {', '.join(FAULT_ENTRIES)}")
        thread.dispatcher.handlers[self.entry] = self.handler
        thread.compute(0, thread.resume)


def self_paging(page: int) -> Code:
    """A handler for PageFault that maps the page that was missing: one invocation."""
    yield MapPage(page)


@dataclass(frozen=True, slots=True)
class MapPage(Operation):
    """Map a page into the address space of the domain."""

    page: int

    def begin(self, thread: Thread, now: int) -> None:
        pages = thread.dispatcher.domain.pages
        Invoke(lambda _: pages.add(self.page)).begin(thread, now)
