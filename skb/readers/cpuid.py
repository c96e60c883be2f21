"""The CPUID reader: what each logical CPU is and what it shares with which others.

Dumps of four kinds come in (`cpuid -r`, InstLatX64 reports, libcpuid's raw dumps, folders of
hwloc-gather-cpuid; cpuid_dumps.py), facts named as in Barrelfish's SKB go out: `corename/3`,
`cpu_thread/4`, `cpu_die/2`, `cpu_cluster/2`, `vendor/2`, `cpu_family/5`, `cpu_brand/2`, `cpu_clock/2`,
`cpu_cache/9`, `cpu_cache_id/4`, `cpu_tlb/6`, `cpu_addrspace/4`, `cpu_kind/2` and `cpu_feature/2`. A core is
known by the operating system's number of its CPU. CPUID knows no memory, nodes or distances.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from skb.facts import Fact, Text, compound, fact
from skb.readers import DumpError
from skb.readers.cpuid_caches import Cache, caches, tlbs
from skb.readers.cpuid_dumps import DumpedCpu, layout_of, parse, parse_folder, text_of
from skb.readers.cpuid_features import features
from skb.readers.cpuid_identity import (
    AMD_LIKE,
    address_bits,
    arm_identity,
    brand,
    clock_hertz,
    family_model_stepping,
    has_long_mode,
    max_basic,
    max_extended,
    vendor,
)
from skb.readers.cpuid_topology import Key, places

_K = TypeVar("_K", bound=Hashable)

_RECOGNISED_BYTES = 1 << 18  # a report may open with pages about the program that wrote it


def recognises(data: bytes) -> bool:
    """Whether the file is a CPUID dump: a `puN` file of hwloc's, or any text that `read` reads."""
    try:
        text = text_of(data[:_RECOGNISED_BYTES], "")
    except DumpError:
        return False
    return text.startswith("# mask e[abcd]x => e[abcd]x") or layout_of(text) is not None


def read(data: bytes, name: str) -> list[Fact]:
    """The facts of a dump in one file: `cpuid -r`, InstLatX64 or libcpuid text.

    `name` is what errors call the file. Raises DumpError naming `name`:line where the text is no dump,
    breaks off within a line, or its CPUs cannot be told apart.
    """
    return facts_of(parse(text_of(data, name), name))


def read_folder(files: Mapping[str, bytes], name: str) -> list[Fact]:
    """The facts of an hwloc-gather-cpuid folder, given as file name (or path) to content.

    Raises DumpError naming `name`/puN:line; files that are not `puN` are left alone.
    """
    return facts_of(parse_folder(files, name))


def facts_of(cpus: Sequence[DumpedCpu]) -> list[Fact]:
    """The facts of CPUs, in the order of their numbers; raises DumpError as `read` does."""
    arm = [cpu for cpu in cpus if "midr" in cpu.arm]
    x86 = [cpu for cpu in cpus if "midr" not in cpu.arm]
    return [*_arm_facts(arm), *(_x86_facts(x86) if x86 else ())]


def _x86_facts(cpus: Sequence[DumpedCpu]) -> Iterator[Fact]:
    placed = places(cpus)
    dies = _dense(place.die for place in placed)
    clusters = _dense(place.cluster for place in placed)
    held = [caches(cpu, place) for cpu, place in zip(cpus, placed, strict=True)]
    sharers = Counter((cache.level, cache.kind, cache.key) for own in held for cache in own)
    instances: defaultdict[tuple[int, str], dict[Key, int]] = defaultdict(dict)
    for level, kind, key in sharers:
        instances[level, kind][key] = len(instances[level, kind])
    kinds = _kinds(cpus, held)
    for cpu, place, own in zip(cpus, placed, held, strict=True):
        core = cpu.number
        maker = vendor(cpu)
        arch = "x86_64" if has_long_mode(cpu) else "x86_32"
        yield fact("corename", core, arch, compound("apic", place.apic))
        yield fact("cpu_thread", core, place.package, place.core, place.thread)
        if place.die is not None:
            yield fact("cpu_die", core, dies[place.die])
        if place.cluster is not None:
            yield fact("cpu_cluster", core, clusters[place.cluster])
        yield fact("vendor", core, maker)
        yield fact("cpu_family", core, maker, *family_model_stepping(cpu))
        if name := brand(cpu):
            yield fact("cpu_brand", core, Text(name))
        if hertz := clock_hertz(cpu):
            yield fact("cpu_clock", core, hertz)
        if core in kinds:
            yield fact("cpu_kind", core, kinds[core])
        yield fact("cpu_addrspace", core, *address_bits(cpu))
        for cache in own:
            shared = sharers[cache.level, cache.kind, cache.key]
            yield fact(
                "cpu_cache", core, cache.name, cache.level, cache.kind, cache.size_bytes, cache.ways,
                cache.line_bytes, shared, int(cache.inclusive),
            )  # fmt: skip
            instance = instances[cache.level, cache.kind][cache.key]
            yield fact("cpu_cache_id", core, cache.level, cache.kind, instance)
        for tlb in tlbs(cpu):
            yield fact("cpu_tlb", core, tlb.kind, tlb.level, tlb.page_bytes, tlb.entries, tlb.ways)
        for feature in features(cpu):
            yield fact("cpu_feature", core, feature)


