"""lspci's output for scripts: `-mm`, a quoted line a function, and `-vmm`, a tagged record a function.

A part of the PCI reader (pci.py). Both have numbers only with -n or -nn: `"Host bridge [0600]"`, `"0600"`.
Formats: lspci(8), "Machine readable output".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from skb.readers.pci_function import PciFunction

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_OPTION = re.compile(r" -([rp])([0-9a-f]{2})\b")
_NUMBER = re.compile(r"(?:.*\[)?([0-9a-f]{4})\]?\Z")
_NODE = re.compile(r"[0-9]{1,9}\Z")
_FIELDS = ("Class", "Vendor", "Device", "SVendor", "SDevice")


def decode_quoted(line: str) -> PciFunction:
    """What a line of `-mm` says, without its address: class, vendor, device, -r, -p, subsystem's two."""
    words = (re.sub(r"\\(.)", r"\1", each) for each in _QUOTED.findall(line))
    tags = dict(zip(_FIELDS, words, strict=False))
    options = dict(_OPTION.findall(_QUOTED.sub("", line)))
    return decode_tags(tags | {"Rev": options.get("r", ""), "ProgIf": options.get("p", "")})


def decode_tags(tags: Mapping[str, str]) -> PciFunction:
    """What the tags of a `-vmm` record say."""
    class_code, *numbers = (_number(tags.get(field, "")) for field in _FIELDS)
    vendor, device, subsystem_vendor, subsystem_device = numbers
    subsystem = None
    if subsystem_vendor and subsystem_device is not None:
        subsystem = (subsystem_vendor, subsystem_device)
    node = tags.get("NUMANode", "")
    names = (tags.get("Vendor", ""), tags.get("Device", ""))
    return PciFunction(
        vendor=vendor,
        device=device,
        class_code=class_code << 8 | _byte(tags.get("ProgIf", "")) if class_code is not None else None,
        revision=_byte(tags.get("Rev", "")),
        subsystem=subsystem,
        node=int(node) if _NODE.match(node) else None,
        driver=tags.get("Driver") or None,
        description=f"{tags.get('Class', '')}: {' '.join(filter(None, names))}",
    )


def _number(field: str) -> int | None:
    match = _NUMBER.match(field)
    return int(match[1], 16) if match else None


def _byte(digits: str) -> int:
    return int(digits, 16) if re.fullmatch(r"[0-9a-f]{2}", digits) else 0
