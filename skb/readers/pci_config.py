"""PCI configuration space, decoded: 64 to 4096 bytes of one function become a `PciFunction`.

A part of the PCI reader (pci.py). Offsets and bits are those of PCI Local Bus 3.0 chapter 6, PCI-to-PCI
Bridge 1.2 chapter 3, PC Card 8.0 (CardBus) and PCI Express Base 6.0 chapter 7; where they leave room,
lspci's reading is followed. Garbage is met often (devices that sleep read all ones, chains of capabilities
that loop or lead nowhere): what can be trusted is kept, the rest left out, and time stays linear.
"""

from __future__ import annotations

from collections.abc import Iterator

from skb.facts import Compound, compound
from skb.readers.pci_allocation import allocated, resizable_sizes, resized
from skb.readers.pci_function import Bar, Express, Msi, MsiX, PciFunction, Window, without_upper_halves

SMALLEST, STANDARD, LARGEST = 64, 256, 4096
"""Bytes of the header, of PCI's configuration space, and of PCI Express's."""

CAPABILITIES = {
    0x01: "power_management", 0x02: "agp", 0x03: "vital_product_data", 0x04: "slot_id", 0x05: "msi",
    0x06: "hot_swap", 0x07: "pcix", 0x09: "vendor_specific", 0x0A: "debug_port",
    0x0B: "compact_pci", 0x0C: "hot_plug", 0x0D: "subsystem", 0x0E: "agp3", 0x0F: "secure_device",
    0x10: "express", 0x11: "msix", 0x12: "sata", 0x13: "advanced_features", 0x14: "enhanced_allocation",
    0x15: "flattening_portal_bridge",
}  # fmt: skip
"""Capabilities by id (PCI Code and ID Assignment 1.15, §2); 0x08 is hypertransport_*."""

EXTENDED_CAPABILITIES = {
    0x01: "advanced_error_reporting", 0x02: "virtual_channel", 0x03: "serial_number",
    0x04: "power_budgeting", 0x05: "root_complex_link", 0x06: "root_complex_internal_link",
    0x07: "root_complex_event_collector", 0x08: "multi_function_virtual_channel", 0x09: "virtual_channel",
    0x0A: "root_complex_register_block", 0x0B: "vendor_specific_extended", 0x0D: "access_control",
    0x0E: "alternative_routing_id", 0x0F: "address_translation", 0x10: "sr_iov", 0x11: "mr_iov",
    0x12: "multicast", 0x13: "page_request", 0x15: "resizable_bar", 0x16: "dynamic_power_allocation",
    0x17: "processing_hints", 0x18: "latency_tolerance", 0x19: "secondary_express",
    0x1A: "protocol_multiplexing", 0x1B: "process_address_space", 0x1C: "ln_requester",
    0x1D: "downstream_port_containment", 0x1E: "l1_pm_substates", 0x1F: "precision_time",
    0x20: "mphy", 0x21: "function_readiness", 0x22: "readiness_time", 0x23: "designated_vendor_specific",
    0x24: "vf_resizable_bar", 0x25: "data_link_feature", 0x26: "physical_layer_16gt",
    0x27: "lane_margining", 0x28: "hierarchy_id", 0x29: "native_enclosure_management",
    0x2A: "physical_layer_32gt", 0x2B: "alternate_protocol", 0x2C: "system_firmware_intermediary",
    0x2D: "shadow_functions", 0x2E: "data_object_exchange", 0x2F: "device_3", 0x30: "integrity_encryption",
    0x31: "physical_layer_64gt", 0x32: "flit_logging", 0x33: "flit_performance", 0x34: "flit_error_injection",
    0x35: "streamlined_virtual_channel", 0x36: "mmio_register_block_locator",
}  # fmt: skip
"""Extended capabilities by id (PCI Code and ID Assignment 1.15, §3)."""

HYPERTRANSPORT = {
    0x00: "slave", 0x04: "host", 0x08: "switch", 0x10: "interrupt_discovery", 0x11: "revision_id",
    0x12: "unitid_clumping", 0x13: "extended_configuration", 0x14: "address_mapping", 0x15: "msi_mapping",
    0x16: "direct_route", 0x17: "vcset", 0x18: "retry_mode", 0x19: "x86_encoding", 0x1A: "gen3",
    0x1B: "function_level_extension", 0x1C: "power_management",
}  # fmt: skip
"""Kinds of HyperTransport capability by bits 15:11; slave and host are told by 15:13 (HT 3.10, §7.5)."""

PORT_KINDS = {
    0x0: "endpoint", 0x1: "legacy_endpoint", 0x4: "root_port", 0x5: "upstream_port", 0x6: "downstream_port",
    0x7: "pcie_to_pci_bridge", 0x8: "pci_to_pcie_bridge", 0x9: "root_complex_endpoint",
    0xA: "root_complex_event_collector",
}  # fmt: skip
"""Device/port type of the PCI Express capability (PCIe 6.0, §7.5.3.2)."""

