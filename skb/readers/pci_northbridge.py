"""AMD's northbridges on bus 0, devices 18-1F: who is connected to whom by HyperTransport.

A part of the PCI reader (pci.py). Function 0 holds the node's number, its routing table and its links,
function 1 the memory and the PCI buses of every node. Registers as in AMD's BIOS and Kernel Developer's
Guides: 26094 (family 0Fh), 31116 (10h), 42301 (15h).
"""

from __future__ import annotations

from collections.abc import Iterator

from skb.facts import Compound, Fact, fact

AMD = 0x1022
HYPERTRANSPORT_FUNCTIONS = {0x1100: 0x0F, 0x1200: 0x10, 0x1600: 0x15}
"""Families by the device id of function 0."""
ADDRESS_MAP_FUNCTIONS = {0x1101: 0x0F, 0x1201: 0x10, 0x1601: 0x15}
"""Families by the device id of function 1."""

NODES = 8


def northbridge_facts(address: Compound, config: bytes) -> Iterator[Fact]:
    """`ht_node/3`, `ht_route/5`, `ht_port/3` of function 0, `ht_dram/3`, `ht_bus/4` of function 1.

    Nothing for other functions, or where the dump has no more than the first 64 bytes.
    """
    if len(config) < 256 or _u16(config, 0) != AMD:
        return
    device = _u16(config, 2)
    if device in HYPERTRANSPORT_FUNCTIONS:
        yield from _links(address, config, HYPERTRANSPORT_FUNCTIONS[device])
    elif device in ADDRESS_MAP_FUNCTIONS:
        yield from _address_map(config, ADDRESS_MAP_FUNCTIONS[device])


def _links(address: Compound, config: bytes, family: int) -> Iterator[Fact]:
    """Node id at 60 (2:0 this node, 6:4 nodes - 1), routes at 40 + 4 a node, link n's type at 98 + 20n."""
    node, nodes = config[0x60] & 0x7, (config[0x60] >> 4 & 0x7) + 1
    yield fact("ht_node", address, node, nodes)
    # Masks of ports, bit 0 this node itself, bit n + 1 link n: 4 bits apiece in 26094 §3.3.2, 9 in 31116 F0x40.
    shift, mask = (8, 0xF) if family == 0x0F else (9, 0x1FF)
    for other in range(nodes):
        route = _u32(config, 0x40 + 4 * other)
        request, response, broadcast = (route >> shift * part & mask for part in (0, 1, 2))
        yield fact("ht_route", node, other, request, response, broadcast)
    for link in range(3 if family == 0x0F else 4):
        kind = config[0x98 + 0x20 * link]
        # Bits: 0 connected, 1 initialised, 2 non-coherent (31116 F0x98). Without capability there is no link.
        if config[0x80 + 0x20 * link] == 0x08 and kind & 0x3 == 0x3:
            yield fact("ht_port", node, link, "noncoherent" if kind & 0x4 else "coherent")


def _address_map(config: bytes, family: int) -> Iterator[Fact]:
    """DRAM base and limit pairs at 40 + 8n, buses at E0 + 4n (31116 F1x40, F1xE0)."""
    for number in range(NODES):
        base, limit = _u32(config, 0x40 + 8 * number), _u32(config, 0x44 + 8 * number)
        if base & 0x3:  # readable or writable
            first, last = (base >> 16) << 24, (limit >> 16) << 24 | 0xFFFFFF
            if family != 0x0F and len(config) >= 0x180:  # address bits 47:40 (31116 F1x140)
                first |= config[0x140 + 8 * number] << 40
                last |= config[0x144 + 8 * number] << 40
            if first <= last:
                yield fact("ht_dram", limit & 0x7, first, last)
    for number in range(4):
        buses = _u32(config, 0xE0 + 4 * number)
        if buses & 0x3 and buses >> 16 & 0xFF <= buses >> 24:
            yield fact("ht_bus", buses >> 4 & 0x7, buses >> 8 & 0x3, buses >> 16 & 0xFF, buses >> 24)


def _u16(config: bytes, at: int) -> int:
    return config[at] | config[at + 1] << 8


def _u32(config: bytes, at: int) -> int:
    return int.from_bytes(config[at : at + 4], "little")
