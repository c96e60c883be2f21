"""A group buffer cache: blocks of a device cached on several cores, kept alike by group communication.

The dissertation's example of virtual synchrony, file system buffer caches (§2.4.3). Reads are local: a block that is
cached on the core costs no message; one that is not is fetched from the nearest core that has it cached, and only if
there is none from the device. Writes go through the group in one order for all. By `update` every replica
then has the new block; by `invalidate` every other forgets what it has, and fetches it when next read:

    cache = BufferCache(Replication.of(kernel), "root", cores=(0, 4, 8), device=read_block, policy="invalidate")
    client = cache.client(core)                      # in a program on that core
    data = yield from client.read(17)
    yield from client.write(17, data)

Who writes has written the device before; `device(block)` is a part of a program that reads it. All cores see the
writes in the same order, each in its time: a core may read what was there before until it has heard of a write.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from kernel.replication.errors import ReplicationError
from kernel.replication.replicas import Client, Replication
from kernel.threads import Operation

POLICIES = ("update", "invalidate")
"""What a write does to the other replicas."""

ReadDevice = Callable[[int], Generator[Operation, Any, bytes]]


@dataclass(frozen=True, slots=True)
class Write:
    """A block has been written on `core`."""

    key: int
    data: bytes
    core: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """`core` has read the block, when it had been written `version` times, and has it cached."""

    key: int
    data: bytes
    core: int
    version: int


@dataclass(frozen=True, slots=True)
class Block:
    """What a core knows of a block: how often it was written, who has it cached, and what is in it, if it is here."""

    version: int = 0
    holders: frozenset[int] = frozenset()
    data: bytes | None = None


class CachedBlocks:
    """The blocks of one core's replica, and who else has which cached (§2.4.3: per-core lists of cached blocks)."""

    def __init__(self, core: int, cores: Iterable[int], update: bool) -> None:
        self.core = core
        self.cores = frozenset(cores)
        self.update = update
        self.blocks: dict[int, Block] = {}

    def apply(self, operation: Write | Fetched) -> int:
        """The result is how often the block has been written."""
        known = self.blocks.get(operation.key, Block())
        if isinstance(operation, Fetched):
            if operation.version == known.version:  # else it was written meanwhile, and what was read is old
                data = operation.data if operation.core == self.core else known.data
                self.blocks[operation.key] = Block(known.version, known.holders | {operation.core}, data)
            return known.version
        version = known.version + 1
        if self.update:
            self.blocks[operation.key] = Block(version, self.cores, operation.data)
        else:
            mine = operation.data if operation.core == self.core else None
            self.blocks[operation.key] = Block(version, frozenset({operation.core}), mine)
        return version

    def read(self, query: int) -> Block:
        """What is known of a block here."""
        return self.blocks.get(query, Block())

    def reset(self) -> None:
        self.blocks = {}


class BufferCache:
    """A group buffer cache of one device on `cores`."""

    def __init__(
        self, replication: Replication, name: str, cores: Iterable[int], device: ReadDevice,
        policy: str = "update", spread: str = "unicast",
    ) -> None:
        if policy not in POLICIES:
            raise ReplicationError(f"no policy '{policy}' for a buffer cache; there is {', '.join(POLICIES)}")
        members = tuple(sorted(set(cores)))
        unbuilt = iter(members)  # the replicas are made in this order
        self.device = device
        self.policy = policy
        self.replicas = replication.replicate(
            name, members, "group", lambda: CachedBlocks(next(unbuilt), members, policy == "update"), spread
        )

    def client(self, core: int) -> CacheClient:
        """For one thread of a program on `core`, which has a replica."""
        if core not in self.replicas.cores:
            raise ReplicationError(f"core {core} has no part of buffer cache {self.replicas.name}")
        return CacheClient(self, core)


class CacheClient:
    """A thread's way to the cache; each method is a part of a program."""

    def __init__(self, cache: BufferCache, core: int) -> None:
        self._cache = cache
        self._core = core
        self._here = cache.replicas.client(core)
        self._there: dict[int, Client] = {}
        self.hits = self.from_cores = self.from_device = 0
        """How often a block was found on this core, on another, or on the device only."""

    def read(self, block: int) -> Generator[Operation, Any, bytes]:
        """The data of a block."""
        known = yield from self._block(self._here, block)
        if known.data is not None:
            self.hits += 1
            return known.data
        found = yield from self._from_another(block, known)
        if found is None:
            found = Block(known.version, frozenset(), (yield from self._cache.device(block)))
            self.from_device += 1
        assert found.data is not None
        yield from self._here.submit(Fetched(block, found.data, self._core, found.version))
        return found.data

    def write(self, block: int, data: bytes) -> Generator[Operation, Any, None]:
        """Have all cores see the block so."""
        yield from self._here.submit(Write(block, bytes(data), self._core))

    def _from_another(self, block: int, known: Block) -> Generator[Operation, Any, Block | None]:
        """The block from the nearest core that has it cached and runs, as it was when this core last heard of it."""
        kernel = self._cache.replicas.kernel
        holders = [core for core in known.holders if core != self._core and kernel.monitors[core].driver.online]
        if not holders:
            return None
        core = min(holders, key=lambda each: (kernel.hardware.message_ps(self._core, each), each))
        if core not in self._there:
            self._there[core] = self._cache.replicas.client(self._core, of=core)
        found = yield from self._block(self._there[core], block)
        if found.data is None or found.version < known.version:
            return None
        self.from_cores += 1
        return found

    def _block(self, client: Client, block: int) -> Generator[Operation, Any, Block]:
        found: Hashable = yield from client.read(block)
        assert isinstance(found, Block)
        return found

