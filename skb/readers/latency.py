"""The latency reader: a measured core-to-core matrix becomes `core_latency(From, To, Value, Unit)` facts.

A matrix is square or a triangle (the other half is its mirror image), comma-, semicolon-, tab- or
blank-separated, with or without a header row and row names (`core 3`, `cpu3`, `3`: the operating system's
CPU numbers; 0.. in their order without). A line or a line's end that starts with `#` is a comment;
`# unit: cycles` gives the unit. What the program core-to-core-latency writes with `--csv` (lower triangle,
ns, one way: half a round trip; no header) is read as it comes. Its printed table is not: it is rounded to
whole nanoseconds, and only a part of what it printed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from skb.facts import Fact, Term
from skb.readers import DumpError

LARGEST_CORES = 4096
"""The most cores that a matrix may have: the largest machine that `machine generate` makes."""

LARGEST_BYTES = 25 * LARGEST_CORES**2
"""The longest shortest form of a float has 24 characters, and every field a separator."""

_LABEL = re.compile(r"(?:(core|cpu|pu|thread|p|c)\s*[-_#.:]?\s*)?#?([0-9]{1,9})", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.IGNORECASE)
_NOT_MEASURED = frozenset(("", "-", "nan", "na", "n/a"))
_COMMENT = re.compile(r"(?:^|\s)#(.*)")
_UNIT = re.compile(r"\bunits?\b\s*[:=]?\s*(?:is\s+|are\s+)?([^\s,;]+)", re.IGNORECASE)
_UNIT_IN_CORNER = re.compile(r"\b(ns|nanoseconds?|cycles?)\b", re.IGNORECASE)
_UNITS = {
    "ns": "ns", "nanosecond": "ns", "nanoseconds": "ns",
    "cycle": "cycles", "cycles": "cycles", "clocks": "cycles", "tsc": "cycles",
}  # fmt: skip

_Row = tuple[int, list[str]]  # line number, fields


def recognises(data: bytes) -> bool:
    """Whether the file looks like a latency matrix: its first lines are numbers, blanks and core names."""
    head = data[: 1 << 16]
    if b"\0" in head:
        return False
    text = head.decode("utf-8", "replace")
    whole = text if len(data) <= len(head) else text[: text.rfind("\n") + 1]
    try:
        rows, _ = _rows(whole, "", None)
    except DumpError:
        return False
    body = [cell for _, cells in rows[1:8] or rows for cell in cells[1:]]
    return bool(body) and all(_is_value(cell) or cell.lower() in _NOT_MEASURED for cell in body)


def read(data: bytes, name: str, unit: str | None = None) -> list[Fact]:
    """`core_latency(From, To, Value, Unit)` for every pair of cores of the matrix, in both directions.

    `unit` (`ns` or `cycles`) holds where the file itself says none; without either it is `ns`. A pair
    whose field is blank takes its mirror image; a pair blank both ways was not measured and gives no
    fact. Raises DumpError (`name`:line:column) for a field that is no latency, for names that repeat or
    differ between header and rows, and for a matrix that is not square.
    """
    if unit is not None and unit not in ("ns", "cycles"):
        raise DumpError(name, f"unit '{unit}': a latency is in ns or cycles")
    if len(data) > LARGEST_BYTES:
        raise DumpError(name, f"{len(data)} bytes: longer than a matrix of {LARGEST_CORES} cores can be")
    rows, stated = _rows(_text(data, name), name, unit)
    if not rows:
        raise DumpError(f"{name}:1", "no latencies: the file has no line with a field")
    width = max(len(cells) for _, cells in rows)
    if max(len(rows), width) > LARGEST_CORES + 2:
        raise DumpError(
            f"{name}:1", f"{len(rows)} rows, {width} columns: at most {LARGEST_CORES} cores are read"
        )
    _refuse_prose(rows[0], name)
    _refuse_broken_rows(rows, name)
    cores, body, stated = _matrix(rows, name, stated)
    matrix = [_values(line, cells, width - len(cores) + 1, name) for line, cells in body]
    facts = []
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            if value is None:
                value = matrix[j][i]
            if value is not None:
                facts.append(Fact("core_latency", (cores[i], cores[j], value, stated)))
    if not facts:
        raise DumpError(f"{name}:{rows[0][0]}", "no latencies: every field is blank")
    return facts


def _text(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DumpError(f"{name}:{line}", "not a latency matrix: not UTF-8 text") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DumpError(f"{name}:{line}", "not a latency matrix: a zero byte")
    return text


def _rows(text: str, name: str, unit: str | None) -> tuple[list[_Row], str]:
    """The lines that have fields, stripped, and the unit that a comment gives (else `unit`, else ns)."""
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        comment = _COMMENT.search(line)
        if comment:
            said = _UNIT.search(comment[1])
            if said:
                unit = _UNITS.get(said[1].strip("()[].\"'").lower())
                if unit is None:
                    raise DumpError(f"{name}:{number}", f"unit {said[1]!r}: a latency is in ns or cycles")
            line = line[: comment.start()]
        if line.strip():
            lines.append((number, line))
    # A semicolon parts the fields where commas are decimal points.
    separator = next((mark for mark in ";,\t" if any(mark in line for _, line in lines)), None)
    rows = []
    for number, line in lines:
        cells = [cell.strip().strip("\"'").strip() for cell in line.split(separator)]
        rows.append((number, [c.replace(",", ".") for c in cells] if separator == ";" else cells))
    return rows, unit or "ns"


def _is_value(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None


def _is_blank(cell: str) -> bool:
    return cell.lower() in _NOT_MEASURED


def _is_word(cell: str) -> bool:
    return not _is_value(cell) and not _is_blank(cell)


def _labels(cells: Sequence[str]) -> list[int] | None:
    """The distinct core numbers that the cells name; None where they do not. Bare numbers must ascend."""
    found = [_LABEL.fullmatch(cell) for cell in cells]
    numbers = [int(match[2]) for match in found if match]
    if not numbers or len(set(numbers)) < len(cells):
        return None
    return numbers if any(map(_is_word, cells)) or numbers == sorted(numbers) else None


def _matrix(rows: list[_Row], name: str, unit: str) -> tuple[list[int], list[_Row], str]:
    """Core numbers, the rows of the matrix without header and names, each as wide as there are cores."""
    width = max(len(cells) for _, cells in rows)
    for columns in (width, width - 1):  # a comma at the end of each line makes a column of nothing
        if columns < width and any(cells[columns:] not in ([], [""]) for _, cells in rows):
            break
        padded = [(line, (cells + [""] * columns)[:columns]) for line, cells in rows]
        corner = padded[0][1][0] if columns else ""
        for split in (_with_header_and_names, _with_header, _with_names, _bare):
            found = split(padded)
            if found is not None:
                said = _UNIT_IN_CORNER.search(corner) if split is _with_header_and_names else None
                if split is _bare:
                    _refuse_names(rows, name)
                    _refuse_open_triangle(rows, name)
                return *found, _UNITS[said[1].lower()] if said else unit
    raise DumpError(
        f"{name}:{rows[0][0]}",
        f"not a latency matrix: {len(rows)} rows, {width} columns, and no names that make it square",
    )


_Split = tuple[list[int], list[_Row]]


def _with_header_and_names(rows: list[_Row]) -> _Split | None:
    head, body = rows[0][1], rows[1:]
    if len(head) == len(rows) and body:
        cores, named = _labels(head[1:]), _labels([cells[0] for _, cells in body])
        if cores is None and not head[-1]:  # the header has no corner
            cores = _labels(head[:-1])
        if cores is not None and cores == named:
            inner = [(line, cells[1:]) for line, cells in body]
            # Without a word, a row and a column of ascending numbers may be latencies; they are names where
            # they start at 0, or where only the corner of the diagonal is blank.
            worded = any(map(_is_word, head)) or any(_is_word(cells[0]) for _, cells in body)
            diagonal = any(not _is_blank(cells[n]) for n, (_, cells) in enumerate(inner))
            if worded or (not head[0] and (cores[0] == 0 or diagonal)):
                return cores, inner
    return None


def _with_header(rows: list[_Row]) -> _Split | None:
    head, body = rows[0][1], rows[1:]
    cores = _labels(head) if len(head) == len(body) else None
    return None if cores is None else (cores, body)


def _with_names(rows: list[_Row]) -> _Split | None:
    column = [cells[0] for _, cells in rows]
    cores = _labels(column) if len(rows[0][1]) == len(rows) + 1 else None
    if cores is None:
        return None
    inner = [(line, cells[1:]) for line, cells in rows]
    ends_blank = all(not cells[-1] for _, cells in inner)
    upper = any(any(cells[n + 1 :]) for n, (_, cells) in enumerate(inner))
    if ends_blank and upper and not any(map(_is_word, column)):
        return None  # a square of latencies with a comma at the end of each line
    if not any(map(_is_word, column)) and cores != list(range(cores[0], cores[0] + len(cores))):
        return None  # a square of latencies that lost its last line
    return cores, inner


def _bare(rows: list[_Row]) -> _Split | None:
    return (list(range(len(rows))), rows) if len(rows[0][1]) == len(rows) else None


def _refuse_prose(first: _Row, name: str) -> None:
    line, cells = first
    if len(cells) == 1 and _is_word(cells[0]) and not _LABEL.fullmatch(cells[0]):
        hint = "; run core-to-core-latency with --csv" if cells[0].startswith("Num cores") else ""
        raise DumpError(f"{name}:{line}:1", f"{cells[0][:40]!r} is no latency: not a matrix of numbers{hint}")


def _refuse_names(rows: list[_Row], name: str) -> None:
    for line, cells in rows:
        for column, cell in enumerate(cells, 1):
            match = _LABEL.fullmatch(cell)
            if match and match[1]:
                what = f"{cell!r} names a core twice, or rows and columns name different cores"
                raise DumpError(f"{name}:{line}:{column}", what)


def _refuse_broken_rows(rows: list[_Row], name: str) -> None:
    """Below the first line, which may be a header, rows are of one length or each longer by one."""
    lengths = [len(cells) for _, cells in rows]
    step = lengths[2] - lengths[1] if len(rows) > 2 else 0
    for (line, cells), before in zip(rows[2:], lengths[1:], strict=False):
        if len(cells) - before != step or step not in (0, 1):
            raise DumpError(
                f"{name}:{line}:{len(cells)}",
                f"{len(cells)} fields after a line of {before}; the file breaks off",
            )


def _refuse_open_triangle(rows: list[_Row], name: str) -> None:
    """Rows of 1, 2, .. n bare fields hold the diagonal, or lost their first, empty line: only zeros tell."""
    if len(rows) > 1 and all(len(cells) == n for n, (_, cells) in enumerate(rows, 1)):
        for line, cells in rows:
            if not _is_value(cells[-1]) or float(cells[-1]):
                raise DumpError(
                    f"{name}:{line}:{len(cells)}",
                    "a triangle whose rows end early must end in its diagonal, 0; pad the rows with commas",
                )


def _values(line: int, cells: list[str], first: int, name: str) -> list[Term | None]:
    """One row's latencies; None where it is blank. `first` is the number of the row's first column."""
    values: list[Term | None] = []
    for column, cell in enumerate(cells, first):
        if _is_blank(cell):
            values.append(None)
            continue
        value = float(cell) if _is_value(cell) else math.nan
        if not 0 <= value < math.inf:
            what = "negative" if value < 0 else "no number"
            raise DumpError(f"{name}:{line}:{column}", f"{cell[:40]!r} is no latency: {what}")
        values.append(int(value) if value.is_integer() else value)
    return values
