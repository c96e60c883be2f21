"""Values into the fragments of a transport and back, as `layout` says where they go.

What does not fit its type is refused before anything is sent; what arrives is trusted in nothing: a fragment that
is not as long as it must be, a number that no message has, a length above its bound are MessageErrors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kernel.capabilities.cspace import Address
from kernel.errors import KernelError
from kernel.interfaces.language import Array, Builtin, Enumeration, Interface, Message, Struct
from kernel.interfaces.layout import LENGTH_BYTES, NUMBER, TOKEN, TOKEN_BITS, Layout, Path, Wire
from kernel.messaging.channel import Fragment
from kernel.messaging.errors import MessageError, MessageErrorCode

Values = Mapping[str, Any]
"""The arguments of a message by name. Integers, bools, str for String, bytes for what varies else, an Address for
a capability, a sequence for an array; a structure is anything with its fields as attributes."""

Shapes = Mapping[str, type]
"""What structures and enumerations are made as when they arrive, by type name."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message that has arrived as a whole."""

    number: int
    token: int
    message: Message
    values: dict[str, Any]


# -- out -------------------------------------------------------------------------------------------


def fragments(wire: Wire, number: int, values: Values, token: int = 0) -> list[Fragment]:
    """A message as fragments. KernelError where a value does not fit its type."""
    interface, message, transport = wire.interface, wire.messages[number], wire.transport
    plan = wire.layout(number)
    unknown = set(values) - {argument.name for argument in message.arguments}
    if unknown:
        raise KernelError(f"{interface.name}.{message.name}: no argument {sorted(unknown)[0]}")
    primitive: dict[Path, int] = {NUMBER: number, TOKEN: token}
    runs: list[bytes] = []
    capabilities: list[Address] = []
    for argument in message.arguments:
        where = f"{interface.name}.{message.name}: {argument.name}"
        if argument.name not in values:
            raise KernelError(f"{where} is missing")
        value = values[argument.name]
        if argument in plan.capabilities:
            if not isinstance(value, Address):
                raise KernelError(f"{where} is the address of a capability, not {value!r:.40}")
            capabilities.append(value)
        elif argument in plan.runs:
            runs.append(_bytes(value, argument.type, argument.most or 0, where))
        else:
            _flatten(interface, argument.type, value, (argument.name,), where, primitive)
    header = number << TOKEN_BITS | token if transport.numbered else 0
    sent = []
    for index, pieces in enumerate(plan.fixed):
        words = [0] * plan.words_of(index)
        for piece in pieces:
            part = primitive[piece.path] >> piece.low & (1 << piece.bits) - 1
            words[piece.word] |= part << piece.shift
        payload = b"".join(word.to_bytes(transport.word_bytes, "little") for word in words)
        sent.append(Fragment(header, payload, capabilities[index] if index < len(capabilities) else None))
    for run in runs:
        whole = len(run).to_bytes(LENGTH_BYTES, "little") + run
        size = transport.payload_bytes
        sent += [Fragment(header, whole[at : at + size]) for at in range(0, len(whole), size)]
    return sent


def _bytes(value: Any, of: str, most: int, where: str) -> bytes:
    if of == "String":
        if not isinstance(value, str):
            raise KernelError(f"{where} is a text, not {value!r:.40}")
        try:
            data = value.encode()
        except UnicodeEncodeError:
            raise KernelError(f"{where} has a character that UTF-8 cannot express") from None
    elif isinstance(value, (bytes, bytearray)):
        data = bytes(value)
    else:
        raise KernelError(f"{where} is bytes, not {value!r:.40}")
    if len(data) > most:
        raise MessageError(MessageErrorCode.MESSAGE_SIZE, f"{where} has {len(data)} bytes; its bound is {most}")
    return data


def _flatten(interface: Interface, name: str, value: Any, path: Path, where: str, into: dict[Path, int]) -> None:
    found = interface.resolved(name)
    match found:
        case Builtin():
            into[path] = _primitive(found, value, where)
        case Enumeration(_, names):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < len(names):
                raise KernelError(f"{where} is one of {', '.join(names)}, not {value!r:.40}")
            into[path] = int(value)
        case Array(_, of, size):
            if not isinstance(value, (list, tuple)) or len(value) != size:
                raise KernelError(f"{where} is a sequence of {size}, not {value!r:.40}")
            for index, each in enumerate(value):
                _flatten(interface, of, each, (*path, index), f"{where}[{index}]", into)
        case Struct(_, fields):
            for each in fields:
                if not hasattr(value, each.name):
                    raise KernelError(f"{where} has no field {each.name}: {value!r:.40}")
                one = getattr(value, each.name)
                _flatten(interface, each.type, one, (*path, each.name), f"{where}.{each.name}", into)


def _primitive(found: Builtin, value: Any, where: str) -> int:
    if found.name == "bool":
        if not isinstance(value, bool):
            raise KernelError(f"{where} is True or False, not {value!r:.40}")
        return int(value)
    least, most = (-(1 << found.bits - 1), (1 << found.bits - 1) - 1) if found.signed else (0, (1 << found.bits) - 1)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise KernelError(f"{where} is a {found.name}, {least} to {most}, not {value!r:.40}")
    return value & (1 << found.bits) - 1


