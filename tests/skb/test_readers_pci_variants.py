"""The PCI reader on what shared dumps do not show: other years' lspci, lost layout, made-up configuration spaces."""

import os
import random
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from skb.facts import Compound, Fact, Text, compound, fact
from skb.readers import pci

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
TEXTS = sorted((SHARED / "data" / "pci").glob("*/lspci.txt"))

needs_dumps = pytest.mark.skipif(not TEXTS, reason="no lspci dumps beside the checkout (shared/data/pci)")
needs_lspci = pytest.mark.skipif(not shutil.which("lspci"), reason="lspci is not installed")

ADDRESS = compound("addr", 1, 0, 0)


def of_text(*lines: str, title: str = "Ethernet controller [0200]: ACME Wire [1234:5678]") -> list[Fact]:
    """The facts of one function with those lines under its title, each a tab deep."""
    return pci.read("\n".join((f"01:00.0 {title}", *(f"\t{line}" for line in lines), "")).encode(), "x")


def named(facts: list[Fact], *names: str) -> list[Fact]:
    return [each for each in facts if each.name in names]


# --- text of other years, and text that has been through mail -----------------------------------------------


@needs_dumps
@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("depth", [b"", b"    ", b"\t\t\t"], ids=["none", "blanks", "tabs"])
def test_the_depth_of_lines_does_not_matter(path: Path, depth: bytes) -> None:
    """Mail and web pages strip or replace tabs; what belongs to what is told by the order of lines."""
    data = path.read_bytes()
    flat = re.sub(rb"(?m)^[ \t]+(?=\S)", depth, data)
    assert set(pci.read(flat, "x")) == set(pci.read(data, "x"))


@pytest.mark.parametrize(
    ("line", "pin", "irq"),
    [
        ("Interrupt: pin A routed to IRQ 16", 0, 16),
        ("Interrupt: pin ? routed to IRQ 51", -1, 51),
        ("Interrupt: pin C disabled", 2, None),
        ("Interrupts: pin B disabled, MSI(X) routed to IRQ 193-200", 1, 193),
        ("Interrupts: pin A routed to IRQ 17, MSI(X) routed to IRQ 130", 0, 17),
        ("Interrupts: MSI(X) routed to IRQ 26", -1, 26),
    ],
)
def test_interrupts_are_read_as_lspci_has_printed_them_before_and_since_3_14(
    line: str, pin: int, irq: int | None
) -> None:
    facts = of_text(line)
    assert fact("device", "pci", ADDRESS, 0x1234, 0x5678, 2, 0, 0, pin) in facts
    assert named(facts, "device_irq") == ([fact("device_irq", ADDRESS, irq)] if irq is not None else [])


def test_regions_that_only_the_system_knows_are_regions() -> None:
    facts = of_text(
        "Region 0: [virtual] Memory at 000001f0 (32-bit, non-prefetchable) [size=8]",
        "Region 1: Memory at 840000000000 (64-bit, prefetchable) [enhanced] [size=2M]",
        "[virtual] Expansion ROM at 000c0000 [disabled] [size=128K]",
    )
    assert named(facts, "bar", "expansion_rom") == [
        fact("bar", ADDRESS, 0, 0x1F0, 8, "mem", "nonprefetchable", 32),
        fact("bar", ADDRESS, 1, 0x8400_0000_0000, 2 << 20, "mem", "prefetchable", 64),
        fact("expansion_rom", ADDRESS, 0xC0000, 128 << 10),
    ]


def test_the_regions_of_virtual_functions_are_not_the_functions_own() -> None:
    facts = of_text(
        "Region 0: Memory at f6000000 (64-bit, prefetchable) [size=8M]",
        "Capabilities: [1c0 v1] Single Root I/O Virtualization (SR-IOV)",
        "\tRegion 0: Memory at 00000000f6020000 (64-bit, prefetchable)",
        "\tRegion 4: Memory at 00000000f60a0000 (64-bit, prefetchable)",
    )
    assert [each.args[1:3] for each in named(facts, "bar")] == [(0, 0xF6000000)]


def test_capabilities_are_read_as_lspci_2_printed_them() -> None:
    facts = of_text(
        "Capabilities: [50] Message Signalled Interrupts: Mask- 64bit+ Queue=0/3 Enable-",
        "Capabilities: [70] MSI-X: Enable+ Mask- TabSize=9",
        "Capabilities: [90] Express Root Port (Slot-) IRQ 0",
        "\tLink: Supported Speed 2.5Gb/s, Width x16, ASPM L0s L1, Port 2",
        "\tLink: Speed 2.5Gb/s, Width x1",
        title="PCI bridge [0604]: ACME [1234:5678]",
    )
    assert fact("device_msi", ADDRESS, 8, 0, 64, 0) in facts
    assert fact("device_msix", ADDRESS, 9, 1) in facts
    assert named(facts, "device_link") == [
        fact("device_link", ADDRESS, "capability", 2500, 16),
        fact("device_link", ADDRESS, "status", 2500, 1),
    ]


