"""The latency reader: a measured core-to-core matrix becomes `core_latency(From, To, Value, Unit)` facts.

A matrix is square or a triangle (the other half is its mirror image), comma-, semicolon-, tab- or
blank-separated, with or without a header row and row names (`core 3`, `cpu3`, `3`: the operating system's
CPU numbers; 0.. in their order without). A line or a line's end that starts with `#` is a comment, as is a
title above the matrix. Comment, title or the header's corner may give the unit (`# unit: cycles`, `latency
(us)`) and say `round trip`: a fact is one way, so that such values are halved.

Where neither file nor caller gives a unit, values are nanoseconds, one way, as the programs measure them that
write such matrices. core-to-core-latency (Viennot's and KCORES') divides the time of a round trip by two
(its src/bench/cas.rs); with `--csv` it writes the lower triangle, without header. Of several benchmarks in one
file the first counts, the compare-and-swap on one cache line unless `--bench` chose others. c2clat (Rigtorp's)
halves too. What core-to-core-latency prints is no matrix: whole nanoseconds, and only a part of what it
measured; where its CSV stands among it, that is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from skb.facts import Fact, Term
from skb.readers import DumpError

LARGEST_CORES = 4096
"""The most cores that a matrix may have: the largest machine that `machine generate` makes."""

LARGEST_BYTES = 25 * LARGEST_CORES**2
"""The longest shortest form of a float has 24 characters, and every field a separator."""

_LABEL = re.compile(r"(?:(core|cpu|pu|thread|p|e|c)\s*[-_#.:]?\s*)?#?([0-9]{1,9})", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.IGNORECASE)
_NOT_MEASURED = frozenset(("", "-", "--", "x", "*", "nan", "na", "n/a", "none", "null"))
_COMMENT = re.compile(r"(?:^|\s)#(.*)")
_UNITS = {
    "ns": ("ns", 1), "nsec": ("ns", 1), "nanosecond": ("ns", 1), "nanoseconds": ("ns", 1),
    "us": ("ns", 1000), "\u00b5s": ("ns", 1000), "\u03bcs": ("ns", 1000), "usec": ("ns", 1000),
    "microsecond": ("ns", 1000), "microseconds": ("ns", 1000),
    "cycle": ("cycles", 1), "cycles": ("cycles", 1), "clocks": ("cycles", 1), "tsc": ("cycles", 1),
}  # fmt: skip
"""The unit of the facts, and how many of it one is."""

_ANY_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_UNIT_STATED = re.compile(r"\bunits?\b\s*[:=]?\s*(?:is\s+|are\s+)?([^\s,;]+)", re.IGNORECASE)
_UNIT_SAID = re.compile(rf"(?:\bin\s+|[(\[]|^\W*|_)({_ANY_UNIT})(?:[)\],;]|\W*$)", re.IGNORECASE)
_UNIT_IN_CORNER = re.compile(rf"(?<![a-z])({_ANY_UNIT})(?![a-z])", re.IGNORECASE)
_UNIT_OF_VALUE = re.compile(rf"(?<=[0-9])[ ]?({_ANY_UNIT})(?=\W|$)", re.IGNORECASE)
_ROUND_TRIP = re.compile(r"\b(?:round[- ]?trips?|rtt)\b(?![- ]?(?:times?|latency)?\s*/\s*2)", re.IGNORECASE)
_DECORATION = re.compile(r"\x1b\[[0-9;]*m|\s*(?:\u00b1|\+/-)\s*[0-9.]+")
"""Colours, and the standard deviation after a mean."""

_PROGRAM = "Num cores:"
_PROGRAM_CSV = re.compile(r"[-+0-9.e]*(?:,[-+0-9.e]*)+")
_SUMMARY = re.compile(r"(?:min|max|mean|median|average|avg|std)", re.IGNORECASE)
_SPREADSHEET = re.compile(r"sep=[,;\t]")
_LARGEST_STACK = 3
"""core-to-core-latency has so many benchmarks."""

_Row = tuple[int, list[str]]  # line number, fields
_Remark = tuple[int, str]  # line number, a comment, a title or the header's corner


def recognises(data: bytes) -> bool:
    """Whether the file looks like a latency matrix: its first lines are numbers, blanks and core names.

    Only the corner, where the unit may stand, may hold anything else; JSON and XML are none.
    """
    head = data[: 1 << 16]
    text = head.decode(_encoding(data), "replace")
    if "\0" in text or text.lstrip().startswith(("{", "[", "<")):
        return False
    whole = text if len(data) <= len(head) else text[: text.rfind("\n") + 1]
    try:
        rows, _ = _rows(whole, "")
    except DumpError:
        return False
    body = [cell for _, cells in rows[1:8] or rows for cell in cells[1:]]
    names = [cell for _, cells in rows[:1] for cell in cells[1:]] + [cells[0] for _, cells in rows[1:8]]
    return (
        bool(body) and all(_is_value(cell) or _is_blank(cell) for cell in body)
        and all(_is_value(cell) or _is_blank(cell) or _LABEL.fullmatch(cell) for cell in names)
        and any(_is_value(cell) for _, cells in rows for cell in cells)
    )


def read(data: bytes, name: str, unit: str | None = None) -> list[Fact]:
    """`core_latency(From, To, Value, Unit)` for every pair of cores of the matrix, in both directions.

    `unit` (`ns` or `cycles`) holds where the file itself says none; without either it is `ns`. A pair
    whose field is blank takes its mirror image; a pair blank both ways was not measured and gives no
    fact. Raises DumpError (`name`:line:column) for a field that is no latency, for names that repeat or
    differ between header and rows, and for a matrix that is not square. A matrix of one core has no
    latencies, and gives no facts, where the core is named; a lone blank is refused.
    """
    if unit is not None and unit not in ("ns", "cycles"):
        raise DumpError(name, f"unit '{unit}': a latency is in ns or cycles")
    if len(data) > LARGEST_BYTES:
        raise DumpError(name, f"{len(data)} bytes: longer than a matrix of {LARGEST_CORES} cores can be")
    rows, remarks = _rows(_text(data, name), name)
    if not rows:
        raise DumpError(f"{name}:1", "no latencies: the file has no line with a field")
    width = max(len(cells) for _, cells in rows)
    if max(len(rows), width) > LARGEST_CORES + 2:
        raise DumpError(
            f"{name}:1", f"{len(rows)} rows, {width} columns: at most {LARGEST_CORES} cores are read"
        )
    _refuse_prose(rows[0], name)
    rows = _padded_upper(rows)
    _refuse_broken_rows(rows, name)
    cores, body, corner = _matrix(rows, name)
    stated, scale = _measure(remarks, (rows[0][0], corner), unit or "ns", name)
    matrix = [_values(line, cells, width - len(cores) + 1, scale, name) for line, cells in body]
    facts = []
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            if value is None:
                value = matrix[j][i]
            if value is not None:
                facts.append(Fact("core_latency", (cores[i], cores[j], value, stated)))
    if not facts and (len(cores) > 1 or len(rows) == 1):
        raise DumpError(f"{name}:{rows[0][0]}", "no latencies: every field is blank")
    return facts  # none of a lone core that has a name


def _encoding(data: bytes) -> str:
    return "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"  # as spreadsheets export


def _text(data: bytes, name: str) -> str:
    try:
        text = data.decode(_encoding(data))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DumpError(f"{name}:{line}", "not a latency matrix: not UTF-8 text") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DumpError(f"{name}:{line}", "not a latency matrix: a zero byte")
    return text


def _rows(text: str, name: str) -> tuple[list[_Row], list[_Remark]]:
    """The lines that have fields, stripped, and what the file says beside them."""
    lines: list[tuple[int, str]] = []
    remarks: list[_Remark] = []
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        line = _DECORATION.sub("", line) if "\x1b" in line or "\u00b1" in line or "+/-" in line else line
        comment = _COMMENT.search(line)
        if comment:
            remarks.append((number, comment[1]))
            line = line[: comment.start()]
        if line.strip() and not _SPREADSHEET.fullmatch(line.strip()):
            lines.append((number, line))
    printed = [(n, line) for n, line in lines if line.startswith(_PROGRAM)]
    if printed:
        lines = [(n, line) for n, line in lines if _PROGRAM_CSV.fullmatch(line.strip())]
    if printed and not lines:
        number, line = printed[0]
        what = f"{line[:40]!r} is no latency: not a matrix of numbers; run core-to-core-latency with --csv"
        raise DumpError(f"{name}:{number}:1", what)
    separator = _separator(line for _, line in lines)
    if len(lines) > 1 and separator and separator not in lines[0][1] and _is_title(lines[0][1]):
        remarks.append(lines.pop(0))
    rows = []
    for number, line in lines:
        unit = _UNIT_OF_VALUE.search(line)
        if unit:
            remarks.append((number, unit[1]))
            line = _UNIT_OF_VALUE.sub("", line)
        cells = _fields(line, separator)
        rows.append((number, [c.replace(",", ".") for c in cells] if separator == ";" else cells))
    while len(rows) > 2 and _SUMMARY.match(rows[-1][1][0]):
        rows.pop()
    for number, remark in remarks:  # numpy comments its header out
        names = _fields(remark, separator)
        if rows and number < rows[0][0] and len(names) == len(rows[0][1]) > 1 and _labels(names) is not None:
            rows.insert(0, (number, names))
            break
    return rows, remarks


def _separator(lines: Iterable[str]) -> str | None:
    """A semicolon parts the fields where commas are decimal points; None: blanks do."""
    text = "\n".join(lines)
    return next((mark for mark in ";,\t" if mark in text), None)


def _fields(line: str, separator: str | None = None) -> list[str]:
    return [cell.strip().strip("\"'").strip() for cell in line.split(separator)]


def _is_title(line: str) -> bool:
    return _is_word(line.strip()) and not _LABEL.fullmatch(line.strip())


def _measure(remarks: list[_Remark], corner: _Remark, unit: str, name: str) -> tuple[str, float]:
    """The unit of the facts, and what a value of the file is multiplied with: by what the file says of it."""
    found: str | None = None
    for line, remark in remarks:
        stated = _UNIT_STATED.search(remark)
        if stated:
            found = stated[1].strip("()[].\"'").lower()
            if found not in _UNITS:
                raise DumpError(f"{name}:{line}", f"unit {stated[1]!r}: a latency is in ns, us or cycles")
    for pattern, text in [(_UNIT_IN_CORNER, corner[1]), *((_UNIT_SAID, remark) for _, remark in remarks)]:
        said = pattern.search(text)
        if found is None and said:
            found = said[1].lower()
    one_way = 0.5 if any(_ROUND_TRIP.search(remark) for _, remark in (corner, *remarks)) else 1
    stated_unit, scale = _UNITS[found or unit]
    return stated_unit, scale * one_way


def _is_value(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None


def _is_blank(cell: str) -> bool:
    return cell.lower() in _NOT_MEASURED


def _is_word(cell: str) -> bool:
    return not _is_value(cell) and not _is_blank(cell)


def _labels(cells: Sequence[str], *, ascending: bool = True) -> list[int] | None:
    """The distinct core numbers that the cells name; None where they do not. Bare numbers must ascend."""
    found = [_LABEL.fullmatch(cell) for cell in cells]
    numbers = [int(match[2]) for match in found if match]
    if not numbers or len(set(numbers)) < len(cells):
        return None
    return numbers if not ascending or any(map(_is_word, cells)) or numbers == sorted(numbers) else None


def _matrix(rows: list[_Row], name: str) -> tuple[list[int], list[_Row], str]:
    """Core numbers, the rows of the matrix without header and names, and the corner of header and names."""
    width = max(len(cells) for _, cells in rows)
    for columns in (width, width - 1):  # a comma at the end of each line makes a column of nothing
        if columns < width and any(cells[columns:] not in ([], [""]) for _, cells in rows):
            break
        padded = [(line, (cells + [""] * columns)[:columns]) for line, cells in rows]
        for split in (_with_header_and_names, _with_header, _with_names, _bare, _stacked):
            found = split(padded)
            if found is not None:
                if split is _bare:
                    _refuse_names(rows, name)
                    _refuse_open_triangle(rows, name)
                return *found, padded[0][1][0] if split is _with_header_and_names else ""
    raise DumpError(
        f"{name}:{rows[0][0]}",
        f"not a latency matrix: {len(rows)} rows, {width} columns, and no names that make it square",
    )


_Split = tuple[list[int], list[_Row]]


def _with_header_and_names(rows: list[_Row]) -> _Split | None:
    head, body = rows[0][1], rows[1:]
    if len(head) == len(rows) and body:
        cores = _labels(head[1:], ascending=False)
        named = _labels([cells[0] for _, cells in body], ascending=False)
        if cores is None and not head[-1]:  # the header has no corner
            cores = _labels(head[:-1])
        if cores is not None and cores == named:
            inner = [(line, cells[1:]) for line, cells in body]
            # Without a word, a row and a column of ascending numbers may be latencies; they are names where
            # there is a 0, where only the corner of the diagonal is blank, or where the rest is of another
            # kind: not equal both ways as they are, or no whole numbers.
            worded = any(map(_is_word, head)) or any(_is_word(cells[0]) for _, cells in body)
            diagonal = any(not _is_blank(cells[n]) for n, (_, cells) in enumerate(inner))
            other_kind = any(
                cell != inner[j][1][i] or "." in cell
                for i, (_, cells) in enumerate(inner) for j, cell in enumerate(cells)
            )  # fmt: skip
            if worded or (not head[0] and (0 in cores or diagonal or other_kind)):
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
    if not any(map(_is_word, column)) and any(_is_value(c[n]) and float(c[n]) for n, (_, c) in enumerate(inner)):
        return None  # a list of pairs: from, to, latency
    return cores, inner


def _bare(rows: list[_Row]) -> _Split | None:
    return (list(range(len(rows))), rows) if len(rows[0][1]) == len(rows) else None


def _stacked(rows: list[_Row]) -> _Split | None:
    """Several bare matrices below one another, each with its diagonal blank: the first."""
    width = len(rows[0][1])
    if not 1 < width < len(rows) <= _LARGEST_STACK * width or len(rows) % width:
        return None
    diagonals_blank = all(_is_blank(cells[n % width]) for n, (_, cells) in enumerate(rows))
    return _bare(rows[:width]) if diagonals_blank else None


def _padded_upper(rows: list[_Row]) -> list[_Row]:
    """Rows of n, n-1, .. 1 fields that begin with their diagonal, 0 or blank, are padded at their beginning."""
    diagonal = [cells[0] for _, cells in rows]
    if len(rows) < 2 or [len(cells) for _, cells in rows] != list(range(len(rows), 0, -1)):
        return rows
    if not all(_is_blank(cell) or (_is_value(cell) and not float(cell)) for cell in diagonal):
        return rows
    return [(line, [""] * n + cells) for n, (line, cells) in enumerate(rows)]


def _refuse_prose(first: _Row, name: str) -> None:
    line, cells = first
    if len(cells) == 1 and _is_word(cells[0]) and not _LABEL.fullmatch(cells[0]):
        raise DumpError(f"{name}:{line}:1", f"{cells[0][:40]!r} is no latency: not a matrix of numbers")


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


def _values(line: int, cells: list[str], first: int, scale: float, name: str) -> list[Term | None]:
    """One row's latencies; None where it is blank. `first` is the number of the row's first column."""
    values: list[Term | None] = []
    for column, cell in enumerate(cells, first):
        if _is_blank(cell):
            values.append(None)
            continue
        value = float(cell) * scale if _is_value(cell) else math.nan
        if not 0 <= value < math.inf:
            what = "negative" if value < 0 else "no number"
            raise DumpError(f"{name}:{line}:{column}", f"{cell[:40]!r} is no latency: {what}")
        values.append(int(value) if value.is_integer() else value)
    return values
