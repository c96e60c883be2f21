"""ramfs: the file system's service, on one core, and the buffer caches that save its clients the way there.

A cache keeps blocks for the programs of its core. What it has not it asks the file system for, which knows the caches
that have the block: then it comes from one of them (cooperative caching), and the file system is spared the
copying. Writes go through to the file system, which tells all other caches that theirs is stale. So a cache may
serve a block until it has been told; the writer's own core has what it wrote at once.

A cache has three threads: one for the programs of its core, one that answers other caches, one that is told of stale
blocks. Only the first ever waits for anybody, so that no two caches wait for each other.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from kernel.interfaces.compiler import stubs
from kernel.interfaces.stubs import Binding, ErrorReply, serve
from kernel.messaging.binding import bind, export
from kernel.messaging.errors import MessageError
from kernel.program import Environment
from kernel.services.files import BLOCK_BYTES, Directory, FileSystem, Kind, canonical
from kernel.thread_operations import Fork
from kernel.threads import Code

_ramfs: Any = stubs("ramfs")
_cache: Any = stubs("buffer_cache")

Block = tuple[str, int]
"""A path, and the number of a block."""


class RamFs(_ramfs.RamfsHandlers):  # type: ignore[misc]
    """What the file system does for its clients."""

    def __init__(self, environment: Environment) -> None:
        self.files = FileSystem()
        self._environment = environment
        self._subscribers: dict[int, Binding] = {}  # caches that are told of stale blocks, by reference

    def closed(self, binding: Binding) -> None:
        for iref in [iref for iref, each in self._subscribers.items() if each is binding]:
            del self._subscribers[iref]
            for holders in self.files.holders.values():
                if iref in holders:
                    holders.remove(iref)

    def lookup(self, binding: Binding, path: str) -> Any:
        found = self.files.look_up(path)
        if isinstance(found, Directory):
            return _ramfs.LookupReply(_ramfs.kind.directory, len(found.entries))
        return _ramfs.LookupReply(_ramfs.kind.file, found.size)

    def list(self, binding: Binding, path: str) -> Any:
        return _ramfs.ListReply("\n".join(self.files.names(path)))

    def make(self, binding: Binding, path: str, what: int) -> None:
        self.files.make(path, Kind(what))

    def remove(self, binding: Binding, path: str) -> Any:
        version, blocks = self.files.remove(path)
        for block in blocks:
            yield from self._stale(block, version)

    def read(self, binding: Binding, path: str, block: int) -> Any:
        self._environment.count()
        return _ramfs.ReadReply(*self.files.read(path, block))

    def write(self, binding: Binding, path: str, block: int, data: bytes) -> Any:
        self._environment.count()
        version = self.files.write(path, block, data)
        yield from self._stale((canonical(path), block), version)
        return _ramfs.WriteReply(version)

    def _stale(self, block: Block, version: int) -> Any:
        """Tell all caches that have a block that anything before `version` is not the newest any more."""
        for iref in self.files.holders.pop(block, ()):
            if iref not in self._subscribers:
                continue
            try:
                said = {"path": block[0], "block": block[1], "version": version}
                yield from self._subscribers[iref].transmit("stale", said)
            except MessageError:
                if not self._subscribers[iref].channel.closed:  # a cache that has ended keeps nothing
                    raise

    def locate(self, binding: Binding, path: str, block: int, cache: int) -> Any:
        version, _ = self.files.read(path, block)
        holders = self.files.holders.setdefault((canonical(path), block), [])
        others = [each for each in holders if each != cache]
        holder = others[cache % len(others)] if others else 0  # not all of them from the same one
        if cache not in holders:
            holders.append(cache)
        return _ramfs.LocateReply(holder, version)

    def subscribe(self, binding: Binding, cache: int) -> None:
        self._subscribers[cache] = binding


def ramfs(environment: Environment) -> Code:
    """The program of the file system's domain."""
    service = yield from export(environment, "ramfs")
    yield from serve(service, RamFs(environment))


