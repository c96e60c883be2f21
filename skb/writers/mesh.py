"""A priori facts of a chip whose tiles are linked to a mesh and whose caches no hardware keeps coherent.

The Single-Chip Cloud Computer is the one that the dissertation has (§2.3.2, figure 2.6): a tile holds two cores
and a router; memory controllers sit at the routers of some tiles at the edges; a core writes into the
message-passing buffers of all. A tile becomes a package, linked (`ht_link`) to its neighbours, so that hops are
columns and rows apart, as XY routing takes them. The chip may be a card in a host: then its cores and tiles are
numbered from `first_core` and `first_package` on, and its memory is a domain of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from skb.facts import Fact, Text, compound, fact
from skb.writers.apriori import Paragraph
from skb.writers.latency import CorePlace


class MeshError(ValueError):
    """A mesh that cannot be: one line naming the entry."""


@dataclass(frozen=True, slots=True)
class MeshCache:
    """A private cache of each core, as data sheets give it."""

    size_bytes: int
    ways: int


@dataclass(frozen=True, slots=True)
class Mesh:
    """The chip: `columns` by `rows` tiles of `cores_a_tile` cores, numbered along the rows from (0, 0) on.

    `memory_controllers` are the (column, row) of their tiles, each with `controller_bytes` of memory; a core's
    own memory is behind the nearest, the first of equally near ones. `distances` are those of the NUMA nodes that
    the controllers make (10 is local). `voltage_domains` number, row by row, the islands of
    `voltage_island_tiles` (columns, rows) tiles each; the clock is set a tile. On a card, `device` is its PCI
    address (bus, device, function), and the router at `host_tile` is linked to the `host_packages`.
    """

    columns: int
    rows: int
    cores_a_tile: int
    architecture: str
    vendor: str
    brand: str
    clock_hz: int
    mesh_clock_hz: int
    memory_controllers: Sequence[Sequence[int]]
    controller_bytes: int
    distances: Sequence[Sequence[int]]
    caches: Mapping[str, MeshCache]
    line_bytes: int
    message_buffer_bytes: int
    test_and_set_registers: int
    voltage_island_tiles: Sequence[int]
    voltage_domains: Sequence[int]
    first_core: int = 0
    first_package: int = 0
    first_node: int = 0
    host_packages: Sequence[int] = ()
    host_tile: Sequence[int] = (0, 0)
    device: Sequence[int] = ()

    def __post_init__(self) -> None:
        for entry, places in (("memory_controllers", self.memory_controllers), ("host_tile", [self.host_tile])):
            for column, row in places:
                if not (0 <= column < self.columns and 0 <= row < self.rows):
                    raise MeshError(
                        f"mesh.{entry}: ({column}, {row}) is outside the {self.columns}x{self.rows} tiles"
                    )
        nodes = len(self.memory_controllers)
        if [len(row) for row in self.distances] != [nodes] * nodes:
            raise MeshError(f"mesh.distances: expected {nodes} rows of {nodes}, one for each memory controller")
        wide, high = self.voltage_island_tiles
        islands = -(-self.columns // wide) * -(-self.rows // high)
        if len(self.voltage_domains) != islands:
            raise MeshError(f"mesh.voltage_domains: {len(self.voltage_domains)} for {islands} islands")
        unknown = sorted(set(self.caches) - set(_CACHES))
        if unknown:
            raise MeshError(f"mesh.caches.{unknown[0]}: there are {', '.join(_CACHES)}")

    @property
    def tiles(self) -> range:
        """The tiles by number, from 0."""
        return range(self.columns * self.rows)

    @property
    def cores(self) -> range:
        """The cores by number, from `first_core`."""
        return range(self.first_core, self.first_core + self.cores_a_tile * len(self.tiles))

    def place(self, tile: int) -> tuple[int, int]:
        """Column and row of a tile."""
        row, column = divmod(tile, self.columns)
        return column, row

    def tile_of(self, core: int) -> int:
        """The tile on which a core is."""
        return (core - self.first_core) // self.cores_a_tile

    def hops(self, tile: int, other: int) -> int:
        """Links that a message takes from one tile to another, along the row first (XY routing)."""
        (column, row), (there, above) = self.place(tile), self.place(other)
        return abs(there - column) + abs(above - row)

    def controller_of(self, tile: int) -> int:
        """The memory controller nearest to a tile, the first of equally near ones."""
        column, row = self.place(tile)
        away = [abs(x - column) + abs(y - row) for x, y in self.memory_controllers]
        return away.index(min(away))


_CACHES = {"l1d": (1, "data"), "l1i": (1, "instr"), "l2": (2, "unified")}


def links(mesh: Mesh) -> list[tuple[int, int]]:
    """Packages that are linked: the host's with the tile it reaches, tiles with their neighbours."""
    column, row = mesh.host_tile
    base = mesh.first_package
    entry = base + row * mesh.columns + column
    found = [(package, entry) for package in mesh.host_packages]
    for tile in mesh.tiles:
        near = (other for other in (tile + 1, tile + mesh.columns) if other in mesh.tiles)
        found += [(base + tile, base + other) for other in near if mesh.hops(tile, other) == 1]
    return found