def test_capabilities_that_lspci_does_not_know_keep_their_number() -> None:
    facts = of_text(
        "Capabilities: [40] #0d [0000]",
        "Capabilities: [48] Capability ID 0x30 [fef1]",
        "Capabilities: [50] HyperTransport: #1c",
        "Capabilities: [100] #19",
        "Capabilities: [140 v1] Extended Capability ID 0xc",
        "Capabilities: [160] Unknown (5)",
    )
    assert [each.args[1:] for each in named(facts, "pci_capability")] == [
        ("subsystem", 0x40),
        (compound("capability", 0x30), 0x48),
        ("hypertransport_power_management", 0x50),
        ("secondary_express", 0x100),
        (compound("extended", 0xC), 0x140),
        ("root_complex_link", 0x160),
    ]


def test_a_bridge_whose_subsystem_is_of_no_vendor_has_none() -> None:
    for ids, found in (("0000:0000", []), ("1028:0252", [fact("device_subsystem", ADDRESS, 0x1028, 0x252)])):
        facts = of_text(
            "Bus: primary=00, secondary=01, subordinate=01, sec-latency=0", f"Capabilities: [40] Subsystem: {ids}"
        )
        assert named(facts, "device_subsystem") == found


@pytest.mark.parametrize(
    ("title", "numbers"),
    [
        ("Ethernet controller [0200]: Device [1af4:1041] (rev 01)", (0x1AF4, 0x1041, 2, 0, 0)),
        ("Class 0200: 1af4:1041 (rev 01)", (0x1AF4, 0x1041, 2, 0, 0)),
        ("Class 0c03: Unknown device 1af4:1041 (prog-if 30)", (0x1AF4, 0x1041, 12, 3, 0x30)),
        ("Unassigned class [ff00]: Device 1af4:1041", (0x1AF4, 0x1041, 255, 0, 0)),
    ],
)
def test_titles_give_what_numbers_they_have(title: str, numbers: tuple[int, ...]) -> None:
    (device,) = named(of_text(title=title), "device")
    assert device.args[2:7] == numbers


def test_names_with_quotes_do_not_shift_the_fields_of_a_quoted_line() -> None:
    line = r'01:00.0 "NVMe [0108]" "ACME [1234]" "SSD [2.5\" U.2] [5678]" -r02 -p02 "ACME [1234]" "X [9abc]"'
    facts = pci.read(line.encode() + b"\n", "x")
    assert fact("device", "pci", ADDRESS, 0x1234, 0x5678, 1, 8, 2, -1) in facts
    assert fact("device_subsystem", ADDRESS, 0x1234, 0x9ABC) in facts


def test_the_older_tagged_form_calls_its_slot_device() -> None:
    facts = pci.read(b"Device:\t01:00.0\nClass:\t0200\nVendor:\t1234\nDevice:\t5678\nRev:\t02\n\n", "x")
    assert fact("device", "pci", ADDRESS, 0x1234, 0x5678, 2, 0, 0, -1) in facts


# --- regions that capabilities state ------------------------------------------------------------------------


def test_resizable_bars_tell_their_size() -> None:
    space = bytearray(4096)
    struct.pack_into("<HH2xH", space, 0, 0x1234, 0x5678, 0x10)
    struct.pack_into("<IIII", space, 0x10, 0xC, 0x40, 0xC000000C, 0)
    space[0x34] = 0x40
    struct.pack_into("<BBH", space, 0x40, 0x10, 0, 2)
    # two resizable registers: 0 of 2^(20+13) bytes now, and 2, whose base is not aligned to 2^(20+12)
    struct.pack_into("<IIIII", space, 0x100, 0x15 | 1 << 16, 0, 0x40 | 13 << 8, 0, 2 | 12 << 8)
    assert [each.args[1:4] for each in named(pci.read_config(bytes(space), ADDRESS, "x"), "bar")] == [
        (0, 0x40_0000_0000, 8 << 30),
        (2, 0xC0000000, 0),
    ]


def test_enhanced_allocation_states_regions_that_never_move() -> None:
    space = bytearray(256)
    struct.pack_into("<HH2xH", space, 0, 0x177D, 0xA01E, 0x10)
    space[0x34] = 0x98
    struct.pack_into("<BBH", space, 0x98, 0x14, 0, 4)
    wide, enabled = 2, 1 << 31
    struct.pack_into("<IIIII", space, 0x9C, enabled | 4, 0x1000_0000 | wide, 0x1F_FFFC | wide, 0x8430, 0)
    struct.pack_into("<IIII", space, 0xB0, enabled | 3 | 4 << 4 | 1 << 8, 0x2000_0000 | wide, 0xF_FFFC, 0x8430)
    struct.pack_into("<III", space, 0xC0, 2 | 5 << 4, 0x5000_0000, 0xFFFC)  # not enabled
    struct.pack_into("<III", space, 0xCC, enabled | 2 | 8 << 4, 0x6000_0000, 0xFFFC)
    assert named(pci.read_config(bytes(space), ADDRESS, "x"), "bar", "expansion_rom") == [
        fact("bar", ADDRESS, 0, 0x8430_1000_0000, 2 << 20, "mem", "nonprefetchable", 64),
        fact("bar", ADDRESS, 4, 0x8430_2000_0000, 1 << 20, "mem", "prefetchable", 64),
        fact("expansion_rom", ADDRESS, 0x6000_0000, 0x10000),
    ]


