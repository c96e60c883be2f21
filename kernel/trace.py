"""What happened: which domain each core ran, when.

The log keeps the newest slices of each core (a bounded number: a run's length costs no memory), and a
running hash over all of them, equal for equal inputs on every run.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

SLICES_KEPT = 65_536
"""Slices kept a core; older ones are forgotten, the hash has seen them."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Core `core` ran domain `domain` from `start_ps` to `end_ps`."""

    core: int
    start_ps: int
    end_ps: int
    domain: int


class ScheduleLog:
    """Who ran where and when."""

    def __init__(self, cores: Iterable[int]) -> None:
        self._starts: dict[int, deque[tuple[int, int | None]]] = {
            core: deque([(-(1 << 62), None)], maxlen=SLICES_KEPT) for core in cores
        }
        self._hash = hashlib.sha256()

    def record(self, core: int, now_ps: int, domain: int | None) -> None:
        """From `now_ps` on, `core` runs `domain` (None: it idles)."""
        starts = self._starts[core]
        if starts[-1][1] == domain:
            return
        self._hash.update(b"%d %d %d\n" % (core, now_ps, -1 if domain is None else domain))
        if starts[-1][0] == now_ps:
            starts.pop()
        starts.append((now_ps, domain))

    def digest(self) -> str:
        """The hash over every dispatch recorded so far."""
        return self._hash.hexdigest()

    def slices(self, cores: Iterable[int], from_ps: int, to_ps: int) -> list[Slice]:
        """The slices of `cores` that lie in [from_ps, to_ps), cut to it, by core and time."""
        found = []
        for core in cores:
            starts = self._starts[core]
            ends = [start for start, _ in starts][1:]
            ends.append(to_ps)
            for (start, domain), end in zip(starts, ends, strict=True):
                start, end = max(start, from_ps), min(end, to_ps)
                if domain is not None and start < end:
                    found.append(Slice(core, start, end, domain))
        return found
