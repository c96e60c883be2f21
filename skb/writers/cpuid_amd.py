"""CPUID registers of AMD machines from stated facts: K8 (0Fh), K10 (10h) and Zen.

What a fact states is encoded; the rest (features, TLBs, address widths) is what such a part returns,
after AMD's BIOS and Kernel Developer's Guides (BKDG), 32559 for family 0Fh and 31116 for family 10h,
section "CPUID" of both, and the APM volume 3, appendix E.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from skb.writers import cpuid_leaves as leaves
from skb.writers.cpuid_leaves import GB, KB, MB, CacheGeometry, EncodingError, Quad, Registers, width

_AMD = "AuthenticAMD"

K8_L1 = CacheGeometry(64 * KB, 2)
K8_L2 = CacheGeometry(MB, 16)
K10_L2 = CacheGeometry(512 * KB, 16)
ZEN_L1 = CacheGeometry(32 * KB, 8)
ZEN_L2 = CacheGeometry(MB, 8)
ZEN_L3 = CacheGeometry(32 * MB, 16)

_EDX_1 = 0x178BFBFF
"""Features of leaf 1 EDX from K8 to Zen: all but PSN, DS, ACPI, SS, TM and PBE; HTT set (several cores)."""


def amd_family_10h(
    *,
    model: int,
    stepping: int,
    brand: str,
    packages: int,
    cores_a_package: int,
    l3: CacheGeometry | None,
    l1d: CacheGeometry = K8_L1,
    l1i: CacheGeometry = K8_L1,
    l2: CacheGeometry = K10_L2,
    physical_bits: int = 48,
    virtual_bits: int = 48,
) -> list[Registers]:
    """Opterons and Phenoms of family 10h (BKDG 31116 §3.18), CPUs numbered package by package.

    Models 2 Barcelona, 4 Shanghai, 8 Istanbul, 9 Magny-Cours. APIC ids are contiguous within a package,
    whose ids begin at multiples of the next power of two. A Magny-Cours (package type G34) has two dies
    of half the cores; `l3` is that of one die, and the registers state the sum, as the part does.
    Raises EncodingError for what the registers cannot hold.
    """
    two_dies = model == 9
    _check(packages, cores_a_package, 8 - width(cores_a_package))
    if two_dies and cores_a_package % 2:
        raise EncodingError(f"{cores_a_package} cores do not halve into the two dies of model 9")
    bits = width(cores_a_package)
    l3_register = 0
    if l3 is not None:
        stated = CacheGeometry(2 * l3.size_bytes, 2 * l3.ways, l3.line_bytes) if two_dies else l3
        l3_register = leaves.amd_l3(stated)
    later = model >= 4  # rev C on: SKINIT, IBS, WDT, 1 GB pages in the L2 TLB
    eax = leaves.signature(0x10, model, stepping)
    shared: dict[tuple[int, int], Quad] = {
        (0, 0): leaves.name_leaf(5, _AMD),
        (5, 0): (0x40, 0x40, 3, 0),  # MONITOR on lines of 64 bytes
        (0x80000000, 0): leaves.name_leaf(0x1B if later else 0x1A, _AMD, extended=True),
        (0x80000001, 0): (eax, 0x30000000 if two_dies else 0, 0x37FF if later else 0x7FF, 0xEFD3FBFF),
        **leaves.brand_leaves(brand),
        (0x80000005, 0): (0xFF30FF10, 0xFF30FF20, leaves.amd_l1(l1d), leaves.amd_l1(l1i)),
        (0x80000006, 0): (0x20800000, 0x42004200, leaves.amd_l2(l2), l3_register),
        (0x80000007, 0): (0, 0, 0, 0x1F9),
        (0x80000008, 0): leaves.address_leaf(
            physical_bits, virtual_bits, ecx=bits << 12 | cores_a_package - 1
        ),
        (0x8000000A, 0): (1, 0x40, 0, 0x40F if model >= 8 else 0xF if later else 7),
        (0x80000019, 0): (0xF0300000, 0x60100000 if later else 0, 0, 0),
        (0x8000001A, 0): (3, 0, 0, 0),
    }
    if later:
        shared[0x8000001B, 0] = (0x1F, 0, 0, 0)
    return [
        shared | leaves.feature_leaf(eax, apic, cores_a_package, 0x00802009, _EDX_1)
        for apic, _ in leaves.contiguous(packages, cores_a_package)
    ]


def amd_family_0fh(
    *,
    model: int,
    stepping: int,
    brand: str,
    packages: int,
    cores_a_package: int = 2,
    l1d: CacheGeometry = K8_L1,
    l1i: CacheGeometry = K8_L1,
    l2: CacheGeometry = K8_L2,
    physical_bits: int = 40,
    virtual_bits: int = 48,
) -> list[Registers]:
    """K8 Opterons of one or two cores, revision F (BKDG 32559 §5, "CPUID"), numbered package by package.

    An Opteron 2220 is model 41h stepping 2 (JH-F2) or 3 (JH-F3). No L3, no topology leaf beyond the
    count of cores in 80000008 ECX. Raises EncodingError for what the registers cannot hold.
    """
    if cores_a_package not in (1, 2):
        raise EncodingError(f"family 0Fh has 1 or 2 cores a package, not {cores_a_package}")
    _check(packages, cores_a_package, 8 - width(cores_a_package))
    eax = leaves.signature(0xF, model, stepping)
    dual = cores_a_package == 2
    shared: dict[tuple[int, int], Quad] = {
        (0, 0): leaves.name_leaf(1, _AMD),
        (0x80000000, 0): leaves.name_leaf(0x18, _AMD, extended=True),
        (0x80000001, 0): (eax, 0, 0x1F if dual else 0x1D, 0xEBD3FBFF),
        **leaves.brand_leaves(brand),
        (0x80000005, 0): (0xFF08FF08, 0xFF20FF20, leaves.amd_l1(l1d), leaves.amd_l1(l1i)),
        (0x80000006, 0): (0, 0x42004200, leaves.amd_l2(l2), 0),
        (0x80000007, 0): (0, 0, 0, 0x3F),
        (0x80000008, 0): leaves.address_leaf(physical_bits, virtual_bits, ecx=cores_a_package - 1),
        (0x8000000A, 0): (1, 0x40, 0, 0),
    }
    edx = _EDX_1 if dual else _EDX_1 & ~(1 << 28)
    return [
        shared | leaves.feature_leaf(eax, apic, cores_a_package if dual else 0, 0x2001, edx)
        for apic, _ in leaves.contiguous(packages, cores_a_package)
    ]


@dataclass(frozen=True, slots=True)
class _ZenPart:
    """What depends on the generation alone: the highest extended leaf, features, TLBs, whole leaves."""

    highest: int
    features: int
    """Leaf 1 ECX."""
    extended_features: int
    """80000008 EBX."""
    system_features: int
    """80000008 EDX: pages that INVLPGB takes, the highest register of RDPRU."""
    l1_tlbs: tuple[int, int]
    l2_tlbs: tuple[int, int]
    leaves: Mapping[tuple[int, int], Quad]


_ZEN_2 = _ZenPart(
    highest=0x20,
    features=0x7EF8320B,
    extended_features=0x018EF757,
    system_features=0x10000,
    l1_tlbs=(0xFF40FF40, 0xFF40FF40),
    l2_tlbs=(0x48006400, 0x68006400),
    leaves={
        (7, 0): (0, 0x219C91A9, 0x00400004, 0),
        (0xD, 0): (0x207, 0x340, 0x380, 0),
        (0xD, 1): (0xF, 0x340, 0, 0),
        (0xD, 2): (0x100, 0x240, 0, 0),
        (0xD, 9): (0x40, 0x340, 0, 0),
        (0x80000007, 0): (0, 0x1B, 0, 0x6799),
        (0x80000019, 0): (0xF040F040, 0, 0, 0),
        (0x8000001A, 0): (6, 0, 0, 0),
        (0x8000001B, 0): (0x3FF, 0, 0, 0),
    },
)
"""AMD PPR 55803 for family 17h models 30h-3Fh, §2.1.12 "CPUID Instruction"."""

_ZEN_4 = _ZenPart(
    highest=0x26,
    features=0x7EFA320B,
    extended_features=0x79BEF25F,
    system_features=0x10007,
    l1_tlbs=(0xFF48FF40, 0xFF48FF40),
    l2_tlbs=(0x5C002200, 0x6C004200),
    leaves={
        (7, 0): (1, 0xF1BF97A9, 0x00415FDE, 0x10000010),
        (7, 1): (0x20, 0, 0, 0),
        (0xD, 0): (0x2E7, 0x988, 0x988, 0),
        (0xD, 1): (0xF, 0x988, 0x1800, 0),
        (0xD, 2): (0x100, 0x240, 0, 0),
        (0x80000007, 0): (0, 0x3B, 0, 0x6799),
        (0x80000019, 0): (0xF048F040, 0xF0400000, 0, 0),
    },
)
"""AMD PPR 55901 for family 19h models 10h-1Fh, §2.1 "CPUID Instruction"."""


def amd_zen(
    *,
    family: int,
    model: int,
    stepping: int,
    brand: str,
    packages: int,
    complexes_a_package: int,
    cores_a_complex: int,
    threads_a_core: int = 2,
    complexes_a_die: int = 1,
    l3: CacheGeometry | None = ZEN_L3,
    l1d: CacheGeometry = ZEN_L1,
    l1i: CacheGeometry = ZEN_L1,
    l2: CacheGeometry = ZEN_L2,
    physical_bits: int = 52,
    virtual_bits: int = 57,
) -> list[Registers]:
    """Zen processors: `complexes_a_package` complexes (CCX) that each share an L3 (None: they have none), in CCDs.

    Leaves 0B, 80000008, 8000001D, 8000001E, and 80000026 where family and model have it (Zen 4, family
    19h model 10h, and later). CPUs are numbered as Linux numbers them: the first threads of all cores,
    package by package, then the second ones. Features and TLBs are those of an EPYC 9654 from Zen 4 on,
    before it those of an EPYC 7742. Raises EncodingError for what the registers cannot hold.
    """
    if threads_a_core not in (1, 2):
        raise EncodingError(f"a Zen core has 1 or 2 threads, not {threads_a_core}")
    if complexes_a_package % complexes_a_die:
        raise EncodingError(f"{complexes_a_package} complexes do not fill dies of {complexes_a_die}")
    smt = width(threads_a_core)
    complex_shift = smt + width(cores_a_complex)
    die_shift = complex_shift + width(complexes_a_die)
    package_shift = die_shift + width(complexes_a_package // complexes_a_die)
    _check(packages, cores_a_complex * complexes_a_package, 31 - package_shift)
    if package_shift > 15:
        raise EncodingError(f"a package of {package_shift} bits of APIC ids: 80000008 ECX[15:12] ends at 15")
    complex_threads = cores_a_complex * threads_a_core
    package_threads = complex_threads * complexes_a_package
    zen4 = family > 0x19 or (family == 0x19 and model >= 0x10)
    part = _ZEN_4 if zen4 else _ZEN_2
    eax = leaves.signature(family, model, stepping)
    shared: dict[tuple[int, int], Quad] = {
        (0, 0): leaves.name_leaf(0x10, _AMD),
        (5, 0): (0x40, 0x40, 3, 0x11),
        (6, 0): (4, 0, 1, 0),
        **part.leaves,
        (0x80000000, 0): leaves.name_leaf(part.highest, _AMD, extended=True),
        (0x80000001, 0): (eax, 0x40000000, 0x75C237FF, 0x2FD3FBFF),
        **leaves.brand_leaves(brand),
        (0x80000005, 0): (*part.l1_tlbs, leaves.amd_l1(l1d), leaves.amd_l1(l1i)),
        (0x80000006, 0): (*part.l2_tlbs, leaves.amd_l2(l2), _all_l3s(l3, complexes_a_package)),
        (0x80000008, 0): leaves.address_leaf(
            physical_bits,
            virtual_bits,
            part.extended_features,
            package_shift << 12 | min(package_threads - 1, 0xFF),
            part.system_features,
        ),
        **leaves.cache_leaf(
            0x8000001D,
            [
                *leaves.inner_caches(l1d, l1i, l2, l1_ids=threads_a_core, l2_ids=threads_a_core, l2_flags=2),
                *([leaves.SharedCache(leaves.UNIFIED, 3, l3, complex_threads, flags=1)] if l3 else []),
            ],
        ),
    }
    machine: list[Registers] = []
    for thread in range(threads_a_core):
        for package in range(packages):
            for ccx in range(complexes_a_package):
                for core in range(cores_a_complex):
                    die, in_die = divmod(ccx, complexes_a_die)
                    apic = (
                        package << package_shift
                        | die << die_shift
                        | in_die << complex_shift
                        | core << smt
                        | thread
                    )
                    core_id = (apic & (1 << package_shift) - 1) >> smt
                    levels = [(1, smt, threads_a_core), (2, package_shift, package_threads)]
                    own: dict[tuple[int, int], Quad] = {
                        **shared,
                        **leaves.feature_leaf(eax, apic, package_threads, part.features, _EDX_1),
                        **leaves.domain_leaf(0x0B, apic, levels),
                        (0x8000001E, 0): (apic, (threads_a_core - 1) << 8 | core_id & 0xFF, package, 0),
                    }
                    if zen4:
                        dies = [
                            (1, smt, threads_a_core),
                            (2, complex_shift, complex_threads),
                            (3, die_shift, complex_threads * complexes_a_die),
                            (4, package_shift, package_threads),
                        ]
                        own |= leaves.domain_leaf(0x80000026, apic, dies)
                    machine.append(own)
    return machine


def _all_l3s(l3: CacheGeometry | None, complexes: int) -> int:
    """80000006 EDX: the L3s of a package together, as much of them as the field holds."""
    if l3 is None:
        return 0
    field = CacheGeometry(min(l3.size_bytes * complexes, 8 * GB - 512 * KB), l3.ways, l3.line_bytes)
    return leaves.amd_l3(field, in_1d=True)


def _check(packages: int, cores: int, package_bits: int) -> None:
    if packages < 1 or cores < 1:
        raise EncodingError(f"a machine of {packages} packages with {cores} cores each")
    if width(packages) > package_bits:
        raise EncodingError(f"{packages} packages of {cores} cores need more APIC ids than there are")
