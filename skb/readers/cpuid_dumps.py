"""The text layouts in which CPUID registers travel, each turned into registers per CPU.

Nothing is decoded here: a dump becomes a list of `DumpedCpu`, one a logical CPU in the order of the
operating system's numbers, and cpuid.py makes facts of them. Read are `cpuid -r` (cpuid(1)), the
InstLatX64 family (AIDA64 and EVEREST reports and their predecessors), libcpuid's raw dumps (both its
array form and its ARM registers), and the folders of hwloc-gather-cpuid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from skb.readers import DumpError

Quad = tuple[int, int, int, int]
"""EAX, EBX, ECX, EDX."""
Registers = Mapping[tuple[int, int], Quad]
"""(leaf, subleaf) to the registers that CPUID returned; subleaf 0 where a leaf has none."""

ZERO: Quad = (0, 0, 0, 0)
MAX_CPU_NUMBER = 0xFFFF  # a core number has 16 bits in a manifest's identifier


@dataclass(frozen=True, slots=True)
class DumpedCpu:
    """One logical CPU of a dump: its number, where it begins, and what CPUID returned on it.

    `arm` holds the identification registers of an ARM core by name (`midr`, `mpidr`, ...); such a
    CPU has no CPUID registers, an x86 one no `arm`.
    """

    number: int
    where: str
    registers: Registers = field(default_factory=dict)
    arm: Mapping[str, int] = field(default_factory=dict)

    def leaf(self, leaf: int, subleaf: int = 0) -> Quad:
        """The registers of a leaf; zeros when the dump lacks it or the CPU says it has none."""
        return self.registers.get((leaf, subleaf), ZERO)


_HEX = "[0-9A-Fa-f]"
_CPUID_R_HEADER = re.compile(r"CPU(?: +(\d+))?:\s*\Z")
_CPUID_R_LEAF = re.compile(
    rf"\s*0x({_HEX}{{8}}) 0x({_HEX}{{1,8}}): "
    rf"eax=0x({_HEX}{{8}}) ebx=0x({_HEX}{{8}}) ecx=0x({_HEX}{{8}}) edx=0x({_HEX}{{8}})\s*\Z"
)
_REPORT_LINE = re.compile(rf"\s*CPUID\s+{_HEX}{{1,8}}(?![0-9A-Za-z])", re.IGNORECASE)
_REPORT_LEAF = re.compile(
    rf"\s*CPUID\s+({_HEX}{{8}})\s*:?\s*({_HEX}{{8}})[- ]({_HEX}{{8}})[- ]({_HEX}{{8}})[- ]({_HEX}{{8}})"
    rf"(?![0-9A-Za-z])(?:.*?\[SL ({_HEX}{{1,8}})\])?",
    re.IGNORECASE,
)
_REPORT_HEADERS = (
    (re.compile(r"-+\[\s*(?:CPUID Registers / )?Logical CPU #(\d+)[^\]]*\]-+"), 0),
    (re.compile(r"CPUID Registers \(CPU #(\d+)\)"), 1),
    (re.compile(r"CPU#(\d+)\s+AffMask:"), 0),
)
_GROUP_HEADER = re.compile(r"Group:\s*0x[0-9A-Fa-f]+\s+Affinity mask:", re.IGNORECASE)
_RAW_HEADER = re.compile(r"_+ Logical CPU #(\d+) _+\s*\Z")
_RAW_LINE = re.compile(r"(?:basic|ext)_cpuid\[|(?:intel|amd)_fn|arm_midr=")
_RAW_ARRAY = re.compile(
    rf"(?:(basic|ext)_cpuid|(?:intel|amd)_fn(?:({_HEX}+)h|(\d+)))\[(\d{{1,4}})\]="
    rf"({_HEX}{{1,8}}) ({_HEX}{{1,8}}) ({_HEX}{{1,8}}) ({_HEX}{{1,8}})\s*\Z"
)
_RAW_ARM = re.compile(rf"arm_(\w+)=({_HEX}{{1,16}})\s*\Z")
_RAW_OTHER = re.compile(r"\w+=")
_RAW_END = re.compile(r"-{40,}\s*\Z")  # libcpuid's own answers follow
_PU_FILE = re.compile(r"(?:.*/)?pu(\d{1,9})\Z")


def _without_mark(data: bytes) -> bytes:
    """The text without its byte order mark, a byte a character; what is none stays as it is."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data[: len(data) // 2 * 2].decode("utf-16", "replace")
        return text.encode("latin-1", "replace")
    return data.removeprefix(b"\xef\xbb\xbf")


