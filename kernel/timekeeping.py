"""Keeping the cores' timers in step: by which clock, how far apart they were, how they drift, and when it is time
again.

The SKB says by which clock (rules/clocks.pl), and is told what was seen. After boot timers are compared, and
corrected
if they are found apart, while some gang is phase-locked: after a second at first, then after twice as long each time,
up to a day (dissertation §3.5.4 found no drift in a day). Once a drift has been measured, the SKB says how often that
has to be. Where no gang runs, and under schedulers that lock nothing, no message is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from kernel.clock import PS_PER_NS, PS_PER_S
from kernel.clock_sync import StartSynchronisation
from kernel.hardware import Hardware
from kernel.reference_clocks import Comparison, Method
from kernel.timeline import Priority, Timeline
from skb.knowledge import KnowledgeBase

_DAY_PS = 24 * 60 * 60 * PS_PER_S


@dataclass(frozen=True, slots=True)
class Timer:
    """What is known of a core's timer.

    It was last set at `set_ps`, and first right to within `error_ps`. When it was last compared, at `compared_ps`, it
    was ahead of the first core's by `offset_ps`. It gains `drift_ppb` parts in a billion, None if it was never
    compared: all that it has gained since `since_ps`, of which `gained_ps` was corrected.
    """

    set_ps: int
    error_ps: int
    compared_ps: int
    offset_ps: int = 0
    drift_ppb: int | None = None
    since_ps: int = 0
    gained_ps: int = 0


class Timekeeping:
    """What the kernel knows of its timers.

    `start` posts a message to the core that leads; `wanted` tells whether any gang is phase-locked.
    """

    def __init__(
        self, kb: KnowledgeBase, hardware: Hardware, timeline: Timeline,
        start: Callable[[StartSynchronisation], None], wanted: Callable[[], bool],
    ) -> None:
        self._kb = kb
        self._hardware = hardware
        self._timeline = timeline
        self._start = start
        self._wanted = wanted
        self.first_core = min(hardware.cores)
        self.in_step: bool | None = None
        self.method: Method | None = None
        self.rounds = 0  # synchronisations that are over
        self.timers: dict[int, Timer] = {}
        self._pause_ps = hardware.cost_ps("clock_comparison", self.first_core)
        self._armed = False

    @property
    def reference(self) -> Method:
        """The clock that the SKB has timers put in step by."""
        found = self._kb.once("reference_clock(Clock)")
        assert found is not None
        clock: Method = found["Clock"]
        return clock

    def error_ps(self) -> int:
        """How far timers may be apart at any time, as far as the SKB knows."""
        found = self._kb.once("clock_error(Nanoseconds)")
        assert found is not None
        return int(found["Nanoseconds"]) * PS_PER_NS

    def synchronise(self, method: Method | None = None, running: bool = True) -> None:
        """Have all timers put in step, by the SKB's clock or another one."""
        self._start(StartSynchronisation(method or self.reference, running))

    def answered(self, method: Method, running: bool, in_step: bool, found: Mapping[int, Comparison]) -> None:
        """A synchronisation is over; `found` has what each core but the first found, where they compared timers."""
        self.rounds += 1
        self.in_step, self.method = in_step, method
        if not in_step:
            return
        now = self._timeline.now
        protocol_ps = self._protocol_error_ps(method)
        for core in self._hardware.cores:
            comparison = found.get(core)
            error_ps = protocol_ps if comparison is None else comparison.uncertain_ps
            if not running or core not in self.timers:
                self.timers[core] = Timer(now, error_ps, now, since_ps=now)
            elif comparison is not None:
                self.timers[core] = _compared(self.timers[core], comparison, now)
        if running and any(each.corrected for each in found.values()):
            self._pause_ps = self._hardware.cost_ps("clock_comparison", self.first_core)
        if method == "messages":  # each is wrong by so much, two against each other by the sum
            protocol_ps = sum(sorted((each.left_ps for each in found.values()), reverse=True)[:2])
        self._tell(method, protocol_ps)
        self.attend()

    def started(self, core: int) -> None:
        """A core has come on line, and put its timer in step alone."""
        now = self._timeline.now
        self.timers[core] = Timer(now, self._protocol_error_ps(self.reference), now, since_ps=now)

    def _protocol_error_ps(self, method: Method) -> int:
        found = self._kb.once(f"clock_error({method}, Nanoseconds)")
        assert found is not None
        return int(found["Nanoseconds"]) * PS_PER_NS

    def _tell(self, method: Method, error_ps: int) -> None:
        compared = {core: timer for core, timer in self.timers.items() if timer.drift_ppb is not None}
        offsets = {core: round(timer.offset_ps / PS_PER_NS) for core, timer in compared.items()}
        drifts = {core: timer.drift_ppb or 0 for core, timer in compared.items()}
        error_ns = -(-error_ps // PS_PER_NS)
        self._kb.once(f"clocks:timers_in_step({method}, {error_ns}, {_pairs(offsets)}, {_pairs(drifts)})")

    def attend(self) -> None:
        """See to it that timers are compared in good time, if a gang depends on them."""
        if self._armed or not self.in_step or not self._wanted():
            return
        due = self._kb.once("resynchronise_after(Nanoseconds)")
        if due is not None:
            pause = max(due["Nanoseconds"], 1) * PS_PER_NS
        else:
            pause, self._pause_ps = self._pause_ps, min(2 * self._pause_ps, _DAY_PS)
        self._armed = True
        self._timeline.at(self._timeline.now + pause, Priority.TIMER, self.first_core, self._due)

    def _due(self, _now: int) -> None:
        self._armed = False
        if self._wanted():
            self.synchronise()


def _compared(before: Timer, found: Comparison, now: int) -> Timer:
    """What is known of a timer after it has been compared: what it gained in all that time, if one can tell."""
    gained = before.gained_ps + found.offset_ps
    drift = before.drift_ppb
    if abs(gained) > found.uncertain_ps + before.error_ps:
        drift = gained * 1_000_000_000 // (now - before.since_ps)
    elif drift is None:
        drift = 0
    after = replace(before, compared_ps=now, offset_ps=found.offset_ps, drift_ppb=drift)
    return replace(after, set_ps=now, gained_ps=gained) if found.corrected else after


def _pairs(values: Mapping[int, int]) -> str:
    return "[" + ", ".join(f"{core}-({value})" for core, value in values.items()) + "]"
