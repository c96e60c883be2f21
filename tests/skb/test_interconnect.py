"""Shapes of interconnects: their links, and hops that formulas know."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skb.interconnect import MOST_FULL, InterconnectError, columns_and_rows, links, package_hops


def hops_by_formula(shape: str, packages: int, one: int, other: int) -> int:
    """What books say that two packages are apart; links are not asked."""
    columns, rows = columns_and_rows(packages)
    row, column = (abs(a - b) for a, b in zip(divmod(one, columns), divmod(other, columns), strict=True))
    around = (min(column, columns - column), min(row, rows - row))
    return {
        "ring": min(abs(one - other), packages - abs(one - other)), "mesh": row + column, "square": row + column,
        "torus": sum(around), "hypercube": (one ^ other).bit_count(), "full": int(one != other),
    }[shape]  # fmt: skip


SIZES = {
    "ring": st.integers(1, 40), "mesh": st.integers(1, 40), "torus": st.integers(1, 40),
    "square": st.integers(1, 6).map(lambda side: side * side), "hypercube": st.integers(0, 5).map(lambda d: 1 << d),
    "full": st.integers(1, 12),
}  # fmt: skip


@pytest.mark.parametrize("shape", SIZES)
def test_hops_are_what_the_shape_s_formula_says(shape: str) -> None:
    @given(packages=SIZES[shape])
    def check(packages: int) -> None:
        laid = links(shape, packages)
        assert laid == sorted(set(laid))
        assert all(0 <= one < other < packages for one, other in laid)
        assert package_hops(packages, laid) == [
            [hops_by_formula(shape, packages, one, other) for other in range(packages)] for one in range(packages)
        ]

    check()


@pytest.mark.parametrize(
    ("shape", "packages", "count"),
    [("ring", 8, 8), ("ring", 2, 1), ("mesh", 12, 17), ("torus", 12, 24), ("torus", 16, 32), ("torus", 4, 4),
     ("square", 9, 12), ("hypercube", 16, 32), ("full", 8, 28), ("ring", 1, 0), ("full", MOST_FULL, 8128)],
)  # fmt: skip
def test_a_shape_has_so_many_links(shape: str, packages: int, count: int) -> None:
    assert len(links(shape, packages)) == count


def test_packages_of_a_torus_and_a_hypercube_have_equally_many_links() -> None:
    for shape, packages, degree in (("torus", 24, 4), ("hypercube", 32, 5), ("ring", 7, 2)):
        ends = Counter(package for link in links(shape, packages) for package in link)
        assert ends == dict.fromkeys(range(packages), degree)


def test_the_square_of_four_is_the_dissertation_s_board() -> None:
    """§2.3.1: 0-1, 1-3, 3-2, 2-0."""
    assert links("square", 4) == [(0, 1), (0, 2), (1, 3), (2, 3)]


def test_a_mesh_is_as_near_to_a_square_as_its_packages_allow() -> None:
    assert [columns_and_rows(n) for n in (1, 2, 7, 12, 16, 24, 4096)] == [
        (1, 1), (2, 1), (7, 1), (4, 3), (4, 4), (6, 4), (64, 64),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "packages", "message"),
    [
        ("hypercube", 6, r"1, 2, 4, 8, \.\.\. packages, not 6; 4 and 8 are the nearest"),
        ("square", 8, r"1, 4, 9, 16, \.\.\. packages, not 8; 4 and 9 are the nearest"),
        ("full", MOST_FULL + 1, "8,256 links; 128 packages at most"),
        ("star", 4, "no interconnect 'star'; there are ring, mesh, torus, square, hypercube, full"),
    ],
)
def test_a_shape_that_so_many_packages_cannot_have_is_refused(shape: str, packages: int, message: str) -> None:
    with pytest.raises(InterconnectError, match=message):
        links(shape, packages)


def test_links_that_leave_a_package_out_are_refused() -> None:
    assert package_hops(4, [[0, 1], [1, 3], [3, 2], [2, 0]])[0] == [0, 1, 1, 2]
    with pytest.raises(InterconnectError, match="no way from package 0 to package 2"):
        package_hops(3, [[0, 1]])
    with pytest.raises(InterconnectError, match="leads outside"):
        package_hops(2, [[0, 2]])
