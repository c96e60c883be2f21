"""`machine check`: whether what the sources of a machine say fits together, and with what hwloc says.

What contradicts what, and what cannot be so, are rules (rules/disagreement.pl, rules/consistency.pl); here a machine
is read, supposed beside the one that is booted, and asked. A machine is a folder, or dumps that `machine import`
would make one of.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skb import machine
from skb.choosing import by_source, chosen
from skb.comparing import MACHINE_VIEW, Comparison, compare, machine_objects, reference_objects
from skb.facts import Fact, Term, to_prolog
from skb.finding import dumps_in
from skb.knowledge import KnowledgeBase
from skb.machine import MachineError

SEVERITIES = ("error", "warning", "note")
"""How bad a finding is: it cannot be so, it is unlikely to be so, or it is worth knowing."""

_CHECKS = (
    "findall(c(F, S, G, T), skb:contradiction(F, S, G, T), Contradictions), "
    "findall(f(S, R, T), skb:finding(S, R, T), Findings), "
    "findall(C, skb:core(C), Cores), "
    "findall(S-N, (store:precedence(All), member(S, All), "
    "  aggregate_all(count, store:says(S, _), N), N > 0), Counts)"
)
_LIMITS: dict[str, Any] = {"inferences": 1 << 60, "seconds": 60.0}  # as large as the machine's dumps make it


@dataclass(frozen=True, slots=True)
class Contradiction:
    """`fact` is believed because `source` says so; `other_source` says `overruled`, and both cannot be true."""

    fact: str
    source: str
    overruled: str
    other_source: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule of rules/consistency.pl is broken: `text` says what does not fit."""

    severity: str
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Check:
    """What is the matter with a machine; `sources` has how many facts each source states."""

    name: str
    sources: Mapping[str, int]
    cores: int
    contradictions: tuple[Contradiction, ...]
    findings: tuple[Finding, ...]

    def count(self, severity: str) -> int:
        return sum(finding.severity == severity for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Sources:
    """A machine as its sources state it; None of the one that is booted, which the knowledge base holds already."""

    name: str
    said: tuple[tuple[str, tuple[Fact, ...]], ...] | None = None
    apriori: str = ""
    apriori_name: str = "facts.pl"


def sources_of(name: str) -> Sources:
    """The machine of that name, or that a path leads to: a machine folder, or a file or folder of dumps.

    MachineError or DumpError say what cannot be found or read.
    """
    try:
        folder = machine.find(name)
    except MachineError:
        if not name or not os.path.exists(os.path.expanduser(name)):
            raise
        return _sources_of_dumps(Path(os.path.expanduser(name)))
    try:
        read = machine.read(folder)
    except MachineError:
        return _sources_of_dumps(folder)  # a folder of dumps under other names than a machine's
    return Sources(read.name, read.facts, read.apriori, str(folder / "facts.pl"))


def _sources_of_dumps(path: Path) -> Sources:
    said, apriori, name = by_source(chosen(dumps_in([path]).dumps, [], one_of_each=True))
    return Sources(path.name, tuple((source, tuple(facts)) for source, facts in said.items()), apriori, name)


def check(kb: KnowledgeBase, sources: Sources) -> Check:
    """What contradicts what in the machine, and what does not fit. SkbError where a fact of it is none."""
    answer = _answer(kb, sources, _CHECKS)
    return Check(
        sources.name,
        {pair.args[0]: pair.args[1] for pair in answer["Counts"]},
        len(answer["Cores"]),
        tuple(_contradiction(*each.args) for each in answer["Contradictions"]),
        tuple(Finding(str(severity), str(rule), str(text)) for severity, rule, text in
              (each.args for each in answer["Findings"])),
    )


def _contradiction(fact: Term, source: str, other: Term, other_source: str) -> Contradiction:
    return Contradiction(to_prolog(fact), source, to_prolog(other), other_source)


def against(kb: KnowledgeBase, sources: Sources, reference: bytes, name: str) -> Comparison:
    """The machine beside hwloc's XML `reference`, which errors call `name`. DumpError where it is none."""
    theirs = reference_objects(reference, name)
    return compare(machine_objects(_answer(kb, sources, MACHINE_VIEW)), theirs)


def _answer(kb: KnowledgeBase, sources: Sources, goal: str) -> dict[str, Any]:
    if sources.said is None:
        answer = kb.once(goal, **_LIMITS)
    else:
        answer = kb.supposing(sources.said, sources.apriori, sources.apriori_name, goal)
    assert answer is not None  # every part of both goals has an answer
    return answer


def by_predicate(contradictions: Iterable[Contradiction]) -> list[list[Contradiction]]:
    """Those of one predicate and the same two sources together, in the order of their first."""
    groups: dict[tuple[str, str, str], list[Contradiction]] = {}
    for each in contradictions:
        groups.setdefault((each.fact.partition("(")[0], each.source, each.other_source), []).append(each)
    return list(groups.values())
