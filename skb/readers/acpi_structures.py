"""Entries of ACPI tables: the typed lists inside a MADT, SRAT, HMAT, PPTT or DMAR.

All these tables are a fixed part followed by entries that begin with a type and a length. `entries` walks
them (an entry of length 0 or past the end of its table is an error, an unknown type is not; zeros up to the end
of a table whose checksum is right are firmware's padding), `Structure` says how the bytes of one kind lie. The
other `acpi_*.py` declare the kinds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from skb.readers.acpi_dump import Table


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one entry lies: its type, its offset in the table and its length in bytes, header included."""

    type: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset of the first byte after the entry."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Structure:
    """One kind of entry: the fields of a subclass, in order, are the values that `LAYOUT` unpacks.

    `LAYOUT` begins at the entry's type. An entry may be longer (a later edition of the specification added
    fields) but not shorter than `SHORTEST`, or than the layout where that is 0; what it lacks is then 0.
    """

    LAYOUT: ClassVar[struct.Struct]
    SHORTEST: ClassVar[int] = 0

    @classmethod
    def unpack(cls, table: Table, entry: Entry) -> Self:
        """The structure at an entry; raises DumpError if the entry is too short for its kind."""
        least = cls.SHORTEST or cls.LAYOUT.size
        if entry.length < least:
            what = f"entry of type {entry.type} has {entry.length} bytes, expected at least {least}"
            raise table.error(entry.offset, what)
        present = table.data[entry.offset : min(entry.end, entry.offset + cls.LAYOUT.size)]
        fields: tuple[Any, ...] = cls.LAYOUT.unpack(present.ljust(cls.LAYOUT.size, b"\0"))
        return cls(*fields)


BYTE_HEADER = struct.Struct("<BB")
"""Type u8, length u8: MADT, SRAT, PPTT, DMAR device scopes."""
WORD_HEADER = struct.Struct("<HH")
"""Type u16, length u16: DMAR."""
WIDE_HEADER = struct.Struct("<HxxI")
"""Type u16, reserved, length u32: HMAT."""


def entries(table: Table, start: int, header: struct.Struct, end: int | None = None) -> Iterator[Entry]:
    """The entries from `start` to the end of the table (or to `end`, for lists inside an entry)."""
    stop = table.length if end is None else end
    offset = start
    while offset < stop:
        cut = stop - offset < header.size
        kind, length = (0, 0) if cut else header.unpack_from(table.data, offset)
        if length < header.size and end is None and not any(table.data[offset:stop]) and table.checksum == "ok":
            return
        if cut:
            what = f"{stop - offset} bytes after the last entry, expected an entry of at least {header.size}"
            raise table.error(offset, what)
        if length < header.size:
            raise table.error(offset, f"entry of length {length}, expected at least {header.size}")
        if length > stop - offset:
            what = f"entry of type {kind} and length {length}, expected at most the {stop - offset} bytes left"
            raise table.error(offset, what)
        yield Entry(kind, offset, length)
        offset += length


def structures(
    table: Table, start: int, header: struct.Struct, kinds: Mapping[int, type[Structure]]
) -> Iterator[tuple[Entry, Structure | None]]:
    """The entries with their structures; None for a type that is not in `kinds`: skipped by its length."""
    for entry in entries(table, start, header):
        kind = kinds.get(entry.type)
        yield entry, kind.unpack(table, entry) if kind else None
