"""Stubs in the simulated kernel: the same over every way that messages can go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kernel.capabilities.core import TASK_RAM
from kernel.capabilities.cspace import Address
from kernel.capabilities.operations import Retype
from kernel.capabilities.types import ObjectType
from kernel.domain import Domain
from kernel.errors import KernelError
from kernel.interfaces.compiler import compiled
from kernel.interfaces.parser import parse
from kernel.interfaces.stubs import Binding, ErrorReply, serve
from kernel.messaging.binding import bind, export
from kernel.messaging.channel import Fragment
from kernel.messaging.drivers import Terms
from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.multikernel import Multikernel
from kernel.program import Compute, Environment, Program
from kernel.thread_operations import Fork, Join, YieldThread
from kernel.threads import Code
from skb.knowledge import KnowledgeBase

MS = 10**9

stubs: Any = compiled(parse("""
interface counter {
    typedef enum { up, down } direction;
    typedef struct { direction way; uint32 step; } change;
    message apply(change what);
    rpc look(in String who[64], out int64 value);
    rpc reverse(in uint8 data[n, 4096], out uint8 back[m, 4096]);
    rpc identify(in cap what, out uint64 base);
    message told(int64 value);
    rpc nothing();
};
"""))


class Counter(stubs.CounterHandlers):  # type: ignore[misc]
    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.value = 0
        self.clients: list[Binding] = []

    def opened(self, binding: Binding) -> None:
        self.clients.append(binding)

    def closed(self, binding: Binding) -> None:
        self.clients.remove(binding)

    def apply(self, binding: Binding, what: Any) -> Any:
        self.value += what.step if what.way is stubs.direction.up else -what.step
        for each in self.clients:
            yield from each.transmit("told", {"value": self.value})

    def look(self, binding: Binding, who: str) -> Any:
        yield Compute(1000)
        if who == "nobody":
            raise KernelError("nobody is not known")
        return stubs.LookReply(self.value)

    def reverse(self, binding: Binding, data: bytes) -> Any:
        return stubs.ReverseReply(data[::-1])

    def identify(self, binding: Binding, what: Address) -> Any:
        found = yield from self.environment.capabilities().identify(what)
        return stubs.IdentifyReply(found.base)


@pytest.fixture
def kernel(load: Callable[[str], KnowledgeBase]) -> Multikernel:
    kernel = Multikernel.boot(load("amd-4x4"))

    def counter(environment: Environment) -> Code:
        service = yield from export(environment, "counter")
        yield from serve(service, Counter(environment))

    kernel.spawn(Program("counter", "", "", counter), cores=[8])
    return kernel


def client(kernel: Multikernel, core: int, main: Callable[[Environment, Any], Code]) -> Domain:
    def bound(environment: Environment) -> Code:
        yield from main(environment, stubs.CounterClient((yield from bind(environment, "counter"))))

    domain = kernel.spawn(Program("client", "", "", bound), cores=[core])
    kernel.run(400 * MS)
    return domain


@pytest.mark.parametrize("core", [8, 9, 12])
def test_messages_calls_and_answers_on_every_core(kernel: Multikernel, core: int) -> None:
    heard: list[Any] = []

    def main(_: Environment, counter: Any) -> Code:
        for way in (stubs.direction.up, stubs.direction.up, stubs.direction.down):
            yield from counter.apply(stubs.change(way, 7))
        heard.append((yield from counter.look("me")))
        for _ in range(3):  # messages that came while the answer was waited for are kept
            heard.append((yield from counter.receive()).values["value"])
        data = bytes(range(256)) * 16
        heard.append((yield from counter.reverse(data)).back == data[::-1])
        heard.append((yield from counter.reverse(b"")).back)

    assert client(kernel, core, main).state.value == "exited"
    assert heard == [stubs.LookReply(7), 7, 14, 7, True, b""]


@pytest.mark.parametrize("driver", ["ump", "multihop-direct", "multihop-ring", "multihop-tree"])
def test_the_same_stubs_go_over_every_way_between_cores(kernel: Multikernel, driver: str) -> None:
    heard: list[Any] = []

    def main(environment: Environment) -> Code:
        channel = yield from bind(environment, "counter", terms=Terms(over=driver))
        counter = stubs.CounterClient(channel)
        yield from counter.apply(stubs.change(stubs.direction.down, 9))
        heard.append((yield from counter.look("me")).value)
        data = bytes(range(200)) * 20
        heard.append((yield from counter.reverse(data)).back == data[::-1])
        calls = environment.capabilities()
        yield from calls.retype(Address(TASK_RAM), Retype(ObjectType.FRAME, size=4096), Address(40))
        frame = yield from calls.identify(Address(40))
        heard.append((yield from counter.identify(Address(40))).base == frame.base)

    domain = kernel.spawn(Program("client", "", "", main), cores=[12])
    kernel.run(400 * MS)
    assert domain.state.value == "exited", domain.fault
    assert heard == [-9, True, True]


@pytest.mark.parametrize("core", [8, 12])
def test_what_a_service_refuses_is_an_error_at_the_caller(kernel: Multikernel, core: int) -> None:
    said: list[str] = []

    def main(_: Environment, counter: Any) -> Code:
        for call in (counter.look("nobody"), counter.nothing(), counter.look("x" * 65)):
            try:
                yield from call
            except KernelError as error:
                said.append(f"{type(error).__name__} {error}")
        said.append(str((yield from counter.look("me")).value))

    client(kernel, core, main)
    assert said == [
        "ErrorReply nobody is not known",
        "ErrorReply FLOUNDER_ERR_RX_INVALID_MSGNUM: counter.nothing: the service does not take it",
        "MessageError FLOUNDER_ERR_TX_MSG_SIZE: counter.look_call: who has 65 bytes; its bound is 64",
        "0",
    ]


@pytest.mark.parametrize("core", [8, 12])
def test_a_capability_is_an_argument_like_others(kernel: Multikernel, core: int) -> None:
    found: list[int] = []

    def main(environment: Environment, counter: Any) -> Code:
        calls = environment.capabilities()
        yield from calls.retype(Address(TASK_RAM), Retype(ObjectType.FRAME, size=4096), Address(40))
        found.append((yield from calls.identify(Address(40))).base)
        found.append((yield from counter.identify(Address(40))).base)

    client(kernel, core, main)
    assert len(found) == 2 and found[0] == found[1]


def test_a_service_survives_what_no_stub_would_send(kernel: Multikernel) -> None:
    said: list[str] = []

    def main(_: Environment, counter: Any) -> Code:
        yield from counter.channel.send(Fragment(77 << 32, b"garbage"))
        try:
            yield from counter.receive()
        except ErrorReply as error:
            said.append(str(error))
        said.append(str((yield from counter.look("me")).value))

    client(kernel, 12, main)
    assert said == ["FLOUNDER_ERR_RX_INVALID_MSGNUM: counter has no message 77, only 0-10", "0"]


def test_one_message_at_a_time_is_sent(kernel: Multikernel) -> None:
    said: list[str] = []

    def main(_: Environment, counter: Any) -> Code:
        sending = counter.transmit("reverse_call", {"data": b"x" * 4096}, 1)
        yield next(sending)  # the first of its fragments; the others are to follow
        try:
            yield from counter.apply(stubs.change(stubs.direction.up, 1))
        except MessageError as error:
            said.append(str(error))
        yield from sending
        yield from counter.apply(stubs.change(stubs.direction.up, 1))
        said.append(str((yield from counter.receive()).values["value"]))

    assert client(kernel, 12, main).state.value == "exited"
    assert said == ["FLOUNDER_ERR_TX_BUSY: counter: a message is being sent", "1"]


def patiently(call: Callable[[Any], Any], value: Any) -> Any:
    """Call, again while another thread sends."""
    while True:
        try:
            return (yield from call(value))
        except MessageError as error:
            assert error.code is MessageErrorCode.BUSY
            yield YieldThread()


@pytest.mark.parametrize("core", [8, 12])
def test_threads_call_at_the_same_time_and_each_has_its_own_answer(kernel: Multikernel, core: int) -> None:
    heard: dict[int, list[int]] = {}

    def main(_: Environment, counter: Any) -> Code:
        def asking(number: int) -> Code:
            heard[number] = []
            for turn in range(20):
                data = bytes([number, turn]) * (1 + 30 * number)
                assert (yield from patiently(counter.reverse, data)).back == data[::-1]
                heard[number].append(turn)

        threads = []
        for number in range(5):
            threads.append((yield Fork(asking(number))))
        for thread in threads:
            yield Join(thread)

    domain = client(kernel, core, main)
    assert domain.state.value == "exited", domain.fault
    assert heard == {number: list(range(20)) for number in range(5)}


@pytest.mark.parametrize("core", [8, 12])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_answers_may_come_in_any_order_and_messages_between_them(
    load: Callable[[str], KnowledgeBase], core: int, order: tuple[int, ...]
) -> None:
    kernel = Multikernel.boot(load("amd-4x4"))

    def late(environment: Environment) -> Code:
        """Answer three calls when all have come: who has an odd number of letters is refused."""
        service = yield from export(environment, "counter")
        binding, calls = None, []
        while len(calls) < 3:
            arrival = yield from service.receive()
            if isinstance(arrival.what, Fragment):
                received = binding.fed(arrival.what)
                calls += [received] if received is not None else []
            else:
                binding = Binding(stubs.INTERFACE, stubs.SHAPES, arrival.channel)
        for index in order:
            who, token = calls[index].values["who"], calls[index].token
            if len(who) % 2:
                yield from binding.transmit("error", {"code": "ODD", "what": who}, token)
            else:
                yield from binding.transmit("look_response", {"value": len(who)}, token)
            yield from binding.transmit("told", {"value": index})
        yield from service.receive()

    heard: dict[str, Any] = {}
    told: list[int] = []

    def main(environment: Environment) -> Code:
        counter = stubs.CounterClient((yield from bind(environment, "counter")))

        def asking(who: str) -> Code:
            try:
                heard[who] = (yield from patiently(counter.look, who)).value
            except ErrorReply as error:
                heard[who] = str(error)

        def listening() -> Code:
            for _ in range(3):
                told.append((yield from counter.receive()).values["value"])

        threads = [(yield Fork(listening()))]
        for who in ("me", "you", "they"):
            threads.append((yield Fork(asking(who))))
        for thread in threads:
            yield Join(thread)

    kernel.spawn(Program("late", "", "", late), cores=[8])
    domain = kernel.spawn(Program("client", "", "", main), cores=[core])
    kernel.run(400 * MS)
    assert domain.state.value == "exited", domain.fault
    assert heard == {"me": 2, "you": "ODD: you", "they": 4}
    assert told == list(order)


def test_all_that_wait_are_told_when_the_service_is_no_more(kernel: Multikernel) -> None:
    said: list[str] = []

    def main(environment: Environment) -> Code:
        counter = stubs.CounterClient((yield from bind(environment, "counter")))

        def listening() -> Code:
            try:
                yield from counter.receive()
            except MessageError as error:
                said.append(error.code)

        threads = []
        for _ in range(3):
            threads.append((yield Fork(listening())))
        for thread in threads:
            yield Join(thread)

    domain = kernel.spawn(Program("client", "", "", main), cores=[12])
    kernel.run(20 * MS)
    kernel.kill(kernel.find("counter").id)
    kernel.run(200 * MS)
    assert domain.state.value == "exited" and said == [MessageErrorCode.INVALID_STATE] * 3


def test_an_error_that_answers_no_call_is_not_taken_for_an_answer(kernel: Multikernel) -> None:
    said: list[str] = []

    def main(_: Environment, counter: Any) -> Code:
        yield from counter.channel.send(Fragment(77 << 32, b"garbage"))
        said.append(str((yield from counter.look("me")).value))
        try:
            yield from counter.receive()
        except ErrorReply as error:
            said.append(error.code)

    client(kernel, 12, main)
    assert said == ["0", "FLOUNDER_ERR_RX_INVALID_MSGNUM"]


def test_values_as_wide_as_a_machine_s_words_stay_on_its_core(kernel: Multikernel) -> None:
    pointers: Any = compiled(parse("interface pointers { message m(size s); };"))
    said: list[str] = []

    def main(_: Environment, counter: Any) -> Code:
        try:
            pointers.PointersClient(counter.channel)
            said.append("bound")
        except MessageError as error:
            said.append(str(error))
        yield Compute(1)

    client(kernel, 12, main)
    client(kernel, 8, main)
    assert said == [
        "FLOUNDER_ERR_GENERIC_BIND_NO_MORE_DRIVERS: pointers has values of type size, which mean nothing on another "
        "core",
        "bound",
    ]
