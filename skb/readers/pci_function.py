"""A PCI function as the PCI reader knows it, and the facts that say so.

A part of the PCI reader (pci.py). Configuration space (pci_config.py) and lspci's text (pci_text.py) both
become a `PciFunction`; `merged` puts the two together, `facts_of` makes facts. None and empty mean that the
dump does not tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from skb.facts import Compound, Fact, Text, compound, fact

NO_VENDOR = 0xFFFF
"""Vendor id that reads where nothing answers (PCI 3.0, §6.1), and in the virtual functions of SR-IOV."""

LANE_MEGABYTES = {2500: 250.0, 5000: 500.0, 8000: 984.6, 16000: 1969.2, 32000: 3938.5, 64000: 7562.5}
"""MB/s of one lane by its MT/s: 8b/10b coding, then 128b/130b, then 242 of 256 bytes (PCIe 6.0, §4.2)."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A base address register: number 0-5, base 0 while unassigned, size 0 where the dump does not tell."""

    number: int
    base: int
    size: int
    space: str
    prefetchable: bool
    bits: int


@dataclass(frozen=True, slots=True)
class Window:
    """What a bridge passes on: space mem, prefetchable or io, both ends included."""

    space: str
    base: int
    limit: int


@dataclass(frozen=True, slots=True)
class Msi:
    """Message signalled interrupts: how many the function can ask for."""

    vectors: int
    enabled: bool
    bits: int
    maskable: bool


