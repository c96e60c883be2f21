"""From an interface to a Python module: a class for each structure, one for clients, one for services.

The text is for reading (`interface show FILE --stubs`); `stubs` has it executed. The module says everything itself
and imports the rest from `kernel.interfaces.stubs`.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from kernel.interfaces.checking import client_name, handlers_name, reply_name
from kernel.interfaces.language import (
    CAPABILITIES,
    Alias,
    Argument,
    Array,
    Builtin,
    Enumeration,
    Interface,
    Message,
    Struct,
    written,
)
from kernel.interfaces.parser import read

DEFINITIONS = Path(__file__).parent / "definitions"
"""The interfaces that come with Pilotfish."""


@cache
def stubs(name: str) -> ModuleType:
    """The stubs of an interface that comes with Pilotfish."""
    return compiled(read(DEFINITIONS / f"{name}.if"))


def compiled(interface: Interface) -> ModuleType:
    """The stubs of an interface."""
    module = ModuleType(f"stubs_{interface.name}")
    sys.modules[module.__name__] = module  # where dataclasses look up the types of their fields
    exec(compile(source(interface), f"<stubs of {interface.name}>", "exec"), module.__dict__)
    return module


def source(interface: Interface) -> str:
    """The text of the module."""
    about = f": {interface.description}" if interface.description else ""
    parts = [
        f'"""Stubs of the interface {interface.name}{about.replace(chr(92), chr(92) * 2)}."""',
        "from __future__ import annotations\n\n"
        "from collections.abc import Generator\nfrom dataclasses import dataclass\nfrom enum import IntEnum\n"
        "from typing import Any\n\n"
        "from kernel.capabilities.cspace import Address\nfrom kernel.interfaces.parser import parse\n"
        "from kernel.interfaces.stubs import Binding, Handlers\nfrom kernel.messaging.channel import Channel\n"
        "from kernel.threads import Operation",
        f"INTERFACE = parse({written(interface)!r})",
    ]
    shapes = []
    for each in interface.types:
        if isinstance(each, Enumeration):
            names = "\n".join(f"    {name} = {number}" for number, name in enumerate(each.names))
            parts.append(f"class {each.name}(IntEnum):\n{names}")
            shapes.append(each.name)
        elif isinstance(each, Struct):
            fields = "\n".join(f"    {field.name}: {_type(interface, field.type)}" for field in each.fields)
            parts.append(f"@dataclass(frozen=True, slots=True)\nclass {each.name}:\n{fields}")
            shapes.append(each.name)
    parts += [_reply(interface, each) for each in interface.messages if each.kind == "rpc"]
    parts.append("SHAPES = {" + ", ".join(f'"{name}": {name}' for name in shapes) + "}")
    parts.append(
        f"class {client_name(interface.name)}(Binding):\n"
        f'    """A client\'s end of {interface.name}."""\n\n'
        "    def __init__(self, channel: Channel) -> None:\n"
        "        super().__init__(INTERFACE, SHAPES, channel)"
        + "".join(_client_method(interface, each) for each in interface.messages)
    )
    parts.append(
        f"class {handlers_name(interface.name)}(Handlers):\n"
        f'    """A service\'s end of {interface.name}: what each message does is for who derives from it to say.\n\n'
        + "".join(f"    {_handler(interface, each)}\n" for each in interface.messages)
        + '    """\n\n    interface = INTERFACE\n    shapes = SHAPES'
    )
    return "\n\n\n".join(parts) + "\n"


def _type(interface: Interface, name: str) -> str:
    found = interface.type(name)
    match found:
        case Builtin("bool"):
            return "bool"
        case Builtin("String"):
            return "str"
        case Builtin():
            return "Address" if found.name in CAPABILITIES else "int"
        case Alias(_, of):
            return _type(interface, of)
        case Array(_, of, _):
            return f"tuple[{_type(interface, of)}, ...]"
    return name


def _annotated(interface: Interface, argument: Argument) -> str:
    kind = "bytes" if argument.length else _type(interface, argument.type)
    return f"{argument.name}: {kind}"


def _reply(interface: Interface, message: Message) -> str:
    out = [argument for argument in message.arguments if argument.out]
    fields = "\n".join(f"    {_annotated(interface, argument)}" for argument in out) or "    pass"
    return f"@dataclass(frozen=True, slots=True)\nclass {reply_name(message.name)}:\n{fields}"


def _client_method(interface: Interface, message: Message) -> str:
    into = [argument for argument in message.arguments if not argument.out]
    signature = "".join(f", {_annotated(interface, argument)}" for argument in into)
    values = "{" + ", ".join(f'"{argument.name}": {argument.name}' for argument in into) + "}"
    if message.kind == "rpc":
        reply = reply_name(message.name)
        return (
            f"\n\n    def {message.name}(self{signature}) -> Generator[Operation, Any, {reply}]:\n"
            f'        return {reply}(**(yield from self.call("{message.name}", {values})))'
        )
    return (
        f"\n\n    def {message.name}(self{signature}) -> Generator[Operation, Any, None]:\n"
        f'        yield from self.transmit("{message.name}", {values})'
    )


def _handler(interface: Interface, message: Message) -> str:
    into = [argument for argument in message.arguments if not argument.out]
    signature = "".join(f", {_annotated(interface, argument)}" for argument in into)
    answer = reply_name(message.name) if message.kind == "rpc" else "None"
    return f"def {message.name}(self, binding: Binding{signature}) -> {answer}"
