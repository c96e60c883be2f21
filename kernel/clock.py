"""Time: integer picoseconds, durations as people write them, and a core's local clock.

The simulation's time is the reference that no core can see. What a core sees is its APIC timer, which
starts with an offset, may drift, and is put in step with the others by `kernel.clock_sync`
(dissertation §3.5.4, §3.6.3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

PS_PER_NS = 1_000
PS_PER_US = 1_000_000
PS_PER_MS = 1_000_000_000
PS_PER_S = 1_000_000_000_000

_UNITS = {"ps": 1, "ns": PS_PER_NS, "us": PS_PER_US, "µs": PS_PER_US, "ms": PS_PER_MS, "s": PS_PER_S}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ps|ns|us|µs|ms|s)\Z")
_LONGEST_PS = 10**6 * PS_PER_S  # eleven days of simulated time: beyond it is a slip of the finger


def parse_duration(text: str) -> int:
    """The picoseconds in `20us`, `1.5ms`, `2s`; ValueError says what is wrong with anything else."""
    match = _DURATION.match(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is no duration; write a number and a unit, such as 20us, 80ms or 2s")
    ps = Fraction(match[1]) * _UNITS[match[2]]
    if ps.denominator != 1:
        raise ValueError(f"'{text}' is finer than a picosecond")
    if ps > _LONGEST_PS:
        raise ValueError(f"'{text}' is longer than {_LONGEST_PS // PS_PER_S} s, the longest duration")
    return int(ps)


def format_duration(ps: int) -> str:
    """A duration in the unit that suits its size, to three decimals: `4.000 us`, `80.000 ms`."""
    for unit, size in (("s", PS_PER_S), ("ms", PS_PER_MS), ("us", PS_PER_US), ("ns", PS_PER_NS)):
        if abs(ps) >= size:
            return f"{ps / size:.3f} {unit}"
    return "0 s" if ps == 0 else f"{ps} ps"


def cycles_to_ps(cycles: int, clock_hz: int) -> int:
    """The picoseconds that `cycles` take at `clock_hz`, rounded to the nearest."""
    return (cycles * PS_PER_S + clock_hz // 2) // clock_hz


@dataclass(slots=True)
class LocalClock:
    """A core's APIC timer: `local = reference * (1 + drift) + offset`, in picoseconds.

    `drift_ppb` is in parts per billion. `reset` puts the timer to a value, as timer synchronisation does.
    """

    offset_ps: int = 0
    drift_ppb: int = 0

    def local(self, now_ps: int) -> int:
        """What the timer reads at the reference instant `now_ps`."""
        return now_ps + now_ps * self.drift_ppb // 1_000_000_000 + self.offset_ps

    def reference(self, local_ps: int) -> int:
        """The first reference instant at which the timer reads `local_ps` or more."""
        if self.drift_ppb == 0:
            return local_ps - self.offset_ps
        now = (local_ps - self.offset_ps) * 1_000_000_000 // (1_000_000_000 + self.drift_ppb) - 2
        while self.local(now) < local_ps:
            now += 1
        return now

    def reset(self, now_ps: int, local_ps: int) -> None:
        """Make the timer read `local_ps` at the reference instant `now_ps`."""
        self.offset_ps += local_ps - self.local(now_ps)
