"""The one registry of commands: dispatch, help and completion all read it.

A command is a function with click's options and arguments, registered with its group, a line of what it
does, and an example that works; its docstring says the rest. It is given the session and returns a
`Result`; it prints nothing itself. A raw command takes the rest of its line as it stands, so that Prolog
text keeps its quotes. Commands of one family have two words, such as `machine list` and `machine show`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from shell import batch
from shell.errors import ShellError, UsageError
from shell.output import Result

Handler = Callable[..., Result]

GROUPS = ("knowledge", "machine", "domains", "placement", "time", "comparing", "shell")
"""The groups of `help`, in its order."""


@dataclass(frozen=True, slots=True)
class Command:
    """A registered command. `raw` names the argument that a raw command takes."""

    name: str
    group: str
    summary: str
    example: str
    parser: click.Command
    raw: str = ""

    @property
    def synopsis(self) -> str:
        """How it is written: `spawn [-n N] PROGRAM [ARG]...`."""
        pieces = [self.name]
        for parameter in self.parser.params:
            if isinstance(parameter, click.Option):
                flag = parameter.opts[0]
                value = "" if parameter.is_flag else f" {parameter.metavar}"
                pieces.append(f"[{flag}{value}]")
            else:
                name = parameter.metavar or (parameter.name or "").upper()
                many = "..." if parameter.nargs == -1 else ""
                pieces.append(f"{name}{many}" if parameter.required else f"[{name}]{many}")
        if self.raw:
            pieces.append(self.raw)
        return " ".join(pieces)

    @property
    def details(self) -> str:
        """What there is to say beyond the summary."""
        return inspect.getdoc(self.parser.callback) or "" if self.parser.callback else ""

    @property
    def options(self) -> dict[str, click.Option]:
        """The options, by flag."""
        return {flag: p for p in self.parser.params if isinstance(p, click.Option) for flag in p.opts}

    def call(self, session: object, rest: str, variables: Mapping[str, str]) -> Result:
        """Carry the command out, given the rest of its line.

        ShellError, or what the kernel and the SKB raise, where it cannot be done.
        """
        options, text = self._leading_options(rest) if self.raw else (rest, "")
        words = batch.words(options, variables)
        try:
            context = self.parser.make_context(self.name, words, resilient_parsing=False)
        except click.ClickException as error:
            message = error.format_message().rstrip(".")
            raise UsageError(f"{message[:1].lower()}{message[1:]}; usage: {self.synopsis}") from None
        arguments: dict[str, Any] = dict(context.params)
        if self.raw:
            arguments["text"] = batch.raw_text(text, variables)
        assert self.parser.callback is not None
        result = self.parser.callback(session, **arguments)
        assert isinstance(result, Result)
        return result

    def _leading_options(self, rest: str) -> tuple[str, str]:
        """A raw command's line in two: the options at its front, and the text that follows them."""
        text = rest
        while text:
            word, *after = text.split(None, 1)
            flag, _, value = word.partition("=")
            option = self.options.get(flag)
            if option is None:
                break
            text = after[0] if after else ""
            if not option.is_flag and not value:
                text = (text.split(None, 1)[1:] or [""])[0]
        return rest[: len(rest) - len(text)], text


COMMANDS: dict[str, Command] = {}
"""Every command by name; importing `shell.commands` fills it."""


def command(
    name: str, *, group: str, summary: str, example: str, raw: str = "", passes_on: bool = False
) -> Callable[[Handler], Handler]:
    """Register a handler; click's own decorators below this one give its options and arguments.

    `passes_on`: what follows the first argument is passed on as it stands, dashes and all.
    """

    def register(handler: Handler) -> Handler:
        parameters = list(reversed(getattr(handler, "__click_params__", [])))
        made = click.Command(
            name, params=parameters, callback=handler, add_help_option=False,
            context_settings={
                "allow_interspersed_args": not passes_on,
                "ignore_unknown_options": passes_on and not any(isinstance(p, click.Option) for p in parameters),
            },
        )
        COMMANDS[name] = Command(name, group, summary, example, made, raw)
        return handler

    return register


def family(name: str) -> list[Command]:
    """The commands whose first word is `name`, where they have two."""
    return [each for each in COMMANDS.values() if each.name.startswith(f"{name} ")]


def first_words() -> dict[str, str]:
    """What a line can begin with, and what it does: a family is described by the words that follow."""
    words: dict[str, str] = {}
    for each in COMMANDS.values():
        name = each.name.split()[0]
        members = family(name)
        words[name] = "|".join(member.name.split()[1] for member in members) if members else each.summary
    return words


def named(text: str) -> str:
    """What a line's command is called: both words of one of a family, the first word where there is none such."""
    first, rest = batch.split_command(text)
    both = f"{first} {batch.split_command(rest)[0]}" if rest else first
    return both if both in COMMANDS else first


def resolve(text: str) -> tuple[Command, str]:
    """The command that a line begins with, and the rest of the line; ShellError where there is none."""
    name, rest = batch.split_command(text)
    if name in COMMANDS:
        return COMMANDS[name], rest
    members = {each.name.split()[1]: each for each in family(name)}
    if not members:
        known = first_words()
        near = difflib.get_close_matches(name, known, n=1)
        raise ShellError(f"no command '{name}'; " + (f"did you mean {near[0]}?" if near else "help lists them"))
    second, rest = batch.split_command(rest) if rest else ("", "")
    if second not in members:
        what = f"no {name} {second}" if second else f"{name} what"
        raise UsageError(f"{what}; there is {', '.join(f'{name} {each}' for each in members)}")
    return members[second], rest
