"""Commands on domains: spawn, look at, change and end them."""

from __future__ import annotations

from dataclasses import asdict
from typing import assert_never

import click

from kernel import images
from kernel.clock import PS_PER_NS, format_duration
from kernel.multikernel import DomainStatus
from kernel.program import PROGRAMS, Program
from shell.commands import arguments
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session, read_text
from skb.placement import BestEffort, Hard, Parameters, Soft


@command("programs", group="domains", summary="the programs that can be spawned", example="programs")
def programs(session: Session) -> Result:
    rows = [(program.name, program.arguments, program.summary) for program in PROGRAMS.values()]
    data = [{"name": name, "arguments": takes, "summary": summary} for name, takes, summary in rows]
    return Result(data, Table(("program", "arguments", "what it does"), rows))


@command(
    "spawn", group="domains", passes_on=True,
    summary="place and start a program as a domain of N dispatchers; returns when it is up",
    example="spawn -n 4 -c 0-3 barrier",
)
@click.option("-n", "dispatchers", type=int, metavar="N",
              help="how many dispatchers; one for each of CORES if not said otherwise, else one")
@click.option("-c", "cores", metavar="CORES", help="where they are to run, such as 0-3,8; else the policy decides")
@click.option("-m", "manifest", metavar="MANIFEST", help="a file that says what they need, a phase a line")
@click.option("--name", "name", metavar="NAME", help="what to call the domain; else it is called as its program")
@click.argument("program")
@click.argument("argument", metavar="ARG", nargs=-1)
def spawn(
    session: Session, dispatchers: int | None, cores: str | None, manifest: str | None, name: str | None,
    program: str, argument: tuple[str, ...],
) -> Result:
    """PROGRAM is one of `programs`, or a file with one of your own, such as ./mine.py (docs/programs.md). Files are
    sought from the current folder, then beside the batch file that names them, then among those that come with
    Pilotfish.
    """
    found = image(program, session)
    text = read_text(session.file(manifest)) if manifest else None
    pinned = arguments.cores(cores, session) if cores else ()
    domain = session.kernel.spawn(
        found, max(1, len(pinned)) if dispatchers is None else dispatchers, cores=pinned,
        manifest=text, manifest_name=manifest or "manifest", name=name, arguments=argument,
    )
    where = tuple(assignment.core for assignment in domain.placement.assignments)
    data = {"id": domain.id, "name": domain.name, "cores": list(where)}
    warning = domain.placement.warning
    if warning:
        data["warning"] = warning
    several = "s" if len(set(where)) > 1 else ""
    return Result(data, f"{domain.name}: domain {domain.id} on core{several} {arguments.ranges(where)}", warning)


@command(
    "oncore", group="domains", passes_on=True, summary="start a program on one core",
    example="oncore 3 cpu_bound",
)
@click.argument("core")
@click.argument("program")
@click.argument("argument", metavar="ARG", nargs=-1)
def oncore(session: Session, core: str, program: str, argument: tuple[str, ...]) -> Result:
    if len(arguments.cores(core, session)) > 1:
        raise ShellError(f"{core} are several cores; spawn -c {core} {program} takes them all")
    return spawn(session, 1, core, None, None, program, argument)


@command("ps", group="domains", summary="all domains, with what they have done", example="ps")
def ps(session: Session) -> Result:
    found = session.kernel.domains()
    columns = ("id", "name", "program", "cores", "state", "phase", "cpu time", "progress")
    rows = [
        (str(d.id), d.name, d.program, arguments.ranges(d.cores), d.state, str(d.phase),
         format_duration(d.cpu_time_ps), str(d.progress))
        for d in found
    ]
    table = Table(columns, rows, frozenset(("id", "phase", "cpu time", "progress")))
    return Result([_data(d) for d in found], table)


@command("domain", group="domains", summary="one domain: its dispatchers, where and by what parameters",
         example="domain barrier")
