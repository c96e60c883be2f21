"""Gangs in time slots: whatever is asked, no core is over-committed in any combination of phases."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.admission import CAPACITY, Demand, shortfall
from skb.facts import Fact, compound, fact
from skb.knowledge import KnowledgeBase
from skb.placement import Combination, Hard, PlacementController, PlacementError, Schedule

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
