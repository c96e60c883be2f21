"""The words of an interface file, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from kernel.interfaces.language import InterfaceError, Place


class Kind(Enum):
    NAME = "a name"
    NUMBER = "a number"
    TEXT = "a text"
    SIGN = "a sign"
    END = "the end of the file"


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    place: Place

    def __str__(self) -> str:
        return self.kind.value if self.kind is Kind.END else f"'{self.text}'"


_PIECE = re.compile(
    r"(?P<space>\s+)|(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<name>[A-Za-z_]\w*)|(?P<number>\d\w*)"
    r'|(?P<text>"[^"\n]*")|(?P<sign>[{}()\[\];,=@])',
    re.DOTALL | re.ASCII,
)

MOST_DIGITS = 18
"""A number of more is none that anything here could have."""


def tokens(text: str, file: str) -> list[Token]:
    """The words of `text`, the last one the end. InterfaceError where there is something else."""
    found: list[Token] = []
    at, line, line_start = 0, 1, 0
    while at < len(text):
        place = Place(file, line, at - line_start + 1)
        piece = _PIECE.match(text, at)
        if piece is None:
            raise InterfaceError(place, _strange(text, at))
        what = piece.group()
        kind = piece.lastgroup
        if kind == "number":
            found.append(Token(Kind.NUMBER, _number(what, place), place))
        elif kind == "name":
            found.append(Token(Kind.NAME, what, place))
        elif kind == "text":
            found.append(Token(Kind.TEXT, what[1:-1], place))
        elif kind == "sign":
            found.append(Token(Kind.SIGN, what, place))
        if "\n" in what:
            line += what.count("\n")
            line_start = at + what.rindex("\n") + 1
        at = piece.end()
    found.append(Token(Kind.END, "", Place(file, line, at - line_start + 1)))
    return found


def _number(what: str, place: Place) -> str:
    if not what.isdigit():
        raise InterfaceError(place, f"'{what:.40}' is no number; numbers are decimal")
    if len(what) > MOST_DIGITS:
        raise InterfaceError(place, f"a number of {len(what)} digits; {MOST_DIGITS} at most")
    return what


def _strange(text: str, at: int) -> str:
    if text.startswith("/*", at):
        return "a comment that does not end; */ ends it"
    if text[at] == '"':
        return 'a text that does not end on its line; " ends it'
    return f"{text[at]!r} has no meaning in an interface"
