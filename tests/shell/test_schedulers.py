"""`scheduler list` and `scheduler use` as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kernel.schedulers.kinds import KINDS

PILOTFISH = Path(os.environ.get("PILOTFISH_COMMAND") or Path(sys.executable).parent / "pilotfish")

pytestmark = pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")


def answers(*commands: str) -> list[dict[str, Any]]:
    """What `pilotfish --json` says to each command; those that begin with `-` may fail."""
    script = "\n".join(commands)
    done = subprocess.run([str(PILOTFISH), "--json", "-"], input=script, capture_output=True, text=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def refusal(command: str, *before: str) -> str:
    return str(answers(*before, f"- {command}")[-1]["error"])


def used(answer: dict[str, Any]) -> dict[str, Any]:
    (one,) = [each for each in answer["result"] if each["in_use"]]
    return dict(one)


def test_the_schedulers_are_listed_with_their_timeslices() -> None:
    (listed,) = answers("scheduler list")
    assert [each["name"] for each in listed["result"]] == list(KINDS)
    assert used(listed)["name"] == "rbed"
    assert {each["name"]: each["timeslice_ns"] for each in listed["result"]}["gang-user"] == 15_000_000


def test_one_is_used_from_time_0_on_and_kept_by_a_reset() -> None:
    *_, listed, clock, reset_, again = answers(
        "run", "scheduler use gang-ipi --timeslice 5ms", "scheduler list", "time", "reset", "scheduler list"
    )
    assert used(listed) == used(again)
    assert used(again)["timeslice_ns"] == 5_000_000
    assert clock["result"]["time_ns"] < 1_000_000_000
    assert reset_["ok"]


def test_the_next_one_has_its_own_timeslice_again() -> None:
    *_, listed = answers("scheduler use rbed --timeslice 25us", "scheduler use rbed --timeslice 1ms",
                         "scheduler use rbed", "scheduler list")  # fmt: skip
    assert used(listed)["timeslice_ns"] == 80_000_000


def test_what_was_asserted_stays() -> None:
    stated = 'assert cost(cfs_latency, 1, ms, "mine")'
    *_, answer = answers(stated, "scheduler use cfs", "skb cost_of(cfs_latency, V, U, S)")
    assert answer["result"] == [{"V": 1, "U": "ms", "S": "mine"}]


def test_refusals_say_what_to_do_and_change_nothing() -> None:
    assert "no scheduler 'linux'; scheduler list names them" in refusal("scheduler use linux")
    assert "cpu_bound would be lost; kill or reset" in refusal("scheduler use cfs", "spawn cpu_bound")
    assert "cfs has no timeslice" in refusal("scheduler use cfs --timeslice 1ms")
    assert "a context switch alone takes 4.000 us" in refusal("scheduler use rbed --timeslice 4us")
    assert "no duration" in refusal("scheduler use rbed --timeslice soon")
    assert "partition places by policy partition alone" in refusal("policy use near", "scheduler use partition")
    *_, listed = answers("scheduler use gang-user", "- scheduler use cfs --timeslice 1ms", "scheduler list")
    assert used(listed)["name"] == "gang-user"
