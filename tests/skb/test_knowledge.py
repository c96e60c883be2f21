"""The knowledge base: facts with their sources, a user's facts and rules, whole machines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import ANY

import pytest

from skb.engine import SkbError
from skb.facts import Compound, fact
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]


def test_each_fact_remembers_its_source(load: Load) -> None:
    kb = load("amd-4x4")
    assert ((0, 1), "a_priori") in kb.facts("ht_link")
    assert {source for _, source in kb.facts("cpu_thread", 4)} == {"cpuid"}
    assert {source for _, source in kb.facts("node_distance")} == {"acpi"}


def test_what_a_user_states_wins_and_can_be_taken_back(load: Load) -> None:
    kb = load("amd-4x4")
    kb.assert_fact("core_latency(0, 12, 1000, cycles).")
    assert kb.once("distance(0, 12, D)") == {"D": 1000}
    kb.retract_fact("core_latency(0, 12, 1000, cycles)")
    with pytest.raises(SkbError, match="no fact matches"):
        kb.retract_fact("core_latency(0, 12, 1000, cycles)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ht_lnk(0, 1)", "no fact ht_lnk/2; did you mean ht_link/2"),
        ("ht_link(zero, 1)", "ht_link/2"),
        ("ht_link(0, 1", "syntax error"),
        ("ht_link(0, 1), ht_link(1, 2)", "no fact"),
    ],
)
def test_a_fact_that_is_none_is_refused(load: Load, text: str, message: str) -> None:
    kb = load("amd-4x4")
    before = kb.facts("ht_link")
    with pytest.raises(SkbError, match=message):
        kb.assert_fact(text)
    assert kb.facts("ht_link") == before


def test_facts_are_loaded_all_or_none(load: Load) -> None:
    kb = load("amd-4x4")
    with pytest.raises(SkbError, match="core_latency/4"):
        kb.load("measured", [fact("core_latency", 0, 1, 7, "ns"), fact("core_latency", 0, 2, 7, "years")])
    assert kb.once("core_latency(0, 1, L, _)") == {"L": 448}


def test_rules_that_were_consulted_see_and_are_seen(load: Load, tmp_path: Path) -> None:
    kb = load("amd-4x4")
    rules = tmp_path / "mine.pl"
    rules.write_text("two_hops(A, B) :- hops(A, B, 2).\n")
    assert kb.consult(rules) == ()
    assert kb.all("two_hops(0, X)") == [{"X": core} for core in (12, 13, 14, 15)]


@pytest.mark.parametrize(
    "goal",
    [
        "shell('touch escaped')", "open('escaped', write, S)", "G = shell('touch escaped'), call(G)", "halt",
        "consult('escaped')", "assertz(facts:ht_link(7, 8))", "retractall(facts:ht_link(_, _))",
        "findall(X, shell(X), _)", "store:forget_machine", "set_prolog_flag(debug_on_error, true)",
        "thread_create(shell('touch escaped'))", "getenv('HOME', X)", "@(shell('touch escaped'), user)",
    ],
)
def test_a_users_goal_touches_nothing(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goal: str) -> None:
    monkeypatch.chdir(tmp_path)
    kb = load("amd-4x4")
    before = kb.facts("ht_link")
    with pytest.raises(SkbError):
        kb.ask(goal)
    assert list(tmp_path.iterdir()) == []
    assert kb.facts("ht_link") == before


def test_the_vocabulary_says_what_there_is(kb: KnowledgeBase) -> None:
    known = {(entry.name, entry.arity): entry for entry in kb.predicates()}
    assert known["distance", 3].kind == "derived"
    assert known["cpu_thread", 4].kind == "fact"
    assert known["cpu_thread", 4].arguments[0] == "core:core"
    assert all(entry.meaning for entry in known.values())


def test_a_machine_can_be_supposed_without_becoming_the_one_there_is(load: Load) -> None:
    kb = load("amd-4x4")
    kb.assert_fact("core_latency(0, 12, 1000, cycles).")
    before = sorted(map(str, kb.facts("cpu_thread") + kb.facts("core_latency") + kb.facts("ht_link")))
    two = [("cpuid", [fact("cpu_thread", core, core, 0, 0) for core in (0, 1)])]
    assert kb.supposing(two, "ht_link(0, 1).", "facts.pl", "packages(P), findall(A-B, hops(A, B, 1), Hops)") == {
        "P": [0, 1], "Hops": [Compound("-", (0, 1)), Compound("-", (1, 0))], "A": ANY, "B": ANY,
    }
    assert kb.supposing(two, "", "facts.pl", "core(7)") is None
    with pytest.raises(SkbError, match=r"facts.pl:1"):
        kb.supposing(two, "ht_lnk(0, 1).", "facts.pl", "true")
    assert sorted(map(str, kb.facts("cpu_thread") + kb.facts("core_latency") + kb.facts("ht_link"))) == before
    assert kb.once("distance(0, 12, D), packages(P)") == {"D": 1000, "P": [0, 1, 2, 3]}


def stated(kb: KnowledgeBase) -> list[str]:
    found = kb.once("apriori:stated(Lines)")
    assert found is not None
    return [str(line) for line in found["Lines"]]


def test_what_a_user_stated_is_kept_in_a_file_and_stated_anew(load: Load, tmp_path: Path) -> None:
    kb = load("amd-4x4")
    kb.assert_fact("core_load(3, 50)")
    kb.assert_fact('cpu_brand(0, "it\'s\\n\\"quoted\\", \u00e4 and \\u4e2d")')
    kb.retract_fact("ht_link(0, _)")
    kb.assert_fact("ht_link(2, 1)")
    kb.assert_fact("wrong(node_distance(0, _, _))")
    said = stated(kb)
    assert kb.save(tmp_path / "mine.pl") == len(said) == 5
    kb = load("amd-4x4")
    assert stated(kb) == []
    kb.restate(tmp_path / "mine.pl")
    assert stated(kb) == said
    assert kb.all("ht_link(A, B)") == [{"A": a, "B": b} for a, b in ((1, 3), (2, 0), (3, 2), (2, 1))]
    assert kb.once("node_distance(0, _, _)") is None
    kb.restate(tmp_path / "mine.pl")
    assert stated(kb) == said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("core_load(3, 50).\ncore_load(4, half).\n", r"mine.pl:2: core_load/2: percent"),
        ("core_load(3, 50).\ncore_laod(4, 50).\n", r"mine.pl:2: no fact core_laod/2; did you mean core_load/2"),
        ("core_load(3, 50).\ncore_load(4", r"mine.pl:2: Syntax error"),
        ("core_load(3, 50).\na :- b.\n", r"mine.pl:2: expected a fact"),
    ],
)
def test_a_file_with_a_wrong_fact_states_nothing(load: Load, tmp_path: Path, text: str, message: str) -> None:
    kb = load("amd-4x4")
    (tmp_path / "mine.pl").write_text(text)
    with pytest.raises(SkbError, match=message):
        kb.restate(tmp_path / "mine.pl")
    assert stated(kb) == []
