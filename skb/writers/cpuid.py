"""CPUID registers as the text of `cpuid -r`, and the registers themselves from stated facts.

`cpuid_r` writes what `cpuid -f` and the CPUID reader read. The encoders of machines are beside it, by
maker: `amd_family_10h`, `amd_family_0fh`, `amd_zen` (cpuid_amd.py), `intel_core2`, `intel_modern`
(cpuid_intel.py); each returns the registers of every CPU in the operating system's order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skb.writers.cpuid_amd import amd_family_0fh, amd_family_10h, amd_zen
from skb.writers.cpuid_intel import CoreGroup, intel_core2, intel_modern
from skb.writers.cpuid_leaves import CacheGeometry, EncodingError, Registers

__all__ = [
    "CacheGeometry",
    "CoreGroup",
    "EncodingError",
    "Registers",
    "amd_family_0fh",
    "amd_family_10h",
    "amd_zen",
    "cpuid_r",
    "intel_core2",
    "intel_modern",
]


def cpuid_r(cpus: Sequence[Registers]) -> str:
    """The text of `cpuid -r`: CPU n is the n-th of `cpus`, its leaves in ascending order.

    Raises EncodingError for a leaf or register beyond 32 bits.
    """
    return "".join(f"CPU {number}:\n{''.join(_lines(cpu))}" for number, cpu in enumerate(cpus))


def _lines(cpu: Registers) -> Iterator[str]:
    for (leaf, subleaf), quad in sorted(cpu.items()):
        if not all(0 <= n <= 0xFFFFFFFF for n in (leaf, subleaf, *quad)):
            raise EncodingError(f"leaf {leaf:#x} subleaf {subleaf:#x} holds a number beyond 32 bits")
        eax, ebx, ecx, edx = quad
        yield (
            f"   0x{leaf:08x} 0x{subleaf:02x}: "
            f"eax=0x{eax:08x} ebx=0x{ebx:08x} ecx=0x{ecx:08x} edx=0x{edx:08x}\n"
        )
