"""The PCI writer: lspci accepts and decodes what it writes, and the reader gives back what was stated."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skb.facts import Compound, Fact, Text, compound, fact
from skb.readers import pci as reader
from skb.writers import pci
from skb.writers.pci_config import PORT_KINDS

needs_lspci = pytest.mark.skipif(not shutil.which("lspci"), reason="lspci is not installed")

SQUARE = [(0, 1), (1, 3), (3, 2), (2, 0)]
BOARD_8X4 = [(0, 1), (0, 7), (1, 2), (1, 6), (2, 3), (2, 4), (3, 4), (3, 5), (4, 5), (5, 6), (6, 7)]


def memory(nodes: int) -> list[pci.AddressRange]:
    return [pci.AddressRange(node, node << 32, (node + 1 << 32) - 1) for node in range(nodes)]


def server() -> list[pci.PciFunction]:
    """Four northbridges in a square, a root port and the network card behind it."""
    port = pci.PciFunction(
        bus=0, device=2, function=0, vendor_id=0x10DE, device_id=0x0377, class_code=0x060400, revision=0xA3,
        bridge=pci.Bridge(0, 1, 1, (
            pci.Window("io", 0x2000, 0x2FFF), pci.Window("mem", 0xFD000000, 0xFDFFFFFF),
            pci.Window("prefetchable", 0x10_0000_0000, 0x10_0FFF_FFFF),
        )),
        subsystem=(0x15D9, 0x1711),
        capabilities=(
            pci.power_management(), pci.msi(4, maskable=True), pci.express("Root Port", 5, 16, now=(2.5, 8), port=3),
            pci.hypertransport_msi_mapping(),
        ),
        interrupt_pin=1, irq=25,
    )  # fmt: skip
    card = pci.PciFunction(
        bus=1, device=0, function=0, vendor_id=0x8086, device_id=0x10D3, class_code=0x020000,
        vendor_name="Intel Corporation", device_name="82574L Gigabit Network Connection",
        bars=(
            pci.Bar(0, 0xFD000000, 0x20000), pci.Bar(2, 0x2000, 32, "io"),
            pci.Bar(4, 0x10_0000_0000, 1 << 28, prefetchable=True, bits=64),
        ),
        subsystem=(0x8086, 0xA01F), interrupt_pin=2, interrupt_line=11, numa_node=0, driver="e1000e",
        capabilities=(
            pci.power_management(2), pci.msi(enabled=True), pci.express("Endpoint", 2.5, 1),
            pci.msix(5, (4, 0), (4, 0x2000)), pci.serial_number(0x001B21FFFF123456),
        ),
    )  # fmt: skip
    return [*pci.northbridges(4, SQUARE, [pci.BusRange(0, 0, 255)], memory(4), cores_a_node=4), port, card]


def read(functions: list[pci.PciFunction]) -> list[Fact]:
    return reader.read(pci.lspci_text(functions).encode(), "pci.txt")


def facts_named(facts: list[Fact], *names: str) -> list[Fact]:
    return [each for each in facts if each.name in names]


def lspci(text: str, folder: Path, *options: str) -> str:
    (folder / "pci.txt").write_text(text)
    command = ["lspci", "-F", str(folder / "pci.txt"), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# --- what lspci makes of it --------------------------------------------------------------------------------


@needs_lspci
def test_lspci_lists_what_was_stated(tmp_path: Path) -> None:
    listed = lspci(pci.lspci_text(server()), tmp_path, "-n").splitlines()
    assert listed[0] == "00:02.0 0604: 10de:0377 (rev a3)"
    assert listed[1:6] == [f"00:18.{n} 0600: 1022:120{n}" for n in range(5)]
    assert listed[-1] == "01:00.0 0200: 8086:10d3"
    assert len(listed) == 22


@needs_lspci
def test_lspci_draws_the_card_behind_its_port(tmp_path: Path) -> None:
    assert lspci(pci.lspci_text(server()), tmp_path, "-t").startswith("-[0000:00]-+-02.0-[01]----00.0\n")


def lines_by_function(text: str) -> dict[str, list[str]]:
    records = [record.splitlines() for record in text.strip().split("\n\n")]
    return {record[0].split(" ")[0]: [line for line in record[1:] if line.startswith("\t")] for record in records}


@needs_lspci
def test_every_line_of_text_is_the_one_that_lspci_prints_for_the_bytes(tmp_path: Path) -> None:
    """But for what bytes do not hold: sizes, nodes, drivers, and the system's own interrupt numbers and names."""
    text = pci.lspci_text(server())
    printed = {place: set(lines) for place, lines in lines_by_function(lspci(text, tmp_path, "-nnvvv")).items()}
    for place, lines in lines_by_function(text).items():
        names = {re.sub(r"(Subsystem:).*(\[)", r"\1 \2", line) for line in printed[place]}
        for line in lines:
            words = re.sub(r"(Subsystem:).*(\[)", r"\1 \2", line)
            words = re.sub(r" \[size=.*\]", "", words) if "Region" in line else words
            words = words.replace("IRQ 25", "IRQ 0")
            if "NUMA node" not in line and "Kernel driver" not in line:
                assert words in names, place


