"""Memory servers: buddies that merge, shares of memory, and stealing."""

from __future__ import annotations

import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.capabilities import operations
from kernel.capabilities.buddy import LEAST_BITS, Buddies
from kernel.capabilities.capability import Capability, Object
from kernel.capabilities.database import Database, Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.memory_server import (
    Denied,
    Granted,
    Homes,
    MemoryOutput,
    MemoryServer,
    SendMemory,
    Stolen,
    partition,
)
from kernel.capabilities.types import PAGE_BYTES
from kernel.capabilities.types import ObjectType as T


def ram(first_page: int, pages: int) -> Object:
    return Object(T.RAM, first_page * PAGE_BYTES, pages * PAGE_BYTES)


def pages_of(block: Object) -> range:
    return range(block.base // PAGE_BYTES, block.end // PAGE_BYTES)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 13)), min_size=1, max_size=4),
    st.lists(st.one_of(st.integers(0, 5), st.tuples(st.integers(0, 5), st.integers(0, 60), st.integers(0, 60)),
                       st.just("free")), max_size=60),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_blocks_are_aligned_disjoint_within_limits_and_merge_when_freed(
    sizes: list[tuple[int, int]], calls: list[object], chance: random.Random
) -> None:
    buddies, at = Buddies(), 0
    for gap, size in sizes:
        buddies.add(ram(at + gap, size))
        at += gap + size
    free = {page for region in buddies.regions for page in pages_of(region)}
    whole, fresh = set(free), buddies.free_blocks()
    taken: list[Object] = []
    for call in calls:
        if call == "free":
            if taken:
                block = taken.pop(chance.randrange(len(taken)))
                buddies.free(block)
                free.update(pages_of(block))
            continue
        order, least, limit = call if isinstance(call, tuple) else (call, 0, 10**6)
        block = buddies.allocate(LEAST_BITS + order, least * PAGE_BYTES, limit * PAGE_BYTES)
        possible = any(
            set(range(first, first + (1 << order))) <= free
            and any(range(first, first + (1 << order))[-1] in pages_of(region) and first in pages_of(region)
                    for region in buddies.regions)
            for first in range(0, 64, 1 << order) if first >= least and first + (1 << order) <= limit
        )  # fmt: skip
        assert possible == (block is not None)
        if block is not None:
            assert block.size == PAGE_BYTES << order and block.base % block.size == 0
            assert least * PAGE_BYTES <= block.base and block.end <= limit * PAGE_BYTES
            assert free.issuperset(pages_of(block))
            free.difference_update(pages_of(block))
            taken.append(block)
        assert buddies.free_bytes == len(free) * PAGE_BYTES
        assert sorted(page for each in buddies.free_blocks() for page in pages_of(each)) == sorted(free)
    for block in taken:
        buddies.free(block)
    assert buddies.free_blocks() == fresh and buddies.free_bytes == len(whole) * PAGE_BYTES


def test_what_was_not_allocated_cannot_be_freed() -> None:
    buddies = Buddies()
    buddies.add(ram(0, 8))
    block = buddies.allocate(LEAST_BITS + 1)
    assert block is not None
    for bad in (ram(4, 1), block._replace(size=PAGE_BYTES), block._replace(size=3 * PAGE_BYTES)):
        with pytest.raises(CapabilityError, match="MM_ERR_NOT_FOUND"):
            buddies.free(bad)
    buddies.free(block)
    with pytest.raises(CapabilityError, match="MM_ERR_NOT_FOUND"):
        buddies.free(block)
    with pytest.raises(CapabilityError, match="MM_ERR_REQUEST_TOO_SMALL"):
        buddies.allocate(4)
    with pytest.raises(CapabilityError, match="SYS_ERR_INVARGS_SYSCALL"):
        buddies.add(ram(7, 3))


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 6), st.integers(1, 16),
    st.dictionaries(st.integers(0, 5), st.integers(0, 3)),
)  # fmt: skip
def test_shares_are_disjoint_and_together_everything(
    sizes: list[int], cores: int, share: int, near: dict[int, int]
) -> None:
    memory = [ram(100 * each, size) for each, size in enumerate(sizes)]
    near = {core: region for core, region in near.items() if region < len(memory)}
    homes = partition(memory, range(cores), near, share * PAGE_BYTES)
    pages = sorted(page for regions in homes.values() for region in regions for page in pages_of(region))
    assert pages == sorted(page for region in memory for page in pages_of(region))
    least = min(share, sum(sizes) // cores)
    assert all(sum(region.size for region in homes[core]) == least * PAGE_BYTES for core in range(1, cores))
    assert sum(region.size for region in homes[0]) >= least * PAGE_BYTES


class Servers:
    """Memory servers with FIFO channels between them."""

    def __init__(self, homes: dict[int, list[Object]]) -> None:
        self.servers = {
            core: MemoryServer(core, Homes(homes), lambda core=core: [each for each in homes if each != core])
            for core in homes
        }
        self.channels: dict[tuple[int, int], deque[SendMemory]] = {}
        self.granted: dict[int, Object] = {}
        self.denied: list[int] = []

    def out(self, core: int, outputs: list[MemoryOutput]) -> None:
        for output in outputs:
            if isinstance(output, SendMemory):
                self.channels.setdefault((core, output.core), deque()).append(output)
            elif isinstance(output, Granted):
                assert output.client not in self.granted
                self.granted[output.client] = output.block
            else:
                assert isinstance(output, Denied) and output.code is ErrorCode.MEMORY_NOT_FOUND
                self.denied.append(output.client)

    def deliver(self, chance: random.Random) -> bool:
        pairs = [pair for pair, queue in self.channels.items() if queue]
        if pairs:
            sender, core = chance.choice(pairs)
            self.out(core, self.servers[core].handle(sender, self.channels[sender, core].popleft().message))
        return bool(pairs)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.booleans()), max_size=60),
    st.randoms(use_true_random=False),
)
def test_stealing_never_gives_one_page_twice_and_loses_none(
    calls: list[tuple[int, int, bool]], chance: random.Random
) -> None:
    servers = Servers({core: [ram(core * 16, 8)] for core in range(4)})
    asked = 0
    for core, order, give_back in calls:
        if give_back and servers.granted:
            client = chance.choice(sorted(servers.granted))
            servers.out(core, servers.servers[core].free(servers.granted.pop(client)))
        else:
            asked += 1
            servers.out(core, servers.servers[core].allocate(asked, LEAST_BITS + order))
        for _ in range(chance.randrange(4)):
            servers.deliver(chance)
        under_way = [
            each.message.block for queue in servers.channels.values() for each in queue
            if isinstance(each.message, Stolen)
        ]
        pages = [page for block in [*servers.granted.values(), *filter(None, under_way)] for page in pages_of(block)]
        assert len(pages) == len(set(pages))
    while servers.deliver(chance):
        pass
    for client in sorted(servers.granted):
        servers.out(0, servers.servers[0].free(servers.granted[client]))
    while servers.deliver(chance):
        pass
    for core, server in servers.servers.items():
        assert server.buddies.free_blocks() == [ram(core * 16, 8)]