def _dense(keys: Iterable[_K | None]) -> dict[_K, int]:
    """Numbers from 0 for the distinct keys, in the order of their first CPU."""
    numbers: dict[_K, int] = {}
    for key in keys:
        if key is not None:
            numbers.setdefault(key, len(numbers))
    return numbers


def _kinds(cpus: Sequence[DumpedCpu], held: Sequence[Sequence[Cache]]) -> dict[int, str]:
    """The kind of core of each CPU of a hybrid machine, by CPU number; empty for others.

    Intel says hybrid in leaf 7 (EDX bit 15) and the kind in 1A (EAX[31:24]: 20h Atom, 40h Core); an
    Atom core outside the L3 that others have is one of the low-power island. AMD says both in
    80000026 (EAX bit 30; EBX[31:28]).
    """
    kinds: dict[int, str] = {}
    with_l3 = [any(cache.level == 3 for cache in own) for own in held]
    for cpu, has_l3 in zip(cpus, with_l3, strict=True):
        maker = vendor(cpu)
        if maker == "intel" and max_basic(cpu) >= 0x1A and cpu.leaf(7)[3] & 1 << 15:
            kind = cpu.leaf(0x1A)[0] >> 24
            if kind == 0x40:
                kinds[cpu.number] = "performance"
            elif kind == 0x20:
                kinds[cpu.number] = "efficiency" if has_l3 or not any(with_l3) else "low_power"
        elif maker in AMD_LIKE and max_extended(cpu) >= 0x80000026:
            eax, ebx, _, _ = cpu.leaf(0x80000026)
            of_code = {0: "performance", 1: "efficiency", 2: "low_power"}
            if eax & 1 << 30 and ebx >> 28 in of_code:
                kinds[cpu.number] = of_code[ebx >> 28]
    return kinds


def _arm_facts(cpus: Sequence[DumpedCpu]) -> Iterator[Fact]:
    """ARM's identification registers: MIDR names the core, MPIDR places it (Arm ARM D19.2).

    Affinity 0 is the thread where MPIDR bit 24 (MT) is set, else the core; the level above the core is
    the cluster, the one above that the package.
    """
    affinities = [_affinity(cpu.arm.get("mpidr", cpu.number)) for cpu in cpus]
    clusters = _dense(affinity[:2] for affinity in affinities)
    for cpu, affinity in zip(cpus, affinities, strict=True):
        arch, implementer, variant, part, revision = arm_identity(cpu)
        mpidr = cpu.arm.get("mpidr", cpu.number) & 0xFFFFFF
        package, cluster, core, thread = affinity
        yield fact("corename", cpu.number, arch, compound("mpidr", mpidr))
        yield fact("cpu_thread", cpu.number, package, cluster << 8 | core, thread)
        yield fact("cpu_cluster", cpu.number, clusters[package, cluster])
        yield fact("vendor", cpu.number, implementer)
        yield fact("cpu_family", cpu.number, implementer, variant, part, revision)


def _affinity(mpidr: int) -> tuple[int, int, int, int]:
    """Package, cluster, core, thread of an MPIDR."""
    aff0, aff1, aff2 = mpidr & 0xFF, mpidr >> 8 & 0xFF, mpidr >> 16 & 0xFF
    if mpidr & 1 << 24:
        return 0, aff2, aff1, aff0
    return aff2, aff1, aff0, 0
