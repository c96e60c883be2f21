"""The text picture of a schedule, as exact examples."""

from hypothesis import given
from hypothesis import strategies as st

from kernel.trace import Slice
from shell import pictures


def test_each_row_is_a_core_and_each_letter_a_domain() -> None:
    ms = 10**9
    slices = [Slice(0, 0, 5 * ms, 1), Slice(0, 5 * ms, 10 * ms, 2), Slice(1, 2 * ms, 4 * ms, 2), Slice(1, 9 * ms, 10 * ms, 0)]
    picture = pictures.schedule(slices, (0, 1), 0, 10 * ms, {1: "barrier", 2: "cpu_bound", 0: "monitor"}, 18)
    assert picture == (
        "       0 s 10.000 ms\n"
        "core 0 bbbbbccccc\n"
        "core 1 ..cc.....m\n"
        "       b barrier  c cpu_bound  m monitor  . idle\n"
    )


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
