"""How often RBED misses: the sets, the counting from outside, the shrinking; that the sound variant never does."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.experiments import Outcome, Setting, find
from kernel.experiments.rbed_soundness import (
    FAMILIES,
    Arrival,
    Case,
    configuration,
    draw,
    duration,
    failure,
    panic,
    play,
    rate,
    shrink,
    size,
    wilson,
)
from kernel.schedsim import SimulationPanic, read, simulate
from kernel.scheduling import BestEffort, Hard


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run("sets=50", "utilisation=0.6")


def run(*keys: str) -> Outcome:
    experiment = find("rbed-soundness")
    return experiment.run(Setting(experiment.values(keys)))


cases = st.builds(
    lambda family, seed: draw(family, random.Random(seed), 0.9, 200), st.sampled_from(FAMILIES), st.integers(0, 10**9)
)


def test_the_sound_variant_misses_nothing_in_600_sets() -> None:
    outcome = run("sets=200", "seed=11")
    sound = [row for row in outcome.rows if row["variant"] == "sound"]
    assert [row["family"] for row in sound] == [family.name for family in FAMILIES]
    assert [(row["sets"], row["sets_with_a_miss"], row["misses"]) for row in sound] == [(200, 0, 0)] * 3
    assert all(int(row["jobs"]) > 10_000 for row in sound)


def test_barrelfishs_rules_miss_where_there_is_best_effort_and_only_there(outcome: Outcome) -> None:
    """Of 300 such sets in the C simulator, 0, 288 and 252 panicked within 2000 ticks."""
    rows = {row["family"]: row for row in outcome.rows if row["variant"] == "barrelfish"}
    assert rows["hard only"]["misses"] == 0
    for family in ("hard + best effort", "arrivals at run time"):
        assert 60 < float(rows[family]["sets_with_a_miss_percent"]) < 100
        assert 1 < float(rows[family]["miss_rate_percent"]) < 20


def test_the_same_seed_gives_the_same_outcome_and_another_another(outcome: Outcome) -> None:
    assert run("sets=50", "utilisation=0.6") == outcome
    assert run("sets=50", "utilisation=0.6", "seed=4").rows != outcome.rows


def test_progress_ends_with_everything_done() -> None:
    told: list[tuple[int, int]] = []
    experiment = find("rbed-soundness")
    experiment.run(Setting(experiment.values(["sets=4"]), lambda done, total: told.append((done, total))))
    assert told == [(done, 12) for done in range(1, 13)]


@settings(max_examples=60, deadline=None)
@given(cases)
def test_drawn_sets_are_feasible_and_come_in_order(case: Case) -> None:
    assert 0 < rate([arrival.task for arrival in case]) <= Fraction(9, 10)
    assert [arrival.at for arrival in case] == sorted(arrival.at for arrival in case)


@settings(max_examples=40, deadline=None)
@given(cases, st.sampled_from(["sound", "barrelfish"]))
def test_what_is_counted_is_what_the_simulators_picture_shows(case: Case, variant: str) -> None:
    """Jobs and misses again, tick by tick, from the rows of `#`."""
    ticks = min(1500, duration(case, 1))
    stop = panic(case, ticks) if variant == "barrelfish" else None
    if stop is not None:
        ticks = stop.at
    rows = simulate_rows(case, ticks, variant)
    jobs = misses = 0
    for number, arrival in enumerate(case):
        task = arrival.task
        if isinstance(task, Hard):
            for due in range(arrival.at + task.deadline, ticks + 1, task.period):
                jobs += 1
                ended = rows[number][:due].count("#") // task.wcet
                misses += ended < (due - arrival.at - task.deadline) // task.period + 1
    verdict = play(variant, case, ticks)
    assert (verdict.jobs, verdict.misses) == (jobs, misses)
    if verdict.first_miss is not None and stop is not None:
        assert verdict.first_miss < stop.at


def test_barrelfish_also_panics_over_a_job_that_had_all_its_budget_in_time() -> None:
    """The kernel looks at the deadline of the first in its queue before it looks at what is left of its budget."""
    case = (
        Arrival(0, Hard(8, 80, 80)), Arrival(0, Hard(7, 20, 20)), Arrival(0, Hard(1, 10, 10)),
        Arrival(0, Hard(1, 10, 10)), *(Arrival(0, BestEffort(weight)) for weight in (1, 9, 7, 3)),
    )  # fmt: skip
    stop = panic(case, 320)
    assert stop is not None
    assert str(stop) == "scheduler panic at tick 169: Missed hard deadline: now = 169, deadline = 160"
    assert simulate_rows(case, stop.at, "barrelfish")[0][:160].count("#") == 16
    assert play("barrelfish", case, stop.at).misses == 0


def simulate_rows(case: Case, ticks: int, variant: str) -> list[str]:
    return [line[5:] for line in simulate(configuration(case), ticks, variant=variant).splitlines()[4::2]]


def test_the_case_that_barrelfish_fails_is_small_and_its_own_simulator_panics_on_it(outcome: Outcome) -> None:
    text = outcome.files["smallest-barrelfish.cfg"]
    assert list(outcome.files) == ["smallest-barrelfish.cfg"]
    assert len(read(text)) == 2
    last = next(remark for remark in outcome.remarks if remark.startswith("schedsim"))
    command, said = last.split(": ", 1)
    ticks = int(command.split()[-1])
    assert said.startswith(f"scheduler panic at tick {ticks - 1}: Missed hard deadline")
    assert ticks <= 242, "no later than the pair of docs/rbed.md"
    assert "sound missed no deadline" in outcome.remarks
    simulate(text, ticks - 1)
    with pytest.raises(SimulationPanic) as panicked:
        simulate(text, ticks)
    assert str(panicked.value) == said


def test_shrinking_ends_at_a_case_that_fails_and_is_smaller() -> None:
    case = (
        Arrival(0, Hard(4, 24, 24)), Arrival(0, BestEffort(1)), Arrival(30, Hard(3, 100, 100)),
        Arrival(40, BestEffort(7)),
    )  # fmt: skip
    fails = failure("barrelfish", case, duration(case, 2))
    assert fails is not None
    small, again = shrink("barrelfish", case, fails)
    assert size(small, again) < size(case, fails)
    assert len(small) == 2
    stop = panic(small, again + 1)
    assert stop is not None
    assert stop.at == again


def test_a_miss_counts_when_it_happens_though_the_kernel_notices_later() -> None:
    case = (Arrival(0, Hard(1, 40, 40)), Arrival(0, BestEffort(2)), Arrival(0, BestEffort(1)))
    assert play("barrelfish", case, 80).first_miss == 80
    assert failure("barrelfish", case, 80) is None
    assert failure("barrelfish", case, 160) == 105


def test_the_sound_variant_fails_at_no_tick_where_barrelfishs_does() -> None:
    case = (Arrival(0, Hard(4, 24, 24)), Arrival(0, BestEffort(1)))
    assert failure("barrelfish", case, 1000) == 241
    assert failure("sound", case, 1000) is None


def test_a_configuration_says_what_the_case_is() -> None:
    assert configuration((Arrival(0, Hard(4, 24, 24)), Arrival(7, BestEffort(3)))) == "0 H 4 24 0\n7 B 3\n"


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 300, 0.0, 1.264), (150, 300, 44.377, 55.623), (300, 300, 98.736, 100.0), (1, 10, 1.787, 40.415)],
)
def test_the_interval_is_wilsons(count: int, of: int, low: float, high: float) -> None:
    """Against the ends at which (p - share)^2 = z^2 p (1 - p) / n, which defines it; figures from that equation."""
    assert wilson(count, of) == pytest.approx((low, high), abs=0.001)
