"""Commands that hold Pilotfish against others: Barrelfish's own scheduler simulator."""

from __future__ import annotations

from pathlib import Path

import click

from kernel import schedsim as simulator
from shell import schedule_svg
from shell.errors import ShellError
from shell.output import Result
from shell.registry import command
from shell.session import Session, read_text
from skb.files import write_whole


@command(
    "schedsim", group="comparing", example="schedsim hrtbe.cfg 40",
    summary="draw one core's schedule as Barrelfish's scheduler simulator does",
)
@click.option("--variant", type=click.Choice(["barrelfish", "sound"]), default="barrelfish", metavar="VARIANT",
              help="barrelfish, as it ships (if not said otherwise), or sound, as the kernel schedules")
@click.option("--svg", metavar="PICTURE", help="draw it into that file, too")
@click.argument("file")
@click.argument("runtime", type=click.IntRange(1, 1_000_000), default=1000)
@click.argument("quantum", type=click.IntRange(1, 1_000_000), default=1)
def schedsim(
    session: Session, file: str, runtime: int, quantum: int, variant: str, svg: str | None
) -> Result:
    """FILE has a line an event (docs/rbed.md), RUNTIME and QUANTUM are ticks; VARIANT is barrelfish or sound.

    PICTURE is an SVG with the tasks' releases, deadlines and misses. Where the scheduler panics it shows what was
    before.
    """
    path = session.file(file)
    text = read_text(path)
    picture = None if svg is None else _picture(svg, path)
    events = simulator.read(text, file)
    late = simulator.unreached(events)
    try:
        schedule = simulator.simulate(text, runtime, quantum, variant, file)
    except simulator.SimulationPanic as panic:
        drawn = ""
        if picture is not None and panic.at > 0:
            _draw(picture, panic.schedule, events, variant, f"{file}: {variant}, {panic.at} ticks", str(panic))
            drawn = f"; {svg} shows what was before"
        raise ShellError(f"{file}: {panic}{drawn}") from None
    remarks = []
    if late is not None:
        remarks.append(f"{file}:{late.line}: tick {late.time} has passed; nothing from here on happens")
    data: dict[str, object] = {"schedule": schedule.splitlines()}
    if picture is not None:
        _draw(picture, schedule, events, variant, f"{file}: {variant}, {runtime} ticks")
        data["svg"] = svg
        remarks.append(f"drawn in {svg}")
    return Result(data, schedule, "\n".join(remarks))


def _picture(svg: str, configuration: Path) -> Path:
    """The file to draw into; not the one that is read."""
    picture = Path(svg).expanduser()
    if not svg:
        raise ShellError("an empty PICTURE; --svg names a file")
    if picture.exists() and picture.samefile(configuration):
        raise ShellError(f"--svg {svg}: is the configuration itself; name another file")
    return picture


def _draw(
    picture: Path, schedule: str, events: list[simulator.Event], variant: str, title: str, panic: str = ""
) -> None:
    rows = schedule_svg.lanes(schedule, events, variant)
    ticks = len(schedule.splitlines()[0]) - 5
    write_whole(picture, schedule_svg.picture(rows, ticks, title, panic).encode())
