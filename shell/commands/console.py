"""The command console: what programs have written to the terminal, and lines typed into it."""

from __future__ import annotations

import click

from kernel.domain import Domain
from kernel.programs.terminal import SCREEN, Screen
from shell.errors import ShellError
from shell.output import Result
from shell.registry import command
from shell.session import Session

_MOST = 4096


@command("console", group="domains", summary="what programs have written to the terminal (terminald)",
         example="console")
@click.option("-t", "typed", metavar="LINE", help="type a line, for the program that has asked for one first")
def console(session: Session, typed: str | None) -> Result:
    """A line that is typed is taken when time passes; nothing is shown of what has not been received yet."""
    screen = _screen(session)
    if typed is not None:
        if len(typed.encode()) > _MOST or "\n" in typed:
            raise ShellError(f"a line has {_MOST} bytes at most, this one {len(typed.encode())}")
        screen.keyboard.deliver(typed, 0, session.kernel.now)
    return Result({"lines": list(screen.lines), "waiting": len(screen.asking)}, "\n".join(screen.lines))


def _screen(session: Session) -> Screen:
    running = [status for status in session.kernel.domains() if status.program == "terminald"]
    for status in reversed(running):
        domain: Domain = session.kernel.find(str(status.id))
        screen = domain.memory.get(SCREEN)
        if isinstance(screen, Screen) and domain.alive:
            return screen
    raise ShellError("no terminal runs; spawn terminald starts one")
