"""What is replicated in the system: the name service's replicas, and a group buffer cache."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from kernel.clock import PS_PER_MS
from kernel.messaging.errors import MessageError
from kernel.multikernel import Multikernel
from kernel.program import Compute, Environment, Program
from kernel.replication.buffer_cache import BufferCache, CacheClient
from kernel.replication.errors import ReplicationError
from kernel.replication.names import ReplicatedNames
from kernel.replication.replicas import PROTOCOLS, Replication
from kernel.threads import Code, Operation
from skb.knowledge import KnowledgeBase

DEVICE_CYCLES = 100_000


@pytest.fixture
def kernel(load: Callable[[str], KnowledgeBase]) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


def finish(kernel: Multikernel, core: int, main: Callable[[Environment], Code]) -> None:
    """Run a program on one core to its end, and let messages that are still on their way arrive."""
    domain = kernel.spawn(Program("user", "uses it", "", main), cores=(core,))
    assert kernel.run_until(lambda: not domain.alive, 1000 * PS_PER_MS)
    assert not domain.fault, domain.fault
    kernel.run(PS_PER_MS)


# -- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", PROTOCOLS)
def test_a_name_registered_on_one_core_is_found_on_another_without_a_message(kernel: Multikernel, how: str) -> None:
    names = ReplicatedNames(Replication.of(kernel), (0, 4, 8), how)
    found: list[int] = []

    def exporter(environment: Environment) -> Code:
        yield from names.client(environment.core).register("fs", 17, environment.domain)

    def importer(environment: Environment) -> Code:
        found.append((yield from names.client(environment.core).look_up("fs")))

    finish(kernel, 4, exporter)
    sent = [each.messages for each in names.replicas.status()]
    finish(kernel, 8, importer)
    assert found == [17]
    assert [each.messages for each in names.replicas.status()] == sent


@pytest.mark.parametrize("how", PROTOCOLS)
def test_a_name_is_its_first_owners_except_under_eventual_consistency(kernel: Multikernel, how: str) -> None:
    names = ReplicatedNames(Replication.of(kernel), (0, 4), how)
    refused: list[str] = []

    def exporter(environment: Environment) -> Code:
        client = names.client(environment.core)
        yield from client.register("fs", 1, 100)
        try:
            yield from client.register("fs", 2, 200)
        except MessageError as error:
            refused.append(str(error))

    finish(kernel, 4, exporter)
    if how == "eventual":
        assert not refused and names.names(0) == names.names(4) == {"fs": 2}
    else:
        assert "the name is taken" in refused[0] and names.names(0) == names.names(4) == {"fs": 1}


@pytest.mark.parametrize("how", PROTOCOLS)
def test_the_names_of_a_domain_that_ends_are_forgotten(kernel: Multikernel, how: str) -> None:
    names = ReplicatedNames(Replication.of(kernel), (0, 4), how)

    def exporter(environment: Environment) -> Code:
        client = names.client(environment.core)
        yield from client.register("mine", 1, 100)
        yield from client.register("also", 3, 100)
        yield from client.register("other", 2, 200)

    finish(kernel, 4, exporter)
    names.owner_died(100)
    kernel.run(10 * PS_PER_MS)
    assert names.names(0) == names.names(4) == {"other": 2}


def test_what_the_skb_records_is_known_to_the_replicas(kernel: Multikernel) -> None:
    names = ReplicatedNames(Replication.of(kernel), (0, 4), "two-phase")
    for core, (name, iref) in zip((0, 4), (("fs", 1), ("net", 2)), strict=True):  # at once: one is refused at first
        names.exported(name, iref, 100, core)
    kernel.run(10 * PS_PER_MS)
    assert names.names(0) == names.names(4) == {"fs": 1, "net": 2}


def test_an_unknown_name_is_an_error_in_the_program(kernel: Multikernel) -> None:
    names = ReplicatedNames(Replication.of(kernel), (0, 4), "group")
    said: list[str] = []

    def importer(environment: Environment) -> Code:
        try:
            yield from names.client(environment.core).look_up("fs")
        except MessageError as error:
            said.append(str(error))

    finish(kernel, 9, importer)
    assert said == ["LIB_ERR_NAMESERVICE_UNKNOWN_NAME: no service fs"]


# -- the buffer cache --------------------------------------------------------------------------------


def cached(kernel: Multikernel, policy: str) -> tuple[BufferCache, list[int]]:
    read: list[int] = []

    def device(block: int) -> Generator[Operation, Any, bytes]:
        read.append(block)
        yield Compute(DEVICE_CYCLES)
        return b"from the device"

    return BufferCache(Replication.of(kernel), "root", (0, 4, 8), device, policy), read


def use(
    kernel: Multikernel, cache: BufferCache, core: int, *writes: bytes
) -> tuple[CacheClient, list[bytes]]:
    """A program on `core` that writes block 7 so often, and reads it twice."""
    found: list[bytes] = []
    client = cache.client(core)

    def main(_: Environment) -> Code:
        for data in writes:
            yield from client.write(7, data)
        for _ in range(2):
            found.append((yield from client.read(7)))

    finish(kernel, core, main)
    return client, found


def test_a_block_is_read_from_the_device_once(kernel: Multikernel) -> None:
    cache, read = cached(kernel, "update")
    first, found = use(kernel, cache, 0)
    assert found == [b"from the device"] * 2 and (first.from_device, first.hits) == (1, 1)
    second, found = use(kernel, cache, 8)
    assert found == [b"from the device"] * 2 and (second.from_cores, second.from_device, second.hits) == (1, 0, 1)
    assert read == [7]


@pytest.mark.parametrize(("policy", "hits", "from_cores"), [("update", 2, 0), ("invalidate", 1, 1)])
def test_what_is_written_on_one_core_is_read_on_another(
    kernel: Multikernel, policy: str, hits: int, from_cores: int
) -> None:
    cache, read = cached(kernel, policy)
    use(kernel, cache, 8)
    use(kernel, cache, 0, b"old", b"new")
    client, found = use(kernel, cache, 8)
    assert found == [b"new", b"new"]
    assert (client.hits, client.from_cores, client.from_device) == (hits, from_cores, 0)
    assert read == [7]


def test_blocks_that_only_a_stopped_core_had_come_from_the_device_again(kernel: Multikernel) -> None:
    cache, read = cached(kernel, "invalidate")
    use(kernel, cache, 4)
    kernel.take_offline(4)
    client, found = use(kernel, cache, 8)
    assert found == [b"from the device"] * 2 and client.from_device == 1 and read == [7, 7]


def test_a_cache_says_what_is_wrong(kernel: Multikernel) -> None:
    cache, _ = cached(kernel, "update")
    with pytest.raises(ReplicationError, match="core 5 has no part of buffer cache root"):
        cache.client(5)
    with pytest.raises(ReplicationError, match="no policy 'lazy' for a buffer cache; there is update, invalidate"):
        BufferCache(Replication.of(kernel), "other", (0, 4), lambda block: iter(()), "lazy")  # type: ignore[arg-type]