def places(mesh: Mesh) -> list[CorePlace]:
    """Where the cores are, for their latencies; their kind is their architecture."""
    return [
        CorePlace(
            package=mesh.first_package + mesh.tile_of(core),
            core=(core - mesh.first_core) % mesh.cores_a_tile,
            l2=-1,
            l3=-1,
            die=-1,
            node=mesh.first_node + mesh.controller_of(mesh.tile_of(core)),
            kind=mesh.architecture,
        )
        for core in mesh.cores
    ]


def paragraphs(mesh: Mesh) -> list[Paragraph]:
    """The facts of the mesh, its cores and its memory, for facts.pl."""
    base = mesh.first_package
    return [
        *_host(mesh),
        Paragraph(
            "Tiles (packages) by column and row, and the links between their routers.",
            [
                fact("mesh_clock", mesh.mesh_clock_hz),
                *(fact("tile", base + tile, *mesh.place(tile)) for tile in mesh.tiles),
                *(fact("ht_link", *link) for link in links(mesh) if link[0] not in mesh.host_packages),
            ],
        ),
        Paragraph(
            "Cores: their number on the chip (their hardware id), their tile, their clock.",
            [each for core in mesh.cores for each in _core(mesh, core)],
        ),
        Paragraph(
            "Private caches, of which none is coherent with another.",
            [each for core in mesh.cores for each in _caches(mesh, core)],
        ),
        Paragraph(
            "What cores share: nothing coherently, all memory of the chip otherwise; each its part of the "
            "message-passing buffer of its tile, and what guards it.",
            [each for core in mesh.cores for each in _sharing(mesh, core)],
        ),
        Paragraph(
            "What changes clock together (a tile) and voltage together (an island of tiles).",
            [each for core in mesh.cores for each in _power(mesh, core)],
        ),
        Paragraph("Memory controllers; each is a NUMA node for the cores nearest to it.", list(_memory(mesh))),
    ]


def _host(mesh: Mesh) -> Iterator[Paragraph]:
    """The card that the chip is on: its link to the host, and its cores."""
    facts = [fact("ht_link", *link) for link in links(mesh) if link[0] in mesh.host_packages]
    if mesh.device:
        facts += [fact("device_core", compound("addr", *mesh.device), core) for core in mesh.cores]
    if facts:
        yield Paragraph("The host reaches the mesh over PCI Express, at one router of it.", facts)


def _core(mesh: Mesh, core: int) -> Iterator[Fact]:
    number = core - mesh.first_core
    yield fact("corename", core, mesh.architecture, compound("apic", number))
    tile, within = divmod(number, mesh.cores_a_tile)
    yield fact("cpu_thread", core, mesh.first_package + tile, within, 0)
    yield fact("cpu_clock", core, mesh.clock_hz)
    yield fact("vendor", core, mesh.vendor)
    yield fact("cpu_brand", core, Text(mesh.brand))


def _caches(mesh: Mesh, core: int) -> Iterator[Fact]:
    for name, cache in mesh.caches.items():
        level, kind = _CACHES[name]
        yield fact(
            "cpu_cache", core, name, level, kind, cache.size_bytes, cache.ways, mesh.line_bytes, 1, 0
        )
        yield fact("cpu_cache_id", core, level, kind, core)


def _sharing(mesh: Mesh, core: int) -> Iterator[Fact]:
    yield fact("coherence_domain", core, core)
    yield fact("memory_domain", core, mesh.first_core)
    yield fact("message_buffer", core, mesh.message_buffer_bytes, mesh.line_bytes)
    yield fact("test_and_set", core, mesh.test_and_set_registers)


def _power(mesh: Mesh, core: int) -> Iterator[Fact]:
    tile = mesh.tile_of(core)
    column, row = mesh.place(tile)
    wide, high = mesh.voltage_island_tiles
    yield fact("clock_domain", core, mesh.first_package + tile)
    yield fact(
        "voltage_domain", core, mesh.voltage_domains[row // high * -(-mesh.columns // wide) + column // wide]
    )


def _memory(mesh: Mesh) -> Iterator[Fact]:
    for controller, (column, row) in enumerate(mesh.memory_controllers):
        node = mesh.first_node + controller
        yield fact("memory_controller", node, mesh.first_package + row * mesh.columns + column)
        yield fact("node_memory", node, mesh.controller_bytes)
    for one, row_of in enumerate(mesh.distances):
        for other, distance in enumerate(row_of):
            yield fact("node_distance", mesh.first_node + one, mesh.first_node + other, distance)
    for core in mesh.cores:
        yield fact("cpu_node", core, mesh.first_node + mesh.controller_of(mesh.tile_of(core)))
