"""Commands that hold Pilotfish against others: Barrelfish's own scheduler simulator."""

from __future__ import annotations

import click

from kernel import schedsim as simulator
from shell.errors import ShellError
from shell.output import Result
from shell.registry import command
from shell.session import Session, read_text


@command(
    "schedsim", group="comparing", example="schedsim hrtbe.cfg 40",
    summary="draw one core's schedule as Barrelfish's scheduler simulator does",
)
@click.option("--variant", type=click.Choice(["barrelfish", "sound"]), default="barrelfish", metavar="VARIANT")
@click.argument("file")
@click.argument("runtime", type=click.IntRange(1, 1_000_000), default=1000)
@click.argument("quantum", type=click.IntRange(1, 1_000_000), default=1)
def schedsim(session: Session, file: str, runtime: int, quantum: int, variant: str) -> Result:
    """FILE has a line an event (docs/rbed.md), RUNTIME and QUANTUM are ticks; VARIANT is barrelfish or sound."""
    text = read_text(session.file(file))
    try:
        schedule = simulator.simulate(text, runtime, quantum, variant, file)
    except simulator.SimulationPanic as panic:
        raise ShellError(f"{file}: {panic}") from None
    late = simulator.unreached(simulator.read(text, file))
    remark = "" if late is None else f"{file}:{late.line}: tick {late.time} has passed; nothing from here on happens"
    return Result({"schedule": schedule.splitlines()}, schedule, remark)