@click.argument("domain")
def domain(session: Session, domain: str) -> Result:
    """`share` is what a dispatcher's page says: its part of the core, as its scheduler has it now. `taken` counts how
    often the core was taken away from it.
    """
    found = arguments.domain(domain, session)
    session.kernel.domains()
    status = session.kernel.status(found)
    rows, data = [], []
    for assignment in found.placement.assignments:
        dispatcher = found.dispatchers.get(assignment.dispatcher)
        spent = dispatcher.cpu_time_ps if dispatcher else 0
        state = dispatcher.state.name if dispatcher else "not there yet"
        page = dispatcher.page if dispatcher else None
        share, taken = (float(page.share), page.deallocations) if page else (0.0, 0)
        parameters = assignment.phases[found.phase]
        rows.append((str(assignment.dispatcher), str(assignment.core), state, parameters_text(parameters),
                     f"{100 * share:.1f} %", format_duration(spent), str(taken)))
        data.append({"dispatcher": assignment.dispatcher, "core": assignment.core, "state": state,
                     "parameters": parameters_text(parameters), "share": share,
                     "period_ns": page.period_ps // PS_PER_NS if page else 0,
                     "cpu_time_ns": spent // PS_PER_NS, "deallocations": taken})
    columns = ("dispatcher", "core", "state", "parameters", "share", "cpu time", "taken")
    table = Table(columns, rows, frozenset(columns) - {"state", "parameters"})
    return Result({**_data(status), "dispatchers": data}, table)


@command("kill", group="domains", summary="end a domain; returns when its last dispatcher is gone",
         example="kill barrier")
@click.argument("domain")
def kill(session: Session, domain: str) -> Result:
    found = arguments.domain(domain, session)
    session.kernel.kill(found.id)
    return Result({"id": found.id, "name": found.name, "state": found.state.value})


@command("phase", group="domains", summary="bring a domain into another phase of its manifest",
         example="phase barrier 1")
@click.argument("domain")
@click.argument("phase", type=int)
def phase(session: Session, domain: str, phase: int) -> Result:
    found = arguments.domain(domain, session)
    before = session.kernel.now
    outcome = session.kernel.change_phase(found.id, phase)
    took = session.kernel.now - before
    late = f"; {outcome.late} planners heard of it late" if outcome.late else ""
    return Result(
        {"id": found.id, "name": found.name, "phase": phase, "took_ns": took / PS_PER_NS,
         "answered_ns": outcome.answered_ps / PS_PER_NS, "late": outcome.late},
        f"{found.name}: phase {phase}, on all cores after {format_duration(took)}{late}",
    )


@command("manifest", group="domains", summary="the phases of a domain, as the placement controller granted them",
         example="manifest barrier")
@click.argument("domain")
def manifest(session: Session, domain: str) -> Result:
    found = arguments.domain(domain, session)
    phases = found.placement.assignments[0].phases
    rows = [
        (str(number), parameters_text(parameters), "now" if number == found.phase else "")
        for number, parameters in enumerate(phases)
    ]
    data = [{"phase": number, **parameters_data(parameters)} for number, parameters in enumerate(phases)]
    return Result(data, Table(("phase", "parameters", ""), rows, frozenset(("phase",))))


def image(program: str, session: Session) -> Program:
    """A program by its name, or by the file that it is in."""
    return images.load(session.file(program)) if _is_file(program) else session.kernel.program(program)


def _is_file(program: str) -> bool:
    """Whether a program is named by the file that it is in."""
    return program.endswith(".py") or "/" in program


def _data(status: DomainStatus) -> dict[str, object]:
    data = asdict(status)
    data["cores"] = list(status.cores)
    data["cpu_time_ns"] = data.pop("cpu_time_ps") // PS_PER_NS
    if not status.fault:
        del data["fault"]
    return data


def parameters_text(parameters: Parameters) -> str:
    """What a dispatcher gets in a phase, in words."""
    ns = {name: format_duration(value * PS_PER_NS) for name, value in parameters_data(parameters).items()
          if name.endswith("_ns") and isinstance(value, int)}
    match parameters:
        case BestEffort(weight):
            return f"best effort, weight {weight}"
        case Soft():
            return f"soft real time, {ns['wcet_ns']} every {ns['period_ns']}"
        case Hard(gang=gang):
            kind = "gang" if gang else "hard real time"
            release = f"release {ns['release_ns']}" if "release_ns" in ns else f"offset {ns['offset_ns']}"
            return f"{kind}, {ns['wcet_ns']} every {ns['period_ns']}, deadline {ns['deadline_ns']}, {release}"
        case _ as other:
            assert_never(other)


def parameters_data(parameters: Parameters) -> dict[str, object]:
    """The same for machines."""
    match parameters:
        case BestEffort():
            kind = "best_effort"
        case Soft():
            kind = "soft"
        case Hard():
            kind = "hard"
    return {"kind": kind, **asdict(parameters)}
