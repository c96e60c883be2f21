"""PCI functions as lspci prints them: a line each, in detail, or as a tree of buses.

Names are those of this system's pci.ids, as lspci's; where the list has none, those of the dump the function was
read from; else numbers. In detail there is what facts tell: no command and status registers, no widths of bridge
windows, and of capabilities their names. The forms are those of pciutils 3.9 (lspci.c, ls-tree.c, names.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from skb.pci_functions import Address, Bar, Function
from skb.readers.pci_ids import PciNames

NAMES, NUMBERS, BOTH = "names", "numbers", "both"
"""How vendors, devices and classes are written: by default, with -n, with -nn."""

_TITLE = re.compile(r"(?P<class>.*?)(?: \[[0-9a-f]{4}\])?: (?P<name>.*?)(?: \[[0-9a-f]{4}:[0-9a-f]{4}\])?\Z")
_NUMBERS_ONLY = re.compile(r"(?:Class |(?:.* )?(?:Unknown d|D)evice )?(?:[0-9a-f]{4}:)?[0-9a-f]{4}\Z")

_PORTS = {
    "endpoint": "Endpoint", "legacy_endpoint": "Legacy Endpoint", "root_port": "Root Port",
    "upstream_port": "Upstream Port", "downstream_port": "Downstream Port",
    "pcie_to_pci_bridge": "PCI-Express to PCI/PCI-X Bridge", "pci_to_pcie_bridge": "PCI/PCI-X to PCI-Express Bridge",
    "root_complex_endpoint": "Root Complex Integrated Endpoint",
    "root_complex_event_collector": "Root Complex Event Collector",
}
_CAPABILITIES = {
    "access_control": "Access Control Services", "address_translation": "Address Translation Service (ATS)",
    "advanced_features": "PCI Advanced Features", "agp": "AGP", "agp3": "AGP3",
    "alternative_routing_id": "Alternative Routing-ID Interpretation (ARI)", "compact_pci": "CompactPCI",
    "debug_port": "Debug port", "designated_vendor_specific": "Designated Vendor-Specific", "express": "Express",
    "downstream_port_containment": "Downstream Port Containment", "hot_plug": "Hot-plug capable",
    "hot_swap": "CompactPCI hot-swap", "latency_tolerance": "Latency Tolerance Reporting",
    "l1_pm_substates": "L1 PM Substates", "lane_margining": "Lane Margining at the Receiver", "msi": "MSI",
    "msix": "MSI-X", "page_request": "Page Request Interface (PRI)", "pcix": "PCI-X",
    "physical_layer_16gt": "Physical Layer 16.0 GT/s", "physical_layer_32gt": "Physical Layer 32.0 GT/s",
    "precision_time": "Precision Time Measurement", "process_address_space": "Process Address Space ID (PASID)",
    "processing_hints": "Transaction Processing Hints", "resizable_bar": "Physical Resizable BAR", "sata": "SATA HBA",
    "secondary_express": "Secondary PCI Express", "secure_device": "Secure device",
    "serial_number": "Device Serial Number", "sr_iov": "Single Root I/O Virtualization (SR-IOV)",
    "vendor_specific": "Vendor Specific Information", "vendor_specific_extended": "Vendor Specific Information",
    "vf_resizable_bar": "Virtual Resizable BAR",
}
_HYPERTRANSPORT = {
    "slave": "Slave or Primary Interface", "host": "Host or Secondary Interface", "msi_mapping": "MSI Mapping",
    "interrupt_discovery": "Interrupt Discovery and Configuration", "unitid_clumping": "UnitID Clumping",
}


@dataclass(frozen=True, slots=True)
class Style:
    """How functions are written: their names, and whether addresses have their segment (lspci's domain)."""

    names: PciNames
    mode: str = NAMES
    segments: bool = False

    def address(self, address: Address) -> str:
        """`00:1f.2`, or `0000:00:1f.2`."""
        segment, bus, device, function = address
        return (f"{segment:04x}:" if self.segments else "") + f"{bus:02x}:{device:02x}.{function:x}"

    def class_name(self, function: Function) -> str:
        """`Host bridge`, `0600`, `Host bridge [0600]`."""
        code = function.class_code
        if code is None:
            return self._said(function, "class") or "Class ????"
        if self.mode == NUMBERS:
            return f"{code:04x}"
        name = self.names.subclasses.get(code)
        general = self.names.classes.get(code >> 8)
        mixed = self.mode == BOTH
        if name is None and general is not None:
            name, mixed = general, True  # a class in general, with the number of what it is in particular
        name = name or self._said(function, "class") or "Class"
        return f"{name} [{code:04x}]" if mixed else f"Class {code:04x}" if name == "Class" else name

    def product(self, function: Function) -> str:
        """Vendor and device: `Intel Corporation 82574L Gigabit Network Connection`, `8086:10d3`, or both."""
        vendor, device = function.vendor_id, function.device_id
        if vendor is None or device is None:
            return self._said(function, "name") or "Device ????:????"
        said = None
        if self.mode != NUMBERS and (vendor, device) not in self.names.devices:
            said = self._said(function, "name")
        if said is not None:
            return f"{said} [{vendor:04x}:{device:04x}]" if self.mode == BOTH else said
        return self.pair(vendor, device, self.names.devices.get((vendor, device)))

    def _said(self, function: Function, what: str) -> str | None:
        """What the dump calls the function's class or name, where it is more than numbers."""
        match = _TITLE.match(function.description or "")
        found = match[what] if match else ""
        vendor = self.names.vendors.get(function.vendor_id or 0, "")
        if not found or _NUMBERS_ONLY.match(found) or found in ("Class", "Device", f"{vendor} Device"):
            return None
        return found

    def pair(self, vendor_id: int, device_id: int, device: str | None) -> str:
        """A vendor and a device or subsystem of its."""
        numbers = f"{vendor_id:04x}:{device_id:04x}"
        if self.mode == NUMBERS:
            return numbers
        vendor = self.names.vendors.get(vendor_id)
        if self.mode == BOTH:
            return " ".join(filter(None, (vendor, device if vendor and device else "Device", f"[{numbers}]")))
        if vendor is None:
            return f"Device {numbers}"
        return f"{vendor} {device}" if device else f"{vendor} Device {device_id:04x}"

    def line(self, function: Function) -> str:
        """The one line of a function, without its address."""
        revision = f" (rev {function.revision:02x})" if function.revision else ""
        return f"{self.class_name(function)}: {self.product(function)}{revision}"


def listing(functions: Iterable[Function], style: Style) -> str:
    """A line a function."""
    return "".join(f"{style.address(each.address)} {style.line(each)}\n" for each in functions)


def details(functions: Iterable[Function], style: Style) -> str:
    """A paragraph a function."""
    return "\n".join("\n".join(_paragraph(each, style)) + "\n" for each in functions)


def _paragraph(function: Function, style: Style) -> Iterator[str]:
    code = function.class_code or 0
    named = style.names.interface(code >> 8, code & 0xFF, function.interface)
    interface = f" (prog-if {function.interface:02x}" + (f" [{named}]" if named else "") + ")"
    line = f"{style.address(function.address)} {style.line(function)}"
    yield line + (interface if named or function.interface else "")
    if function.subsystem is not None:
        yield f"\tSubsystem: {style.pair(*function.subsystem, None)}"
    flags = [f"IRQ {function.irq}"] if function.irq is not None else []
    flags += [f"NUMA node {function.node}"] if function.node is not None else []
    if flags:
        yield f"\tFlags: {', '.join(flags)}"
    yield from (_bar(bar) for bar in function.bars if bar.space != "vf")
    if function.buses is not None:
        primary, secondary, subordinate = function.buses
        yield f"\tBus: primary={primary:02x}, secondary={secondary:02x}, subordinate={subordinate:02x}"
    for space, first, last in function.windows:
        digits = 4 if space == "io" and last <= 0xFFFF else 8 if last <= 0xFFFFFFFF else 16
        words = {"io": "I/O", "mem": "Memory", "prefetchable": "Prefetchable memory"}[space]
        yield f"\t{words} behind bridge: {first:0{digits}x}-{last:0{digits}x}{_size(last - first + 1)}"
    if function.rom is not None:
        base, size = function.rom
        yield f"\tExpansion ROM at {base:08x}{_size(size)}"
    for offset, name in function.capabilities:
        yield f"\tCapabilities: [{offset:02x}] {_capability(function, name)}"
        if name == "express" and function.links:
            for state, word in (("capability", "LnkCap"), ("status", "LnkSta")):
                if state in function.links:
                    speed, lanes = function.links[state]
                    yield f"\t\t{word}:\t" + (f"Speed {speed / 1000:g}GT/s, Width x{lanes}" if speed else "down")
    if function.driver is not None:
        yield f"\tKernel driver in use: {function.driver}"


def _bar(bar: Bar) -> str:
    if bar.space == "io":
        return f"\tI/O ports at {f'{bar.base:04x}' if bar.base else '<unassigned>'}{_size(bar.size_bytes)}"
    where = f"{bar.base:08x}" if bar.base else "<unassigned>"
    kind = f"{bar.bits}-bit, {'' if bar.prefetchable else 'non-'}prefetchable"
    return f"\tMemory at {where} ({kind}){_size(bar.size_bytes)}"


def _size(count: int) -> str:
    """` [size=16K]`; nothing where it is not told."""
    if not count:
        return ""
    units = ["", "K", "M", "G", "T"]
    while count % 1024 == 0 and len(units) > 1:
        count //= 1024
        units.pop(0)
    return f" [size={count}{units[0]}]"


def _capability(function: Function, name: str) -> str:
    if name == "express":
        return f"Express {_PORTS[function.port]}" if function.port in _PORTS else "Express"
    if name == "msi" and function.msi is not None:
        vectors, enabled, bits, maskable = function.msi
        return f"MSI: Enable{_sign(enabled)} Count={vectors} Maskable{_sign(maskable)} 64bit{_sign(bits == 64)}"
    if name == "msix" and function.msix is not None:
        return f"MSI-X: Enable{_sign(function.msix[1])} Count={function.msix[0]}"
    kind = name.removeprefix("hypertransport_")
    if kind != name:
        return f"HyperTransport: {_HYPERTRANSPORT.get(kind) or kind.replace('_', ' ').title()}"
    return _CAPABILITIES.get(name) or name.replace("_", " ").title()


def _sign(flag: bool) -> str:
    return "+" if flag else "-"


# -- the tree (ls-tree.c)


@dataclass(slots=True, eq=False)
class _Bridge:
    """A bridge, or the root (`above` None), which every bus may be behind."""

    above: Function | None
    segment: int
    primary: int
    secondary: int
    subordinate: int
    children: list[_Bridge] = field(default_factory=list)
    buses: dict[tuple[int, int], list[Function]] = field(default_factory=dict)


def tree(functions: Sequence[Function], style: Style, verbose: bool) -> str:
    """The functions by buses, in lspci -t's characters; `verbose`: with their names."""
    root = _Bridge(None, 0, -1, 0, 1 << 32)
    bridges = [root, *(
        _Bridge(each, each.address[0], *each.buses) for each in functions if each.buses is not None
    )]
    for bridge in bridges[1:]:
        _parent(bridge, bridges).children.insert(0, bridge)
    for bridge in bridges:
        bridge.buses.setdefault((bridge.segment, bridge.secondary), [])
    for function in functions:
        _insert(function, root)
    behind = {bridge.above.address: bridge for bridge in bridges if bridge.above is not None}
    return "".join(f"{line.rstrip()}\n" for line in _Tree(behind, style, verbose).bridge(root))


def _parent(bridge: _Bridge, bridges: Sequence[_Bridge]) -> _Bridge:
    """The narrowest bridge behind which the bridge's own bus is; the root at last."""
    best = bridges[0]
    for other in bridges:
        known = other.secondary > 0 and other.segment == bridge.segment and other is not bridge
        if known and other.secondary <= bridge.primary <= other.subordinate and (
                best.subordinate - best.secondary > other.subordinate - other.secondary):
            best = other
    return best


def _insert(function: Function, bridge: _Bridge) -> None:
    segment, number = function.address[:2]
    if (segment, number) not in bridge.buses:
        for child in bridge.children:
            if child.segment == segment and child.secondary <= number <= child.subordinate:
                _insert(function, child)
                return
    bridge.buses.setdefault((segment, number), []).append(function)


@dataclass(frozen=True, slots=True)
class _Tree:
    behind: dict[Address, _Bridge]
    style: Style
    verbose: bool

    def bridge(self, bridge: _Bridge) -> list[str]:
        """The lines of what is behind a bridge; all but the first are to be indented below it."""
        buses = list(bridge.buses.items())
        if len(buses) == 1:
            (segment, number), functions = buses[0]
            name = f"[{segment:04x}:{number:02x}]-" if bridge.above is None else ""
            return _hung("-" + name, self.bus(functions))
        lines = []
        for at, ((segment, number), functions) in enumerate(buses, 1):
            last = at == len(buses)
            fork = "\\" if last else "+"
            lines += _hung(f"{fork}-[{segment:04x}:{number:02x}]-", self.bus(functions), last)
        return _hung("-", lines)

    def bus(self, functions: Sequence[Function]) -> list[str]:
        if not functions:
            return [""]
        if len(functions) == 1:
            return _hung("--", self.function(functions[0]))
        lines = []
        for at, function in enumerate(functions, 1):
            last = at == len(functions)
            lines += _hung("\\-" if last else "+-", self.function(function), last)
        return lines

    def function(self, function: Function) -> list[str]:
        """A function, and what is behind it."""
        name = f"{function.address[2]:02x}.{function.address[3]:x}"
        bridge = self.behind.get(function.address)
        if bridge is None:
            return [name + (f"  {self.style.product(function)}" if self.verbose else "")]
        until = "" if bridge.secondary == bridge.subordinate else f"-{bridge.subordinate:02x}"
        buses = f"[{bridge.secondary:02x}{until}]-" if bridge.secondary else ""  # 0: nothing is behind it
        return _hung(f"{name}-{buses}", self.bridge(bridge))


def _hung(prefix: str, lines: Sequence[str], last: bool = True) -> list[str]:
    """The lines behind a prefix; under it a bar goes on where it is not the last of its bus."""
    below = (" " if last else "|") + " " * (len(prefix) - 1)
    return [prefix + lines[0], *(below + line for line in lines[1:])]
