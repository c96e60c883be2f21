"""Caches and TLBs as each logical CPU sees them, and which CPUs share an instance.

Sources in the manuals' order: Intel and clones leaf 4, then leaf 2 (SDM vol. 2A); AMD with TOPOEXT
8000001D, before that 80000005 and 80000006 (APM vol. 3 E.4.5-6). A leaf that counts sharers counts
APIC ids, holes included, so the count is rounded up to a power of two and the ids are cut there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from skb.readers import cpuid_descriptors as descriptors
from skb.readers.cpuid_dumps import DumpedCpu
from skb.readers.cpuid_identity import (
    AMD_LIKE,
    extended,
    family_model_stepping,
    max_basic,
    vendor,
)
from skb.readers.cpuid_topology import Key, Place, has_topoext, width

AMD_WAYS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 16, 0xA: 32, 0xB: 48, 0xC: 64, 0xD: 96, 0xE: 128}
"""Associativity codes of 80000006 and 80000019 (APM vol. 3 table E-4); 0xF is fully associative."""
_L2_OF_TWO = frozenset({0x0E, 0x0F, 0x17, 0x1D})  # Yonah, Merom, Penryn, Dunnington (SDM vol. 4, table 2-1)
_TYPES = {1: "data", 2: "instr", 3: "unified"}
_KB, _MB, _GB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Cache:
    """One cache of one CPU; CPUs whose `key` (with level and kind) is equal share the instance.

    `ways` of a fully associative cache is its number of lines; 0 is not known.
    """

    level: int
    kind: str
    size_bytes: int
    ways: int
    line_bytes: int
    inclusive: bool
    key: Key

    @property
    def name(self) -> str:
        """`l1d`, `l1i`, `l2`, `l3`: Barrelfish's names."""
        return f"l{self.level}" + {"data": "d", "instr": "i"}.get(self.kind, "")


@dataclass(frozen=True, slots=True)
class Tlb:
    """One TLB for one page size; `ways` of a fully associative one is its number of entries."""

    kind: str
    level: int
    page_bytes: int
    entries: int
    ways: int


def caches(cpu: DumpedCpu, place: Place) -> list[Cache]:
    """The caches of a CPU, by level; empty when no leaf describes any."""
    found: list[Cache]
    if vendor(cpu) in AMD_LIKE:
        found = list(_deterministic(cpu, place, 0x8000001D)) if has_topoext(cpu) else []
        found += _amd_legacy(cpu, place)  # counts where a dump has not all subleaves of 8000001D
    else:
        found = list(_deterministic(cpu, place, 4)) if max_basic(cpu) >= 4 else []
        ends = (4, len(found)) in cpu.registers  # old programs dumped leaf 4 without its further subleaves
        if vendor(cpu) == "intel" and not (found and ends):
            found += _by_descriptor(cpu, place)
        elif not found:
            found = list(_amd_legacy(cpu, place))
    unique: dict[tuple[int, str], Cache] = {}
    for cache in found:
        unique.setdefault((cache.level, cache.kind), cache)
    return sorted(unique.values(), key=lambda c: (c.level, c.kind))


def _deterministic(cpu: DumpedCpu, place: Place, leaf: int) -> Iterator[Cache]:
    """Leaf 4 or 8000001D: one subleaf a cache, in one layout."""
    family, model, _ = family_model_stepping(cpu)
    knights = vendor(cpu) == "intel" and family == 6 and model in (0x57, 0x85)
    for subleaf in range(32):
        eax, ebx, ecx, edx = cpu.leaf(leaf, subleaf)
        kind = _TYPES.get(eax & 0x1F)
        if kind is None:
            return
        level = eax >> 5 & 7
        if knights and level == 3:  # they have none, but describe one of nothing (hwloc knows it too)
            return
        line, partitions, ways = (ebx & 0xFFF) + 1, (ebx >> 12 & 0x3FF) + 1, (ebx >> 22) + 1
        size = line * partitions * ways * (ecx + 1)
        if eax & 1 << 9:
            ways = size // line
        span = width((eax >> 14 & 0xFFF) + 1)
        key: Key = (place.package, place.apic >> span << span)  # the first id that shares it
        if leaf == 0x8000001D and level == 3:
            key = _amd_l3_key(family, place, key)
        yield Cache(level, kind, size, ways, line, bool(edx & 2), key)


