"""What an interface must be beyond its grammar: everything named is known, once, and bounded."""

from __future__ import annotations

import keyword
from collections.abc import Iterable

from kernel.interfaces.language import (
    BUILTINS,
    BYTES,
    CAPABILITIES,
    Alias,
    Argument,
    Array,
    Enumeration,
    Interface,
    InterfaceError,
    Message,
    Place,
    Struct,
    Type,
)

MOST_MESSAGES = (1 << 15) - 1
"""A message's number has 15 bits in the header; 0 is the error reply's."""

MOST_BYTES = 1 << 20
"""No array is larger: what is larger is shared by a frame, not sent."""

MOST_FIELDS = 4096
"""No message has more primitive fields."""

MOST_LEVELS = 64
"""No type is made of types that are made of types ... more often."""

_TAKEN = frozenset((
    "self", "channel", "binding", "call", "receive", "transmit", "fed", "opened", "closed", "interface", "shapes",
    "error", "int", "str", "bool", "bytes", "tuple", "dataclass", "parse", "Any", "Address", "Binding", "Channel",
    "Generator", "Handlers", "IntEnum", "Operation", "INTERFACE", "SHAPES",
    "mro", "super",
))  # fmt: skip
"""What the stubs use themselves (`kernel.interfaces.compiler`)."""


def check(interface: Interface, called: str | None = None) -> None:
    """InterfaceError at the first thing that is wrong."""
    if called is not None and interface.name != called:
        what = f"interface {interface.name} in a file called {called}; they must agree"
        raise InterfaceError(interface.place, what)
    _name(interface.name, interface.place)
    _types(interface)
    names: set[str] = set()
    classes = {each.name: each.place for each in interface.types}
    for name in (client_name(interface.name), handlers_name(interface.name)):
        if name in classes:
            raise InterfaceError(classes[name], f"'{name}' is what the stubs of {interface.name} are called")
    for message in interface.messages:
        if message.kind == "rpc":
            if message.name not in names and reply_name(message.name) in classes:
                raise InterfaceError(message.place, f"'{reply_name(message.name)}' is what its answer is called")
            classes[reply_name(message.name)] = message.place
        if message.name in names:
            raise InterfaceError(message.place, f"a second message '{message.name}'")
        names.add(message.name)
        _message(interface, message)
    for message in interface.wire:
        if message.kind in ("call", "response") and sum(each.name == message.name for each in interface.wire) > 1:
            raise InterfaceError(message.place, f"'{message.name}' is what an rpc's message is called as well")
    if not interface.messages:
        raise InterfaceError(interface.place, f"interface {interface.name} has no messages")
    if len(interface.wire) > MOST_MESSAGES:
        raise InterfaceError(interface.place, f"{len(interface.wire)} messages; {MOST_MESSAGES} at most")


def client_name(interface: str) -> str:
    """The class of a client's end."""
    return _class_name(interface) + "Client"


def handlers_name(interface: str) -> str:
    """The class that a service derives from."""
    return _class_name(interface) + "Handlers"


def reply_name(rpc: str) -> str:
    """The class of what an rpc answers."""
    return _class_name(rpc) + "Reply"


def _class_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _name(name: str, place: Place) -> None:
    if keyword.iskeyword(name) or name in _TAKEN or name.startswith("_"):
        raise InterfaceError(place, f"'{name}' cannot be a name; the stubs need it themselves")


