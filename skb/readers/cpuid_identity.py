"""What one CPU says of itself: vendor, family, brand, clock, address widths, kind of core.

Nothing here looks at a second CPU. Leaves are those of Intel's SDM volume 2A (CPUID) and AMD's APM
volume 3, appendix E; clones follow one or the other.
"""

from __future__ import annotations

import re
import struct

from skb.readers.cpuid_dumps import DumpedCpu

VENDORS = {
    "GenuineIntel": "intel",
    "GenuineIotel": "intel",  # one bit off, on some fused-off parts
    "AuthenticAMD": "amd",
    "AMDisbetter!": "amd",
    "HygonGenuine": "hygon",
    "CentaurHauls": "centaur",
    "  Shanghai  ": "zhaoxin",
    "CyrixInstead": "cyrix",
    "Geode by NSC": "nsc",
    "GenuineTMx86": "transmeta",
    "TransmetaCPU": "transmeta",
    "NexGenDriven": "nexgen",
    "RiseRiseRise": "rise",
    "SiS SiS SiS ": "sis",
    "UMC UMC UMC ": "umc",
    "Vortex86 SoC": "vortex",
    "Genuine  RDC": "rdc",
    "E2K MACHINE\0": "elbrus",
}
AMD_LIKE = frozenset({"amd", "hygon"})
"""Vendors whose topology and caches are AMD's leaves; all others follow Intel's where they have them."""

ARM_IMPLEMENTERS = {0x41: "arm", 0x42: "broadcom", 0x43: "cavium", 0x46: "fujitsu", 0x48: "hisilicon",
                    0x4E: "nvidia", 0x50: "apm", 0x51: "qualcomm", 0x53: "samsung", 0x56: "marvell",
                    0x61: "apple", 0xC0: "ampere"}  # fmt: skip
"""MIDR_EL1[31:24], Arm ARM D19 (and Linux' arch/arm64/include/asm/cputype.h)."""

_STATED_CLOCK = re.compile(r"(\d{1,5}(?:\.\d{1,4})?)\+? ?([MGT])Hz")  # VIA writes 1.2+GHz
_HERTZ = {"M": 10**6, "G": 10**9, "T": 10**12}


def max_basic(cpu: DumpedCpu) -> int:
    """The highest basic leaf (leaf 0 EAX)."""
    return cpu.leaf(0)[0]


def max_extended(cpu: DumpedCpu) -> int:
    """The highest extended leaf, 0 when there is none (leaf 80000000 EAX)."""
    highest = cpu.leaf(0x80000000)[0]
    return highest if 0x80000000 <= highest <= 0x8000FFFF else 0


def extended(cpu: DumpedCpu, leaf: int) -> tuple[int, int, int, int]:
    """An extended leaf; zeros where the CPU does not reach so far."""
    return cpu.leaf(leaf) if max_extended(cpu) >= leaf else (0, 0, 0, 0)


def vendor(cpu: DumpedCpu) -> str:
    """The vendor's atom, from the 12 letters of leaf 0 (EBX, EDX, ECX); `unknown` for a new one."""
    _, ebx, ecx, edx = cpu.leaf(0)
    return VENDORS.get(struct.pack("<3I", ebx, edx, ecx).decode("latin-1"), "unknown")


def family_model_stepping(cpu: DumpedCpu) -> tuple[int, int, int]:
    """Family, model and stepping with the extended fields added, as Linux shows them (leaf 1 EAX)."""
    eax = cpu.leaf(1)[0]
    family = eax >> 8 & 0xF
    model = eax >> 4 & 0xF
    if family == 0xF:
        family += eax >> 20 & 0xFF
    if family >= 6:
        model |= eax >> 12 & 0xF0
    return family, model, eax & 0xF


def brand(cpu: DumpedCpu) -> str:
    """The brand string of leaves 80000002-4 without padding; empty when there is none."""
    if max_extended(cpu) < 0x80000004:
        return ""
    words = [word for leaf in range(0x80000002, 0x80000005) for word in cpu.leaf(leaf)]
    raw = struct.pack("<12I", *words).split(b"\0", 1)[0]
    return "".join(chr(b) if 0x20 <= b < 0x7F else "?" for b in raw).strip()


def clock_hertz(cpu: DumpedCpu) -> int | None:
    """The nominal clock; None where the CPU does not say. Whoever is first of these is believed:

    the brand string ("@ 2.50GHz"), leaf 0x16 EAX (base MHz), leaf 0x15 (crystal × ratio), all three of
    Intel's SDM vol. 2A; Transmeta's 80860001 ECX (MHz); what a hypervisor says of its time-stamp
    counter in 40000010 EAX (kHz; VMware, KVM).
    """
    stated = _STATED_CLOCK.findall(brand(cpu))
    if stated:
        digits, unit = stated[-1]
        hertz = round(float(digits) * _HERTZ[unit])
        if hertz:
            return hertz
    maker = vendor(cpu)
    if maker == "intel":
        if max_basic(cpu) >= 0x16 and cpu.leaf(0x16)[0] & 0xFFFF:
            return (cpu.leaf(0x16)[0] & 0xFFFF) * 10**6
        denominator, numerator, crystal, _ = cpu.leaf(0x15)
        if max_basic(cpu) >= 0x15 and denominator and numerator and crystal:
            return crystal * numerator // denominator
    if maker == "transmeta" and 0x80860001 <= cpu.leaf(0x80860000)[0] <= 0x8086FFFF:
        return cpu.leaf(0x80860001)[2] * 10**6 or None
    if cpu.leaf(1)[2] & 1 << 31 and 0x40000010 <= cpu.leaf(0x40000000)[0] <= 0x400000FF:
        return cpu.leaf(0x40000010)[0] * 1000 or None
    return None


def address_bits(cpu: DumpedCpu) -> tuple[int, int, int]:
    """Physical, virtual and guest-physical address bits (leaf 80000008 EAX).

    Guest bits of 0 mean those of the host (APM E.4.7). A CPU without the leaf has 36 bits with PAE or
    PSE-36 and 32 without (SDM vol. 3A §4.1.4).
    """
    eax = extended(cpu, 0x80000008)[0]
    physical, virtual, guest = eax & 0xFF, eax >> 8 & 0xFF, eax >> 16 & 0xFF
    if not physical:
        wide = cpu.leaf(1)[3] & (1 << 6 | 1 << 17)
        physical, virtual = (36 if wide else 32), (48 if has_long_mode(cpu) else 32)
    return physical, virtual or physical, guest or physical


def has_long_mode(cpu: DumpedCpu) -> bool:
    """Whether the CPU runs x86_64 (80000001 EDX bit 29)."""
    return bool(extended(cpu, 0x80000001)[3] & 1 << 29)


def arm_identity(cpu: DumpedCpu) -> tuple[str, str, int, int, int]:
    """Architecture, implementer, variant, part number and revision of an ARM core.

    MIDR is 32 bits wide (some tools store rubbish above). Architecture: `armv8` when the 64-bit
    feature registers or the CPUID scheme of MIDR (0xF) with a 64-bit MPIDR say so, else `armv7`.
    """
    midr = cpu.arm["midr"] & 0xFFFFFFFF
    implementer = ARM_IMPLEMENTERS.get(midr >> 24, "unknown")
    part = midr >> 4 & 0xFFF
    # Cortex-A5..A17 and the R/M profiles are 0xC00-0xC3F; from 0xD00 on everything of Arm's is v8
    old = midr >> 16 & 0xF != 0xF or (midr >> 24 == 0x41 and part < 0xD00)
    return "armv7" if old else "armv8", implementer, midr >> 20 & 0xF, part, midr & 0xF
