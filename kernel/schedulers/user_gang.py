"""A gang scheduler in user space on top of Linux's scheduling: the dissertation's (§3.3.3).

It is a process in the real-time class. Each timeslice it lowers those whose turn is over into the time-sharing class
and raises those whose turn it is, one system call for each of their threads; then it sleeps. Where the thread is on
another core, that core is interrupted to schedule anew. When a raised thread blocks, the time-sharing class fills
the time.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from kernel.dispatcher import Dispatcher
from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint
from kernel.program import Invoke, Receive, Spend
from kernel.schedulers.balancing import Linux
from kernel.schedulers.regime import Kernel
from kernel.schedulers.rows import Rows, before_gangs, in_order, is_gang
from kernel.threads import Code
from kernel.timeline import Priority

GANG_SCHEDULER = -3
"""The domain number of the gang scheduler; a user's domains count from 1."""

Told = Literal["changed", "timeslice over"]


class UserGang(Linux):
    """Linux with the user-level gang scheduler, a `Regime`; gangs stay on their cores."""

    def __init__(self, hardware: Hardware) -> None:
        super().__init__(hardware)
        self._timeslice_ps = hardware.cost_ps("gang_timeslice", min(hardware.cores))
        self._raised: set[tuple[Dispatcher, int]] = set()

    def start(self, kernel: Kernel) -> None:
        """See `Regime`."""
        super().start(kernel)
        self._system = kernel
        self._rows = Rows(kernel, self._timeslice_ps, partial(self._tell, "timeslice over"), time_shared=True)
        core = kernel.first_core
        self._endpoint = Endpoint(kernel.hardware.cost_ps("poll", core))
        self._inference_ps = kernel.hardware.cost_ps("inference", core)
        kernel.system_domain(GANG_SCHEDULER, "gang scheduler", {core: self._main})
        before_gangs(kernel, self.schedulers)

    def changed(self) -> None:
        """See `Regime`."""
        self._tell("changed", self._system.now)

    def may_move(self, dispatcher: Dispatcher) -> bool:
        """See `Linux`."""
        return super().may_move(dispatcher) and not is_gang(dispatcher.domain)

    def _tell(self, what: Told, now: int) -> None:
        self._endpoint.deliver(what, 0, now)

    def _main(self) -> Code:
        while True:
            told = yield Receive(self._endpoint)
            if told == "changed":
                yield Spend(self._rows.find() * self._inference_ps)
            else:
                self._rows.next()
            wanted = self._rows.dispatchers(active=True)
            for dispatcher, core in in_order(self._raised - wanted):
                yield Invoke(partial(self._set, dispatcher, core, False))
            for dispatcher, core in in_order(wanted - self._raised):
                yield Invoke(partial(self._set, dispatcher, core, True))
            self._raised = wanted
            self._rows.keep_time()

    def _set(self, dispatcher: Dispatcher, core: int, raised: bool, now: int) -> None:
        """sched_setscheduler(2): another class for a thread, perhaps of another core."""
        kernel = self._system

        def take(at: int) -> None:
            driver, scheduler = kernel.drivers[core], self.schedulers[core]
            if core != kernel.first_core:
                driver.interrupt(at)
            if dispatcher.task.id in driver.dispatchers:
                driver.reschedule(partial(scheduler.raise_ if raised else scheduler.lower, dispatcher.task))

        if core == kernel.first_core:
            take(now)
        else:
            arrives = now + kernel.hardware.message_ps(kernel.first_core, core)
            kernel.timeline.at(arrives, Priority.MESSAGE, core, take)
