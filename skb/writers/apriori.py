"""facts.pl: the text of a machine's a priori facts, in paragraphs that each open with what they say.

What no dump of a machine can tell stands in facts.pl (skb/machine.py reads it). Machines without ACPI or CPUID
state all their facts there; skb/writers/mesh.py makes those of a mesh.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from skb.facts import Compound, Fact, Text, fact, to_prolog

LINE_LETTERS = 118
"""Comments are wrapped at so many letters."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Facts that belong together, and the comment above them: what they say and who says so."""

    comment: str
    facts: Sequence[Fact]


def facts_pl(title: str, paragraphs: Iterable[Paragraph]) -> str:
    """The text of facts.pl: the title as a comment, then the paragraphs that have facts, parted by empty lines."""
    blocks = [_comment(title), *(_text(paragraph) for paragraph in paragraphs if paragraph.facts)]
    return "\n".join(blocks)


def costs(stated: Mapping[str, Sequence[float | str]]) -> list[Fact]:
    """cost/4 facts of a table from the cost's name to its value, unit and source."""
    return [fact("cost", name, value, unit, Text(source)) for name, (value, unit, source) in stated.items()]


def _text(paragraph: Paragraph) -> str:
    return _comment(paragraph.comment) + "".join(f"{_fact(each)}\n" for each in paragraph.facts)


def _comment(text: str) -> str:
    lines = textwrap.wrap(text, LINE_LETTERS, initial_indent="% ", subsequent_indent="% ")
    return "".join(f"{line}\n" for line in lines)


def _fact(stated: Fact) -> str:
    return f"{to_prolog(Compound(stated.name, ()))[:-2]}({', '.join(to_prolog(arg).strip() for arg in stated.args)})."
