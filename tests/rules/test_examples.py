"""The questions that `help PREDICATE` shows: each is by its predicate, and has an answer on a shipped machine."""

from __future__ import annotations

import re
from collections.abc import Callable

from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]

OF_WHAT_RUNS = {
    "explain", "record", "record_attribute", "component", "next_combinations", "schedule", "asks", "gang_row",
    "io_bound", "resynchronise_after", "may_ask",
}
OF_WHAT_IS_WRONG = {"contradiction", "finding", "pci_refusal"}
NOT_SHIPPED = {"access_ns", "interrupt_gsi"}
"""Latency attributes (HMAT) and routed interrupt pins: real machines have them, no shipped one does."""


def test_every_derived_predicate_has_an_example_that_is_answered(load: Load) -> None:
    answered: set[tuple[str, int]] = set()
    for name in ("amd-4x4", "scc", "hybrid-client", "epyc-chiplet"):
        kb = load(name)
        for example in kb.all("examples:example(Name, Arity, Goal)"):
            assert re.search(rf"\b{example['Name']}\(", str(example["Goal"]))
            if kb.ask(str(example["Goal"]), limit=1).answers:
                answered.add((example["Name"], example["Arity"]))
    derived = {(p.name, p.arity) for p in kb.predicates() if p.kind == "derived"}
    unanswered = {name for name, _ in derived - answered}
    assert unanswered == OF_WHAT_RUNS | OF_WHAT_IS_WRONG | NOT_SHIPPED


def test_every_predicate_can_be_used_as_its_help_says(kb: KnowledgeBase) -> None:
    for predicate in kb.predicates():
        usage = kb.usage(predicate)
        assert usage.example.startswith(f"{predicate.name}(") or f" {predicate.name}(" in usage.example
        assert bool(usage.determinism) == (predicate.kind == "derived")
        assert set(usage.key) <= {argument.split(":")[0] for argument in predicate.arguments}
        if predicate.kind == "fact":
            kb.ask(usage.example, limit=1)
