"""`machine import`: dumps of a real machine become one that can be booted by name."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

import shell.commands.machines  # noqa: F401 - the commands that most people want come first in the family
from shell.commands.arguments import clock_hz
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session
from skb import importing
from skb.finding import NO_DUMP

_SHOWN = 5  # names of files that were left out


@command("machine import", group="machine", summary="make a machine of the dumps of a real one, or of this computer",
         example="machine import this-computer --host --replace")
@click.argument("name", metavar="NAME")
@click.argument("paths", metavar="PATH", nargs=-1)
@click.option("--host", "from_host", is_flag=True, help="read the machine that Pilotfish runs on")
@click.option("--replace", is_flag=True, help="put it in the place of an imported machine of that name")
@click.option("--clock", metavar="CLOCK", help="the clock of every core, such as 2.5GHz")
def machine_import(
    session: Session, name: str, paths: tuple[str, ...], from_host: bool, replace: bool, clock: str | None
) -> Result:
    """Each file is recognised by what is in it, compressed or not: acpidump text or ACPI tables; lspci output;
    CPUID dumps; a copy of /sys/devices/system or a tarball of hwloc-gather-topology; /proc/cpuinfo; XML of lstopo;
    a matrix of latencies; Prolog facts. A folder or a tarball may hold several. One of each kind makes the machine,
    of several in a folder the one that says most. It is kept in the user's data folder, with a README.md that
    tells all this; what is booted stays as it is. `skb contradiction(F, S, G, T)` lists where its sources differ.
    """
    imported = importing.import_machine(
        session.kb, name, [_path(each, session) for each in paths], from_host=from_host, replace=replace,
        clock_hz=None if clock is None else clock_hz(clock),
    )
    data = asdict(imported)
    data["path"] = str(imported.path)
    data["left_out"] = [{"origin": origin, "why": why} for origin, why in imported.left_out]
    table = Table(
        ("imported from", "kind", "file", "facts"),
        [(part.origin, part.kind, part.file, str(part.facts)) for part in imported.parts], frozenset(("facts",)),
    )
    show: list[Table | str] = [table, *_left_out(imported)]
    show.append(f"{imported.name}: {_size(imported)}; boot it with `pilotfish -m {imported.name}`")
    return Result(data, show, "\n".join(imported.remarks))


def _left_out(imported: importing.Imported) -> list[str]:
    """Dumps that were not taken, each with its reason; files of folders that are none, in one line."""
    others = [origin for origin, why in imported.left_out if why == NO_DUMP]
    lines = [f"left out: {origin}: {why}" for origin, why in imported.left_out if why != NO_DUMP]
    if others:
        names = ", ".join(Path(origin).name for origin in others[:_SHOWN])
        more = ", ..." if len(others) > _SHOWN else ""
        lines.append(f"left out: {names}{more}: {len(others)} file{'s' if len(others) > 1 else ''} of no known kind")
    return lines


def _size(imported: importing.Imported) -> str:
    clocks = " and ".join(f"{hertz / 1e9:.3f} GHz" for hertz in imported.clocks_hz)
    if len(imported.clocks_hz) > 2:
        clocks = f"{imported.clocks_hz[0] / 1e9:.3f}-{imported.clocks_hz[-1] / 1e9:.3f} GHz"
    size = f"{importing.size(imported)}, {clocks}, {sum(imported.facts.values())} facts"
    if imported.contradictions:
        size += f", {imported.contradictions} contradictions between its sources"
    return size


def _path(text: str, session: Session) -> Path:
    """A path from the current folder, else from beside the batch file."""
    if not text:
        raise ShellError("an empty PATH; '.' is the current folder")
    path = Path(os.path.expanduser(text))
    beside = session.places[-1].folder if session.places else None
    if beside is not None and not os.path.exists(path) and os.path.exists(beside / path):
        return beside / path
    return path
