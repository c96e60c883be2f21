"""The interface language as a tree of plain data, and how it is written.

    interface counter "counts what it is told" {
        typedef enum { up, down } direction;
        typedef struct { direction way; uint32 step; } change;
        message apply(change what);
        rpc read(in String name[64], out int64 value);
    };

What a name stands for is looked up in the interface's own types, else it is one of the builtin ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kernel.errors import KernelError


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in an interface file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class InterfaceError(KernelError):
    """What is wrong with an interface file, and where."""

    def __init__(self, place: Place, what: str) -> None:
        super().__init__(f"{place}: {what}")
        self.place = place


NOWHERE = Place("", 0, 0)


@dataclass(frozen=True, slots=True)
class Builtin:
    """A primitive type of `bits`; of `machine` size where it is as wide as the core's words."""

    name: str
    bits: int
    signed: bool = False
    machine: bool = False


BUILTINS: Mapping[str, Builtin] = {
    each.name: each
    for each in (
        *(Builtin(f"uint{bits}", bits) for bits in (8, 16, 32, 64)),
        *(Builtin(f"int{bits}", bits, signed=True) for bits in (8, 16, 32, 64)),
        Builtin("uintptr", 64, machine=True), Builtin("intptr", 64, signed=True, machine=True),
        Builtin("size", 64, machine=True),
        Builtin("bool", 1), Builtin("char", 8), Builtin("iref", 32), Builtin("errval", 32),
        Builtin("String", 0), Builtin("cap", 0), Builtin("give_away_cap", 0),
    )
}  # fmt: skip
"""Barrelfish's builtin types with their widths on the wire."""

CAPABILITIES = ("cap", "give_away_cap")
"""They go beside a message's words."""

BYTES = ("uint8", "int8", "char")
"""What arrays of varying length may be of."""


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name for a type."""

    name: str
    of: str
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Array:
    """So many values of one type, one after the other."""

    name: str
    of: str
    size: int
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Enumeration:
    """Names for the numbers from 0 on."""

    name: str
    names: tuple[str, ...]
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class StructField:
    """A field of a structure."""

    type: str
    name: str
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Struct:
    """Values of several types, by name."""

    name: str
    fields: tuple[StructField, ...]
    place: Place = field(default=NOWHERE, compare=False)


Type = Alias | Array | Enumeration | Struct


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a message. A String, or bytes whose count has the name `length`, are `most` bytes at most.

    `out` is an answer's, in an rpc.
    """

    type: str
    name: str
    length: str = ""
    most: int | None = None
    out: bool = False
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A message; `kind` is message, call, response or rpc (a call and the response to it)."""

    kind: str
    name: str
    arguments: tuple[Argument, ...]
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Interface:
    """A whole file."""

    name: str
    description: str
    types: tuple[Type, ...]
    messages: tuple[Message, ...]
    place: Place = field(default=NOWHERE, compare=False)

    def type(self, name: str) -> Type | Builtin | None:
        """What a name stands for; None if nothing does."""
        return next((each for each in self.types if each.name == name), BUILTINS.get(name))

    def resolved(self, name: str) -> Type | Builtin:
        """What a checked name stands for, aliases followed."""
        found = self.type(name)
        while isinstance(found, Alias):
            found = self.type(found.of)
        assert found is not None
        return found

    @property
    def wire(self) -> tuple[Message, ...]:
        """The messages as they are sent, numbered from 1: an rpc is two."""
        sent: list[Message] = []
        for each in self.messages:
            if each.kind == "rpc":
                into = tuple(argument for argument in each.arguments if not argument.out)
                out = tuple(argument for argument in each.arguments if argument.out)
                sent.append(Message("call", f"{each.name}_call", into, each.place))
                sent.append(Message("response", f"{each.name}_response", out, each.place))
            else:
                sent.append(each)
        return tuple(sent)


def written(interface: Interface) -> str:
    """The text of an interface, which reads as the same again."""
    about = f' "{interface.description}"' if interface.description else ""
    lines = [f"interface {interface.name}{about} {{"]
    lines += [f"    {_written_type(each)}" for each in interface.types]
    for each in interface.messages:
        arguments = ", ".join(_written_argument(argument, each.kind) for argument in each.arguments)
        lines.append(f"    {each.kind} {each.name}({arguments});")
    return "\n".join([*lines, "};", ""])


def _written_type(each: Type) -> str:
    match each:
        case Alias(name, of):
            return f"typedef {of} {name};"
        case Array(name, of, size):
            return f"typedef {of} {name}[{size}];"
        case Enumeration(name, names):
            return f"typedef enum {{ {', '.join(names)} }} {name};"
        case Struct(name, fields):
            return f"typedef struct {{ {' '.join(f'{one.type} {one.name};' for one in fields)} }} {name};"


def _written_argument(argument: Argument, kind: str) -> str:
    direction = ("out " if argument.out else "in ") if kind == "rpc" else ""
    bound = "" if argument.most is None else f"[{argument.length + ', ' if argument.length else ''}{argument.most}]"
    return f"{direction}{argument.type} {argument.name}{bound}"
