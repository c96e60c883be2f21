"""What commands print, and the only place that prints.

A command returns a `Result`: plain data, and how to show it to a person (a table, lines of text, or
nothing). Here it becomes a rich table on a terminal, aligned plain text elsewhere, or one JSON object a
command with `--json`. Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO


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
    show: Table | str | None = None
    remark: str = ""


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

    @property
    def width(self) -> int:
        """Columns there are to draw in."""
        if sys.stdout.isatty():
            return max(40, os.get_terminal_size(sys.stdout.fileno()).columns)
        return 100

    def result(self, command: str, result: Result) -> None:
        """Print what a command returned."""
        if self.as_json:
            print(json.dumps({"command": command, "ok": True, "result": result.data}), flush=True)
            return
        if result.remark:
            print(result.remark, file=sys.stderr, flush=True)
        if isinstance(result.show, Table):
            if self.fancy:
                _rich_table(result.show)
            else:
                sys.stdout.write(plain_table(result.show))
        elif result.show is not None:
            sys.stdout.write(result.show if result.show.endswith("\n") else result.show + "\n")
        sys.stdout.flush()

    def error(self, command: str, where: str, message: str) -> None:
        """Print why a command failed: `where: command: message`, one line, on standard error."""
        message = " ".join(message.split())
        if self.as_json:
            print(json.dumps({"command": command, "ok": False, "error": message, "where": where}), flush=True)
        place = ": ".join(part for part in (where, command, message) if part)
        print(f"\x1b[31m{place}\x1b[0m" if self._red else place, file=sys.stderr, flush=True)


def plain_table(table: Table) -> str:
    """The table as aligned text: two blanks between columns, none at the ends of lines."""
    grid: list[Sequence[str]] = [table.columns, *table.rows]
    widths = [max(len(row[i]) for row in grid) for i in range(len(table.columns))]
    lines = []
    for row in grid:
        cells = [
            cell.rjust(width) if column in table.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, table.columns, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def _rich_table(table: Table) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable

    made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in table.columns:
        made.add_column(column, justify="right" if column in table.right else "left", overflow="fold")
    for row in table.rows:
        made.add_row(*(cell.replace("[", r"\[") for cell in row))
    Console(highlight=False).print(made)
