"""Whose turn it is: the rows of an Ousterhout matrix, gone through one after the other.

The SKB says which domains can run side by side (rules/matrix.pl). A row lasts a timeslice; the next begins where the
last one ended. With one row or none nobody has turns, and no time is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from kernel.dispatcher import Dispatcher
from kernel.domain import Domain, DomainState
from kernel.schedulers.fair_share import Cfs
from kernel.schedulers.regime import Kernel
from kernel.timeline import Priority

SYSTEM = 2
"""The priority of the system's own dispatchers; gangs have 1."""


def is_gang(domain: Domain) -> bool:
    """Whether a domain's dispatchers are to run together: its manifest says so in this phase, or, where it has none,
    it has several of them.
    """
    if domain.placement.manifest is None:
        return len(domain.placement.assignments) > 1
    return domain.ganged


class Rows:
    """The matrix, and the row whose turn it is.

    `over(now)` is called at the end of each timeslice that `keep_time` begins. Where `time_shared`, those that are no
    gang have a row of their own to share by time, in which nobody is active.
    """

    def __init__(
        self, kernel: Kernel, timeslice_ps: int, over: Callable[[int], None], time_shared: bool = False
    ) -> None:
        self._kernel = kernel
        self._timeslice_ps = timeslice_ps
        self._over = over
        self._keeping_time = False
        self._time_shared = time_shared
        self._rows: tuple[tuple[int, ...], ...] = ()
        self._turn = 0

    def find(self) -> int:
        """Domains have come, gone or changed: make the matrix anew; the inferences that took. The turn goes on."""
        running = [domain for domain in self._kernel.running if domain.state is DomainState.RUNNING]
        gangs = [domain.id for domain in running if not self._time_shared or is_gang(domain)]
        active = self.active
        rows, inferences = self._kernel.controller.rows(gangs)
        if self._time_shared and rows and len(gangs) < len(running):
            rows = (*rows, ())
        self._rows = rows
        still = [index for index, row in enumerate(rows) if active and active[0] in row]
        self._turn = still[0] if still else min(self._turn, max(len(rows) - 1, 0))
        return inferences

    def next(self) -> None:
        """It is the next row's turn."""
        if self._rows:
            self._turn = (self._turn + 1) % len(self._rows)

    def keep_time(self) -> None:
        """A timeslice begins, if there are turns and none has begun."""
        if len(self._rows) > 1 and not self._keeping_time:
            self._keeping_time = True
            kernel = self._kernel
            kernel.timeline.at(kernel.now + self._timeslice_ps, Priority.TIMER, kernel.first_core, self._end)

    def _end(self, now: int) -> None:
        self._keeping_time = False
        self._over(now)

    @property
    def active(self) -> Sequence[int]:
        """The domains whose turn it is."""
        return self._rows[self._turn] if self._rows else ()

    def dispatchers(self, active: bool) -> set[tuple[Dispatcher, int]]:
        """Those of the gangs, and their cores, whose turn it is, or is not."""
        known = {number for row in self._rows for number in row}
        wanted = set(self.active) if active else known - set(self.active)
        return {
            (dispatcher, dispatcher.core)
            for domain in self._kernel.running if domain.id in wanted
            for dispatcher in domain.dispatchers.values() if dispatcher.scheduled
        }


def before_gangs(kernel: Kernel, schedulers: Mapping[int, Cfs]) -> None:
    """No raised gang keeps a core from what the system itself has to do, much of which Linux does in its kernel."""
    for core, driver in kernel.drivers.items():
        for dispatcher in driver.dispatchers.values():
            driver.reschedule(partial(schedulers[core].raise_, dispatcher.task, priority=SYSTEM))


def in_order(dispatchers: set[tuple[Dispatcher, int]]) -> list[tuple[Dispatcher, int]]:
    """By domain and number."""
    return sorted(dispatchers, key=lambda each: (each[0].domain.id, each[0].index))
