"""The PCI functions of the machine with all that is known of each: one crossing, frozen dataclasses out.

What `lspci` shows is drawn from this. A function is one that device/8 or bridge/8 tells of, or of which a dump had
words only (device_description/2, of an lspci without numbers); the other facts (bar/7, bridge_window/4,
pci_capability/3, ...) say more of it where a dump had more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skb.facts import Compound
from skb.knowledge import KnowledgeBase
from skb.topology import place

_EFFORT = 1 << 40  # the machine's size bounds it

_GOAL = """
    findall([A, V, D, C, S, I, -1], facts:device(_, A, V, D, C, S, I, _), Devices),
    findall([A, V, D, C, S, I, Z], facts:bridge(_, A, V, D, C, S, I, secondary(Z)), Bridges),
    findall([A, P, Z, L], facts:bridge_buses(A, P, Z, L), Buses),
    findall([A, R], facts:device_revision(A, R), Revisions),
    findall([A, V, D], facts:device_subsystem(A, V, D), Subsystems),
    findall([A, T], facts:device_description(A, T), Descriptions),
    findall([A, N, B, S, K, P, W], facts:bar(A, N, B, S, K, P, W), Bars),
    findall([A, B, S], facts:expansion_rom(A, B, S), Roms),
    findall([A, K, F, T], facts:bridge_window(A, K, F, T), Windows),
    findall([A, O, N], facts:pci_capability(A, N, O), Capabilities),
    findall([A, K], facts:device_port(A, K), Ports),
    findall([A, S, M, L], facts:device_link(A, S, M, L), Links),
    findall([A, N, E, B, M], facts:device_msi(A, N, E, B, M), Msis),
    findall([A, N, E], facts:device_msix(A, N, E), MsiXs),
    findall([A, I], facts:device_irq(A, I), Irqs),
    findall([A, N], facts:device_node(A, N), Nodes),
    findall([A, D], facts:device_driver(A, D), Drivers)
"""

Address = tuple[int, int, int, int]
"""Segment, bus, device, function."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A base address register; size 0: not told, base 0: not assigned. `space`: mem, io, or vf."""

    number: int
    base: int
    size_bytes: int
    space: str
    prefetchable: bool
    bits: int


@dataclass(frozen=True, slots=True)
class Function:
    """A PCI function; None or empty: not told.

    class_code: class and subclass (16 bits). `buses`: primary, secondary, subordinate. `windows`: (space, first, last
    address). `capabilities`: (offset, name), in the vocabulary's words. `links`: (MT/s, lanes) by `capability` and
    `status`. `msi`: (vectors, enabled, bits, maskable), `msix`: (vectors,
    enabled).
    """

    address: Address
    vendor_id: int | None
    device_id: int | None
    class_code: int | None
    interface: int
    secondary: int | None
    revision: int = 0
    buses: tuple[int, int, int] | None = None
    subsystem: tuple[int, int] | None = None
    description: str | None = None
    bars: tuple[Bar, ...] = ()
    rom: tuple[int, int] | None = None
    windows: tuple[tuple[str, int, int], ...] = ()
    capabilities: tuple[tuple[int, str], ...] = ()
    port: str | None = None
    links: Mapping[str, tuple[int, int]] | None = None
    msi: tuple[int, bool, int, bool] | None = None
    msix: tuple[int, bool] | None = None
    irq: int | None = None
    node: int | None = None
    driver: str | None = None


def read(kb: KnowledgeBase) -> tuple[Function, ...]:
    """The functions of the booted machine, by address."""
    said = kb.once(_GOAL, inferences=_EFFORT, seconds=60.0)
    assert said is not None
    several = {name: _grouped(said[name]) for name in ("Bars", "Windows", "Capabilities", "Links")}
    one = {
        name: {place(address): rest for address, *rest in said[name]}
        for name in ("Buses", "Revisions", "Subsystems", "Descriptions", "Roms", "Ports", "Msis", "MsiXs", "Irqs",
                     "Nodes", "Drivers")
    }
    numbered = {place(compound): rest for compound, *rest in (*said["Devices"], *said["Bridges"])}
    found = []
    for at in sorted(numbered.keys() | one["Descriptions"].keys()):
        vendor, device, class_code, subclass, interface, secondary = numbered.get(at, (None, None, None, 0, 0, -1))

        def single(name: str, at: Address = at) -> Any:
            row = one[name].get(at)
            return row[0] if row else None

        msi, msix = one["Msis"].get(at), one["MsiXs"].get(at)
        description, driver = single("Descriptions"), single("Drivers")
        found.append(Function(
            at, vendor, device, None if class_code is None else class_code << 8 | subclass, interface,
            None if secondary == -1 else secondary,
            revision=single("Revisions") or 0,
            buses=_tuple(one["Buses"].get(at)), subsystem=_tuple(one["Subsystems"].get(at)),
            description=None if description is None else str(description),
            bars=tuple(Bar(number, base, size, space, kind == "prefetchable", bits)
                       for number, base, size, space, kind, bits in sorted(several["Bars"].get(at, ()))),
            rom=_tuple(one["Roms"].get(at)),
            windows=tuple(tuple(row) for row in several["Windows"].get(at, ())),
            capabilities=tuple((offset, _word(name)) for offset, name in
                               sorted(several["Capabilities"].get(at, ()), key=lambda row: row[0])),
            port=single("Ports"),
            links={state: (speed, lanes) for state, speed, lanes in several["Links"].get(at, ())} or None,
            msi=(msi[0], bool(msi[1]), msi[2], bool(msi[3])) if msi else None,
            msix=(msix[0], bool(msix[1])) if msix else None,
            irq=single("Irqs"), node=single("Nodes"), driver=None if driver is None else str(driver),
        ))
    return tuple(found)


def _grouped(rows: list[list[Any]]) -> dict[Address, list[list[Any]]]:
    found: dict[Address, list[list[Any]]] = {}
    for address, *rest in rows:
        found.setdefault(place(address), []).append(rest)
    return found


def _tuple(row: list[int] | None) -> Any:
    return tuple(row) if row is not None else None


def _word(name: str | Compound) -> str:
    """A capability's name; of one that has none, what it is and its number: `extended 36`."""
    return name if isinstance(name, str) else f"{name.name} {' '.join(map(str, name.args))}"
