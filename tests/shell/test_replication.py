"""`replicate` and the `replica` commands as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PILOTFISH = Path(os.environ.get("PILOTFISH_COMMAND") or Path(sys.executable).parent / "pilotfish")

pytestmark = pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")


def answers(*commands: str) -> list[dict[str, Any]]:
    """What `pilotfish --json` says to each command."""
    words = [word for each in commands for word in ("-c", each)]
    done = subprocess.run([str(PILOTFISH), "--json", *words], capture_output=True, text=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_is_set_on_one_core_is_read_on_another() -> None:
    made, written, read, shown = answers(
        "replicate config 0,4,8 --how group", "replica set config mode fast --core 4",
        "replica get config mode --core 8", "replica show config",
    )
    assert made["result"] == {"name": "config", "cores": [0, 4, 8], "how": "group", "spread": "unicast"}
    assert written["result"]["messages"] == 3 and written["result"]["cycles"] > 0
    assert read["result"]["value"] == "fast"
    replicas = shown["result"]["replicas"]
    told = [(each["core"], each["carried_out"], each["leader"]) for each in replicas]
    assert told == [(0, 1, 0), (4, 1, 0), (8, 1, 0)]
    assert [each["operations"] for each in replicas] == [0, 1, 0]


def test_a_value_survives_the_core_that_led() -> None:
    *_, read, shown = answers(
        "replicate config 1,4,8", "replica set config mode fast --core 1", "core offline 1",
        "replica set config mode slow --core 8", "replica get config mode --core 4", "replica show config",
    )
    assert read["result"]["value"] == "slow"
    states = {each["core"]: each["state"] for each in shown["result"]["replicas"]}
    assert states == {1: "off line", 4: "leading", 8: "following"}


MISTAKES = [
    ("replicate a 0,99", "no core 99; cores are 0-15"),
    ("replicate a 3", "a would have 1 replica; give two cores or more"),
    ("replicate a x", "'x' is no list of cores; write 3, 0-3, 0-3,8 or 0-6:2"),
    ("replicate config 4,5", "there is a replicated service config already; give another name"),
    ("replicate a 0,1 --how raft", "no protocol 'raft'; there is paxos, two-phase, group, eventual"),
    ("replicate a 0,1 --spread gossip", "no way to spread messages 'gossip'; there is unicast, tree"),
    ("replicate a 3,4", "core 3 is off line; core online 3 brings it back"),
    ("replica set nothing a b", "no replicated service nothing; there is config"),
    ("replica set config a b --core 5", "core 5 has no replica of config; it is on cores 0, 1"),
    ("replica set config a b --core 0-1", "0-1 are several cores; name one"),
    ("replica get config nothing", "config has no nothing on core 0"),
    ("replica show nothing", "no replicated service nothing; there is config"),
    ("replica", "replica what; there is replica set, replica get, replica show"),
]


def test_mistakes_are_answered_in_one_line() -> None:
    scenario = "\n".join(["replicate config 0,1", "core offline 3", *(f"- {mistake}" for mistake, _ in MISTAKES)])
    done = subprocess.run([str(PILOTFISH), "-"], input=scenario, capture_output=True, text=True, timeout=60)
    lines = done.stderr.splitlines()
    assert done.returncode == 0 and len(lines) == len(MISTAKES)
    for line, (_, says) in zip(lines, MISTAKES, strict=True):
        assert line.endswith(says)
