"""The machine as a tree of parts within parts, nested and numbered as hwloc does it.

Normal parts (groups, packages, dies, caches, cores, PUs) hold each other by the cores they have; memory and I/O
hang beside them, off the part to whose cores they are local (hwloc 2, "Object Types" and topology.c). Of two
parts with the same cores the order is hwloc's: group, package, die, L5 ... L1, L1i, core, PU.

hwloc makes groups of packages out of matrices of distances, too; here distances stay distances.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from skb.topology import PciPlace, Topology, cores_in

_IMPORTANT_CLASSES = frozenset((0x00, 0x01, 0x02, 0x03, 0x0B, 0x12))
_IMPORTANT = frozenset((0x0502, 0x0C04, 0x0C06))
"""PCI classes that lstopo shows unless asked for all: storage, network, display, processors, accelerators; CXL
memory, Fibre Channel and InfiniBand (hwloc's private/misc.h)."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part and what it holds.

    `kind`: machine, group, package, die, cache, core, pu; node, side_cache; host_bridge, pci_bridge, pci.
    `logical` counts the parts of a kind from 0 in the tree's order, `number` is the system's own (None: none).
    `name` is hwloc's word for it (`L1d`, `Package`, `Group0`). `cpus`: the set of its cores; size_bytes: of a cache,
    of a node's memory, of the machine's memory in all. `subtype` says more: the kind of a group, of cores, of a
    PCI function's class. `members` are normal parts, `memory` and `devices` hang beside them.
    """

    kind: str
    name: str
    logical: int
    number: int | None = None
    cpus: int = 0
    size_bytes: int = 0
    subtype: str = ""
    pci: PciPlace | None = None
    members: tuple[Part, ...] = ()
    memory: tuple[Part, ...] = ()
    devices: tuple[Part, ...] = ()

    def walk(self) -> Iterator[Part]:
        """The part, then what it holds: memory, members, devices."""
        yield self
        for each in (*self.memory, *self.members, *self.devices):
            yield from each.walk()


class _Draft:
    """A part while the tree grows."""

    def __init__(self, kind: str, name: str, cpus: int, number: int | None = None, size_bytes: int = 0,
                 subtype: str = "", pci: PciPlace | None = None) -> None:
        self.kind, self.name, self.cpus, self.number = kind, name, cpus, number
        self.size_bytes, self.subtype, self.pci = size_bytes, subtype, pci
        self.members: list[_Draft] = []
        self.memory: list[_Draft] = []
        self.devices: list[_Draft] = []


_ORDER = {"machine": 0, "group": 1, "package": 2, "die": 3, "cache": 4, "core": 5, "pu": 6}
_KIND_OF_CACHE = {"unified": 0, "data": 0, "instr": 1}


def build(topology: Topology, *, devices: str = "important") -> Part:
    """The tree of the machine. `devices`: `none`, `important` (as lstopo shows them) or `all`."""
    root, tops = _nested(topology)
    for node in topology.nodes:
        above = tops.get(node.cpus, root)
        place = above
        for level, size in reversed(node.side_caches):
            cache = _Draft("side_cache", "MemCache", node.cpus, size_bytes=size, subtype=f"L{level}")
            place.memory.append(cache)
            place = cache
        place.memory.append(_Draft("node", "NUMANode", node.cpus, node.number, node.memory_bytes))
    if devices != "none":
        for bridge in _host_bridges(topology.pci, everything=devices == "all"):
            tops_of_bridge = root if bridge.cpus == root.cpus else tops.get(bridge.cpus, root)
            tops_of_bridge.devices.append(bridge)
    return _finished(root, {}, 0)


def _nested(topology: Topology) -> tuple[_Draft, dict[int, _Draft]]:
    """The machine with all normal parts in it, and the topmost part (but the machine) of each set of cores."""
    everything = sum(1 << core for core in topology.cpus)
    packages = topology.sets("package")
    parts = [_Draft("package", "Package", cpus, key[0]) for key, cpus in packages.items()]
    whole = set(packages.values())  # hwloc shows no die that is its whole package
    parts += [_Draft("die", "Die", cpus, key[0]) for key, cpus in topology.sets("die").items() if cpus not in whole]
    order = {id(part): (_ORDER[part.kind], 0, 0) for part in parts}
    for cache in topology.caches:
        part = _Draft("cache", cache.name, cache.cpus, cache.number, cache.size_bytes)
        order[id(part)] = (_ORDER["cache"], -cache.level, _KIND_OF_CACHE[cache.kind])
        parts.append(part)
    for key, cpus in topology.sets("core").items():
        kind = topology.cpus[cores_in(cpus)[0]].kind
        parts.append(_Draft("core", "Core", cpus, key[1], subtype=kind or ""))
    parts += [_Draft("pu", "PU", 1 << core, core, subtype=cpu.kind or "") for core, cpu in topology.cpus.items()]
    taken = {part.cpus for part in parts}
    for key, cpus in topology.sets("cluster").items():
        if cpus not in taken:
            taken.add(cpus)
            parts.append(_Draft("group", "Group", cpus, key[0], subtype="Cluster"))
    taken = {part.cpus for part in parts if part.kind != "pu"} | {everything}
    for node in topology.nodes:
        if node.cpus and node.cpus not in taken:
            taken.add(node.cpus)
            parts.append(_Draft("group", "Group", node.cpus))
    for part in parts:
        order.setdefault(id(part), (_ORDER[part.kind], 0, 0))
    parts.sort(key=lambda part: (-part.cpus.bit_count(), order[id(part)], part.cpus & -part.cpus))
    root = _Draft("machine", "Machine", everything, size_bytes=sum(node.memory_bytes for node in topology.nodes))
    innermost = dict.fromkeys(topology.cpus, root)
    tops: dict[int, _Draft] = {}
    for part in parts:
        cores = cores_in(part.cpus)
        above = innermost[cores[0]]
        if any(innermost[core] is not above for core in cores):
            continue  # it cuts a larger part in two: a contradiction, which machine check tells of
        above.members.append(part)
        for core in cores:
            innermost[core] = part
        if part.kind != "pu":
            tops.setdefault(part.cpus, part)
    return root, tops


def _finished(draft: _Draft, counts: dict[str, int], groups: int) -> Part:
    """The part with its numbers, which count in the tree's order: level by level it is from left to right."""
    draft.members.sort(key=lambda part: part.cpus & -part.cpus)
    name = draft.name
    if draft.kind == "group":
        name, groups = f"Group{groups}", groups + 1
    logical = counts[name] = counts.get(name, -1) + 1
    memory = tuple(_finished(each, counts, groups) for each in draft.memory)
    members = tuple(_finished(each, counts, groups) for each in draft.members)
    devices = tuple(_finished(each, counts, groups) for each in draft.devices)
    return Part(draft.kind, name, logical, draft.number, draft.cpus, draft.size_bytes, draft.subtype, draft.pci,
                members, memory, devices)


def _host_bridges(functions: Sequence[PciPlace], everything: bool) -> Iterator[_Draft]:
    """A host bridge for each PCI root bus, with what is behind it that is to be shown."""
    bridges = [one for one in functions if one.secondary is not None]
    drafts = {
        one.order: _Draft(
            *(("pci", "PCI") if one.secondary is None else ("pci_bridge", "PCIBridge")), one.near,
            subtype=class_name(one.class_code), pci=one,
        )
        for one in functions
    }
    behind: dict[tuple[int, int], _Draft] = {
        (one.segment, one.secondary): drafts[one.order] for one in bridges if one.secondary is not None
    }
    roots: dict[tuple[int, int], _Draft] = {}
    for one in functions:
        above = behind.get((one.segment, one.bus)) or _passing(one, bridges, drafts)
        if above is None or above is drafts[one.order]:
            key = (one.segment, one.bus)
            above = roots.setdefault(key, _Draft("host_bridge", "HostBridge", 0))
        above.devices.append(drafts[one.order])
    for root in roots.values():
        root.cpus = next((each.cpus for each in root.devices if each.cpus), 0)
        _keep(root, everything)
        if root.devices:
            yield root


def _passing(
    one: PciPlace, bridges: Sequence[PciPlace], drafts: dict[tuple[int, int, int, int], _Draft]
) -> _Draft | None:
    """The draft of the narrowest bridge through which the function's bus is reached."""
    reaching = [
        each for each in bridges
        if each.segment == one.segment and each is not one and each.subordinate is not None
        and (each.secondary or 0) <= one.bus <= each.subordinate and each.bus < one.bus
    ]
    narrow = min(reaching, key=lambda each: (each.subordinate or 0) - (each.secondary or 0), default=None)
    return drafts[narrow.order] if narrow else None


def _keep(above: _Draft, everything: bool) -> None:
    """Leave out functions that are not important, and bridges with nothing left behind them."""
    kept = []
    for each in above.devices:
        if each.kind == "pci_bridge":
            _keep(each, everything)
        code = each.pci.class_code if each.pci else 0
        important = code >> 8 in _IMPORTANT_CLASSES or code in _IMPORTANT
        if each.devices or (everything if each.kind == "pci_bridge" else everything or important):
            kept.append(each)
    above.devices = kept


_CLASS_NAMES = {
    0x0001: "VGA", 0x0100: "SCSI", 0x0101: "IDE", 0x0102: "Floppy", 0x0103: "IPI", 0x0104: "RAID", 0x0105: "ATA",
    0x0106: "SATA", 0x0107: "SAS", 0x0108: "NVMExp", 0x0109: "UFS", 0x0200: "Ethernet", 0x0201: "TokenRing",
    0x0202: "FDDI", 0x0203: "ATM", 0x0204: "ISDN", 0x0205: "WorldFip", 0x0206: "PICMG", 0x0207: "InfiniBand",
    0x0208: "Fabric", 0x0300: "VGA", 0x0301: "XGA", 0x0302: "3D", 0x0400: "MultimediaVideo",
    0x0401: "MultimediaAudio", 0x0402: "Telephony", 0x0403: "AudioDevice", 0x0500: "RAM", 0x0501: "Flash",
    0x0502: "CXLMem", 0x0600: "HostBridge", 0x0601: "ISABridge", 0x0602: "EISABridge",
    0x0603: "MicroChannelBridge", 0x0604: "PCIBridge", 0x0605: "PCMCIABridge", 0x0606: "NubusBridge",
    0x0607: "CardBusBridge", 0x0608: "RACEwayBridge", 0x0609: "SemiTransparentPCIBridge",
    0x060A: "InfiniBandPCIHostBridge", 0x0700: "Serial", 0x0701: "Parallel", 0x0702: "MultiportSerial",
    0x0703: "Model", 0x0704: "GPIB", 0x0705: "SmartCard", 0x0800: "PIC", 0x0801: "DMA", 0x0802: "Timer",
    0x0803: "RTC", 0x0804: "PCIHotPlug", 0x0805: "SDHost", 0x0806: "IOMMU", 0x0900: "Keyboard",
    0x0901: "DigitizerPen", 0x0902: "Mouse", 0x0903: "Scanern", 0x0904: "Gameport", 0x0B00: "386", 0x0B01: "486",
    0x0B02: "Pentium", 0x0B10: "Alpha", 0x0B20: "PowerPC", 0x0B30: "MIPS", 0x0B40: "Co-Processor",
    0x0C00: "FireWire", 0x0C01: "ACCESS", 0x0C02: "SSA", 0x0C03: "USB", 0x0C04: "FibreChannel", 0x0C05: "SMBus",
    0x0C06: "InfiniBand", 0x0C07: "IPMI-SMIC", 0x0C08: "SERCOS", 0x0C09: "CANBUS", 0x0D00: "IRDA",
    0x0D01: "ConsumerIR", 0x0D10: "RF", 0x0D11: "Bluetooth", 0x0D12: "Broadband", 0x0D20: "802.1a",
    0x0D21: "802.1b", 0x0E00: "I2O",
}  # fmt: skip
_BASE_CLASS_NAMES = {
    0x01: "Storage", 0x02: "Network", 0x03: "Display", 0x04: "Multimedia", 0x05: "Memory", 0x06: "Bridge",
    0x07: "Communication", 0x08: "SystemPeripheral", 0x09: "Input", 0x0A: "DockingStation", 0x0B: "Processor",
    0x0C: "SerialBus", 0x0D: "Wireless", 0x0E: "Intelligent", 0x0F: "Satellite", 0x10: "Encryption",
    0x11: "SignalProcessing", 0x12: "ProcessingAccelerator", 0x13: "Instrumentation", 0x40: "Co-Processor",
}  # fmt: skip


def class_name(class_code: int) -> str:
    """hwloc's word for a PCI class and subclass (hwloc_pci_class_string)."""
    return _CLASS_NAMES.get(class_code) or _BASE_CLASS_NAMES.get(class_code >> 8) or "Other"
