"""What lspci's -v text says of a PCI function, line by line.

A part of the PCI reader (pci.py). The text has what configuration space does not (sizes of BARs, interrupts,
NUMA nodes, drivers), and is all there is in dumps without hexadecimal bytes. Its words have changed little
in twenty years (lspci 2.1 to 3.14); a line that is not known is skipped, as lspci itself does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from skb.facts import Compound
from skb.readers.pci_allocation import resized
from skb.readers.pci_config import (
    LINK_SPEEDS,
    STANDARD,
    extended_name,
    hypertransport_name,
    standard_name,
)
from skb.readers.pci_function import Bar, Express, Msi, MsiX, PciFunction, Window, without_upper_halves

LONGEST_LINE = 1024
"""lspci's own buffer for names; what stands beyond it in a line is passed over."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

_DESCRIPTION = re.compile(r"(.*?)(?: \(rev ([0-9a-f]{2})\))?(?: \(prog-if ([0-9a-f]{2})(?: \[.*\])?\))?\s*\Z")
# `Host bridge [0600]: ...`, `0600: 8086:2f00` and, before lspci 2.2, `Class 0600: 8086:2f00`
_NUMERIC = re.compile(r"(?:Class )?([0-9a-f]{4}): ([0-9a-f]{4}):([0-9a-f]{4})\Z")
_CLASS = re.compile(r"(?:[^:]*\[|Class )([0-9a-f]{4})\]?: ")
# `Wire [1234:5678]`; without -nn, of a vendor without a name, `Device 1234:5678`
_IDS = re.compile(r"(?:\[|: (?:Unknown d|D)evice )([0-9a-f]{4}):([0-9a-f]{4})\]?\Z")

_SUBSYSTEM = re.compile(r"Subsystem: (?:.*\[|(?:Unknown d|D)evice )?([0-9a-f]{4}):([0-9a-f]{4})\]?\Z")
# Since lspci 3.14 `Interrupts: pin A routed to IRQ 16, MSI(X) routed to IRQ 130-137`, each part optional.
_INTERRUPT = re.compile(
    r"Interrupts?: (?:pin ([A-D?]) (?:routed to IRQ ([0-9]{1,9})\b|[a-z]+)(?:, )?)?"
    r"(?:MSI\(X\) routed to IRQ ([0-9]{1,9})\b)?"
)
_FLAGS_IRQ = re.compile(r"Flags: .*\bIRQ ([0-9]{1,9})\b")
_NODE = re.compile(r"NUMA node: ([0-9]{1,9})\Z")
_BUSES = re.compile(r"Bus: primary=([0-9a-f]{2}), secondary=([0-9a-f]{2}), subordinate=([0-9a-f]{2})")
_DRIVER = re.compile(r"Kernel driver in use: (.{1,200})\Z")
_SIZE = re.compile(r"\[size=([0-9]{1,12})([KMGT]?)\]")
_REGION = re.compile(
    r"(?:Region ([0-5]): )?(?:\[[a-z]+\] )?"
    r"(?:(Memory) at (?:([0-9a-f]{1,16})|<[a-z]+>) \((32-bit|64-bit|low-1M|type 3), (non-)?prefetchable\)"
    r"|I/O ports at (?:([0-9a-f]{1,8})|<[a-z]+>))"
)
_RESIZED = re.compile(r"BAR ([0-5]): current size: ([0-9]{1,4})([MGT])B\b")
_ROM = re.compile(r"(?:\[[a-z]+\] )?Expansion ROM at ([0-9a-f]{1,16})\b")
_WINDOW = re.compile(
    r"(I/O|Memory|Prefetchable memory)(?: behind bridge| window [01]): ([0-9a-f]{1,16})-([0-9a-f]{1,16})"
)
_CAPABILITY = re.compile(r"Capabilities: \[([0-9a-f]{2,3})(?: v[0-9]{1,2})?\] (.*)\Z")
_COUNT = re.compile(r"\b(?:Count|TabSize)=([0-9]{1,4})(?:/([0-9]{1,4}))?")
_QUEUE = re.compile(r"\bQueue=[0-7]/([0-7])\b")  # before lspci 3.0: logarithms
_PLACE = re.compile(r"(Vector table|PBA): BAR=([0-7]) offset=([0-9a-f]{8})")
# `LnkCap:\tPort #0, Speed 8GT/s, Width x16, ASPM L1`; before lspci 3.0 `Link: Supported Speed 2.5Gb/s, Width x1`
_LINK = re.compile(
    r"(Lnk(?:Cap|Sta)|Link)(?::| at ).*?(Supported )?\bSpeed (unknown|[0-9.]{1,4})(?:GT/s)?.*?, Width x([0-9]{1,2})\b"
)