def _amd_l3_key(family: int, place: Place, by_count: Key) -> Key:
    """Who shares an AMD L3: the complex from family 17h on, the die in 10h and 15h.

    Both are better than the count of sharers: dies of six cores are numbered without a hole, and a
    complex with cores fused off counts only what is left of it.
    """
    if family >= 0x17 and place.cluster is not None:
        return place.cluster
    if family in (0x10, 0x15) and place.die is not None:
        return place.die
    return by_count


def _amd_legacy(cpu: DumpedCpu, place: Place) -> Iterator[Cache]:
    """Leaves 80000005 and 80000006, which state no sharers: those are known by family.

    L1s and L2 are a core's own, but for the instruction cache and L2 of a compute unit (family 15h,
    BKDG 42301 §2.4) and the L2 of Jaguar (16h, BKDG 48751 §2.4), which is the package's; so is the L3.
    Packages of several dies state the sum of their L3s, in size and ways (BKDG 31116 §3.18, 42301
    §3.17); it is dealt out. Centaur, Transmeta and NSC use the layout too.
    """
    family, model, stepping = family_model_stepping(cpu)
    amd = vendor(cpu) in AMD_LIKE
    own: Key = (place.package, place.core)
    unit = place.cluster if amd and family == 0x15 and place.cluster is not None else own
    _, _, data, instr = extended(cpu, 0x80000005)
    for kind, register, key in (("data", data, own), ("instr", instr, unit)):
        size, line = (register >> 24) * _KB, register & 0xFF
        if size and line:
            ways = register >> 16 & 0xFF
            yield Cache(1, kind, size, size // line if ways == 0xFF else ways, line, False, key)
    _, _, l2, l3 = extended(cpu, 0x80000006)
    size, code, line = l2 >> 16, l2 >> 12 & 0xF, l2 & 0xFF
    if vendor(cpu) == "centaur" and family == 6 and model in (7, 8):
        size >>= 8  # the C3 counts in bits 31:24 (VIA C3 data sheet; as Linux' centaur.c)
    elif vendor(cpu) == "centaur" and (family, model, stepping) == (6, 9, 1) and size == 65:
        size = 64  # Nehemiah erratum, one KB too many
    if size and code and line:
        key = (place.package,) if amd and family == 0x16 else unit
        yield Cache(2, "unified", size * _KB, _ways(code, size * _KB // line), line, False, key)
    size, code, line = (l3 >> 18) * 512 * _KB, l3 >> 12 & 0xF, l3 & 0xFF
    if size and code and line and amd:
        whole = Cache(3, "unified", size, _ways(code, size // line), line, False, (place.package,))
        if family in (0x10, 0x15) and place.die is not None:
            whole = replace(whole, size_bytes=size // 2, ways=whole.ways // 2, key=place.die)
        yield whole


def _ways(code: int, lines: int) -> int:
    """The ways of a four-bit code; all of them for a fully associative one, 0 for one that is not known."""
    return lines if code == 0xF else AMD_WAYS.get(code, 0)


def _by_descriptor(cpu: DumpedCpu, place: Place) -> Iterator[Cache]:
    """Leaf 2, which states no sharers: those are known by family and model.

    An L3 is the package's, all others are a core's own, but for the L2 of Core and Core 2, which the two
    cores of a die share (Intel's optimization manual, 248966, §2 "Advanced Smart Cache").
    """
    if max_basic(cpu) < 2:
        return
    family, model, _ = family_model_stepping(cpu)
    pair = place.core >> 1 if family == 6 and model in _L2_OF_TWO else place.core
    keys: dict[int, Key] = {2: (place.package, pair), 3: (place.package,)}
    for code in descriptors.codes(cpu.leaf(2)):
        found = descriptors.cache(code, family, model)
        if found is not None:
            level, kind, size, ways, line = found
            key = keys.get(level, (place.package, place.core))
            yield Cache(level, kind, size, ways, line, False, key)


def tlbs(cpu: DumpedCpu) -> list[Tlb]:
    """The TLBs of a CPU, one a page size: Intel 0x18 or leaf 2, AMD 80000005, 80000006, 80000019."""
    maker = vendor(cpu)
    if maker in AMD_LIKE or maker in ("centaur", "zhaoxin", "transmeta", "nsc"):
        found = list(_amd_tlbs(cpu))
    elif maker == "intel":
        found = list(_intel_tlbs(cpu)) or list(_descriptor_tlbs(cpu))
    else:
        found = []
    return list(dict.fromkeys(found))


def _amd_tlbs(cpu: DumpedCpu) -> Iterator[Tlb]:
    """Level 1 in 80000005 (8-bit fields), level 2 in 80000006 and the 1 GB ones in 80000019 (12-bit).

    The entries of 2 MB pages are given; a 4 MB page takes two of them (APM vol. 3 E.4.5).
    """
    large, small, _, _ = extended(cpu, 0x80000005)
    for page, register in ((4 * _KB, small), (2 * _MB, large)):
        for kind, half in (("instr", register & 0xFFFF), ("data", register >> 16)):
            entries, ways = half & 0xFF, half >> 8
            if entries and ways:
                yield Tlb(kind, 1, page, entries, entries if ways == 0xFF else ways)
    if vendor(cpu) not in AMD_LIKE:
        return
    large, small, _, _ = extended(cpu, 0x80000006)
    giant1, giant2, _, _ = extended(cpu, 0x80000019)
    sources = ((2, 4 * _KB, small), (2, 2 * _MB, large), (1, _GB, giant1), (2, _GB, giant2))
    for level, page, register in sources:
        low, high = register & 0xFFFF, register >> 16
        # an empty upper half says that level 2 is one TLB for both
        halves = (("unified", low),) if level == 2 and not high else (("instr", low), ("data", high))
        for kind, half in halves:
            entries, code = half & 0xFFF, half >> 12
            if entries and code:
                yield Tlb(kind, level, page, entries, _ways(code, entries))


def _intel_tlbs(cpu: DumpedCpu) -> Iterator[Tlb]:
    """Leaf 0x18, deterministic address translation parameters.

    A TLB for stores alone (type 5) is left out: there is one `data` TLB a level, that of the loads.
    """
    if max_basic(cpu) < 0x18:
        return
    for subleaf in range(min(cpu.leaf(0x18)[0], 31) + 1):
        _, ebx, ecx, edx = cpu.leaf(0x18, subleaf)
        kind = {1: "data", 2: "instr", 3: "unified", 4: "data"}.get(edx & 0x1F)
        if kind is None:
            continue
        ways = ebx >> 16
        entries = ways * ecx
        for bit, page in enumerate((4 * _KB, 2 * _MB, 4 * _MB, _GB)):
            if ebx & 1 << bit and entries:
                yield Tlb(kind, edx >> 5 & 7, page, entries, entries if edx & 1 << 8 else ways)


def _descriptor_tlbs(cpu: DumpedCpu) -> Iterator[Tlb]:
    if max_basic(cpu) < 2:
        return
    for code in descriptors.codes(cpu.leaf(2)):
        for level, kind, page, entries, ways in descriptors.TLBS.get(code, ()):
            yield Tlb(kind, level, page, entries, entries if ways == descriptors.FULL else ways)
