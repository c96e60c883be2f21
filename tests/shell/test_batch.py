"""Batch files: lines, words, quotes and variables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shell import batch
from shell.errors import ShellError


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_words_read_back_what_quoted_wrote(words: list[str]) -> None:
    assert batch.words(" ".join(map(batch.quoted, words)), {}) == words


@given(st.text())
def test_no_text_at_all_crashes_the_reader(text: str) -> None:
    try:
        for line in batch.lines(text):
            batch.words(batch.split_command(line.text)[1], {})
    except ShellError:
        pass


def test_lines_are_joined_counted_and_stripped_of_comments() -> None:
    text = "#!/usr/bin/env pilotfish\n\nspawn \\\n  barrier # gang\r\n- kill 7\n  # done\n?- core(X)."
    assert [(line.number, line.text, line.may_fail) for line in batch.lines(text)] == [
        (3, "spawn    barrier # gang", False),
        (5, "kill 7", True),
        (7, "?- core(X).", False),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b", ["a", "b"]),
        ("'a b' \"c d\"", ["a b", "c d"]),
        ("a # b", ["a"]),
        ("a#b", ["a#b"]),
        ("'# no comment'", ["# no comment"]),
        ("$N x${N}y '$N' \"$N\"", ["8", "x8y", "$N", "8"]),
        ("$1 of $#", ["one", "of", "1"]),
        (r'"a \" b"', ['a " b']),
        (r'"\$N is $N" "\\$N"', ["$N is 8", "\\8"]),
        ("''", [""]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert batch.words(text, {"N": "8", "1": "one", "#": "1"}) == words


@pytest.mark.parametrize(
    ("text", "message"),
    [("'open", "quote ' at character 1 is not closed"), ("$NONE", "NONE is not set"), ("$2", "argument 2 was not")],
)
def test_bad_words_are_told_in_words(text: str, message: str) -> None:
    with pytest.raises(ShellError, match=message):
        batch.words(text, {})


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("'shares_cache(0,X,3)'", "shares_cache(0,X,3)"),
        ('"p(X)"', "p(X)"),
        ("p('a b', \"c\")", "p('a b', \"c\")"),
        ("'a' = 'b'", "'a' = 'b'"),
        ("distance(0, $N, D)", "distance(0, 8, D)"),
        ("X = $UNSET", "X = $UNSET"),
        ("core(X) # all of them", "core(X)"),
        ("'core(X)' # all of them", "core(X)"),
        ("# nothing", ""),
        ("X #= 3", "X #= 3"),
        ("X = ' # ', Y = \"#\" # c", "X = ' # ', Y = \"#\""),
        ("X = 0'', Y = 0'\\' # c", "X = 0'', Y = 0'\\'"),
    ],
)
def test_a_raw_command_keeps_the_quotes_of_prolog(text: str, raw: str) -> None:
    assert batch.raw_text(text, {"N": "8"}) == raw


def test_a_line_is_there_as_soon_as_it_has_come() -> None:
    coming = iter(["echo one\n", "echo two \\\n", "three\n", "never asked for\n"])
    found = batch.lines(coming)
    assert [next(found), next(found)] == [batch.Line(1, "echo one", False), batch.Line(2, "echo two  three", False)]
    assert list(coming) == ["never asked for\n"]


def test_what_a_continuation_leaves_open_ends_with_the_file() -> None:
    assert list(batch.lines("- kill 7 \\")) == [batch.Line(1, "kill 7", True)]
    assert list(batch.lines("\\\n\\")) == []


def test_a_query_needs_no_blank_after_its_sign() -> None:
    assert batch.split_command("?-core(X).") == ("?-", "core(X).")
    assert batch.split_command("spawn  -n 3 barrier") == ("spawn", "-n 3 barrier")
    assert batch.split_command("spawn\t-n 3 barrier") == ("spawn", "-n 3 barrier")
