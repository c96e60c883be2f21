"""CPUID registers of Intel machines from stated facts: Core 2 quad-cores, and what came after.

What a fact states is encoded; features and counters are what such a part returns. Leaves and fields
after Intel's SDM volume 2A (CPUID) and volume 3A §9.9 (topology).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skb.readers.cpuid_descriptors import CACHES
from skb.writers import cpuid_leaves as leaves
from skb.writers.cpuid_leaves import KB, MB, CacheGeometry, EncodingError, Quad, Registers, width

_INTEL = "GenuineIntel"

CORE2_L1 = CacheGeometry(32 * KB, 8)
CORE2_L2 = CacheGeometry(4 * MB, 16)
GOLDEN_COVE_L1D = CacheGeometry(48 * KB, 12)
GOLDEN_COVE_L1I = CacheGeometry(32 * KB, 8)
GOLDEN_COVE_L2 = CacheGeometry(2 * MB, 16)


@dataclass(frozen=True, slots=True)
class CoreGroup:
    """Cores of one kind in a package: how many, their threads and caches.

    `kind` is `performance` (Core), `efficiency` (Atom) or `low_power` (Atom outside the L3);
    `cores_a_module` of them share an L2 (4 in Intel's Atom modules, else 1). `max_mhz` is leaf 16h's (0: the base).
    """

    cores: int
    kind: str = "performance"
    threads_a_core: int = 2
    cores_a_module: int = 1
    l1d: CacheGeometry = GOLDEN_COVE_L1D
    l1i: CacheGeometry = GOLDEN_COVE_L1I
    l2: CacheGeometry = GOLDEN_COVE_L2
    max_mhz: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("performance", "efficiency", "low_power"):
            raise EncodingError(f"no kind of core {self.kind!r}; performance, efficiency or low_power")
        if self.cores < 1 or self.threads_a_core not in (1, 2, 4) or self.cores_a_module < 1:
            raise EncodingError(
                f"{self.cores} cores of {self.threads_a_core} threads in modules of {self.cores_a_module}"
            )


def intel_core2(
    *,
    brand: str,
    packages: int,
    model: int = 0xF,
    stepping: int = 7,
    cores_a_package: int = 4,
    l1d: CacheGeometry = CORE2_L1,
    l1i: CacheGeometry = CORE2_L1,
    l2: CacheGeometry = CORE2_L2,
    physical_bits: int = 38,
    virtual_bits: int = 48,
) -> list[Registers]:
    """Core 2 Xeons (family 6 models Fh and 17h): dies of two cores that share an L2, no L3, no threads.

    A Xeon X5355 is model Fh stepping 7 (B3) or Bh (G0): 4 cores, so two dies, told apart only by their
    L2s (leaf 4). The L2 must be one that a descriptor of leaf 2 names. CPUs are numbered package by
    package, APIC ids contiguous. Raises EncodingError for what the registers cannot hold.
    """
    named = {found[1:]: code for code, found in CACHES.items() if found[0] == 2}
    descriptor = named.get(("unified", l2.size_bytes, l2.ways, l2.line_bytes))
    if descriptor is None:
        raise EncodingError(f"no leaf 2 descriptor names an L2 of {l2.size_bytes} bytes and {l2.ways} ways")
    if packages < 1 or cores_a_package < 1 or width(packages) + width(cores_a_package) > 8:
        raise EncodingError(f"{packages} packages of {cores_a_package} cores do not fit 8-bit APIC ids")
    bits = width(cores_a_package)
    ids = 1 << bits
    eax = leaves.signature(6, model, stepping)
    sharers = min(2, cores_a_package)
    shared: dict[tuple[int, int], Quad] = {
        (0, 0): leaves.name_leaf(0xA, _INTEL),
        (2, 0): (0x05B0B101, 0x005657F0, 0, 0x2CB43000 | descriptor),
        **leaves.cache_leaf(
            4, leaves.inner_caches(l1d, l1i, l2, l1_ids=1, l2_ids=sharers, l1_flags=1, l2_flags=1), cores=ids
        ),
        (5, 0): (0x40, 0x40, 3, 0x20),
        (6, 0): (1, 2, 1, 0),
        (0xA, 0): (0x07280202, 0, 0, 0),
        (0x80000000, 0): (0x80000008, 0, 0, 0),
        (0x80000001, 0): (0, 0, 1, 0x20100800),
        **leaves.brand_leaves(brand),
        (0x80000006, 0): (0, 0, l2.size_bytes // KB << 16 | leaves.amd_ways(l2.ways) << 12 | l2.line_bytes, 0),
        (0x80000008, 0): leaves.address_leaf(physical_bits, virtual_bits),
    }
    return [
        shared | leaves.feature_leaf(eax, apic, ids, 0x0004E3BD, 0xBFEBFBFF)
        for apic, _ in leaves.contiguous(packages, cores_a_package)
    ]


def intel_modern(
    *,
    brand: str,
    model: int,
    stepping: int,
    packages: int,
    groups: Sequence[CoreGroup],
    l3: CacheGeometry | None,
    dies_a_package: int = 1,
    base_mhz: int = 0,
    physical_bits: int = 46,
    virtual_bits: int = 48,
) -> list[Registers]:
    """Intel since Nehalem: leaves 4, 0B and 1F, and for several kinds of core 7 EDX[15] and 1A.

    Every die of a package holds all of `groups`, in order, and one L3 that all but `low_power` cores
    share. APIC ids are dealt in modules of equal width, so that a single core of two threads beside
    modules of four takes the ids of four, as on Alder Lake. CPUs are numbered as Linux numbers a
    server: first threads of every core, then second ones; on a hybrid, core by core. `base_mhz` is
    leaf 0x16's (0: not stated). Raises EncodingError for what the registers cannot hold.
    """
    if not groups or packages < 1 or dies_a_package < 1:
        raise EncodingError("a machine needs a package, a die and a group of cores")
    hybrid = len({group.kind for group in groups}) > 1
    smt = width(max(group.threads_a_core for group in groups))
    module_shift = smt + width(max(group.cores_a_module for group in groups))
    modules = [(group, min(group.cores_a_module, group.cores - at))
               for group in groups for at in range(0, group.cores, group.cores_a_module)]  # fmt: skip
    die_shift = module_shift + width(len(modules))
    package_shift = die_shift + width(dies_a_package)
    if die_shift > 12:
        raise EncodingError(f"a die of {die_shift} bits of APIC ids that share an L3: leaf 4 ends at 12")
    if package_shift + width(packages) > 31:
        raise EncodingError(f"{packages} packages of {package_shift} bits of APIC ids: there are 32")
    die_threads = sum(cores * group.threads_a_core for group, cores in modules)
    eax = leaves.signature(6, model, stepping)
    machine: list[tuple[tuple[int, ...], Registers]] = []
    for package in range(packages):
        for die in range(dies_a_package):
            for number, (group, cores) in enumerate(modules):
                for core in range(cores):
                    for thread in range(group.threads_a_core):
                        apic = package << package_shift | die << die_shift | number << module_shift
                        apic |= core << smt | thread
                        levels = [(1, smt, group.threads_a_core), (2, die_shift, die_threads)]
                        if dies_a_package > 1:
                            levels.append((5, package_shift, die_threads * dies_a_package))
                        flat = [levels[0], (2, package_shift, die_threads * dies_a_package)]
                        registers: Registers = {
                            **_modern_leaves(brand, group, hybrid, base_mhz),
                            **leaves.feature_leaf(eax, apic, 1 << package_shift, 0x7FFAFBFF, 0xBFEBFBFF),
                            **_cache_leaves(group, l3, smt, module_shift, die_shift, package_shift),
                            **leaves.domain_leaf(0x0B, apic, flat),
                            **leaves.domain_leaf(0x1F, apic, levels),
                            (0x80000008, 0): leaves.address_leaf(physical_bits, virtual_bits),
                        }
                        machine.append(((0 if hybrid else thread, apic), registers))
    machine.sort(key=lambda pair: pair[0])
    return [registers for _, registers in machine]


def _modern_leaves(
    brand: str, group: CoreGroup, hybrid: bool, base_mhz: int
) -> dict[tuple[int, int], Quad]:
    """What does not depend on the place; features are those of a Core i7-1370P's cores."""
    ways = leaves.amd_ways(group.l2.ways, elsewhere=7)  # 7: see leaf 4
    found: dict[tuple[int, int], Quad] = {
        (0, 0): leaves.name_leaf(0x1F, _INTEL),
        (2, 0): (0x00FEFF01, 0xF0, 0, 0),  # "see leaf 4", "see leaf 0x18", 64-byte prefetch
        (5, 0): (0x40, 0x40, 3, 0x10102020),
        (7, 0): (0, 0x239C27EB, 0x98C027BC, 0xFC1CC410 if hybrid else 0xFC1C4410),
        (0xD, 0): (0x207, 0xA88, 0xA88, 0),
        (0xD, 1): (0xF, 0x670, 0x19900, 0),
        (0xD, 2): (0x100, 0x240, 0, 0),
        (0x80000000, 0): (0x80000008, 0, 0, 0),
        (0x80000001, 0): (0, 0, 0x121, 0x2C100800),
        **leaves.brand_leaves(brand),
        (0x80000006, 0): (0, 0, min(group.l2.size_bytes // KB, 0xFFFF) << 16 | ways << 12 | 0x40, 0),
        (0x80000007, 0): (0, 0, 0, 0x100),
    }
    if base_mhz:
        found[0x16, 0] = (base_mhz, group.max_mhz or base_mhz, 100, 0)
    if hybrid:
        found[0x1A, 0] = ((0x40 if group.kind == "performance" else 0x20) << 24 | 1, 0, 0, 0)
    return found


def _cache_leaves(
    group: CoreGroup,
    l3: CacheGeometry | None,
    smt: int,
    module_shift: int,
    die_shift: int,
    package_shift: int,
) -> dict[tuple[int, int], Quad]:
    """Leaf 4; the field of core ids a package ends at 64. Sharers are counted in ids, used or not."""
    caches = leaves.inner_caches(group.l1d, group.l1i, group.l2, l1_ids=1 << smt, l2_ids=1 << module_shift)
    if l3 is not None and group.kind != "low_power":
        caches.append(leaves.SharedCache(leaves.UNIFIED, 3, l3, 1 << die_shift, flags=4))
    return leaves.cache_leaf(4, caches, cores=min(1 << package_shift - smt, 64))
