"""What the rules answer about each machine that comes with Pilotfish, as a table, and how determinate they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]

QUESTIONS = (
    "aggregate_all(count, core(_), X)",
    "packages(P), length(P, X)",
    "findall(N, node_of(_, N), L0), sort(L0, L), length(L, X)",
    "findall(D, die_of(_, D), L0), sort(L0, L), length(L, X)",
    "findall(C, sibling(0, C), X)",
    "findall(S, cache_of(0, _, S, _), X)",
    "findall(C, shares_cache(0, C, 2), X)",
    "aggregate_all(count, shares_cache(0, _, 3), X)",
    "aggregate_all(max(H), hops(_, _, H), X)",
    "nearest_cores(0, 4, X)",
    "closest_memory(1, X)",
    "core_type(0, X)",
    "clock_hz(0, X)",
    "equal_cores(G), length(G, X)",
)

KB, MB = 1024, 1024 * 1024

ANSWERS = {
    "amd-2x2": (4, 2, 2, 2, [], [64 * KB, 1 * MB], [], 0, 1, [1, 2, 3], 0, "uniform", 2_800_000_000, 1),
    "amd-4x4": (16, 4, 4, 4, [], [64 * KB, 512 * KB, 6 * MB], [], 3, 2, [1, 2, 3, 4], 0, "uniform", 2_500_000_000, 1),
    "amd-8x4": (32, 8, 8, 8, [], [64 * KB, 512 * KB, 2 * MB], [], 3, 3, [1, 2, 3, 4], 0, "uniform", 2_000_000_000, 4),
    "intel-2x4": (8, 2, 1, 4, [], [32 * KB, 4 * MB], [1], 0, 1, [1, 2, 3, 4], 0, "uniform", 2_660_000_000, 1),
    "epyc-chiplet": (
        256, 2, 8, 16, [128], [32 * KB, 512 * KB, 16 * MB], [128], 7, 1, [128, 1, 2, 3], 0,
        "uniform", 2_250_000_000, 1,
    ),
    "hybrid-client": (
        24, 1, 1, 1, [1], [48 * KB, 1280 * KB, 30 * MB], [1], 23, 0, [1, 2, 3, 4], 0, "performance", 3_200_000_000, 2,
    ),
    "scc": (48, 24, 4, 24, [], [16 * KB, 256 * KB], [], 0, 8, [1, 2, 3, 12], 0, "uniform", 533_333_333, 6),
    "scc-host": (56, 26, 5, 26, [], [32 * KB, 4 * MB], [1], 0, 8, [1, 2, 3, 4], 0, "uniform", 2_660_000_000, 25),
}  # fmt: skip


@pytest.mark.parametrize("machine", ANSWERS)
def test_the_rules_answer_as_the_machine_is(load: Load, machine: str) -> None:
    kb = load(machine)
    found = {question: kb.once(question, inferences=1 << 40) for question in QUESTIONS}
    answers = {question: answer and answer["X"] for question, answer in found.items()}
    assert answers == dict(zip(QUESTIONS, ANSWERS[machine], strict=True))


@pytest.mark.parametrize("machine", ANSWERS)
def test_distances_of_all_pairs_are_known_and_hops_are_symmetric(load: Load, machine: str) -> None:
    kb = load(machine)
    cores = ANSWERS[machine][0]
    assert isinstance(cores, int)
    found = kb.once("aggregate_all(count, distance(_, _, _), X), aggregate_all(count, hops(_, _, _), Y)",
                    inferences=1 << 40)
    assert found == {"X": cores * (cores - 1), "Y": cores * cores}
    assert kb.once("hops(A, B, H), \\+ hops(B, A, H)", inferences=1 << 40) is None


def test_what_is_declared_det_leaves_no_choice(load: Load) -> None:
    kb = load("amd-4x4")
    goals = (
        "hops(0, 12, _)", "distance(0, 12, _)", "distance_ns(0, 12, _)", "package_of(0, _)", "node_of(5, _)",
        "shares_cache(0, 1, 3)", "cache_of(0, 3, _, _)", "nearest_cores(0, _)", "nearest_cores(0, 3, _)",
        "closest_memory(0, _)", "device_near(addr(1, 0, 0), _)", "route(0, 15, _)", "package_route(0, 3, _)",
        "cycles_per_hop(_)", "memory_at(0, _)", "memory_distance(0, 3, _)", "buffer_node(0, 12, _)",
        "cores_by_memory(_)", "equal_cores(_)", "equal_cores(3, _)", "multicast_tree(0, [1, 5, 9], _)",
        "multicast_cost(tree(0, [tree(5, [])]), _)", "least_loaded([1, 2], _)", "least_loaded_near(addr(1, 0, 0), _)",
        "pci_roots(_)", "pci_windows(0, _)", "pci_problem(0, _)", "pci_plan(0, _)", "isa_gsi(9, _, _, _)",
        "ioapic_input(30, _, _)", "interrupt_plan(_)", "interrupt_core(addr(1, 0, 0), _)", "core_type(0, _)",
        "clock_hz(0, _)", "apic_of(0, _)", "thread_of(0, _)", "die_of(0, _)", "cores_of_package(0, _)",
        "cores_of_node(0, _)", "policies(_)", "load(0, _)", "sibling_load(0, _)", "line_transfer(0, 1, _)",
    )
    for goal in goals:
        found = kb.once(f"call_cleanup({goal}, Done = true)")
        assert found is not None, goal
        assert found["Done"] == "true" or found["Done"] is True, f"{goal} leaves a choice"
