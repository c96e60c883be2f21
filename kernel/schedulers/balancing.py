"""Linux's scheduling of all cores: the fair scheduler on each, and a load balancer that moves what waits.

A core that finds nothing to run looks at once for somebody to take over, and again at every tick; a busy one at
longer intervals. It takes from the core with the most load, if both are nearer to each other then, whoever waits
there longest and has not run just now, for that one's caches are warm (Linux 2.6.32, load_balance). What the user has
pinned stays; so does whoever offers a service, what is raised or suspended by a gang scheduler, and everything where
cores do not share memory, for each has a Linux of its own there.
"""

from __future__ import annotations

from functools import partial

from kernel.dispatcher import Dispatcher
from kernel.domain import DomainState
from kernel.hardware import Hardware
from kernel.schedulers.fair_share import Cfs, FairShare
from kernel.schedulers.regime import Kernel
from kernel.timeline import Priority


def fair_share(hardware: Hardware) -> FairShare:
    """The tunables of Linux on a machine of so many cores: with the logarithm of their number they grow.

    The ticks of all cores together take up half a tick (Linux 2.6.32, tick_setup_sched_timer).
    """
    factor = len(hardware.cores).bit_length()
    core = min(hardware.cores)
    latency, granularity, wakeup = (
        hardware.cost_ps(f"cfs_{name}", core) * factor for name in ("latency", "granularity", "wakeup")
    )
    tick = hardware.cost_ps("cfs_tick", core)
    return FairShare(latency, granularity, wakeup, tick, tick // 2 // len(hardware.cores))


class Linux:
    """Fair schedulers and a load balancer: a `Regime`."""

    phase_locks = False

    def __init__(self, hardware: Hardware) -> None:
        self._share = fair_share(hardware)
        self.schedulers: dict[int, Cfs] = {}
        self._kernel: Kernel | None = None
        core = min(hardware.cores)
        self._warm_ps = hardware.cost_ps("cfs_migration", core)
        self._busy_ticks = max(1, hardware.cost_ps("cfs_balance", core) // self._share.tick)
        self._shared_memory = not hardware.message_buffers
        self._armed = False
        self._looking: set[int] = set()
        self.migrations = 0

    def scheduler(self, core: int) -> Cfs:
        """See `Regime`."""
        made = self.schedulers[core] = Cfs(
            self._share, position=len(self.schedulers), dispatched=partial(self._dispatched, core)
        )
        return made

    def start(self, kernel: Kernel) -> None:
        """See `Regime`."""
        if self._shared_memory:
            self._kernel = kernel

    def changed(self) -> None:
        """See `Regime`."""

    def _dispatched(self, core: int) -> None:
        """A core has chosen who runs: if nobody, it looks for somebody; while anybody waits, all look at times."""
        kernel, scheduler = self._kernel, self.schedulers[core]
        if kernel is None:
            return
        if scheduler.running is None and core not in self._looking and self._anybody_waits():
            self._looking.add(core)
            kernel.timeline.at(kernel.now, Priority.TIMER, core, partial(self._look, core))
        if scheduler.waits and not self._armed:
            self._armed = True
            self._at_next_tick(kernel)

    def _at_next_tick(self, kernel: Kernel) -> None:
        tick = self._share.tick
        kernel.timeline.at(kernel.now + tick - kernel.now % tick, Priority.TIMER, kernel.first_core, self._tick)

    def _tick(self, now: int) -> None:
        kernel = self._kernel
        assert kernel is not None
        if not self._anybody_waits():
            self._armed = False
            return
        turn = now // self._share.tick
        for core, scheduler in self.schedulers.items():
            if scheduler.running is None or (turn + core) % self._busy_ticks == 0:
                self._look(core, now)
        self._at_next_tick(kernel)

    def _anybody_waits(self) -> bool:
        return any(scheduler.waits for scheduler in self.schedulers.values())

    def _look(self, core: int, now: int) -> None:
        """`core` takes over who waits on the most loaded core, if that is worth it."""
        kernel = self._kernel
        assert kernel is not None
        self._looking.discard(core)
        if not kernel.drivers[core].online:
            return
        loads = {each: scheduler.load for each, scheduler in self.schedulers.items()}
        for busiest in sorted(loads, key=lambda each: (-loads[each], each)):
            if loads[busiest] <= loads[core]:
                return
            found = self._movable(busiest, loads[busiest] - loads[core], now)
            if found is not None:
                self.migrations += 1
                kernel.drivers[core].interrupt(now)
                kernel.migrate(found.domain, found.index, core)
                return

    def _movable(self, core: int, difference: int, now: int) -> Dispatcher | None:
        """Who waits on `core`, weighs less than the difference of the loads, and may go elsewhere."""
        assert self._kernel is not None
        driver = self._kernel.drivers[core]
        local = driver.clock.local(now)
        for task in self.schedulers[core].waiting:
            dispatcher = driver.dispatchers[task.id]
            warm = task.executed > 0 and local - task.last_dispatch < self._warm_ps
            if task.weight < difference and not warm and self.may_move(dispatcher):
                return dispatcher
        return None

    def may_move(self, dispatcher: Dispatcher) -> bool:
        """Whether the balancer may have it: a user's, of a domain that is up and that nobody has pinned."""
        domain = dispatcher.domain
        if domain.id <= 0 or domain.state is not DomainState.RUNNING or domain.pinned:
            return False
        return self._kernel is not None and not self._kernel.serves(dispatcher)
