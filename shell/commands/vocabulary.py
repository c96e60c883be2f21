"""What can be asked: the vocabulary's predicates, the facts of each, and help on one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from shell.commands.knowledge import plain, shown
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session
from skb.knowledge import Predicate, Usage


@command("facts", group="knowledge", summary="what can be asked, or the facts of one name with their sources",
         example="facts ht_link/2")
@click.argument("name", required=False)
def facts(session: Session, name: str | None) -> Result:
    if name is None:
        entries = session.kb.predicates()
        table = [(f"{e.name}/{e.arity}", e.kind, ", ".join(e.arguments), e.meaning) for e in entries]
        data = [{"name": e.name, "arity": e.arity, "kind": e.kind, "arguments": list(e.arguments),
                 "meaning": e.meaning} for e in entries]
        return Result(data, Table(("predicate", "kind", "arguments", "meaning"), table))
    known = declared(session, name)
    bare, arity = _indicator(name)
    if not known:
        found = session.kb.once("vocabulary:suggestion(Name, Arity, Text)", {"Name": bare, "Arity": arity or 0})
        raise ShellError(f"no fact {name}{found['Text'] if found else ''}")
    if known[0].kind != "fact":
        raise ShellError(f"{name} is concluded, not stated: {known[0].meaning}; ask it with skb")
    held = session.kb.facts(bare, arity)
    headings = tuple(argument.split(":", 1)[0] for argument in known[0].arguments)
    rows = [(*(shown(value) for value in values), source) for values, source in held]
    data = [{"arguments": [plain(value) for value in values], "source": source} for values, source in held]
    return Result(data, Table((*headings, "source"), rows))


def declared(session: Session, name: str) -> list[Predicate]:
    """The predicates of that NAME or NAME/ARITY."""
    bare, arity = _indicator(name)
    return [each for each in session.kb.predicates() if each.name == bare and arity in (None, each.arity)]


def help_on(session: Session, predicates: Sequence[Predicate]) -> Result:
    """What predicates mean, and a question by each."""
    usages = [(each, session.kb.usage(each)) for each in predicates]
    data = [
        {"name": each.name, "arity": each.arity, "kind": each.kind, "arguments": list(each.arguments),
         "meaning": each.meaning, "sources": list(usage.sources), "key": list(usage.key),
         "determinism": usage.determinism, "example": usage.example}
        for each, usage in usages
    ]  # fmt: skip
    return Result(data, "\n\n".join("\n".join(_help(each, usage)) for each, usage in usages))


def _help(predicate: Predicate, usage: Usage) -> Iterator[str]:
    names = [argument.split(":", 1) for argument in predicate.arguments]
    width = max((len(name) for name, _ in names), default=0)
    yield predicate.signature
    yield f"    {predicate.meaning}"
    yield ""
    yield from (f"    {name:{width}}  {kind}" for name, kind in names)
    yield ""
    if predicate.kind == "fact":
        yield f"    stated by {', '.join(usage.sources)}, facts.pl or you" if usage.sources else "    stated by you"
        if usage.key:
            yield f"    of two with the same {', '.join(usage.key)} one is believed (docs/machines.md says whose)"
    else:
        yield f"    concluded; {_ANSWERS[usage.determinism]}"
    yield ""
    yield "example:"
    yield f"    skb {usage.example}"


_ANSWERS = {"det": "one answer", "semidet": "one answer or none", "nondet": "any number of answers"}


def _indicator(name: str) -> tuple[str, int | None]:
    """NAME or NAME/ARITY."""
    bare, _, arity = name.partition("/")
    if arity and not arity.isdigit():
        raise ShellError(f"'{name}' is no NAME or NAME/ARITY")
    return bare, int(arity) if arity else None
