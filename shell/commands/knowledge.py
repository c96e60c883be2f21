"""Commands that ask and tell the System Knowledge Base."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session, read_text
from skb.engine import Variable
from skb.facts import Compound, to_prolog

_ANSWERS_SHOWN = 1000
"""Answers given when no --limit is; a remark says when there are more."""


@command("skb", group="knowledge", summary="ask the knowledge base a Prolog goal, and list its answers",
         example="skb shares_cache(0, X, 3)", raw="GOAL")
@click.option("--limit", type=click.IntRange(min=1), default=_ANSWERS_SHOWN, metavar="N",
              help=f"how many answers to give at most; {_ANSWERS_SHOWN} if not said otherwise")
def skb(session: Session, limit: int, text: str) -> Result:
    """GOAL may stand in quotes or not, end in a dot or not; without them Prolog's own quotes are kept.
    A `#` between blanks begins a comment.
    """
    if not text:
        raise ShellError("which goal? such as: skb shares_cache(0, X, 3)")
    reply = session.kb.ask(text, limit=limit)
    data = [{name: plain(value) for name, value in answer.items()} for answer in reply.answers]
    remark = f"there are more than {limit} answers; --limit N asks for more" if reply.more else ""
    if not reply.answers:
        return Result(data, reply.output + "false.", remark)
    # What a goal leaves open tells nothing; JSON has it all the same.
    names = [
        name for name in reply.answers[0] if not all(isinstance(answer[name], Variable) for answer in reply.answers)
    ]
    if not names:
        return Result(data, reply.output + "true.", remark)
    rows = [tuple(shown(answer[name]) for name in names) for answer in reply.answers]
    numeric = frozenset(
        name for name in names if all(isinstance(answer[name], int | float) for answer in reply.answers)
    )
    units = session.kb.units(text)
    headings = {name: f"{name}, {units[name]}" if name in units else name for name in names}
    table = Table(tuple(headings.values()), rows, frozenset(headings[name] for name in numeric))
    return Result(data, [reply.output, table] if reply.output else table, remark)


@command("?-", group="knowledge", summary="the same, as at a Prolog prompt", example="?- distance(0, 12, D).",
         raw="GOAL.")
def query(session: Session, text: str) -> Result:
    return skb(session, _ANSWERS_SHOWN, text)


@command("assert", group="knowledge", summary="state a fact of your own; it wins over what dumps say",
         example="assert core_load(3, 50)", raw="FACT")
def assert_(session: Session, text: str) -> Result:
    session.kb.assert_fact(text)
    return Result()


@command("retract", group="knowledge", summary="take back a fact, whoever stated it",
         example="retract core_load(3, _)", raw="FACT")
def retract(session: Session, text: str) -> Result:
    session.kb.retract_fact(text)
    return Result()


@command("save", group="knowledge", summary="keep in a file all that you have stated and taken back",
         example="save mine.pl")
@click.argument("file")
def save(session: Session, file: str) -> Result:
    """FILE is readable Prolog, written whole or not at all; `load FILE` states it anew."""
    count = session.kb.save(Path(file).expanduser())
    return Result({"file": file, "facts": count}, f"{count} fact{'s' if count != 1 else ''} in {file}")


@command("load", group="knowledge", summary="state the facts that are in a file, all of them or none",
         example="load mine.pl")
@click.argument("file")
def load(session: Session, file: str) -> Result:
    """Each is stated in place of what you stated of the same thing before. FILE is sought from the current folder,
    then beside the batch file that names it.
    """
    session.kb.restate(session.file(file))
    return Result()


@command("consult", group="knowledge", summary="load a file of your own rules, checked and sandboxed",
         example="consult rules.pl")
@click.argument("file")
def consult(session: Session, file: str) -> Result:
    """FILE is sought from the current folder, then beside the batch file that names it."""
    path = session.file(file)
    read_text(path)  # what is no text is refused here, with its line
    notes = session.kb.consult(path)
    return Result([str(note) for note in notes], remark="\n".join(str(note) for note in notes))


def answer_line(answer: Mapping[str, Any], units: Mapping[str, str]) -> str:
    """An answer on a line, as at a Prolog prompt: `X = 4, D = 545 cycles`."""
    parts = [
        f"{name} = {shown(value)}" + (f" {units[name]}" if name in units else "")
        for name, value in answer.items()
        if not isinstance(value, Variable)
    ]
    return ", ".join(parts) or "true"


def shown(value: Any) -> str:
    """A value as a person reads it: Prolog's writing, without the quotes of text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Variable):
        return "_"
    if isinstance(value, Compound) and len(value.args) == 2 and value.name in _OPERATORS:
        return f"{shown(value.args[0])}{value.name}{shown(value.args[1])}"
    if isinstance(value, Compound) and len(value.args) == 2 and value.name in _RELATIONS:
        return f"{shown(value.args[0])} {value.name} {shown(value.args[1])}"
    if isinstance(value, Compound) and len(value.args) == 2 and value.name == ",":
        return f"{shown(value.args[0])}, {shown(value.args[1])}"
    if isinstance(value, Compound):
        return f"{to_prolog(value.name)}({', '.join(map(shown, value.args))})"
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    return str(value)


_OPERATORS = frozenset("-+*/:=") | {"->", "**", "//"}
_RELATIONS = frozenset("<>") | {"=<", ">=", "=:=", "=\\=", "==", "\\==", "\\=", "is", "@<", "@>", "@=<", "@>="}


def plain(value: Any) -> Any:
    """A value as JSON has it; a compound as its Prolog text."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    return shown(value)
