"""What the prompt offers: the kind that may come next, and the things of that kind there are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

import shell.commands  # noqa: F401 - registers the commands
from shell.completion import CommandCompleter
from shell.registry import first_words

SESSION: Any = SimpleNamespace(  # as much of a session as completion looks at
    environment={"NODES": "4"},
    kb=SimpleNamespace(predicates=lambda: [
        SimpleNamespace(name="core", arguments=("core",)),
        SimpleNamespace(name="core_type", arguments=("core", "type")),
    ]),
    kernel=SimpleNamespace(
        drivers=range(4),
        domains=lambda: [SimpleNamespace(name="barrier", state="running"), SimpleNamespace(name="db", state="ended")],
        controller=SimpleNamespace(policies=lambda: [SimpleNamespace(name="near", description="one package")]),
    ),
)


def offered(text: str) -> list[str]:
    """The lines that Tab after `text` offers."""
    completer = CommandCompleter(SESSION)
    found = completer.get_completions(Document(text), CompleteEvent())
    return [text[: len(text) + c.start_position] + c.text for c in found]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("spa", ["spawn"]),
        ("- spa", ["- spawn"]),
        ("nosuch ", []),
        ("help spa", ["help spawn"]),
        ("spawn -", ["spawn -n", "spawn -c", "spawn -m", "spawn --name"]),
        ("spawn -n 4 cpu", ["spawn -n 4 cpu_bound"]),
        ("spawn -c 0-", ["spawn -c 0-0", "spawn -c 0-1", "spawn -c 0-2", "spawn -c 0-3"]),
        ("spawn -c 0,3", ["spawn -c 0,3"]),
        ("oncore 3 barr", ["oncore 3 barrier"]),
        ("kill ", ["kill barrier", "kill db"]),
        ("policy l", ["policy list", "policy load"]),
        ("policy use ", ["policy use near"]),
        ("machine show amd-4", ["machine show amd-4x4"]),
        ("facts core_", ["facts core_type"]),
        ("printenv ", ["printenv NODES"]),
        ("skb core(X), co", ["skb core(X), core", "skb core(X), core_type"]),
        ("skb 'core_", ["skb 'core_type"]),
        ("skb --l", ["skb --limit"]),
        ("?- core_", ["?- core_type"]),
        ("?-core_", ["?-core_type"]),
    ],
)
def test_what_may_come_next_is_offered(text: str, lines: list[str]) -> None:
    assert offered(text) == lines


def test_an_empty_line_offers_every_command() -> None:
    assert offered("") == list(first_words())


def test_files_are_offered_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "deep.fish").touch()
    (tmp_path / "super.fish").touch()
    monkeypatch.chdir(tmp_path)
    assert offered("src su") == ["src sub/", "src super.fish"]
    assert offered("src sub/") == ["src sub/deep.fish"]
    assert offered("src nowhere/") == []
