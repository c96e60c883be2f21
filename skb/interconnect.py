"""Which packages are linked: the shapes of interconnects, and the hops between packages over any links.

A machine's description (generate.py) names its links one by one, as a board has them, or a shape and lets `links`
lay them. Packages are numbered along the rows of a mesh, from 0 in the corner.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

Link = tuple[int, int]

MOST_FULL = 128
"""Packages that are all linked to each other: 8,128 links. Of more a machine would be links and little else."""


class InterconnectError(ValueError):
    """An interconnect that so many packages cannot have, or links that leave a package out; one line."""


def columns_and_rows(packages: int) -> tuple[int, int]:
    """The mesh of so many packages that is nearest to a square, no fewer columns than rows (12: 4 by 3)."""
    rows = next(each for each in range(math.isqrt(packages), 0, -1) if packages % each == 0)
    return packages // rows, rows


def _ring(packages: int) -> Iterator[Link]:
    return ((each, (each + 1) % packages) for each in range(packages))


def _mesh(packages: int) -> Iterator[Link]:
    """Each to its neighbours in row and column."""
    columns, _ = columns_and_rows(packages)
    for each in range(packages):
        if (each + 1) % columns:
            yield each, each + 1
        if each + columns < packages:
            yield each, each + columns


def _torus(packages: int) -> Iterator[Link]:
    """A mesh whose rows and columns are rings."""
    columns, rows = columns_and_rows(packages)
    for each in range(packages):
        row, column = divmod(each, columns)
        yield each, row * columns + (column + 1) % columns
        yield each, (row + 1) % rows * columns + column


def _square(packages: int) -> Iterator[Link]:
    """A mesh of as many columns as rows; of four packages the square of the dissertation's 4x4-core board (2.3.1)."""
    side = math.isqrt(packages)
    if side * side != packages:
        raise InterconnectError(
            f"a square has 1, 4, 9, 16, ... packages, not {packages}; "
            f"{side * side} and {(side + 1) ** 2} are the nearest"
        )
    return _mesh(packages)


def _hypercube(packages: int) -> Iterator[Link]:
    """Packages are linked whose numbers differ in one bit."""
    if packages & (packages - 1):
        below = 1 << packages.bit_length() - 1
        raise InterconnectError(
            f"a hypercube has 1, 2, 4, 8, ... packages, not {packages}; {below} and {2 * below} are the nearest"
        )
    return ((each, each | 1 << bit) for bit in range(packages.bit_length() - 1) for each in range(packages)
            if not each >> bit & 1)  # fmt: skip


def _full(packages: int) -> Iterator[Link]:
    if packages > MOST_FULL:
        raise InterconnectError(
            f"a full interconnect of {packages} packages has {packages * (packages - 1) // 2:,} links; "
            f"{MOST_FULL} packages at most"
        )
    return ((one, other) for one in range(packages) for other in range(one + 1, packages))


_SHAPES = {
    "ring": _ring, "mesh": _mesh, "torus": _torus, "square": _square, "hypercube": _hypercube, "full": _full,
}  # fmt: skip
SHAPES = tuple(_SHAPES)
"""The shapes by name."""


def links(shape: str, packages: int) -> list[Link]:
    """The links of that shape between so many packages, each once, lower package first, ascending.

    InterconnectError where there is no such shape, or so many packages cannot have it.
    """
    if shape not in _SHAPES:
        raise InterconnectError(f"no interconnect '{shape}'; there are {', '.join(SHAPES)}")
    laid = _SHAPES[shape](packages)
    return sorted({(min(link), max(link)) for link in laid if link[0] != link[1]})


def package_hops(packages: int, linked: Iterable[Sequence[int]]) -> list[list[int]]:
    """Hops between packages over the links, the fewest: `[from][to]`; InterconnectError where there is no way."""
    near = _near(packages, linked)
    return [_hops_from(start, near) for start in range(packages)]


def hops_from(package: int, packages: int, linked: Iterable[Sequence[int]]) -> list[int]:
    """A row of `package_hops`."""
    return _hops_from(package, _near(packages, linked))


def _near(packages: int, linked: Iterable[Sequence[int]]) -> dict[int, list[int]]:
    near: dict[int, list[int]] = {package: [] for package in range(packages)}
    for one, other in linked:
        if not (0 <= one < packages and 0 <= other < packages):
            raise InterconnectError(f"interconnect.links: {one}-{other} leads outside packages 0-{packages - 1}")
        near[one].append(other)
        near[other].append(one)
    return near


def _hops_from(start: int, near: dict[int, list[int]]) -> list[int]:
    found = {start: 0}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for there in near[here]:
            if there not in found:
                found[there] = found[here] + 1
                queue.append(there)
    if len(found) < len(near):
        missing = min(set(near) - set(found))
        raise InterconnectError(f"interconnect.links: no way from package {start} to package {missing}")
    return [found[package] for package in range(len(near))]
