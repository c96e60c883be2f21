"""What generated stubs are made of: the two ends of an interface over a channel, whatever the channel goes over.

A client's `Binding` sends messages and calls; a service's handlers are called by `serve`, for each of its channels.
Everything that waits is a part of a program. A call that was refused, or that made the handler fail with a
KernelError, raises `ErrorReply` at the caller, with the code and the words of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

from kernel.errors import KernelError
from kernel.interfaces.language import Builtin, Interface, Struct
from kernel.interfaces.layout import TOKEN_BITS, Wire
from kernel.interfaces.marshalling import Assembly, Received, Shapes, Values, fragments
from kernel.messaging.binding import Service
from kernel.messaging.channel import Channel, Closed, Fragment, Opened
from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.synchronisation import Post, Semaphore, WaitSemaphore
from kernel.threads import Operation

Part = Generator[Operation, Any, Any]

_ERROR = 0
_NO_CALL = 0
"""The token of a message that neither calls nor answers."""


class ErrorReply(KernelError):
    """A call was not carried out; `code` is the name of the error, if it had one."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(f"{code}: {what}" if code else what)
        self.code = code
        self.what = what


class Binding:
    """One end of a channel on which the messages of an interface go. NO_DRIVER where they cannot go over it.

    It sends one message at a time: whoever tries meanwhile is told BUSY.
    """

    def __init__(self, interface: Interface, shapes: Shapes, channel: Channel) -> None:
        machine = None if channel.transport.takes_capabilities else _machine_type(interface)
        if machine is not None:
            raise MessageError(
                MessageErrorCode.NO_DRIVER,
                f"{interface.name} has values of type {machine}, which mean nothing on another core",
            )
        self.channel = channel
        self._wire = Wire(interface, channel.transport)
        self._shapes = shapes
        self._assembly = Assembly(self._wire, shapes)
        self._sending = False
        self._token = 0
        self._answers: dict[int, Received | None] = {}  # to the calls that are outstanding, by token
        self._inbox: list[Received] = []  # messages that answer no call
        self._receiving = False  # a thread receives, for all that wait
        self._waiting: list[_Waiting] = []  # the others

    def transmit(self, message: str, values: Values, token: int = 0) -> Part:
        """Send a message by its name on the wire."""
        if self._sending:
            raise MessageError(MessageErrorCode.BUSY, f"{self._wire.interface.name}: a message is being sent")
        pieces = fragments(self._wire, self._wire.numbers[message], values, token)
        self._sending = True
        try:
            for fragment in pieces:
                yield from self.channel.send(fragment)
        finally:
            self._sending = False

    def fed(self, fragment: Fragment) -> Received | None:
        """A fragment has arrived: the message that it completes."""
        return self._assembly.add(fragment)

    @property
    def token(self) -> int:
        """That of the message whose fragment arrived last, where it is known."""
        return self._assembly.token

    def call(self, rpc: str, values: Values) -> Part:
        """Call, and wait for the answer: its values by name. ErrorReply where there is none.

        Other threads may call meanwhile; answers are told apart by their tokens, and come in any order.
        """
        token = self._unused_token()
        self._answers[token] = None
        try:
            yield from self.transmit(f"{rpc}_call", values, token)
            received = yield from self._wait_for(token)
        finally:
            del self._answers[token]
        if received.message.name != f"{rpc}_response":
            what = f"{self._wire.interface.name}.{rpc} is answered by {received.message.name}"
            raise MessageError(MessageErrorCode.MESSAGE_NUMBER, what)
        return received.values

    def receive(self) -> Generator[Operation, Any, Received]:
        """The next message that answers no call. ErrorReply for one that the other end could not take."""
        return (yield from self._wait_for(_NO_CALL))

    def _unused_token(self) -> int:
        while True:
            self._token = self._token % ((1 << TOKEN_BITS) - 1) + 1
            if self._token not in self._answers:
                return self._token

    def _wait_for(self, token: int) -> Generator[Operation, Any, Received]:
        """The answer to a call, or the next message that answers none. One thread receives for all that wait."""
        while (found := self._kept(token)) is None:
            if self._receiving:
                waiting = _Waiting(token, self._semaphore())
                self._waiting.append(waiting)
                yield WaitSemaphore(waiting.semaphore)
                continue
            self._receiving = True
            try:
                whose = yield from self._receive_one()
            except KernelError:
                self._receiving = False
                yield from self._wake(self._waiting)  # to find out themselves
                raise
            self._receiving = False
            if whose != token:
                yield from self._wake([each for each in self._waiting if each.token == whose])
        if not self._receiving:
            yield from self._wake(self._waiting)  # one of them is to receive from now on
        if found.number == _ERROR:
            raise ErrorReply(found.values["code"], found.values["what"])
        return found

    def _kept(self, token: int) -> Received | None:
        if token == _NO_CALL:
            return self._inbox.pop(0) if self._inbox else None
        return self._answers[token]

    def _receive_one(self) -> Generator[Operation, Any, int]:
        """Receive a message, and keep it for whom it is for: the token of the call, or _NO_CALL."""
        while True:
            received = self.fed((yield from self.channel.receive()))
            if received is None:
                continue
            if received.token == _NO_CALL:
                self._inbox.append(received)
                return _NO_CALL
            if received.token in self._answers:  # else the call has been given up
                self._answers[received.token] = received
                return received.token

    def _wake(self, waiting: list[_Waiting]) -> Part:
        """Let the first of them go on."""
        if waiting:
            first = waiting[0]
            self._waiting.remove(first)
            yield Post(first.semaphore)

    def _semaphore(self) -> Semaphore:
        assert self.channel.dispatcher is not None
        return Semaphore(f"channel {self.channel.number}", self.channel.dispatcher.driver.hardware, 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A thread that waits while another one receives."""

    token: int
    semaphore: Semaphore


class Handlers:
    """A service's side; generated classes say which methods there are. A method is a part of a program or a function.

    It is given the binding that the message came by, and the arguments by name. What an rpc's returns is the answer:
    an object with the values as attributes, or nothing where there are none.
    """

    interface: Interface
    shapes: Shapes

    def opened(self, binding: Binding) -> None:
        """A client has bound."""

    def closed(self, binding: Binding) -> None:
        """A client is gone."""


def serve(service: Service, handlers: Handlers) -> Part:
    """Part of a program: carry out what clients send, without end."""
    bindings: dict[Channel, Binding] = {}
    while True:
        arrival = yield from service.receive()
        channel, what = arrival.channel, arrival.what
        if isinstance(what, Opened):
            yield from _open(service, handlers, bindings, channel)
        elif channel in bindings:
            if isinstance(what, Closed):
                handlers.closed(bindings.pop(channel))
            else:
                yield from _take(handlers, bindings[channel], what)


def _open(service: Service, handlers: Handlers, bindings: dict[Channel, Binding], channel: Channel) -> Part:
    try:
        bindings[channel] = Binding(handlers.interface, handlers.shapes, channel)
    except MessageError:
        return  # the client finds the same
    handlers.opened(bindings[channel])
    yield from ()


def _take(handlers: Handlers, binding: Binding, fragment: Fragment) -> Part:
    try:
        received = binding.fed(fragment)
    except MessageError as error:
        yield from _refuse(binding, binding.token, error)
        return
    if received is None:
        return
    rpc = received.message.name.removesuffix("_call") if received.message.kind == "call" else ""
    answered = f"{rpc}_response" in {message.name for message in handlers.interface.wire} if rpc else False
    name = rpc if answered else received.message.name
    try:
        method = getattr(handlers, name, None)
        if method is None:
            what = f"{handlers.interface.name}.{name}: the service does not take it"
            raise MessageError(MessageErrorCode.MESSAGE_NUMBER, what)
        result = method(binding, **received.values)
        if inspect.isgenerator(result):
            result = yield from result
        if answered:
            yield from binding.transmit(f"{rpc}_response", _attributes(handlers, rpc, result), received.token)
    except KernelError as error:
        yield from _refuse(binding, received.token, error)


def _attributes(handlers: Handlers, rpc: str, result: object) -> Mapping[str, Any]:
    message = next(each for each in handlers.interface.wire if each.name == f"{rpc}_response")
    if isinstance(result, Mapping):
        return result
    return {each.name: getattr(result, each.name) for each in message.arguments if hasattr(result, each.name)}


def _refuse(binding: Binding, token: int, error: KernelError) -> Part:
    """Tell the other end why; if that is gone, there is nobody to tell."""
    if binding.channel.closed:
        return
    code = str(getattr(error, "code", ""))
    what = str(error).removeprefix(f"{code}: ")
    cut = what.encode()[:512].decode(errors="ignore")
    try:
        yield from binding.transmit("error", {"code": code[:64], "what": cut}, token)
    except MessageError:
        if not binding.channel.closed:  # it may have ended meanwhile
            raise


def _machine_type(interface: Interface) -> str | None:
    """A type of the interface's that is as wide as the core's words, if it has one."""
    names = [argument.type for message in interface.messages for argument in message.arguments]
    names += [field.type for each in interface.types if isinstance(each, Struct) for field in each.fields]
    names += [each.of for each in interface.types if hasattr(each, "of")]
    for name in names:
        found = interface.resolved(name)
        if isinstance(found, Builtin) and found.machine:
            return found.name
    return None
