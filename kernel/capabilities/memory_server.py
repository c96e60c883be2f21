"""Memory servers: one a core, each with memory of its own, that steal from one another (`usr/mem_serv_dist`).

At boot memory is divided among the cores. A server hands out RAM in powers of two without asking anybody; when it
has none left it asks the others, one after the other, nearest first. What is freed goes back to the core it is
from, so that buddies find each other. Like the monitors' protocol this is a state machine: a request or message in,
messages and grants out; a grant says of which region to retype what. A server keeps a copy of what it hands out
in a slot of its own: to take a block back, from a domain that ended for one, it revokes and deletes that, then
calls `free`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kernel.capabilities.buddy import LEAST_BITS, Buddies
from kernel.capabilities.capability import Object
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.operations import Retype
from kernel.capabilities.types import PAGE_BYTES, ObjectType

PERCORE_BITS = 27
"""128 MB for each core beside the first: PERCORE_BITS of `usr/mem_serv_dist`."""


@dataclass(frozen=True, slots=True)
class Steal:
    """To another server: let me have a block for request `operation` of mine."""

    operation: int
    bits: int
    least_base: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class Stolen:
    """The answer: a block, whose capability comes with the message, or none."""

    operation: int
    block: Object | None


@dataclass(frozen=True, slots=True)
class Return:
    """To the server a block is from: it is free."""

    block: Object


MemoryMessage = Steal | Stolen | Return


@dataclass(frozen=True, slots=True)
class SendMemory:
    """A message to the server of `core`. With a stolen block goes its capability, made by `retype` of `region`."""

    core: int
    message: MemoryMessage
    region: Object | None = None
    retype: Retype | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """A client gets `block`: made by `retype` of `region`, or, with no region, as it came from another core."""

    client: int
    block: Object
    region: Object | None
    retype: Retype | None


@dataclass(frozen=True, slots=True)
class Denied:
    """No core has such a block."""

    client: int
    code: ErrorCode


MemoryOutput = SendMemory | Granted | Denied


@dataclass(frozen=True, slots=True)
class _Search:
    """A client's request that this core could not serve; `left` are the cores still to be asked."""

    client: int
    bits: int
    least_base: int
    limit: int | None
    left: tuple[int, ...]


class Homes:
    """Which core's server has which memory; one for all servers, as the division never changes."""

    def __init__(self, shares: Mapping[int, Sequence[Object]]) -> None:
        self.shares = shares
        self._sorted = sorted((region, core) for core, regions in shares.items() for region in regions)

    def of(self, block: Object) -> int:
        """The core whose share a block is of. Raises MEMORY_NOT_FOUND."""
        index = bisect_right(self._sorted, block.base, key=lambda each: each[0].base) - 1
        if index < 0 or not self._sorted[index][0].contains(block):
            raise CapabilityError(ErrorCode.MEMORY_NOT_FOUND, f"{block} is of no memory server's memory")
        return self._sorted[index][1]


class MemoryServer:
    """The memory server of `core`; `neighbours` says, when first needed, whom to ask, nearest first."""

    def __init__(self, core: int, homes: Homes, neighbours: Callable[[], Sequence[int]]) -> None:
        self.core = core
        self.homes = homes
        self.buddies = Buddies()
        for region in homes.shares.get(core, ()):
            self.buddies.add(region)
        self._neighbours = neighbours
        self._searches: dict[int, _Search] = {}
        self._number = 0

    @property
    def free_bytes(self) -> int:
        return self.buddies.free_bytes

    def allocate(self, client: int, bits: int, least_base: int = 0, limit: int | None = None) -> list[MemoryOutput]:
        """A client of this core wants 2^bits bytes; `Granted` or `Denied` comes now or by a later `handle`."""
        if bits < LEAST_BITS:
            return [Denied(client, ErrorCode.MEMORY_TOO_SMALL)]
        block = self.buddies.allocate(bits, least_base, limit)
        if block is not None:
            region, retype = self._made_by(block)
            return [Granted(client, block, region, retype)]
        self._number += 1
        return self._ask(self._number, _Search(client, bits, least_base, limit, tuple(self._neighbours())))

    def _made_by(self, block: Object) -> tuple[Object, Retype]:
        region = self.buddies.region(block.base)
        assert region is not None
        return region, Retype(ObjectType.RAM, block.base - region.base, block.size)

    def _ask(self, number: int, search: _Search) -> list[MemoryOutput]:
        if not search.left:
            self._searches.pop(number, None)
            return [Denied(search.client, ErrorCode.MEMORY_NOT_FOUND)]
        core, *left = search.left
        self._searches[number] = _Search(search.client, search.bits, search.least_base, search.limit, tuple(left))
        return [SendMemory(core, Steal(number, search.bits, search.least_base, search.limit))]

    def free(self, block: Object) -> list[MemoryOutput]:
        """A block is free: no capability names any of it any more. Raises MEMORY_NOT_FOUND for what is nobody's."""
        home = self.homes.of(block)
        if home == self.core:
            self.buddies.free(block)
            return []
        return [SendMemory(home, Return(block))]

    def handle(self, sender: int, message: MemoryMessage) -> list[MemoryOutput]:
        """A message of another server."""
        if isinstance(message, Return):
            self.buddies.free(message.block)
            return []
        if isinstance(message, Steal):
            block = self.buddies.allocate(message.bits, message.least_base, message.limit)
            if block is None:
                return [SendMemory(sender, Stolen(message.operation, None))]
            return [SendMemory(sender, Stolen(message.operation, block), *self._made_by(block))]
        search = self._searches[message.operation]
        if message.block is None:
            return self._ask(message.operation, search)
        del self._searches[message.operation]
        return [Granted(search.client, message.block, None, None)]


def partition(
    memory: Sequence[Object], cores: Sequence[int], near: Mapping[int, int] | None = None,
    share_bytes: int = 1 << PERCORE_BITS,
) -> dict[int, list[Object]]:
    """Divide regions of RAM among cores: `share_bytes` to each, or equal parts of less; the rest to the first.

    `near` says for a core the index of the region to be served from first (the closest memory); the shares are
    whole pages and disjoint, and together all of `memory`.
    """
    left = [[region] for region in memory]
    total = sum(region.size for region in memory)
    share = min(share_bytes, total // max(1, len(cores)) // PAGE_BYTES * PAGE_BYTES)
    homes: dict[int, list[Object]] = {core: [] for core in cores}
    for core in [*cores[1:], *cores[:1]]:
        wanted = share
        first = (near or {}).get(core, 0)
        for index in [first, *(each for each in range(len(left)) if each != first)]:
            while wanted and left[index]:
                region = left[index].pop()
                size = min(wanted, region.size)
                homes[core].append(region._replace(size=size))
                wanted -= size
                if size < region.size:
                    left[index].append(region._replace(base=region.base + size, size=region.size - size))
    for regions in left:
        homes[cores[0]] += regions
    return homes