LINK_SPEEDS = {1: 2500, 2: 5000, 3: 8000, 4: 16000, 5: 32000, 6: 64000}
"""MT/s by speed code of the link registers (PCIe 6.0, §7.5.3.6)."""

NO_LINK = ("root_complex_endpoint", "root_complex_event_collector")
"""Kinds of port that sit in the root complex itself, without a link."""

_ALL_ONES = 0xFFFFFFFF


def decode(config: bytes) -> PciFunction:
    """What configuration space says; `config` holds 64 to 4096 bytes, from offset 0 on."""
    header = config[0x0E]
    kind = header & 0x7F
    if config[:SMALLEST].count(0xFF) == SMALLEST:
        return PciFunction(0xFFFF, 0xFFFF, 0xFFFFFF, 0xFF)
    capabilities = list(_capabilities(config, kind))
    at = {name: offset for name, offset in reversed(capabilities) if isinstance(name, str)}
    fixed, fixed_rom = allocated(config, kind, at.get("enhanced_allocation"))
    bars = (*fixed, *_bars(config, {0: 6, 1: 2, 2: 1}.get(kind, 0)))
    return PciFunction(
        vendor=_u16(config, 0x00),
        device=_u16(config, 0x02),
        class_code=int.from_bytes(config[0x09:0x0C], "little"),
        revision=config[0x08],
        header_type=kind,
        multifunction=bool(header & 0x80),
        subsystem=_subsystem(config, kind, at.get("subsystem")),
        pin=config[0x3D] if 1 <= config[0x3D] <= 4 else 0,
        # 255: connected to nothing (PCI 3.0, §6.2.4)
        line=config[0x3C] if config[0x3C] not in (0, 0xFF) else None,
        buses=(config[0x18], config[0x19], config[0x1A]) if kind in (1, 2) else None,
        bars=without_upper_halves(resized(bars, resizable_sizes(config, at.get("resizable_bar")))),
        rom=_rom(config, {0: 0x30, 1: 0x38}.get(kind)) or fixed_rom,
        windows=tuple(_windows(config, kind)),
        capabilities=tuple(capabilities),
        msi=_msi(config, at.get("msi")),
        msix=_msix(config, at.get("msix")),
        express=_express(config, at.get("express")),
    )


def _u16(config: bytes, at: int) -> int:
    return config[at] | config[at + 1] << 8


def _u32(config: bytes, at: int) -> int:
    return int.from_bytes(config[at : at + 4], "little")


def _bars(config: bytes, count: int) -> Iterator[Bar]:
    """Every register that is not zero; what a zero register is, if anything, only its size would tell."""
    number = 0
    while number < count:
        here, value = number, _u32(config, 0x10 + 4 * number)
        number += 1
        if value in (0, _ALL_ONES):
            continue
        if value & 1:
            yield Bar(here, value & ~0x3, 0, "io", False, 32)
        elif value & 0x6 == 0x4:
            if number == count:  # the upper half would lie outside the registers
                continue
            base = _u32(config, 0x10 + 4 * number) << 32 | value & ~0xF
            number += 1
            yield Bar(here, base, 0, "mem", bool(value & 0x8), 64)
        else:
            yield Bar(here, value & ~0xF, 0, "mem", bool(value & 0x8), 32)


def _rom(config: bytes, at: int | None) -> tuple[int, int] | None:
    if at is None:
        return None
    value = _u32(config, at)
    base = value & ~0x7FF
    return (base, 0) if base and value != _ALL_ONES else None


def _windows(config: bytes, kind: int) -> Iterator[Window]:
    """The windows that are open: base not above limit."""
    decoded = _bridge_windows(config) if kind == 1 else _cardbus_windows(config) if kind == 2 else ()
    for window in decoded:
        if window.base <= window.limit:
            yield window


def _bridge_windows(config: bytes) -> Iterator[Window]:
    """Windows whose two registers agree on their width."""
    io_base, io_limit = config[0x1C], config[0x1D]
    if io_base & 0xF == io_limit & 0xF and io_base & 0xF in (0, 1):
        base, limit = (io_base & 0xF0) << 8, (io_limit & 0xF0) << 8 | 0xFFF
        if io_base & 0xF == 1:
            base, limit = base | _u16(config, 0x30) << 16, limit | _u16(config, 0x32) << 16
        yield Window("io", base, limit)
    base, limit = _u16(config, 0x20), _u16(config, 0x22)
    if base & 0xF == limit & 0xF == 0:
        yield Window("mem", base << 16, limit << 16 | 0xFFFFF)
    base, limit = _u16(config, 0x24), _u16(config, 0x26)
    if base & 0xF == limit & 0xF and base & 0xF in (0, 1):
        low, high = (base & 0xFFF0) << 16, (limit & 0xFFF0) << 16 | 0xFFFFF
        if base & 0xF == 1:
            low, high = low | _u32(config, 0x28) << 32, high | _u32(config, 0x2C) << 32
        yield Window("prefetchable", low, high)


