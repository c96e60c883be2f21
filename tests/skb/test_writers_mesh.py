"""Meshes of any size as a priori facts: what the text says is what the knowledge base concludes."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skb.facts import Text, compound, fact
from skb.knowledge import KnowledgeBase
from skb.writers.apriori import Paragraph, costs, facts_pl
from skb.writers.latency import LatencyError, Pairs, latency_csv
from skb.writers.mesh import Mesh, MeshCache, MeshError, links, paragraphs, places


def mesh(columns: int, rows: int, cores_a_tile: int = 2, **stated: object) -> Mesh:
    """A mesh with a memory controller at its first and at its last tile, one voltage for all."""
    usual = {
        "architecture": "scc", "vendor": "intel", "brand": "a mesh", "clock_hz": 10**9, "mesh_clock_hz": 2 * 10**9,
        "memory_controllers": [(0, 0), (columns - 1, rows - 1)], "controller_bytes": 1 << 30,
        "distances": [[10, 20], [20, 10]], "caches": {"l1d": MeshCache(16384, 4)}, "line_bytes": 32,
        "message_buffer_bytes": 8192, "test_and_set_registers": 1, "voltage_island_tiles": (columns, rows),
        "voltage_domains": [0],
    }  # fmt: skip
    return Mesh(columns, rows, cores_a_tile, **(usual | stated))  # type: ignore[arg-type]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(columns=st.integers(1, 6), rows=st.integers(1, 5), cores=st.integers(1, 3), first=st.integers(0, 9))
def test_links_lead_as_far_as_columns_and_rows_are_apart(
    kb: KnowledgeBase, columns: int, rows: int, cores: int, first: int
) -> None:
    chip = mesh(columns, rows, cores, first_package=first)
    kb.load_machine([], facts_pl("a mesh", paragraphs(chip)))
    assert len(kb.all("core(_)")) == columns * rows * cores
    last = chip.cores[-1]
    for core in {chip.cores[0], chip.cores[len(chip.cores) // 2], last}:
        (x, y), (there, above) = chip.place(chip.tile_of(core)), chip.place(chip.tile_of(last))
        assert kb.once(f"hops({core}, {last}, Hops)") == {"Hops": abs(x - there) + abs(y - above)}
    assert kb.once("coherent(_, _)") is None


def test_a_core_is_served_by_the_nearest_controller_the_first_of_equals() -> None:
    chip = mesh(5, 1)
    assert [chip.controller_of(tile) for tile in chip.tiles] == [0, 0, 0, 1, 1]


def test_a_card_is_linked_to_its_host_at_one_tile_and_numbers_follow_the_hosts(kb: KnowledgeBase) -> None:
    chip = mesh(
        2, 2, first_core=4, first_package=2, first_node=1, host_packages=(0, 1), host_tile=(1, 0), device=(3, 0, 0)
    )
    assert links(chip) == [(0, 3), (1, 3), (2, 3), (2, 4), (3, 5), (4, 5)]
    assert [place.package for place in places(chip)] == [2, 2, 3, 3, 4, 4, 5, 5]
    host = "".join(f"cpu_thread({core}, {core // 2}, {core % 2}, 0). cpu_node({core}, 0). " for core in range(4))
    kb.load_machine([], host + facts_pl("a card", paragraphs(chip)))
    assert kb.all("hops(0, C, 1), device_core(addr(3, 0, 0), C)") == [{"C": 6}, {"C": 7}]
    assert kb.once("shares_memory(0, 4)") is None
    assert kb.once("shares_memory(0, 1), coherent(0, 1), shares_memory(4, 11)") == {}


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"memory_controllers": [(0, 0), (6, 0)]}, r"mesh.memory_controllers: \(6, 0\) is outside the 6x4 tiles"),
        ({"host_tile": (0, 4)}, r"mesh.host_tile: \(0, 4\) is outside"),
        ({"distances": [[10]]}, "mesh.distances: expected 2 rows of 2"),
        ({"voltage_island_tiles": (2, 2)}, "mesh.voltage_domains: 1 for 6 islands"),
        ({"caches": {"l4": MeshCache(1, 1)}}, "mesh.caches.l4: there are l1d, l1i, l2"),
    ],
)
def test_a_mesh_that_cannot_be_is_refused_naming_the_entry(stated: dict, message: str) -> None:
    with pytest.raises(MeshError, match=message):
        mesh(6, 4, **stated)


@given(brand=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_facts_pl_says_is_read_back_as_it_was_stated(kb: KnowledgeBase, brand: str) -> None:
    stated = [fact("cpu_brand", 3, Text(brand)), fact("wrong", compound("cpu_clock", 3, 1))]
    text = facts_pl("a title", [Paragraph("of a core", stated), Paragraph("of nothing", [])])
    assert "nothing" not in text
    kb.load_machine([], text)
    assert kb.facts("cpu_brand") == [((3, brand), "a_priori")]
    assert kb.once("wrong(cpu_clock(3, 1))") == {}


def test_costs_are_stated_with_value_unit_and_source(kb: KnowledgeBase) -> None:
    kb.load_machine([], facts_pl("costs", [Paragraph("costs", costs({"lmp": [7, "cycles", 'a "source"']}))]))
    assert kb.all("cost_of(lmp, V, U, S)") == [{"V": 7, "U": "cycles", "S": 'a "source"'}]


def test_of_relations_that_hold_the_first_counts_and_further_links_add() -> None:
    chip = mesh(3, 1, 1)
    hops = [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    pairs = [Pairs(10, hops=1), Pairs(99, hops=1), Pairs(20, next_hop=0.25)]
    assert latency_csv(places(chip), pairs, "ns", hops) == "# unit: ns\n,10,20.2\n10,,10\n20.2,10,\n"


def test_kinds_are_those_of_sender_and_receiver() -> None:
    two = zip(places(mesh(2, 1, 1)), "ab", strict=True)
    one, other = (dataclasses.replace(place, kind=kind) for place, kind in two)
    pairs = [Pairs(1, kinds=["a", "b"]), Pairs(2, kinds=["b", "a"])]
    assert latency_csv([one, other], pairs, "cycles", [[0, 1], [1, 0]]) == "# unit: cycles\n,1\n2,\n"


def test_pairs_left_out_and_relations_unknown_are_told() -> None:
    with pytest.raises(LatencyError, match="none holds of cores"):
        latency_csv(places(mesh(2, 1, 1)), [Pairs(1, same="package")], "ns", [[0, 1], [1, 0]])
    with pytest.raises(LatencyError, match="no relation 'socket'; there are core, l2, l3, die, node, package"):
        Pairs(1, same="socket")
