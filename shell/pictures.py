"""Pictures in text: who ran where and when, one row a core, one letter a domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kernel.clock import format_duration
from kernel.trace import Slice

IDLE = "."
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


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
    legend = "  ".join(
        f"{letter[number]} {names[number]}" for number in sorted(letter, key=lambda n: (n < 1, n))
    )
    return "\n".join([_axis(from_ps, to_ps, columns, label), *rows, f"{'':{label}}{legend}  {IDLE} idle"]) + "\n"


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


def _axis(from_ps: int, to_ps: int, columns: int, label: int) -> str:
    start, end = format_duration(from_ps), format_duration(to_ps)
    return " " * label + start + " " * max(1, columns - len(start) - len(end)) + end
