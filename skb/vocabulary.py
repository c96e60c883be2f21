"""The page docs/vocabulary.md, made from the declarations in rules/vocabulary.pl.

    python -m skb.vocabulary > docs/vocabulary.md
"""

from __future__ import annotations

from collections.abc import Iterator

from skb.facts import Compound, to_prolog
from skb.knowledge import KnowledgeBase

_TITLES = {
    "boot": "What booting tells", "cpuid": "Processors", "acpi": "Firmware (ACPI)", "pci": "PCI",
    "sysfs": "Operating system",
    "hwloc": "hwloc", "measured": "Measurements", "a_priori": "A priori", "placement": "Placement",
}  # fmt: skip
"""Sections of facts, by the first source that is declared to state them."""


def page(kb: KnowledgeBase) -> str:
    """The page, as Markdown."""
    return "\n".join(_lines(kb)) + "\n"


def _lines(kb: KnowledgeBase) -> Iterator[str]:
    found = kb.once("store:precedence(Sources)")
    believed = ", ".join(f"`{source}`" for source in found["Sources"]) if found else ""
    yield from (
        "# Vocabulary", "",
        "Every fact and every derived predicate, made from `rules/vocabulary.pl` by `python -m skb.vocabulary`. An",
        "argument is `name: type`; a type carries its unit. Of facts with equal key arguments (**bold**) only one",
        f"can be true; the source that comes first is believed: {believed}.",
        "A priori facts and users may state any fact; the sources named are those of dumps, of booting and of the",
        "placement controller. A `label` is a name that each source chooses for itself.", "",
    )
    facts = kb.all(
        "vocabulary:declared(Name, Arity, fact, Arguments, Key, Meaning), "
        "findall(Source, vocabulary:declared_source(Name, Arity, Source), Sources)"
    )
    for source, title in _TITLES.items():
        yield from (f"## {title}", "", "| fact | sources | meaning |", "|---|---|---|")
        for row in facts:
            if row["Sources"][0] == source:
                key = row["Key"] if isinstance(row["Key"], list) else []
                written = _written(row["Name"], row["Arguments"], key)
                yield f"| {written} | {', '.join(row['Sources'])} | {_cell(row['Meaning'])} |"
        yield ""
    yield from ("## What is concluded", "", "| predicate | determinism | meaning |", "|---|---|---|")
    derived = kb.all(
        "vocabulary:declared(Name, Arity, derived, Arguments, _, Meaning), "
        "vocabulary:determinism(Name, Arity, Determinism)"
    )
    for row in derived:
        written = _written(row["Name"], row["Arguments"], [])
        yield f"| {written} | {row['Determinism']} | {_cell(row['Meaning'])} |"


def _written(name: str, arguments: list[Compound], key: list[str]) -> str:
    """`name`(**key**: type, other: type)."""
    parts = []
    for argument in arguments:
        label, kind = argument.args
        shown = f"**{label}**" if label in key else f"{label}"
        parts.append(f"{shown}: {to_prolog(kind)}")
    return f"`{name}`({_cell(', '.join(parts))})"


def _cell(text: str) -> str:
    return str(text).replace("|", "\\|").replace("_", "\\_")


if __name__ == "__main__":
    print(page(KnowledgeBase()), end="")
