"""Gangs in time slots: whatever is asked, no core is over-committed in any combination of phases."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.admission import CAPACITY, Demand, shortfall
from skb.facts import Fact, compound, fact
from skb.knowledge import KnowledgeBase
from skb.placement import Combination, Hard, Placement, PlacementController, PlacementError, Schedule

MS = 1_000_000
CORES = 4


def machine(cores: int) -> list[Fact]:
    return [
        found
        for core in range(cores)
        for found in (
            fact("corename", core, "x86_64", compound("apic", core)),
            fact("cpu_thread", core, 0, core, 0),
            fact("cpu_clock", core, 2_500_000_000),
        )
    ]


@pytest.fixture
def four(kb: KnowledgeBase) -> KnowledgeBase:
    kb.load_machine([("cpuid", machine(CORES))], "")
    return kb


@st.composite
def phase(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from("BGGGH"))
    if kind == "B":
        return "B 1"
    period = draw(st.sampled_from([12, 16, 20, 24, 40]))
    wcet = draw(st.integers(1, period // 2))
    deadline = draw(st.sampled_from([wcet, wcet, min(period, 2 * wcet), period]))
    return f"{kind} {wcet} {period} {deadline} {draw(st.sampled_from(['auto', 'auto', 'auto', '0']))}"


REQUEST = st.tuples(
    st.sampled_from(["place", "place", "place", "place", "release", "phase"]),
    st.integers(1, 4),  # domain
    st.lists(st.integers(0, CORES - 1), min_size=1, max_size=CORES, unique=True),
    st.lists(phase(), min_size=1, max_size=3).map("\n".join),
)


def schedules(controller: PlacementController, domains: set[int]) -> dict[Combination, Schedule]:
    """The schedule of every combination of every component."""
    found: dict[Combination, Schedule] = {}
    for domain in sorted(domains):
        combinations, _ = controller.combinations(domain)
        assert len(set(combinations)) == len(combinations)
        found |= {each: controller.schedule(each) for each in combinations}
    return found


def assert_sound(schedule: Schedule, starts: list[int]) -> None:
    """No core is over-committed, wherever releases of the users' own fall; members of a gang begin together."""
    cores: dict[int, list[Demand]] = defaultdict(list)
    gangs: dict[tuple[int, Hard], list[int]] = defaultdict(list)
    offsets: dict[int, set[int]] = defaultdict(set)
    starting = iter(starts * 20)
    for slot in schedule.slots:
        if isinstance(slot.parameters, Hard):
            known = slot.parameters.release_ns is None
            release = slot.parameters.offset_ns if known else next(starting) * MS
            assert 0 <= slot.parameters.offset_ns < slot.parameters.period_ns
            cores[slot.core].append(
                Demand(release, slot.parameters.wcet_ns, slot.parameters.period_ns, slot.parameters.deadline_ns)
            )
            if slot.parameters.gang:
                gangs[slot.domain, slot.parameters].append(slot.core)
                offsets[slot.domain].add(slot.parameters.offset_ns)
    for demands in cores.values():
        assert sum(Fraction(each.wcet, each.period) for each in demands) <= CAPACITY
        assert shortfall(demands) == ""
    for members in gangs.values():
        assert len(set(members)) == len(members)
    assert all(len(each) == 1 for each in offsets.values()), "one group, one offset"
    assert 0 <= schedule.bound <= schedule.empty_slots


def placement_facts(kb: KnowledgeBase) -> list[str]:
    names = ("allocation", "granted", "considered", "domain_manifest", "domain_phase", "manifest", "timeslot",
             "combination_slots", "dispatcher_group")
    return sorted(repr((name, row)) for name in names for row in kb.facts(name))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=st.sampled_from(["near", "near", "load_balance"]), requests=st.lists(REQUEST, min_size=2, max_size=7),
       starts=st.lists(st.integers(0, 40), min_size=4, max_size=4))
def test_no_combination_over_commits_a_core(
    kb: KnowledgeBase, policy: str, requests: list[tuple[str, int, list[int], str]], starts: list[int]
) -> None:
    kb.load_machine([("cpuid", machine(CORES))], "")
    controller = PlacementController(kb, policy)
    running: set[int] = set()
    for what, domain, cores, manifest in requests:
        before = placement_facts(kb)
        try:
            match what:
                case "place":
                    controller.place(domain, len(cores), cores=cores, manifest=manifest)
                    running.add(domain)
                case "release":
                    controller.release(domain)
                    running.discard(domain)
                case _:
                    controller.phase_changed(domain, len(manifest) % 3)
        except PlacementError as refused:
            assert placement_facts(kb) == before, f"refused, and yet changed: {refused}"
            assert "\n" not in str(refused)
        for combination, schedule in schedules(controller, running).items():
            assert list(combination) == sorted(combination)
            assert_sound(schedule, starts)


def granted(kb: KnowledgeBase) -> list[tuple[int, int]]:
    """What hard real time was granted, and asked for, ns."""
    return [
        (row[3].args[0], row[4].args[0]) for row, _ in kb.facts("granted") if row[3].name in ("hard", "gang")
    ]


GANGS = st.lists(
    st.tuples(
        st.lists(st.integers(0, CORES - 1), min_size=1, max_size=CORES, unique=True),
        st.integers(4, 20), st.sampled_from([20, 40]), st.booleans(),
    ),
    min_size=2, max_size=4,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gangs=GANGS)
