"""Communication plans, held against every layout there is, and against the other ways to lay out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skb.engine import RuleError
from skb.facts import Fact, Term, compound, fact
from skb.knowledge import KnowledgeBase
from skb.placement import PlacementController
from skb.readers import latency

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
MEASURED = SHARED / "data" / "latency" / "mcst-elbrus-8c-4s-32t.csv"

Traffic = Sequence[tuple[int, int, int]]
Matrix = Sequence[Sequence[int]]


def hold(kb: KnowledgeBase, matrix: Matrix) -> None:
    """A machine of which nothing but latencies, in ns, is known."""
    cores = range(len(matrix))
    said: list[Fact] = [fact("cpu_thread", core, 0, core, 0) for core in cores]
    measured = [fact("core_latency", a, b, matrix[a][b], "ns") for a in cores for b in cores if a != b]
    kb.load_machine([("boot", said), ("measured", measured)])


def terms(traffic: Traffic) -> Term:
    return tuple(compound("traffic", *item) for item in traffic)


def plan(kb: KnowledgeBase, traffic: Traffic) -> tuple[dict[int, int], float, float, str]:
    found = kb.once("least_layout(Traffic, any, Plan)", {"Traffic": terms(traffic)})
    assert found is not None
    pairs, cost, bound, how = found["Plan"].args
    return {pair.args[0]: pair.args[1] for pair in pairs}, cost, bound, how


def cost_of(traffic: Traffic, layout: dict[int, int], matrix: Matrix) -> int:
    return sum(weight * matrix[layout[a]][layout[b]] for a, b, weight in traffic)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Traffic, Matrix]:
    """Up to six dispatchers, on up to seven cores in clusters or anywhere, symmetric or not."""
    cores = draw(st.integers(3, 7))
    dispatchers = draw(st.integers(2, min(6, cores)))
    if draw(st.booleans()):
        size, near, far = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 50))
        matrix = [[near if a // size == b // size else far for b in range(cores)] for a in range(cores)]
    else:
        matrix = [[draw(st.integers(1, 20)) for _ in range(cores)] for _ in range(cores)]
        if draw(st.booleans()):
            matrix = [[matrix[min(a, b)][max(a, b)] for b in range(cores)] for a in range(cores)]
    pairs = st.tuples(st.integers(0, dispatchers - 1), st.integers(0, dispatchers - 1), st.integers(0, 9))
    traffic = draw(st.lists(pairs.filter(lambda item: item[0] != item[1]), min_size=1, max_size=12))
    if draw(st.booleans()):
        traffic = [*traffic, *((b, a, weight) for a, b, weight in traffic)]
    return traffic, matrix


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=questions())
def test_few_dispatchers_are_laid_out_as_cheaply_as_any_way_there_is(
    kb: KnowledgeBase, question: tuple[Traffic, Matrix]
) -> None:
    traffic, matrix = question
    hold(kb, matrix)
    layout, cost, bound, how = plan(kb, traffic)
    talkers = sorted({end for a, b, _ in traffic for end in (a, b)})
    least = min(
        cost_of(traffic, dict(zip(talkers, cores, strict=True)), matrix)
        for cores in permutations(range(len(matrix)), len(talkers))
    )
    assert how == "exact"
    assert cost == bound == pytest.approx(least)
    assert cost_of(traffic, layout, matrix) == pytest.approx(cost)
    assert len(set(layout.values())) == len(layout)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=questions(), names=st.permutations(range(6)), places=st.randoms(use_true_random=False))
def test_other_names_for_dispatchers_and_cores_change_no_cost(
    kb: KnowledgeBase, question: tuple[Traffic, Matrix], names: list[int], places: object
) -> None:
    traffic, matrix = question
    hold(kb, matrix)
    cost = plan(kb, traffic)[1]
    order = list(range(len(matrix)))
    places.shuffle(order)  # type: ignore[attr-defined]
    hold(kb, [[matrix[order[a]][order[b]] for b in range(len(matrix))] for a in range(len(matrix))])
    renamed = [(names[a], names[b], weight) for a, b, weight in traffic]
    assert plan(kb, renamed)[1] == pytest.approx(cost)


def stencil(rows: int, columns: int) -> Traffic:
    along = [(a, a + 1, 1) for a in range(rows * columns) if (a + 1) % columns]
    across = [(a, a + columns, 1) for a in range((rows - 1) * columns)]
    return along + across


@pytest.mark.parametrize("name", ["amd-8x4", "hybrid-client", "epyc-chiplet"])
def test_no_other_policy_lays_out_more_cheaply(load: Callable[[str], KnowledgeBase], name: str) -> None:
    kb = load(name)
    traffic = stencil(4, 6)
    kb.load("user", [fact("traffic", "main", *item) for item in traffic])
    costs = {}
    for policy in ("least_communication", "pack", "scatter", "near", "load_balance"):
        controller = PlacementController(kb, policy)
        layout = tuple(compound("-", a.dispatcher, a.core) for a in controller.place(1, 24).assignments)
        controller.release(1)
        found = kb.once("layout_cost(Traffic, Layout, Cost)", {"Traffic": terms(traffic), "Layout": layout})
        assert found is not None
        costs[policy] = found["Cost"]
    assert min(costs.values()) == costs["least_communication"]
    planned, bound = plan(kb, traffic)[1:3]
    assert bound <= planned <= costs["least_communication"] * 1.001


def test_eight_dispatchers_on_256_cores_are_laid_out_exactly_within_the_limit_of_a_query(
    load: Callable[[str], KnowledgeBase],
) -> None:
    kb = load("epyc-chiplet")
    for traffic in (
        [(a, (a + 1) % 8, 1) for a in range(8)],
        [(a, b, 1) for a in range(8) for b in range(8) if a != b],
        [(0, b, b) for b in range(1, 8)],
        stencil(2, 4),
    ):
        layout, cost, bound, how = plan(kb, traffic)
        assert (how, bound) == ("exact", cost)
        assert len(set(layout.values())) == 8


@pytest.mark.skipif(not MEASURED.is_file(), reason="needs shared/data/latency beside the checkout")
def test_on_measured_latencies_a_plan_is_within_two_percent_of_the_best_known(kb: KnowledgeBase) -> None:
    said = latency.read(MEASURED.read_bytes(), MEASURED.name)
    kb.load_machine([("boot", [fact("cpu_thread", core, 0, core, 0) for core in range(32)]), ("measured", said)])
    traffic = [
        (a, b, 1)
        for x in range(2) for y in range(4) for z in range(4)
        for a in (16 * x + 4 * y + z,)
        for b, there in ((a + 16, x < 1), (a + 4, y < 3), (a + 1, z < 3)) if there
    ]  # fmt: skip
    _, cost, bound, how = plan(kb, [*traffic, *((b, a, weight) for a, b, weight in traffic)])
    assert how == "repair"
    # ns; the least of three anneals in C of eight million proposals each, and of this search with more steps
    assert bound <= cost <= 1.02 * 12833.0


def test_what_is_no_traffic_is_told_in_a_line(load: Callable[[str], KnowledgeBase]) -> None:
    kb = load("amd-2x2")
    for goal, text in (
        ("least_layout([traffic(0, 1, -1)], any, P)", "traffic(0,1,-1): a weight is a number of at least 0"),
        ("least_layout([traffic(0, 1, 1)], [7], P)", "no core 7; the machine has 4, 0 to 3"),
        ("least_layout([], any, P)", "no traffic; expected traffic(From, To, Weight), at least one"),
        ("layout_cost([traffic(0, 1, 1)], [0-0], C)", "traffic(0,1,1): dispatcher 1 has no core in the layout"),
    ):
        with pytest.raises(RuleError) as told:
            kb.ask(goal)
        assert str(told.value) == text


def test_a_policy_of_a_user_may_ask_for_layouts(load: Callable[[str], KnowledgeBase], tmp_path: Path) -> None:
    kb = load("amd-4x4")
    file = tmp_path / "pairs.pl"
    file.write_text(
        ':- policy(pairs, "neighbours in pairs").\n'
        "place(Dispatchers, Cores, Placement) :-\n"
        "    quick_layout([traffic(0, 3, 1), traffic(1, 2, 1)], Dispatchers, Cores, Placement, _).\n"
    )
    controller = PlacementController(kb)
    controller.load(file)
    controller.use("pairs")
    cores = [a.core for a in controller.place(1, 4).assignments]
    assert (cores[0] // 4, cores[1] // 4) == (cores[3] // 4, cores[2] // 4)