# -- in --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Assembly:
    """A message that is arriving on one channel, fragment by fragment; `token` is of the last, where it is known."""

    wire: Wire
    shapes: Shapes
    _number: int = 0
    token: int = 0
    _message: Message | None = None
    _plan: Layout | None = None
    _fixed: int = 0  # fragments of the fixed part that have come
    _primitive: dict[Path, int] = field(default_factory=dict)
    _runs: list[bytes] = field(default_factory=list)
    _run: bytes = b""
    _capabilities: list[Address] = field(default_factory=list)

    def add(self, fragment: Fragment) -> Received | None:
        """The next fragment: the message, if it was its last one. MessageError where it cannot be what it is."""
        try:
            return self._add(fragment)
        except MessageError:
            self._forget()
            raise

    def _add(self, fragment: Fragment) -> Received | None:
        if self._message is None:
            self._begin(fragment)
        elif self.wire.transport.numbered and fragment.header != self._number << TOKEN_BITS | self.token:
            raise MessageError(MessageErrorCode.MESSAGE_NUMBER, f"another message within {self._called}")
        assert self._plan is not None and self._message is not None
        if self._fixed < len(self._plan.fixed):
            self._take_fixed(fragment)
        else:
            self._take_run(fragment)
        if self._fixed < len(self._plan.fixed) or len(self._runs) < len(self._plan.runs):
            return None
        received = Received(self._number, self.token, self._message, self._values())
        self._forget()
        return received

    def _forget(self) -> None:
        self._message, self._plan = None, None
        self._fixed, self._run = 0, b""
        self._primitive, self._runs, self._capabilities = {}, [], []

    def _begin(self, fragment: Fragment) -> None:
        transport, name = self.wire.transport, self.wire.interface.name
        if transport.numbered:
            number, token = fragment.header >> TOKEN_BITS, fragment.header & (1 << TOKEN_BITS) - 1
        else:
            if len(fragment.payload) < transport.word_bytes:
                what = f"{name}: a message of {len(fragment.payload)} bytes"
                raise MessageError(MessageErrorCode.EMPTY_MESSAGE, what)
            number, token = int.from_bytes(fragment.payload[:2], "little"), 0
        self.token = token
        if not 0 <= number < len(self.wire.messages):
            what = f"{name} has no message {number}, only 0-{len(self.wire.messages) - 1}"
            raise MessageError(MessageErrorCode.MESSAGE_NUMBER, what)
        self._number, self._message = number, self.wire.messages[number]
        self._plan = self.wire.layout(number)

    @property
    def _called(self) -> str:
        assert self._message is not None
        return f"{self.wire.interface.name}.{self._message.name}"

    def _wrong_length(self, got: int, expected: str) -> MessageError:
        return MessageError(MessageErrorCode.MESSAGE_LENGTH, f"{self._called}: {got} bytes, not {expected}")

    def _take_fixed(self, fragment: Fragment) -> None:
        assert self._plan is not None
        size = self.wire.transport.word_bytes
        expected = self._plan.words_of(self._fixed) * size
        if len(fragment.payload) != expected:
            raise self._wrong_length(len(fragment.payload), str(expected))
        for piece in self._plan.fixed[self._fixed]:
            word = int.from_bytes(fragment.payload[piece.word * size : (piece.word + 1) * size], "little")
            part = word >> piece.shift & (1 << piece.bits) - 1
            self._primitive[piece.path] = self._primitive.get(piece.path, 0) | part << piece.low
        if self._fixed < len(self._plan.capabilities):
            if fragment.capability is None:
                raise self._wrong_length(0, "a capability")
            self._capabilities.append(fragment.capability)
        self._fixed += 1
        self.token = self._primitive.get(TOKEN, self.token)

    def _take_run(self, fragment: Fragment) -> None:
        assert self._plan is not None
        argument = self._plan.runs[len(self._runs)]
        self._run += fragment.payload
        if len(self._run) < LENGTH_BYTES:
            raise self._wrong_length(len(self._run), f"{LENGTH_BYTES} of a length at least")
        length = int.from_bytes(self._run[:LENGTH_BYTES], "little")
        if length > (argument.most or 0):
            raise self._wrong_length(length, f"up to {argument.most} in {argument.name}")
        data = self._run[LENGTH_BYTES:]
        if len(data) > length or (len(data) < length and len(fragment.payload) < self.wire.transport.payload_bytes):
            raise self._wrong_length(len(data), f"{length} in {argument.name}")
        if len(data) == length:
            self._runs.append(data)
            self._run = b""

    def _values(self) -> dict[str, Any]:
        assert self._plan is not None and self._message is not None
        values: dict[str, Any] = {}
        runs, capabilities = iter(self._runs), iter(self._capabilities)
        for argument in self._message.arguments:
            if argument in self._plan.capabilities:
                values[argument.name] = next(capabilities)
            elif argument in self._plan.runs:
                data = next(runs)
                values[argument.name] = self._text(data, argument.name) if argument.type == "String" else data
            else:
                values[argument.name] = self._gather(argument.type, (argument.name,))
        return values

    def _text(self, data: bytes, name: str) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise self._wrong_length(len(data), f"a text, in {name}") from None

    def _gather(self, name: str, path: Path) -> Any:
        found = self.wire.interface.resolved(name)
        match found:
            case Builtin():
                raw = self._primitive[path]
                if found.name == "bool":
                    return bool(raw)
                return raw - (1 << found.bits) if found.signed and raw >> found.bits - 1 else raw
            case Enumeration(kind, names):
                raw = self._primitive[path]
                if raw >= len(names):
                    raise self._wrong_length(raw, f"one of the {len(names)} of {kind}")
                return self.shapes[kind](raw) if kind in self.shapes else raw
            case Array(_, of, size):
                return tuple(self._gather(of, (*path, index)) for index in range(size))
            case Struct(kind, fields):
                return self.shapes[kind](*(self._gather(each.type, (*path, each.name)) for each in fields))
        raise AssertionError(found)
