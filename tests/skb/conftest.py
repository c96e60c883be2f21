"""What tests of processors share: hwloc's opinion of their registers."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

Registers = Mapping[tuple[int, int], tuple[int, int, int, int]]
Sets = dict[str, set]

SUBLEAVED = {4, 7, 0xB, 0xD, 0x1A, 0x1F, 0x8000001D, 0x80000026}


@pytest.fixture
def lstopo(tmp_path: Path) -> Callable[[Sequence[Registers]], Sets]:
    """`lstopo(registers of every CPU)`: hwloc's objects by type, each the CPUs in it (caches with their size)."""
    if shutil.which("lstopo") is None:
        pytest.skip("lstopo is not installed")

    def objects(machine: Sequence[Registers]) -> Sets:
        folder = tmp_path / "hwloc-cpuid"
        folder.mkdir()
        (folder / "hwloc-cpuid-info").write_text("Architecture: x86\n")
        for number, registers in enumerate(machine):
            lines = [
                f"{5 if leaf in SUBLEAVED else 1} {leaf:x} 0 {sub:x} 0 => " + " ".join(f"{n:x}" for n in quad)
                for (leaf, sub), quad in registers.items()
            ]
            (folder / f"pu{number}").write_text("\n".join(lines) + "\n")
        command = ["lstopo", "-i", str(folder), "--if", "cpuid", "--of", "xml", "-"]
        xml = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        found: Sets = defaultdict(set)
        for element in ET.fromstring(xml).iter("object"):
            bits = int("".join(f"{int(w or '0', 16):08x}" for w in element.get("cpuset", "").split(",")), 16)
            cpus = frozenset(n for n in range(bits.bit_length()) if bits >> n & 1)
            name = element.get("type")
            if name.endswith("Cache"):
                found[name.removesuffix("Cache")].add((cpus, int(element.get("cache_size"))))
            elif name in ("Package", "Die", "Core", "PU"):
                found[name].add(cpus)
        return found

    return objects
