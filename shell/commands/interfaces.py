"""Commands on interface files: whether one is right, what it has, and the stubs that are made of it."""

from __future__ import annotations

from pathlib import Path

import click

from kernel.interfaces.compiler import DEFINITIONS, source
from kernel.interfaces.language import Argument, Interface, written
from kernel.interfaces.parser import read
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session


@command("interface list", group="domains", summary="the interfaces that come with Pilotfish",
         example="interface list")
def interface_list(session: Session) -> Result:
    found = [read(path) for path in sorted(DEFINITIONS.glob("*.if"))]
    rows = [(each.name, str(len(each.messages)), each.description) for each in found]
    data = [{"name": name, "messages": int(count), "about": about} for name, count, about in rows]
    return Result(data, Table(("interface", "messages", "what it is for"), rows, frozenset(("messages",))))


@command("interface check", group="domains", summary="whether an interface is right; if not, what is wrong where",
         example="interface check ramfs")
@click.argument("file")
def interface_check(session: Session, file: str) -> Result:
    interface = _find(session, file)
    data = {"name": interface.name, "types": len(interface.types), "messages": len(interface.messages)}
    types, messages = _counted(interface.types, "type"), _counted(interface.messages, "message")
    return Result(data, f"interface {interface.name}: {types}, {messages}")


@command("interface show", group="domains", summary="an interface: its messages by number, or the stubs made of it",
         example="interface show ramfs")
@click.option("--stubs", is_flag=True, help="the Python module that clients and services use")
@click.argument("file")
def interface_show(session: Session, stubs: bool, file: str) -> Result:
    """FILE is a file, or the name of one of `interface list`."""
    interface = _find(session, file)
    if stubs:
        text = source(interface)
        return Result({"name": interface.name, "stubs": text}, text.rstrip("\n"))
    rows = [
        (str(number), each.kind, each.name, ", ".join(_argument(argument) for argument in each.arguments))
        for number, each in enumerate(interface.wire, 1)
    ]
    data = {
        "name": interface.name, "text": written(interface),
        "messages": [
            {"number": int(number), "kind": kind, "name": name, "arguments": arguments}
            for number, kind, name, arguments in rows
        ],
    }
    return Result(data, Table(("number", "kind", "message", "arguments"), rows, frozenset(("number",))))


def _counted(what: tuple[object, ...], name: str) -> str:
    return f"{len(what)} {name}" + ("" if len(what) == 1 else "s")


def _argument(argument: Argument) -> str:
    return f"{argument.type} {argument.name}" + ("" if argument.most is None else f"[{argument.most}]")


def _find(session: Session, file: str) -> Interface:
    """The interface of a file, or one that comes with Pilotfish."""
    if "/" in file or "." in file:
        return read(Path(session.file(file)))
    shipped = DEFINITIONS / f"{file}.if"
    if not shipped.exists():
        raise ShellError(f"no interface '{file}'; interface list has those that come with Pilotfish")
    return read(shipped)
