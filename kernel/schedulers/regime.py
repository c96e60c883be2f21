"""What a regime is to the kernel it is part of, and the regimes whose cores know nothing of each other.

The kernel asks a regime for each core's scheduler when it boots, lets it start what coordinates the cores, and tells
it when who runs where has changed. It may have daemons of its own, which are domains of the system.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from kernel.cpu_driver import CpuDriver
from kernel.dispatcher import Dispatcher
from kernel.domain import Domain
from kernel.hardware import Hardware
from kernel.scheduling import Scheduler
from kernel.threads import Code
from kernel.timeline import Timeline
from skb.placement import PlacementController


class Kernel(Protocol):
    """What regimes need of the kernel."""

    hardware: Hardware
    timeline: Timeline
    drivers: dict[int, CpuDriver]
    controller: PlacementController
    first_core: int

    @property
    def now(self) -> int: ...

    @property
    def running(self) -> list[Domain]:
        """The user's domains that run, by number."""

    def system_domain(self, number: int, name: str, mains: Mapping[int, Callable[[], Code]]) -> Domain:
        """Create a domain of the system itself, a dispatcher on each of these cores."""

    def serves(self, dispatcher: Dispatcher) -> bool:
        """Whether others bind to a service of the dispatcher's, which they find only where it is."""

    def migrate(self, domain: Domain, index: int, to: int) -> None:
        """Have a dispatcher on another core, at once and without a message: the kernels share memory."""


class Regime(Protocol):
    """How all cores are scheduled; `phase_locks` says whether gangs depend on synchronised timers."""

    phase_locks: bool

    def scheduler(self, core: int) -> Scheduler:
        """The scheduler of a core, which nothing has been added to."""

    def start(self, kernel: Kernel) -> None:
        """All CPU drivers and monitors are there."""

    def changed(self) -> None:
        """A domain has started or ended, has other dispatchers, or is in another phase."""


class EachCore:
    """No core knows of the others: what they do together has been planned (`kernel.planner`)."""

    phase_locks = True

    def __init__(self, make: Callable[[], Scheduler]) -> None:
        self._make = make

    def scheduler(self, core: int) -> Scheduler:
        """See `Regime`."""
        return self._make()

    def start(self, kernel: Kernel) -> None:
        """See `Regime`."""

    def changed(self) -> None:
        """See `Regime`."""
