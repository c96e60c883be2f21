"""What a gang loses by timers that are apart: the experiment, in a small form."""

from __future__ import annotations

import pytest

from kernel.experiments import Setting, find
from kernel.experiments.timer_skew import SHARES


def rows(*settings: str) -> list[dict[str, float]]:
    experiment = find("timer-skew")
    outcome = experiment.run(Setting(experiment.values(settings)))
    return [{key: float(value) for key, value in row.items()} for row in outcome.rows]


def test_a_gang_loses_what_its_slices_do_not_have_in_common() -> None:
    found = rows("machine=amd-2x2", "threads=4", "slice_us=10000", "run_ms=200")
    assert [row["skew_us"] for row in found] == [share * 10_000 for share in SHARES]
    assert found[0]["share_percent"] == 100
    for row in found:
        assert row["share_percent"] == pytest.approx(row["bound_percent"], abs=2)