def text_of(data: bytes, name: str) -> str:
    """The dump as text, which programs under Windows may write as UTF-16; DumpError for what is plainly binary."""
    data = _without_mark(data)
    zero = data.find(b"\0")
    if zero >= 0:
        raise DumpError(f"{name}: offset {zero:#x}", "a zero byte; a CPUID dump is text")
    return data.decode("latin-1")


def layout_of(text: str) -> str | None:
    """`cpuid-r`, `report` (InstLatX64) or `raw` (libcpuid), by the first line that is of one of them."""
    for line in text.splitlines():
        if _CPUID_R_HEADER.match(line) or _CPUID_R_LEAF.match(line):
            return "cpuid-r"
        if _RAW_HEADER.match(line) or _RAW_LINE.match(line):
            return "raw"
        if _REPORT_LEAF.match(line):
            return "report"
    return None


def parse(text: str, name: str) -> list[DumpedCpu]:
    """The CPUs of a dump in one file, by number; raises DumpError naming `name`:line."""
    layout = layout_of(text)
    if layout is None:
        raise DumpError(
            f"{name}:1",
            "no CPUID registers here; expected `cpuid -r`, InstLatX64 or libcpuid text",
        )
    lines = text.splitlines()
    if layout == "cpuid-r":
        cpus = list(_parse_cpuid_r(lines, name))
    elif layout == "raw":
        cpus = list(_parse_raw(lines, name))
    else:
        cpus = list(_parse_report(lines, name))
    return sorted(cpus, key=lambda cpu: cpu.number)


def _number(digits: str, where: str) -> int:
    if len(digits) > 6 or int(digits) > MAX_CPU_NUMBER:
        raise DumpError(where, f"CPU number {digits[:24]} is beyond {MAX_CPU_NUMBER}")
    return int(digits)


def _quad(groups: Iterable[str]) -> Quad:
    eax, ebx, ecx, edx = (int(g, 16) for g in groups)
    return eax, ebx, ecx, edx


def _parse_cpuid_r(lines: list[str], name: str) -> Iterator[DumpedCpu]:
    """`cpuid -r`: "CPU n:", then lines of a leaf each. `cpuid -1 -r` writes "CPU:" (taken as CPU 0)."""
    seen: dict[int, int] = {}
    current: dict[tuple[int, int], Quad] | None = None
    for at, line in enumerate(lines, 1):
        leaf = _CPUID_R_LEAF.match(line)
        if leaf:
            if current is None:
                raise DumpError(f"{name}:{at}", 'registers before any "CPU n:" line')
            key = int(leaf[1], 16), int(leaf[2], 16)
            current.setdefault(key, _quad(leaf.groups()[2:]))
            continue
        header = _CPUID_R_HEADER.match(line)
        if header:
            number = _number(header[1] or "0", f"{name}:{at}")
            if number in seen:
                raise DumpError(f"{name}:{at}", f"CPU {number} again; it began at line {seen[number]}")
            seen[number] = at
            current = {}
            yield DumpedCpu(number, f"{name}:{at}", current)
        elif line.strip() and not line.startswith("#") and current is not None:  # a terminal shows a prompt above
            raise DumpError(
                f"{name}:{at}",
                f"{_shown(line)} is no line of `cpuid -r`; expected "
                '"   0xLEAF 0xSUB: eax=0x... ebx=0x... ecx=0x... edx=0x..."',
            )


def _parse_report(lines: list[str], name: str) -> list[DumpedCpu]:
    """InstLatX64, AIDA64, EVEREST: a header a CPU in one of five forms, or none at all.

    Without headers, and wherever numbers repeat (one series a processor group above 64 CPUs), the
    order in the file numbers the CPUs. Without [SL nn] marks the n-th line of a leaf is subleaf n.
    """
    cpus: list[tuple[int | None, str, dict[tuple[int, int], Quad]]] = []
    number: int | None = None
    fresh = True  # the next leaf begins a CPU
    nth: dict[int, int] = {}
    for at, line in enumerate(lines, 1):
        if _REPORT_LINE.match(line):
            leaf = _REPORT_LEAF.match(line)
            if leaf is None:
                raise DumpError(
                    f"{name}:{at}",
                    f"{_shown(line)} is incomplete; expected CPUID LEAF: EAX-EBX-ECX-EDX",
                )
            code = int(leaf[1], 16)
            if fresh or (code == 0 and (0, 0) in cpus[-1][2]):
                cpus.append((number, f"{name}:{at}", {}))
                number, fresh, nth = None, False, {}
            subleaf = int(leaf[6], 16) if leaf[6] else nth.get(code, 0)
            nth[code] = subleaf + 1
            cpus[-1][2].setdefault((code, subleaf), _quad(leaf.groups()[1:5]))
            continue
        if _GROUP_HEADER.match(line):
            number, fresh = None, True
            continue
        for pattern, first in _REPORT_HEADERS:
            header = pattern.match(line)
            if header:
                number, fresh = _number(header[1], f"{name}:{at}") - first, True
                break
    numbers = [n for n, _, _ in cpus]
    by_order = None in numbers or len(set(numbers)) < len(numbers) or min(n or 0 for n in numbers) < 0
    return [
        DumpedCpu(order if by_order or n is None else n, where, registers)
        for order, (n, where, registers) in enumerate(cpus)
    ]


