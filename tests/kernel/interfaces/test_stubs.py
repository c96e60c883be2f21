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
from kernel.messaging.errors import MessageError
from kernel.multikernel import Multikernel
from kernel.program import Compute, Environment, Program
from kernel.thread_operations import Fork, Join
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
        def other() -> Code:
            try:
                yield from counter.reverse(b"other")
            except MessageError as error:
                said.append(error.code.value)

        def sending() -> Code:
            yield from counter.reverse(b"x" * 4096)

        first = yield Fork(sending())
        yield Compute(1000)
        second = yield Fork(other())
        yield Join(first)
        yield Join(second)

    assert client(kernel, 12, main).state.value == "exited"
    assert said in ([], ["FLOUNDER_ERR_TX_BUSY"])


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
