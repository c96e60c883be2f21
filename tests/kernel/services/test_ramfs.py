"""The file system and its caches in the simulated kernel: fewer ways to it, and nothing stale for long."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from kernel.errors import KernelError
from kernel.interfaces.compiler import stubs
from kernel.interfaces.stubs import ErrorReply
from kernel.messaging.binding import bind
from kernel.multikernel import Multikernel
from kernel.program import Compute, Environment, Program
from kernel.services.ramfs import Blocks
from kernel.threads import Code
from skb.knowledge import KnowledgeBase

MS = 10**9


@pytest.fixture
def kernel(load: Callable[[str], KnowledgeBase]) -> Multikernel:
    kernel = Multikernel.boot(load("amd-4x4"))
    kernel.spawn("ramfsd", cores=[0])
    kernel.spawn("buffer_cache", cores=[1, 2, 3], dispatchers=3)
    kernel.run(20 * MS)
    return kernel


def run(kernel: Multikernel, core: int, part: Callable[[Any, Any], Code]) -> None:
    """Have a program on a core do something with the file system and the cache of its core."""

    def main(environment: Environment) -> Code:
        files = stubs("ramfs").RamfsClient((yield from bind(environment, "ramfs")))
        cache = stubs("buffer_cache").BufferCacheClient((yield from bind(environment, f"cache.{core}")))
        yield from part(files, cache)

    domain = kernel.spawn(Program("part", "", "", main), cores=[core])
    kernel.run(100 * MS)
    assert domain.state.value == "exited", domain.fault


def test_a_block_comes_from_the_file_system_once_and_then_from_caches(kernel: Multikernel) -> None:
    got: list[bytes] = []

    def write(files: Any, cache: Any) -> Code:
        yield from files.make("/f", stubs("ramfs").kind.file)
        yield from files.write("/f", 0, b"content")

    def read(files: Any, cache: Any) -> Code:
        for _ in range(3):
            got.append((yield from cache.read("/f", 0)).data)
        counted.append((yield from cache.statistics()))

    counted: list[Any] = []
    run(kernel, 1, write)
    for core in (1, 2, 3):
        run(kernel, core, read)
    assert got == [b"content"] * 9
    assert [(each.here, each.elsewhere, each.missed) for each in counted] == [(2, 0, 1), (2, 1, 0), (2, 1, 0)]
    assert kernel.status(kernel.find("ramfsd")).progress == 2, "one write, one read"


def test_what_one_core_writes_another_reads_once_it_was_told(kernel: Multikernel) -> None:
    got: list[bytes] = []

    def make(files: Any, cache: Any) -> Code:
        yield from files.make("/f", stubs("ramfs").kind.file)
        yield from cache.write("/f", 0, b"old")

    def read(files: Any, cache: Any) -> Code:
        got.append((yield from cache.read("/f", 0)).data)

    def write(files: Any, cache: Any) -> Code:
        yield from cache.write("/f", 0, b"new")
        got.append((yield from cache.read("/f", 0)).data)

    run(kernel, 1, make)
    for core in (2, 3):
        run(kernel, core, read)
    run(kernel, 2, write)
    for core in (1, 3):
        run(kernel, core, read)
    assert got == [b"old", b"old", b"new", b"new", b"new"]


def test_a_block_is_the_same_by_any_way_to_write_its_path(kernel: Multikernel) -> None:
    got: list[bytes] = []

    def make(files: Any, cache: Any) -> Code:
        yield from files.make("/f", stubs("ramfs").kind.file)
        yield from cache.write("/f", 0, b"old")

    def read(files: Any, cache: Any) -> Code:
        got.append((yield from cache.read("/f", 0)).data)

    def write(files: Any, cache: Any) -> Code:
        yield from cache.write("//./f", 0, b"new")

    for core, part in ((1, make), (2, read), (3, write), (2, read), (1, read)):
        run(kernel, core, part)
    assert got == [b"old", b"new", b"new"]


@pytest.mark.parametrize("seed", (0, 3))
def test_caches_that_write_at_once_agree_when_all_is_quiet(kernel: Multikernel, seed: int) -> None:
    """Programs on three cores write, read and remove two files, each by its core's cache."""
    kinds = stubs("ramfs").kind

    def work(files: Any, cache: Any, chance: random.Random) -> Code:
        for _ in range(60):
            path = chance.choice(("/f", "/g"))
            yield Compute(chance.randrange(3000))
            try:
                what = chance.random()
                if what < 0.5:
                    yield from cache.write(path, 0, chance.randbytes(chance.choice((1, 8, 300))))
                elif what < 0.9:
                    yield from cache.read(path, 0)
                elif what < 0.95:
                    yield from files.remove(path)
                else:
                    yield from files.make(path, kinds.file)
            except ErrorReply as error:
                assert error.code in ("FS_ERR_NOTFOUND", "FS_ERR_EXISTS", "FS_ERR_INDEX_BOUNDS")

    started = []
    for core in (1, 2, 3):

        def main(environment: Environment, core: int = core) -> Code:
            files = stubs("ramfs").RamfsClient((yield from bind(environment, "ramfs")))
            cache = stubs("buffer_cache").BufferCacheClient((yield from bind(environment, f"cache.{core}")))
            for path in ("/f", "/g"):
                with suppress(ErrorReply):  # another was first
                    yield from files.make(path, kinds.file)
            yield from work(files, cache, random.Random(10 * seed + core))

        started.append(kernel.spawn(Program("part", "", "", main), cores=[core]))
    kernel.run(200 * MS)
    assert [domain.state.value for domain in started] == ["exited"] * 3, [domain.fault for domain in started]
    found: list[tuple[str, set[str]]] = []

    def look(files: Any, cache: Any) -> Code:
        for path in ("/f", "/g"):
            said = set()
            for each in (files, cache):
                try:
                    said.add((yield from each.read(path, 0)).data.hex())
                except ErrorReply as error:
                    said.add(error.code)
            found.append((path, said))

    for core in (1, 2, 3):
        run(kernel, core, look)
    assert all(len(said) == 1 for _, said in found), found


