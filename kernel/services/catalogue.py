"""A relational database of books, as the TPC-W benchmark's shop has, in SQLite's memory.

What a question costs is counted in the instructions of SQLite's virtual machine, so that it is the same on every run.
"""

from __future__ import annotations

import json
import sqlite3
from enum import StrEnum

from kernel.errors import KernelError

ITEMS = 1000
SUBJECTS = ("arts", "biographies", "children", "cooking", "history", "science", "sports", "travel")
MOST_ROWS = 1000
MOST_INSTRUCTIONS = 1_000_000


class DatabaseErrorCode(StrEnum):
    REFUSED = "SQL_ERR_REFUSED"
    WRONG = "SQL_ERR_STATEMENT"


class DatabaseError(KernelError):
    """A question that was not answered."""

    def __init__(self, code: DatabaseErrorCode, what: str) -> None:
        super().__init__(f"{code}: {what}")
        self.code = code


class Catalogue:
    """The database."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:")
        self._connection.execute(
            "create table item"
            "(id integer primary key, title text, author text, subject text, cost integer, stock integer)"
        )
        self._connection.executemany(
            "insert into item values(?, ?, ?, ?, ?, ?)",
            (
                (number, f"book {number * 7919 % ITEMS:04}", f"author {number % 250:03}", SUBJECTS[number % 8],
                 500 + number * 37 % 4500, number % 30)
                for number in range(1, ITEMS + 1)
            ),
        )  # fmt: skip
        self._connection.execute("create index by_subject on item(subject)")
        self._connection.set_authorizer(_only_reading)
        self._instructions = 0

    def select(self, question: str) -> tuple[list[list[object]], int]:
        """The rows, and how many instructions they took. DatabaseError for what is no question, or takes too long."""
        self._instructions = 0
        self._connection.set_progress_handler(self._count, 1)
        try:
            rows = self._connection.execute(question).fetchmany(MOST_ROWS)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            if self._instructions >= MOST_INSTRUCTIONS:
                what = f"more than {MOST_INSTRUCTIONS} instructions"
                raise DatabaseError(DatabaseErrorCode.REFUSED, what) from None
            raise DatabaseError(DatabaseErrorCode.WRONG, str(error)) from None
        finally:
            self._connection.set_progress_handler(None, 1)
        return [list(row) for row in rows], self._instructions

    def _count(self) -> bool:
        self._instructions += 1
        return self._instructions >= MOST_INSTRUCTIONS


def _only_reading(action: int, *_: object) -> int:
    allowed = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION)
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY


def lines(rows: list[list[object]]) -> str:
    """Rows as lines of JSON."""
    return "\n".join(json.dumps(row) for row in rows)
