"""Tables as plain text, and what of a user's data may reach a terminal."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shell.output import Printer, Result, Table, plain_table, printable

ANY = st.text(st.characters())
CELL = st.text(st.sampled_from("aé|漢字ﾊ \x1b\n\t'0"), max_size=6)


def columns(text: str) -> int:
    """An independent count of a terminal's columns: prompt_toolkit's."""
    wcwidth = pytest.importorskip("wcwidth")
    return int(wcwidth.wcswidth(text))


@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=5))
def test_columns_begin_under_their_headings(rows: list[tuple[str, str, str]]) -> None:
    marked = [(a, b, f"{c}|") for a, b, c in rows]
    lines = plain_table(Table(("one", "two", "three"), marked, frozenset({"two"}))).splitlines()
    assert len(lines) == len(rows) + 1, "a row is a line, whatever is in it"
    widths = [max(columns(printable(row[i], "")) for row in [("one", "two", "three"), *rows]) for i in (0, 1)]
    for line, row in zip(lines[1:], rows, strict=True):
        third = printable(row[2] + "|", "")
        before = line[: len(line) - len(third)]
        assert line.endswith(third)
        assert columns(before) == widths[0] + 2 + widths[1] + 2


@given(ANY)
def test_no_control_character_reaches_the_terminal(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(char) for char in shown if char not in "\n\t"} & {"Cc", "Cs"}
    assert printable(shown) == shown
    if all(unicodedata.category(char) not in ("Cc", "Cs") for char in text):
        assert shown == text


def test_results_go_to_output_and_remarks_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    Printer().result("skb", Result([1], ["said\n", Table(("X",), [("1",)])], "there is more"))
    assert capsys.readouterr() == ("said\nX\n1\n", "there is more\n")
    Printer(as_json=True).result("skb", Result([1], "said", "there is more"))
    assert capsys.readouterr().out == '{"command": "skb", "ok": true, "result": [1]}\n'


def test_an_error_is_one_line_whatever_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    Printer().error("skb", "a.fish:3", "two\nlines\x1b[2J")
    assert capsys.readouterr() == ("", "a.fish:3: skb: two lines\\x1b[2J\n")
    Printer(as_json=True).error("skb", "a.fish:3", "wrong")
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"command": "skb", "ok": False, "error": "wrong", "where": "a.fish:3"}
    assert captured.err == "a.fish:3: skb: wrong\n"


def test_a_terminal_that_wants_no_colour_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Printer().fancy
    assert not Printer(no_color=True).fancy
    assert not Printer(as_json=True).fancy
    monkeypatch.setenv("TERM", "dumb")
    assert not Printer().fancy
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Printer().fancy
