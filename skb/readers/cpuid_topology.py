"""Where each logical CPU sits: package, die, cluster, core and thread, by the bits of its APIC id.

The APIC id is cut at shifts that the leaves give, tried in the order the manuals set: AMD 80000026
(APM vol. 3 E.4.24); Intel 1F, then 0B (SDM vol. 3A §9.9, "domains"; Zen 2 and later and Zhaoxin have
0B too); AMD 80000008 with 8000001E; Intel 1 and 4; leaf 1 alone. Dies of older AMD packages come from
the node ids (8000001E) or, before those, from the package's type (BKDG family 10h).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skb.readers import DumpError
from skb.readers.cpuid_dumps import DumpedCpu
from skb.readers.cpuid_identity import (
    AMD_LIKE,
    extended,
    family_model_stepping,
    max_basic,
    max_extended,
    vendor,
)

Key = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """The place of one logical CPU.

    `package`, `core` (within the package) and `thread` (within the core) are the hardware's own ids,
    cut from the APIC id. `die` and `cluster` are keys, equal for CPUs of one die or cluster of the
    machine; None where no leaf tells.
    """

    apic: int
    package: int
    core: int
    thread: int
    die: Key | None
    cluster: Key | None


@dataclass(frozen=True, slots=True)
class _Shifts:
    """How far to shift an APIC id right to get the id of its core, cluster, die, package."""

    core: int
    package: int
    cluster: int | None = None
    die: int | None = None


def width(count: int) -> int:
    """Bits that number `count` things: 0 for 0 or 1, 3 for 5 to 8."""
    return max(count - 1, 0).bit_length()


def has_topoext(cpu: DumpedCpu) -> bool:
    """AMD's topology extension: leaves 8000001D and 8000001E (80000001 ECX bit 22).

    Some firmware of family 15h hides the bit while the leaves still answer (Linux turns it on again,
    arch/x86/kernel/cpu/amd.c); there the compute units of 8000001E EBX count as the bit.
    """
    if vendor(cpu) not in AMD_LIKE or max_extended(cpu) < 0x8000001E:
        return False
    hidden = family_model_stepping(cpu)[0] == 0x15 and cpu.leaf(0x8000001E)[1] & 0xFF00
    return bool(extended(cpu, 0x80000001)[2] & 1 << 22 or hidden)


def places(cpus: Sequence[DumpedCpu]) -> list[Place]:
    """The place of every CPU; raises DumpError when their APIC ids do not tell them apart."""
    apics = _apic_ids(cpus)
    return [_place(cpu, apic) for cpu, apic in zip(cpus, apics, strict=True)]


def _apic_ids(cpus: Sequence[DumpedCpu]) -> list[int]:
    """The APIC ids from the widest source that is unique over the machine.

    x2APIC ids first: the 8 bits of leaf 1 wrap above 255. A dump made without binding the reader to
    each CPU repeats one id in all of them. CPUs from before the Pentium 4 state no id; each is a package
    of its own, and its number stands for the id.
    """
    candidates: list[list[int | None]] = [
        [_x2apic_id(cpu) for cpu in cpus],
        [extended(cpu, 0x8000001E)[0] if has_topoext(cpu) else None for cpu in cpus],
        [_initial_apic_id(cpu) for cpu in cpus],
    ]
    told = [[apic for apic in ids if apic is not None] for ids in candidates]
    told = [ids for ids in told if len(ids) == len(cpus)]
    for ids in told:
        if len(set(ids)) == len(ids):
            return ids
    if all(_threads_a_package(cpu) == 1 and (max_basic(cpu) < 4 or len(cpus) == 1) for cpu in cpus):
        return [cpu.number for cpu in cpus]
    raise _clash(cpus, told[0] if told else [0] * len(cpus))


def _initial_apic_id(cpu: DumpedCpu) -> int | None:
    """Leaf 1 EBX[31:24]; None without a local APIC (EDX bit 9), where older CPUs leave rubbish."""
    _, ebx, _, edx = cpu.leaf(1)
    return ebx >> 24 if edx & (1 << 9 | 1 << 28) else None


def _threads_a_package(cpu: DumpedCpu) -> int:
    """Leaf 1 EBX[23:16], which counts where EDX bit 28 (HTT) is set; else one (SDM vol. 2A, CPUID)."""
    _, ebx, _, edx = cpu.leaf(1)
    return max(ebx >> 16 & 0xFF, 1) if edx & 1 << 28 else 1


def _clash(cpus: Sequence[DumpedCpu], ids: Sequence[int]) -> DumpError:
    """The error for the first CPU whose APIC id is an earlier one's."""
    first: dict[int, int] = {}
    for cpu, apic in zip(cpus, ids, strict=True):
        if first.setdefault(apic, cpu.number) != cpu.number:
            what = f"CPU {cpu.number} has APIC id {apic}, as CPU {first[apic]} has"
            return DumpError(cpu.where, f"{what}; the dump was not taken on each CPU in turn")
    return DumpError(cpus[0].where, "no APIC id")


def _x2apic_id(cpu: DumpedCpu) -> int | None:
    for leaf in _domain_leaves(cpu):
        if cpu.leaf(leaf)[1] & 0xFFFF:
            return cpu.leaf(leaf)[3]
    return None