class Blocks:
    """The blocks that a cache has, `capacity` at most, those longest unused given up first; with their versions."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._blocks: OrderedDict[Block, tuple[int, bytes]] = OrderedDict()
        self._least: dict[Block, int] = {}  # versions before which a block is stale
        self.here = self.elsewhere = self.missed = 0  # where what was read came from

    def get(self, block: Block) -> tuple[int, bytes] | None:
        """A block with its version, if it is here."""
        if block in self._blocks:
            self._blocks.move_to_end(block)
        return self._blocks.get(block)

    def put(self, block: Block, version: int, data: bytes) -> None:
        """Keep a block, unless it is known to be stale: word of that may have come before the block itself."""
        if version >= self._least.get(block, 0):
            self._blocks[block] = version, data
            self._blocks.move_to_end(block)
            while len(self._blocks) > self._capacity:
                self._blocks.popitem(last=False)

    def stale(self, block: Block, version: int) -> None:
        """What is before `version` is stale."""
        self._least[block] = max(version, self._least.get(block, 0))
        known = self._blocks.get(block)
        if known is not None and known[0] < version:
            del self._blocks[block]


class _ForPeers(_cache.BufferCacheHandlers):  # type: ignore[misc]
    """What a cache does for other caches."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    def fetch(self, binding: Binding, path: str, block: int, version: int) -> Any:
        found = self._blocks.get((path, block))
        if found is None or found[0] != version:
            return _cache.FetchReply(False, b"")
        return _cache.FetchReply(True, found[1])


class _ForPrograms(_ForPeers):
    """What a cache does for the programs of its core."""

    def __init__(self, environment: Environment, blocks: Blocks, files: Any, own: int) -> None:
        super().__init__(blocks)
        self._environment = environment
        self._files = files
        self._own = own
        self._peers: dict[int, Any] = {}

    def statistics(self, binding: Binding) -> Any:
        return _cache.StatisticsReply(self._blocks.here, self._blocks.elsewhere, self._blocks.missed)

    def read(self, binding: Binding, path: str, block: int) -> Any:
        self._environment.count()
        path = canonical(path)
        found = self._blocks.get((path, block))
        if found is not None:
            self._blocks.here += 1
            return _cache.ReadReply(found[1])
        located = yield from self._files.locate(path, block, self._own)
        data = None
        if located.holder:
            data = yield from self._fetch(located.holder, path, block, located.version)
        if data is None:
            self._blocks.missed += 1
            reply = yield from self._files.read(path, block)
            if reply.version == located.version:  # else this cache has been told, and would not be again
                self._blocks.put((path, block), reply.version, reply.data)
            return _cache.ReadReply(reply.data)
        self._blocks.elsewhere += 1
        self._blocks.put((path, block), located.version, data)
        return _cache.ReadReply(data)

    def _fetch(self, holder: int, path: str, block: int, version: int) -> Any:
        """The block from another cache, if that is there and has it."""
        try:
            if holder not in self._peers:
                self._peers[holder] = _cache.BufferCacheClient((yield from bind(self._environment, holder)))
            reply = yield from self._peers[holder].fetch(path, block, version)
        except (MessageError, ErrorReply):
            self._peers.pop(holder, None)
            return None
        return reply.data if reply.found else None

    def write(self, binding: Binding, path: str, block: int, data: bytes) -> Any:
        self._environment.count()
        path = canonical(path)
        reply = yield from self._files.write(path, block, data)
        self._blocks.stale((path, block), reply.version)
        # From now on this cache is told when the block is stale. Another may have written, or removed it, before.
        try:
            located = yield from self._files.locate(path, block, self._own)
        except ErrorReply:
            return
        if located.version == reply.version:
            self._blocks.put((path, block), reply.version, data)


def buffer_cache(environment: Environment, capacity: int) -> Code:
    """The program of a dispatcher that is the buffer cache of its core."""
    blocks = Blocks(capacity)
    peers = yield from export(environment)
    files = _ramfs.RamfsClient((yield from bind(environment, "ramfs")))
    told = _ramfs.RamfsClient((yield from bind(environment, "ramfs")))
    yield from told.call("subscribe", {"cache": peers.iref})
    yield Fork(serve(peers, _ForPeers(blocks)))
    yield Fork(_forget_stale(told, blocks))
    programs = yield from export(environment, f"cache.{environment.core}")
    yield from serve(programs, _ForPrograms(environment, blocks, files, peers.iref))


def _forget_stale(told: Any, blocks: Blocks) -> Code:
    while True:
        stale = yield from told.receive()
        blocks.stale((stale.values["path"], stale.values["block"]), stale.values["version"])


def blocks_of(data: bytes) -> list[bytes]:
    """A file's content cut into blocks."""
    return [data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)]
