"""Commands about the machine: which there are, and what this one is."""

from __future__ import annotations

import click

from shell.output import Result, Table
from shell.registry import command
from shell.session import Session
from skb import machine as machines


@command("machine list", group="machine", summary="the machines that can be booted", example="machine list")
def machine_list(session: Session) -> Result:
    rows = [(m.name, m.summary) for m in machines.list_machines()]
    data = [{"name": name, "summary": summary} for name, summary in rows]
    return Result(data, Table(("machine", "what it is"), rows))


@command("machine show", group="machine", summary="a machine's folder, and how many facts each source of it gives",
         example="machine show amd-4x4")
@click.argument("name", metavar="MACHINE", required=False)
def machine_show(session: Session, name: str | None) -> Result:
    path = machines.find(name or session.machine_name)
    facts = machines.read(path)
    counts = [(source, str(len(found))) for source, found in facts.facts]
    rows = [("name", facts.name), ("folder", str(path)), *((f"facts: {s}", n) for s, n in counts)]
    data = {"name": facts.name, "folder": str(path), "facts": {s: int(n) for s, n in counts}}
    return Result(data, Table(("what", "value"), rows))


@command("nproc", group="machine", summary="how many cores there are", example="nproc")
def nproc(session: Session) -> Result:
    count = len(session.kernel.drivers)
    return Result(count, str(count))


@command("reset", group="machine", summary="boot the machine anew: time 0, no domains, its own facts",
         example="reset")
def reset(session: Session) -> Result:
    session.reset()
    return Result()
