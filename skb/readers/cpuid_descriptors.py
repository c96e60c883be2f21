"""The one-byte descriptors of CPUID leaf 2: caches and TLBs of Intel's CPUs before leaves 4 and 0x18.

Transcribed from Intel's SDM volume 2A, table 3-12 ("Encoding of CPUID leaf 2 descriptors"); 39h to 3Eh,
the sectored L2s of the first Celerons of NetBurst, from Intel's application note 485, table 2-7. Sizes in
bytes; ways of `FULL` are fully associative, of 0 not stated by the table.
"""

from __future__ import annotations

from collections.abc import Iterator

from skb.readers.cpuid_dumps import Quad

FULL = -1
KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
_K4, _M2, _M4, _G1 = 4 * KB, 2 * MB, 4 * MB, GB

CacheDescriptor = tuple[int, str, int, int, int]
"""level, data|instr|unified, size in bytes, ways, line in bytes."""
TlbDescriptor = tuple[int, str, int, int, int]
"""level, data|instr|unified, page in bytes, entries, ways."""


def _caches(level: int, kind: str, rows: dict[int, tuple[int, int, int]]) -> dict[int, CacheDescriptor]:
    return {code: (level, kind, size * KB, ways, line) for code, (size, ways, line) in rows.items()}


CACHES: dict[int, CacheDescriptor] = {
    **_caches(1, "instr", {0x06: (8, 4, 32), 0x08: (16, 4, 32), 0x09: (32, 4, 64), 0x30: (32, 8, 64)}),
    **_caches(1, "data", {0x0A: (8, 2, 32), 0x0C: (16, 4, 32), 0x0D: (16, 4, 64), 0x0E: (24, 6, 64),
                          0x2C: (32, 8, 64), 0x60: (16, 8, 64), 0x66: (8, 4, 64), 0x67: (16, 4, 64),
                          0x68: (32, 4, 64)}),
    **_caches(2, "unified", {
        0x1D: (128, 2, 64), 0x21: (256, 8, 64), 0x24: (1024, 16, 64), 0x39: (128, 4, 64),
        0x3A: (192, 6, 64), 0x3B: (128, 2, 64), 0x3C: (256, 4, 64), 0x3D: (384, 6, 64), 0x3E: (512, 4, 64),
        0x41: (128, 4, 32),
        0x42: (256, 4, 32), 0x43: (512, 4, 32), 0x44: (1024, 4, 32), 0x45: (2048, 4, 32),
        0x48: (3072, 12, 64), 0x49: (4096, 16, 64), 0x4E: (6144, 24, 64), 0x78: (1024, 4, 64),
        0x79: (128, 8, 64), 0x7A: (256, 8, 64), 0x7B: (512, 8, 64), 0x7C: (1024, 8, 64),
        0x7D: (2048, 8, 64), 0x7F: (512, 2, 64), 0x80: (512, 8, 64), 0x82: (256, 8, 32),
        0x83: (512, 8, 32), 0x84: (1024, 8, 32), 0x85: (2048, 8, 32), 0x86: (512, 4, 64),
        0x87: (1024, 8, 64)}),
    **_caches(3, "unified", {
        0x22: (512, 4, 64), 0x23: (1024, 8, 64), 0x25: (2048, 8, 64), 0x29: (4096, 8, 64),
        0x46: (4096, 4, 64), 0x47: (8192, 8, 64), 0x4A: (6144, 12, 64), 0x4B: (8192, 16, 64),
        0x4C: (12288, 12, 64), 0x4D: (16384, 16, 64), 0xD0: (512, 4, 64), 0xD1: (1024, 4, 64),
        0xD2: (2048, 4, 64), 0xD6: (1024, 8, 64), 0xD7: (2048, 8, 64), 0xD8: (4096, 8, 64),
        0xDC: (1536, 12, 64), 0xDD: (3072, 12, 64), 0xDE: (6144, 12, 64), 0xE2: (2048, 16, 64),
        0xE3: (4096, 16, 64), 0xE4: (8192, 16, 64), 0xEA: (12288, 24, 64), 0xEB: (18432, 24, 64),
        0xEC: (24576, 24, 64)}),
}  # fmt: skip

