"""Capabilities carried by the simulated monitors: the messages take their time, and time alone makes them arrive."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernel.capabilities.booting import boot_capabilities, memory_of
from kernel.capabilities.calls import CapabilityCalls
from kernel.capabilities.capability import Rights
from kernel.capabilities.core import TASK_PAGE_TABLE, TASK_RAM
from kernel.capabilities.cspace import Address
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.invocations import Invocations
from kernel.capabilities.memory_server import PERCORE_BITS, partition
from kernel.capabilities.messages import Request
from kernel.capabilities.operations import Retype
from kernel.capabilities.serving import CapabilityService, UseCapabilities
from kernel.capabilities.types import PAGE_BYTES
from kernel.capabilities.types import ObjectType as T
from kernel.clock import PS_PER_MS
from kernel.messaging.binding import bind, export
from kernel.messaging.channel import Fragment
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.lmp import LmpLink
from kernel.multikernel import Multikernel
from kernel.program import Environment, Program
from kernel.threads import Code
from skb.knowledge import KnowledgeBase

RW = Rights.READ | Rights.WRITE


@pytest.fixture
def kernel(load: Callable[[str], KnowledgeBase]) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


@pytest.fixture
def services(kernel: Multikernel) -> dict[int, CapabilityService]:
    return boot_capabilities(kernel)


def use(kernel: Multikernel, core: int, action: Callable[[CapabilityService], None]) -> None:
    kernel._post(core, UseCapabilities(action))


def spawn(kernel: Multikernel, core: int, domain: int) -> Invocations:
    made: list[Invocations | None] = []
    use(kernel, core, lambda service: service.make_dispatcher(domain, 0, made.append))
    assert kernel.run_until(lambda: bool(made), 10 * PS_PER_MS)
    assert made[0] is not None
    return made[0]


def ask(kernel: Multikernel, core: int, request: Callable[[int], Request]) -> tuple[ErrorCode, int]:
    """How the monitors' answer is, and the ps until it has come."""
    start = kernel.now
    codes: list[tuple[ErrorCode, int]] = []
    use(kernel, core, lambda service: service.capabilities.submit(
        request, lambda code: codes.append((code, kernel.now - start))
    ))  # fmt: skip
    assert kernel.run_until(lambda: bool(codes), 100 * PS_PER_MS)
    return codes[0]


def test_memory_is_served_from_the_nearest_node(kernel: Multikernel, services: dict[int, CapabilityService]) -> None:
    for core in (0, 5, 15):
        spawn(kernel, core, 1)
        lines = services[core].print_cspace(1, 0)
        assert [each.address for each in lines] == ["0", "0.0", "0.1", "0.2"]
        bind = {"Core": core}
        near = kernel.kb.all("closest_memory(Core, Node), memory_affinity(Base, Size, Node)", bind)
        for line in lines:
            assert any(row["Base"] <= line.base < row["Base"] + row["Size"] for row in near)
    assert services[3].print_cspace(1, 0) == []


@pytest.mark.parametrize("name", ["intel-2x4", "amd-8x4", "scc"])
def test_every_machine_has_memory_for_all_its_cores(load: Callable[[str], KnowledgeBase], name: str) -> None:
    kb = load(name)
    cores = sorted(row["Core"] for row in kb.all("core(Core)"))
    memory, _ = memory_of(kb, len(cores))
    homes = partition(memory, cores)
    assert all(sum(region.size for region in regions) >= 1 << PERCORE_BITS for regions in homes.values())