# --- made-up configuration spaces, lspci against the reader -------------------------------------------------


def made_up(chance: random.Random) -> bytes:
    """A configuration space of 256 or 4096 bytes: registers of every kind, chains of every capability."""
    space, kind = bytearray(4096), chance.choice((0, 0, 0, 1, 1, 2))
    words = chance.randbytes(64)
    space[0:64] = words
    space[6] = chance.choice((0x10, 0x10, 0))
    space[0x0E] = kind | chance.choice((0, 0x80))
    space[0x0A:0x0C] = {0: b"\x00\x02", 1: b"\x04\x06", 2: b"\x07\x06"}[kind]
    space[0x3D] = chance.randrange(5)
    number, count = 0, {0: 6, 1: 2, 2: 1}[kind]
    while number < count:
        low = chance.choice((0, 1, 8, 4, 0xC) if number + 1 < count else (0, 1, 8))
        value = chance.choice((0, chance.randrange(1, 1 << 28) << 4 | low))
        struct.pack_into("<I", space, 0x10 + 4 * number, value)
        number += 2 if value and low in (4, 0xC) else 1
    if kind == 1:
        width = chance.choice((0, 1))
        for at in (0x1C, 0x1D, 0x24, 0x26):
            space[at] = space[at] & 0xF0 | width
        space[0x20] &= 0xF0
        space[0x22] &= 0xF0
        for at in (0x28, 0x2C):  # near each other, so that some windows are open
            struct.pack_into("<I", space, at, chance.randrange(3) * width)
        space[0x30:0x34] = bytes(4)
    elif kind == 2:
        for at in range(0x1C, 0x2C, 4):
            struct.pack_into("<I", space, at, chance.randrange(1, 1 << 20) << 12)
        for at in range(0x2C, 0x3C, 4):
            struct.pack_into("<I", space, at, chance.randrange(1, 1 << 14) << 2)
        space[0x40:0x44] = b"\x28\x10" + chance.randbytes(2)
    _chain(space, chance, 0x14 if kind == 2 else 0x34)
    return bytes(space[: chance.choice((256, 4096))])


def _chain(space: bytearray, chance: random.Random, pointer: int) -> None:
    ids = [number for number in range(1, 0x16) if number not in (7, 0x14)]  # lspci 3.9 fails on some of these
    at = 0x50
    for number in chance.sample(ids, chance.randrange(5)):
        size = 0x3C if number == 0x10 else 0x18
        if at + size > 256:
            break
        space[at : at + size] = bytes((number, 0)) + chance.randbytes(size - 2)
        space[pointer], pointer = at, at + 1
        if number == 0x10:
            speed, width = chance.randrange(1, 7), chance.choice((1, 2, 4, 8, 16, 32))
            struct.pack_into("<H", space, at + 2, 2 | chance.choice((0, 1, 4, 5, 6, 7, 8, 9, 10)) << 4)
            struct.pack_into("<I", space, at + 12, speed | width << 4)
            struct.pack_into("<H", space, at + 18, speed | width << 4)
        at += size
    space[pointer] = 0
    at = 0x100
    for number in chance.sample(range(1, 0x31), 6):
        space[at : at + 0x60] = struct.pack("<I", number | 1 << 16 | at + 0x60 << 20) + chance.randbytes(0x5C)
        space[at + 6 : at + 8] = b"\1\6"  # the length of those that have one
        if number in (0x15, 0x24):
            space[at + 8] = 0x20  # one register, number 0
        at += 0x60
    space[at : at + 4] = bytes(4)


@needs_lspci
def test_made_up_configuration_spaces_are_read_as_lspci_reads_them(tmp_path: Path) -> None:
    chance, file, lines = random.Random(4), tmp_path / "made-up.txt", []
    for number in range(256):
        space = made_up(chance)
        rows = [f"{at:02x}: {space[at : at + 16].hex(' ')}" for at in range(0, len(space), 16)]
        lines += [f"{number >> 5:02x}:{number & 31:02x}.0 x", *rows, ""]
    file.write_text("\n".join(lines) + "\n")
    done = subprocess.run(["lspci", "-F", str(file), "-Dnvvv"], check=True, capture_output=True)
    said, decoded = pci.read(done.stdout, "words"), pci.read(file.read_bytes(), "bytes")
    places = "device bridge bar expansion_rom bridge_buses bridge_window device_subsystem device_revision"
    powers = "pci_capability device_msi device_msix device_msix_table device_port device_link device_link_speed"
    for name in (*places.split(), *powers.split()):
        found = set(named(decoded, name))
        assert len(found) >= 10, name
        assert set(named(said, name)) == found, name


def test_a_driver_named_after_capabilities_is_the_functions() -> None:
    facts = of_text("Capabilities: <access denied>", "Kernel driver in use: wire", "Kernel modules: wire")
    assert fact("device_driver", ADDRESS, Text("wire")) in facts
    assert all(isinstance(each.args[0], Compound) or each.name == "device" for each in facts)