def _domain_leaves(cpu: DumpedCpu) -> list[int]:
    leaves = []
    if vendor(cpu) in AMD_LIKE and max_extended(cpu) >= 0x80000026:
        leaves.append(0x80000026)
    leaves += [leaf for leaf in (0x1F, 0x0B) if max_basic(cpu) >= leaf]
    return leaves


def domains(cpu: DumpedCpu, leaf: int) -> list[tuple[int, int]]:
    """(type, shift to the next domain) of every subleaf of 0B, 1F or 80000026, lowest first.

    Ends at type 0, or where a subleaf counts no logical processor (EBX[15:0] = 0).
    """
    levels: list[tuple[int, int]] = []
    for subleaf in range(16):
        eax, ebx, ecx, _ = cpu.leaf(leaf, subleaf)
        kind = ecx >> 8 & 0xFF
        if not kind or not ebx & 0xFFFF:
            break
        levels.append((kind, eax & 0x1F))
    return levels


def _domain_shifts(cpu: DumpedCpu) -> _Shifts | None:
    """Shifts by leaf 80000026, 1F or 0B, whichever is the first to say anything."""
    for leaf in _domain_leaves(cpu):
        levels = domains(cpu, leaf)
        if not levels:
            continue
        core = next((shift for kind, shift in levels if kind == 1), 0)
        cluster = die = None
        if leaf == 0x80000026:
            # the shift of a type leads to the next: 1 to cores, 2 to complexes, 3 to dies, 4 to sockets
            by_type = dict(levels)
            cluster, die = by_type.get(2), by_type.get(3)
        else:
            below = 0
            for kind, shift in levels:
                if kind in (3, 4) and cluster is None:  # module, tile
                    cluster = below
                elif kind == 5:
                    die = below
                below = shift
        return _Shifts(core, levels[-1][1], cluster, die)
    return None


def _legacy_shifts(cpu: DumpedCpu) -> _Shifts:
    """Shifts by leaves 80000008 and 8000001E (AMD) or 1 and 4 (Intel and others)."""
    if vendor(cpu) in AMD_LIKE:
        ecx = extended(cpu, 0x80000008)[2]
        package = ecx >> 12 & 0xF or width((ecx & 0xFF) + 1)
        threads = 1
        if has_topoext(cpu) and family_model_stepping(cpu)[0] >= 0x17:
            threads = (extended(cpu, 0x8000001E)[1] >> 8 & 0xFF) + 1
        return _Shifts(min(width(threads), package), package)
    cores = 1
    if max_basic(cpu) >= 4 and cpu.leaf(4)[0] & 0x1F:
        cores = (cpu.leaf(4)[0] >> 26) + 1
    package = max(width(_threads_a_package(cpu)), width(cores))
    return _Shifts(max(package - width(cores), 0), package)


def _place(cpu: DumpedCpu, apic: int) -> Place:
    shifts = _domain_shifts(cpu)
    if shifts is None:
        shifts = _legacy_shifts(cpu)
    core_shift = min(shifts.core, shifts.package)
    package = apic >> shifts.package
    within = apic & (1 << shifts.package) - 1
    die: Key | None = None if shifts.die is None else (package, apic >> shifts.die)
    cluster: Key | None = None if shifts.cluster is None else (package, apic >> shifts.cluster)
    if vendor(cpu) in AMD_LIKE:
        node = amd_node(cpu, apic, package, within)
        if die is None and node is not None:
            die = (package, node)
        if cluster is None:
            cluster = _amd_cluster(cpu, apic, package, node)
    return Place(apic, package, within >> core_shift, within & (1 << core_shift) - 1, die, cluster)


def amd_node(cpu: DumpedCpu, apic: int, package: int, within: int) -> int | None:
    """The node (die) of an AMD CPU whose package holds several; None where it is one or not told.

    Families 15h, 17h, 18h and 19h: 8000001E ECX[10:8] + 1 nodes a package, ECX[7:0] the node. Family
    10h in a G34 package (80000001 EBX[31:28] = 3; BKDG 31116 §3.18, "multi-node processors") has two
    dies, whose cores are numbered one die after the other with no hole between them.
    """
    family, _, _ = family_model_stepping(cpu)
    if has_topoext(cpu) and family not in (0x14, 0x16):
        ecx = extended(cpu, 0x8000001E)[2]
        return ecx & 0xFF if ecx >> 8 & 7 else None
    if family == 0x10 and extended(cpu, 0x80000001)[1] >> 28 == 3:
        cores = (extended(cpu, 0x80000008)[2] & 0xFF) + 1
        return within // (cores // 2) if cores >= 2 else None
    return None


def _amd_cluster(cpu: DumpedCpu, apic: int, package: int, node: int | None) -> Key | None:
    """Family 15h: the compute unit. Family 17h and later: the complex (CCX), those that share an L3."""
    family, _, _ = family_model_stepping(cpu)
    if not has_topoext(cpu):
        return None
    if family == 0x15:
        return package, -1 if node is None else node, extended(cpu, 0x8000001E)[1] & 0xFF
    if family >= 0x17:
        for subleaf in range(16):
            eax = cpu.leaf(0x8000001D, subleaf)[0]
            if eax & 0x1F == 0:
                break
            if eax >> 5 & 7 == 3:
                return package, apic >> width((eax >> 14 & 0xFFF) + 1)
    return None
