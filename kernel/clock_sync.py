"""Putting the cores' APIC timers in step by the time-stamp counters (dissertation §3.6.3).

One core reads the TSC, adds an allowance, and sends the sum to all; each core stops what it does, polls its
TSC until it reaches the time-stamp, and resets its timer. A core that hears of it too late says so, and
another period starts with twice the allowance, up to a second; then phase locking is off.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernel.clock import PS_PER_S
from kernel.monitor import Handling, Monitor
from kernel.program import Invoke
from kernel.threads import Operation, Thread

LONGEST_ALLOWANCE_PS = PS_PER_S
"""Past this, synchronisation has failed (§3.6.3)."""


@dataclass(frozen=True, slots=True)
class StartSynchronisation:
    """To the core that leads: put all timers in step."""


@dataclass(frozen=True, slots=True)
class SynchroniseTimer:
    """Reset your timer when the reference clock reads `timestamp`."""

    timestamp: int
    leader: int


@dataclass(frozen=True, slots=True)
class TimerAnswer:
    """To the leader: the timer was reset in time, or not."""

    in_time: bool


@dataclass(frozen=True, slots=True)
class ResetTimer(Operation):
    """A system call: poll the TSC until it reaches `timestamp`, then set the APIC timer to it.

    The result is whether the time-stamp was still to come. The timer is set at the first poll that sees
    the time-stamp passed, so timers agree to within one read of the TSC.
    """

    timestamp: int

    def begin(self, thread: Thread, now: int) -> None:
        driver = thread.dispatcher.driver
        poll_ps = driver.tsc_read_ps

        def look(then: int) -> None:
            left = self.timestamp - driver.read_tsc(then)
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


class ClockSynchronisation:
    """The module of one monitor that synchronises its core's timer."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._waiting = 0
        self._late = 0
        self._allowance_ps = 0
        monitor.handlers[StartSynchronisation] = self._start
        monitor.handlers[SynchroniseTimer] = self._synchronise
        monitor.handlers[TimerAnswer] = self._answer

    def _start(self, _: StartSynchronisation) -> Handling:
        self._allowance_ps = self._monitor.kernel.timeslice_ps
        yield from self._announce()

    def _announce(self) -> Handling:
        kernel = self._monitor.kernel
        timestamp = (yield Invoke(self._monitor.driver.read_tsc)) + self._allowance_ps
        self._waiting, self._late = len(kernel.monitors), 0
        others = [core for core in kernel.monitors if core != self._monitor.core]
        for core in [*others, self._monitor.core]:  # itself last: it stops to wait as well
            yield from self._monitor.send(core, SynchroniseTimer(timestamp, self._monitor.core))

    def _synchronise(self, message: SynchroniseTimer) -> Handling:
        in_time = yield ResetTimer(message.timestamp)
        yield from self._monitor.send(message.leader, TimerAnswer(in_time))

    def _answer(self, message: TimerAnswer) -> Handling:
        self._waiting -= 1
        self._late += not message.in_time
        if self._waiting:
            return
        kernel = self._monitor.kernel
        if self._late == 0:
            kernel.timers_answered(in_step=True)
        elif self._allowance_ps * 2 > LONGEST_ALLOWANCE_PS:
            kernel.timers_answered(in_step=False)
        else:
            self._allowance_ps *= 2
            yield from self._announce()
