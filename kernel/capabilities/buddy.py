"""Binary buddies: which parts of some memory are free, in aligned powers of two (Barrelfish's `lib/mm`).

Blocks are numbers, not capabilities: whoever holds the capability to a region retypes from it what is allocated
here. Buddies merge only within a region, as there is no capability to two regions together.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from kernel.capabilities.capability import Object
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.types import PAGE_BYTES, ObjectType

LEAST_BITS = PAGE_BYTES.bit_length() - 1
"""RAM comes in pages: the least block is of 2^12 bytes."""


class Buddies:
    """The free blocks of regions of RAM. Sizes are bits: a block of `bits` is 2^bits bytes, at a multiple of that."""

    def __init__(self) -> None:
        self.regions: list[Object] = []
        self.free_bytes = 0
        self._free: dict[int, list[int]] = {}  # by bits, sorted bases
        self._allocated: dict[int, int] = {}  # bits by base

    def add(self, region: Object) -> None:
        """Take in all of a region; its base and size are multiples of a page, and it overlaps no other."""
        if region.base % PAGE_BYTES or region.size % PAGE_BYTES or region.size <= 0:
            raise CapabilityError(ErrorCode.INVALID_SIZE, f"{region} is not whole pages")
        if any(region.overlaps(each) for each in self.regions):
            raise CapabilityError(ErrorCode.INVALID_ARGUMENTS, f"{region} is here already, or a part of it")
        insort(self.regions, region)
        base = region.base
        while base < region.end:
            bits = (region.end - base).bit_length() - 1
            if base:
                bits = min(bits, (base & -base).bit_length() - 1)
            insort(self._free.setdefault(bits, []), base)
            base += 1 << bits
        self.free_bytes += region.size

    def region(self, base: int) -> Object | None:
        """The region that an address is in."""
        index = bisect_left(self.regions, base + 1, key=lambda region: region.base) - 1
        return self.regions[index] if index >= 0 and base < self.regions[index].end else None

    def allocate(self, bits: int, least_base: int = 0, limit: int | None = None) -> Object | None:
        """A free block within `least_base` and `limit` (excluded), from the smallest that will do; None without one.

        Raises MEMORY_TOO_SMALL below a page.
        """
        if bits < LEAST_BITS:
            raise CapabilityError(ErrorCode.MEMORY_TOO_SMALL, f"2^{bits} bytes; the least is 2^{LEAST_BITS}")
        size = 1 << bits
        for each in sorted(self._free):
            if each < bits:
                continue
            bases = self._free[each]
            # The first block that reaches beyond the least base; lower ones end before it.
            for index in range(bisect_left(bases, least_base - (1 << each) + 1), len(bases)):
                base = bases[index]
                wanted = max(base, -(-least_base // size) * size)
                if wanted + size > base + (1 << each):
                    continue
                if limit is not None and wanted + size > limit:
                    break
                del bases[index]
                self._split(base, each, wanted, bits)
                self._allocated[wanted] = bits
                self.free_bytes -= size
                return Object(ObjectType.RAM, wanted, size)
        return None

    def _split(self, base: int, bits: int, wanted: int, wanted_bits: int) -> None:
        """Halve a block until one half is what is wanted; the other halves are free."""
        while bits > wanted_bits:
            bits -= 1
            other = base + (1 << bits)
            if wanted >= other:
                base, other = other, base
            insort(self._free.setdefault(bits, []), other)

    def free(self, block: Object) -> None:
        """Take a block back and merge it with free buddies. Raises MEMORY_NOT_FOUND if it is not allocated here."""
        if self._allocated.get(block.base) != block.size.bit_length() - 1 or block.size & (block.size - 1):
            raise CapabilityError(ErrorCode.MEMORY_NOT_FOUND, f"{block} was not allocated here")
        bits, base = self._allocated.pop(block.base), block.base
        self.free_bytes += block.size
        region = self.region(base)
        assert region is not None
        while True:
            buddy = base ^ (1 << bits)
            bases = self._free.get(bits, [])
            index = bisect_left(bases, buddy)
            if index == len(bases) or bases[index] != buddy or not region.base <= buddy < region.end:
                break
            del bases[index]
            base = min(base, buddy)
            bits += 1
        insort(self._free.setdefault(bits, []), base)

    def is_allocated(self, block: Object) -> bool:
        """Whether exactly this block is allocated."""
        bits = self._allocated.get(block.base)
        return bits is not None and 1 << bits == block.size

    def free_blocks(self) -> list[Object]:
        """All free blocks, by address."""
        return sorted(
            Object(ObjectType.RAM, base, 1 << bits) for bits, bases in self._free.items() for base in bases
        )