_KINDS = {
    "Endpoint": "endpoint",
    "Legacy Endpoint": "legacy_endpoint",
    "Root Port": "root_port",
    "Upstream Port": "upstream_port",
    "Downstream Port": "downstream_port",
    "PCI-Express to PCI/PCI-X Bridge": "pcie_to_pci_bridge",
    "PCI/PCI-X to PCI-Express Bridge": "pci_to_pcie_bridge",
    "Root Complex Integrated Endpoint": "root_complex_endpoint",
    "Root Complex Event Collector": "root_complex_event_collector",
}
_EXPRESS = re.compile(rf"Express (?:\(v[0-9]+\) )?({'|'.join(map(re.escape, _KINDS))})")

# The first words of each capability in lspci (ls-caps.c, ls-ecaps.c), longest first where two begin alike.
_NAMES = (
    ("Power Management", "power_management"), ("AGP3", "agp3"), ("AGP", "agp"),
    ("Vital Product Data", "vital_product_data"), ("Slot ID", "slot_id"), ("MSI-X", "msix"),
    ("MSI", "msi"), ("Message Signalled Interrupts", "msi"), ("PCI-X", "pcix"),
    ("HyperTransport: Slave", "hypertransport_slave"), ("HyperTransport: Host", "hypertransport_host"),
    ("HyperTransport: Switch", "hypertransport_switch"),
    ("HyperTransport: Interrupt Discovery", "hypertransport_interrupt_discovery"),
    ("HyperTransport: Revision ID", "hypertransport_revision_id"),
    ("HyperTransport: UnitID Clumping", "hypertransport_unitid_clumping"),
    ("HyperTransport: Extended Configuration", "hypertransport_extended_configuration"),
    ("HyperTransport: Address Mapping", "hypertransport_address_mapping"),
    ("HyperTransport: MSI Mapping", "hypertransport_msi_mapping"),
    ("HyperTransport: DirectRoute", "hypertransport_direct_route"),
    ("HyperTransport: VCSet", "hypertransport_vcset"), ("HyperTransport: Retry", "hypertransport_retry_mode"),
    ("HyperTransport: X86", "hypertransport_x86_encoding"),
    ("Vendor Specific Information: ID=", "vendor_specific_extended"),
    ("Vendor Specific Information", "vendor_specific"), ("Debug port", "debug_port"),
    ("CompactPCI hot-swap", "hot_swap"), ("CompactPCI", "compact_pci"), ("Hot-plug capable", "hot_plug"),
    ("Subsystem", "subsystem"), ("Secure device", "secure_device"), ("Express", "express"),
    ("SATA HBA", "sata"), ("PCI Advanced Features", "advanced_features"),
    ("Enhanced Allocation", "enhanced_allocation"), ("Advanced Error Reporting", "advanced_error_reporting"),
    ("Virtual Channel", "virtual_channel"), ("Device Serial Number", "serial_number"),
    ("Power Budgeting", "power_budgeting"), ("Root Complex Link", "root_complex_link"),
    ("Root Complex Internal Link", "root_complex_internal_link"),
    ("Root Complex Event Collector", "root_complex_event_collector"),
    ("Multi-Function Virtual Channel", "multi_function_virtual_channel"),
    ("Access Control Services", "access_control"), ("Alternative Routing-ID", "alternative_routing_id"),
    ("Address Translation Service", "address_translation"), ("Single Root I/O", "sr_iov"),
    ("Multi-Root I/O", "mr_iov"), ("Multicast", "multicast"), ("Page Request Interface", "page_request"),
    ("Physical Resizable BAR", "resizable_bar"), ("Virtual Resizable BAR", "vf_resizable_bar"),
    ("Dynamic Power Allocation", "dynamic_power_allocation"),
    ("Transaction Processing Hints", "processing_hints"),
    ("Latency Tolerance Reporting", "latency_tolerance"), ("Secondary PCI Express", "secondary_express"),
    ("Process Address Space ID", "process_address_space"),
    ("Downstream Port Containment", "downstream_port_containment"), ("L1 PM Substates", "l1_pm_substates"),
    ("Precision Time Measurement", "precision_time"), ("Readiness Time", "readiness_time"),
    ("Designated Vendor-Specific", "designated_vendor_specific"), ("Data Link Feature", "data_link_feature"),
    ("Physical Layer 16.0 GT/s", "physical_layer_16gt"), ("Lane Margining", "lane_margining"),
    ("Physical Layer 32.0 GT/s", "physical_layer_32gt"), ("Data Object Exchange", "data_object_exchange"),
    ("Root Complex Register Block", "root_complex_register_block"), ("LN Requester", "ln_requester"),
    ("Protocol Multiplexing", "protocol_multiplexing"), ("PCI Express over M_PHY", "mphy"),
    ("FRS Queueing", "function_readiness"), ("Hierarchy ID", "hierarchy_id"), ("Device 3", "device_3"),
    ("Native PCIe Enclosure Management", "native_enclosure_management"),
    ("Integrity & Data Encryption", "integrity_encryption"), ("Flit Logging", "flit_logging"),
    ("Physical Layer 64.0 GT/s", "physical_layer_64gt"), ("Flit Error Injection", "flit_error_injection"),
    ("MMIO Register Block Locator", "mmio_register_block_locator"),
)  # fmt: skip
_NAME = re.compile("|".join(re.escape(words) for words, _ in _NAMES))
_BY_WORDS = dict(_NAMES)


