"""Capabilities as values, and how two objects are related.

A capability names an object and says what its holder may do to it. Whether two name the same object, and whether one
object was made from another, is told from type, base and size alone, as in Barrelfish: no tree is kept, so none
can be torn by what another core does.
"""

from __future__ import annotations

from enum import Flag
from typing import NamedTuple

from kernel.capabilities.types import ANCESTORS, KINDS, Copying, ObjectType, Space


class Rights(Flag):
    """What the holder of a capability may do (Barrelfish's CAPRIGHTS)."""

    READ = 1
    WRITE = 2
    EXECUTE = 4
    GRANT = 8
    IDENTIFY = 16

    def __str__(self) -> str:
        return "".join(
            letter if right in self else "-"
            for right, letter in zip(Rights, "rwxgi", strict=True)
        )


ALL_RIGHTS = Rights.READ | Rights.WRITE | Rights.EXECUTE | Rights.GRANT | Rights.IDENTIFY


class Object(NamedTuple):
    """What a capability names: `size` units from `base` on of its type's space (`types.Space`).

    `fields` tells apart objects of one type on one range (`eq` in Hamlet): a mapping's page table and entry, an
    endpoint's offset and length in words, an identifier.
    """

    type: ObjectType
    base: int = 0
    size: int = 0
    fields: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        return self.base + self.size

    @property
    def space(self) -> Space:
        return KINDS[self.type].space

    def __str__(self) -> str:
        where = f" 0x{self.base:x}..0x{self.end:x}" if self.space is not Space.NONE else ""
        fields = "".join(f" {field}" for field in self.fields)
        return f"{self.type}{where}{fields}"

    def overlaps(self, other: Object) -> bool:
        """Whether they have a unit of their space in common."""
        return (
            self.space is not Space.NONE and self.space is other.space
            and self.base < other.end and other.base < self.end
        )  # fmt: skip

    def contains(self, other: Object) -> bool:
        """Whether all of `other` lies within; true of types without a space."""
        return self.space is other.space and self.base <= other.base and other.end <= self.end

    def is_ancestor_of(self, other: Object) -> bool:
        """Whether `other` can only have come of this object: made from it, or from what was made from it."""
        return self.type in ANCESTORS[other.type] and self != other and self.contains(other)

    def is_related_to(self, other: Object) -> bool:
        """Whether they are the same, or one comes of the other."""
        return self == other or self.is_ancestor_of(other) or other.is_ancestor_of(self)

    def conflicts_with(self, other: Object) -> bool:
        """Whether the two must never exist at once: on the same memory, and neither made from the other."""
        return (
            self.overlaps(other)
            and not (KINDS[self.type].shares or KINDS[other.type].shares)
            and not self.is_related_to(other)
        )


class Capability(NamedTuple):
    """The right to do `rights` to `object`."""

    object: Object
    rights: Rights = ALL_RIGHTS

    @property
    def type(self) -> ObjectType:
        return self.object.type

    def with_rights(self, rights: Rights) -> Capability:
        """The same with only those of its rights that are in `rights`."""
        return Capability(self.object, self.rights & rights)

    def is_copy_of(self, other: Capability) -> bool:
        """Whether both name the same object, whatever they allow to be done to it."""
        return self.object == other.object and KINDS[self.type].copying is not Copying.NEVER
