"""The sysfs reader: what the Linux kernel tells of its CPUs, nodes and PCI devices.

A copy of /sys/devices/system, of /sys, of a root with sys and proc in it, the live /sys, or what
hwloc-gather-topology packs into a tarball (sysfs_files.py) becomes facts (source `sysfs`). A core is known
by the number of its CPU. What the kernel's files mean is in its Documentation/ABI/stable/sysfs-devices-*,
Documentation/admin-guide/cputopology.rst and mm/numaperf.rst; where real kernels tell nonsense the reading
is hwloc's (topology-linux.c of 2.9).

    cpu_online(Core, 0|1)                 every CPU present; the others are told of CPUs on line only
    cpu_thread(Core, Package, CoreInPackage, Thread)    cpu_die(Core, Die)      cpu_cluster(Core, Cluster)
    cpu_cache/9, cpu_cache_id/4           as cpuid's; whether a cache is inclusive is unknown
    cpu_clock(Core, Hertz)                see sysfs_clocks.py, also for what is believed first
    cpu_capacity(Core, Capacity)          cpu_kind(Core, Kind)                  see sysfs_kinds.py
    cpu_node, node_memory, node_distance and more of nodes: see sysfs_nodes.py
    corename, vendor, cpu_family, cpu_brand    from proc/cpuinfo, where it was copied too
    device, bridge                        from bus/pci; device_node(Address, Node) its numa_node
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from skb.facts import Fact, fact
from skb.readers import DumpError
from skb.readers.cpusets import Cache, Nested, Numbered, cache_facts, cpus_of, first_cpu, position_facts
from skb.readers.sysfs_cpuinfo import cpuinfo_facts, is_compute_unit_machine
from skb.readers.sysfs_files import Tree, files_of, rooted, unpack
from skb.readers.sysfs_kinds import kind_facts
from skb.readers.sysfs_knl import is_knights_landing, mcdram_caches
from skb.readers.sysfs_nodes import node_facts, nodes_of
from skb.readers.sysfs_pci import pci_facts

__all__ = ["files_of", "read", "read_tree", "recognises"]


def recognises(data: bytes) -> bool:
    """Whether the file may be a tarball of hwloc-gather-topology: gzip, bzip2, xz or plain tar."""
    return (
        data[:2] == b"\x1f\x8b"
        or data[:3] == b"BZh"
        or data[:6] == b"\xfd7zXZ\0"
        or data[257:262] == b"ustar"
    )


def read(data: bytes, name: str) -> list[Fact]:
    """The facts of a tarball (.tar, .tar.gz, .tar.bz2, .tar.xz), unpacked in memory.

    Raises DumpError naming `name`, or `name`/path of the file within, where it is no tarball, holds paths
    that lead out of it, is absurdly large, or as `read_tree` does.
    """
    return read_tree(unpack(data, name), name)


def read_tree(files: Mapping[str, bytes], name: str) -> list[Fact]:
    """The facts of a tree, given as path to content; `name` is what errors call its root.

    Paths are relative to any folder above `cpu/` (`sys/devices/system/cpu/...`, `devices/system/cpu/...`,
    `cpu/...`), with anything before that. Files that say nothing here are left alone. Raises DumpError
    (`name`/path) where there is no CPU, or a file does not hold what the kernel writes there.
    """
    tree = rooted(files, name)
    everyone, online = _cpus(tree)
    if not online:
        raise DumpError(
            name, "no CPU: devices/system/cpu/cpuN/topology and devices/system/cpu/online are missing"
        )
    facts = [fact("cpu_online", cpu, int(bool(online & 1 << cpu))) for cpu in cpus_of(everyone | online)]
    nodes = nodes_of(tree, online)
    knights_landing = is_knights_landing(tree)
    third_level = list(mcdram_caches(nodes)) if knights_landing else None
    facts += _cpu_facts(tree, online, third_level)
    facts += cpuinfo_facts(tree, online)
    facts += kind_facts(tree, online)
    facts += node_facts(tree, nodes, cpuless_by_distance=knights_landing)
    facts += pci_facts(tree)
    return facts


def _cpus(tree: Tree) -> tuple[int, int]:
    """CPUs there are, and those on line of which the kernel tells the topology."""
    folders = 0
    for cpu in tree.numbered("cpu", "cpu"):
        folders |= 1 << cpu
    everyone = folders | (tree.cpu_list("cpu/present") or 0)
    listed = tree.cpu_list("cpu/online")
    online = folders if listed is None else listed
    if listed is None:
        for cpu in cpus_of(folders):
            if tree.number(f"cpu/cpu{cpu}/online") == 0:
                online &= ~(1 << cpu)
    told = 0
    for cpu in cpus_of(folders):
        if tree.has(f"cpu/cpu{cpu}/topology"):
            told |= 1 << cpu
    # A kernel without topology (uniprocessor, early ARM): each CPU on its own.
    return everyone, (online & told) if told else online


def _cpu_facts(tree: Tree, online: int, third_level: list[Cache] | None) -> Iterator[Fact]:
    """Positions and caches, CPU by CPU: a set of CPUs is believed when its first CPU comes up.

    A set that cuts one seen before (caches said to be shared beyond a package, for example) is not
    believed. These are the rules, and the order, of hwloc's look_sysfscpu. `third_level` are the caches of
    that level where the files' own are to be left alone.
    """
    nested = Nested()
    packages: dict[int, Numbered] = {}
    dies: dict[int, Numbered] = {}
    clusters: dict[int, Numbered] = {}
    cores: dict[int, Numbered] = {}
    caches: dict[tuple[int, int, str], Cache] = {}
    units_of_cores = is_compute_unit_machine(tree)
    for cpu in cpus_of(online):
        here = f"cpu/cpu{cpu}/topology"
        core = _siblings(tree, here, "core_cpus", "thread_siblings", online)
        first = True
        if core:
            first = first_cpu(core) == cpu
            if units_of_cores is not False and core.bit_count() > 1:
                # AMD's compute units (families 15h, 16h): old kernels say siblings of two cores
                numbers = [_id(tree, f"cpu/cpu{sibling}/topology/core_id") for sibling in cpus_of(core)]
                units_of_cores = len(set(numbers)) > 1
            if units_of_cores and core.bit_count() > 1:
                core, first = 1 << cpu, True
            if first and nested.admit(core):
                cores.setdefault(core, Numbered(core, _id(tree, f"{here}/core_id")))
        if first:
            package = _siblings(tree, here, "package_cpus", "core_siblings", online)
            if package and first_cpu(package) == cpu and nested.admit(package):
                packages.setdefault(package, Numbered(package, _id(tree, f"{here}/physical_package_id")))
            cluster = _siblings(tree, here, "cluster_cpus", "", online)
            die = _siblings(tree, here, "die_cpus", "", online)
            if die.bit_count() > 1 and die != package and first_cpu(die) == cpu and nested.admit(die):
                dies.setdefault(die, Numbered(die, None))
            whole = (package, die, core)
            if (
                cluster.bit_count() > 1
                and cluster not in whole
                and first_cpu(cluster) == cpu
                and nested.admit(cluster)
            ):
                clusters.setdefault(cluster, Numbered(cluster, None))
        nested.admit(1 << cpu)
        for cache in _caches(tree, cpu, online):
            key = (cache.cpus, cache.level, cache.kind)
            if cache.level == 3 and third_level is not None:
                continue
            if key not in caches and nested.admit(cache.cpus):
                caches[key] = cache
    yield from position_facts(
        online, list(packages.values()), list(dies.values()), list(clusters.values()), list(cores.values())
    )
    yield from cache_facts([*caches.values(), *(cache for cache in third_level or () if nested.admit(cache.cpus))])


def _siblings(tree: Tree, folder: str, new: str, old: str, online: int) -> int:
    """A set of CPUs under its name of Linux 5.3 on, or the one before; 0 where it is not told."""
    for name in (new, old):
        if name:
            cpus = tree.cpu_mask(f"{folder}/{name}")
            if cpus is None:
                cpus = tree.cpu_list(f"{folder}/{name}_list")
            if cpus is not None:
                return cpus & online
    return 0


def _id(tree: Tree, path: str) -> int | None:
    number = tree.number(path)
    return None if number is None or number < 0 else number  # -1: the firmware tells none


_KINDS = {"data": "data", "instruction": "instr", "unified": "unified"}


def _caches(tree: Tree, cpu: int, online: int) -> Iterator[Cache]:
    """The caches whose first CPU this is."""
    for index in tree.numbered(f"cpu/cpu{cpu}/cache", "index"):
        here = f"cpu/cpu{cpu}/cache/index{index}"
        cpus = tree.cpu_mask(f"{here}/shared_cpu_map")
        if cpus is None:
            cpus = tree.cpu_list(f"{here}/shared_cpu_list")
        level = tree.count(f"{here}/level")
        if cpus is None or not level:
            continue
        if not cpus:  # ia64 tells no sharers of some caches: those of the core
            cpus = _siblings(tree, f"cpu/cpu{cpu}/topology", "core_cpus", "thread_siblings", online)
        cpus &= online
        kind = _KINDS.get((tree.text(f"{here}/type") or "unified").lower())
        if first_cpu(cpus) != cpu or kind is None:
            continue
        size = tree.size(f"{here}/size") or 0
        line = tree.count(f"{here}/coherency_line_size") or 0
        yield Cache(level, kind, cpus, size, _ways(tree, here, size, line), line)


def _ways(tree: Tree, here: str, size: int, line: int) -> int:
    """Associativity: 0 and -1 stand for full associativity or for nothing known, so sizes decide then."""
    ways = tree.number(f"{here}/ways_of_associativity") or 0
    if 0 < ways < 1 << 16:
        return ways
    sets = tree.count(f"{here}/number_of_sets") or 0
    partition = tree.count(f"{here}/physical_line_partition") or 1
    return size // line // partition // sets if line > 0 and sets > 1 and partition > 0 else 0
