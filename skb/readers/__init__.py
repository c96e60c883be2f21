"""Readers: one module a source of facts, each a pure function `read(data, name) -> list[Fact]`.

Shipped machines and a user's own dumps go through the same readers. No reader knows Prolog, opens a
file, or guesses: what it cannot make sense of it refuses with a `DumpError` that names the place.
"""

from __future__ import annotations


class DumpError(ValueError):
    """A dump that cannot be read: `where` is file:line or file: offset 0xN, `what` says what was expected.

    `str(error)` is the one line that the user sees, for example
    `acpi.txt:214: SRAT entry of length 0 at offset 0x130; the table is truncated`.
    """

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what