# --- what the reader makes of it ---------------------------------------------------------------------------


def test_the_reader_gives_back_what_was_stated() -> None:
    facts = read(server())
    card, port = compound("addr", 1, 0, 0), compound("addr", 0, 2, 0)
    about_card = [each for each in facts if card in each.args]
    assert about_card == [
        fact("device", "pcie", card, 0x8086, 0x10D3, 2, 0, 0, 1),
        fact("device_description", card, Text(
            "Ethernet controller [0200]: Intel Corporation 82574L Gigabit Network Connection [8086:10d3]"
        )),
        fact("device_revision", card, 0),
        fact("device_header", card, 0, 0),
        fact("device_subsystem", card, 0x8086, 0xA01F),
        fact("bar", card, 0, 0xFD000000, 0x20000, "mem", "nonprefetchable", 32),
        fact("bar", card, 2, 0x2000, 32, "io", "nonprefetchable", 32),
        fact("bar", card, 4, 0x10_0000_0000, 1 << 28, "mem", "prefetchable", 64),
        fact("pci_capability", card, "power_management", 0x40),
        fact("pci_capability", card, "msi", 0x48),
        fact("pci_capability", card, "express", 0x58),
        fact("pci_capability", card, "msix", 0x94),
        fact("pci_capability", card, "serial_number", 0x100),
        fact("device_interrupt_line", card, 11),
        fact("device_irq", card, 11),
        fact("device_msi", card, 1, 1, 64, 0),
        fact("device_msix", card, 5, 0),
        fact("device_msix_table", card, 4, 0, 4, 0x2000),
        fact("device_port", card, "endpoint"),
        fact("device_link", card, "capability", 2500, 1),
        fact("device_link", card, "status", 2500, 1),
        fact("device_link_speed", card, 250),
        fact("device_node", card, 0),
        fact("device_driver", card, Text("e1000e")),
    ]  # fmt: skip
    assert fact("bridge", "pcie", port, 0x10DE, 0x0377, 6, 4, 0, compound("secondary", 1)) in facts
    assert fact("bridge_buses", port, 0, 1, 1) in facts
    assert fact("device_subsystem", port, 0x15D9, 0x1711) in facts
    assert facts_named(facts, "bridge_window") == [
        fact("bridge_window", port, "io", 0x2000, 0x2FFF),
        fact("bridge_window", port, "mem", 0xFD000000, 0xFDFFFFFF),
        fact("bridge_window", port, "prefetchable", 0x10_0000_0000, 0x10_0FFF_FFFF),
    ]


numbers16 = st.integers(0, 0xFFFF)
names = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "Zs"), exclude_characters=":[]()\xa0"), max_size=30
)
names = names.filter(str.isprintable).map(lambda name: " ".join(name.split()))


