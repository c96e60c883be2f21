"""The placement controller as the kernel sees it, on machines stated as plain facts."""

from __future__ import annotations

import time
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skb.engine import RulesRejected, SkbError
from skb.facts import Fact, compound, fact
from skb.knowledge import KnowledgeBase
from skb.placement import Assignment, BestEffort, Hard, PlacementController, PlacementError, Soft

MS = 1_000_000
CAPACITY = Fraction(9, 10)
SHIPPED = ["load_balance", "near", "pack", "scatter"]
GANG = "# figure 3.4\nB 1\nG 80 160 80 480\n"


def machine(cores: int, packages: int) -> list[Fact]:
    """The processors of a machine of so many cores, as CPUID would tell."""
    each = cores // packages
    return [
        found
        for core in range(cores)
        for found in (
            fact("corename", core, "x86_64", compound("apic", core)),
            fact("cpu_thread", core, core // each, core % each, 0),
            fact("cpu_clock", core, 2_500_000_000),
        )
    ]


SQUARE = "ht_link(0, 1). ht_link(1, 3). ht_link(3, 2). ht_link(2, 0)."


@pytest.fixture
def square(kb: KnowledgeBase) -> KnowledgeBase:
    """Four packages of four cores in a square."""
    kb.load_machine([("cpuid", machine(16, 4))], SQUARE)
    return kb


def placement_facts(kb: KnowledgeBase) -> list[str]:
    names = ("allocation", "granted", "considered", "domain_manifest", "domain_phase", "manifest")
    return sorted(repr((name, row)) for name in names for row in kb.facts(name))


def test_a_domain_gets_idle_cores_in_order(square: KnowledgeBase) -> None:
    placement = PlacementController(square).place(1, 4)
    assert placement.assignments == tuple(Assignment(i, i, (BestEffort(1),)) for i in range(4))
    assert (placement.policy, placement.manifest, placement.changed) == ("load_balance", None, ())


def test_a_manifest_becomes_parameters_in_nanoseconds(square: KnowledgeBase) -> None:
    placement = PlacementController(square).place(1, 16, manifest=GANG, coordinator=3)
    assert placement.manifest == 3 << 16
    for assignment in placement.assignments:
        assert assignment.phases == (
            BestEffort(1), Hard(80 * MS, 160 * MS, 80 * MS, 480 * MS, gang=True)
        )


def test_an_omitted_release_is_the_kernels_to_choose(square: KnowledgeBase) -> None:
    placement = PlacementController(square).place(1, 1, manifest="H 1 2\nS 1 2")
    assert placement.assignments[0].phases == (Hard(MS, 2 * MS, 2 * MS, None), Soft(MS, 2 * MS))


def test_a_wrong_manifest_is_named_with_line_and_column(square: KnowledgeBase) -> None:
    with pytest.raises(PlacementError) as refused:
        PlacementController(square).place(1, 1, manifest="B 1\n\nH 80 x", manifest_name="gang.manifest")
    assert str(refused.value) == "gang.manifest:3:6: expected the period in ms, found 'x'"


def test_text_of_a_manifest_is_data_whatever_stands_in_it(square: KnowledgeBase) -> None:
    for text in ('"), halt, ("', "'\\", "B \x00", "größe", "]", "B 1\u2028B 2"):
        with pytest.raises(PlacementError, match="manifest:1:"):
            PlacementController(square).place(1, 1, manifest=text)


def test_a_shortage_is_shared_and_told(square: KnowledgeBase) -> None:
    controller = PlacementController(square)
    controller.place(1, 1, cores=[3], manifest="H 75 100 100 0")
    second = controller.place(2, 1, cores=[3], manifest="H 75 100 100 0")
    shrunk = (Hard(45 * MS, 100 * MS, 100 * MS, 0),)
    assert second.assignments[0].phases == shrunk
    assert second.changed == ((1, 0, 3, shrunk),)


def test_another_policy_refuses_with_figures(square: KnowledgeBase) -> None:
    controller = PlacementController(square, "near")
    controller.place(1, 1, cores=[3], manifest="H 75 100")
    before = placement_facts(square)
    with pytest.raises(PlacementError) as refused:
        controller.place(2, 1, cores=[3], manifest="H 50 100")
    assert str(refused.value) == (
        "core 3 is over-committed: the domain asks for 50.0 % in phase 0, 15.0 % is left "
        "(domain 1 has 75.0 % in phase 0, 10.0 % is kept for best effort)"
    )
    assert placement_facts(square) == before


def test_unknown_cores_and_too_large_gangs_are_refused(square: KnowledgeBase) -> None:
    controller = PlacementController(square)
    with pytest.raises(PlacementError, match=r"^no core 99; cores are 0-15$"):
        controller.place(1, 1, cores=[99])
    with pytest.raises(PlacementError, match="17 members, and the machine 16 cores"):
        controller.place(1, 17, manifest=GANG)
    assert placement_facts(square) == []


def test_release_frees_the_cores(square: KnowledgeBase) -> None:
    controller = PlacementController(square)
    first = controller.place(1, 4, manifest=GANG)
    controller.release(1)
    controller.release(1)
    assert placement_facts(square) == []
    assert controller.place(1, 4, manifest=GANG) == first


def test_phases_are_noted(square: KnowledgeBase) -> None:
    controller = PlacementController(square)
    controller.place(1, 1, manifest=GANG)
    controller.phase_changed(1, 1)
    assert square.once("domain_phase(1, Phase)") == {"Phase": 1}
    with pytest.raises(PlacementError, match="domain 1 has no phase 2"):
        controller.phase_changed(1, 2)


def test_policies_are_listed_and_chosen(square: KnowledgeBase) -> None:
    controller = PlacementController(square)
    assert set(SHIPPED) <= {policy.name for policy in controller.policies()}
    controller.use("scatter")
    assert [a.core for a in controller.place(1, 4).assignments] == [0, 4, 8, 12]
    with pytest.raises(PlacementError, match=r"^no policy best; there are .*load_balance"):
        controller.use("best")
    assert controller.policy == "scatter"


def test_reasons_name_the_costs_compared(square: KnowledgeBase) -> None:
    controller = PlacementController(square)
    controller.place(1, 2, manifest="G 1 2")
    first, second = controller.explain(1)
    assert (first.core, first.cost, first.alternatives) == (0, 0.0, ((1, 0.0), (2, 0.0), (3, 0.0)))
    assert (second.core, second.same_gang) == (1, 1)
    with pytest.raises(PlacementError, match="domain 2 is placed nowhere"):
        controller.explain(2)


def test_a_users_policy_decides(square: KnowledgeBase, tmp_path: Path) -> None:
    file = tmp_path / "it's last.pl"
    file.write_text(':- policy(last, "the last core first").\ncost(_, Core, Cost) :- Cost is -Core.\n')
    controller = PlacementController(square)
    assert controller.load(file) == ("last", ())
    controller.use("last")
    assert [a.core for a in controller.place(1, 3, manifest="G 1 2").assignments] == [15, 14, 13]


def test_a_wrong_policy_is_named_with_its_line(square: KnowledgeBase, tmp_path: Path) -> None:
    file = tmp_path / "wrong.pl"
    controller = PlacementController(square)
    for text, where in (
        (':- policy(wrong, "x").\ncost(_, Core, 0) :- Core >.\n', ":2: error: syntax error"),
        (':- policy(wrong, "x").\n:- shell(true).\ncost(_, _, 0).\n', ":2: error: a directive"),
        (':- policy(wrong, "x").\ncost(_, _, 0) :- shell(true).\n', ":2: error: shell/1 may not be called"),
        ("cost(_, _, 0).\n", ":1: error: a policy begins with"),
    ):
        file.write_text(text)
        with pytest.raises(RulesRejected) as refused:
            controller.load(file)
        assert any(str(note).startswith(str(file) + where) for note in refused.value.notes)
        assert "wrong" not in {policy.name for policy in controller.policies()}
    with pytest.raises(SkbError, match="cannot be read"):
        controller.load(tmp_path / "missing.pl")


# -- whatever is asked ------------------------------------------------------------------------------------

TIMES = st.sampled_from([5, 10, 20, 40])


@st.composite
def phase(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from("BHGS"))
    if kind == "B":
        return f"B {draw(st.integers(1, 3))}"
    period = draw(TIMES)
    wcet = draw(st.integers(1, period))
    if kind == "S":
        return f"S {wcet} {period}"
    deadline = draw(st.integers(wcet, period))
    return f"{kind} {wcet} {period} {deadline} {draw(st.sampled_from(['', '80', 'auto']))}"


MANIFEST = st.none() | st.lists(phase(), min_size=1, max_size=3).map("\n".join)
REQUEST = st.tuples(
    st.sampled_from(["place", "place", "place", "release", "phase"]),
    st.integers(1, 5),  # domain
    st.integers(1, 10),  # dispatchers
    st.lists(st.integers(0, 8), max_size=4),  # cores; 8 is none
    MANIFEST,
)


def demand_of(kb: KnowledgeBase) -> dict[int, dict[int, dict[int, list[tuple[int, int, int]]]]]:
    """The hard tasks of every core by domain and phase, from the facts."""
    where = {(row[0], row[1]): row[2] for row, _ in kb.facts("allocation")}
    found: dict[int, dict[int, dict[int, list[tuple[int, int, int]]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for (domain, dispatcher, number, granted, _), _ in kb.facts("granted"):
        if granted.name in ("hard", "gang"):
            found[where[domain, dispatcher]][domain][number].append(granted.args[:3])
    return found


def assert_no_core_is_over_committed(kb: KnowledgeBase) -> None:
    for domains in demand_of(kb).values():
        rate = sum(
            max(sum(Fraction(w, p) for w, p, _ in tasks) for tasks in phases.values())
            for phases in domains.values()
        )
        assert rate <= CAPACITY
        # periods are of 5, 10, 20 and 40 ms: everything has repeated after 40 ms, and again after 80
        for instant in range(MS, 80 * MS + 1, MS):
            due = sum(
                max(
                    sum(((instant - d) // p + 1) * w for w, p, d in tasks if instant >= d)
                    for tasks in phases.values()
                )
                for phases in domains.values()
            )
            assert due <= instant


def assert_gangs_are_apart(kb: KnowledgeBase) -> None:
    where = {(row[0], row[1]): row[2] for row, _ in kb.facts("allocation")}
    gangs = defaultdict(list)
    for (domain, dispatcher, number, granted, _), _ in kb.facts("granted"):
        if granted.name == "gang":
            gangs[domain, number].append((where[domain, dispatcher], granted.args))
    for members in gangs.values():
        assert len({core for core, _ in members}) == len(members)
        assert len({parameters for _, parameters in members}) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=st.sampled_from(SHIPPED), requests=st.lists(REQUEST, min_size=1, max_size=8))
def test_whatever_is_asked_no_core_is_over_committed_and_gangs_stay_apart(
    kb: KnowledgeBase, policy: str, requests: list[tuple[str, int, int, list[int], str | None]]
) -> None:
    kb.load_machine([("cpuid", machine(8, 2))], "ht_link(0, 1).")
    controller = PlacementController(kb, policy)
    for what, domain, dispatchers, cores, manifest in requests:
        before = placement_facts(kb)
        try:
            match what:
                case "place":
                    controller.place(domain, dispatchers, cores=cores, manifest=manifest)
                case "release":
                    controller.release(domain)
                case _:
                    controller.phase_changed(domain, dispatchers % 3)
        except PlacementError as refused:
            assert placement_facts(kb) == before, f"refused, and yet changed: {refused}"
            assert "\n" not in str(refused)
        assert_no_core_is_over_committed(kb)
        assert_gangs_are_apart(kb)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=st.sampled_from(SHIPPED), requests=st.lists(REQUEST, min_size=1, max_size=5))
def test_the_same_requests_get_the_same_answers(
    kb: KnowledgeBase, policy: str, requests: list[tuple[str, int, int, list[int], str | None]]
) -> None:
    def answers() -> list[object]:
        kb.load_machine([("cpuid", machine(8, 2))], "ht_link(0, 1).")
        controller = PlacementController(kb, policy)
        said: list[object] = []
        for _, domain, dispatchers, cores, manifest in requests:
            try:
                said.append(controller.place(domain, dispatchers, cores=cores, manifest=manifest))
            except PlacementError as refused:
                said.append(str(refused))
        return said

    assert answers() == answers()


def test_placing_takes_as_many_inferences_the_first_time_as_any_other(square: KnowledgeBase) -> None:
    for policy in SHIPPED:
        controller = PlacementController(square, policy)
        taken = []
        for _ in range(3):
            taken.append(controller.place(1, 8, manifest=GANG).inferences)
            controller.release(1)
        assert all(one == other for one, other in pairwise(taken)), policy


def test_64_dispatchers_find_their_place_among_256_cores(kb: KnowledgeBase) -> None:
    links = " ".join(f"ht_link({a}, {a + 1})." for a in range(15))
    kb.load_machine([("cpuid", machine(256, 16))], links)
    controller = PlacementController(kb)
    fastest = float("inf")
    for domain in range(1, 4):
        start = time.perf_counter()
        placement = controller.place(domain, 64)
        fastest = min(fastest, time.perf_counter() - start)
        assert [a.core for a in placement.assignments] == list(range(64 * (domain - 1), 64 * domain))
    assert fastest < 0.1  # 11 ms where measured; the bound leaves room for a busy machine
