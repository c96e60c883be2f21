"""Putting the cores' APIC timers in step (dissertation §3.6.3), and keeping them so.

At boot, by a clock that all cores can read (the TSC or the PIT): one core reads it, adds an allowance, and sends the
sum to all; each core stops what it does, polls the clock until it reaches the time-stamp, and resets its timer. A
core that hears of it too late says so, and another period starts with twice the allowance, up to a second; then phase
locking is off.

Where there is no such clock, by the round-trip times of messages, akin to NTP: each core asks the first one for its
time, several times, and believes the answer that was there soonest; it is wrong by half of that round trip at most.

Later, with programs running, nobody stops: the first core tells what the clock and its timer read, and each other one
reads its own two and knows by how much its timer is wrong. What is to be released then comes when the corrected timer
says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kernel.clock import PS_PER_S
from kernel.monitor import Handling, Monitor
from kernel.program import Invoke
from kernel.reference_clocks import Comparison, Method, ReadClock, ReferenceClock, ResetTimer

LONGEST_ALLOWANCE_PS = PS_PER_S
"""Past this, synchronisation has failed (§3.6.3)."""


@dataclass(frozen=True, slots=True)
class StartSynchronisation:
    """To the core that leads: put all timers in step; with `running`, without stopping anybody."""

    method: Method
    running: bool = False


@dataclass(frozen=True, slots=True)
class SynchroniseTimer:
    """Reset your timer when the clock reads `timestamp`."""

    timestamp: int
    leader: int
    method: Method


@dataclass(frozen=True, slots=True)
class CorrectTimer:
    """When the clock read `reads` on the leader, its timer read `timer`."""

    reads: int
    timer: int
    leader: int
    method: Method


@dataclass(frozen=True, slots=True)
class FollowTimer:
    """Put your timer in step with that of `leader` by round trips, and send it `answer`, if another one is wanted."""

    leader: int
    running: bool
    answer: object = None


@dataclass(frozen=True, slots=True)
class AskTime:
    """What does your timer read? The asker's own read `sent`."""

    sent: int
    asker: int


@dataclass(frozen=True, slots=True)
class TellTime:
    """It read `timer` when the question came that was sent at `sent`, by the asker's timer."""

    sent: int
    timer: int


@dataclass(frozen=True, slots=True)
class TimerAnswer:
    """To the leader: the timer of `core` is in step now, or not, and what was found where nobody was stopped."""

    core: int
    in_time: bool
    found: Comparison | None = None


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """The leader reminds itself: a second is over since it started this for the `number`th time."""

    number: int


@dataclass(slots=True)
class _Following:
    """Round trips under way: how many are to come, the shortest so far, and how far ahead it found the timer."""

    message: FollowTimer
    left: int
    best_ps: int | None = None
    offset_ps: int = 0


@dataclass(slots=True)
class _Leading:
    """A synchronisation under way, at the core that leads it."""

    method: Method
    running: bool
    allowance_ps: int
    waiting: int = 0
    late: int = 0
    found: dict[int, Comparison] = field(default_factory=dict)
    to_follow: list[tuple[int, FollowTimer]] = field(default_factory=list)