def test_an_empty_server_steals_from_the_nearest_that_has_some() -> None:
    homes = {0: [], 1: [ram(0, 1)], 2: [ram(16, 8)]}
    servers = Servers(homes)
    chance = random.Random(0)
    servers.out(0, servers.servers[0].allocate(7, LEAST_BITS + 2))
    while servers.deliver(chance):
        pass
    assert servers.granted == {7: ram(16, 4)}
    servers.out(0, servers.servers[0].allocate(8, LEAST_BITS + 3))
    while servers.deliver(chance):
        pass
    assert servers.denied == [8]
    assert servers.servers[0].allocate(9, 3) == [Denied(9, ErrorCode.MEMORY_TOO_SMALL)]
    with pytest.raises(CapabilityError, match="MM_ERR_NOT_FOUND"):
        servers.servers[0].free(ram(1000, 1))


def test_a_grant_is_a_retype_of_the_servers_own_capability() -> None:
    database = Database(0)
    region = ram(3, 9)
    database.insert(Slot(0, 0), Capability(region), 0)
    server = MemoryServer(0, Homes({0: [region]}), tuple)
    blocks = []
    for client in range(3):
        (granted,) = server.allocate(client, LEAST_BITS + 1)
        assert isinstance(granted, Granted) and granted.region == region and granted.retype is not None
        operations.retype(database, Slot(0, 0), granted.retype, [Slot(1, client)])
        blocks.append(granted.block)
        assert database.slots[Slot(1, client)].object == granted.block
    assert operations.delete(database, Slot(1, 0)).reclaimed == []  # the server has its capability still
    server.free(blocks[0])
    (granted,) = server.allocate(9, LEAST_BITS + 1)
    assert isinstance(granted, Granted) and granted.block == blocks[0]