@st.composite
def memory_bars(draw: st.DrawFn, count: int) -> tuple[pci.Bar, ...]:
    found, number = [], 0
    while number < count:
        kind = draw(st.sampled_from(["none", "io", "mem32", "mem64"]))
        wide = kind == "mem64" and number + 1 < count
        if kind == "io":
            size = 1 << draw(st.integers(2, 8))
            found.append(pci.Bar(number, size * draw(st.integers(1, 0x10000 // size - 1)), size, "io"))
        elif kind != "none":
            size = 1 << draw(st.integers(4, 40 if wide else 30))
            most = (1 << (64 if wide else 32)) // size - 1
            base = size * draw(st.integers(1, most))
            found.append(pci.Bar(number, base, size, "mem", draw(st.booleans()), 64 if wide else 32))
        number += 2 if wide else 1
    return tuple(found)


@st.composite
def windows(draw: st.DrawFn) -> tuple[pci.Window, ...]:
    found = []
    for space, grain, bits in (("io", 12, 32), ("mem", 20, 32), ("prefetchable", 20, 64)):
        if draw(st.booleans()):
            ends = sorted(
                (draw(st.integers(0, (1 << bits - grain) - 1)), draw(st.integers(0, (1 << bits - grain) - 1)))
            )
            found.append(pci.Window(space, ends[0] << grain, (ends[1] + 1 << grain) - 1))
    return tuple(found)


@st.composite
def capabilities(draw: st.DrawFn) -> tuple[pci.Capability, ...]:
    found = []
    if draw(st.booleans()):
        found.append(pci.power_management(draw(st.integers(1, 3))))
    if draw(st.booleans()):
        found.append(pci.msi(
            1 << draw(st.integers(0, 5)), bits=draw(st.sampled_from([32, 64])),
            maskable=draw(st.booleans()), enabled=draw(st.booleans()),
        ))  # fmt: skip
    if draw(st.booleans()):
        places = [(draw(st.integers(0, 5)), 8 * draw(st.integers(0, 0xFFFF))) for _ in range(2)]
        found.append(pci.msix(draw(st.integers(1, 2048)), *places, enabled=draw(st.booleans())))
    if draw(st.booleans()):
        kind = draw(st.sampled_from(sorted(PORT_KINDS)))
        if "Integrated" in kind:
            found.append(pci.express(kind, 0, 0))
        else:
            now = draw(st.sampled_from([None, (0, 0), (2.5, 1)]))
            speed, lanes = draw(st.sampled_from([2.5, 5.0, 8.0, 16.0, 32.0])), draw(st.sampled_from([1, 4, 16]))
            found.append(pci.express(kind, speed, lanes, now=now, port=draw(st.integers(0, 255))))
        if draw(st.booleans()):
            found.append(pci.serial_number(draw(st.integers(0, 2**64 - 1))))
    if draw(st.booleans()):
        found.append(pci.hypertransport_msi_mapping(enabled=draw(st.booleans())))
    return tuple(found)


@st.composite
def functions(draw: st.DrawFn) -> pci.PciFunction:
    bridge = None
    if draw(st.booleans()):
        buses = sorted((draw(st.integers(0, 255)), draw(st.integers(0, 255))))
        bridge = pci.Bridge(draw(st.integers(0, 255)), *buses, draw(windows()))
    return pci.PciFunction(
        bus=draw(st.integers(0, 255)), device=draw(st.integers(0, 31)), function=draw(st.integers(0, 7)),
        domain=draw(st.sampled_from([0, 1, 0x10000])), vendor_id=draw(st.integers(0, 0xFFFE)),
        device_id=draw(numbers16), class_code=draw(st.integers(0, 0xFFFFFF)), revision=draw(st.integers(0, 255)),
        multifunction=draw(st.booleans()), bridge=bridge, bars=draw(memory_bars(2 if bridge else 6)),
        subsystem=draw(st.none() | st.tuples(st.integers(1, 0xFFFE), numbers16)),
        capabilities=draw(capabilities()), interrupt_pin=draw(st.integers(0, 4)),
        interrupt_line=draw(st.integers(1, 254)), numa_node=draw(st.none() | st.integers(0, 99)),
        vendor_name=draw(names), device_name=draw(names),
    )  # fmt: skip


def place(function: pci.PciFunction) -> Compound:
    where = (function.bus, function.device, function.function)
    return compound("addr", function.domain, *where) if function.domain else compound("addr", *where)


@settings(deadline=None, max_examples=200)
@given(functions())
def test_any_function_that_can_be_stated_is_read_back(stated: pci.PciFunction) -> None:
    facts, address = read([stated]), place(stated)
    found = {each.name: each.args[1:] for each in facts}
    code = stated.class_code
    (kind,) = facts_named(facts, "device", "bridge")
    express = any(each.number == 0x10 for each in stated.capabilities)
    last = compound("secondary", stated.bridge.secondary) if stated.bridge else stated.interrupt_pin - 1
    assert kind.args == (
        "pcie" if express else "pci", address, stated.vendor_id, stated.device_id,
        code >> 16, code >> 8 & 0xFF, code & 0xFF, last,
    )  # fmt: skip
    assert found["device_revision"] == (stated.revision,)
    assert found["device_header"] == (int(stated.bridge is not None), int(stated.multifunction))
    assert found.get("device_subsystem") == stated.subsystem
    assert found.get("device_node") == ((stated.numa_node,) if stated.numa_node is not None else None)
    assert {each.args[1:] for each in facts_named(facts, "bar")} == {
        (
            bar.number,
            bar.base,
            bar.size,
            bar.space,
            "prefetchable" if bar.prefetchable else "nonprefetchable",
            bar.bits,
        )
        for bar in stated.bars
    }
    stated_windows = stated.bridge.windows if stated.bridge else ()
    assert [each.args[1:] for each in facts_named(facts, "bridge_window")] == [
        (window.space, window.base, window.limit) for window in stated_windows
    ]
    many = len(stated.capabilities) + bool(stated.bridge and stated.subsystem)
    assert len(facts_named(facts, "pci_capability")) == many


@settings(deadline=None, max_examples=100)
@given(functions())
def test_the_text_alone_says_what_text_and_bytes_say(stated: pci.PciFunction) -> None:
    """But for what text does not tell: the header, the interrupt line, a bridge's legacy registers."""
    text = pci.lspci_text([stated])
    said = set(reader.read(re.sub(r"(?m)^[0-9a-f]+: .*\n", "", text).encode(), "text"))
    both = set(reader.read(text.encode(), "both"))
    told_by_bytes_only = {"device_header", "device_interrupt_line"}
    assert {each for each in both - said if each.name not in told_by_bytes_only} == set()
    assert said <= both


@needs_lspci
def test_lspci_reads_any_function_that_can_be_stated(tmp_path: Path) -> None:
    @settings(deadline=None, max_examples=40)
    @given(st.lists(functions(), min_size=1, max_size=6, unique_by=place))
    def check(stated: list[pci.PciFunction]) -> None:
        listed = lspci(pci.lspci_text(stated), tmp_path, "-Dn").splitlines()
        expected = []
        for each in stated:
            where = f"{each.domain:04x}:{each.bus:02x}:{each.device:02x}.{each.function}"
            revision = f" (rev {each.revision:02x})" if each.revision else ""
            numbers = f"{each.class_code >> 8:04x}: {each.vendor_id:04x}:{each.device_id:04x}"
            expected.append(f"{where} {numbers}{revision}")
        assert sorted(listed) == sorted(expected)

    check()


# --- AMD's northbridges ------------------------------------------------------------------------------------


def test_a_square_of_northbridges_routes_as_stated() -> None:
    facts = read(server())
    nodes = {each.args[1:] for each in facts_named(facts, "ht_node")}
    assert nodes == {(node, 4) for node in range(4)}
    # node 0: link 0 to node 1, link 1 to node 2, link 2 to the chip set; node 3 is reached over node 1
    assert [each.args for each in facts_named(facts, "ht_route") if each.args[0] == 0] == [
        (0, 0, 1, 1, 1 | 2 | 4), (0, 1, 2, 2, 1 | 4), (0, 2, 4, 4, 1 | 2), (0, 3, 2, 2, 1),
    ]  # fmt: skip
    assert [each.args for each in facts_named(facts, "ht_port") if each.args[0] == 0] == [
        (0, 0, "coherent"), (0, 1, "coherent"), (0, 2, "noncoherent"),
    ]  # fmt: skip
    assert facts_named(facts, "ht_dram") == [
        fact("ht_dram", node, node << 32, (node + 1 << 32) - 1) for node in range(4)
    ]
    assert facts_named(facts, "ht_bus") == [fact("ht_bus", 0, 2, 0, 255)]


@pytest.mark.parametrize(
    ("nodes", "links"),
    [(1, []), (2, [(0, 1)]), (4, SQUARE), (8, BOARD_8X4), (4, [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)])],
    ids=["one", "pair", "square", "8x4 board", "all joined"],
)
def test_messages_arrive_over_the_fewest_links_and_broadcasts_everywhere_once(
    nodes: int, links: list[tuple[int, int]]
) -> None:
    facts = read(pci.northbridges(nodes, links, [pci.BusRange(0, 0, 255)], memory(nodes)))
    near = {node: sorted({a + b - node for a, b in links if node in (a, b)}) for node in range(nodes)}
    routes = {each.args[:2]: each.args[2:] for each in facts_named(facts, "ht_route")}
    hops = {(node, node): 0 for node in range(nodes)}
    while len(hops) < nodes * nodes:
        hops |= {(a, c): far + 1 for (a, b), far in list(hops.items()) for c in near[b] if (a, c) not in hops}

    def ends(node: int, mask: int) -> list[int]:
        """Where the ports of a mask lead; links are numbered as the neighbours are."""
        return [node] * (mask & 1) + [other for link, other in enumerate(near[node]) if mask & 2 << link]

    for start in range(nodes):
        for end in range(nodes):
            here, far = start, 0
            while here != end:
                (here,) = ends(here, routes[here, end][0])
                far += 1
            assert far == hops[start, end]
        reached, front = [], [start]
        while front:
            here = front.pop()
            assert len(reached) <= nodes
            for there in ends(here, routes[here, start][2]):
                if there == here:
                    reached.append(here)
                else:
                    front.append(there)
        assert sorted(reached) == list(range(nodes))


def test_memory_beyond_a_terabyte_needs_the_upper_address_bits() -> None:
    ranges = [pci.AddressRange(0, 0, (1 << 40) - 1), pci.AddressRange(1, 1 << 40, (1 << 41) - 1)]
    facts = read(pci.northbridges(2, [(0, 1)], [pci.BusRange(0, 0, 255)], ranges))
    assert [each.args for each in facts_named(facts, "ht_dram")] == [
        (each.node, each.base, each.limit) for each in ranges
    ]


# --- what cannot be ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: pci.Bar(0, 0x1000, 0x3000), "powers of two"),
        (lambda: pci.Bar(0, 0x800, 0x1000), "their multiples"),
        (lambda: pci.Bar(0, 1 << 32, 0x1000), "does not fit 32 bits"),
        (lambda: pci.Bar(0, 0x100, 0x100, "io", bits=64), "I/O ports"),
        (lambda: pci.Bar(6, 0x1000, 0x1000), "there are 0 to 5"),
        (lambda: pci.Window("mem", 0x100000, 0x100FFF), "whole blocks of 0x100000"),
        (lambda: pci.Window("rom", 0, 0xFFFFF), "window of rom"),
        (lambda: pci.Bridge(0, 5, 4), "ascending"),
        (lambda: pci.msi(3), "MSI with 3 vectors"),
        (lambda: pci.msix(4096, (0, 0), (0, 0)), "MSI-X with 4096 vectors"),
        (lambda: pci.express("Router", 2.5, 1), "no such port"),
        (lambda: pci.AddressRange(0, 0, 0xFFF), "whole blocks of 16 MiB"),
        (lambda: pci.northbridges(9, [], []), "1 to 8"),
        (lambda: pci.northbridges(2, [(0, 2)], []), "link 0-2"),
        (lambda: pci.northbridges(3, [(0, 1)], []), "no way from node 0 to node 2"),
        (lambda: pci.northbridges(6, [(0, n) for n in range(1, 6)], []), "node 0 has 5 links"),
        (lambda: pci.PciFunction(0, 32, 0, 1, 1, 0), "does not fit"),
        (lambda: pci.PciFunction(0, 1, 0, 1, 1, 0, device_name="two\nlines"), "no line can hold"),
        (lambda: pci.PciFunction(0, 1, 0, 1, 1, 0, bars=(pci.Bar(5, 1 << 40, 16, bits=64),)), "BARs overlap"),
        (lambda: pci.lspci_text([pci.PciFunction(0, 1, 0, 1, 1, 0)] * 2), "two PCI functions at one address"),
    ],
)  # fmt: skip
def test_what_no_hardware_can_be_is_refused(make: object, what: str) -> None:
    assert callable(make)
    with pytest.raises(pci.PciError, match=what) as refused:
        make()
    assert "\n" not in str(refused.value)
