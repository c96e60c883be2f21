"""The crossing into Prolog: every value survives it, every hazard is met and left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skb.engine import Cancelled, Engine, LimitExceeded, Note, RuleError, SkbError, Variable
from skb.facts import Compound, Term, Text, to_prolog
from skb.knowledge import KnowledgeBase


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.start()


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ATOMIC = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | TEXTS.map(Text)
)
TERMS: st.SearchStrategy[Term] = st.recursive(
    ATOMIC,
    lambda inner: st.lists(inner, max_size=4)
    | st.builds(lambda name, args: Compound(name, tuple(args)), TEXTS, st.lists(inner, min_size=1, max_size=3)),
    max_leaves=12,
)


@settings(deadline=None)
@given(TERMS)
def test_any_term_goes_in_and_comes_out_as_itself(term: Term) -> None:
    answer = Engine.start().once("X = Y", {"Y": term})
    assert answer is not None
    assert answer["X"] == term
    assert type(answer["X"]) is type(term)


@settings(deadline=None)
@given(TEXTS)
def test_text_bound_to_a_variable_is_never_read_as_a_goal(text: str) -> None:
    hostile = f"'), throw(escaped), ('{text}"
    assert Engine.start().once("atom(X), Y = X", {"X": hostile}) == {"Y": hostile}


def test_a_goal_is_written_as_at_a_prolog_prompt(engine: Engine) -> None:
    assert engine.all("member(X, [1, a, \"s\"]).") == [{"X": 1}, {"X": "a"}, {"X": Text("s")}]
    assert engine.once("fail") is None
    assert engine.all("true") == [{}]
    assert engine.once("X = 1, _Hidden = 2") == {"X": 1}
    assert engine.once("X = f(_), Y = Z") is not None


def test_unbound_and_strange_values_are_shown_not_lost(engine: Engine) -> None:
    answer = engine.once("X = X, freeze(Y, true), Z = f(Z), R is 2 rdiv 6, I is inf")
    assert answer is not None
    assert isinstance(answer["X"], Variable)
    assert isinstance(answer["Y"], Variable)
    assert answer["Z"] == Variable("<cyclic term>")
    assert (answer["R"], answer["I"]) == ("1r3", "1.0Inf")


def test_answers_come_as_many_as_asked_for(engine: Engine) -> None:
    reply = engine.solve("between(1, inf, X)", answers=3)
    assert ([answer["X"] for answer in reply.answers], reply.more) == ([1, 2, 3], True)
    reply = engine.solve("between(1, 3, X)", answers=3)
    assert (len(reply.answers), reply.more) == (3, False)


def test_what_a_goal_prints_comes_back_with_its_answer(engine: Engine) -> None:
    assert engine.solve("write(hello), nl", answers=1).output == "hello\n"


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ("foo(X", "syntax error"),
        ("X = 1. Y = 2", "one goal at a time"),
        ("", "syntax error"),
        ("X", "expected a goal"),
        ("nosuch_at_all(1)", "no predicate nosuch_at_all/1"),
        ("shares_cahce(0, X, 3)", "did you mean shares_cache/3"),
        ("X is foo + 1", "foo/0"),
        ("atom_length(X, Y)", "not sufficiently instantiated"),
        ("throw(my_ball)", "my_ball"),
        ("numlist(1, 500000000, L)", "out of|stopped"),
        ("X = 'a\0b'", "NUL"),
        ("atom_codes(X, [0xD800])", "Cannot represent"),
        ("numlist(1, 5000, L), foldl([E, A, f(A)]>>true, L, x, T)", "nested too deeply"),
    ],
)
def test_an_error_is_one_line_and_the_engine_goes_on(engine: Engine, goal: str, message: str) -> None:
    with pytest.raises(RuleError, match=message) as caught:
        engine.solve(goal, answers=1, inferences=5_000_000)
    assert "\n" not in str(caught.value)
    assert engine.once("X = 1") == {"X": 1}


@pytest.mark.parametrize("goal", ["repeat, fail", "length(L, N), N < 0", "findall(X, repeat, _)"])
def test_a_loop_is_stopped_by_its_limit_always_at_the_same_place(engine: Engine, goal: str) -> None:
    with pytest.raises((LimitExceeded, RuleError), match=r"stopped after|out of"):
        engine.solve(goal, inferences=1_000_000)
    assert engine.once("X = 1") == {"X": 1}


def test_the_same_question_takes_the_same_inferences(engine: Engine) -> None:
    goal = "numlist(1, 1000, L), sum_list(L, S)"
    engine.solve(goal)
    assert engine.solve(goal).inferences == engine.solve(goal).inferences


def test_what_inferences_do_not_count_is_stopped_by_the_clock(engine: Engine) -> None:
    start = time.monotonic()
    with pytest.raises(Cancelled, match=r"stopped after 0.3 s"):
        engine.solve("repeat, fail", inferences=1 << 60, seconds=0.3)
    assert time.monotonic() - start < 5
    for _ in range(3):
        assert engine.solve("X = 1", answers=1).answers == [{"X": 1}]


def test_ctrl_c_stops_a_question_and_keeps_the_engine(engine: Engine) -> None:
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        engine.solve("repeat, fail", inferences=1 << 60)
    assert time.monotonic() - start < 5
    for _ in range(3):
        assert engine.solve("X = 1", answers=1).answers == [{"X": 1}]


def test_another_thread_is_turned_away(engine: Engine) -> None:
    caught: list[Exception] = []

    def ask() -> None:
        try:
            engine.once("true")
        except SkbError as error:
            caught.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert "belongs to the thread" in str(caught[0])


@pytest.mark.parametrize("goal", ["halt", "halt(3)", "abort", "read(X)", "prolog_load_context(_, _), fail"])
def test_no_goal_ends_the_process(engine: Engine, goal: str) -> None:
    with contextlib.suppress(SkbError):
        engine.solve(goal, answers=1, seconds=5)
    assert engine.once("X = 1") == {"X": 1}


def test_everything_wrong_with_a_rule_file_is_told_with_its_line(engine: Engine, tmp_path: Path) -> None:
    rules = tmp_path / "bad.pl"
    rules.write_text("ok(1).\nloose(Single, 2).\nbroken(X :- true.\nfine(2).\n")
    notes = engine.consult(rules, "test_rules")
    assert [(note.line, note.severity) for note in notes] == [(2, "warning"), (3, "error")]
    assert all(isinstance(note, Note) and note.file == str(rules) for note in notes)


def test_a_rule_file_cannot_touch_the_system(engine: Engine, tmp_path: Path) -> None:
    mark = tmp_path / "escaped"
    rules = tmp_path / "hostile.pl"
    rules.write_text(f":- open('{mark}', write, S), close(S).\n:- initialization(shell('touch {mark}')).\n")
    notes = engine.consult(rules, "test_rules")
    assert not mark.exists()
    assert any(note.severity == "error" for note in notes)


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    )


def test_a_process_that_asked_leaves_with_its_own_status_and_in_silence() -> None:
    done = run_python(
        """
        import sys
        from skb.engine import Engine
        Engine.start().solve("true")
        sys.exit(7)
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


