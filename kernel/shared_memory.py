"""Memory that the threads of a domain share, as its costs see it: cache lines that cores write in turn.

An atomic operation on a line takes the line to the core that does it (the transfer, dissertation §3.1.2), one core
after another, and then the update of a cached variable (cost `update`, §2.1.3).
"""

from __future__ import annotations

from collections.abc import Callable

from kernel.hardware import Hardware
from kernel.threads import Thread


class SharedLine:
    """A line that cores write in turn: which core has it, and from when on it may go to the next."""

    __slots__ = ("_free", "_holder", "_line_ps")

    def __init__(self, line_ps: Callable[[int, int], int]) -> None:
        self._line_ps = line_ps
        self._holder: int | None = None
        self._free = 0

    def take(self, core: int, now: int) -> int:
        """`core` asks for the line at `now`; how long it takes to come, ps."""
        holder = core if self._holder is None else self._holder
        arrived = max(now, self._free) + self._line_ps(holder, core)
        self._free, self._holder = arrived, core
        return arrived - now


class SharedObject:
    """What threads synchronise by: a name, and a line of memory."""

    def __init__(self, name: str, hardware: Hardware) -> None:
        self.name = name
        self._hardware = hardware
        self._line = SharedLine(hardware.line_ps)

    def access(self, thread: Thread, now: int, then: Callable[[int], None]) -> None:
        """`thread` changes the object's state by one atomic operation, and then does `then`."""
        core = thread.dispatcher.core
        thread.compute(self._line.take(core, now) + self._hardware.cost_ps("update", core), then)


def wake(thread: Thread, by: Thread, now: int, then: Callable[[int], None]) -> None:
    """`by` wakes `thread`, which is blocked, to do `then`.

    It pays what blocking and resuming cost (dissertation §3.2.5). On another dispatcher, a message comes (§2.5.5).
    """
    driver = thread.dispatcher.driver
    hardware, core = driver.hardware, driver.core.number
    thread.compute(hardware.cost_ps("block", core), then)
    if thread.dispatcher is by.dispatcher:
        thread.unblock(now)
    else:
        driver.notify(thread, now + hardware.message_ps(by.dispatcher.core, core))
