"""Capacities and kinds of cores, as the kernel's capacity and PMU files tell them; and clocks.

A part of the sysfs reader (sysfs.py). Intel's hybrids have a performance monitoring unit a kind of core
(devices/cpu_core, cpu_atom, cpu_lowpower; perf's ABI/testing/sysfs-bus-event_source-devices). On ARM the
part numbers of MIDR_EL1 tell kinds apart, and capacity (or the highest clock) says which is the largest. Where
neither is there, as on 32-bit ARM and on RISC-V, capacities alone tell kinds apart (capacities.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from skb.facts import Fact, fact
from skb.readers.capacities import kinds_by_capacity
from skb.readers.cpusets import cpus_of
from skb.readers.sysfs_clocks import clocks
from skb.readers.sysfs_files import Tree

_PMUS = {"cpu_core": "performance", "cpu_atom": "efficiency", "cpu_lowpower": "low_power"}


def kind_facts(tree: Tree, online: int) -> Iterator[Fact]:
    """`cpu_clock/2`, `cpu_capacity/2` and, on machines with several kinds of cores, `cpu_kind/2`."""
    hertz = clocks(tree, online)
    told = {cpu: tree.number(f"cpu/cpu{cpu}/cpu_capacity") for cpu in cpus_of(online)}
    capacities = {cpu: capacity for cpu, capacity in told.items() if capacity is not None and capacity >= 0}
    kinds = _intel_kinds(tree, online) or _arm_kinds(tree, online)
    if not kinds and len(capacities) == len(told) and not _parts(tree, online):
        kinds = kinds_by_capacity(capacities)
    for cpu in cpus_of(online):
        if cpu in hertz:
            yield fact("cpu_clock", cpu, hertz[cpu])
        if cpu in capacities:
            yield fact("cpu_capacity", cpu, capacities[cpu])
        if cpu in kinds:
            yield fact("cpu_kind", cpu, kinds[cpu])


def _intel_kinds(tree: Tree, online: int) -> dict[int, str]:
    kinds: dict[int, str] = {}
    for unit, kind in _PMUS.items():
        for cpu in cpus_of((tree.outside_list(f"devices/{unit}/cpus") or 0) & online):
            kinds[cpu] = kind
    return kinds if len(set(kinds.values())) > 1 else {}


def _parts(tree: Tree, online: int) -> dict[int, list[int]]:
    """The CPUs of each part number of ARM, with its implementer."""
    parts: defaultdict[int, list[int]] = defaultdict(list)
    for cpu in cpus_of(online):
        midr = tree.number(f"cpu/cpu{cpu}/regs/identification/midr_el1")
        if midr:
            parts[midr >> 4 & 0xFFF | midr >> 12 & 0xFF000].append(cpu)  # part and implementer
    return parts


def _arm_kinds(tree: Tree, online: int) -> dict[int, str]:
    parts = _parts(tree, online)
    if len(parts) < 2:
        return {}
    strength = {
        part: max(
            (
                tree.number(f"cpu/cpu{cpu}/cpu_capacity") or 0,
                tree.number(f"cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq") or 0,
            )
            for cpu in cpus
        )
        for part, cpus in parts.items()
    }
    largest = max(strength.values())
    if len(set(strength.values())) < 2:
        return {}
    return {
        cpu: "performance" if strength[part] == largest else "efficiency"
        for part, cpus in parts.items()
        for cpu in cpus
    }
