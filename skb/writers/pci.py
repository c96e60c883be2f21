"""lspci's text and configuration space of stated PCI functions, as `lspci -nnvvv -xxxx` would print them.

`lspci_text` gives what `lspci -F` accepts and decodes to the stated facts; the text beside the bytes has what
bytes cannot hold: sizes of BARs, NUMA nodes, interrupts, drivers. Functions are stated with the classes of
pci_config.py, AMD's northbridges made by pci_northbridge.py; this module names all that a user needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from skb.writers.pci_config import (
    Bar,
    Bridge,
    Capability,
    PciError,
    PciFunction,
    Window,
    all_capabilities,
    capability_offsets,
    configuration,
    express,
    hypertransport_msi_mapping,
    msi,
    msix,
    power_management,
    serial_number,
)
from skb.writers.pci_northbridge import AddressRange, BusRange, northbridges

__all__ = [
    "AddressRange",
    "Bar",
    "Bridge",
    "BusRange",
    "Capability",
    "PciError",
    "PciFunction",
    "Window",
    "configuration",
    "express",
    "hypertransport_msi_mapping",
    "lspci_text",
    "msi",
    "msix",
    "northbridges",
    "power_management",
    "serial_number",
]

CLASS_NAMES = {
    0x0100: "SCSI storage controller", 0x0101: "IDE interface", 0x0104: "RAID bus controller",
    0x0106: "SATA controller", 0x0108: "Non-Volatile memory controller", 0x0200: "Ethernet controller",
    0x0207: "Infiniband controller", 0x0280: "Network controller", 0x0300: "VGA compatible controller",
    0x0302: "3D controller", 0x0380: "Display controller", 0x0403: "Audio device", 0x0580: "Memory controller",
    0x0600: "Host bridge", 0x0601: "ISA bridge", 0x0604: "PCI bridge", 0x0680: "Bridge",
    0x0700: "Serial controller", 0x0800: "PIC", 0x0880: "System peripheral", 0x0C03: "USB controller",
    0x0C05: "SMBus", 0x0B40: "Co-processor", 0x1200: "Processing accelerators",
}  # fmt: skip
"""lspci's names of the commoner classes, by class and subclass (pci.ids)."""

_SIZES = ((1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"))


def lspci_text(functions: Iterable[PciFunction]) -> str:
    """The functions by address, each as lspci prints it, parted by empty lines.

    Domains are printed if any function has one. PciError for two functions at one address.
    """
    listed = list(functions)
    placed = {(each.domain, each.bus, each.device, each.function): each for each in listed}
    if len(placed) < len(listed):
        raise PciError("two PCI functions at one address")
    domains = any(each.domain for each in listed)
    return "".join("\n".join((*_lines(placed[place], domains), "", "")) for place in sorted(placed))


def _lines(function: PciFunction, domains: bool) -> Iterator[str]:
    space = configuration(function)
    yield _title(function, domains)
    if function.subsystem and not function.bridge:
        yield "\tSubsystem: Device [{:04x}:{:04x}]".format(*function.subsystem)
    yield _control(space)
    if function.interrupt_pin:
        yield f"\tInterrupt: pin {' ABCD'[function.interrupt_pin]} routed to IRQ {_irq(function)}"
    if function.numa_node is not None:
        yield f"\tNUMA node: {function.numa_node}"
    yield from (_region(bar) for bar in sorted(function.bars, key=lambda bar: bar.number))
    if function.bridge:
        yield from _bridge(function.bridge)
    for capability, offset in zip(all_capabilities(function), capability_offsets(function), strict=True):
        version = f" v{capability.version}" if capability.version else ""
        yield f"\tCapabilities: [{offset:02x}{version}] {capability.title}"
        yield from (f"\t\t{detail}" for detail in capability.details)
    if function.driver:
        yield f"\tKernel driver in use: {function.driver}"
    digits = 3 if len(space) > 256 else 2
    for offset in range(0, len(space), 16):
        row = space[offset : offset + 16].hex(" ")
        yield f"{offset:0{2 if offset < 256 else digits}x}: {row}"


def _title(function: PciFunction, domains: bool) -> str:
    address = function.address if function.domain or not domains else f"0000:{function.address}"
    kind = function.class_code >> 8
    named = " ".join(filter(None, (function.vendor_name, function.device_name or "Device")))
    title = f"{address} {function.class_name or CLASS_NAMES.get(kind, 'Class')} [{kind:04x}]: {named}"
    title += f" [{function.vendor_id:04x}:{function.device_id:04x}]"
    if function.revision:
        title += f" (rev {function.revision:02x})"
    if function.class_code & 0xFF:
        title += f" (prog-if {function.class_code & 0xFF:02x})"
    return title


def _irq(function: PciFunction) -> int:
    return function.irq if function.irq is not None else function.interrupt_line


def _control(space: bytes) -> str:
    """The command register in lspci's words (PCI 3.0, §6.2.2)."""
    names = ("I/O", "Mem", "BusMaster", "SpecCycle", "MemWINV", "VGASnoop", "ParErr", "Stepping", "SERR", "FastB2B")
    command = space[4] | space[5] << 8
    words = [f"{name}{'+' if command >> bit & 1 else '-'}" for bit, name in enumerate((*names, "DisINTx"))]
    return f"\tControl: {' '.join(words)}"


def _region(bar: Bar) -> str:
    if bar.space == "io":
        return f"\tRegion {bar.number}: I/O ports at {bar.base:04x} [size={_size(bar.size)}]"
    kind = "prefetchable" if bar.prefetchable else "non-prefetchable"
    return f"\tRegion {bar.number}: Memory at {bar.base:08x} ({bar.bits}-bit, {kind}) [size={_size(bar.size)}]"


def _bridge(bridge: Bridge) -> Iterator[str]:
    buses = (bridge.primary, bridge.secondary, bridge.subordinate)
    yield "\tBus: primary={:02x}, secondary={:02x}, subordinate={:02x}, sec-latency=0".format(*buses)
    names = {"io": "I/O", "mem": "Memory", "prefetchable": "Prefetchable memory"}
    for window in sorted(bridge.windows, key=lambda window: list(names).index(window.space)):
        bits = {"io": 32 if window.limit > 0xFFFF else 16, "mem": 32, "prefetchable": 64}[window.space]
        ends = f"{window.base:0{bits // 4}x}-{window.limit:0{bits // 4}x}"
        size = _size(window.limit - window.base + 1)
        yield f"\t{names[window.space]} behind bridge: {ends} [size={size}] [{bits}-bit]"


def _size(size: int) -> str:
    return next((f"{size // unit}{letter}" for unit, letter in _SIZES if not size % unit), str(size))
