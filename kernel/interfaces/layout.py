"""Where the values of a message go in a transport's messages: the packing of Barrelfish's stubs, for any word size.

The fixed part comes first. Structures and arrays are flattened to primitive fields; wider ones than a word are cut
into words; the smallest come first, each into the last word if it fits there, else into the next. What varies in
length follows, each as a run of its own: eight bytes of length, then the bytes. Where the transport's messages are
not numbered, the message's number and token are the first fields of all.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernel.interfaces.language import (
    CAPABILITIES,
    Argument,
    Array,
    Builtin,
    Enumeration,
    Interface,
    Message,
    Struct,
)
from kernel.messaging.transport import Transport

NUMBER_BITS = 16
TOKEN_BITS = 32
LENGTH_BYTES = 8
ENUMERATION_BITS = 32

Path = tuple[str | int, ...]
"""How a primitive value is got at: the argument's name, then fields' names and elements' numbers."""

NUMBER: Path = ("", "number")
TOKEN: Path = ("", "token")


@dataclass(frozen=True, slots=True)
class Piece:
    """`bits` bits of the value at `path`, from bit `low` on: they are at bit `shift` of a word."""

    path: Path
    low: int
    bits: int
    word: int
    shift: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A message on a transport: the pieces of each fragment of its fixed part, then what varies, and capabilities."""

    fixed: tuple[tuple[Piece, ...], ...]
    runs: tuple[Argument, ...]
    capabilities: tuple[Argument, ...]

    def words_of(self, fragment: int) -> int:
        """How many words a fragment of the fixed part has."""
        return max((piece.word for piece in self.fixed[fragment]), default=-1) + 1


def varies(argument: Argument) -> bool:
    """Whether the length of an argument is told with it."""
    return argument.most is not None


ERROR_REPLY = Message(
    "response", "error", (Argument("String", "code", most=64), Argument("String", "what", most=512))
)  # fmt: skip
"""Message 0 of every interface: why a call was not carried out."""


class Wire:
    """An interface on a transport: its messages by number, and where their values go."""

    def __init__(self, interface: Interface, transport: Transport) -> None:
        self.interface = interface
        self.transport = transport
        self.messages = (ERROR_REPLY, *interface.wire)
        self.numbers = {message.name: number for number, message in enumerate(self.messages)}
        self._layouts: dict[int, Layout] = {}

    def layout(self, number: int) -> Layout:
        """Where everything goes that message `number` says."""
        found = self._layouts.get(number)
        if found is None:
            found = self._layouts[number] = layout(self.interface, self.messages[number], self.transport)
        return found


def layout(interface: Interface, message: Message, transport: Transport) -> Layout:
    """Where everything goes that a message of the interface says on a transport."""
    fields: list[tuple[Path, int]] = [] if transport.numbered else [(TOKEN, TOKEN_BITS)]
    runs, capabilities = [], []
    for argument in message.arguments:
        if argument.type in CAPABILITIES:
            capabilities.append(argument)
        elif varies(argument):
            runs.append(argument)
        else:
            fields += _flattened(interface, argument.type, (argument.name,))
    word_bits = 8 * transport.word_bytes
    pieces = sorted(
        ((path, low, min(word_bits, bits - low)) for path, bits in fields for low in range(0, bits, word_bits)),
        key=lambda piece: piece[2],
    )
    if not transport.numbered:
        pieces.insert(0, (NUMBER, 0, NUMBER_BITS))  # how the receiver knows what the rest is
    fixed = _packed(pieces, transport.words, word_bits)
    if not fixed and not runs:
        fixed.append(())  # a message that says nothing is a message still
    while len(fixed) < len(capabilities):
        fixed.append(())  # one capability goes with each
    return Layout(tuple(fixed), tuple(runs), tuple(capabilities))


def _packed(pieces: list[tuple[Path, int, int]], words: int, word_bits: int) -> list[tuple[Piece, ...]]:
    fragments: list[tuple[Piece, ...]] = []
    current: list[Piece] = []
    word, used = -1, word_bits
    for path, low, bits in pieces:
        if used + bits > word_bits:
            word, used = word + 1, 0
            if word == words:
                fragments.append(tuple(current))
                current, word = [], 0
        current.append(Piece(path, low, bits, word, used))
        used += bits
    if current:
        fragments.append(tuple(current))
    return fragments


def _flattened(interface: Interface, name: str, path: Path) -> list[tuple[Path, int]]:
    found = interface.resolved(name)
    match found:
        case Builtin():
            return [(path, found.bits)]
        case Enumeration():
            return [(path, ENUMERATION_BITS)]
        case Array(_, of, size):
            return [each for index in range(size) for each in _flattened(interface, of, (*path, index))]
        case Struct(_, fields):
            return [each for field in fields for each in _flattened(interface, field.type, (*path, field.name))]
    raise AssertionError(found)


def fragments_of_run(length: int, transport: Transport) -> int:
    """How many messages so many bytes of varying length take."""
    room = transport.payload_bytes
    return -(-(LENGTH_BYTES + length) // room)
