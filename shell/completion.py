"""What may come next at the prompt: which kind of thing, and which things of that kind there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from kernel.program import PROGRAMS
from shell import batch
from shell.registry import COMMANDS, Command, family, first_words
from shell.session import Session
from skb.machine import list_machines

_WORD_ENDS = " \n(,[|'\""


class CommandCompleter(Completer):
    """Completes commands, their options, and what their arguments name."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._predicates: list[tuple[str, str]] | None = None

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        before = document.text_before_cursor.lstrip().removeprefix("-").lstrip()
        name, _ = batch.split_command(before) if before else ("", "")
        if name == before and name != "?-":
            yield from _matching(name, first_words().items())
            return
        words = before.split()
        if name not in COMMANDS and family(name):
            if len(words) == 1 or (len(words) == 2 and not before[-1].isspace()):
                second = words[1] if len(words) == 2 else ""
                yield from _matching(second, ((c.name.split()[1], c.summary) for c in family(name)))
                return
            name, words = f"{words[0]} {words[1]}", words[1:]
        command = COMMANDS.get(name)
        if command is None:
            return
        word = "" if before[-1].isspace() else words[-1]
        if command.raw and not word.startswith("--"):
            goal = before.removeprefix(name)
            word = goal[max(goal.rfind(end) for end in _WORD_ENDS) + 1 :]
            yield from _matching(word, self._records(goal) if "oct" in command.name.split() else self._vocabulary())
            return
        yield from _matching(word, self._candidates(command, words, word))

    def _candidates(self, command: Command, words: list[str], word: str) -> Iterator[tuple[str, str]]:
        """What may stand at `word`: the value of the option before it, an option, or an argument."""
        before = words[1:] if word == "" else words[1:-1]
        options = command.options
        if before and before[-1] in options and not options[before[-1]].is_flag:
            yield from self._named(command, options[before[-1]].metavar or "", word)
            return
        if word.startswith("-"):
            yield from ((flag, option.help or option.metavar or "") for flag, option in options.items())
            return
        arguments = [p for p in command.parser.params if isinstance(p, click.Argument)]
        given = sum(1 for i, w in enumerate(before) if w not in options and (i == 0 or before[i - 1] not in options))
        if arguments:
            argument = arguments[min(given, len(arguments) - 1)]
            yield from self._named(command, (argument.metavar or argument.name or "").upper(), word)

    def _named(self, command: Command, kind: str, word: str) -> Iterator[tuple[str, str]]:
        """The things of a kind, by the name that synopses give it."""
        session, kernel = self._session, self._session.kernel
        match kind:
            case "PROGRAM":
                yield from ((program.name, program.summary) for program in PROGRAMS.values())
            case "DOMAIN":
                yield from ((d.name, d.state) for d in kernel.domains())
            case "COMMAND|PREDICATE":
                yield from ((c.name, c.summary) for c in COMMANDS.values())
                yield from self._vocabulary()
            case "FILE" | "MANIFEST":
                yield from _files(word)
            case "CORE":
                yield from ((str(core), "core") for core in kernel.drivers)
            case "CORES":
                listed = word[: max(word.rfind(end) for end in ",-") + 1]
                yield from ((f"{listed}{core}", "core") for core in kernel.drivers)
            case "MACHINE":
                yield from ((info.name, info.summary) for info in list_machines())
            case "WATCH":
                yield from ((str(watch.number), f"{watch.what} {watch.of}") for watch in kernel.records.watches())
            case "POLICY":
                yield from ((policy.name, policy.description) for policy in kernel.controller.policies())
            case "NAME" if command.name == "facts":
                yield from self._vocabulary()
            case "NAME" if command.group == "shell":
                yield from session.environment.items()
            case _ if "|" in kind:
                yield from ((choice.lower(), "") for choice in kind.split("|"))

    def _records(self, query: str) -> Iterator[tuple[str, str]]:
        """The records' names, which stand before the braces of a query."""
        if "{" not in query:
            yield from ((name, "record") for name in self._session.kernel.records.names("_"))

    def _vocabulary(self) -> list[tuple[str, str]]:
        if self._predicates is None:
            self._predicates = [
                (entry.name, f"({', '.join(entry.arguments)})") for entry in self._session.kb.predicates()
            ]
        return self._predicates


def _matching(word: str, candidates: Iterable[tuple[str, str]]) -> Iterator[Completion]:
    for text, meaning in candidates:
        if text.startswith(word):
            yield Completion(text, start_position=-len(word), display_meta=meaning)


def _files(word: str) -> Iterator[tuple[str, str]]:
    path = Path(word)
    folder = path if word.endswith("/") or not word else path.parent
    try:
        for entry in sorted(folder.iterdir()):
            shown = str(entry) if folder != Path() or word.startswith("./") else entry.name
            yield (shown + "/", "folder") if entry.is_dir() else (shown, "file")
    except OSError:
        return
