"""Capabilities as a part of the simulated monitors, as `kernel.hotplug` is: messages in, messages out, time charged.

Each message costs the monitor a system call, for the CPU driver to look at or change its database, and what receiving
and sending cost anyway. What another operation was in the way of is tried again after the next message, as that may
have ended it, and else after a while, each time after twice as long (Barrelfish's back-off).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kernel.capabilities.capability import Object
from kernel.capabilities.core import SPACE_BITS, CoreCapabilities, InterMonitor
from kernel.capabilities.cspace import CSpaceEntry, print_cspace
from kernel.capabilities.database import Slot
from kernel.capabilities.errors import ErrorCode
from kernel.capabilities.invocations import Invocations
from kernel.capabilities.memory_server import Homes, partition
from kernel.capabilities.messages import CopyTo
from kernel.capabilities.virtual_memory import Invalidation
from kernel.messaging.endpoint import Endpoint
from kernel.multicast import Tree
from kernel.program import Invoke
from kernel.threads import Operation

Handling = Generator[Operation, Any, None]


class MonitorOfCore(Protocol):
    """What is needed of a core's monitor."""

    core: int
    endpoint: Endpoint
    handlers: dict[type, Callable[[Any], Handling]]

    def send(self, core: int, message: object) -> Handling: ...

    def remind(self, message: object, delay_ps: int) -> None: ...


@dataclass(frozen=True, slots=True)
class CapabilityMessage:
    """Between monitors, from that of core `sender`."""

    sender: int
    message: InterMonitor


@dataclass(frozen=True, slots=True)
class RetryRefused:
    """To oneself, after a while: try again what was refused."""


@dataclass(frozen=True, slots=True)
class UseCapabilities:
    """To a core's monitor: do this with its capabilities."""

    action: Callable[[CapabilityService], None]


class CapabilityService:
    """The part of one monitor that handles capabilities; `backs_off_ps` are the shortest and the longest whiles."""

    def __init__(
        self, monitor: MonitorOfCore, capabilities: CoreCapabilities, backs_off_ps: tuple[int, int]
    ) -> None:
        self.capabilities = capabilities
        self.spaces: dict[tuple[int, int], Invocations] = {}  # of the core's dispatchers, by domain and index
        self._blocks: dict[int, list[Object]] = {}  # the RAM that each domain has here
        self._monitor = monitor
        self._least_ps, self._most_ps = backs_off_ps
        self._back_off_ps = self._least_ps
        self._reminded = False
        self._later: list[Callable[[], Handling]] = []
        monitor.handlers[CapabilityMessage] = self._message
        monitor.handlers[RetryRefused] = self._retry
        monitor.handlers[UseCapabilities] = self._use

    def _message(self, message: CapabilityMessage) -> Handling:
        def handle() -> None:
            self.capabilities.handle(message.sender, message.message)
            self.capabilities.retry()

        yield from self.carry_out(handle)

    def _retry(self, message: RetryRefused) -> Handling:
        self._reminded = False
        self._back_off_ps = min(2 * self._back_off_ps, self._most_ps)
        yield from self.carry_out(self.capabilities.retry)

    def _use(self, message: UseCapabilities) -> Handling:
        yield from self.carry_out(lambda: message.action(self))

    def carry_out(self, action: Callable[[], None]) -> Handling:
        """Do something with the capabilities in a system call, and send what comes of it."""
        yield Invoke(lambda _: action())
        outbox, self.capabilities.outbox = self.capabilities.outbox, []
        for core, message in outbox:
            yield from self._monitor.send(core, CapabilityMessage(self._monitor.core, message))
        while self._later:
            yield from self._later.pop(0)()
        if not self.capabilities.retries:
            self._back_off_ps = self._least_ps
        elif not self._reminded:
            self._reminded = True
            self._monitor.remind(RetryRefused(), self._back_off_ps)

    def later(self, handling: Callable[[], Handling]) -> None:
        """Have the monitor do this when it has done what it is at: for what is told how something went."""
        self._later.append(handling)

    # -- dispatchers -------------------------------------------------------------------------------

    def make_dispatcher(
        self, domain: int, index: int, done: Callable[[Invocations | None], None], own_page_table: bool = True
    ) -> None:
        """Make the objects of a dispatcher of this core of new RAM; `done` gets None if no core has any left."""

        def taken(slot: Slot | None) -> None:
            if slot is None:
                done(None)
                return
            self._hold(domain, slot)
            self.capabilities.new_space(slot, made, own_page_table)

        def made(space: Invocations) -> None:
            self.spaces[domain, index] = space
            done(space)

        self.capabilities.allocate(SPACE_BITS, taken)

    def _hold(self, domain: int, slot: Slot) -> None:
        self._blocks.setdefault(domain, []).append(self.capabilities.database.slots[slot].object)

    def allocate(self, domain: int, bits: int, destination: Slot, done: Callable[[ErrorCode], None]) -> None:
        """New RAM of 2^bits bytes for a dispatcher of this core, its capability to be in an empty slot."""

        def taken(slot: Slot | None) -> None:
            if slot is None:
                done(ErrorCode.MEMORY_NOT_FOUND)
                return
            self._hold(domain, slot)
            core = self.capabilities.core
            self.capabilities.submit(lambda client: CopyTo(client, slot, core, destination), done)

        self.capabilities.allocate(bits, taken)

    def holds(self, domain: int) -> bool:
        """Whether a domain has anything of this core's memory servers."""
        return domain in self._blocks

    def end_domain(self, domain: int) -> None:
        """Take back all RAM that the domain was given on this core, and so all that came of it anywhere."""
        for key in [key for key in self.spaces if key[0] == domain]:
            del self.spaces[key]
        for block in reversed(self._blocks.pop(domain, [])):  # its capability space, which names the others, last
            self.capabilities.give_back(block)

    def print_cspace(self, domain: int, index: int) -> list[CSpaceEntry]:
        """The capabilities of a dispatcher, as the shell shows them; none if it is not here."""
        space = self.spaces.get((domain, index))
        return [] if space is None else print_cspace(space.space)


def serve(
    monitors: Mapping[int, MonitorOfCore], memory: Sequence[Object], near: Mapping[int, int],
    backs_off_ps: Callable[[int], tuple[int, int]],
    neighbours: Callable[[int], Sequence[int]],
    spread: Callable[[int, Sequence[Invalidation]], Tree] | None = None,
) -> dict[int, CapabilityService]:
    """Give all monitors capabilities: `memory` divided among the cores, each served from region `near` it first.

    `neighbours` says whom a core steals from, nearest first, when it first does; `spread` is `CoreCapabilities`'.
    """

    def part(core: int, monitor: MonitorOfCore) -> CapabilityService:
        spread_from = None if spread is None else (lambda what: spread(core, what))
        capabilities = CoreCapabilities(core, cores, homes, lambda: neighbours(core), spread_from)
        return CapabilityService(monitor, capabilities, backs_off_ps(core))

    cores = frozenset(monitors)
    homes = Homes(partition(memory, sorted(monitors), near))
    return {core: part(core, monitor) for core, monitor in monitors.items()}
