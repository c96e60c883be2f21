"""The text picture of a schedule, as exact examples."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.trace import Slice
from shell import pictures


def test_each_row_is_a_core_and_each_letter_a_domain() -> None:
    ms = 10**9
    pieces = [(0, 0, 5, 1), (0, 5, 10, 2), (1, 2, 4, 2), (1, 9, 10, 0)]
    slices = [Slice(core, start * ms, end * ms, domain) for core, start, end, domain in pieces]
    picture = pictures.schedule(slices, (0, 1), 0, 10 * ms, {1: "barrier", 2: "cpu_bound", 0: "monitor"}, 28)
    assert picture == (
        "       |0 ms\n"
        "core 0 bbbbbbbbbbcccccccccc\n"
        "core 1 ....cccc..........mm\n"
        "       b barrier  c cpu_bound  m monitor  . idle  a column is 500.000 us\n"
    )


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "axis"),
    [
        (1600, 2000, "|1600 ms          |1700 ms          |1800 ms          |1900 ms"),
        (1650, 2050, "         |1700 ms          |1800 ms          |1900 ms          |2000 ms"),
        (0, 3600000, "|0 s                |1000 s             |2000 s             |3000 s"),
    ],
)
def test_the_axis_marks_round_instants(from_ms: int, to_ms: int, axis: str) -> None:
    assert pictures.schedule([], (0,), from_ms * 10**9, to_ms * 10**9, {}, 80).splitlines()[0] == "       " + axis


@given(st.integers(0, 10**15), st.integers(1, 10**15), st.integers(40, 300))
def test_the_axis_is_true_to_its_columns(start: int, span: int, width: int) -> None:
    columns = width - 8
    axis = pictures.schedule([], (0,), start, start + span, {}, width).splitlines()[0][7:]
    assert len(axis) <= columns
    units = {"ps": 1, "ns": 10**3, "us": 10**6, "ms": 10**9, "s": 10**12}
    for tick in re.finditer(r"\|(\d+) (\w+)", axis):
        instant = int(tick[1]) * units[tick[2]] - start
        assert span * (tick.start() - 1) < instant * columns <= span * tick.start(), "the first column not before it"


def test_domains_with_one_initial_get_letters_of_their_own() -> None:
    assert pictures.letters({1: "barrier", 2: "barrier.2", 3: "box"}) == {1: "b", 2: "B", 3: "a"}


@given(
    st.lists(st.tuples(st.integers(1, 1000), st.sampled_from([None, 1, 2])), min_size=1, max_size=50),
    st.integers(20, 200),
)
def test_every_column_shows_who_had_most_of_it(pieces: list[tuple[int, int | None]], width: int) -> None:
    slices, at = [], 0
    for length, domain in pieces:
        if domain is not None:
            slices.append(Slice(0, at, at + length, domain))
        at += length
    row = pictures.schedule(slices, (0,), 0, at, {1: "a", 2: "b"}, width).splitlines()[1]
    cells = row.removeprefix("core 0 ")
    assert len(cells) == width - 8
    for column, cell in enumerate(cells):
        start, end = at * column / len(cells), at * (column + 1) / len(cells)
        spent = {"a": 0.0, "b": 0.0}
        for piece in slices:
            spent["ab"[piece.domain - 1]] += max(0.0, min(end, piece.end_ps) - max(start, piece.start_ps))
        spent["."] = end - start - sum(spent.values())
        assert spent[cell] >= max(spent.values()) - 2, "within rounding, nobody had more"
