"""Commands that let time pass, and that show what it brought."""

from __future__ import annotations

import click

from kernel.clock import PS_PER_NS, PS_PER_S, format_duration
from shell import pictures
from shell.commands import arguments
from shell.errors import ShellError
from shell.output import Result, Table, plain_table
from shell.registry import command
from shell.session import Session


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
    table = Table(("core", *names), rows, frozenset(("core", *names)))
    used = [
        {"id": d.id, "name": d.name, "cpu_time_ns": d.cpu_time_ps // PS_PER_NS, "progress": d.progress,
         "deadline_misses": d.deadline_misses}
        for d in domains
    ]
    text = _domain_lines(used) if used else ""
    return Result({"cores": data, "domains": used}, plain_table(table) + text)


def _domain_lines(used: list[dict[str, object]]) -> str:
    columns = ("id", "name", "cpu time", "progress", "misses")
    rows = [
        (str(d["id"]), str(d["name"]), format_duration(int(str(d["cpu_time_ns"])) * PS_PER_NS),
         f"{d['progress']}", str(d["deadline_misses"]))
        for d in used
    ]
    right = frozenset(("id", "cpu time", "progress", "misses"))
    return "\n" + plain_table(Table(columns, rows, right))


@command(
    "schedule", group="time", summary="draw who ran where and when; the last 400 ms if not said otherwise",
    example="schedule 0-3 --from 0ms --to 400ms",
)
@click.option("--from", "start", metavar="T")
@click.option("--to", "end", metavar="T")
@click.argument("cores", required=False)
def schedule(session: Session, cores: str | None, start: str | None, end: str | None) -> Result:
    kernel = session.kernel
    chosen = arguments.cores(cores, session) if cores else tuple(sorted(kernel.drivers))
    to_ps = arguments.duration(end) if end else kernel.now
    from_ps = arguments.duration(start) if start else max(0, to_ps - 400 * PS_PER_S // 1000)
    if from_ps >= to_ps:
        raise ShellError(f"nothing lies from {format_duration(from_ps)} to {format_duration(to_ps)}")
    if from_ps >= kernel.now:
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
