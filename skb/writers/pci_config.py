"""Configuration space of stated PCI functions: the inverse of skb/readers/pci_config.py.

A part of the PCI writer (pci.py). Offsets and bits are those of PCI Local Bus 3.0 chapter 6, PCI-to-PCI
Bridge 1.2 chapter 3 and PCI Express Base 6.0 chapter 7. A function states what it is; where its capabilities
lie is worked out here unless it states that too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

STANDARD_BYTES, EXTENDED_BYTES = 256, 4096
LINK_SPEEDS = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}
"""Codes of link speeds by GT/s (PCIe 6.0, §7.5.3.6)."""
PORT_KINDS = {
    "Endpoint": 0x0, "Legacy Endpoint": 0x1, "Root Port": 0x4, "Upstream Port": 0x5, "Downstream Port": 0x6,
    "PCI-Express to PCI/PCI-X Bridge": 0x7, "PCI/PCI-X to PCI-Express Bridge": 0x8,
    "Root Complex Integrated Endpoint": 0x9,
}  # fmt: skip
"""Device/port types in lspci's words (PCIe 6.0, §7.5.3.2)."""

_IO, _MEMORY, _MASTER = 0x1, 0x2, 0x4
_INTX_OFF = 0x400
_HAS_CAPABILITIES = 0x10


class PciError(ValueError):
    """A stated function that no hardware can be; one line that names it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A base address register: base and size in bytes, space mem or io, 32 or 64 bits wide."""

    number: int
    base: int
    size: int
    space: str = "mem"
    prefetchable: bool = False
    bits: int = 32

    def __post_init__(self) -> None:
        smallest = 4 if self.space == "io" else 16
        if not (0 <= self.number <= 5 and self.space in ("mem", "io") and self.bits in (32, 64)):
            raise PciError(f"BAR {self.number}: there are 0 to 5, of mem or io, of 32 or 64 bits")
        if self.space == "io" and (self.prefetchable or self.bits == 64):
            raise PciError(f"BAR {self.number}: I/O ports are neither prefetchable nor 64 bits")
        if self.size < smallest or self.size & self.size - 1 or self.base % self.size:
            raise PciError(f"BAR {self.number}: sizes are powers of two from {smallest} on, bases their multiples")
        if self.base + self.size > 1 << self.bits:
            raise PciError(f"BAR {self.number}: {self.base:#x} + {self.size:#x} does not fit {self.bits} bits")


@dataclass(frozen=True, slots=True)
class Window:
    """What a bridge passes on: space mem, prefetchable or io; both ends included."""

    space: str
    base: int
    limit: int

    def __post_init__(self) -> None:
        grain = {"io": 0x1000, "mem": 0x100000, "prefetchable": 0x100000}.get(self.space)
        if grain is None:
            raise PciError(f"bridge window of {self.space}; there are io, mem and prefetchable")
        top = 1 << (64 if self.space == "prefetchable" else 32)
        if self.base % grain or (self.limit + 1) % grain or not 0 <= self.base <= self.limit < top:
            raise PciError(f"{self.space} window {self.base:#x}-{self.limit:#x}: not whole blocks of {grain:#x}")


@dataclass(frozen=True, slots=True)
class Bridge:
    """What makes a function a PCI-to-PCI bridge: its buses and its windows, at most one of each space."""

    primary: int
    secondary: int
    subordinate: int
    windows: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.primary <= 255 or not 0 <= self.secondary <= self.subordinate <= 255:
            raise PciError(f"bridge to buses {self.secondary}-{self.subordinate}: buses are 0 to 255, ascending")
        if len({window.space for window in self.windows}) < len(self.windows):
            raise PciError(f"bridge to bus {self.secondary}: more than one window of a space")


@dataclass(frozen=True, slots=True)
class Capability:
    """A capability: its id, the bytes after id and next pointer, and lspci's words for it.

    `version` > 0 makes it an extended one. Without `offset` it goes where there is room.
    """

    number: int
    payload: bytes
    title: str
    details: tuple[str, ...] = ()
    offset: int | None = None
    version: int = 0

    @property
    def length(self) -> int:
        """Bytes it takes, its head included."""
        return (4 if self.version else 2) + len(self.payload)


