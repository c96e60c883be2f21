"""PCI functions from lspci's text with hexadecimal bytes, from text alone, or from raw configuration space.

Any mixture of `lspci -x|-xxx|-xxxx` and `-v|-vv|-vvv|-nn|-n` is read, best `lspci -nnvvv -xxxx` as root,
and its output for scripts (`-mm`, `-vm`, `-vmm`). A line with an address in column 0 opens a function, an empty one
closes it; hex lines, and what is refused in them, are those of pciutils' own reader (lib/dump.c). Bytes are
believed before text, which adds the sizes of BARs (0 where the dump does not tell), interrupts, NUMA nodes
and drivers.

    device(pci|pcie, Address, Vendor, Device, Class, SubClass, Interface, Pin)        bridge(..., secondary(Bus))
    bar(Address, Number, Base, Size, mem|io, prefetchable|nonprefetchable, 32|64)     expansion_rom/3
    bridge_buses(Address, Primary, Secondary, Subordinate)    bridge_window(Address, mem|prefetchable|io, Base, Limit)
    device_revision/2, device_header/3, device_subsystem/3, device_description/2, device_driver/2, device_node/2
    device_interrupt_line/2, device_irq/2, device_msi/5, device_msix/3, device_msix_table/5
    pci_capability(Address, Name, Offset)    device_port/2, device_link(Address, capability|status, MT/s, Lanes)
    device_link_speed(Address, MB/s)         ht_node/3, ht_route/5, ht_port/3, ht_dram/3, ht_bus/4

Address is addr(Bus, Device, Function) in domain 0, as in Barrelfish, and addr(Domain, Bus, Device,
Function) in others. What a dump without -v and bytes does not tell: whether a function is PCI Express (it is
`pci` then), and a bridge's buses (it is a `device/8`). A function of which there are names only has no
`device/8`, but its description and whatever else the text says. In -v text without bytes the regions have
no numbers: they get the lowest that they can have.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from skb.facts import Compound, Fact, compound
from skb.readers import DumpError
from skb.readers.pci_config import LARGEST, SMALLEST, STANDARD, decode
from skb.readers.pci_function import PciFunction, facts_of, merged
from skb.readers.pci_machine_text import decode_quoted, decode_tags
from skb.readers.pci_northbridge import northbridge_facts
from skb.readers.pci_text import decode_text

_HEADER = re.compile(r"(?:([0-9a-fA-F]{4,8}):)?([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-9]) (.*)\Z")
_SLOT = re.compile(r"(?:Slot|Device):\t(?:([0-9a-fA-F]{4,8}):)?([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-9])\Z")
_TAG = re.compile(r"([A-Za-z]{2,16}):\t(.*)\Z")
_HEX = re.compile(r"([0-9a-fA-F]{2,8}): ")
_PAIRS = re.compile(r"(?:[0-9a-fA-F]{2} )*(?:[0-9a-fA-F]{2})? *\Z")
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(slots=True)
class _Record:
    """The lines of one function; `filled` says which bytes the hex lines gave."""

    line: int
    address: Compound
    titles: list[str]
    text: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    config: bytearray = field(default_factory=bytearray)
    filled: bytearray = field(default_factory=bytearray)


def recognises(data: bytes) -> bool:
    """Whether the bytes look like lspci's output: text in which a line opens a function."""
    head = data[:65536].removeprefix(codecs.BOM_UTF8)
    if _BINARY.search(head):
        return False
    lines = (line.rstrip("\r") for line in head.decode("latin-1").split("\n"))
    return any(_HEADER.match(line) or _SLOT.match(line) for line in lines)


def read(data: bytes, name: str) -> list[Fact]:
    """The facts of lspci's output. DumpError with file:line for hex that is malformed or has gaps."""
    facts: dict[Fact, None] = {}
    for record in _records(data.decode("utf-8-sig", "replace"), name):
        facts.update(dict.fromkeys(_record_facts(record, name)))
    if not facts:
        raise DumpError(name, "no PCI function; expected the output of lspci -nnvvv -xxxx")
    return list(facts)


