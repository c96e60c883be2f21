"""Names of PCI vendors, devices and classes, from the list that lspci uses (pci.ids).

Names are for showing, never facts: they come with the system and change with its list. Without a list
everything is shown by its numbers. The format is documented in the list's own head: `VVVV  Vendor`,
a tab and `DDDD  Device` under it, two tabs and `VVVV DDDD  Subsystem`; `C CC  Class` likewise.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PLACES = (
    "/usr/share/misc/pci.ids",
    "/usr/share/hwdata/pci.ids",
    "/usr/share/pci.ids",
    "/usr/local/share/pciids/pci.ids",
)
"""Where distributions keep the list (Debian, Fedora, hwids, Homebrew)."""


@dataclass(frozen=True, slots=True)
class PciNames:
    """Names by number; classes by class (8 bits) and by class and subclass (16 bits) and interface (24 bits)."""

    vendors: Mapping[int, str] = field(default_factory=dict)
    devices: Mapping[tuple[int, int], str] = field(default_factory=dict)
    classes: Mapping[int, str] = field(default_factory=dict)
    subclasses: Mapping[int, str] = field(default_factory=dict)
    interfaces: Mapping[int, str] = field(default_factory=dict)

    def vendor(self, vendor: int) -> str:
        """The vendor's name, or `Vendor 8086`."""
        return self.vendors.get(vendor, f"Vendor {vendor:04x}")

    def device(self, vendor: int, device: int) -> str:
        """The device's name without its vendor's, or `Device 1234`."""
        return self.devices.get((vendor, device), f"Device {device:04x}")

    def device_class(self, class_code: int, subclass: int) -> str:
        """The name of a class and subclass, of the class alone, or `Class 0604`."""
        both = class_code << 8 | subclass
        return self.subclasses.get(both) or self.classes.get(class_code) or f"Class {both:04x}"

    def interface(self, class_code: int, subclass: int, interface: int) -> str:
        """The name of a programming interface, or nothing."""
        return self.interfaces.get(class_code << 16 | subclass << 8 | interface, "")

    def title(self, class_code: int, subclass: int, vendor: int, device: int) -> str:
        """A function as lspci's one line names it: `Host bridge: Intel Corporation Xeon E7 v3 DMI2`."""
        return f"{self.device_class(class_code, subclass)}: {self.vendor(vendor)} {self.device(vendor, device)}"


def parse(text: str) -> PciNames:
    """A list's names. A line that has not the list's form is skipped, and so is what lies under it."""
    vendors: dict[int, str] = {}
    devices: dict[tuple[int, int], str] = {}
    classes: tuple[dict[int, str], dict[int, str], dict[int, str]] = ({}, {}, {})
    vendor: int | None = None
    above: list[int] = []  # of a class: its number, then its subclass's
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip("\t"))
        words = line[depth:]
        if not words or words[0] == "#":
            continue
        in_classes = words.startswith("C ") if depth == 0 else bool(above)
        number_text, _, name = (words[2:] if depth == 0 and in_classes else words).partition("  ")
        number = _number(number_text, 2 if in_classes else 4)
        if depth == 0:
            vendor, above = (None, []) if in_classes or number is None else (number, [])
            if number is not None and in_classes:
                classes[0][number] = name
                above = [number]
            elif number is not None:
                vendors[number] = name
        elif number is None:
            del above[depth:]
        elif above and depth <= min(2, len(above)):
            above[depth:] = [number]
            classes[depth][int.from_bytes(bytes(above), "big")] = name
        elif vendor is not None and depth == 1:
            devices[vendor, number] = name
    return PciNames(vendors, devices, *classes)


@functools.cache
def system() -> PciNames:
    """The names of this system's list, read once; none where there is no list."""
    for place in PLACES:
        try:
            return parse(Path(place).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    return PciNames()


def _number(digits: str, length: int) -> int | None:
    try:
        return int(digits, 16) if len(digits) == length else None
    except ValueError:
        return None
