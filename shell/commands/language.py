"""The shell's own commands: help, batch files, variables, leaving."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import click

from shell.commands import vocabulary
from shell.errors import ShellError
from shell.output import Result
from shell.registry import COMMANDS, GROUPS, Command, command, family, first_words, resolve
from shell.session import Quit, Session

_NAME = re.compile(r"[A-Za-z_]\w*\Z")


@command("help", group="shell", summary="all commands, or one of them, or a predicate, with an example",
         example="help spawn")
@click.argument("words", metavar="COMMAND|PREDICATE", nargs=-1)
def help_(session: Session, words: tuple[str, ...]) -> Result:
    if not words:
        return _listing(list(COMMANDS.values()))
    if len(words) == 1 and words[0] not in COMMANDS:
        if family(words[0]):
            return _listing(family(words[0]))
        predicates = vocabulary.declared(session, words[0])
        if predicates:
            return vocabulary.help_on(session, predicates)
        known = {*first_words(), *(each.name for each in session.kb.predicates())}
        near = difflib.get_close_matches(words[0], known, n=1)
        hint = f"did you mean {near[0]}?" if near else "help lists the commands, facts the predicates"
        raise ShellError(f"no command or predicate '{words[0]}'; {hint}")
    return _help_on(resolve(" ".join(words))[0])


def _listing(commands: Sequence[Command]) -> Result:
    """Commands by group, with what they do."""
    width = max(len(each.name) for each in commands)
    lines: list[str] = []
    listing = []
    for group in GROUPS:
        members = [each for each in commands if each.group == group]
        lines += [group, *(f"  {each.name:{width}}  {each.summary}" for each in members)] if members else []
        listing += [{"name": each.name, "group": group, "summary": each.summary} for each in members]
    lines += ["", "help COMMAND says how one is written, help PREDICATE what one of `facts` means"]
    return Result(listing, "\n".join(lines))


def _help_on(found: Command) -> Result:
    options = {flag: (option.metavar or "", option.help or "") for flag, option in found.options.items()}
    data = {
        "name": found.name, "group": found.group, "synopsis": found.synopsis, "summary": found.summary,
        "options": [{"option": flag, "value": value, "summary": text} for flag, (value, text) in options.items()],
        "details": found.details, "example": found.example,
    }
    written = {f"{flag} {value}".strip(): text for flag, (value, text) in options.items()}
    width = max(map(len, written), default=0)
    paragraphs = [f"{found.synopsis}\n    {found.summary}"]
    if written:
        paragraphs.append("\n".join(f"    {option:{width}}  {text}" for option, text in written.items()))
    if found.details:
        paragraphs.append("\n".join(f"    {line}".rstrip() for line in found.details.splitlines()))
    return Result(data, "\n\n".join([*paragraphs, f"example:\n    {found.example}"]))


@command("src", group="shell", summary="run the commands of a batch file", example="src demo.fish", passes_on=True)
@click.argument("file")
@click.argument("argument", metavar="ARG", nargs=-1)
def src(session: Session, file: str, argument: tuple[str, ...]) -> Result:
    """FILE is sought from the current folder, then beside the batch file that names it, then among those
    that come with Pilotfish. Its $1, $2, ... are the ARGs, $# is how many there are.
    """
    session.run_file(file, argument)
    return Result()


@command("setenv", group="shell", summary="set a variable; $NAME stands for its value", example="setenv N 8",
         passes_on=True)
@click.argument("name")
@click.argument("value", nargs=-1)
def setenv(session: Session, name: str, value: tuple[str, ...]) -> Result:
    if not _NAME.match(name):
        raise ShellError(f"'{name}' is no name for a variable; letters, digits and _, no digit first")
    session.environment[name] = " ".join(value)
    return Result({name: session.environment[name]})


@command("printenv", group="shell", summary="the variables that are set", example="printenv")
@click.argument("name", required=False)
def printenv(session: Session, name: str | None) -> Result:
    if name is not None:
        if name not in session.environment:
            raise ShellError(f"variable {name} is not set")
        return Result({name: session.environment[name]}, session.environment[name])
    lines = [f"{key}={value}" for key, value in sorted(session.environment.items())]
    return Result(dict(sorted(session.environment.items())), "\n".join(lines) if lines else None)


@command("echo", group="shell", summary="print the words that follow", example="echo $N threads", passes_on=True)
@click.argument("word", nargs=-1)
def echo(session: Session, word: tuple[str, ...]) -> Result:
    return Result(" ".join(word), " ".join(word) + "\n")


@command("quit", group="shell", summary="leave", example="quit")
def quit_(session: Session) -> Result:
    raise Quit
