"""AMD's northbridges of families 0Fh and 10h: the functions of devices 18h on, one device a node.

A part of the PCI writer (pci.py). Given which nodes are linked, it writes what the BIOS of such a board
would: node numbers and routing tables (function 0), memory and PCI buses of every node (function 1).
Registers as in AMD's BIOS and Kernel Developer's Guides: 32559 for family 0Fh, 31116 for family 10h.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skb.writers.pci_config import Capability, PciError, PciFunction

AMD = 0x1022
MOST_NODES, MOST_RANGES = 8, 4
_FIRST_DEVICE, _HOST_BRIDGE = 0x18, 0x060000


@dataclass(frozen=True, slots=True)
class _Family:
    """What the two families have apart: functions by name, links, where a route's masks lie, HyperTransport."""

    first_id: int
    names: tuple[str, ...]
    links: int
    route_bits: int
    """Of the mask of ports in a route: requests, responses and broadcasts lie so far apart."""
    most_cores: int
    """In the count of processors of F0x60, less one, beyond which the field wraps."""
    unit_ids: int
    """F0x64: second core (0Fh only), memory controller 2, host bridge 3."""
    revision: int
    """Of HyperTransport, as in the capability of a link."""


_FAMILIES = {
    0x0F: _Family(
        0x1100,
        (
            "K8 [Athlon64/Opteron] HyperTransport Technology Configuration",
            "K8 [Athlon64/Opteron] Address Map",
            "K8 [Athlon64/Opteron] DRAM Controller",
            "K8 [Athlon64/Opteron] Miscellaneous Control",
        ),
        links=3, route_bits=8, most_cores=16, unit_ids=0xE4, revision=0x40,
    ),
    0x10: _Family(
        0x1200,
        (
            "Family 10h Processor HyperTransport Configuration",
            "Family 10h Processor Address Map",
            "Family 10h Processor DRAM Controller",
            "Family 10h Processor Miscellaneous Control",
            "Family 10h Processor Link Control",
        ),
        links=4, route_bits=9, most_cores=32, unit_ids=0xE0, revision=0x60,
    ),
}  # fmt: skip

_HOST = 0x2101  # host interface, hidden from its own configuration cycles, warm reset
_FREQUENCY = 6  # 1.0 GHz (HT 3.10, §7.5.7)
_FREQUENCIES = 0x0075  # 200, 400, 600, 800 MHz and 1.0 GHz
_SIXTEEN_BITS = 0x11  # both ways
_INITIALISED, _END_OF_CHAIN = 0x20, 0xC0


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Addresses that go to the memory of a node, both ends included, in blocks of 16 MiB (F1x40)."""

    node: int
    base: int
    limit: int

    def __post_init__(self) -> None:
        if self.base % (1 << 24) or (self.limit + 1) % (1 << 24) or not 0 <= self.base < self.limit < 1 << 48:
            raise PciError(f"memory {self.base:#x}-{self.limit:#x} of node {self.node}: not whole blocks of 16 MiB")


@dataclass(frozen=True, slots=True)
class BusRange:
    """PCI buses that hang off a node's I/O link, both ends included (F1xE0)."""

    node: int
    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last <= 255:
            raise PciError(f"buses {self.first}-{self.last} of node {self.node}: buses are 0 to 255, ascending")


def northbridges(
    nodes: int,
    links: Sequence[Sequence[int]],
    buses: Sequence[BusRange],
    memory: Sequence[AddressRange] = (),
    cores_a_node: int = 1,
    family: int = 0x10,
) -> list[PciFunction]:
    """Four or five functions for each node; `links` are pairs of nodes, `buses` tell which nodes have I/O.

    Routes take the fewest links, over the lowest-numbered neighbour; broadcasts follow them.
    """
    part = _FAMILIES[family]
    ports = _ports(nodes, links, buses, part.links)
    if len(memory) > MOST_NODES or len(buses) > MOST_RANGES:
        raise PciError(f"a northbridge knows {MOST_NODES} ranges of memory and {MOST_RANGES} of buses at most")
    parents = [_parents(ports, source) for source in range(nodes)]
    address_map = _address_map(ports, buses, memory)
    found = []
    secure = Capability(0x0F, b"\x10\x00", "Secure device <?>", offset=0xF0)
    for node in range(nodes):
        routing = _routing(node, ports, parents, buses, cores_a_node, part)
        interfaces = tuple(_link(ports[node], number, part) for number in range(part.links))
        found += [
            _function(part, node, 0, routing, interfaces),
            _function(part, node, 1, address_map),
            _function(part, node, 2),
            _function(part, node, 3, (), (secure,)),
            *(_function(part, node, number) for number in range(4, len(part.names))),
        ]
    return found


def _function(
    part: _Family,
    node: int,
    function: int,
    registers: tuple[tuple[int, bytes], ...] = (),
    capabilities: tuple[Capability, ...] = (),
) -> PciFunction:
    return PciFunction(
        bus=0,
        device=_FIRST_DEVICE + node,
        function=function,
        vendor_id=AMD,
        device_id=part.first_id + function,
        class_code=_HOST_BRIDGE,
        multifunction=True,
        registers=registers,
        capabilities=capabilities,
        vendor_name="Advanced Micro Devices, Inc. [AMD]",
        device_name=part.names[function],
        size_bytes=4096 if any(offset >= 256 for offset, _ in registers) else 256,
    )