def test_what_a_cache_cannot_do_is_told_to_the_program(kernel: Multikernel) -> None:
    said: list[str] = []

    def part(files: Any, cache: Any) -> Iterator[Any]:
        for call in (cache.read("/none", 0), files.remove("/"), cache.write("/none", 3, b"")):
            try:
                yield from call
            except KernelError as error:
                said.append(str(error))

    run(kernel, 2, part)  # type: ignore[arg-type]
    assert said == [
        "FS_ERR_NOTFOUND: /none", "FS_ERR_EXISTS: / is there, and stays", "FS_ERR_NOTFOUND: /none",
    ]  # fmt: skip


def test_a_cache_that_ends_is_asked_no_more(kernel: Multikernel) -> None:
    kernel.spawn("filebench", cores=[1, 2, 3], dispatchers=3, arguments=("100",))
    kernel.run(100 * MS)
    kernel.kill(kernel.find("buffer_cache").id)
    kernel.run(20 * MS)
    kernel.spawn("buffer_cache", cores=[2])
    again = kernel.spawn("filebench", cores=[2], arguments=("100",), name="again")
    kernel.run(100 * MS)
    assert again.state.value == "exited", again.fault
    assert kernel.status(again).progress == 100


def test_a_stale_block_that_comes_after_word_of_it_is_not_kept() -> None:
    blocks = Blocks(2)
    block = ("/f", 0)
    blocks.stale(block, 5)
    blocks.put(block, 4, b"old")
    assert blocks.get(block) is None
    blocks.put(block, 5, b"new")
    blocks.stale(block, 5)
    assert blocks.get(block) == (5, b"new")
    for number in (1, 2):
        blocks.put(("/f", number), 1, b"")
    assert blocks.get(block) is None, "given up for two that were used since"