def test_stale_translations_are_shot_down_by_the_machines_tree(
    kernel: Multikernel, services: dict[int, CapabilityService]
) -> None:
    """A page of a domain that spans three packages is unmapped: its cores forget, by messages, and no other."""
    space = spawn(kernel, 0, 1)
    for number, kind in enumerate([T.VNODE_PDPT, T.VNODE_PDIR, T.VNODE_PTABLE]):
        space.retype(Address(TASK_RAM), Retype(kind, number * PAGE_BYTES), Address(11 + number))
    space.retype(Address(TASK_RAM), Retype(T.FRAME, 3 * PAGE_BYTES, PAGE_BYTES), Address(20))
    for number, table in enumerate([TASK_PAGE_TABLE, 11, 12]):
        space.map(Address(table), 0, Address(11 + number), Address(30 + number), RW)
    space.map(Address(13), 0, Address(20), Address(33), RW)
    root = space.identify(Address(TASK_PAGE_TABLE))
    walked = services[0].capabilities.page_tables.translate(root, 0)
    assert walked is not None
    spanned = {0, 1, 6, 13}
    for core in spanned:
        services[core].capabilities.tlb.load(root.base)
        services[core].capabilities.tlb.fill(0, walked)
    services[2].capabilities.tlb.load(1)
    services[2].capabilities.tlb.fill(0, walked)
    code, took_ps = ask(kernel, 0, lambda client: space.revoke_through_monitor(client, Address(20)))
    assert code is ErrorCode.OK
    assert [core for core, service in services.items() if service.capabilities.tlb.entries] == [2]
    assert took_ps >= max(kernel.hardware.message_ps(0, core) for core in spanned)


def test_a_revocation_takes_longer_than_the_messages_it_needs(
    kernel: Multikernel, services: dict[int, CapabilityService]
) -> None:
    here, there = spawn(kernel, 0, 1), spawn(kernel, 12, 2)
    here.retype(Address(TASK_RAM), Retype(T.FRAME, 0, PAGE_BYTES), Address(10))
    slot = there.space.slot(Address(20))
    code, sent_ps = ask(kernel, 0, lambda client: here.send_to(client, Address(10), 12, slot))
    assert code is ErrorCode.OK and there.identify(Address(20)) == here.identify(Address(10))
    round_trip_ps = kernel.hardware.message_ps(0, 12) + kernel.hardware.message_ps(12, 0)
    assert sent_ps >= round_trip_ps
    code, revoked_ps = ask(kernel, 0, lambda client: here.revoke_through_monitor(client, Address(10)))
    assert code is ErrorCode.OK and there.database.get(slot) is None
    assert revoked_ps >= 2 * round_trip_ps  # mark and ready, commit and done


def test_two_revocations_at_once_on_two_cores_both_come_to_an_end(
    kernel: Multikernel, services: dict[int, CapabilityService]
) -> None:
    here, there = spawn(kernel, 0, 1), spawn(kernel, 12, 2)
    here.retype(Address(TASK_RAM), Retype(T.FRAME, 0, PAGE_BYTES), Address(10))
    slot = there.space.slot(Address(20))
    ask(kernel, 0, lambda client: here.send_to(client, Address(10), 12, slot))
    first, second = (here.revoke_through_monitor(0, Address(10)), there.revoke_through_monitor(0, Address(20)))
    codes: list[ErrorCode] = []
    for core, request in ((0, first), (12, second)):
        def submit(service: CapabilityService, request: Request = request) -> None:
            service.capabilities.submit(lambda client: type(request)(client, request.slot), codes.append)

        use(kernel, core, submit)
    assert kernel.run_until(lambda: len(codes) == 2, 100 * PS_PER_MS)
    assert sorted(codes) == [ErrorCode.CAP_NOT_FOUND, ErrorCode.OK]


def test_what_a_domain_was_made_of_is_free_when_it_has_ended(
    kernel: Multikernel, services: dict[int, CapabilityService]
) -> None:
    free = [service.capabilities.memory.free_bytes for service in services.values()]
    here, there = spawn(kernel, 0, 1), spawn(kernel, 12, 2)
    here.retype(Address(TASK_RAM), Retype(T.FRAME, 0, PAGE_BYTES), Address(10))
    slot = there.space.slot(Address(20))
    ask(kernel, 0, lambda client: here.send_to(client, Address(10), 12, slot))
    use(kernel, 0, lambda service: service.end_domain(1))
    kernel.run(10 * PS_PER_MS)
    assert there.database.get(slot) is None and services[0].print_cspace(1, 0) == []
    use(kernel, 12, lambda service: service.end_domain(2))
    kernel.run(10 * PS_PER_MS)
    assert [service.capabilities.memory.free_bytes for service in services.values()] == free


