"""Facts: what readers produce and the knowledge base holds.

A fact is a name and its arguments, as plain data: no Prolog here. `to_prolog` writes a term as
canonical Prolog text (the only writer in the house), so that any value whatever, a quote or a newline
in it included, crosses into the knowledge base as itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_PLAIN_ATOM = re.compile(r"[a-z][A-Za-z0-9_]*\Z")
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0\\"}


class Text(str):
    """A Prolog string ("..."); a plain `str` is an atom."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Compound:
    """A compound term, such as `addr(0, 24, 3)`."""

    name: str
    args: tuple[Term, ...]


Term = int | float | str | Compound | tuple["Term", ...] | list["Term"]
"""A value inside a fact: number, atom (`str`), string (`Text`), compound, or list (tuple or list)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact, such as `cpu_thread(0, 0, 0, 0)`; names and arguments are those of rules/vocabulary.pl."""

    name: str
    args: tuple[Term, ...]

    def __str__(self) -> str:
        return _compound(self.name, self.args)


def fact(name: str, *args: Term) -> Fact:
    """The fact `name(args...)`."""
    return Fact(name, args)


def compound(name: str, *args: Term) -> Compound:
    """The term `name(args...)`."""
    return Compound(name, args)


def to_prolog(term: Term) -> str:
    """The canonical Prolog text of a term; raises ValueError for a number Prolog cannot hold."""
    kind = type(term)
    if kind is int and term >= 0:  # type: ignore[operator]
        return str(term)  # most of what machines say are such numbers
    if kind is str:
        return _atom(term)  # type: ignore[arg-type]
    if isinstance(term, bool):
        return "true" if term else "false"
    if isinstance(term, int):
        return str(term) if term >= 0 else f" {term}"  # "=-1" would read as one symbol
    if isinstance(term, Text):
        return _quoted(term, '"')
    if isinstance(term, str):
        return _atom(term)
    if isinstance(term, float):
        if not math.isfinite(term):
            raise ValueError(f"{term} is not a number that a fact can hold")
        text = repr(term)
        if "." not in text:  # 1e+20 is no Prolog number, 1.0e+20 is
            text = text.replace("e", ".0e")
        return text if term >= 0 else f" {text}"
    if isinstance(term, Compound):
        return _compound(term.name, term.args)
    return f"[{','.join(map(to_prolog, term))}]"


def to_prolog_list(facts: Iterable[Fact]) -> str:
    """Many facts as one Prolog list, the form in which bulk facts cross."""
    return f"[{','.join(map(str, facts))}]"


def _compound(name: str, args: Iterable[Term]) -> str:
    return f"{_atom(name)}({','.join(map(to_prolog, args))})"


@lru_cache(maxsize=4096)
def _atom(name: str) -> str:
    return name if _PLAIN_ATOM.match(name) else _quoted(name, "'")


def _quoted(text: str, quote: str) -> str:
    out = "".join(_ESCAPES.get(c, c) for c in text).replace(quote, "\\" + quote)
    return f"{quote}{out}{quote}"
