"""Replicated services on a booted machine: programs and the shell use them, cores come and go, costs are counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernel.clock import PS_PER_MS
from kernel.multikernel import Multikernel
from kernel.program import Compute, Environment, Program
from kernel.replication.errors import ReplicationError
from kernel.replication.machines import Assign, Get, Remove, ReplicatedMap
from kernel.replication.replicas import PROTOCOLS, Replicas, Replication
from kernel.threads import Code
from skb.knowledge import KnowledgeBase

CORES = (1, 4, 8, 12)


@pytest.fixture
def kernel(load: Callable[[str], KnowledgeBase]) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


def replicated(kernel: Multikernel, how: str, spread: str = "unicast") -> Replicas:
    return Replication.of(kernel).replicate(f"{how}.{spread}", CORES, how, ReplicatedMap, spread)


def values(replicas: Replicas, key: str) -> list[object]:
    running = [each for each in replicas.cores if replicas.kernel.monitors[each].driver.online]
    return [replicas.read(core, key) for core in running]


each_way = pytest.mark.parametrize("spread", ["unicast", "tree"])
each_protocol = pytest.mark.parametrize("how", PROTOCOLS)


@each_way
@each_protocol
def test_all_replicas_say_what_was_written_on_any(kernel: Multikernel, how: str, spread: str) -> None:
    replicas = replicated(kernel, how, spread)
    assert replicas.perform(4, Assign("x", 1))[0] is None
    assert replicas.perform(8, Assign("x", 2))[0] == 1
    assert values(replicas, "x") == [2] * 4
    assert replicas.perform(12, Remove("x"))[0] == 2
    assert values(replicas, "x") == [None] * 4


@pytest.mark.parametrize(("how", "leads", "follows"), [
    ("paxos", 9, 10), ("two-phase", 12, 12), ("group", 3, 4), ("eventual", 3, 3),
])
def test_a_command_takes_as_many_messages_as_the_protocol_says(
    kernel: Multikernel, how: str, leads: int, follows: int
) -> None:
    """3 others: accept, accepted, decided; prepare, vote, commit, acknowledge; order; update."""
    replicas = replicated(kernel, how)
    assert replicas.perform(CORES[0], Assign("x", 1))[1].messages == leads
    assert replicas.perform(CORES[1], Assign("x", 2))[1].messages == follows


def test_a_tree_costs_no_more_messages_and_takes_them_from_the_root(kernel: Multikernel) -> None:
    sent = {}
    for spread in ("unicast", "tree"):
        replicas = Replication.of(kernel).replicate(spread, range(16), "group", ReplicatedMap, spread)
        _, cost = replicas.perform(0, Assign("x", 1))
        sent[spread] = {each.core: each.messages for each in replicas.status()}
        assert cost.messages == 15
    assert sent["unicast"][0] == 15 > sent["tree"][0]
    assert sum(sent["tree"].values()) == 15


@each_way
@each_protocol
def test_a_core_that_stops_and_comes_back_has_what_it_missed(kernel: Multikernel, how: str, spread: str) -> None:
    replicas = replicated(kernel, how, spread)
    replicas.perform(4, Assign("x", 1))
    kernel.take_offline(1)
    replicas.perform(4, Assign("x", 2))
    replicas.perform(8, Assign("y", 3))
    assert values(replicas, "x") == [2] * 3
    kernel.bring_online(1)
    kernel.run(PS_PER_MS)
    assert values(replicas, "x") == [2] * 4 and values(replicas, "y") == [3] * 4
    replicas.perform(1, Assign("z", 4))
    kernel.run(PS_PER_MS)
    assert values(replicas, "z") == [4] * 4


def test_paxos_waits_for_a_majority(kernel: Multikernel) -> None:
    replicas = replicated(kernel, "paxos")
    kernel.take_offline(4)
    replicas.perform(1, Assign("x", 1))
    kernel.take_offline(8)
    with pytest.raises(ReplicationError, match="2 of 4 replicas are off line, and paxos needs a majority"):
        replicas.perform(1, Assign("x", 2), within_ps=PS_PER_MS)
    assert values(replicas, "x") == [1, 1]
    kernel.bring_online(8)
    kernel.run(PS_PER_MS)
    assert values(replicas, "x") == [2, 2, 2]


def test_programs_write_on_all_cores_at_once_and_agree(kernel: Multikernel) -> None:
    for how in PROTOCOLS:
        replicas = replicated(kernel, how)
        done: list[object] = []

        def main(environment: Environment, replicas: Replicas = replicas, done: list[object] = done) -> Code:
            client = replicas.client(environment.core)
            for number in range(3):
                yield from client.submit(Assign("x", (environment.core, number)))
                yield from client.submit(Assign(environment.core, number))
            done.append((yield from client.read(environment.core)))

        kernel.spawn(Program(f"writer-{how}", "writes", "", main), 3, cores=(1, 4, 8))
        assert kernel.run_until(lambda done=done: len(done) == 3, 2000 * PS_PER_MS), how
        kernel.run(PS_PER_MS)
        assert done == [2, 2, 2]
        assert len(set(values(replicas, "x"))) == 1
        assert [replicas.read(12, core) for core in (1, 4, 8)] == [2, 2, 2]


def test_a_program_on_a_core_without_a_replica_uses_the_nearest(kernel: Multikernel) -> None:
    replicas = replicated(kernel, "group")
    done: list[object] = []

    def main(environment: Environment) -> Code:
        client = replicas.client(environment.core)
        yield from client.submit(Assign("x", 7))
        done.append((client.replica, (yield from client.submit(Get("x")))))
        assert client.last is not None
        done.append(replicas.cost(client.last))

    kernel.spawn(Program("elsewhere", "writes", "", main), cores=(9,))
    assert kernel.run_until(lambda: len(done) == 2, 100 * PS_PER_MS)
    assert done[0] == (8, 7)
    assert done[1] is not None


def test_a_program_goes_on_with_another_replica_when_its_own_is_off_line(kernel: Multikernel) -> None:
    replicas = replicated(kernel, "group")
    client = replicas.client(9)
    found: list[object] = []

    def main(_: Environment) -> Code:
        yield from client.submit(Assign("x", 7))
        found.append(client.replica)
        while len(found) < 2:
            yield Compute(1_000_000)
            if not kernel.drivers[8].online:
                found.append((yield from client.read("x")))
        found.append(client.replica)

    kernel.spawn(Program("wanderer", "reads", "", main), cores=(9,))
    assert kernel.run_until(lambda: bool(found), 100 * PS_PER_MS)
    kernel.take_offline(8)
    assert kernel.run_until(lambda: len(found) == 3, 1000 * PS_PER_MS)
    assert found[:2] == [8, 7] and found[2] in (1, 4, 12)


def test_what_cannot_be_replicated_is_refused(kernel: Multikernel) -> None:
    replication = Replication.of(kernel)
    assert Replication.of(kernel) is replication
    replication.replicate("a", (0, 1), "paxos", ReplicatedMap)
    for name, cores, how, spread, says in [
        ("a", (0, 1), "paxos", "unicast", "there is a replicated service a already"),
        ("b", (0,), "paxos", "unicast", "would have 1 replica"),
        ("b", (0, 99), "paxos", "unicast", "no core 99; cores are 0-15"),
        ("b", (0, 1), "raft", "unicast", "no protocol 'raft'"),
        ("b", (0, 1), "paxos", "gossip", "no way to spread messages 'gossip'"),
    ]:
        with pytest.raises(ReplicationError, match=says):
            replication.replicate(name, cores, how, ReplicatedMap, spread)
    with pytest.raises(ReplicationError, match="core 5 has no replica of a; it is on cores 0, 1"):
        replication.replicas("a").read(5, "x")
    kernel.take_offline(1)
    with pytest.raises(ReplicationError, match="core 1 is off line; core online 1 brings it back"):
        replication.replicate("b", (0, 1), "paxos", ReplicatedMap)