TLBS: dict[int, tuple[TlbDescriptor, ...]] = {
    0x01: ((1, "instr", _K4, 32, 4),),
    0x02: ((1, "instr", _M4, 2, FULL),),
    0x03: ((1, "data", _K4, 64, 4),),
    0x04: ((1, "data", _M4, 8, 4),),
    0x05: ((2, "data", _M4, 32, 4),),
    0x0B: ((1, "instr", _M4, 4, 4),),
    0x4F: ((1, "instr", _K4, 32, 0),),
    0x50: ((1, "instr", _K4, 64, 0), (1, "instr", _M2, 64, 0), (1, "instr", _M4, 64, 0)),
    0x51: ((1, "instr", _K4, 128, 0), (1, "instr", _M2, 128, 0), (1, "instr", _M4, 128, 0)),
    0x52: ((1, "instr", _K4, 256, 0), (1, "instr", _M2, 256, 0), (1, "instr", _M4, 256, 0)),
    0x55: ((1, "instr", _M2, 7, FULL), (1, "instr", _M4, 7, FULL)),
    0x56: ((1, "data", _M4, 16, 4),),
    0x57: ((1, "data", _K4, 16, 4),),
    0x59: ((1, "data", _K4, 16, FULL),),
    0x5A: ((1, "data", _M2, 32, 4), (1, "data", _M4, 32, 4)),
    0x5B: ((1, "data", _K4, 64, 0), (1, "data", _M4, 64, 0)),
    0x5C: ((1, "data", _K4, 128, 0), (1, "data", _M4, 128, 0)),
    0x5D: ((1, "data", _K4, 256, 0), (1, "data", _M4, 256, 0)),
    0x61: ((1, "instr", _K4, 48, FULL),),
    0x63: ((1, "data", _M2, 32, 4), (1, "data", _M4, 32, 4), (1, "data", _G1, 4, 4)),
    0x64: ((1, "data", _K4, 512, 4),),
    0x6A: ((1, "data", _K4, 64, 8),),
    0x6B: ((1, "data", _K4, 256, 8),),
    0x6C: ((1, "data", _M2, 128, 8), (1, "data", _M4, 128, 8)),
    0x6D: ((1, "data", _G1, 16, FULL),),
    0x76: ((1, "instr", _M2, 8, FULL), (1, "instr", _M4, 8, FULL)),
    0xA0: ((1, "data", _K4, 32, FULL),),
    0xB0: ((1, "instr", _K4, 128, 4),),
    0xB1: ((1, "instr", _M2, 8, 4), (1, "instr", _M4, 4, 4)),
    0xB2: ((1, "instr", _K4, 64, 4),),
    0xB3: ((1, "data", _K4, 128, 4),),
    0xB4: ((2, "data", _K4, 256, 4),),
    0xB5: ((1, "instr", _K4, 64, 8),),
    0xB6: ((1, "instr", _K4, 128, 8),),
    0xBA: ((2, "data", _K4, 64, 4),),
    0xC0: ((1, "data", _K4, 8, 4), (1, "data", _M4, 8, 4)),
    0xC1: ((2, "unified", _K4, 1024, 8), (2, "unified", _M2, 1024, 8)),
    0xC2: ((1, "data", _K4, 16, 4), (1, "data", _M2, 16, 4)),
    0xC3: ((2, "unified", _K4, 1536, 6), (2, "unified", _M2, 1536, 6), (2, "unified", _G1, 16, 4)),
    0xC4: ((1, "data", _M2, 32, 4), (1, "data", _M4, 32, 4)),
    0xCA: ((2, "unified", _K4, 512, 4),),
}


def codes(leaf2: Quad) -> Iterator[int]:
    """The descriptors of leaf 2: every byte of a register whose bit 31 is clear, but AL (always 01)."""
    for index, register in enumerate(leaf2):
        if register & 1 << 31:
            continue
        for shift in range(8 if index == 0 else 0, 32, 8):
            code = register >> shift & 0xFF
            if code:
                yield code


def cache(code: int, family: int, model: int) -> CacheDescriptor | None:
    """The cache of a descriptor, None when it is none; 49h is an L3 on the Xeon MP of family 0Fh model 6."""
    found = CACHES.get(code)
    if code == 0x49 and (family, model) == (0xF, 6):
        return (3, "unified", 4 * MB, 16, 64)
    return found
