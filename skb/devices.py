"""The PCI functions that a machine's description names, and AMD's northbridges, which follow from the rest of it.

A part of generate.py, which documents the schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from skb.description import Description
from skb.interconnect import Link
from skb.writers import acpi, pci

_NORTHBRIDGES = {"amd_family_10h": 0x10, "amd_family_0fh": 0x0F}
"""Families, by encoder, whose northbridges are PCI functions."""


def functions(
    description: Description,
    packages: int,
    cores_a_package: int,
    links: Sequence[Link],
    memory: Iterable[acpi.MemoryAffinity],
) -> list[pci.PciFunction]:
    """The functions stated and the northbridges, one a package, as links and memory ask for; by address."""
    stated = description["pci"]
    found = [_function(function) for function in stated["functions"]]
    family = _NORTHBRIDGES.get(description["processor"]["encoder"])
    if family is not None:
        roots = [pci.BusRange(each["package"], *each["buses"]) for each in stated["roots"]]
        ranges = _ranges(memory)
        found += pci.northbridges(packages, links, roots, ranges, cores_a_package, family)
    return sorted(found, key=lambda function: (function.bus, function.device, function.function))


def _ranges(memory: Iterable[acpi.MemoryAffinity]) -> list[pci.AddressRange]:
    """One range a node: a northbridge leaves the hole below 4 GiB out by itself."""
    ranges: dict[int, tuple[int, int]] = {}
    for part in memory:
        low, high = ranges.get(part.domain, (part.base, 0))
        ranges[part.domain] = (low, max(high, part.base + part.length - 1))
    return [pci.AddressRange(node, low, high) for node, (low, high) in ranges.items()]


def _function(stated: Description) -> pci.PciFunction:
    bus, device, function = stated["place"]
    capabilities = []
    if "msi_vectors" in stated:
        capabilities.append(pci.msi(stated["msi_vectors"]))
    if "express" in stated:
        capabilities.append(pci.express(**stated["express"]))
    bridge = None
    if "bridge" in stated:
        buses = stated["bridge"]
        windows = tuple(pci.Window(**window) for window in buses["windows"])
        bridge = pci.Bridge(bus, buses["secondary"], buses["subordinate"], windows)
    vendor_id, device_id = stated["id"]
    class_name, vendor_name, device_name = stated["names"]
    return pci.PciFunction(
        bus, device, function, vendor_id, device_id, stated["class_code"], stated.get("revision", 0),
        bars=tuple(pci.Bar(**bar) for bar in stated.get("bars", ())), bridge=bridge,
        capabilities=tuple(capabilities), interrupt_pin=stated.get("interrupt_pin", 0), irq=stated.get("irq"),
        numa_node=stated.get("numa_node"),
        class_name=class_name, vendor_name=vendor_name, device_name=device_name,
    )