@dataclass(frozen=True, slots=True)
class MsiX:
    """MSI-X: table entries; where table and pending bits are: (BAR, offset, BAR, offset)."""

    vectors: int
    enabled: bool
    places: tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class Express:
    """PCI Express: kind of port, and the link as (MT/s, lanes), at most and now; 0 where it is down."""

    kind: str
    most: tuple[int, int] | None
    now: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class PciFunction:
    """What one dump tells of a function; class_code is class, subclass and interface in 24 bits.

    `sizes` are sizes by base that lspci's -v gives without the register's number.
    """

    vendor: int | None = None
    device: int | None = None
    class_code: int | None = None
    revision: int | None = None
    header_type: int | None = None
    multifunction: bool = False
    subsystem: tuple[int, int] | None = None
    pin: int | None = None
    line: int | None = None
    buses: tuple[int, int, int] | None = None
    bars: tuple[Bar, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    rom: tuple[int, int] | None = None
    windows: tuple[Window, ...] = ()
    capabilities: tuple[tuple[str | Compound, int], ...] = ()
    msi: Msi | None = None
    msix: MsiX | None = None
    express: Express | None = None
    irq: int | None = None
    node: int | None = None
    driver: str | None = None
    description: str | None = None


def merged(bytes_say: PciFunction, text_says: PciFunction, bytes_have_capabilities: bool) -> PciFunction:
    """Bytes are believed before text; sizes, interrupts, node and driver are in the text only.

    Where the bytes hold no vendor (a sleeping device, a virtual function) the text's numbers count.
    """
    known = bytes_say
    if known.vendor == NO_VENDOR and text_says.vendor is not None:
        known = replace(known, vendor=text_says.vendor, device=text_says.device)
        if known.class_code == 0xFFFFFF:
            known = replace(known, class_code=text_says.class_code, revision=text_says.revision)
    if not bytes_have_capabilities:
        known = replace(
            known,
            capabilities=text_says.capabilities,
            msi=text_says.msi,
            msix=text_says.msix,
            express=text_says.express,
        )
    rom = known.rom
    if text_says.rom is not None:
        rom = (rom[0] if rom else text_says.rom[0], text_says.rom[1])
    return replace(
        known,
        subsystem=known.subsystem or text_says.subsystem,
        bars=_sized(known.bars, text_says),
        rom=rom,
        irq=text_says.irq,
        node=text_says.node,
        driver=text_says.driver,
        description=text_says.description,
    )


def _sized(bars: tuple[Bar, ...], text_says: PciFunction) -> tuple[Bar, ...]:
    if text_says.sizes:  # the text does not number the registers
        by_base = dict(text_says.sizes)
        return tuple(replace(bar, size=by_base.get(bar.base, 0) or bar.size) if bar.base else bar for bar in bars)
    by_number = {bar.number: bar.size for bar in text_says.bars}
    found = [replace(bar, size=by_number.get(bar.number, 0) or bar.size) for bar in bars]
    # A register of zeros may be an unassigned one, or none: the text knows which.
    return without_upper_halves((*text_says.bars, *found))


def without_upper_halves(bars: Iterable[Bar]) -> tuple[Bar, ...]:
    """The registers by number, a later one in place of an earlier.

    `lspci -F` takes the upper half of a 64-bit register for one of its own: it is none.
    """
    found: dict[int, Bar] = {}
    upper = 0
    for number, bar in sorted({bar.number: bar for bar in bars}.items()):
        if not upper or number != upper:
            found[number] = bar
            upper = number + 1 if bar.bits == 64 else 0
    return tuple(found.values())


def facts_of(address: Compound, function: PciFunction) -> Iterator[Fact]:
    """The facts of a function; without vendor, device and class no `device/8` or `bridge/8`."""
    yield from _identity(address, function)
    yield from _resources(address, function)
    for name, offset in function.capabilities:
        yield fact("pci_capability", address, name, offset)
    yield from _interrupts(address, function)
    yield from _express(address, function.express)
    if function.node is not None:
        yield fact("device_node", address, function.node)
    if function.driver is not None:
        yield fact("device_driver", address, Text(function.driver))


def _identity(address: Compound, function: PciFunction) -> Iterator[Fact]:
    code = function.class_code
    if function.vendor is not None and function.device is not None and code is not None:
        bus_type = "pcie" if function.express else "pci"
        what = (bus_type, address, function.vendor, function.device, code >> 16, code >> 8 & 0xFF, code & 0xFF)
        if function.buses is not None:
            yield fact("bridge", *what, compound("secondary", function.buses[1]))
        else:
            yield fact("device", *what, (function.pin or 0) - 1)
    if function.description is not None:
        yield fact("device_description", address, Text(function.description))
    if function.revision is not None:
        yield fact("device_revision", address, function.revision)
    if function.header_type is not None:
        yield fact("device_header", address, function.header_type, int(function.multifunction))
    if function.subsystem is not None:
        yield fact("device_subsystem", address, *function.subsystem)
    if function.buses is not None:
        yield fact("bridge_buses", address, *function.buses)


def _resources(address: Compound, function: PciFunction) -> Iterator[Fact]:
    for bar in function.bars:
        kind = "prefetchable" if bar.prefetchable else "nonprefetchable"
        yield fact("bar", address, bar.number, bar.base, bar.size, bar.space, kind, bar.bits)
    if function.rom is not None:
        yield fact("expansion_rom", address, *function.rom)
    for window in function.windows:
        yield fact("bridge_window", address, window.space, window.base, window.limit)


def _interrupts(address: Compound, function: PciFunction) -> Iterator[Fact]:
    if function.line is not None:
        yield fact("device_interrupt_line", address, function.line)
    if function.irq is not None:
        yield fact("device_irq", address, function.irq)
    if function.msi is not None:
        msi = function.msi
        yield fact("device_msi", address, msi.vectors, int(msi.enabled), msi.bits, int(msi.maskable))
    if function.msix is not None:
        yield fact("device_msix", address, function.msix.vectors, int(function.msix.enabled))
        if function.msix.places is not None:
            yield fact("device_msix_table", address, *function.msix.places)


def _express(address: Compound, express: Express | None) -> Iterator[Fact]:
    if express is None:
        return
    yield fact("device_port", address, express.kind)
    if express.most is not None:
        yield fact("device_link", address, "capability", *express.most)
    if express.now is not None:
        yield fact("device_link", address, "status", *express.now)
        speed, lanes = express.now
        if speed and lanes:
            yield fact("device_link_speed", address, round(LANE_MEGABYTES[speed] * lanes))