def test_all_shrink_by_the_same_factor_and_no_more_than_needed(
    kb: KnowledgeBase, gangs: list[tuple[list[int], int, int, bool]]
) -> None:
    """Where the rates alone say how much there is for all, they get just that; else never less than if all that
    could come at the same time did (which what was found without known offsets came to).
    """
    kb.load_machine([("cpuid", machine(CORES))], "")
    controller = PlacementController(kb)
    on_core: dict[int, Fraction] = defaultdict(Fraction)
    together: dict[int, int] = defaultdict(int)
    for number, (cores, wcet, period, relaxed) in enumerate(gangs, 1):
        deadline = period if relaxed else wcet
        controller.place(number, len(cores), cores=cores, manifest=f"G {wcet} {period} {deadline}")
        for core in cores:
            on_core[core] += Fraction(wcet, period)
            together[core] += wcet
    shares = {Fraction(given, asked) for given, asked in granted(kb)}
    factor = max(shares)
    bound = min(Fraction(1), *(CAPACITY / rate for rate in on_core.values()))
    # grants are whole nanoseconds
    assert all(factor - share < Fraction(1, 1_000_000) for share in shares)
    assert factor <= bound
    if all(relaxed for *_, relaxed in gangs):
        assert bound - factor < Fraction(1, 1_000_000)
    at_once = min(Fraction(min(wcet for _, wcet, _, _ in gangs) * MS, work * MS) for work in together.values())
    assert factor >= min(bound, at_once) - Fraction(1, 1_000_000)


def test_two_gangs_run_side_by_side_at_full_length(four: KnowledgeBase) -> None:
    """Of which a test that lets all releases coincide would refuse the second."""
    controller = PlacementController(four, "near")
    controller.place(1, 4, cores=[0, 1, 2, 3], manifest="B 1\nG 30 80 30")
    second = controller.place(2, 4, cores=[0, 1, 2, 3], manifest="B 1\nG 30 80 30")
    assert second.changed == ()
    assert {a.phases[1] for a in second.assignments} == {
        Hard(30 * MS, 80 * MS, 30 * MS, None, gang=True, offset_ns=30 * MS)
    }
    together = [Demand(0, 30, 80, 30), Demand(0, 30, 80, 30)]
    assert shortfall(together) != ""
    assert shortfall([together[0], Demand(30, 30, 80, 30)]) == ""


def test_a_third_makes_all_shrink_to_what_the_reserve_leaves(four: KnowledgeBase) -> None:
    controller = PlacementController(four)
    for domain in (1, 2):
        controller.place(domain, 4, cores=[0, 1, 2, 3], manifest="G 30 80 30")
    third = controller.place(3, 4, cores=[0, 1, 2, 3], manifest="G 30 80 30")
    assert {given for given, _ in granted(four)} == {24 * MS}  # three times 24 of 80 ms are 90 %
    assert len(third.changed) == 8


def test_what_can_never_fit_is_refused_with_the_proof(four: KnowledgeBase) -> None:
    controller = PlacementController(four, "near")
    controller.place(1, 2, cores=[0, 1], manifest="G 20 100 20")
    before = placement_facts(four)
    with pytest.raises(PlacementError) as refused:
        controller.place(2, 2, cores=[1, 2], manifest="G 20 70 20")
    assert str(refused.value) == (
        "core 1 cannot meet all deadlines: domain 1 needs 20 ms within 20 ms every 100 ms in phase 0, "
        "the domain needs 20 ms within 20 ms every 70 ms in phase 0; no offsets keep them apart, "
        "as a search of all has proven"
    )
    assert placement_facts(four) == before


def test_a_dry_run_tells_what_placing_does_and_changes_nothing(four: KnowledgeBase) -> None:
    controller = PlacementController(four)
    controller.place(1, 4, manifest="G 50 80 50")
    before = placement_facts(four)
    told = controller.would_place(2, 4, manifest="G 50 80 50")
    assert placement_facts(four) == before
    assert told == controller.place(2, 4, manifest="G 50 80 50")
    assert told.changed


def plan(kb: KnowledgeBase) -> list[object]:
    """Placements, schedules, and what each took."""
    kb.load_machine([("cpuid", machine(CORES))], "")
    controller = PlacementController(kb)
    found: list[object] = []
    for domain, manifest in enumerate(("B 1\nG 3 10 3", "G 3 10 3\nG 2 10 2", "G 4 14 4", "H 1 20 3\nG 1 10 1"), 1):
        found.append(controller.place(domain, 3, cores=[0, 1, 2], manifest=manifest))
    found.append(controller.leave(4, 1))
    found.append(controller.join(4, 1, "main"))
    found.append(controller.combinations(1))
    found.extend(schedules(controller, {1, 2, 3, 4}).values())
    return found


def test_the_same_inputs_give_the_same_plan_at_the_same_cost(kb: KnowledgeBase) -> None:
    first = plan(kb)
    assert first == plan(kb) == plan(kb)


def test_81_combinations_of_four_domains_and_three_phases(four: KnowledgeBase) -> None:
    """What it takes is told in docs/gangs.md."""
    controller = PlacementController(four)
    placements: list[Placement] = [
        controller.place(domain, 4, cores=[0, 1, 2, 3], manifest="B 1\nG 10 80 10\nG 18 80 18")
        for domain in (1, 2, 3, 4)
    ]
    assert all(not each.changed for each in placements)
    found = schedules(controller, {1})
    assert len(found) == 81
    assert set(found) == {tuple(enumerate(phases, 1)) for phases in product(range(3), repeat=4)}
    assert {each.scope for each in found.values()} == {"static"}
    distances = [sum(phase != 0 for _, phase in each) for each in found]
    assert distances == sorted(distances)
    for schedule in found.values():
        assert_sound(schedule, [0])
    # an order of magnitude: some hundred inferences for every slot
    assert sum(each.inferences for each in placements) < 1_000_000
    assert max(each.inferences for each in found.values()) < 5_000
