"""What rules and goals must not be able to do: each way out is refused, and the system is whole after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from skb.engine import SkbError
from skb.knowledge import KnowledgeBase
from skb.placement import PlacementController, PlacementError

Load = Callable[[str], KnowledgeBase]

# {file} is a file that must not come to be, {secret} one that must not be read.
ESCAPES = [
    # processes
    "shell('touch {file}')",
    "shell('touch {file}', _)",
    "process_create(path(touch), ['{file}'], [])",
    "open(pipe('touch {file}'), write, S), close(S)",
    "halt",
    "halt(3)",
    "thread_create(true, _)",
    "fork(_)",
    "exec(touch('{file}'))",
    # files
    "open('{file}', write, S), close(S)",
    "open('{secret}', read, S), read_string(S, _, X), atom(X)",
    "tell('{file}'), told",
    "see('{secret}')",
    "read_file_to_string('{secret}', X, [])",
    "read_file_to_terms('{secret}', X, [])",
    "exists_file('{secret}')",
    "directory_files('/', X)",
    "delete_file('{secret}')",
    "rename_file('{secret}', '{file}')",
    "make_directory('{file}')",
    "save_term(x, '{file}')",
    "qsave_program('{file}')",
    "tmp_file(x, X)",
    "working_directory(_, '/')",
    "consult('{secret}')",
    "load_files('{secret}', [])",
    "use_module(library(process))",
    "ensure_loaded(library(shell))",
    # the environment and the process we are in
    "getenv('PATH', X)",
    "setenv('PATH', x)",
    "set_prolog_flag(stack_limit, 1)",
    "prolog_load_context(directory, X)",
    "current_op(_, xfx, is), op(200, xfx, is)",
    "set_stream(user_error, alias(user_output))",
    "garbage_collect_atoms",
    "set_prolog_stack(global, limit(1000))",
    "open_shared_object('{secret}', X)",
    "load_foreign_library('{secret}')",
    "tcp_socket(X)",
    "http_open('http://localhost', X, [])",
    # facts, rules and other modules
    "assertz(facts:ht_link(7, 8))",
    "asserta(ht_link(7, 8))",
    "retractall(facts:ht_link(_, _))",
    "retract(facts:ht_link(0, 1))",
    "abolish(facts:ht_link/2)",
    "store:forget_machine",
    "store:load_facts(user, [ht_link(7, 8)])",
    "placement:release(1)",
    "policy:use_policy(near)",
    "bridge:cross(\"true\", \"\", 1, 1, \"user\", 0, _)",
    "assertz((user:message_hook(_, _, _) :- fail))",
    "assertz(sandbox:safe_primitive(system:shell(_)))",
    "dynamic(facts:ht_link/2)",
    "nb_setval(x, 1)",
    "b_setval(x, 1)",
    "flag(store_generation, _, 0)",
    "@(assertz(ht_link(7, 8)), facts)",
    "set_module(facts:base(user))",
    "add_import_module(facts, user, start)",
    "clause(sandbox:safe_goal(_), X), call(X)",
    # goals made at run time
    "G =.. [shell, 'touch {file}'], call(G)",
    "atom_to_term('shell(''touch {file}'')', G, _), call(G)",
    "term_to_atom(G, 'halt'), call(G)",
    "maplist(shell, ['touch {file}'])",
    "findall(_, shell('touch {file}'), _)",
    "forall(true, halt)",
    "\\+ \\+ shell('touch {file}')",
    "foldl([X, _, _]>>shell(X), ['touch {file}'], 0, _)",
    "format('~@', [shell('touch {file}')])",
    "print_message(error, format('~@', [halt]))",
    "call_cleanup(true, shell('touch {file}'))",
    "freeze(X, shell('touch {file}')), X = 1",
    "when(ground(X), halt), X = 1",
    "string_code(1, \"a\", X), char_conversion(X, X)",
    "prolog_cut_to(0)",
    "apply(shell, ['touch {file}'])",
    "thread_send_message(main, x)",
    "py_call(os:system(touch), X)",
]


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    secret = tmp_path / "secret.pl"
    secret.write_text("secret(1).\n")
    return {"file": tmp_path / "escaped", "secret": secret}


def assert_whole(kb: KnowledgeBase, places: dict[str, Path], links: object) -> None:
    assert not places["file"].exists()
    assert places["secret"].read_text() == "secret(1).\n"
    assert kb.facts("ht_link") == links
    assert kb.once("distance(0, 12, D), X is 1 + 1") == {"D": 558, "X": 2}
    assert kb.ask("secret(_)", limit=1).answers == [] if kb.once("current_predicate(secret/1)") else True


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_goal_does_not_escape(load: Load, places: dict[str, Path], escape: str) -> None:
    kb = load("amd-4x4")
    links = kb.facts("ht_link")
    with pytest.raises(SkbError):
        kb.ask(escape.format(**places), limit=1)
    with pytest.raises(SkbError):
        kb.explain(escape.format(**places))
    assert_whole(kb, places, links)


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_rule_does_not_escape(load: Load, places: dict[str, Path], tmp_path: Path, escape: str) -> None:
    kb = load("amd-4x4")
    links = kb.facts("ht_link")
    rules = tmp_path / "escaping.pl"
    rules.write_text(f"escaping(yes) :- {escape.format(**places)}.\n")
    with pytest.raises(SkbError):
        kb.consult(rules)
    assert kb.once("current_predicate(skb:escaping/1)") is None
    assert_whole(kb, places, links)


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_policy_does_not_escape(load: Load, places: dict[str, Path], tmp_path: Path, escape: str) -> None:
    kb = load("amd-4x4")
    links = kb.facts("ht_link")
    controller = PlacementController(kb)
    policy = tmp_path / "escaping.pl"
    policy.write_text(f':- policy(escaping, "out").\ncost(_, Core, Core) :- {escape.format(**places)}.\n')
    with pytest.raises((SkbError, PlacementError)):
        controller.load(policy)
    assert "escaping" not in {each.name for each in controller.policies()}
    assert_whole(kb, places, links)


@pytest.mark.parametrize(
    "text",
    [
        ":- shell('touch {file}').",
        ":- initialization(shell('touch {file}')).",
        ":- use_module(library(process)).",
        ":- dynamic facts:ht_link/2.",
        ":- multifile user:message_hook/3.",
        ":- set_prolog_flag(double_quotes, codes).",
        ":- op(700, xfx, is).",
        ":- module(facts, []).",
        ":- if(shell('touch {file}')).\n:- endif.",
        "term_expansion(a, b) :- shell('touch {file}').\na.",
        "goal_expansion(a, shell('touch {file}')).\nb :- a.",
        "user:portray(_) :- shell('touch {file}').",
        "facts:ht_link(7, 8).",
        "sandbox:safe_primitive(system:shell(_)).",
        "core(99).",
        "prolog_load_file(_, _) :- shell('touch {file}').\n:- load_files(x).",
        "b --> {{ shell('touch {file}') }}.",
    ],
)
def test_a_file_does_nothing_as_it_is_read(load: Load, places: dict[str, Path], tmp_path: Path, text: str) -> None:
    kb = load("amd-4x4")
    links = kb.facts("ht_link")
    rules = tmp_path / "reading.pl"
    rules.write_text(text.format(**places) + "\n")
    with pytest.raises(SkbError):
        kb.consult(rules)
    assert_whole(kb, places, links)