def decode_text(headers: Sequence[str], lines: Sequence[str]) -> PciFunction:
    """What the header lines (one a listing, without the address) and the indented lines under them say."""
    text = _Text(headers)
    for line in lines:
        text.add(line[:LONGEST_LINE])
    return text.function()


class _Text:
    """Gathers what the lines of one function say, in their order.

    Mail and web pages lose the depth of lines, but not their order: what follows the first capability belongs
    to capabilities (those of SR-IOV have regions too), up to the next listing of the function.
    """

    def __init__(self, headers: Sequence[str]) -> None:
        self.headers = headers
        self.subsystem: tuple[int, int] | None = None
        self.pin: int | None = None
        self.irq: int | None = None
        self.node: int | None = None
        self.driver: str | None = None
        self.buses: tuple[int, int, int] | None = None
        self.bars: list[Bar] = []
        self.sizes: list[tuple[int, int]] = []
        self.rom: tuple[int, int] | None = None
        self.windows: list[Window] = []
        self.capabilities: list[tuple[str | Compound, int]] = []
        self.msi: Msi | None = None
        self.msix: MsiX | None = None
        self.places: dict[str, tuple[int, int]] = {}
        self.kind: str | None = None
        self.links: dict[str, tuple[int, int]] = {}
        self.sizes_now: dict[int, int] = {}
        self.in_capabilities = self.in_express = False

    def add(self, line: str) -> None:
        """One line, whatever its depth; an empty one begins another listing."""
        words = line.strip()
        start = words.split(" ", 1)[0]
        self.in_capabilities = self.in_capabilities and bool(words)
        if start == "Capabilities:":
            self.in_capabilities = True
            self._add_capability(words)
        elif start == "Kernel" and (match := _DRIVER.match(words)):
            self.driver = match[1]
        elif self.in_capabilities:
            self._add_detail(words)
        elif start in ("Region", "Memory", "I/O", "Prefetchable", "Expansion") or start.startswith("["):
            self._add_resource(words)
        elif start.startswith("Interrupt") and (match := _INTERRUPT.match(words)):
            self.pin = "?ABCD".index(match[1]) if match[1] else None
            irq = match[2] or match[3]
            self.irq = int(irq) if irq else None
        elif start == "Flags:" and (match := _FLAGS_IRQ.match(words)):
            self.irq = int(match[1])
        elif start == "NUMA" and (match := _NODE.match(words)):
            self.node = int(match[1])
        elif start == "Bus:" and (match := _BUSES.match(words)):
            self.buses = (int(match[1], 16), int(match[2], 16), int(match[3], 16))
        elif start == "Subsystem:" and (match := _SUBSYSTEM.match(words)):
            self.subsystem = (int(match[1], 16), int(match[2], 16))

    def _add_resource(self, words: str) -> None:
        if (match := _WINDOW.match(words)) is not None:
            self._add_window(match, words)
        elif (match := _REGION.match(words)) is not None:
            self._add_region(match, words)
        elif (match := _ROM.match(words)) is not None:
            self.rom = (int(match[1], 16), _size(words))

    def _add_region(self, match: re.Match[str], words: str) -> None:
        number, memory, base, bits, non, ports = match.groups()
        size = _size(words)
        where = int(base or ports or "0", 16)
        if number is None:
            self.sizes.append((where, size))
        # -v does not number the regions: these are the lowest numbers that they can have.
        place = int(number) if number is not None else sum(bar.bits // 32 for bar in self.bars)
        if place <= 5:
            if memory:
                self.bars.append(Bar(place, where, size, "mem", non is None, 64 if bits == "64-bit" else 32))
            else:
                self.bars.append(Bar(place, where, size, "io", False, 32))

    def _add_window(self, match: re.Match[str], words: str) -> None:
        space = {"I/O": "io", "Memory": "mem", "Prefetchable memory": "prefetchable"}[match[1]]
        if words.endswith("(prefetchable)"):  # of CardBus
            space = "prefetchable"
        base, limit = int(match[2], 16), int(match[3], 16)
        if base <= limit:
            self.windows.append(Window(space, base, limit))

    def _add_capability(self, words: str) -> None:
        match = _CAPABILITY.match(words)
        if match is None:
            return
        offset, what = int(match[1], 16), match[2]
        name = _capability_name(what, offset)
        if name is None:
            return
        self.capabilities.append((name, offset))
        self.in_express = name == "express" and self.kind is None
        count, queue = _COUNT.search(what), _QUEUE.search(what)
        if name == "msi" and (count or queue) and self.msi is None:
            vectors = 1 << int(queue[1]) if queue else int(count[2] or count[1]) if count else 0
            bits = 64 if "64bit+" in what else 32
            self.msi = Msi(vectors, "Enable+" in what, bits, "Maskable+" in what or "Mask+" in what)
        elif name == "msix" and count and self.msix is None:
            self.msix = MsiX(int(count[1]), "Enable+" in what, None)
        elif name == "subsystem" and self.buses and self.subsystem is None and (ids := _SUBSYSTEM.match(what)):
            if ids[1] not in ("0000", "ffff"):
                self.subsystem = (int(ids[1], 16), int(ids[2], 16))
        elif name == "express" and self.kind is None:
            kind = _EXPRESS.match(what)
            self.kind = _KINDS[kind[1]] if kind else "reserved"

    def _add_detail(self, words: str) -> None:
        if words.startswith("BAR") and (match := _RESIZED.match(words)):
            self.sizes_now.setdefault(int(match[1]), int(match[2]) * _UNITS[match[3]])
        elif words.startswith(("Vector table", "PBA")) and (match := _PLACE.match(words)):
            self.places.setdefault(match[1], (int(match[2]), int(match[3], 16)))
        elif words.startswith(("Lnk", "Link")) and self.in_express and (match := _LINK.match(words)):
            register = "LnkCap" if match[2] else "LnkSta" if match[1] == "Link" else match[1]
            self.links.setdefault(register, (_speed(match[3]), int(match[4])))

    def function(self) -> PciFunction:
        """All of it."""
        msix = self.msix
        if msix is not None and len(self.places) == 2:
            msix = MsiX(msix.vectors, msix.enabled, (*self.places["Vector table"], *self.places["PBA"]))
        express = None
        if self.kind is not None:
            express = Express(self.kind, self.links.get("LnkCap"), self.links.get("LnkSta"))
        return replace(
            _identity(self.headers),
            subsystem=self.subsystem,
            pin=self.pin,
            buses=self.buses,
            bars=without_upper_halves(resized(self.bars, self.sizes_now)),
            sizes=tuple(self.sizes),
            rom=self.rom,
            windows=tuple(self.windows),
            capabilities=tuple(self.capabilities),
            msi=self.msi,
            msix=msix,
            express=express,
            irq=self.irq,
            node=self.node,
            driver=self.driver,
        )


def _identity(headers: Sequence[str]) -> PciFunction:
    """Names and numbers of the header lines; of several listings the first with numbers, the longest name."""
    found = PciFunction()
    for header in headers:
        match = _DESCRIPTION.match(header[:LONGEST_LINE].strip())
        if match is None:
            continue
        title, revision, interface = match[1], int(match[2] or "0", 16), int(match[3] or "0", 16)
        vendor, device, class_code = _numbers(title)
        if found.vendor is None and vendor is not None:
            found = replace(found, vendor=vendor, device=device)
            if class_code is not None:
                found = replace(found, class_code=class_code << 8 | interface)
        if found.revision is None:
            found = replace(found, revision=revision)
        if len(title) > len(found.description or ""):
            found = replace(found, description=title)
    return found


def _numbers(title: str) -> tuple[int | None, int | None, int | None]:
    """Vendor, device and class (class and subclass, 16 bits), as far as a header line has numbers."""
    if (match := _NUMERIC.match(title)) is not None:
        class_code, vendor, device = (int(part, 16) for part in match.groups())
        return vendor, device, class_code
    ids, of_class = _IDS.search(title), _CLASS.match(title)
    return (
        int(ids[1], 16) if ids else None,
        int(ids[2], 16) if ids else None,
        int(of_class[1], 16) if of_class else None,
    )


def _capability_name(what: str, offset: int) -> str | Compound | None:
    if (match := _NAME.match(what)) is not None:
        return _BY_WORDS[match[0]]
    if (match := re.match(r"HyperTransport: #([0-9a-f]{2})", what)) is not None:
        return hypertransport_name(int(match[1], 16))
    if (match := re.match(r"(?:(?:Extended )?Capability ID |#)(?:0x)?([0-9a-f]{1,4})\b", what)) is not None:
        number = int(match[1], 16)
        return extended_name(number) if offset >= STANDARD else standard_name(number)
    if (match := re.match(r"Unknown \(([0-9]{1,5})\)", what)) is not None:  # extended ones, before lspci 3.0
        return extended_name(int(match[1]))
    return None


def _size(words: str) -> int:
    match = _SIZE.search(words)
    return int(match[1]) * _UNITS[match[2]] if match else 0


def _speed(text: str) -> int:
    """MT/s; 0 where lspci prints a speed that no link has."""
    if not re.fullmatch(r"[0-9]{1,2}(?:\.[0-9])?", text):
        return 0
    speed = round(float(text) * 1000)
    return speed if speed in LINK_SPEEDS.values() else 0
