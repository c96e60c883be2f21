"""Capabilities that tell sizes and places of regions: Resizable BAR and Enhanced Allocation.

A part of the PCI reader (pci.py). A base address register does not say how large its region is, but the control
register of Resizable BAR does (PCI Express Base 6.0, §7.8.6), and Enhanced Allocation states regions that
never move, base and last byte, while the registers themselves read zero (§7.8.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from skb.readers.pci_function import Bar

_REGISTERS, _ROM = range(6), 8
_MEMORY, _PREFETCHABLE, _IO = 0, 1, 2
_SIXTY_FOUR_BITS = 2
_LARGEST = 1 << 63


def resizable_sizes(config: bytes, at: int | None) -> dict[int, int]:
    """The size in bytes, by the register's number, that the Resizable BAR capability at `at` states now."""
    if at is None:
        return {}
    count = _u32(config, at + 8) >> 5 & 0x7
    controls = [_u32(config, at + 8 + 8 * index) for index in range(count)]
    return {control & 0x7: 1 << (control >> 8 & 0x3F) + 20 for control in controls}


def resized(bars: Iterable[Bar], sizes: Mapping[int, int]) -> Iterator[Bar]:
    """The registers with those sizes where they have none.

    A size over 8 EiB, the specification's largest, or to which the base is not aligned, is garbage.
    """
    for bar in bars:
        size = sizes.get(bar.number, 0)
        if size and size <= _LARGEST and not bar.size and bar.space == "mem" and not bar.base % size:
            bar = replace(bar, size=size)
        yield bar


def allocated(config: bytes, kind: int, at: int | None) -> tuple[tuple[Bar, ...], tuple[int, int] | None]:
    """The regions, and the expansion ROM as (base, size), of the enabled entries of Enhanced Allocation."""
    if at is None:
        return (), None
    bars: dict[int, Bar] = {}
    rom = None
    for indicator, properties, base, size, bits in _entries(config, kind, at):
        if indicator in _REGISTERS and properties in (_MEMORY, _PREFETCHABLE, _IO):
            space = "io" if properties == _IO else "mem"
            prefetchable = properties == _PREFETCHABLE
            bars.setdefault(indicator, Bar(indicator, base, size, space, prefetchable, bits))
        elif indicator == _ROM:
            rom = rom or (base, size)
    return tuple(bars.values()), rom


def _entries(config: bytes, kind: int, at: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Indicator, primary properties, base, size in bytes, and bits of the base, of each enabled entry."""
    end = min(len(config), 256)
    where = at + (8 if kind == 1 else 4)  # a bridge's own bus numbers come first
    for _ in range(config[at + 2] & 0x3F):
        words = _u32(config, where)
        length = 4 * (1 + (words & 0x7))
        if where + length > end:
            return
        low, last = _u32(config, where + 4), _u32(config, where + 8)
        need = 12 + 2 * (low & _SIXTY_FOUR_BITS) + 2 * (last & _SIXTY_FOUR_BITS)
        if words >> 31 and length >= need:
            base, largest = low & ~0x3, last | 0x3
            if low & _SIXTY_FOUR_BITS:
                base |= _u32(config, where + 12) << 32
            if last & _SIXTY_FOUR_BITS:
                largest |= _u32(config, where + need - 4) << 32
            yield words >> 4 & 0xF, words >> 8 & 0xFF, base, largest + 1, 64 if low & _SIXTY_FOUR_BITS else 32
        where += length


def _u32(config: bytes, at: int) -> int:
    return int.from_bytes(config[at : at + 4], "little")
