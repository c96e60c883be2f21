"""Batch files: one command a line, and the words of a line.

`#` begins a comment, `\\` at a line's end joins the next, double and single quotes group, `$NAME` and `$1`
are replaced (not within single quotes; `\\$` in double quotes is a dollar). A line whose command begins with
`-` may fail. `?- goal.` asks the SKB; it and the other raw commands take the rest of their line as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from shell.errors import ShellError

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\}|(#))")
_IN_DOUBLE_QUOTES = re.compile(r'\\(["\\$])|' + _VARIABLE.pattern)
_RAW_COMMENT = re.compile(r"\s#(?=\s|\Z)")


@dataclass(frozen=True, slots=True)
class Line:
    """A command line of a batch file: its place, its text, and whether it may fail."""

    number: int
    text: str
    may_fail: bool


def lines(text: str | Iterable[str]) -> Iterator[Line]:
    """The command lines of a batch file, continuations joined, empty ones and comments left out.

    Given its lines one by one, as from a pipe, each command is there as soon as its line is.
    """
    joined, start = "", 0
    for number, line in enumerate(text.split("\n") if isinstance(text, str) else text, 1):
        line = line.removesuffix("\n").removesuffix("\r")
        if not joined:
            start = number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            joined += line[:-1] + " "
            continue
        yield from _line(start, joined + line)
        joined = ""
    yield from _line(start, joined)


def _line(number: int, text: str) -> Iterator[Line]:
    text = text.strip()
    may_fail = text.startswith("-")
    command = text.removeprefix("-").lstrip()
    if command and not command.startswith("#"):
        yield Line(number, command, may_fail)


def split_command(text: str) -> tuple[str, str]:
    """The first word of a line, and the rest of it; `?-` needs no blank after it."""
    if text.startswith("?-"):
        return "?-", text[2:].strip()
    name, *rest = text.split(None, 1)
    return name, rest[0].strip() if rest else ""


def words(text: str, variables: Mapping[str, str]) -> list[str]:
    """The words of a command's arguments: quotes group, variables are replaced, `#` ends the line."""
    found: list[str] = []
    word: str | None = None
    at = 0
    while at < len(text):
        char = text[at]
        if char in "'\"":
            end = _closing(text, at)
            inside = text[at + 1 : end]
            word = (word or "") + (_double_quoted(inside, variables) if char == '"' else inside)
            at = end + 1
        elif char.isspace():
            if word is not None:
                found.append(word)
            word = None
            at += 1
        elif char == "#" and word is None:
            break
        elif char == "$" and (match := _VARIABLE.match(text, at)):
            word = (word or "") + _value(match, variables)
            at = match.end()
        else:
            word = (word or "") + char
            at += 1
    if word is not None:
        found.append(word)
    return found


def raw_text(text: str, variables: Mapping[str, str]) -> str:
    """A raw command's text: a comment and quotes around all of it taken off, set variables replaced.

    `#` is a comment where blanks or the line's end surround it, outside Prolog's quotes: CLP(FD) has `#=`.
    """
    text = _without_comment(text).strip()
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0] and text[0] not in text[1:-1]:
        text = text[1:-1]
    return _VARIABLE.sub(
        lambda match: variables.get(match[1] or match[2] or match[3] or "", match[0]), text
    )


def quoted(word: str) -> str:
    """A word as it is written so that `words` reads it back."""
    if re.fullmatch(r"[\w./:=,@%+~^-]+", word):
        return word
    if "'" not in word:
        return f"'{word}'"
    return '"' + re.sub(r'(["\\$])', r"\\\1", word) + '"'


def _double_quoted(inside: str, variables: Mapping[str, str]) -> str:
    def piece(match: re.Match[str]) -> str:
        return match[1] or _value(match, variables, first=2)

    return _IN_DOUBLE_QUOTES.sub(piece, inside)


def _value(match: re.Match[str], variables: Mapping[str, str], first: int = 1) -> str:
    """The value of the variable whose name is in one of three groups, from group `first` on."""
    name = match[first] or match[first + 1] or match[first + 2] or ""
    if name not in variables:
        if name.isdigit():
            raise ShellError(f"argument {name} was not given")
        raise ShellError(f"variable {name} is not set; setenv {name} VALUE sets a variable")
    return variables[name]


def _closing(text: str, opening: int) -> int:
    """Where the quote that opens at `opening` closes."""
    at = opening + 1
    while at < len(text):
        if text[at] == "\\" and text[opening] == '"':
            at += 2
            continue
        if text[at] == text[opening]:
            return at
        at += 1
    raise ShellError(f"the quote {text[opening]} at character {opening + 1} is not closed")


def _without_comment(text: str) -> str:
    """Prolog text up to the first `#` that is a comment; quotes and 0'c characters are stepped over."""
    at, quote = 0, ""
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif text.startswith("0'", at) and (at == 0 or not (text[at - 1].isalnum() or text[at - 1] == "_")):
            at += 3 if text.startswith("0'\\", at) else 2
        elif char in "'\"`":
            quote = char
        elif at == 0 and char == "#" and text[1:2].strip() == "":
            return ""
        elif _RAW_COMMENT.match(text, at):
            return text[:at]
        at += 1
    return text