def read_config(data: bytes, address: Compound, name: str) -> list[Fact]:
    """The facts of one function's configuration space, 64 to 4096 bytes (the file `config` in Linux's /sys)."""
    if not SMALLEST <= len(data) <= LARGEST:
        raise DumpError(
            f"{name}: offset {min(len(data), LARGEST):#x}",
            f"{len(data)} bytes are no configuration space; it has {SMALLEST}, {STANDARD} or {LARGEST}",
        )
    return list(dict.fromkeys((*facts_of(address, decode(data)), *northbridge_facts(address, data))))


def _records(text: str, name: str) -> list[_Record]:
    """The functions in the order of the dump; one that comes twice (two listings in one file) is one record."""
    records: dict[Compound, _Record] = {}
    current: _Record | None = None
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if not line:
            current = None
        elif line[0] in "\t ":
            if current is not None:
                current.text.append(line)
        elif (match := _HEADER.match(line) or _SLOT.match(line)) is not None:
            address = _address(match, f"{name}:{number}")
            current = records.setdefault(address, _Record(number, address, []))
            current.titles += match.groups()[4:]
            current.text.append("")
        elif current is not None and (match := _HEX.match(line)) is not None:
            _add_bytes(current, int(match[1], 16), line[match.end() :], f"{name}:{number}")
        elif current is not None and not current.titles and (match := _TAG.match(line)) is not None:
            current.tags.setdefault(match[1], match[2])
        elif current is not None:  # text whose depth was lost on its way, or messages of tools
            current.text.append(line)
    return list(records.values())


def _address(match: re.Match[str], where: str) -> Compound:
    domain, bus, device = (int(part or "0", 16) for part in match.groups()[:3])
    function = int(match[4])
    if device > 31 or function > 7:
        raise DumpError(where, f"no function {match[3]}.{match[4]}; devices are 00 to 1f, functions 0 to 7")
    place = (bus, device, function)
    return compound("addr", domain, *place) if domain else compound("addr", *place)


def _add_bytes(record: _Record, offset: int, pairs: str, where: str) -> None:
    if not _PAIRS.match(pairs):
        raise DumpError(where, "malformed line of bytes; expected an offset and pairs of hexadecimal digits")
    found = bytes.fromhex(pairs)
    end = offset + len(found)
    if found and end > LARGEST:
        raise DumpError(where, f"byte {end - 1:#x} lies beyond configuration space; it has {LARGEST} bytes")
    ids = min(4, len(found), len(record.config))  # bytes of vendor and device that are given twice
    if offset == 0 and found[:ids] != record.config[:ids]:
        raise DumpError(where, f"another function at the address of line {record.line}; are these two machines?")
    if found and end > len(record.config):
        more = bytes(end - len(record.config))
        record.config += more
        record.filled += more
    record.config[offset:end] = found
    record.filled[offset:end] = b"\1" * len(found)


def _record_facts(record: _Record, name: str) -> Iterator[Fact]:
    text_says = _text_says(record)
    if not record.config:
        yield from facts_of(record.address, text_says)
        return
    where = f"{name}:{record.line}"
    gap = record.filled.find(0)
    if gap >= 0:
        raise DumpError(where, f"the function's bytes have a gap at {gap:#x}; its dump is damaged")
    if len(record.config) < SMALLEST:
        raise DumpError(where, f"{len(record.config)} bytes of configuration space; its header has {SMALLEST}")
    config = bytes(record.config)
    says = merged(decode(config), text_says, bytes_have_capabilities=len(config) >= STANDARD)
    yield from facts_of(record.address, says)
    yield from northbridge_facts(record.address, config)


def _text_says(record: _Record) -> PciFunction:
    if not record.titles:
        return decode_tags(record.tags)
    if all(title.startswith('"') for title in record.titles):
        return decode_quoted(record.titles[0])
    return decode_text(record.titles, record.text)
