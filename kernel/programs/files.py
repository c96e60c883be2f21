"""ramfsd, buffer_cache, filebench: a file system in memory, caches of its blocks, and a load for them."""

from __future__ import annotations

import random
from typing import Any

from kernel.interfaces.compiler import stubs
from kernel.interfaces.stubs import ErrorReply
from kernel.programming import Code, Environment, bind, program
from kernel.programs.arguments import numbers
from kernel.services.ramfs import buffer_cache, ramfs


@program("ramfsd", "the file system in memory; progress: blocks read and written")
def ramfsd(environment: Environment) -> Code:
    yield from ramfs(environment)


@program(
    "buffer_cache", "a cache of BLOCKS (64) file blocks on each core it is spawned on; progress: requests",
    arguments="[BLOCKS]",
)
def cache(environment: Environment) -> Code:
    (blocks,) = numbers(environment.arguments, 64, names="[BLOCKS]")
    yield from buffer_cache(environment, blocks)


@program(
    "filebench", "write BLOCKS (16) of a file, read READS (1000) of them by its core's cache, end; progress: reads",
    arguments="[READS [BLOCKS]]",
)
def filebench(environment: Environment) -> Code:
    reads, blocks = numbers(environment.arguments, 1000, 16, names="[READS [BLOCKS]]")
    files: Any = stubs("ramfs").RamfsClient((yield from bind(environment, "ramfs")))
    cached: Any = stubs("buffer_cache").BufferCacheClient((yield from bind(environment, f"cache.{environment.core}")))
    try:
        yield from files.make("/bench", stubs("ramfs").kind.file)
        for block in range(blocks):
            yield from files.write("/bench", block, bytes([block % 256]) * 4096)
    except ErrorReply as error:
        if error.code != "FS_ERR_EXISTS":  # another dispatcher, or domain, writes it
            raise
    chance = random.Random(environment.rank)
    done = 0
    while done < reads:
        block = chance.randrange(blocks)
        try:
            data = (yield from cached.read("/bench", block)).data
        except ErrorReply as error:
            if error.code != "FS_ERR_INDEX_BOUNDS":  # not written yet
                raise
            continue
        assert data == bytes([block % 256]) * 4096
        done += 1
        environment.count()
