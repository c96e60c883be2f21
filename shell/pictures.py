"""Pictures in text: who ran where and when (one row a core, one letter a domain), and trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from kernel.clock import PS_PER_MS, PS_PER_NS, PS_PER_S, PS_PER_US, format_duration
from kernel.trace import Slice

IDLE = "."
_TICK_COLUMNS = 12
"""So many columns at least from one tick of the axis to the next: room for `|1234 ms` and some air."""
_UNITS = (("s", PS_PER_S), ("ms", PS_PER_MS), ("us", PS_PER_US), ("ns", PS_PER_NS), ("ps", 1))
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of a tree, a remark on it, and the branches below it."""

    line: str
    remark: str
    branches: Sequence[Branch]


def tree(root: Branch) -> str:
    """The tree, a line a branch, remarks aligned beside them."""
    rows: list[tuple[str, str]] = []

    def draw(branch: Branch, first: str, rest: str) -> None:
        rows.append((first + branch.line, branch.remark))
        for number, each in enumerate(branch.branches, 1):
            last = number == len(branch.branches)
            draw(each, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))

    draw(root, "", "")
    width = max((len(line) for line, remark in rows if remark), default=0)
    return "\n".join(f"{line:{width}}  {remark}".rstrip() for line, remark in rows)


def letters(names: Mapping[int, str]) -> dict[int, str]:
    """A letter for each domain: its initial where that is free, else the next that is."""
    taken: dict[int, str] = {}
    for number, name in sorted(names.items(), key=lambda item: (item[0] < 1, item[0])):
        initial = name[:1].lower()
        wanted = [initial, initial.upper(), *_LETTERS]
        free = (c for c in wanted if c.isalpha() and c.isascii() and c not in taken.values())
        taken[number] = next(free, "?")
    return taken


def schedule(
    slices: Iterable[Slice], cores: Sequence[int], from_ps: int, to_ps: int, names: Mapping[int, str], width: int
) -> str:
    """The picture of [from_ps, to_ps): each column shows who had most of its time on the core.

    `names` are the domains that may occur, by number; the legend lists those that do.
    """
    label = max(len(f"core {core}") for core in cores) + 1
    columns = max(10, width - label - 1)
    ranges: dict[int, list[Slice]] = {core: [] for core in cores}
    for piece in slices:
        ranges[piece.core].append(piece)
    seen = {piece.domain for pieces in ranges.values() for piece in pieces}
    letter = letters({number: name for number, name in names.items() if number in seen})
    rows = []
    for core in cores:
        cells = _cells(ranges[core], from_ps, to_ps, columns)
        rows.append(f"core {core}".ljust(label) + "".join(IDLE if c is None else letter[c] for c in cells))
    column = f"a column is {format_duration((to_ps - from_ps) // columns)}"
    legend = "  ".join(
        f"{letter[number]} {names[number]}" for number in sorted(letter, key=lambda n: (n < 1, n))
    )
    axis = _axis(from_ps, to_ps, columns)
    legend = "  ".join(filter(None, (legend, f"{IDLE} idle", column)))
    return "\n".join([f"{'':{label}}{axis}".rstrip(), *rows, f"{'':{label}}{legend}"]) + "\n"


def _cells(pieces: Sequence[Slice], from_ps: int, to_ps: int, columns: int) -> list[int | None]:
    """For each column the domain that had most of it, None where idleness had."""
    span = to_ps - from_ps
    shares: list[dict[int, int]] = [{} for _ in range(columns)]
    for piece in pieces:
        first = (piece.start_ps - from_ps) * columns // span
        last = min(columns - 1, (piece.end_ps - 1 - from_ps) * columns // span)
        for column in range(first, last + 1):
            start = max(piece.start_ps, from_ps + -(-span * column // columns))
            end = min(piece.end_ps, from_ps + -(-span * (column + 1) // columns))
            shares[column][piece.domain] = shares[column].get(piece.domain, 0) + max(0, end - start)
    cells: list[int | None] = []
    for column, share in enumerate(shares):
        whole = span * (column + 1) // columns - span * column // columns
        most = max(share, key=lambda domain: (share[domain], -domain), default=None)
        idle = whole - sum(share.values())
        cells.append(most if most is not None and share[most] >= idle else None)
    return cells


def _axis(from_ps: int, to_ps: int, columns: int) -> str:
    """Round instants over the columns they fall in: `|0 ms       |100 ms     |200 ms`."""
    span = to_ps - from_ps
    step = next(step for step in _steps() if step * columns >= _TICK_COLUMNS * span)
    name, unit = next((name, unit) for name, unit in _UNITS if step >= unit)
    axis = ""
    for instant in range(-(-from_ps // step) * step, to_ps, step):
        tick = f"|{instant // unit} {name}"
        # The first column that begins at the instant or after it: what is drawn there happened no earlier.
        column = -(-(instant - from_ps) * columns // span)
        if len(axis) <= column <= columns - len(tick):
            axis = axis.ljust(column) + tick
    return axis


def _steps() -> Iterator[int]:
    """1, 2, 5, 10, 20, 50, ... ps."""
    return (digit * 10**power for power in count() for digit in (1, 2, 5))
