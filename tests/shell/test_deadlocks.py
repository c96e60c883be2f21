"""`deadlocks`, and what is told after a command, as a user sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PILOTFISH = Path(os.environ.get("PILOTFISH_COMMAND") or Path(sys.executable).parent / "pilotfish")

pytestmark = pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")

CROSSED = '''
from kernel.programming import Code, Environment, Lock, WaitBarrier, program

@program("crossed", "two locks in opposite orders")
def crossed(environment: Environment) -> Code:
    locks = [environment.mutex("a"), environment.mutex("b")]
    if environment.rank:
        locks.reverse()
    yield Lock(locks[0])
    yield WaitBarrier(environment.barrier())
    yield Lock(locks[1])
'''

CYCLE = (
    "deadlock: crossed.0 thread 1 waits for mutex b, held by crossed.1 thread 1, which waits for mutex a, held by "
    "crossed.0 thread 1"
)


def run(folder: Path, *words: str) -> str:
    commands = [word for each in ("spawn -n 2 ./crossed.py", "run 10ms", *words) for word in ("-c", each)]
    (folder / "crossed.py").write_text(CROSSED)
    done = subprocess.run(
        [str(PILOTFISH), "--json", *commands], capture_output=True, text=True, timeout=60, cwd=folder
    )
    return done.stdout


def test_a_cycle_is_told_once_and_in_full_on_demand(tmp_path: Path) -> None:
    _, ran, asked, again = map(json.loads, run(tmp_path, "deadlocks", "run 10ms").splitlines())
    (event,) = ran["events"]
    assert (event["deadlock"], event["text"]) == (1, CYCLE)
    assert 0 < event["at_ns"] <= ran["result"]["time_ns"]
    assert "events" not in again
    (deadlock,) = asked["result"]["deadlocks"]
    assert sorted(deadlock["threads"]) == ["crossed.0 thread 1", "crossed.1 thread 1"]
    assert {(each["thread"], each["waits_for"], each["never"]) for each in asked["result"]["waits"]} == {
        ("crossed.0 thread 1", "mutex b", True), ("crossed.1 thread 1", "mutex a", True),
    }  # fmt: skip


def test_nothing_is_ended_and_a_kill_ends_it(tmp_path: Path) -> None:
    *_, listed, _, asked = map(json.loads, run(tmp_path, "ps", "kill crossed", "deadlocks").splitlines())
    assert [each["state"] for each in listed["result"]] == ["running"]
    assert asked["result"] == {"waits": [], "deadlocks": []}


def test_a_person_is_shown_a_table_and_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "crossed.py").write_text(CROSSED)
    script = "spawn -n 2 ./crossed.py\nrun 10ms\ndeadlocks crossed\n"
    done = subprocess.run(
        [str(PILOTFISH), "-"], input=script, capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    lines = done.stdout.splitlines()
    assert lines[1] == f"crossed: {CYCLE}"
    assert lines[2].split() == ["thread", "waits", "for", "of", "goes", "on"]
    assert sorted(line.split("  ")[-1] for line in lines[3:5]) == ["never", "never"]
    assert lines[5].startswith("deadlock: ")
    assert done.stderr == ""