class ClockSynchronisation:
    """The module of one monitor that synchronises its core's timer."""

    def __init__(self, monitor: Monitor, clocks: dict[str, ReferenceClock]) -> None:
        self._monitor = monitor
        self._clocks = clocks
        self._leading: _Leading | None = None
        self._number = 0
        self._following: _Following | None = None
        monitor.handlers[StartSynchronisation] = self._start
        monitor.handlers[SynchroniseTimer] = self._synchronise
        monitor.handlers[CorrectTimer] = self._correct
        monitor.handlers[FollowTimer] = self._follow
        monitor.handlers[AskTime] = self._asked
        monitor.handlers[TellTime] = self._told
        monitor.handlers[TimerAnswer] = self._answer
        monitor.handlers[OutOfTime] = self._out_of_time

    # -- the core that leads -----------------------------------------------------------------------

    def _start(self, message: StartSynchronisation) -> Handling:
        monitor = self._monitor
        self._leading = _Leading(message.method, message.running, monitor.kernel.timeslice_ps)
        self._number += 1
        if message.method != "messages" and not message.running:
            yield from self._announce(self._leading)
            return
        monitor.remind(OutOfTime(self._number), LONGEST_ALLOWANCE_PS)
        others = self._others()
        self._leading.waiting = len(others)
        if message.method == "messages":
            if not message.running:
                yield Invoke(lambda now: monitor.driver.reset_timer(self._clocks["tsc"].reads(monitor.core, now)))
            self._leading.to_follow = [(core, FollowTimer(monitor.core, message.running)) for core in others]
            yield from self._next_follows(self._leading)
        else:
            for core in others:
                reads, timer = yield ReadClock(self._clocks[message.method])
                yield from monitor.urge(core, CorrectTimer(reads, timer, monitor.core, message.method))
        if not others:
            self._over(self._leading)

    def _announce(self, leading: _Leading) -> Handling:
        core = self._monitor.core
        reads, _ = yield ReadClock(self._clocks[leading.method])
        timestamp = reads + leading.allowance_ps
        leading.waiting, leading.late = len(self._others()) + 1, 0
        for each in [*self._others(), core]:  # itself last: it stops to wait as well
            yield from self._monitor.send(each, SynchroniseTimer(timestamp, core, leading.method))

    def _next_follows(self, leading: _Leading) -> Handling:
        """One core after the other, for what they want to know is how long a question takes that nobody holds up."""
        if leading.to_follow:
            core, message = leading.to_follow.pop(0)
            yield from self._monitor.urge(core, message)

    def _others(self) -> list[int]:
        monitors = self._monitor.kernel.monitors
        return [core for core, each in monitors.items() if core != self._monitor.core and each.driver.online]

    def _answer(self, message: TimerAnswer) -> Handling:
        leading = self._leading
        if leading is None:
            return  # its time was up
        leading.waiting -= 1
        leading.late += not message.in_time
        if message.found is not None:
            leading.found[message.core] = message.found
        if leading.waiting:
            yield from self._next_follows(leading)
            return
        if leading.late and leading.allowance_ps * 2 <= LONGEST_ALLOWANCE_PS:
            leading.allowance_ps *= 2
            yield from self._announce(leading)
        else:
            self._over(leading)

    def _over(self, leading: _Leading) -> None:
        self._leading = None
        kernel = self._monitor.kernel
        kernel.timers_answered(leading.method, leading.running, leading.late == 0, leading.found)

    def _out_of_time(self, message: OutOfTime) -> Handling:
        if self._leading is not None and message.number == self._number:
            self._leading.late += self._leading.waiting
            self._over(self._leading)
        yield from ()

    # -- every core --------------------------------------------------------------------------------

    def _synchronise(self, message: SynchroniseTimer) -> Handling:
        clock = self._clocks[message.method]
        in_time = yield ResetTimer(message.timestamp, clock, len(self._others()) + 1)
        yield from self._monitor.send(message.leader, TimerAnswer(self._monitor.core, in_time))

    def _correct(self, message: CorrectTimer) -> Handling:
        reads, timer = yield ReadClock(self._clocks[message.method])
        offset = (timer - message.timer) - (reads - message.reads)
        uncertain = self._clocks[message.method].resolution_ps
        found = Comparison(offset, uncertain, abs(offset) > uncertain)
        yield from self._apply(found, message.leader)

    def _apply(self, found: Comparison, leader: int) -> Handling:
        """Correct the timer, if it is known to be wrong, and answer."""
        if found.corrected:
            yield Invoke(lambda _: self._monitor.driver.correct_timer(-found.offset_ps))
        yield from self._monitor.urge(leader, TimerAnswer(self._monitor.core, True, found))

    # -- round trips -------------------------------------------------------------------------------

    def _follow(self, message: FollowTimer) -> Handling:
        rounds = round(self._monitor.kernel.hardware.cost("clock_rounds").value)
        self._following = _Following(message, rounds)
        yield from self._ask(self._following)

    def _ask(self, following: _Following) -> Handling:
        sent = yield Invoke(self._monitor.driver.clock.local)
        yield from self._monitor.urge(following.message.leader, AskTime(sent, self._monitor.core))

    def _asked(self, message: AskTime) -> Handling:
        timer = yield Invoke(self._monitor.driver.clock.local)
        yield from self._monitor.urge(message.asker, TellTime(message.sent, timer))

    def _told(self, message: TellTime) -> Handling:
        following = self._following
        if following is None:
            return
        arrived = yield Invoke(self._monitor.driver.clock.local)
        trip = arrived - message.sent
        if following.best_ps is None or trip < following.best_ps:
            following.best_ps = trip
            following.offset_ps = message.sent + trip // 2 - message.timer
        following.left -= 1
        if following.left:
            yield from self._ask(following)
            return
        self._following = None
        driver, offset, leader = self._monitor.driver, following.offset_ps, following.message.leader
        uncertain = following.best_ps // 2
        if following.message.running:
            yield from self._apply(Comparison(offset, uncertain, abs(offset) > uncertain), leader)
        else:
            yield Invoke(lambda now: driver.reset_timer(driver.clock.local(now) - offset))
            answer = TimerAnswer(self._monitor.core, True, Comparison(offset, uncertain, True))
            yield from self._monitor.urge(leader, following.message.answer or answer)