def test_a_missing_prolog_is_told_with_what_to_install() -> None:
    done = run_python(
        """
        import sys
        sys.modules["pyswip.core"] = None
        from skb.engine import Engine, SkbUnavailable
        try:
            Engine.start()
        except SkbUnavailable as error:
            print(error)
        """
    )
    assert "swi-prolog-nox" in done.stdout


def test_pyswip_is_imported_in_one_place_only() -> None:
    root = Path(__file__).resolve().parents[2]
    users = [
        path.relative_to(root)
        for folder in ("skb", "kernel", "shell")
        for path in (root / folder).rglob("*.py")
        if "import pyswip" in path.read_text()
    ]
    assert users == [Path("skb/engine.py")]


def test_to_prolog_refuses_what_is_no_number() -> None:
    with pytest.raises(ValueError, match="inf"):
        to_prolog(float("inf"))


def test_an_integer_beyond_what_python_reads_is_refused_in_words(kb: KnowledgeBase) -> None:
    with pytest.raises(RuleError, match="the answer has an integer of over 4,300 digits; ask for less"):
        kb.ask("X is 10**6000")
    assert kb.once("X is 10**400") == {"X": 10**400}


@pytest.mark.parametrize("fact", ["cpu_clock(0, 18446744073709551616)", "core_load(0, 101)", "cpu_clock(0, -1)"])
def test_a_number_that_no_machine_can_have_is_refused(kb: KnowledgeBase, fact: str) -> None:
    with pytest.raises(RuleError, match=f"found {fact.split(', ')[1][:-1]}$"):
        kb.assert_fact(fact)
