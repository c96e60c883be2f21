"""Batch files: one command a line, and the words of a line.

`#` begins a comment, `\\` at a line's end joins the next, double and single quotes group, `$NAME` and `$1`
are replaced (not within single quotes). A line whose command begins with `-` may fail. `?- goal.` asks the
SKB; it and the other raw commands take the rest of their line as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shell.errors import ShellError

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\}|(#))")


@dataclass(frozen=True, slots=True)
class Line:
    """A command line of a batch file: its place, its text, and whether it may fail."""

    number: int
    text: str
    may_fail: bool


def lines(text: str) -> Iterator[Line]:
    """The command lines of a batch file, continuations joined, empty ones and comments left out."""
    joined, start = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if not joined:
            start = number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            joined += line[:-1] + " "
            continue
        whole, joined = (joined + line).strip(), ""
        if whole and not whole.startswith("#"):
            may_fail = whole.startswith("-")
            yield Line(start, whole[1:].lstrip() if may_fail else whole, may_fail)
    if joined.strip():
        yield Line(start, joined.strip(), False)


def split_command(text: str) -> tuple[str, str]:
    """The first word of a line, and the rest of it; `?-` needs no blank after it."""
    if text.startswith("?-"):
        return "?-", text[2:].strip()
    name, _, rest = text.partition(" ")
    return name, rest.strip()


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
            if char == '"':
                inside = replaced(re.sub(r'\\(["\\])', r"\1", inside), variables)
            word = (word or "") + inside
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
    """A raw command's text: quotes around all of it taken off, variables that are set replaced."""
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0] and text[0] not in text[1:-1]:
        text = text[1:-1]
    return _VARIABLE.sub(
        lambda match: variables.get(match[1] or match[2] or match[3] or "", match[0]), text
    )


def quoted(word: str) -> str:
    """A word as it is written so that `words` reads it back."""
    if word and re.fullmatch(r"[\w./:=,@%+~^-]+", word):
        return word
    if "'" not in word:
        return f"'{word}'"
    return '"' + re.sub(r'(["\\])', r"\\\1", word) + '"'


def replaced(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables replaced; one that is not set is an error."""
    return _VARIABLE.sub(lambda match: _value(match, variables), text)


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name = match[1] or match[2] or match[3] or ""
    if name not in variables:
        what = f"argument {name} was not given" if name.isdigit() else f"variable {name} is not set"
        raise ShellError(f"{what}; setenv {name} VALUE sets a variable" if not name.isdigit() else what)
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