@dataclass(frozen=True, slots=True)
class PciFunction:
    """A PCI function as a machine's description states it.

    `class_code` has 24 bits: class, subclass, programming interface. `interrupt_pin` is 0 for none, 1-4 for
    INTA-INTD. `registers` are further bytes, each (offset, bytes). Names are what lspci would print; size of
    BARs, `irq`, `numa_node` and `driver` stand in the text only.
    """

    bus: int
    device: int
    function: int
    vendor_id: int
    device_id: int
    class_code: int
    revision: int = 0
    domain: int = 0
    multifunction: bool = False
    subsystem: tuple[int, int] | None = None
    bars: tuple[Bar, ...] = ()
    bridge: Bridge | None = None
    capabilities: tuple[Capability, ...] = ()
    registers: tuple[tuple[int, bytes], ...] = ()
    interrupt_pin: int = 0
    interrupt_line: int = 0
    irq: int | None = None
    numa_node: int | None = None
    driver: str = ""
    class_name: str = ""
    vendor_name: str = ""
    device_name: str = ""
    size_bytes: int = field(default=STANDARD_BYTES)

    def __post_init__(self) -> None:
        limits = (
            (self.domain, 0xFFFFFF), (self.bus, 0xFF), (self.device, 0x1F), (self.function, 7),
            (self.vendor_id, 0xFFFE), (self.device_id, 0xFFFF), (self.class_code, 0xFFFFFF),
            (self.revision, 0xFF), (self.interrupt_pin, 4), (self.interrupt_line, 0xFF),
        )  # fmt: skip
        if not all(0 <= value <= most for value, most in limits):
            raise PciError(f"{self.address}: a number that does not fit its register")
        if self.size_bytes not in (STANDARD_BYTES, EXTENDED_BYTES):
            raise PciError(f"{self.address}: configuration space has {STANDARD_BYTES} or {EXTENDED_BYTES} bytes")
        for name in (self.driver, self.class_name, self.vendor_name, self.device_name):
            if not name.isprintable():
                raise PciError(f"{self.address}: a name that no line can hold")
        _check_bars(self)

    @property
    def address(self) -> str:
        """As lspci prints it, with the domain where it is not 0."""
        domain = f"{self.domain:04x}:" if self.domain else ""
        return f"{domain}{self.bus:02x}:{self.device:02x}.{self.function}"


