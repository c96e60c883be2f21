"""ACPI dumps as they come: acpidump text and binary tables become `Table`s.

The first half of the ACPI reader (`acpi.py` is the other). It knows how tables are wrapped, not what is in
them: the text of `acpidump` (`SIG @ 0xADDRESS`, rows of at most 16 bytes, a blank line), the same rows at the end
of what `iasl -d` writes of a table (`Raw Table Data: Length N`), or binary tables one behind the other, as in
/sys/firmware/acpi/tables. Every table remembers where each of its bytes stood, so that whoever decodes it can
name file and line. Sources: ACPI specification 6.5 §5.2.5.3 (RSDP), §5.2.6
(header), §5.2.10 (FACS); the text is what acpica's acpidump prints and its acpixtract reads.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from skb.readers import DumpError

HEADER_BYTES = 36
"""Signature 4, length 4, revision 1, checksum 1, OEM id 6, table id 8, revision 4, creator 4 + 4 bytes."""

_LARGEST_TABLE = 16 << 20  # the largest real ones, DSDTs, are under 1 MiB
_HEADING = re.compile(
    rb"^(?:(RSD PTR|\S{1,4})[ \t]+@[ \t]*0x([0-9A-Fa-f]{1,16})|Raw Table Data: Length [0-9]+ \(0x[0-9A-F]+\))"
    rb"[ \t\r]*$",
    re.MULTILINE,
)
_ROW = re.compile(rb"[ \t]*([0-9A-Fa-f]{4,8}):((?:[ \t][0-9A-Fa-f]{2}){1,16})(.*)", re.DOTALL)
_LOOKS_LIKE_ROW = re.compile(rb"[ \t]*[0-9A-Fa-f]{4,8}:")
_RSDP = b"RSD PTR "


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a dump.

    `signature` is that of its bytes (`RSDP` for the root pointer), `instance` counts tables of one signature
    from 1 in the order of the dump. `data` is every byte the dump has of it, which may be more than the
    `length` its header states. `address` is the physical address after the `@`, 0 where the dump has none.
    """

    signature: str
    instance: int
    data: bytes
    address: int
    file: str
    start: int
    """Offset of the table in a binary file; 0 for text."""
    row_offsets: tuple[int, ...] = ()
    row_lines: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """The bytes that count: what the header states."""
        return _stated_length(self.data)

    @property
    def revision(self) -> int:
        """The revision byte; it decides what some fields mean. The FACS keeps its version elsewhere."""
        if self.signature == "FACS":
            return self.data[32] if self.length > 32 else 0
        return self.data[15 if self.signature == "RSDP" else 8]

    @property
    def oem_id(self) -> str:
        """The OEM id without its padding; empty for the FACS, which has none."""
        if self.signature == "FACS":
            return ""
        start = 9 if self.signature == "RSDP" else 10
        return self.data[start : start + 6].decode("latin-1").rstrip(" \0")

    @property
    def checksum(self) -> str:
        """`ok`, `bad`, or `none` for the FACS, which has no checksum."""
        if self.signature == "FACS":
            return "none"
        parts = [self.data[: self.length]]
        if self.signature == "RSDP":
            parts.append(self.data[:20])  # the ACPI 1.0 part has a checksum of its own
        return "ok" if all(sum(part) % 256 == 0 for part in parts) else "bad"

    def where(self, offset: int) -> str:
        """The place of the byte at `offset` in the dump: `file:line`, or `file: offset 0xN` of a binary."""
        if not self.row_lines:
            return f"{self.file}: offset {self.start + offset:#x}"
        row = max(bisect_right(self.row_offsets, offset) - 1, 0)
        return f"{self.file}:{self.row_lines[row]}"

    def error(self, offset: int, what: str) -> DumpError:
        """The error for what is wrong at `offset`; it names the table, the offset and the place."""
        return DumpError(self.where(offset), f"{self.signature} at table offset {offset:#x}: {what}")

    def u8(self, offset: int) -> int:
        """The byte at `offset`."""
        return self._integer(offset, 1)

    def u16(self, offset: int) -> int:
        """The little-endian 16-bit number at `offset`."""
        return self._integer(offset, 2)

    def u32(self, offset: int) -> int:
        """The little-endian 32-bit number at `offset`."""
        return self._integer(offset, 4)

    def u64(self, offset: int) -> int:
        """The little-endian 64-bit number at `offset`."""
        return self._integer(offset, 8)

    def at_least(self, length: int) -> None:
        """Raises DumpError if the table states fewer than `length` bytes, which its fixed part needs."""
        if self.length < length:
            raise self.error(4, f"table of {self.length} bytes, expected at least {length}")

    def _integer(self, offset: int, size: int) -> int:
        if offset + size > self.length:
            raise self.error(offset, f"field of {size} bytes past the end of a table of {self.length}")
        return int.from_bytes(self.data[offset : offset + size], "little")


def recognises(data: bytes) -> bool:
    """Whether `data` looks like acpidump text or starts like a binary ACPI table."""
    data = _without_byte_order_mark(data)
    return _HEADING.search(data) is not None or _starts_a_table(data)


def split_dump(data: bytes, name: str) -> list[Table]:
    """The tables of a dump, in its order; raises DumpError for anything that is not wholly tables."""
    data = _without_byte_order_mark(data)
    if not data:
        raise DumpError(f"{name}: offset 0x0", "empty; expected acpidump text or a binary ACPI table")
    text = _HEADING.search(data) is not None and not _starts_a_table(data)
    return number_instances(_text_tables(data, name) if text else _binary_tables(data, name))


