"""Capabilities of a machine as the SKB knows it: whose memory is where, whom to steal from, how to multicast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from kernel.capabilities.capability import Object
from kernel.capabilities.memory_server import PERCORE_BITS
from kernel.capabilities.serving import CapabilityService, MonitorOfCore, serve
from kernel.capabilities.types import PAGE_BYTES, ObjectType
from kernel.capabilities.virtual_memory import Invalidation
from kernel.hardware import Hardware
from kernel.multicast import Tree, tree_of
from skb.knowledge import KnowledgeBase


class KernelOfMonitors(Protocol):
    """What is needed of the multikernel."""

    kb: KnowledgeBase
    hardware: Hardware

    @property
    def monitors(self) -> Mapping[int, MonitorOfCore]: ...


def memory_of(kb: KnowledgeBase, cores: int) -> tuple[list[Object], dict[int, int]]:
    """The machine's RAM in whole pages, and for each node the index of its first region.

    It is what the SRAT says, or else as much for each node as the operating system said, one after the other. Where
    neither is known of the machine, it is a memory server's share (PERCORE_BITS) for each core, of no node.
    """
    rows = kb.all("memory_affinity(Base, Size, Node)")
    if not rows:
        at = 0
        for row in kb.all("node_memory(Node, Bytes)"):
            rows.append({"Base": at, "Size": row["Bytes"], "Node": row["Node"]})
            at += row["Bytes"]
    if not rows:
        return [Object(ObjectType.RAM, 0, cores << PERCORE_BITS)], {}
    memory: list[Object] = []
    first: dict[int, int] = {}
    for row in sorted(rows, key=lambda row: row["Base"]):
        base = -(-row["Base"] // PAGE_BYTES) * PAGE_BYTES
        end = (row["Base"] + row["Size"]) // PAGE_BYTES * PAGE_BYTES
        if base < end:
            first.setdefault(row["Node"], len(memory))
            memory.append(Object(ObjectType.RAM, base, end - base))
    return memory, first


def boot_capabilities(kernel: KernelOfMonitors) -> dict[int, CapabilityService]:
    """Give every monitor of the kernel its capabilities; what the SKB says decides who gets which memory."""
    kb, hardware, monitors = kernel.kb, kernel.hardware, kernel.monitors
    memory, first = memory_of(kb, len(monitors))
    near = {
        row["Core"]: first[row["Node"]]
        for row in (kb.all("core(Core), closest_memory(Core, Node)") if first else [])
        if row["Node"] in first
    }

    def neighbours(core: int) -> Sequence[int]:
        nearest = (kb.once("nearest_cores(Core, Cores)", {"Core": core}) or {"Cores": []})["Cores"]
        return [each for each in nearest if each in monitors]

    def spread(core: int, what: Sequence[Invalidation]) -> Tree:
        # Where an address space is loaded its domain knows, whose dispatchers loaded it; here the TLBs say.
        roots = {each.root for each in what}
        loaded = [
            other for other, service in services.items()
            if other != core and service.capabilities.tlb.root in roots
        ]
        if not loaded:
            return Tree(core)
        answer = kb.once("multicast_tree(Core, Cores, Tree)", {"Core": core, "Cores": [core, *loaded]})
        if answer is None:  # not all latencies are known
            return Tree(core, tuple(Tree(other) for other in loaded))
        return tree_of(answer["Tree"])

    services = serve(
        monitors, memory, near,
        lambda core: (hardware.cost_ps("poll", core), hardware.cost_ps("timeslice", core)), neighbours, spread,
    )  # fmt: skip
    return services