def _parse_raw(lines: list[str], name: str) -> Iterator[DumpedCpu]:
    """libcpuid's own layout: `basic_cpuid[n]=a b c d` and its kin, or `arm_midr=...`, up to the dashes."""
    seen: dict[int, int] = {}
    registers: dict[tuple[int, int], Quad] | None = None
    arm: dict[str, int] = {}
    for at, line in enumerate(lines, 1):
        if _RAW_END.match(line):
            break
        header = _RAW_HEADER.match(line)
        if header is None and not _RAW_OTHER.match(line) and "_cpuid[" not in line and "_fn" not in line:
            if line.strip() and not line.startswith("#"):
                raise DumpError(f"{name}:{at}", f"{_shown(line)} is no line of a libcpuid dump")
            continue
        if header is not None or registers is None:
            number = _number(header[1], f"{name}:{at}") if header else 0
            if number in seen:
                raise DumpError(f"{name}:{at}", f"CPU {number} again; it began at line {seen[number]}")
            seen[number] = at
            registers, arm = {}, {}
            yield DumpedCpu(number, f"{name}:{at}", registers, arm)
            if header is not None:
                continue
        array = _RAW_ARRAY.match(line)
        if array:
            index = int(array[4])
            quad = _quad(array.groups()[4:])
            if array[1] == "basic":
                registers.setdefault((index, 0), quad)
            elif array[1] == "ext":
                registers.setdefault((0x80000000 + index, 0), quad)
            else:  # intel_fn11 is decimal, amd_fn8000001dh is not; both know more than basic_cpuid
                leaf = int(array[2], 16) if array[2] else int(array[3])
                registers[leaf & 0xFFFFFFFF, index] = quad
            continue
        identity = _RAW_ARM.match(line)
        if identity:
            arm.setdefault(identity[1], int(identity[2], 16))
        elif line.startswith("arm_") or not _RAW_OTHER.match(line):
            raise DumpError(f"{name}:{at}", f"{_shown(line)} is incomplete; expected four hex numbers")


def parse_folder(files: Mapping[str, bytes], name: str) -> list[DumpedCpu]:
    """The CPUs of an hwloc-gather-cpuid folder: file `puN` is CPU N (N may have holes).

    A line is `MASK EAX EBX ECX EDX => EAX EBX ECX EDX` in hex; MASK says which inputs count (1 EAX,
    4 ECX). As in hwloc, the first line that matches a question answers it.
    """
    info = next((v for k, v in files.items() if k.rsplit("/", 1)[-1] == "hwloc-cpuid-info"), None)
    if info is not None and b"x86" not in info:
        raise DumpError(f"{name}/hwloc-cpuid-info", "not an x86 machine; expected `Architecture: x86`")
    cpus: dict[int, DumpedCpu] = {}
    for path, data in files.items():
        match = _PU_FILE.match(path)
        if match is None:
            continue
        label = f"{name}/{path.rsplit('/', 1)[-1]}"
        number = _number(match[1], label)
        if number in cpus:
            raise DumpError(label, f"a second file of CPU {number}")
        registers: dict[tuple[int, int], Quad] = {}
        for at, line in enumerate(text_of(data, label).splitlines(), 1):
            if line.startswith("#") or not line.strip():
                continue
            words = line.split()
            try:
                numbers = [int(word, 16) for word in words[:5] + words[6:]]
                if words[5] != "=>" or len(numbers) != 9 or not all(0 <= n <= 0xFFFFFFFF for n in numbers):
                    raise ValueError
            except (ValueError, IndexError):
                raise DumpError(
                    f"{label}:{at}",
                    f"{_shown(line)}; expected `MASK EAX EBX ECX EDX => EAX EBX ECX EDX` in hex",
                ) from None
            mask, leaf, subleaf = numbers[0], numbers[1], numbers[3]
            if mask & 1:
                registers.setdefault((leaf, subleaf if mask & 4 else 0), _quad(words[6:10]))
        cpus[number] = DumpedCpu(number, f"{label}:1", registers)
    if not cpus:
        raise DumpError(name, "no file puN in the folder; expected those of hwloc-gather-cpuid")
    return [cpus[number] for number in sorted(cpus)]


def _shown(line: str) -> str:
    line = line.strip()
    return repr(line if len(line) <= 60 else line[:57] + "...")
