"""Gang scheduling as Slurm does it: by daemons that stop and continue processes, over TCP.

All domains are jobs. slurmctld, a process on one core, goes through the rows of jobs that fit side by side; at the
end of each timeslice it asks slurmd on each core of the jobs whose turn is over to suspend them, and on each of the
jobs whose turn it is to resume them: a connection for each, opened, used once and closed. slurmd, a process as well,
signals the job's processes (SIGSTOP, SIGCONT) when it comes to run. A new job is suspended until its turn comes. Both
daemons compete for their cores as all processes do. (Slurm's documentation: Gang Scheduling.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Literal

from kernel.dispatcher import Dispatcher
from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint
from kernel.program import Invoke, Receive, Send, Spend
from kernel.schedulers.balancing import Linux
from kernel.schedulers.regime import Kernel
from kernel.schedulers.rows import Rows, in_order
from kernel.schedulers.tcp import TcpLink
from kernel.threads import Code

SLURMCTLD = -3
SLURMD = -4
"""The domain numbers of the daemons; a user's domains count from 1."""

Told = Literal["changed", "timeslice over"]


@dataclass(frozen=True, slots=True)
class SignalJob:
    """To slurmd: suspend the processes of a job on its core, or resume them."""

    dispatchers: tuple[Dispatcher, ...]
    suspend: bool


@dataclass(frozen=True, slots=True)
class JobSignalled:
    """slurmd's reply."""


class Slurm(Linux):
    """Linux with Slurm's gang scheduling, a `Regime`; jobs stay on the cores that they were given."""

    def __init__(self, hardware: Hardware) -> None:
        super().__init__(hardware)
        self._timeslice_ps = hardware.cost_ps("slurm_timeslice", min(hardware.cores))
        self._suspended: set[tuple[Dispatcher, int]] = set()

    def start(self, kernel: Kernel) -> None:
        """See `Regime`. The balancer stays off: each process is bound to the core it was allocated."""
        self._system = kernel
        self._rows = Rows(kernel, self._timeslice_ps, partial(self._tell, "timeslice over"))
        hardware = kernel.hardware
        self._inference_ps = hardware.cost_ps("inference", kernel.first_core)
        self._controller = Endpoint(hardware.cost_ps("poll", kernel.first_core))
        self._daemons = {core: Endpoint(hardware.cost_ps("poll", core)) for core in kernel.drivers}
        link = partial(TcpLink, kernel.timeline, hardware)
        self._to = {
            core: link("tcp_request", kernel.first_core, core, endpoint) for core, endpoint in self._daemons.items()
        }
        self._back = {core: link("tcp_reply", core, kernel.first_core, self._controller) for core in kernel.drivers}
        kernel.system_domain(SLURMCTLD, "slurmctld", {kernel.first_core: self._control})
        kernel.system_domain(SLURMD, "slurmd", {core: partial(self._serve, core) for core in kernel.drivers})

    def changed(self) -> None:
        """See `Regime`."""
        self._tell("changed", self._system.now)

    def _tell(self, what: Told, now: int) -> None:
        self._controller.deliver(what, 0, now)

    def _control(self) -> Code:
        """slurmctld."""
        while True:
            told = yield Receive(self._controller)
            if isinstance(told, JobSignalled):
                continue
            if told == "changed":
                yield Spend(self._rows.find() * self._inference_ps)
            else:
                self._rows.next()
            wanted = self._rows.dispatchers(active=False)
            before, self._suspended = self._suspended, wanted
            for core, signal in [*_signals(wanted - before, True), *_signals(before - wanted, False)]:
                yield Send(self._to[core], signal)
            self._rows.keep_time()

    def _serve(self, core: int) -> Code:
        """slurmd."""
        while True:
            request = yield Receive(self._daemons[core])
            assert isinstance(request, SignalJob)
            for dispatcher in request.dispatchers:
                yield Invoke(partial(self._signal, core, dispatcher, request.suspend))
            yield Send(self._back[core], JobSignalled())

    def _signal(self, core: int, dispatcher: Dispatcher, suspend: bool, _now: int) -> None:
        """kill(2) with SIGSTOP or SIGCONT."""
        driver, scheduler = self._system.drivers[core], self.schedulers[core]
        if dispatcher.task.id in driver.dispatchers:
            driver.reschedule(partial(scheduler.suspend if suspend else scheduler.resume, dispatcher.task))


def _signals(dispatchers: set[tuple[Dispatcher, int]], suspend: bool) -> Iterable[tuple[int, SignalJob]]:
    """A message for each job on each of its cores."""
    for (_, core), each in groupby(
        sorted(in_order(dispatchers), key=lambda one: (one[0].domain.id, one[1])),
        key=lambda one: (one[0].domain.id, one[1]),
    ):
        yield core, SignalJob(tuple(dispatcher for dispatcher, _ in each), suspend)
