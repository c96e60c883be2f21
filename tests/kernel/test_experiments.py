"""Experiments on whole machines, each in a small form: what must hold, and the same again from the same seed."""

from __future__ import annotations

import pytest

from kernel.errors import KernelError
from kernel.experiments import Cell, Setting, find


def rows(name: str, *settings: str) -> list[dict[str, Cell]]:
    experiment = find(name)
    return [dict(row) for row in experiment.run(Setting(experiment.values(settings))).rows]


def number(row: dict[str, Cell], key: str) -> float:
    return float(row[key])


def test_phase_locking_wastes_no_more_than_interrupts_do_and_both_less_with_longer_slices() -> None:
    found = rows("ipi-comparison", "machine=amd-2x2", "threads=4", "run_ms=5", "longest_us=1000")
    by = {
        name: [number(row, "of_half_a_machine_percent") for row in found if row["scheduler"] == name]
        for name in ("phase-locked", "interrupts")
    }
    assert len(by["phase-locked"]) == 6
    for locked, interrupted in zip(*by.values(), strict=True):
        assert interrupted < locked <= 100.5
    assert sorted(by["phase-locked"]) == by["phase-locked"]
    assert {row["interrupt_percent"] for row in found if row["scheduler"] == "phase-locked"} == {0}


def test_barriers_collapse_when_cores_are_contended_for_and_computation_does_not() -> None:
    found = rows("mis-scheduling", "machine=amd-2x2", "most_threads=4", "step=1", "others=2", "runs=2", "run_ms=20")
    barrier, cpu_bound = ([row for row in found if row["program"] == name] for name in ("barrier", "cpu_bound"))
    assert [row["threads"] for row in barrier] == [2, 3, 4]
    assert number(barrier[1], "mean_per_s") < number(barrier[0], "mean_per_s") / 10
    assert number(cpu_bound[2], "mean_per_s") > number(cpu_bound[0], "mean_per_s") / 3
    again = rows("mis-scheduling", "machine=amd-2x2", "most_threads=4", "step=1", "others=2", "runs=2", "run_ms=20")
    assert again == found


@pytest.mark.parametrize("name", ["ipi-comparison", "mis-scheduling", "timer-skew"])
def test_a_machine_that_there_is_not_is_an_error_in_words(name: str) -> None:
    with pytest.raises(KernelError, match="no machine 'toaster'"):
        rows(name, "machine=toaster")
