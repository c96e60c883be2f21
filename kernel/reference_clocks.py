"""The clocks that all cores can read: time-stamp counters, and the programmable interval timer (dissertation §3.5.4).

The TSC is each core's own, and quick to read; that all agree is so on most machines. The PIT is one device for all,
slow to read, and read by one core after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from kernel.clock import PS_PER_NS
from kernel.hardware import Hardware
from kernel.threads import Operation, Thread
from skb.knowledge import KnowledgeBase

Method = Literal["tsc", "pit", "messages"]
METHODS: tuple[Method, ...] = ("tsc", "pit", "messages")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a core found: its timer was ahead of the leader's by `offset_ps`, give or take `uncertain_ps`; and whether
    it was corrected.
    """

    offset_ps: int
    uncertain_ps: int
    corrected: bool

    @property
    def left_ps(self) -> int:
        """By how much the timer may be wrong still."""
        return self.uncertain_ps + (0 if self.corrected else abs(self.offset_ps))


class ReferenceClock(Protocol):
    """A clock that all cores can read, in steps of `resolution_ps`."""

    @property
    def resolution_ps(self) -> int: ...

    def reads(self, core: int, now: int) -> int:
        """What it reads on `core`, ps."""

    def poll_ps(self, core: int, pollers: int) -> int:
        """How long a core has from one reading to its next where so many cores do nothing but read it."""


@dataclass(frozen=True, slots=True)
class TimeStampCounters:
    """Each core has its own; `offsets_ps` are those that are ahead of the others."""

    hardware: Hardware
    offsets_ps: Mapping[int, int]

    @property
    def resolution_ps(self) -> int:
        """See `ReferenceClock`; far below what a reading takes."""
        return 0

    def reads(self, core: int, now: int) -> int:
        """See `ReferenceClock`."""
        return now + self.offsets_ps.get(core, 0)

    def poll_ps(self, core: int, pollers: int) -> int:
        """See `ReferenceClock`."""
        return self.hardware.cost_ps("tsc_read", core)


@dataclass(frozen=True, slots=True)
class IntervalTimer:
    """One device, which counts in ticks."""

    hardware: Hardware

    @property
    def resolution_ps(self) -> int:
        """See `ReferenceClock`: one tick."""
        return self.hardware.cost_ps("pit_tick", min(self.hardware.cores))

    def reads(self, core: int, now: int) -> int:
        """See `ReferenceClock`."""
        return now - now % self.resolution_ps

    def poll_ps(self, core: int, pollers: int) -> int:
        """See `ReferenceClock`."""
        return pollers * self.hardware.cost_ps("pit_read", core)


def reference_clocks(kb: KnowledgeBase, hardware: Hardware) -> dict[str, ReferenceClock]:
    """The clocks by the names that the SKB has for them."""
    offsets = {row["Core"]: row["Ns"] * PS_PER_NS for row in kb.all("facts:tsc_offset(Core, Ns)")}
    return {"tsc": TimeStampCounters(hardware, offsets), "pit": IntervalTimer(hardware)}


@dataclass(frozen=True, slots=True)
class ReadClock(Operation):
    """A system call: the result is what the clock and this core's timer read at one instant, both ps."""

    clock: ReferenceClock

    def begin(self, thread: Thread, now: int) -> None:
        driver = thread.dispatcher.driver
        core = driver.core.number
        driver.system_call(now)
        driver.hold(driver.kernel_done(now), self.clock.poll_ps(core, 1))
        thread.compute(
            0, lambda later: thread.resume(later, (self.clock.reads(core, later), driver.clock.local(later)))
        )


@dataclass(frozen=True, slots=True)
class ResetTimer(Operation):
    """A system call: poll the clock until it reaches `timestamp`, then set the APIC timer to it.

    The result is whether the time-stamp was still to come. The timer is set at the first reading that finds the
    time-stamp passed, so timers agree to within the time from one reading to the next, with `pollers` cores at it.
    """

    timestamp: int
    clock: ReferenceClock
    pollers: int

    def begin(self, thread: Thread, now: int) -> None:
        driver = thread.dispatcher.driver
        core = driver.core.number
        poll_ps = self.clock.poll_ps(core, self.pollers)

        def look(then: int) -> None:
            left = self.timestamp - self.clock.reads(core, then)
            if left < 0:
                thread.resume(then, False)
            else:
                driver.hold(then, -(-left // poll_ps) * poll_ps)
                thread.compute(0, reset)

        def reset(then: int) -> None:
            driver.reset_timer(self.timestamp)
            thread.resume(then, True)

        driver.system_call(now)
        thread.compute(0, look)
