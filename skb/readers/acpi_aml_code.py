"""AML as it is encoded: operators, block lengths, names.

A part of the ACPI reader; `acpi_aml.py` evaluates what is read here. Source: ACPI specification 6.5 §20.2, §20.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from skb.readers.acpi_aml_objects import AmlError, Name, Path

# Operators whose value is left UNKNOWN: how many terms they take, then how many places.
OTHERS = {
    0x71: (0, 1), 0x73: (2, 1), 0x81: (1, 1), 0x82: (1, 1), 0x84: (2, 1), 0x86: (1, 1), 0x8E: (0, 1),
    0x96: (1, 1), 0x97: (1, 1), 0x98: (1, 1), 0x9C: (2, 1), 0x9D: (1, 1), 0x9E: (3, 1), 0xA3: (0, 0),
    0xCC: (0, 0), 0x5B12: (0, 2), 0x5B1F: (6, 0), 0x5B20: (0, 2), 0x5B21: (1, 0), 0x5B22: (1, 0),
    0x5B24: (0, 1), 0x5B25: (1, 1), 0x5B26: (0, 1), 0x5B27: (0, 1), 0x5B28: (1, 1), 0x5B29: (1, 1),
    0x5B2A: (0, 1), 0x5B30: (0, 0), 0x5B31: (0, 0), 0x5B33: (0, 0),
}  # fmt: skip
FIELD_BITS = {0x8A: 32, 0x8B: 16, 0x8C: 8, 0x8D: 1, 0x8F: 64}
INTEGERS = {0x0A: 1, 0x0B: 2, 0x0C: 4, 0x0E: 8}
# Objects that hold others: their kind, and the bytes between their name and what they hold.
SCOPES = {0x10: ("", 0), 0x5B82: ("device", 0), 0x5B83: ("processor", 6), 0x5B84: ("power", 3), 0x5B85: ("zone", 0)}
LEADS = frozenset(b"\\^./_ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_FIRST = frozenset("_ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_FOLLOWING = _FIRST | frozenset("0123456789")


@dataclass(slots=True)
class Code:
    """A place in code: reading goes on at `at`, up to `end`; names stand in `scope`."""

    code: bytes
    at: int
    end: int
    scope: Path

    def take(self, count: int) -> bytes:
        if self.at + count > self.end:
            raise AmlError("code ends within a term")
        self.at += count
        return self.code[self.at - count : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def opcode(self) -> int:
        first = self.byte()
        return 0x5B00 | self.byte() if first == 0x5B else first

    def package_end(self) -> int:
        """The end of a block by its PkgLength, which counts itself (§20.2.4)."""
        start, lead = self.at, self.byte()
        length = lead & 0x3F
        if lead >> 6:
            length = lead & 0xF | int.from_bytes(self.take(lead >> 6), "little") << 4
        if start + length > self.end or start + length < self.at:
            raise AmlError("a block that ends outside of the one around it")
        return start + length

    def name(self) -> Name:
        scope, absolute = self.scope, False
        while self.at < self.end and self.code[self.at] in b"\\^":
            absolute = True
            scope = () if self.byte() == 0x5C else scope[:-1]
        lead = self.byte()
        count = {0x00: 0, 0x2E: 2, 0x2F: -1}.get(lead, 1)
        if count == 1:
            self.at -= 1
        elif count < 0:
            count = self.byte()
        segments = tuple(self.take(4).decode("latin-1") for _ in range(count))
        if not all(each[0] in _FIRST and _FOLLOWING.issuperset(each) for each in segments):
            raise AmlError(f"{segments} is no name")
        return Name(segments, scope, not absolute and count == 1)