def _ports(
    nodes: int, links: Sequence[Sequence[int]], buses: Sequence[BusRange], most_links: int
) -> list[dict[int | None, int]]:
    """For each node: link number by neighbour, neighbours ascending; None is I/O, the link after them."""
    if not 1 <= nodes <= MOST_NODES:
        raise PciError(f"{nodes} nodes; a system of northbridges has 1 to {MOST_NODES}")
    near: list[set[int]] = [set() for _ in range(nodes)]
    for one, other in links:
        if not (0 <= one < nodes and 0 <= other < nodes and one != other):
            raise PciError(f"link {one}-{other} does not join two of the nodes 0-{nodes - 1}")
        near[one].add(other)
        near[other].add(one)
    io = {each.node for each in buses}
    if io - set(range(nodes)):
        raise PciError(f"PCI buses at node {max(io)}; there are nodes 0-{nodes - 1}")
    ports: list[dict[int | None, int]] = []
    for node in range(nodes):
        ends: list[int | None] = [*sorted(near[node]), *([None] if node in io else [])]
        if len(ends) > most_links:
            raise PciError(f"node {node} has {len(ends)} links; a northbridge has {most_links}")
        ports.append({end: number for number, end in enumerate(ends)})
    return ports


def _parents(ports: Sequence[Mapping[int | None, int]], source: int) -> dict[int, int]:
    """The node before each node on the way from `source`."""
    parents = {source: source}
    queue = deque([source])
    while queue:
        here = queue.popleft()
        for there in sorted(end for end in ports[here] if end is not None):
            if there not in parents:
                parents[there] = here
                queue.append(there)
    if len(parents) < len(ports):
        raise PciError(f"no way from node {source} to node {min(set(range(len(ports))) - set(parents))}")
    return parents


def _routing(
    node: int,
    ports: Sequence[Mapping[int | None, int]],
    parents: Sequence[Mapping[int, int]],
    buses: Sequence[BusRange],
    cores_a_node: int,
    part: _Family,
) -> tuple[tuple[int, bytes], ...]:
    """F0x40-5C routes, F0x60 node id, F0x64 unit ids, F0x98 + 20n what is at the end of link n."""

    def mask(end: int) -> int:
        return 1 if end == node else 2 << ports[node][end]

    routes = bytearray()
    for other in range(len(ports)):
        # From here to `other`, by the tree of ways that lead from there to here.
        way = mask(parents[other][node])
        spread = 1 | sum(mask(there) for there, via in parents[other].items() if via == node != there)
        routes += (way | way << part.route_bits | spread << 2 * part.route_bits).to_bytes(4, "little")
    io = min((each.node for each in buses), default=0)
    last = len(ports) - 1
    node_id = node | last << 4 | io << 8 | (len(ports) * cores_a_node - 1) % part.most_cores << 16
    unit_ids = part.unit_ids | ports[io].get(None, 0) << 8  # beside them the link to the south bridge
    kinds = {number: 0x7 if end is None else 0x3 for end, number in ports[node].items()}
    return (
        (0x40, bytes(routes)),
        (0x60, node_id.to_bytes(4, "little")),
        (0x64, unit_ids.to_bytes(4, "little")),
        *((0x98 + 0x20 * number, bytes([kinds.get(number, 0)])) for number in range(part.links)),
    )


def _link(ports: Mapping[int | None, int], number: int, part: _Family) -> Capability:
    """The host interface block of a link (HT 3.10, §7.5; F0x80 + 20n)."""
    connected = number in ports.values()
    control = _INITIALISED if connected else _END_OF_CHAIN
    width = _SIXTEEN_BITS << 8 | _SIXTEEN_BITS if connected else 0x7700
    payload = _HOST.to_bytes(2, "little") + control.to_bytes(2, "little") + width.to_bytes(2, "little")
    payload += bytes((part.revision, _FREQUENCY if connected else 0)) + _FREQUENCIES.to_bytes(2, "little")
    return Capability(0x08, payload, "HyperTransport: Host or Secondary Interface", offset=0x80 + 0x20 * number)


def _address_map(
    ports: Sequence[Mapping[int | None, int]], buses: Sequence[BusRange], memory: Sequence[AddressRange]
) -> tuple[tuple[int, bytes], ...]:
    """F1x40-7C memory of the nodes (F1x140-17C address bits 47:40), F1xE0-EC their buses; the same everywhere."""
    low, high, configuration = bytearray(), bytearray(), bytearray()
    for each in memory:
        if not 0 <= each.node < len(ports):
            raise PciError(f"memory of node {each.node}; there are nodes 0-{len(ports) - 1}")
        low += ((each.base >> 24 & 0xFFFF) << 16 | 0x3).to_bytes(4, "little")
        low += ((each.limit >> 24 & 0xFFFF) << 16 | each.node).to_bytes(4, "little")
        high += (each.base >> 40).to_bytes(4, "little") + (each.limit >> 40).to_bytes(4, "little")
    for bus in buses:
        link = ports[bus.node][None]
        configuration += (bus.last << 24 | bus.first << 16 | link << 8 | bus.node << 4 | 0x3).to_bytes(4, "little")
    registers = ((0x40, bytes(low)), (0xE0, bytes(configuration)))
    return (*registers, (0x140, bytes(high))) if any(high) else registers