def _cardbus_windows(config: bytes) -> Iterator[Window]:
    """Two of memory in pages of 4 KiB, two of I/O; one at address 0 is closed."""
    control = _u16(config, 0x3E)
    for number in (0, 1):
        base, limit = _u32(config, 0x1C + 8 * number), _u32(config, 0x20 + 8 * number)
        if base & ~0xFFF:
            space = "prefetchable" if control & 0x100 << number else "mem"
            yield Window(space, base & ~0xFFF, limit | 0xFFF)
    for number in (0, 1):
        base, limit = _u32(config, 0x2C + 8 * number), _u32(config, 0x30 + 8 * number)
        if not base & 1:  # 16-bit addresses
            base, limit = base & 0xFFFF, limit & 0xFFFF
        if base & ~0x3:
            yield Window("io", base & ~0x3, limit | 0x3)


def _subsystem(config: bytes, kind: int, capability: int | None) -> tuple[int, int] | None:
    """Of a device at 2C; of a bridge in its capability; of CardBus at 40, where the dump reaches so far."""
    at = {0: 0x2C, 1: capability + 4 if capability is not None else None, 2: 0x40}.get(kind)
    if at is None or at + 4 > len(config):
        return None
    vendor, device = _u16(config, at), _u16(config, at + 2)
    return (vendor, device) if vendor not in (0, 0xFFFF) else None


def _capabilities(config: bytes, kind: int) -> Iterator[tuple[str | Compound, int]]:
    """Both chains, until one loops, leaves the dump or meets an id that none has."""
    if kind > 2 or not _u16(config, 0x06) & 0x10:
        return
    seen = set()
    extended = False
    at = config[0x14 if kind == 2 else 0x34] & ~0x3
    while at >= 0x40 and at + 4 <= min(len(config), STANDARD) and at not in seen and config[at] != 0xFF:
        seen.add(at)
        number = config[at]
        if number:
            yield _capability_name(number, _u16(config, at + 2)), at
        extended = extended or number in (0x07, 0x10)  # PCI-X and PCI Express have the larger space
        at = config[at + 1] & ~0x3
    at = 0x100
    while extended and at >= 0x100 and at + 4 <= len(config) and at not in seen:
        seen.add(at)
        word = _u32(config, at)
        if word in (0, _ALL_ONES):
            return
        if word & 0xFFFF:
            yield extended_name(word & 0xFFFF), at
        at = word >> 20 & ~0x3


def _capability_name(number: int, control: int) -> str | Compound:
    return hypertransport_name(control >> 11) if number == 0x08 else standard_name(number)


def hypertransport_name(kind: int) -> str | Compound:
    """The name of a HyperTransport capability by the upper five bits of its second half."""
    known = HYPERTRANSPORT.get(kind & 0x1C if kind < 8 else kind)
    return f"hypertransport_{known}" if known else compound("hypertransport", kind)


def standard_name(number: int) -> str | Compound:
    """The name of a capability other than HyperTransport's, or capability(Number)."""
    return CAPABILITIES.get(number) or compound("capability", number)


def extended_name(number: int) -> str | Compound:
    """The name of an extended capability, or extended(Number)."""
    return EXTENDED_CAPABILITIES.get(number) or compound("extended", number)


def _msi(config: bytes, at: int | None) -> Msi | None:
    if at is None:
        return None
    control = _u16(config, at + 2)
    return Msi(
        vectors=1 << (control >> 1 & 0x7),
        enabled=bool(control & 0x1),
        bits=64 if control & 0x80 else 32,
        maskable=bool(control & 0x100),
    )


def _msix(config: bytes, at: int | None) -> MsiX | None:
    if at is None or at + 12 > len(config):
        return None
    control, table, pending = _u16(config, at + 2), _u32(config, at + 4), _u32(config, at + 8)
    places = (table & 0x7, table & ~0x7, pending & 0x7, pending & ~0x7)
    return MsiX((control & 0x7FF) + 1, bool(control & 0x8000), places)


def _express(config: bytes, at: int | None) -> Express | None:
    if at is None:
        return None
    kind = PORT_KINDS.get(_u16(config, at + 2) >> 4 & 0xF, "reserved")
    if kind in NO_LINK or at + 0x14 > len(config):
        return Express(kind, None, None)
    return Express(kind, _link(_u32(config, at + 0x0C)), _link(_u16(config, at + 0x12)))


def _link(register: int) -> tuple[int, int]:
    """(MT/s, lanes): speed in bits 3:0, width in 9:4 of link capabilities and link status alike."""
    return LINK_SPEEDS.get(register & 0xF, 0), register >> 4 & 0x3F
