"""Commands on cores: where their time went, and taking them off line and back."""

from __future__ import annotations

import click

from kernel.clock import PS_PER_NS, format_duration
from kernel.multikernel import CoreStatus
from shell.commands import arguments
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session

_PARTS = ("user", "kernel", "switch", "interrupt", "idle")


@command("core show", group="machine", summary="where the cores' time went since boot: five parts that sum to it",
         example="core show 0-3")
@click.argument("cores", required=False)
def core_show(session: Session, cores: str | None) -> Result:
    """`user` is what programs had, monitors and the SKB included; `kernel` system calls and upcalls for faults;
    `switch` context switches; an `idle` core is halted, and `wakeups` counts the interrupts that ended that. `isa`
    is shown where there are several: programs run on cores of the instruction sets that they are built for.
    """
    chosen = arguments.cores(cores, session) if cores is not None else tuple(session.kernel.drivers)
    isas = {row["Core"]: row["Isa"] for row in session.kb.all("isa_of(Core, Isa)")}
    several = len(set(isas.values())) > 1
    told = {each.core: each for each in session.kernel.cores()}
    rows, data = [], []
    for each in (told[core] for core in chosen):
        parts = _parts(each)
        isa = [isas.get(each.core, "")] if several else []
        rows.append((str(each.core), each.state, *isa, *(format_duration(parts[part]) for part in _PARTS),
                     str(each.context_switches), str(each.wakeups)))
        data.append({"core": each.core, "state": each.state, "isa": isas.get(each.core)}
                    | {f"{part}_ns": parts[part] // PS_PER_NS for part in _PARTS}
                    | {"context_switches": each.context_switches, "wakeups": each.wakeups})
    columns = ("core", "state", *(["isa"] if several else []), *_PARTS, "context switches", "wakeups")
    return Result(data, Table(columns, rows, frozenset(columns) - {"state", "isa"}))


@command("core offline", group="machine", summary="take a core off line; its dispatchers move elsewhere",
         example="core offline 14")
@click.argument("core")
def core_offline(session: Session, core: str) -> Result:
    """Where they go, the policy in use decides. Refused where a domain was pinned to it, or has real time there that
    no other core has room for.
    """
    number = _one(core, session)
    before = session.kernel.now
    moved = session.kernel.take_offline(number)
    took = session.kernel.now - before
    data = {"core": number, "state": "off line", "took_ns": took / PS_PER_NS,
            "moved": [{"id": domain.id, "name": domain.name, "core": to} for domain, to in moved]}
    where = [f"{domain.name} to core {to}" for domain, to in moved]
    return Result(data, f"core {number}: off line after {format_duration(took)}; moved "
                        + (", ".join(where) or "nothing"), session.kernel.controller.warning)


@command("core online", group="machine", summary="bring a core back; returns when its monitor runs",
         example="core online 15")
@click.argument("core")
def core_online(session: Session, core: str) -> Result:
    number = _one(core, session)
    before = session.kernel.now
    session.kernel.bring_online(number)
    took = session.kernel.now - before
    data = {"core": number, "state": session.kernel.drivers[number].state, "took_ns": took / PS_PER_NS}
    return Result(data, f"core {number}: on line after {format_duration(took)}")


def _one(text: str, session: Session) -> int:
    found = arguments.cores(text, session)
    if len(found) > 1:
        raise ShellError(f"{text} are several cores; name one")
    return found[0]


def _parts(status: CoreStatus) -> dict[str, int]:
    return {"user": status.user_ps, "kernel": status.kernel_ps, "switch": status.switch_ps,
            "interrupt": status.interrupt_ps, "idle": status.idle_ps}