def _types(interface: Interface) -> None:
    known: dict[str, Type] = {}
    levels: dict[str, int] = {}
    for each in interface.types:
        _name(each.name, each.place)
        if each.name in BUILTINS:
            raise InterfaceError(each.place, f"'{each.name}' is a builtin type")
        if each.name in known:
            raise InterfaceError(each.place, f"a second type '{each.name}'")
        match each:
            case Alias(_, of) | Array(_, of):
                _known_before(of, known, each.place, each.name)
                if of == "String" or of in CAPABILITIES:
                    raise InterfaceError(each.place, f"a {of} has no other name and is in no array; use it as it is")
            case Enumeration(_, names):
                _once(names, each.place, "name in the enumeration")
                for name in names:
                    _name(name, each.place)
            case Struct(_, fields):
                if not fields:
                    raise InterfaceError(each.place, f"structure {each.name} has no fields")
                _once((field.name for field in fields), each.place, f"field in structure {each.name}")
                for field in fields:
                    _name(field.name, field.place)
                    _known_before(field.type, known, field.place, each.name)
                    if field.type == "String" or field.type in CAPABILITIES:
                        raise InterfaceError(field.place, f"a {field.type} in a structure; make it an argument")
        if isinstance(each, Array) and not 0 < each.size <= MOST_FIELDS:
            raise InterfaceError(each.place, f"{each.size} elements; an array has from 1 to {MOST_FIELDS}")
        known[each.name] = each
        levels[each.name] = 1 + max((levels.get(name, 0) for name in _made_of(each)), default=0)
        if levels[each.name] > MOST_LEVELS:
            raise InterfaceError(each.place, f"'{each.name}' is types within types, more than {MOST_LEVELS} of them")
        if _fields(known, each.name) > MOST_FIELDS:
            raise InterfaceError(each.place, f"'{each.name}' has more than {MOST_FIELDS} values; share a frame")


def _made_of(each: Type) -> tuple[str, ...]:
    match each:
        case Alias(_, of) | Array(_, of):
            return (of,)
        case Struct(_, fields):
            return tuple(field.type for field in fields)
    return ()


def _known_before(name: str, known: dict[str, Type], place: Place, user: str) -> None:
    """Types are known only below where they stand, so that none contains itself."""
    if name == user:
        raise InterfaceError(place, f"'{name}' contains itself")
    if name not in known and name not in BUILTINS:
        raise InterfaceError(place, f"unknown type '{name}'; types are stated before they are used")


def _once(names: Iterable[str], place: Place, what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InterfaceError(place, f"a second {what} called '{name}'")
        seen.add(name)


def _fields(known: dict[str, Type], name: str) -> int:
    each = known.get(name)
    match each:
        case Alias(_, of):
            return _fields(known, of)
        case Array(_, of, size):
            return size * _fields(known, of)
        case Struct(_, fields):
            return sum(_fields(known, field.type) for field in fields)
    return 1


def _message(interface: Interface, message: Message) -> None:
    _name(message.name, message.place)
    names = [argument.name for argument in message.arguments]
    names += [argument.length for argument in message.arguments if argument.length]
    _once(names, message.place, f"argument of {message.name}")
    known = {each.name: each for each in interface.types}
    total = 0
    for argument in message.arguments:
        _argument(interface, argument)
        total += _fields(known, argument.type)
    if total > MOST_FIELDS:
        raise InterfaceError(message.place, f"{message.name} has {total} values; {MOST_FIELDS} at most")


def _argument(interface: Interface, argument: Argument) -> None:
    _name(argument.name, argument.place)
    if argument.length:
        _name(argument.length, argument.place)
    found = interface.type(argument.type)
    if found is None:
        raise InterfaceError(argument.place, f"unknown type '{argument.type}'")
    varies = argument.type == "String" or bool(argument.length)
    if argument.type == "String":
        if argument.length:
            raise InterfaceError(argument.place, f"'{argument.name}' is a String, which knows its length: [MAX]")
        if argument.most is None:
            raise InterfaceError(argument.place, f"'{argument.name}' has no bound; write String {argument.name}[MAX]")
    elif argument.length and argument.type not in BYTES:
        raise InterfaceError(
            argument.place, f"an array of {argument.type} whose length varies; only {', '.join(BYTES)} can be in one"
        )
    elif argument.most is not None and not argument.length:
        raise InterfaceError(
            argument.place, f"'{argument.name}[{argument.most}]': use a typedef for an array, or [length, MAX]"
        )
    if varies and argument.most is not None and not 0 < argument.most <= MOST_BYTES:
        raise InterfaceError(argument.place, f"a bound of {argument.most} bytes; from 1 to {MOST_BYTES}")
