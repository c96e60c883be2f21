"""Commands about the machine: which there are, and what this one is."""

from __future__ import annotations

import click

from kernel.clock import PS_PER_NS
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session
from skb import machine as machines


@command("machine", group="machine", summary="machine list: those that can be booted; machine show [NAME]: one",
         example="machine show amd-4x4")
@click.argument("what", metavar="list|show")
@click.argument("name", required=False)
def machine(session: Session, what: str, name: str | None) -> Result:
    if what == "list":
        rows = [(m.name, m.summary) for m in machines.list_machines()]
        data = [{"name": name, "summary": summary} for name, summary in rows]
        return Result(data, Table(("machine", "what it is"), rows))
    if what != "show":
        raise ShellError(f"machine {what}? there is machine list and machine show")
    path = machines.find(name or session.machine_name)
    facts = machines.read(path)
    counts = [(source, str(len(found))) for source, found in facts.facts]
    rows = [("name", facts.name), ("folder", str(path)), *((f"facts: {s}", n) for s, n in counts)]
    data_show = {"name": facts.name, "folder": str(path), "facts": {s: int(n) for s, n in counts}}
    return Result(data_show, Table(("what", "value"), rows))


@command("nproc", group="machine", summary="how many cores there are", example="nproc")
def nproc(session: Session) -> Result:
    count = len(session.kernel.drivers)
    return Result(count, str(count))


@command("cpus", group="machine", summary="the cores: where they are, their clock, how busy they were",
         example="cpus")
def cpus(session: Session) -> Result:
    columns = ("core", "package", "node", "clock", "utilisation", "context switches")
    rows, data = [], []
    for c in session.kernel.cores():
        whole = c.user_ps + c.kernel_ps + c.switch_ps + c.interrupt_ps + c.idle_ps
        busy = 1 - c.idle_ps / whole if whole else 0.0
        rows.append((str(c.core), str(c.package), str(c.node), f"{c.clock_hz / 1e9:.3f} GHz",
                     f"{100 * busy:.2f} %", str(c.context_switches)))
        data.append({"core": c.core, "package": c.package, "node": c.node, "clock_hz": c.clock_hz,
                     "utilisation": busy, "context_switches": c.context_switches,
                     "idle_ns": c.idle_ps // PS_PER_NS})
    return Result(data, Table(columns, rows, frozenset(columns)))


@command("reset", group="machine", summary="boot the machine anew: time 0, no domains, its own facts",
         example="reset")
def reset(session: Session) -> Result:
    session.reset()
    return Result()
