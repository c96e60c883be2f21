"""What commands print, and the only place that prints.

A command returns a `Result`: plain data, and how to show it to a person (a table, lines of text, or
nothing). Here it becomes a rich table on a terminal, aligned plain text elsewhere, or one JSON object a
command with `--json`. Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

_PLAIN_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings; columns named in `right` are aligned right (numbers)."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a command: `data` for machines; `show` for people; `remark` for standard error."""

    data: Any = None
    show: Table | str | Sequence[Table | str] | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Aside:
    """Something that came about while a command was carried out and is told after its result."""

    line: str
    data: Any


def colour_wanted(stream: TextIO, no_color: bool) -> bool:
    """Whether to use a terminal's abilities on this stream: NO_COLOR, --no-color and TERM=dumb say no."""
    return (
        stream.isatty() and not no_color and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


class Printer:
    """Prints results and errors in one of three manners: for a terminal, plain, or JSON."""

    def __init__(self, as_json: bool = False, no_color: bool = False) -> None:
        self.as_json = as_json
        self.fancy = not as_json and colour_wanted(sys.stdout, no_color)
        self._red = colour_wanted(sys.stderr, no_color)
        self.asides: list[Aside] = []
        """What the next result or error is to be followed by."""

    @property
    def width(self) -> int:
        """Columns there are to draw in: the terminal's, and 80 where there is none or it does not tell."""
        if not sys.stdout.isatty():
            return _PLAIN_WIDTH
        return max(40, os.get_terminal_size(sys.stdout.fileno()).columns or _PLAIN_WIDTH)

    def result(self, command: str, result: Result) -> None:
        """Print what a command returned."""
        if self.as_json:
            self._object({"command": command, "ok": True, "result": result.data})
            return
        if result.remark:
            print(printable(result.remark), file=sys.stderr, flush=True)
        parts = [result.show] if isinstance(result.show, Table | str) else result.show or ()
        for part in parts:
            if isinstance(part, Table):
                self._table(part)
            else:
                sys.stdout.write(printable(part) if part.endswith("\n") else printable(part) + "\n")
        self._tell()
        sys.stdout.flush()

    def _object(self, said: dict[str, Any]) -> None:
        """Print a command's JSON object, with what came about meanwhile as `events` if there is any."""
        events = {"events": [aside.data for aside in self.asides]} if self.asides else {}
        self.asides = []
        print(json.dumps({**said, **events}), flush=True)

    def _tell(self) -> None:
        """Print what came about meanwhile, a line each."""
        for aside in self.asides:
            sys.stdout.write(printable(aside.line) + "\n")
        self.asides = []

    def text(self, text: str, end: str = "\n") -> None:
        """Print a piece of text that is part of a conversation."""
        sys.stdout.write(printable(text) + end)
        sys.stdout.flush()

    def _table(self, table: Table) -> None:
        if self.fancy:
            _rich_table(table)
        else:
            sys.stdout.write(plain_table(table))

    def error(self, command: str, where: str, message: str, notes: Sequence[str] = ()) -> None:
        """Print why a command failed: `where: command: message`, one line, on standard error.

        `notes` go before it, a line each: all that is wrong with a file, as a compiler says it.
        """
        message = printable(" ".join(message.split()))
        if self.as_json:
            said = {"command": command, "ok": False, "error": message, "where": where}
            self._object({**said, "notes": list(notes)} if notes else said)
        place = ": ".join(part for part in (where, printable(command), message) if part)
        for line in (*map(printable, notes), place):
            print(f"\x1b[31m{line}\x1b[0m" if self._red else line, file=sys.stderr, flush=True)
        self._tell()
        sys.stdout.flush()

    def stopped(self, command: str, where: str, message: str) -> None:
        """A command failed because of one that has been reported: with JSON it has an object all the same."""
        if self.as_json:
            print(json.dumps({"command": command, "ok": False, "error": message, "where": where}), flush=True)


def plain_table(table: Table) -> str:
    """The table as aligned text: two blanks between columns, none at the ends of lines."""
    grid = [[printable(cell, "") for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(_columns(row[i]) for row in grid) for i in range(len(table.columns))]
    lines = []
    for row in grid:
        cells = []
        for cell, width, column in zip(row, widths, table.columns, strict=True):
            blanks = " " * (width - _columns(cell))
            cells.append(blanks + cell if column in table.right else cell + blanks)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def bytes_text(count: int) -> str:
    """A size in the largest unit that divides it: `512 KiB`, `30 MiB`, `36 B`."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while count and count % 1024 == 0 and len(units) > 1:
        count //= 1024
        units.pop(0)
    return f"{count} {units[0]}"


def printable(text: str, kept: str = "\n\t") -> str:
    """The text with its control characters, but those `kept`, as escapes: data must not drive the terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char in kept or unicodedata.category(char) not in ("Cc", "Cs") else ascii(char)[1:-1]
        for char in text
    )


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes: East Asian wide characters take two, accents none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _rich_table(table: Table) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in table.columns:
        made.add_column(Text(column), justify="right" if column in table.right else "left", overflow="fold")
    for row in table.rows:
        made.add_row(*(Text(printable(cell)) for cell in row))
    Console(highlight=False).print(made)