def _check_bars(function: PciFunction) -> None:
    count = 2 if function.bridge else 6
    taken = [bar.number + half for bar in function.bars for half in range(bar.bits // 32)]
    if len(set(taken)) < len(taken) or any(number >= count for number in taken):
        raise PciError(f"{function.address}: BARs overlap, or lie beyond the {count} registers there are")


def all_capabilities(function: PciFunction) -> tuple[Capability, ...]:
    """The stated capabilities, and the one in which a bridge keeps its subsystem."""
    if function.bridge and function.subsystem:
        vendor, device = function.subsystem
        payload = bytes(2) + _le(vendor, 2) + _le(device, 2)
        words = f"Subsystem: Device [{vendor:04x}:{device:04x}]"
        return (*function.capabilities, Capability(0x0D, payload, words))
    return function.capabilities


def capability_offsets(function: PciFunction) -> list[int]:
    """Where each of `all_capabilities` lies: where stated, else the first room, 4-aligned."""
    taken = [range(offset, offset + len(data)) for offset, data in function.registers]
    stated = all_capabilities(function)
    taken += [range(each.offset, each.offset + each.length) for each in stated if each.offset is not None]
    offsets = []
    for capability in stated:
        low, high = (0x100, EXTENDED_BYTES) if capability.version else (0x40, STANDARD_BYTES)
        at = capability.offset
        if at is None:
            at = _room(capability.length, low, high, taken)
            if at is None:
                raise PciError(f"{function.address}: no room for the capability {capability.title}")
            taken.append(range(at, at + capability.length))
        elif at % 4 or not low <= at <= high - capability.length:
            raise PciError(f"{function.address}: capability {capability.title} cannot lie at {at:#x}")
        offsets.append(at)
    first = [at for at, capability in zip(offsets, stated, strict=True) if capability.version][:1]
    if first and first != [0x100]:
        raise PciError(f"{function.address}: the first extended capability lies at 0x100")
    return offsets


def _room(length: int, low: int, high: int, taken: Sequence[range]) -> int | None:
    for at in range(low, high - length + 1, 4):
        if all(at + length <= other.start or other.stop <= at for other in taken):
            return at
    return None


def configuration(function: PciFunction) -> bytes:
    """The function's configuration space, 256 or 4096 bytes."""
    stated = all_capabilities(function)
    extended = any(capability.version for capability in stated)
    space = bytearray(EXTENDED_BYTES if extended else function.size_bytes)
    for offset, data in function.registers:
        if not 0x40 <= offset <= len(space) - len(data):
            raise PciError(f"{function.address}: registers at {offset:#x} lie outside configuration space")
        space[offset : offset + len(data)] = data
    _put(space, 0x00, function.vendor_id, 2)
    _put(space, 0x02, function.device_id, 2)
    _put(space, 0x04, _command(function), 2)
    _put(space, 0x08, function.class_code << 8 | function.revision, 4)
    space[0x0E] = (1 if function.bridge else 0) | (0x80 if function.multifunction else 0)
    for bar in function.bars:
        kind = 0x1 if bar.space == "io" else (0x8 if bar.prefetchable else 0) | (0x4 if bar.bits == 64 else 0)
        _put(space, 0x10 + 4 * bar.number, bar.base | kind, bar.bits // 8)
    if function.bridge:
        _put_bridge(space, function.bridge)
    elif function.subsystem:
        _put(space, 0x2C, function.subsystem[0], 2)
        _put(space, 0x2E, function.subsystem[1], 2)
    space[0x3C], space[0x3D] = function.interrupt_line, function.interrupt_pin
    _put_capabilities(space, function)
    return bytes(space)


def _command(function: PciFunction) -> int:
    """What is switched on: the spaces in use, the right to be master, INTx unless messages replace it."""
    spaces = {bar.space for bar in function.bars}
    if function.bridge:
        spaces |= {"io" if window.space == "io" else "mem" for window in function.bridge.windows}
    command = (_IO if "io" in spaces else 0) | (_MEMORY if "mem" in spaces else 0)
    if command or function.bridge:
        command |= _MASTER
    enabled = {each.number for each in function.capabilities if "Enable+" in each.title}
    return command | (_INTX_OFF if enabled & {0x05, 0x11} else 0)


def _put_bridge(space: bytearray, bridge: Bridge) -> None:
    space[0x18:0x1B] = bytes((bridge.primary, bridge.secondary, bridge.subordinate))
    # A window is closed by a base above its limit (PCI-to-PCI Bridge 1.2, §3.2.5.6-9).
    windows = {"io": (0xF000, 0xFFF), "mem": (0xFFF00000, 0xFFFFF), "prefetchable": (0xFFF00000, 0xFFFFF)}
    windows |= {window.space: (window.base, window.limit) for window in bridge.windows}
    base, limit = windows["io"]
    wide = int(limit > 0xFFFF)
    space[0x1C], space[0x1D] = base >> 8 & 0xF0 | wide, limit >> 8 & 0xF0 | wide
    if wide:
        _put(space, 0x30, base >> 16, 2)
        _put(space, 0x32, limit >> 16, 2)
    base, limit = windows["mem"]
    _put(space, 0x20, base >> 16 & 0xFFF0, 2)
    _put(space, 0x22, limit >> 16 & 0xFFF0, 2)
    base, limit = windows["prefetchable"]
    _put(space, 0x24, base >> 16 & 0xFFF0 | 1, 2)
    _put(space, 0x26, limit >> 16 & 0xFFF0 | 1, 2)
    _put(space, 0x28, base >> 32, 4)
    _put(space, 0x2C, limit >> 32, 4)


def _put_capabilities(space: bytearray, function: PciFunction) -> None:
    stated = list(zip(all_capabilities(function), capability_offsets(function), strict=True))
    plain = [(each, at) for each, at in stated if not each.version]
    extended = [(each, at) for each, at in stated if each.version]
    if plain:
        space[0x06] |= _HAS_CAPABILITIES
        space[0x34] = plain[0][1]
    for (each, at), follower in zip(plain, _followers(plain), strict=True):
        space[at : at + each.length] = bytes((each.number, follower)) + each.payload
    for (each, at), follower in zip(extended, _followers(extended), strict=True):
        head = each.number | each.version << 16 | follower << 20
        space[at : at + each.length] = _le(head, 4) + each.payload


def _followers(chain: Sequence[tuple[Capability, int]]) -> list[int]:
    """For each capability of a chain the place of the next, 0 after the last."""
    return [*(at for _, at in chain[1:]), *([0] if chain else [])]


def _put(space: bytearray, at: int, value: int, length: int) -> None:
    space[at : at + length] = _le(value, length)


def _le(value: int, length: int) -> bytes:
    return value.to_bytes(length, "little")


def power_management(version: int = 3) -> Capability:
    """Power management, in D0 (PCI Power Management 1.2, §3.2)."""
    return Capability(0x01, _le(version, 2) + bytes(4), f"Power Management version {version}")


def msi(vectors: int = 1, *, bits: int = 64, maskable: bool = False, enabled: bool = False) -> Capability:
    """Message signalled interrupts, 1 to 32 vectors, a power of two (PCI 3.0, §6.8.1)."""
    if vectors not in (1, 2, 4, 8, 16, 32):
        raise PciError(f"MSI with {vectors} vectors; there are 1, 2, 4, 8, 16 or 32")
    power = vectors.bit_length() - 1
    control = int(enabled) | power << 1 | (0x80 if bits == 64 else 0) | (0x100 if maskable else 0)
    length = (8 if bits == 64 else 4) + 2 + (10 if maskable else 0)
    words = f"MSI: Enable{_sign(enabled)} Count=1/{vectors} Maskable{_sign(maskable)} 64bit{_sign(bits == 64)}"
    return Capability(0x05, _le(control, 2) + bytes(length), words)


def msix(vectors: int, table: tuple[int, int], pending: tuple[int, int], *, enabled: bool = False) -> Capability:
    """MSI-X with so many vectors; table and pending bits each (BAR, offset) (PCI 3.0, §6.8.2)."""
    places = (table, pending)
    if not 1 <= vectors <= 2048 or any(not 0 <= bar <= 5 or offset % 8 for bar, offset in places):
        raise PciError(f"MSI-X with {vectors} vectors: 1 to 2048, in BARs 0 to 5 at multiples of 8")
    payload = _le(vectors - 1 | (0x8000 if enabled else 0), 2)
    payload += b"".join(_le(offset | bar, 4) for bar, offset in places)
    details = (
        f"Vector table: BAR={table[0]} offset={table[1]:08x}",
        f"PBA: BAR={pending[0]} offset={pending[1]:08x}",
    )
    return Capability(0x11, payload, f"MSI-X: Enable{_sign(enabled)} Count={vectors} Masked-", details)


def express(
    kind: str, speed: float, lanes: int, *, now: tuple[float, int] | None = None, port: int = 0
) -> Capability:
    """PCI Express, version 2: port kind in lspci's words, link in GT/s and lanes, at most and now (§7.5.3).

    Without `now` the link runs at its best; (0, 0) is a link that is down. Root complex integrated
    endpoints have no link: speed and lanes 0.
    """
    speed_now, lanes_now = now if now is not None else (speed, lanes)
    codes = {0: 0, **LINK_SPEEDS}
    if kind not in PORT_KINDS or {speed, speed_now} - set(codes) or not 0 <= lanes_now <= lanes <= 32:
        raise PciError(f"PCI Express {kind} with {speed} GT/s x{lanes}: no such port or link")
    role_based_errors = 0x8000  # required of devices from version 1.1 on
    link = codes[speed] | lanes << 4 | port << 24
    payload = _le(2 | PORT_KINDS[kind] << 4, 2) + _le(role_based_errors, 4) + bytes(4)
    payload += _le(link, 4) + bytes(2) + _le(codes[speed_now] | lanes_now << 4, 2)
    payload += bytes(0x3C - 2 - len(payload))
    slot = " (Slot-)" if kind in ("Root Port", "Downstream Port") else ""
    details: tuple[str, ...] = ()
    if "Integrated" not in kind:
        details = (
            f"LnkCap:\tPort #{port}, {_link(speed, lanes)}, ASPM not supported",
            f"LnkSta:\t{_link_now(kind, (speed, lanes), (speed_now, lanes_now))}",
        )
    return Capability(0x10, payload, f"Express (v2) {kind}{slot}, MSI 00", details)


def hypertransport_msi_mapping(*, enabled: bool = True) -> Capability:
    """HyperTransport's window for MSI at its fixed place (HT 3.10, §7.12)."""
    return Capability(
        0x08, _le(0xA802 | int(enabled), 2), f"HyperTransport: MSI Mapping Enable{_sign(enabled)} Fixed+"
    )


def serial_number(number: int) -> Capability:
    """The extended capability that holds a device's 64-bit serial number (PCIe 6.0, §7.9.3)."""
    data = _le(number, 8)
    return Capability(0x03, data, f"Device Serial Number {data[::-1].hex('-')}", version=1)


def _sign(on: bool) -> str:
    return "+" if on else "-"


def _speed(speed: float) -> str:
    return f"{speed:g}GT/s" if speed else "unknown"


def _link(speed: float, lanes: int) -> str:
    return f"Speed {_speed(speed)}, Width x{lanes}"


def _link_now(kind: str, most: tuple[float, int], now: tuple[float, int]) -> str:
    """As lspci 3.9 says it; a port that leads downward runs as slowly as what is plugged in."""
    ends_here = kind in ("Endpoint", "Legacy Endpoint", "Upstream Port", "PCI/PCI-X to PCI-Express Bridge")
    speed, lanes = (
        " (downgraded)" if ends_here and is_now < best else "" for best, is_now in zip(most, now, strict=True)
    )
    return f"Speed {_speed(now[0])}{speed}, Width x{now[1]}{lanes}"
