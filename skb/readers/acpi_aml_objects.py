"""What AML code defines: the objects of the ACPI namespace as data.

A part of the ACPI reader; `acpi_aml.py` makes them. Source: ACPI specification 6.5 §5.3 (names), §20.2 (encoding).
"""

from __future__ import annotations

from collections.abc import MutableMapping, MutableSequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
"""The segments of an absolute name, four characters each; `()` is the root."""


class AmlError(ValueError):
    """Byte code that makes no sense, or that only the running machine could evaluate."""


class Unknown:
    """What only the hardware knows."""


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Method:
    """A control method: its code from `start` to `end`, and the scope it runs in."""

    code: bytes
    start: int
    end: int
    arguments: int
    scope: Path


@dataclass(frozen=True, slots=True)
class Scope:
    """An object that is there for what it holds: a device, a processor, a thermal zone, a power resource."""

    kind: str


@dataclass(frozen=True, slots=True)
class Name:
    """A name inside a package, and the scope it stands in; what it names is looked up when it matters."""

    path: Path
    scope: Path
    search: bool


@dataclass(slots=True)
class BufferField:
    """A piece of a buffer with a name, in bits."""

    buffer: bytearray
    start: int
    width: int


@dataclass(slots=True)
class Place:
    """Where a value can be stored: a local or argument, an object, an element of a package or buffer."""

    container: MutableMapping[Any, Any] | MutableSequence[Any]
    key: Any


def text_of(path: Path) -> str:
    r"""The path as ACPI writes it, such as `\_SB_.PCI0`."""
    return "\\" + ".".join(path)


def bits_of(piece: BufferField) -> int:
    return int.from_bytes(piece.buffer, "little") >> piece.start & (1 << piece.width) - 1


def number_of(value: Any) -> int | Unknown:
    match value:
        case int() | Unknown():
            return value
        case bytearray():
            return int.from_bytes(value[:8], "little")
        case BufferField():
            return bits_of(value)
    raise AmlError(f"{type(value).__name__}, expected a number")
