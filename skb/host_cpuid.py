"""CPUID of this machine from the kernel's devices, /dev/cpu/N/cpuid: a part of host.py.

It is for where the program cpuid is not installed, or fails. The position in such a device is the leaf, with the
subleaf above it, and 16 bytes are its registers (cpuid(4)); only root may read them, and CPUs that a container may
not run on answer all the same. What is read is written as `cpuid -r` writes it, which the cpuid reader reads.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

Read = Callable[[int, int], tuple[int, int, int, int]]
"""EAX, EBX, ECX, EDX of a leaf and subleaf."""

_MOST_LEAVES = 0x40
_MOST_SUBLEAVES = 32
_CACHES = (0x4, 0x8000001D)  # until one of type 0 (Intel SDM 2A, CPUID; AMD APM 3, E.4)
_LEVELS = (0xB, 0x1F, 0x80000026)  # until one without logical processors
_COUNTED = (0x7, 0x18)  # as many as subleaf 0 says in EAX
_STATE = 0xD  # subleaf 1 has features; those above it are of registers to save


def registers(read: Read) -> Iterator[tuple[int, int, tuple[int, int, int, int]]]:
    """Leaf, subleaf and registers of one CPU, of the standard and the extended leaves."""
    for first in (0, 0x80000000):
        highest = read(first, 0)[0]
        if not first <= highest < first + 0x10000:
            continue  # a CPU without extended leaves answers with those of its last standard one
        for leaf in range(first, min(highest, first + _MOST_LEAVES) + 1):
            last = 0
            for subleaf in range(_MOST_SUBLEAVES):
                quad = read(leaf, subleaf)
                yield leaf, subleaf, quad
                if leaf in _CACHES:
                    more = quad[0] & 0x1F != 0
                elif leaf in _LEVELS:
                    more = quad[1] & 0xFFFF != 0
                else:
                    last = quad[0] if subleaf == 0 else last
                    more = subleaf < (last if leaf in _COUNTED else 1 if leaf == _STATE else 0)
                if not more:
                    break


def text_of_devices(devices: Path) -> str:
    """The registers of all CPUs as text of `cpuid -r`; OSError where a device cannot be read.

    Empty where there are no devices (the kernel's module cpuid makes them), or none may be asked.
    """
    cpus = sorted(int(name) for name in os.listdir(devices) if re.fullmatch("[0-9]{1,5}", name))
    lines: list[str] = []
    for cpu in cpus:
        device = os.open(devices / str(cpu) / "cpuid", os.O_RDONLY)
        try:
            lines.append(f"CPU {cpu}:")
            lines += [
                f"   {leaf:#010x} {subleaf:#04x}: eax={eax:#010x} ebx={ebx:#010x} ecx={ecx:#010x} edx={edx:#010x}"
                for leaf, subleaf, (eax, ebx, ecx, edx) in registers(_reader(device))
            ]
        finally:
            os.close(device)
    return "".join(f"{line}\n" for line in lines)


def _reader(device: int) -> Read:
    def read(leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        data = os.pread(device, 16, leaf | subleaf << 32)
        if len(data) != 16:
            raise OSError(f"leaf {leaf:#x} has {len(data)} of 16 bytes")
        eax, ebx, ecx, edx = struct.unpack("<4I", data)
        return eax, ebx, ecx, edx

    return read
