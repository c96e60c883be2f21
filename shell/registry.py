"""The one registry of commands: dispatch, help and completion all read it.

A command is a function with click's options and arguments, registered with its group, a line of what it
does, and an example that works. It is given the session and returns a `Result`; it prints nothing itself.
A raw command takes the rest of its line as it stands, so that Prolog text keeps its quotes.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from shell.errors import ShellError, UsageError
from shell.output import Result

if TYPE_CHECKING:
    from shell.session import Session

Handler = Callable[..., Result]

GROUPS = ("knowledge", "machine", "domains", "placement", "time", "shell")
"""The groups of `help`, in its order."""


@dataclass(frozen=True, slots=True)
class Command:
    """A registered command. `raw` names the argument that a raw command takes."""

    name: str
    group: str
    summary: str
    example: str
    click: click.Command
    raw: str = ""

    @property
    def synopsis(self) -> str:
        """How it is written: `spawn [-n N] PROGRAM [ARG]...`."""
        pieces = [self.name]
        for parameter in self.click.params:
            if isinstance(parameter, click.Option):
                flag = parameter.opts[0]
                value = "" if parameter.is_flag else f" {parameter.metavar}"
                pieces.append(f"[{flag}{value}]")
            else:
                name = (parameter.metavar or parameter.name or "").upper()
                many = "..." if parameter.nargs == -1 else ""
                pieces.append(f"{name}{many}" if parameter.required else f"[{name}]{many}")
        if self.raw:
            pieces.append(self.raw)
        return " ".join(pieces)

    def call(self, session: Session, words: Sequence[str], rest: str) -> Result:
        """Carry the command out. ShellError, or what the kernel and the SKB raise, where it cannot be."""
        if self.raw:
            words = _leading_options(self.click, words, rest)
            rest = rest if not words else _after(rest, len(words))
        try:
            context = self.click.make_context(self.name, list(words), resilient_parsing=False)
        except click.ClickException as error:
            message = error.format_message().rstrip(".")
            raise UsageError(f"{message[:1].lower()}{message[1:]}; usage: {self.synopsis}") from None
        arguments: dict[str, Any] = dict(context.params)
        if self.raw:
            arguments["text"] = rest
        assert self.click.callback is not None
        result = self.click.callback(session, **arguments)
        assert isinstance(result, Result)
        return result


COMMANDS: dict[str, Command] = {}
"""Every command by name; importing `shell.commands` fills it."""


def command(
    name: str, *, group: str, summary: str, example: str, raw: str = "", passes_on: bool = False
) -> Callable[[Handler], Handler]:
    """Register a handler; click's own decorators below this one give its options and arguments.

    `passes_on`: what follows the first argument belongs to a program, options and all.
    """

    def register(handler: Handler) -> Handler:
        parameters = list(reversed(getattr(handler, "__click_params__", [])))
        made = click.Command(
            name, params=parameters, callback=handler, add_help_option=False,
            context_settings={"allow_interspersed_args": not passes_on},
        )
        COMMANDS[name] = Command(name, group, summary, example, made, raw)
        return handler

    return register


def find(name: str) -> Command:
    """The command of that name; a misspelt one is told the nearest."""
    found = COMMANDS.get(name)
    if found is None:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "help lists them"
        raise ShellError(f"no command '{name}'; {hint}")
    return found


def _leading_options(spoken: click.Command, words: Sequence[str], rest: str) -> list[str]:
    """The options at the front of a raw command's words; all that follows is its text."""
    options = {flag: p for p in spoken.params if isinstance(p, click.Option) for flag in p.opts}
    taken: list[str] = []
    remaining = rest.split()
    while remaining and remaining[0] in options:
        option = options[remaining[0]]
        count = 1 if option.is_flag else 2
        taken += remaining[:count]
        remaining = remaining[count:]
    return taken


def _after(rest: str, words: int) -> str:
    parts = rest.split(None, words)
    return parts[words] if len(parts) > words else ""