# -- programs that use them --------------------------------------------------------------------------


def calls_of(kernel: Multikernel, core: int, space: Invocations) -> CapabilityCalls:
    hardware = kernel.hardware
    endpoint = Endpoint(hardware.cost_ps("poll", core))
    to_monitor = LmpLink(hardware, core, kernel.monitors[core].endpoint)
    return CapabilityCalls(1, space, to_monitor, endpoint, LmpLink(hardware, core, endpoint))


def test_a_program_shares_a_frame_unmaps_it_and_takes_it_back(
    kernel: Multikernel, services: dict[int, CapabilityService]
) -> None:
    here, there = spawn(kernel, 0, 1), spawn(kernel, 12, 2)
    calls, slot = calls_of(kernel, 0, here), there.space.slot(Address(20))
    seen: list[object] = []

    def main(_: Environment) -> Code:
        yield from calls.retype(Address(TASK_RAM), Retype(T.FRAME, 0, PAGE_BYTES), Address(10))
        yield from calls.retype(Address(TASK_RAM), Retype(T.VNODE_PTABLE, PAGE_BYTES), Address(11))
        yield from calls.send_to(Address(10), 12, slot)
        seen.append(there.identify(Address(20)) == (yield from calls.identify(Address(10))))
        yield from calls.map(Address(11), 0, Address(10), Address(12), RW)
        yield from calls.unmap(Address(11), Address(12))
        yield from calls.revoke(Address(10))
        seen.append(there.database.get(slot))
        try:
            yield from calls.revoke(Address(30))
        except CapabilityError as error:
            seen.append(str(error))
        yield from calls.delete(Address(10))
        seen.append(len(services[0].print_cspace(1, 0)))

    kernel.spawn(Program("sharer", "shares a frame", "", main), cores=(0,))
    kernel.run(200 * PS_PER_MS)
    assert seen == [True, None, "SYS_ERR_CAP_NOT_FOUND: no capability at 0.30", 5]


@pytest.mark.parametrize("abroad", [False, True], ids=["here", "abroad"])
@pytest.mark.parametrize("what", ["revoke", "delete"])
def test_memory_comes_back_from_a_domain_whatever_it_did_to_its_capabilities(
    load: Callable[[str], KnowledgeBase], what: str, abroad: bool
) -> None:
    """It revokes RAM it was given, by which the server's copy goes; or deletes its own, having sent one away."""
    kernel = Multikernel.boot(load("amd-4x4"))
    free = [service.capabilities.memory.free_bytes for service in kernel.capabilities.values()]

    def main(environment: Environment) -> Code:
        calls = environment.capabilities()
        if environment.rank == 1:
            service = yield from export(environment, "keeper")
            while True:
                yield from service.receive()
        yield from calls.allocate(12, Address(20))
        yield from calls.retype(Address(20), Retype(T.FRAME, size=PAGE_BYTES), Address(21))
        if abroad:
            channel = yield from bind(environment, "keeper")
            yield from channel.send(Fragment(0, b"", Address(20)))
        if what == "revoke":
            yield from calls.revoke(Address(20))
        else:
            yield from calls.delete(Address(21))
            yield from calls.delete(Address(20))
        environment.count()

    domain = kernel.spawn(Program("taking", "", "", main), cores=[3, 12], dispatchers=2)
    kernel.run(50 * PS_PER_MS)
    assert kernel.status(domain).progress == 1, domain.fault
    kernel.kill(domain.id)
    kernel.run(500 * PS_PER_MS)
    assert [service.capabilities.memory.free_bytes for service in kernel.capabilities.values()] == free
