"""Encodings that several CPUID leaves share: names, signatures, caches, APIC id domains.

Each function is the inverse of one in the readers (skb/readers/cpuid_identity.py and its neighbours)
and cites the same manuals: Intel's SDM volume 2A (CPUID), AMD's APM volume 3 appendix E.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Quad = tuple[int, int, int, int]
"""EAX, EBX, ECX, EDX."""
Registers = Mapping[tuple[int, int], Quad]
"""(leaf, subleaf) to the registers that CPUID returns; subleaf 0 where a leaf has none."""

KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
DATA, INSTRUCTION, UNIFIED = 1, 2, 3
"""Cache types of leaves 4 and 8000001D, EAX[4:0]."""

_AMD_WAYS = {1: 1, 2: 2, 3: 3, 4: 4, 6: 5, 8: 6, 16: 8, 32: 0xA, 48: 0xB, 64: 0xC, 96: 0xD, 128: 0xE}


class EncodingError(ValueError):
    """A stated machine that the registers of its family cannot express; the message says which limit."""


@dataclass(frozen=True, slots=True)
class CacheGeometry:
    """Size, ways and line of a cache, as data sheets give them."""

    size_bytes: int
    ways: int
    line_bytes: int = 64

    def __post_init__(self) -> None:
        if min(self.size_bytes, self.ways, self.line_bytes) < 1 or self.size_bytes % self.line_bytes:
            raise EncodingError(
                f"{self.size_bytes} bytes, {self.ways} ways: no whole number of {self.line_bytes}-byte lines"
            )

    @property
    def sets(self) -> int:
        """Sets, one partition a line; raises EncodingError where lines and ways make no whole number.

        AMD's older leaves state no sets, and a probe filter may take a share of an L3 (Magny-Cours).
        """
        sets, rest = divmod(self.size_bytes, self.ways * self.line_bytes)
        if rest or not sets:
            raise EncodingError(
                f"{self.size_bytes} bytes: no whole number of sets of {self.ways} ways of {self.line_bytes}"
            )
        return sets


def width(count: int) -> int:
    """Bits that number `count` things."""
    return max(count - 1, 0).bit_length()


def name_leaf(highest: int, vendor: str, *, extended: bool = False) -> Quad:
    """Leaf 0 (or AMD's 80000000): the highest leaf and the twelve letters of the vendor."""
    ebx, edx, ecx = struct.unpack("<3I", vendor.encode("ascii"))
    return (0x80000000 | highest if extended else highest), ebx, ecx, edx


def brand_leaves(brand: str) -> dict[tuple[int, int], Quad]:
    """Leaves 80000002-4: 47 letters at most, padded with zeros."""
    raw = brand.encode("ascii", "replace")
    if len(raw) > 47:
        raise EncodingError(f"the brand string {brand!r} is longer than 47 letters")
    words = struct.unpack("<12I", raw.ljust(48, b"\0"))
    return {
        (0x80000002 + n, 0): (words[4 * n], words[4 * n + 1], words[4 * n + 2], words[4 * n + 3])
        for n in range(3)
    }


def signature(family: int, model: int, stepping: int) -> int:
    """Leaf 1 EAX: the extended fields take what is beyond 0xF."""
    if not 0 <= family <= 0xF + 0xFF or not 0 <= model <= 0xFF or not 0 <= stepping <= 0xF:
        raise EncodingError(f"family {family:#x} model {model:#x} stepping {stepping:#x} do not fit leaf 1")
    base, rest = min(family, 0xF), max(family - 0xF, 0)
    return rest << 20 | (model >> 4) << 16 | base << 8 | (model & 0xF) << 4 | stepping


def deterministic_cache(
    kind: int, level: int, cache: CacheGeometry, apic_ids: int, *, cores: int = 1, flags: int = 0
) -> Quad:
    """A subleaf of leaf 4 or 8000001D. `apic_ids` share it; Intel states `cores` a package too (else 1).

    `flags` is EDX: 1 write-back invalidation does not reach all below, 2 inclusive, 4 complex indexing.
    """
    if not 1 <= apic_ids <= 4096 or not 1 <= cores <= 64:
        raise EncodingError(
            f"{apic_ids} APIC ids that share a cache, {cores} core ids: the fields end at 4096 and 64"
        )
    if cache.ways > 1024 or cache.line_bytes > 4096:
        raise EncodingError(
            f"a cache of {cache.ways} ways and {cache.line_bytes}-byte lines: leaf 4 ends at 1024, 4096"
        )
    eax = (cores - 1) << 26 | (apic_ids - 1) << 14 | 1 << 8 | level << 5 | kind
    return eax, (cache.ways - 1) << 22 | (cache.line_bytes - 1), cache.sets - 1, flags


@dataclass(frozen=True, slots=True)
class SharedCache:
    """A cache as leaf 4 and 8000001D state it: so many APIC ids share it; `flags` as in `deterministic_cache`."""

    kind: int
    level: int
    geometry: CacheGeometry
    apic_ids: int
    flags: int = 0


def inner_caches(
    l1d: CacheGeometry, l1i: CacheGeometry, l2: CacheGeometry, *, l1_ids: int, l2_ids: int, l1_flags: int = 0,
    l2_flags: int = 0,
) -> list[SharedCache]:  # fmt: skip
    """The caches that every core has, in the order in which the leaves state them."""
    return [
        SharedCache(DATA, 1, l1d, l1_ids, l1_flags),
        SharedCache(INSTRUCTION, 1, l1i, l1_ids, l1_flags),
        SharedCache(UNIFIED, 2, l2, l2_ids, l2_flags),
    ]


def cache_leaf(leaf: int, caches: Iterable[SharedCache], *, cores: int = 1) -> dict[tuple[int, int], Quad]:
    """Leaf 4 or 8000001D: a subleaf a cache, and an end."""
    quads = [
        deterministic_cache(each.kind, each.level, each.geometry, each.apic_ids, cores=cores, flags=each.flags)
        for each in caches
    ]
    return {(leaf, number): quad for number, quad in enumerate([*quads, (0, 0, 0, 0)])}


def feature_leaf(eax: int, apic_id: int, ids: int, ecx: int, edx: int) -> dict[tuple[int, int], Quad]:
    """Leaf 1: the signature, 8 bits of the APIC id beside the ids a package has, lines of 64 bytes, features."""
    return {(1, 0): (eax, (apic_id & 0xFF) << 24 | min(ids, 0xFF) << 16 | 0x0800, ecx, edx)}


def address_leaf(physical_bits: int, virtual_bits: int, ebx: int = 0, ecx: int = 0, edx: int = 0) -> Quad:
    """Leaf 80000008: the widths of addresses; AMD has features and counts of cores beside them."""
    return virtual_bits << 8 | physical_bits, ebx, ecx, edx


def contiguous(packages: int, cores_a_package: int) -> Iterator[tuple[int, int]]:
    """(APIC id, package) of every core: ids count the cores of a package from a power of two on."""
    bits = width(cores_a_package)
    for package in range(packages):
        for core in range(cores_a_package):
            yield package << bits | core, package


def domain_leaf(
    leaf: int, apic_id: int, levels: Sequence[tuple[int, int, int]]
) -> dict[tuple[int, int], Quad]:
    """Leaf 0B, 1F or 80000026: (type, shift to the next domain, threads in it) a subleaf, and an end."""
    found: dict[tuple[int, int], Quad] = {}
    for subleaf, (kind, shift, threads) in enumerate(levels):
        found[leaf, subleaf] = (shift, threads & 0xFFFF, kind << 8 | subleaf, apic_id)
    found[leaf, len(levels)] = (0, 0, len(levels), apic_id)
    return found


def amd_l1(cache: CacheGeometry) -> int:
    """80000005 ECX or EDX (APM E.4.5): KB, ways, lines a tag, line."""
    if cache.size_bytes % KB or cache.size_bytes >= 256 * KB or cache.ways > 0xFE or cache.line_bytes > 0xFF:
        raise EncodingError(f"an L1 of {cache.size_bytes} bytes and {cache.ways} ways does not fit 80000005")
    return (cache.size_bytes // KB) << 24 | cache.ways << 16 | 1 << 8 | cache.line_bytes


def amd_l2(cache: CacheGeometry) -> int:
    """80000006 ECX (APM E.4.6): KB, code of the ways, lines a tag, line."""
    if cache.size_bytes % KB or cache.size_bytes >= 64 * MB or cache.line_bytes > 0xFF:
        raise EncodingError(f"an L2 of {cache.size_bytes} bytes does not fit 80000006")
    return (cache.size_bytes // KB) << 16 | amd_ways(cache.ways) << 12 | 1 << 8 | cache.line_bytes


def amd_l3(cache: CacheGeometry, *, in_1d: bool = False) -> int:
    """80000006 EDX: units of 512 KB, code of the ways, lines a tag, line.

    `in_1d`: the code says that 8000001D knows (9), as parts with several L3s state their sum here.
    """
    if cache.size_bytes % (512 * KB) or cache.size_bytes >= 8 * GB or cache.line_bytes > 0xFF:
        raise EncodingError(f"an L3 of {cache.size_bytes} bytes is no whole number of 512 KB units")
    ways = 9 if in_1d else amd_ways(cache.ways)
    return (cache.size_bytes // (512 * KB)) << 18 | ways << 12 | 1 << 8 | cache.line_bytes


def amd_ways(ways: int, *, elsewhere: int | None = None) -> int:
    """The four-bit code of an associativity (APM vol. 3 table E-4); `elsewhere` is the code for all it lacks."""
    if elsewhere is not None:
        return _AMD_WAYS.get(ways, elsewhere)
    if ways not in _AMD_WAYS:
        raise EncodingError(f"{ways} ways have no code; AMD's table has {', '.join(map(str, _AMD_WAYS))}")
    return _AMD_WAYS[ways]
