"""`export`: a domain's placement as a setting for a real machine."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

import click

from kernel.domain import Domain
from shell.commands import arguments
from shell.errors import ShellError
from shell.output import Result
from shell.registry import command
from shell.session import Session
from skb.export import FORMATS
from skb.files import write_whole
from skb.placement import Hard
from skb.taking_home import Job, numbers


@command("export", group="placement", summary="a domain's placement as a setting for a real machine",
         example="export barrier --as taskset -- ./mine 1000")
@click.option("--as", "format_name", metavar="FORMAT", required=True,
              help="taskset, numactl, omp, systemd, slurm, kubernetes (a pod) or kubelet (its node)")
@click.option("--to", "file", metavar="FILE", help="write it to a file")
@click.argument("domain")
@click.argument("start", metavar="COMMAND", nargs=-1)
def export(session: Session, format_name: str, file: str | None, domain: str, start: tuple[str, ...]) -> Result:
    """COMMAND is what is to be started there, after `--` where it has options of its own; else the program's name
    stands for it. Cores become the CPU numbers of the Linux that runs on the machine, in the order of dispatchers.
    What the format cannot say is told in comments.
    """
    if format_name not in FORMATS:
        near = difflib.get_close_matches(format_name, FORMATS, n=1)
        raise ShellError(f"no format '{format_name}'; " + (f"did you mean {near[0]}?" if near else
                                                           f"there are {', '.join(FORMATS)}"))
    found = arguments.domain(domain, session)
    if not found.alive:
        raise ShellError(f"{found.name} is {found.state.value}: it is placed nowhere")
    setting = FORMATS[format_name](_job(session, found, start))
    if file is None:
        data = {"id": found.id, "name": found.name, "format": format_name, "cores": _cores(found),
                "setting": setting.fields, "notes": list(setting.notes), "text": setting.text}
        return Result(data, setting.text)
    path = Path(os.path.expanduser(file))
    write_whole(path, setting.text.encode())
    return Result({"file": str(path)}, f"{path}: {found.name} for {format_name}")


def _cores(domain: Domain) -> list[int]:
    return [assignment.core for assignment in domain.placement.assignments]


def _job(session: Session, domain: Domain, start: tuple[str, ...]) -> Job:
    assignments = domain.placement.assignments
    told: dict[str, Any] = numbers(session.kb, _cores(domain))
    return Job(
        name=domain.name, machine=Path(session.machine_name).name,
        parameters=tuple(assignment.phases[domain.phase] for assignment in assignments),
        phase=domain.phase, phases=len(assignments[0].phases), priority=_priority(session, domain),
        command=start or (domain.program.name,), placeholder=not start, **told,
    )


def _period_ns(domain: Domain) -> int | None:
    """The shortest period of its hard real-time dispatchers; None where there is none."""
    now = (assignment.phases[domain.phase] for assignment in domain.placement.assignments)
    return min((each.period_ns for each in now if isinstance(each, Hard)), default=None)


def _priority(session: Session, domain: Domain) -> int:
    """One more than there are longer periods among the domains that run."""
    own = _period_ns(domain)
    if own is None:
        return 0
    running = (session.kernel.find(str(each.id)) for each in session.kernel.domains())
    periods = {period for each in running if each.alive and (period := _period_ns(each)) is not None}
    return 1 + sum(period > own for period in periods)
