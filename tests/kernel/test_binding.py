"""Binding: services are exported, found by name or reference, bound to through monitors, and torn down at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kernel.capabilities.core import TASK_RAM
from kernel.capabilities.cspace import Address
from kernel.capabilities.errors import CapabilityError
from kernel.capabilities.operations import Retype
from kernel.capabilities.types import ObjectType
from kernel.domain import Domain
from kernel.errors import KernelError
from kernel.messaging.binding import Binding, bind, close, core_of, export
from kernel.messaging.channel import Channel, Closed, Fragment, Opened
from kernel.messaging.drivers import AS_THE_DRIVER_HAS_IT, Terms
from kernel.multikernel import Multikernel
from kernel.program import Compute, Environment, Program
from kernel.threads import Code
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]
US = 1_000_000
MS = 1_000 * US


@pytest.fixture
def kernel(load: Load) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


def run(kernel: Multikernel, core: int, main: Callable[[Environment], Code], for_ps: int = 10 * MS) -> Domain:
    """Spawn a program made of one function on a core, and let time pass."""
    domain = kernel.spawn(Program(f"program{core}", "a test", "", main), cores=[core])
    kernel.run(for_ps)
    return domain


def number(fragment: Fragment) -> int:
    return int.from_bytes(fragment.payload, "big")


def fragment(value: int) -> Fragment:
    return Fragment(0, value.to_bytes(8, "big"))


def doubling(environment: Environment) -> Code:
    """A service that answers twice what it is sent."""
    service = yield from export(environment, "doubling")
    while True:
        arrival = yield from service.receive()
        if isinstance(arrival.what, Fragment):
            yield from arrival.channel.send(fragment(2 * number(arrival.what)))


def asking(heard: list[Any], *values: int, to: str | int = "doubling", terms: Terms = AS_THE_DRIVER_HAS_IT) -> Any:
    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, to, terms=terms)
        for value in values:
            yield from channel.send(fragment(value))
            heard.append(number((yield from channel.receive())))

    return main


@pytest.mark.parametrize("client", [8, 9, 0, 3])
def test_a_service_is_found_by_its_name_on_every_core(kernel: Multikernel, client: int) -> None:
    heard: list[int] = []
    run(kernel, 8, doubling)
    assert kernel.records.names("r'service.*' {}") == ("service.doubling",)
    run(kernel, client, asking(heard, *range(5)), 400 * MS)
    assert heard == [0, 2, 4, 6, 8]


def test_whoever_comes_first_waits_for_the_service(kernel: Multikernel) -> None:
    heard: list[int] = []
    run(kernel, 9, asking(heard, 21))
    assert heard == []
    run(kernel, 8, doubling)
    assert heard == [42]


def test_a_reference_says_the_core_and_is_enough_to_bind(kernel: Multikernel) -> None:
    heard: list[int] = []
    run(kernel, 8, doubling)
    record = kernel.records.get("service.doubling { iref: _ }")
    assert record is not None
    iref = record.attributes["iref"]
    assert isinstance(iref, int) and core_of(iref) == 8
    run(kernel, 9, asking(heard, 4, to=iref))
    assert heard == [8]


def test_the_service_is_told_of_every_channel_and_of_its_end(kernel: Multikernel) -> None:
    told: list[str] = []

    def serving(environment: Environment) -> Code:
        service = yield from export(environment, "telling")
        while True:
            arrival = yield from service.receive()
            told.append(f"{arrival.channel.number} {type(arrival.what).__name__}")
            assert (arrival.channel in service.channels) is not isinstance(arrival.what, Closed)

    def client(environment: Environment) -> Code:
        channel = yield from bind(environment, "telling")
        yield from channel.send(fragment(1))
        yield from close(environment, channel)

    run(kernel, 8, serving)
    for core in (9, 10):
        run(kernel, core, client)
    assert [word.split()[1] for word in told] == ["Opened", "Fragment", "Closed"] * 2
    assert len({word.split()[0] for word in told}) == 2


def refusals(kernel: Multikernel, core: int, to: str | int, **options: Any) -> list[str]:
    refused: list[str] = []

    def main(environment: Environment) -> Code:
        try:
            yield from bind(environment, to, **options)
        except KernelError as error:
            refused.append(str(error))

    run(kernel, core, main)
    return refused


def test_what_cannot_be_bound_is_refused_by_the_error_s_name(kernel: Multikernel) -> None:
    run(kernel, 8, doubling)
    assert refusals(kernel, 9, "tripling", waits=False) == ["LIB_ERR_NAMESERVICE_UNKNOWN_NAME: no service tripling"]
    assert refusals(kernel, 9, "no name!") == [
        "LIB_ERR_NAMESERVICE_INVALID_NAME: 'no name!' is no name for a service; letters, digits, . and _"
    ]
    assert refusals(kernel, 9, 8 << 16 | 77) == [f"MON_ERR_INVALID_IREF: no service {8 << 16 | 77}"]
    assert refusals(kernel, 9, 99 << 16 | 1) == ["MON_ERR_NO_MONITOR_FOR_CORE: core 99 runs no monitor"]
    (said,) = refusals(kernel, 9, "doubling", terms=Terms(over="lmp"))
    assert "FLOUNDER_ERR_GENERIC_BIND_NO_MORE_DRIVERS: lmp does not join core 8 and core 9" in said
    (said,) = refusals(kernel, 9, "doubling", terms=Terms(over="pigeon"))
    assert "no interconnect driver pigeon" in said


def test_a_service_may_refuse(kernel: Multikernel) -> None:
    def serving(environment: Environment) -> Code:
        service = yield from export(environment, "club", accepts=lambda domain: "members only" if domain == 2 else "")
        while True:
            yield from service.receive()

    run(kernel, 8, serving)
    assert refusals(kernel, 9, "club") == ["LIB_ERR_NO_UMP_BIND_HANDLER: members only"]
    assert refusals(kernel, 10, "club") == []


def test_a_service_is_gone_with_its_domain(kernel: Multikernel) -> None:
    served = run(kernel, 8, doubling)
    record = kernel.records.get("service.doubling { iref: _ }")
    assert record is not None
    kernel.kill(served.id)
    kernel.run(10 * MS)
    assert kernel.records.names("r'service.*' {}") == ()
    assert refusals(kernel, 9, "doubling", waits=False)[0].startswith("LIB_ERR_NAMESERVICE_UNKNOWN_NAME")
    assert refusals(kernel, 9, int(str(record.attributes["iref"])))[0].startswith("MON_ERR_INVALID_IREF")


def test_a_name_is_given_once(kernel: Multikernel) -> None:
    run(kernel, 8, doubling)
    assert "doubling cannot be exported" in run(kernel, 9, doubling).fault


@pytest.mark.parametrize("client", [8, 12])
def test_who_sends_to_a_dead_peer_is_told_so(kernel: Multikernel, client: int) -> None:
    said: list[str] = []

    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, "doubling")
        while True:
            try:
                yield from channel.send(fragment(1))
                yield from channel.receive()
            except KernelError as error:
                said.append(str(error))
                return
            yield Compute(100_000)

    served = run(kernel, 8, doubling)
    run(kernel, client, main, 400 * MS)
    kernel.kill(served.id)
    kernel.run(400 * MS)
    (error,) = said
    assert error.startswith("FLOUNDER_ERR_INVALID_STATE: channel ") and error.endswith("program8 has ended")


def test_who_waits_for_a_dead_peer_is_told_so_after_what_it_had_sent(kernel: Multikernel) -> None:
    heard: list[object] = []

    def serving(environment: Environment) -> Code:
        service = yield from export(environment, "short")
        channel = (yield from service.receive()).channel
        for value in range(3):
            yield from channel.send(fragment(value))
        yield Compute(1_000_000)  # the client has its end by then

    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, "short")
        yield Compute(5_000_000)
        try:
            while True:
                heard.append(number((yield from channel.receive())))
        except KernelError as error:
            heard.append(str(error).split(":")[0])

    run(kernel, 12, main)
    run(kernel, 8, serving)
    assert heard == [0, 1, 2, "FLOUNDER_ERR_INVALID_STATE"]


def test_a_sender_that_waits_for_room_is_released_when_the_receiver_dies(kernel: Multikernel) -> None:
    said: list[str] = []

    def serving(environment: Environment) -> Code:
        service = yield from export(environment, "deaf")
        assert isinstance((yield from service.receive()).what, Opened)
        while True:
            yield Compute(1_000_000_000)

    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, "deaf", terms=Terms(slots=8))
        try:
            while True:
                yield from channel.send(fragment(1))
                environment.count()
        except KernelError as error:
            said.append(str(error))

    deaf = run(kernel, 8, serving)
    talker = run(kernel, 12, main, 400 * MS)
    assert talker.progress(kernel.now) == 7 and not said
    kernel.kill(deaf.id)
    kernel.run(400 * MS)
    assert len(said) == 1


def test_channels_take_the_terms_they_were_bound_with(kernel: Multikernel) -> None:
    heard: list[int] = []
    run(kernel, 8, doubling)
    run(kernel, 12, asking(heard, *range(30), terms=Terms(slots=4, prefetch=True)))
    assert heard == [2 * value for value in range(30)]
    with_few = refusals(kernel, 9, "doubling", terms=Terms(slots=2))
    assert with_few and "at least 3 slots" in with_few[0]


@pytest.mark.parametrize("client", [8, 12])
def test_a_capability_goes_with_a_message(kernel: Multikernel, client: int) -> None:
    """The receiver gets a copy at an address of its own; on the same core the CPU driver makes it."""
    got: list[Any] = []

    def serving(environment: Environment) -> Code:
        service = yield from export(environment, "taking")
        calls = environment.capabilities()
        while True:
            arrival = yield from service.receive()
            if isinstance(arrival.what, Fragment):
                assert arrival.what.capability is not None
                got.append((yield from calls.identify(arrival.what.capability)))

    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, "taking")
        calls = environment.capabilities()
        yield from calls.retype(Address(TASK_RAM), Retype(ObjectType.FRAME, size=4096), Address(40))
        got.append((yield from calls.identify(Address(40))))
        yield from channel.send(Fragment(0, b"", Address(40)))
        try:
            yield from channel.send(Fragment(0, b"", Address(41)))
        except CapabilityError as error:
            got.append(error.code.value)
        while True:
            yield Compute(1_000_000)

    run(kernel, 8, serving)
    run(kernel, client, main, 400 * MS)
    sent, *rest = got
    assert sorted(map(str, rest)) == sorted(map(str, [sent, rest[0] if isinstance(rest[0], str) else rest[1]]))
    assert any(each == sent for each in rest)
    assert any(isinstance(each, str) and each.startswith("SYS_ERR") for each in rest)


def ends(kernel: Multikernel) -> int:
    return sum(len(binding.ends) for binding in bindings(kernel))


def bindings(kernel: Multikernel) -> list[Binding]:
    found = [monitor.binding for monitor in kernel.monitors.values()]
    assert all(isinstance(each, Binding) for each in found)
    return found  # type: ignore[return-value]


def test_nothing_is_left_when_both_sides_have_ended(kernel: Multikernel) -> None:
    """Neither channels nor services, nor the memory and capabilities they were made of."""
    free = {core: service.capabilities.memory.free_bytes for core, service in kernel.capabilities.items()}
    served = run(kernel, 8, doubling)
    clients = [run(kernel, core, asking([], 1, 2, 3)) for core in (9, 10, 12)]
    assert {client.state.value for client in clients} == {"exited"}
    assert ends(kernel) == 0, "the service was told that its clients have ended"
    kernel.kill(served.id)
    kernel.run(50 * MS)
    assert not any(binding.services for binding in bindings(kernel))
    assert {core: service.capabilities.memory.free_bytes for core, service in kernel.capabilities.items()} == free


def test_a_service_serves_more_clients_than_its_first_memory_has_room_for(kernel: Multikernel) -> None:
    """One after the other they reuse a frame; at once they need more slots than one CNode has."""
    heard: list[int] = []

    def clients(environment: Environment) -> Code:
        channels: list[Channel] = []
        for _ in range(150):
            channels.append((yield from bind(environment, "doubling")))
        for value, channel in enumerate(channels):
            yield from channel.send(fragment(value))
            heard.append(number((yield from channel.receive())))

    run(kernel, 8, doubling)
    run(kernel, 12, clients, 100 * MS)
    assert heard == [2 * value for value in range(150)]


def test_channels_go_with_a_dispatcher_to_its_new_core(kernel: Multikernel) -> None:
    heard: list[int] = []

    def serving(environment: Environment) -> Code:
        service = yield from export(environment, "doubling")
        while True:
            arrival = yield from service.receive()
            if isinstance(arrival.what, Fragment):
                yield from arrival.channel.send(fragment(2 * number(arrival.what)))

    def filling(environment: Environment) -> Code:
        yield Compute(1_000_000_000)

    def client(environment: Environment) -> Code:
        channel = yield from bind(environment, "doubling")
        for value in range(500):
            yield from channel.send(fragment(value))
            heard.append(number((yield from channel.receive())))
            yield Compute(2_000_000)

    kernel.spawn(Program("filling", "", "", filling), cores=[0])
    kernel.spawn(Program("serving", "", "", serving), cores=[1])
    talker = kernel.spawn(Program("client", "", "", client))
    kernel.run(10 * MS)
    before = len(heard)
    assert 0 < before < 500
    core = talker.cores[0]
    kernel.take_offline(core)
    assert len(heard) < 500 and talker.cores[0] != core, "it goes on on another core"
    kernel.run(1000 * MS)
    assert heard == [2 * value for value in range(500)]
    assert ends(kernel) == 0


# -- local messages ------------------------------------------------------------------------------------


def test_a_local_sender_waits_for_room_in_the_buffer_of_who_is_not_ready(kernel: Multikernel) -> None:
    """The buffer has 22 words: two messages of ten words with a header each."""
    read: list[int] = []

    def slow(environment: Environment) -> Code:
        service = yield from export(environment, "slow")
        yield from service.receive()
        yield Compute(2_500_000_000)
        while True:
            arrival = yield from service.receive()
            if isinstance(arrival.what, Fragment):
                read.append(int.from_bytes(arrival.what.payload, "big"))

    def fast(environment: Environment) -> Code:
        channel = yield from bind(environment, "slow")
        for value in range(20):
            yield from channel.send(Fragment(0, value.to_bytes(80, "big")))
            environment.count()
        yield Compute(10_000_000_000)

    run(kernel, 8, slow)
    sender = run(kernel, 8, fast, 300 * MS)
    assert sender.progress(kernel.now) == 2 and read == []
    assert [each.waiting for each in kernel.channels(sender)] == [1]
    kernel.run(5_000 * MS)
    assert read == list(range(20))


def test_a_synchronous_call_runs_the_callee_in_the_caller_s_time(kernel: Multikernel) -> None:
    took: list[int] = []

    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, "doubling")
        for value in range(10):
            called = kernel.now
            assert number((yield from channel.call(fragment(value)))) == 2 * value
            took.append(kernel.now - called)

    run(kernel, 8, doubling)
    run(kernel, 8, main, 500 * MS)
    assert took[-1] == 2 * kernel.hardware.cost_ps("lmp", 8), "there and back, and no context switch besides"


def test_a_synchronous_call_of_who_is_not_ready_is_refused(kernel: Multikernel) -> None:
    said: list[str] = []

    def busy(environment: Environment) -> Code:
        service = yield from export(environment, "busy")
        yield from service.receive()
        while True:
            yield Compute(1_000_000_000)

    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, "busy")
        yield Compute(300_000_000)
        try:
            yield from channel.call(fragment(1))
        except KernelError as error:
            said.append(str(error))

    run(kernel, 8, busy)
    run(kernel, 8, main, 900 * MS)
    assert said == ["SYS_ERR_LMP_TARGET_DISABLED: the receiver of a synchronous message is not ready"]


def test_who_has_lost_the_capability_to_an_endpoint_sends_nothing_to_it(kernel: Multikernel) -> None:
    """The client deletes all that it may give up: what is left of the channel is an object without power."""
    said: list[str] = []

    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, "doubling")
        calls = environment.capabilities()
        for entry in kernel.capabilities[8].print_cspace(environment.domain, 0):
            if entry.type == "EndPointLMP":
                yield from calls.delete(Address(int(entry.address.split(".")[1])))
        try:
            yield from channel.send(fragment(1))
        except KernelError as error:
            said.append(str(error))

    run(kernel, 8, doubling)
    run(kernel, 8, main, 500 * MS)
    assert said == ["SYS_ERR_CAP_NOT_FOUND: the capability to the other end's endpoint is gone"]


# -- replicas of the name service ----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["paxos", "two-phase", "group", "eventual"])
def test_a_core_with_a_replica_of_the_names_asks_the_skb_no_more(kernel: Multikernel, how: str) -> None:
    asked: list[str] = []
    look_up = kernel.knowledge._look_up
    kernel.knowledge._look_up = lambda lookup: (asked.append(lookup.name), look_up(lookup))[1]  # type: ignore[method-assign]
    heard: list[int] = []
    run(kernel, 8, doubling)
    kernel.replicate_names((0, 8, 12), how)
    kernel.run(50 * MS)
    run(kernel, 12, asking(heard, 4))
    assert heard == [8] and asked == []
    run(kernel, 13, asking(heard, 5))
    assert heard == [8, 10] and asked == ["doubling"], "there is no replica there"


def test_a_replica_forgets_the_services_of_a_dead_domain(kernel: Multikernel) -> None:
    kernel.replicate_names((0, 8, 12), "group")
    served = run(kernel, 8, doubling, 50 * MS)
    kernel.kill(served.id)
    kernel.run(50 * MS)
    assert refusals(kernel, 12, "doubling", waits=False)[0].startswith("LIB_ERR_NAMESERVICE_UNKNOWN_NAME")
    heard: list[int] = []
    run(kernel, 9, doubling, 50 * MS)
    run(kernel, 12, asking(heard, 4))
    assert heard == [8]


# -- which way messages go -----------------------------------------------------------------------------


@pytest.mark.parametrize("over", [None, "scc", "scc-tree", "scc-payload", "multihop-tree"])
def test_between_cores_without_coherent_caches_it_is_by_notification(load: Load, over: str | None) -> None:
    kernel = Multikernel.boot(load("scc"))
    heard: list[int] = []
    service = run(kernel, 8, doubling)
    run(kernel, 20, asking(heard, *range(20), terms=Terms(over=over)), 5 * MS)
    assert {end.over for end in kernel.channels(service)} <= {over or "scc"}
    kernel.run(50 * MS)
    assert heard == [2 * value for value in range(20)]
    kernel.kill(service.id)
    kernel.run(50 * MS)
    notifications = kernel.drivers[8].notifications
    assert not any(notifications._tables.values()), "the numbers of channels that are no more are free"


def test_no_cache_line_joins_cores_without_coherent_caches(load: Load) -> None:
    kernel = Multikernel.boot(load("scc"))
    run(kernel, 8, doubling)
    (said,) = refusals(kernel, 9, "doubling", terms=Terms(over="ump"))
    assert "FLOUNDER_ERR_GENERIC_BIND_NO_MORE_DRIVERS: ump does not join core 8 and core 9" in said


@pytest.mark.parametrize(("client", "terms", "said"), [
    (8, Terms(slots=8), "lmp knows no slots"), (8, Terms(prefetch=True), "lmp knows no prefetch"),
    (9, Terms(over="multihop-ring", prefetch=True), "multihop-ring knows no prefetch"),
])  # fmt: skip
def test_terms_that_a_driver_cannot_fulfil_are_refused(
    kernel: Multikernel, client: int, terms: Terms, said: str
) -> None:
    run(kernel, 8, doubling)
    (refusal,) = refusals(kernel, client, "doubling", terms=terms)
    assert said in refusal
