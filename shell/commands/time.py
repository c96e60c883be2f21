"""Commands that let time pass, and that show what it brought."""

from __future__ import annotations

import click

from kernel.clock import PS_PER_MS, PS_PER_NS, format_duration
from shell import pictures
from shell.commands import arguments
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session

_SHOWN_PS = 400 * PS_PER_MS
"""What `schedule` shows if not told otherwise: five timeslices of the dissertation's 80 ms."""


@command(
    "run", group="time", summary="let simulated time pass, one second if not said otherwise; Ctrl-C stops it",
    example="run 80ms",
)
@click.argument("duration", required=False, default="1s")
def run(session: Session, duration: str) -> Result:
    session.kernel.run(arguments.duration(duration))
    return time_result(session)


@command("time", group="time", summary="the simulated time, from the moment the timers were in step", example="time")
def time(session: Session) -> Result:
    return time_result(session, shown=True)


def time_result(session: Session, shown: bool = False) -> Result:
    now = session.kernel.now
    return Result({"time_ns": now // PS_PER_NS}, format_duration(now) if shown else None)


@command("top", group="time", summary="what each core and each domain has used so far", example="top")
def top(session: Session) -> Result:
    cores = session.kernel.cores()
    domains = session.kernel.domains()
    names = ("user", "kernel", "switch", "interrupt", "idle")
    rows, data = [], []
    for core in cores:
        spent = {name: getattr(core, f"{name}_ps") for name in names}
        whole = max(1, sum(spent.values()))
        rows.append((str(core.core), *(f"{100 * ps / whole:.2f} %" for ps in spent.values())))
        data.append({"core": core.core, **{f"{name}_ns": ps // PS_PER_NS for name, ps in spent.items()}})
    parts = [Table(("core", *names), rows, frozenset(("core", *names)))]
    used = [
        {"id": d.id, "name": d.name, "cpu_time_ns": d.cpu_time_ps // PS_PER_NS, "progress": d.progress,
         "deadline_misses": d.deadline_misses}
        for d in domains
    ]
    if used:
        columns = ("id", "name", "cpu time", "progress", "misses")
        lines = [
            (str(d.id), d.name, format_duration(d.cpu_time_ps), str(d.progress), str(d.deadline_misses))
            for d in domains
        ]
        parts.insert(0, Table(columns, lines, frozenset(columns) - {"name"}))
    return Result({"cores": data, "domains": used}, _apart(parts))


def _apart(tables: list[Table]) -> list[Table | str]:
    """Tables with an empty line between each and the next."""
    shown: list[Table | str] = []
    for table in tables:
        shown += [table] if not shown else ["\n", table]
    return shown


@command(
    "schedule", group="time", summary="draw who ran where and when; the last 400 ms if not said otherwise",
    example="schedule 0-3 --from 0ms --to 400ms",
)
@click.option("--from", "start", metavar="T", help="the first instant, such as 80ms")
@click.option("--to", "end", metavar="T", help="the last instant; now if not said otherwise")
@click.argument("cores", required=False)
def schedule(session: Session, cores: str | None, start: str | None, end: str | None) -> Result:
    """One row a core, one letter a domain: whoever had most of the column's time. The picture ends now at
    the latest; it is as wide as the terminal, or 80 columns.
    """
    kernel = session.kernel
    chosen = arguments.cores(cores, session) if cores else tuple(sorted(kernel.drivers))
    wanted_ps = arguments.duration(end) if end else kernel.now
    to_ps = min(wanted_ps, kernel.now)
    from_ps = arguments.duration(start) if start else max(0, to_ps - _SHOWN_PS)
    if from_ps >= wanted_ps:
        raise ShellError(f"nothing lies from {format_duration(from_ps)} to {format_duration(wanted_ps)}")
    if from_ps >= to_ps:
        raise ShellError(f"it is {format_duration(kernel.now)} only; run lets time pass")
    slices = kernel.slices(chosen, from_ps, to_ps)
    names = {number: kernel.name_of(number) for number in {piece.domain for piece in slices}}
    data = [
        {"core": s.core, "domain": s.domain, "name": names[s.domain],
         "start_ns": s.start_ps / PS_PER_NS, "end_ns": s.end_ps / PS_PER_NS}
        for s in slices
    ]
    picture = pictures.schedule(slices, chosen, from_ps, to_ps, names, session.printer.width)
    return Result(data, picture)
