"""PCI devices in hwloc's XML: what they are, their link, and the node they hang off.

A part of the hwloc reader (hwloc.py). Attributes (hwloc's topology-xml.c): `pci_busid`
0000:03:00.0, `pci_type` "0200 [8086:1521] [00ff:0000] 01 00": class, vendor:device, subsystem, revision,
programming interface (3.x; 0 before), `pci_link_speed` in GB/s, `bridge_type` "1-1" (PCI to PCI; "0-1" from
the host), `bridge_pci` 0000:[01-02], the buses behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from skb.facts import Fact, compound, fact
from skb.readers.hwloc_xml import Element

_BUSID = re.compile(r"([0-9a-f]{1,8}):([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])", re.IGNORECASE)
_TYPE = re.compile(
    r"([0-9a-f]{4}) \[([0-9a-f]{4}):([0-9a-f]{4})\](?: \[[0-9a-f]{4}:[0-9a-f]{4}\])? [0-9a-f]{2}(?: ([0-9a-f]{2}))?",
    re.IGNORECASE,
)
_BUSES = re.compile(r"[0-9a-f]{1,8}:\[([0-9a-f]{1,2})-([0-9a-f]{1,2})\]", re.IGNORECASE)
_SPEED = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,12})?")


def pci_facts(objects: Sequence[Element]) -> Iterator[Fact]:
    """`device/8` or `bridge/8`, `device_link_speed/2`, `device_node/2` of each PCI function.

    hwloc does not tell interrupt pins: -1. A function whose link has a speed is PCI Express; others may be.
    """
    for element in objects:
        if element.get("type") not in ("PCIDev", "Bridge") or element.get("pci_busid") is None:
            continue
        place = _BUSID.fullmatch(element.get("pci_busid") or "")
        if place is None:
            raise element.error(f"pci_busid={(element.get('pci_busid') or '')[:40]!r} is no PCI address")
        segment, *rest = (int(part, 16) for part in place.groups())
        address = compound("addr", *([segment] if segment else []), *rest)
        speed = _SPEED.fullmatch(element.get("pci_link_speed") or "0")
        if speed is None:
            raise element.error(f"pci_link_speed={(element.get('pci_link_speed') or '')[:40]!r} is no speed")
        megabytes = round(float(speed[0]) * 1000)
        identity = _TYPE.fullmatch(element.get("pci_type") or "")
        if identity is None:
            raise element.error(
                f"pci_type={(element.get('pci_type') or '')[:60]!r} names no class and vendor"
            )
        code, vendor, device, interface = (int(part or "0", 16) for part in identity.groups())
        what = ("pcie" if megabytes else "pci", address, vendor, device, code >> 8, code & 0xFF, interface)
        buses = _BUSES.fullmatch(element.get("bridge_pci") or "")
        if element.get("type") == "Bridge" and buses:
            yield fact("bridge", *what, compound("secondary", int(buses[1], 16)))
        else:
            yield fact("device", *what, -1)
        if megabytes:
            yield fact("device_link_speed", address, megabytes)
        node = _node_above(element)
        if node is not None:
            yield fact("device_node", address, node)


def _node_above(element: Element) -> int | None:
    """The one node of the part of the machine that the function's host bridge hangs off."""
    above = element.parent
    while above is not None and above.get("nodeset") is None:
        above = above.parent
    nodes = above.cpus("nodeset") if above is not None else None
    return nodes.bit_length() - 1 if nodes is not None and nodes > 0 and not nodes & nodes - 1 else None
