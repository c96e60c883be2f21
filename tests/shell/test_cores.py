"""`core show`, `core offline` and `core online` as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PILOTFISH = Path(os.environ.get("PILOTFISH_COMMAND") or Path(sys.executable).parent / "pilotfish")

pytestmark = pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")


def answers(*commands: str) -> list[dict[str, object]]:
    """What `pilotfish --json` says to each command."""
    words = [word for each in commands for word in ("-c", each)]
    done = subprocess.run([str(PILOTFISH), "--json", *words], capture_output=True, text=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_parts_of_every_cores_time_sum_to_the_time_since_boot() -> None:
    *_, shown, clock = answers("spawn -n 20 cpu_bound", "run 300ms", "core offline 3", "core show", "time")
    rows = shown["result"]
    assert isinstance(rows, list)
    parts = ("user_ns", "kernel_ns", "switch_ns", "interrupt_ns", "idle_ns")
    sums = {sum(row[part] for part in parts) for row in rows}
    assert len(rows) == 16
    assert max(sums) - min(sums) <= len(parts)  # each part is rounded down
    assert [row["core"] for row in rows if row["state"] == "off line"] == [3]
    assert clock["ok"]


def test_a_machine_of_several_instruction_sets_tells_each_cores() -> None:
    done = subprocess.run(
        [str(PILOTFISH), "-m", "scc-host", "-c", "core show 7-8"], capture_output=True, text=True, timeout=60
    )
    head, *rows = (line.split() for line in done.stdout.splitlines())
    assert head[:3] == ["core", "state", "isa"]
    assert [(row[0], row[2]) for row in rows] == [("7", "x86_64"), ("8", "x86_32")]
    assert answers("core show 7")[0]["result"][0]["isa"] == "x86_64"  # type: ignore[index]


def test_a_core_goes_and_comes_back() -> None:
    _, _, gone, cpus, back, cpu = answers(
        "spawn -n 16 cpu_bound", "run 100ms", "core offline 3", "cpus 3", "core online 3", "cpus 3"
    )
    assert isinstance(gone["result"], dict)
    assert gone["result"]["moved"] == [{"id": 1, "name": "cpu_bound", "core": 0}]
    states = [answer["result"][0]["state"] for answer in (cpus, cpu)]  # type: ignore[index]
    assert states[0] == "off line"
    assert states[1] in ("halted", "running")
    assert isinstance(back["result"], dict)
    assert back["result"]["took_ns"] > 0


@pytest.mark.parametrize(
    ("before", "refused", "why"),
    [
        ("nproc", "core offline 0", "core 0 stays on line: the SKB runs there"),
        ("nproc", "core online 3", "core 3 is on line already"),
        ("nproc", "core offline 1-2", "1-2 are several cores; name one"),
        ("core offline 3", "oncore 3 cpu_bound", "core 3 is off line; core online 3 brings it back"),
        ("oncore 3 cpu_bound", "core offline 3", "core 3 stays on line: domain 1 is pinned to it"),
    ],
)
def test_what_cannot_be_done_is_told(before: str, refused: str, why: str) -> None:
    assert answers(before, refused)[-1] == {
        "command": refused.split(" ")[0] if refused.startswith("oncore") else " ".join(refused.split(" ")[:2]),
        "ok": False, "error": why, "where": "-c:2",
    }


def test_a_domain_is_told_by_dispatcher_with_its_state_and_its_share() -> None:
    *_, told, _, dead = answers(
        "oncore 1 cpu_bound", "spawn -n 2 -c 1-2 cpu_bound", "run 800ms", "domain cpu_bound.2", "kill cpu_bound.2",
        "domain cpu_bound.2",
    )
    assert isinstance(told["result"], dict)
    one, other = told["result"]["dispatchers"]
    assert (one["share"], other["share"]) == (0.5, 1.0)
    assert {one["state"], other["state"]} <= {"running", "not running"}
    assert one["deallocations"] > other["deallocations"]
    assert isinstance(dead["result"], dict)
    assert [each["state"] for each in dead["result"]["dispatchers"]] == ["unrunnable"] * 2
