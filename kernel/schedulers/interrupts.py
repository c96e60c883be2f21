"""Centralised gang scheduling: a coordinator core interrupts all others at the end of each timeslice.

The matrix is known on every core; an inter-processor interrupt says that its next row begins. The coordinator's CPU
driver sends one after the other, each of which takes it some time, and is in the kernel meanwhile; a core that is
interrupted gives the processor to whoever is in that row. Where that one blocks, others fill the time.
"""

from __future__ import annotations

from functools import partial

from kernel.dispatcher import Dispatcher
from kernel.hardware import Hardware
from kernel.schedulers.balancing import Linux
from kernel.schedulers.regime import Kernel
from kernel.schedulers.rows import Rows, before_gangs, is_gang
from kernel.timeline import Priority


class Interrupting(Linux):
    """Fair schedulers, and a coordinator core that has all switch together: a `Regime`; gangs stay on their cores."""

    def __init__(self, hardware: Hardware) -> None:
        super().__init__(hardware)
        self._timeslice_ps = hardware.cost_ps("interrupt_timeslice", min(hardware.cores))
        self._raised: dict[int, set[Dispatcher]] = {core: set() for core in hardware.cores}
        self._due = False

    def start(self, kernel: Kernel) -> None:
        """See `Regime`."""
        super().start(kernel)
        self._system = kernel
        self._rows = Rows(kernel, self._timeslice_ps, self._timeslice_over, time_shared=True)
        self._send_ps = kernel.hardware.cost_ps("ipi_send", kernel.first_core)
        self._inference_ps = kernel.hardware.cost_ps("inference", kernel.first_core)
        before_gangs(kernel, self.schedulers)

    def may_move(self, dispatcher: Dispatcher) -> bool:
        """See `Linux`."""
        return super().may_move(dispatcher) and not is_gang(dispatcher.domain)

    def changed(self) -> None:
        """See `Regime`."""
        if not self._due:
            self._due = True
            kernel = self._system
            kernel.timeline.at(kernel.now, Priority.TIMER, kernel.first_core, self._find)

    def _find(self, now: int) -> None:
        self._due = False
        self._switch(now, self._rows.find() * self._inference_ps)

    def _timeslice_over(self, now: int) -> None:
        kernel = self._system
        kernel.drivers[kernel.first_core].interrupt(now)  # by its timer
        self._rows.next()
        self._switch(now)

    def _switch(self, now: int, before_ps: int = 0) -> None:
        """Have every core give its processor to the row whose turn it is, after so much else in the kernel."""
        kernel = self._system
        driver = kernel.drivers[kernel.first_core]
        others = [core for core, each in kernel.drivers.items() if core != kernel.first_core and each.online]
        begins = driver.kernel_done(now) + before_ps
        driver.hold(now, before_ps + len(others) * self._send_ps)
        wanted = self._rows.dispatchers(active=True)
        for sent, core in enumerate(others, start=1):
            at = begins + sent * self._send_ps + kernel.hardware.message_ps(kernel.first_core, core)
            mine = {dispatcher for dispatcher, where in wanted if where == core}
            kernel.timeline.at(at, Priority.MESSAGE, core, partial(self._begin, core, mine))
        self._begin(kernel.first_core, {one for one, where in wanted if where == kernel.first_core}, now)
        self._rows.keep_time()

    def _begin(self, core: int, wanted: set[Dispatcher], now: int) -> None:
        """A core is in the next row."""
        driver, scheduler = self._system.drivers[core], self.schedulers[core]
        if core != self._system.first_core:
            driver.interrupt(now)
        here = {each for each in self._raised[core] | wanted if each.task.id in driver.dispatchers}
        for dispatcher in sorted(here, key=lambda each: (each.domain.id, each.index)):
            driver.reschedule(partial(scheduler.raise_ if dispatcher in wanted else scheduler.lower, dispatcher.task))
        self._raised[core] = wanted