def _without_byte_order_mark(data: bytes) -> bytes:
    """Text as acpidump wrote it, where a Windows shell has put it into a file as UTF-16 or marked UTF-8."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode("latin-1", "replace")
    return data.removeprefix(codecs.BOM_UTF8)


def number_instances(tables: Iterable[Table]) -> list[Table]:
    """The same tables with `instance` counted anew, 1 for the first of each signature."""
    seen: dict[str, int] = {}
    numbered = []
    for table in tables:
        seen[table.signature] = seen.get(table.signature, 0) + 1
        numbered.append(replace(table, instance=seen[table.signature]))
    return numbered


def _text_tables(data: bytes, name: str) -> Iterator[Table]:
    block: _Block | None = None
    for number, line in enumerate(data.split(b"\n"), start=1):
        heading = _HEADING.fullmatch(line)
        if heading or not (line.strip() or (block is not None and block.opens_with_a_blank_line())):
            if block is not None:
                yield block.table()
            block = _Block(name, number, heading) if heading else None
        elif block is not None and line.strip():
            block.add_row(number, line)
        elif _LOOKS_LIKE_ROW.match(line):
            raise DumpError(
                f"{name}:{number}", "bytes outside a table; expected 'SIG @ 0xADDRESS' above them"
            )
        # other text between tables is chatter of the tools that made the dump
    if block is not None:
        yield block.table()


class _Block:
    """The rows of one table in acpidump text, gathered until its blank line."""

    def __init__(self, file: str, line: int, heading: re.Match[bytes]) -> None:
        self.file, self.line = file, line
        self.heading = (heading[1] or b"").decode("latin-1")
        self.address = int(heading[2] or b"0", 16)
        self.data = bytearray()
        self.row_offsets: list[int] = []
        self.row_lines: list[int] = []

    def opens_with_a_blank_line(self) -> bool:
        """iasl puts one between its heading, which has no signature, and the rows."""
        return not self.heading and not self.data

    def add_row(self, number: int, line: bytes) -> None:
        where = f"{self.file}:{number}"
        row = _ROW.fullmatch(line)
        if not row:
            raise DumpError(where, f"expected 'OFFSET: HH HH ...' or a blank line in table {self.heading}")
        offset, pairs, rest = int(row[1], 16), row[2], row[3].rstrip(b"\r")
        if offset != len(self.data):
            raise DumpError(where, f"row {offset:#06x}, expected {len(self.data):#06x}; rows are missing")
        # The text column may look like hex digits: only its distance tells it from a 17th or a damaged byte.
        column = b" " if len(pairs) == 16 * 3 else b"  "
        if rest and not rest.startswith(column):
            raise DumpError(where, f"expected two hex digits or the text column after byte {len(pairs) // 3}")
        self.row_offsets.append(offset)
        self.row_lines.append(number)
        self.data += bytes.fromhex(pairs.decode("ascii"))

    def table(self) -> Table:
        if not self.data:
            where = f"{self.file}:{self.line}"
            raise DumpError(where, f"table {self.heading} has no bytes; expected rows 'OFFSET: HH HH ...'")
        data = bytes(self.data)
        rows = tuple(self.row_offsets), tuple(self.row_lines)
        table = Table(_signature(data), 1, data, self.address, self.file, 0, *rows)
        named = "RSDP" if self.heading == "RSD PTR" else self.heading
        # acpidump prints ? for what is no letter, iasl no signature at all
        if named and named != table.signature.rstrip() and "?" not in named:
            raise table.error(
                0, f"signature {table.signature!r}, expected {named!r} as line {self.line} says"
            )
        return _complete(table, len(data))


def _binary_tables(data: bytes, name: str) -> Iterator[Table]:
    start = 0
    while start < len(data):
        head = data[start : start + HEADER_BYTES]
        if not _starts_a_table(head):
            expected = "expected the header of an ACPI table (signature, length)"
            if not start:
                expected = f"neither acpidump text ('SIG @ 0xADDRESS') nor a binary table; {expected}"
            raise DumpError(f"{name}: offset {start:#x}", expected)
        stated = _stated_length(head)
        body = data[start : start + max(stated, _least_length(_signature(head)))]
        yield _complete(Table(_signature(head), 1, body, 0, name, start), len(body))
        start += stated


def _complete(table: Table, available: int) -> Table:
    """The table, after checking that its header is there and states no more bytes than the dump has."""
    least = _least_length(table.signature)
    if available < least:
        what = f"the dump ends after {available} bytes, expected a header of {least}; it is truncated"
        raise table.error(max(available - 1, 0), what)
    if table.length < least:
        raise table.error(4, f"length {table.length} in the header, expected at least {least}")
    if table.length > available:
        what = f"the dump ends after {available} bytes, expected {table.length}; it is truncated"
        raise table.error(available - 1, what)
    return table


def _starts_a_table(data: bytes) -> bool:
    """Whether a signature and a believable length stand at the start."""
    if data.startswith(_RSDP):
        return not _HEADING.match(data)  # very old text dumps begin with "RSD PTR @ 0x..."
    if len(data) < 8 or not all(0x21 <= byte < 0x7F for byte in data[:3]) or not 0x20 <= data[3] < 0x7F:
        return False
    return _stated_length(data) <= _LARGEST_TABLE


def _least_length(signature: str) -> int:
    """The bytes without which the table does not even say how long it is and who made it."""
    return {"RSDP": 20, "FACS": 12}.get(signature, HEADER_BYTES)


def _signature(data: bytes) -> str:
    return "RSDP" if data.startswith(_RSDP) else data[:4].decode("latin-1")


def _stated_length(data: bytes) -> int:
    if data.startswith(_RSDP):
        return 20 if len(data) < 24 or data[15] < 2 else int.from_bytes(data[20:24], "little")
    return int.from_bytes(data[4:8], "little")
