"""Commands on how all cores are scheduled: the system's own way, and others to compare it with."""

from __future__ import annotations

import click

from kernel.clock import PS_PER_NS, format_duration
from kernel.schedulers import kinds
from shell.commands import arguments
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session


@command("scheduler list", group="comparing", summary="the ways in which all cores can be scheduled",
         example="scheduler list")
def scheduler_list(session: Session) -> Result:
    """`timeslice` is best effort's for rbed; for the others, how long a gang or a job has its turn. What each one
    models is in docs/schedulers.md.
    """
    rows, data = [], []
    for kind in kinds.KINDS.values():
        used = kind.name == session.scheduler
        timeslice = session.kernel.timeslice_of(kind)
        text = "" if timeslice is None else format_duration(timeslice)
        rows.append((kind.name, "in use" if used else "", text, kind.summary))
        data.append({"name": kind.name, "in_use": used, "description": kind.summary,
                     "timeslice_ns": None if timeslice is None else timeslice / PS_PER_NS})
    return Result(data, Table(("scheduler", "", "timeslice", "what it does"), rows))


@command("scheduler use", group="comparing", summary="schedule all cores that way; boots the machine anew",
         example="scheduler use gang-ipi --timeslice 20ms")
@click.argument("name", metavar="SCHEDULER")
@click.option("--timeslice", metavar="DURATION", help="how long a timeslice is, if not as the cost fact says")
def scheduler_use(session: Session, name: str, timeslice: str | None) -> Result:
    """No domain may run, for it would be lost. Time begins at 0; facts that were asserted stay, and so do policies
    that were loaded. `reset` keeps the scheduler.
    """
    kind = kinds.find(name)
    running = session.kernel.running
    if running:
        names = ", ".join(domain.name for domain in running[:3]) + (", ..." if len(running) > 3 else "")
        raise ShellError(f"the machine is to be booted anew and {names} would be lost; kill or reset ends what runs")
    wanted = None if timeslice is None else arguments.duration(timeslice)
    if wanted is not None:
        if kind.timeslice is None:
            raise ShellError(f"{name} has no timeslice to be set; facts cost/4 can state its cfs_latency")
        least = session.kernel.hardware.cost_ps("context_switch", session.kernel.first_core)
        if wanted <= least:
            raise ShellError(
                f"--timeslice {timeslice}: a context switch alone takes {format_duration(least)}; give more"
            )
    session.schedule_by(name, wanted)
    set_to = session.kernel.timeslice_of(kind)
    line = f"{name} schedules all cores from now on"
    if set_to is not None:
        line += f", timeslice {format_duration(set_to)}"
    return Result({"scheduler": name, "timeslice_ns": None if set_to is None else set_to / PS_PER_NS}, line)
