"""`reclaim` and `offers`, as a user sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PILOTFISH = Path(os.environ.get("PILOTFISH_COMMAND") or Path(sys.executable).parent / "pilotfish")

pytestmark = pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")


def results(*commands: str) -> list[dict[str, object]]:
    words = [word for each in commands for word in ("-c", each)]
    done = subprocess.run([str(PILOTFISH), "--json", *words], capture_output=True, text=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("command", "error"), [
    ("reclaim nobody 1", "no domain 'nobody'; ps lists them"),
    ("reclaim 0 1", "no domain '0'; ps lists them"),
    ("reclaim skb 1", "no domain 'skb'; ps lists them"),
    ("reclaim barrier 3", "domain 1 is on 3 cores and has to keep one: it can give up 2, not 3"),
    ("reclaim barrier 0", "a domain is asked for 1 core at least, not 0"),
    ("reclaim barrier some", "'some' is no number of cores"),
    ("reclaim barrier --cores 1-3", "domain 1 has to keep a core; to give up 1-3 would leave it none"),
    ("reclaim barrier --cores 0", "domain 1 is not on core 0; it is on 1-3"),
    ("reclaim barrier --cores 99", "no core 99; cores are 0-15"),
    ("reclaim barrier 1 --within soon", "'soon' is no duration; write a number and a unit, such as 20us, 80ms or 2s"),
])  # fmt: skip
def test_what_cannot_be_reclaimed_is_told_in_a_line(command: str, error: str) -> None:
    spawned, refused = results("spawn -n 3 -c 1-3 barrier", command)[:2]
    assert spawned["ok"] and not refused["ok"]
    assert error in json.dumps(refused, ensure_ascii=False)


def test_what_has_become_of_each_dispatcher_is_told() -> None:
    told = results(
        "spawn -n 3 -c 1-3 work_stealing 100000", "spawn -n 2 -c 4-5 barrier", "run 10ms", "offers",
        "reclaim work_stealing 1", "reclaim barrier --cores 5 --within 2ms", "offers",
    )
    offered, given, kept, left = (each["result"] for each in told[3:])
    assert offered == [{"id": 1, "name": "work_stealing", "can_spare": 2, "wants": 0, "may_be_asked_for": [3, 2]}]
    assert isinstance(given, dict) and isinstance(kept, dict)
    assert given["dispatchers"] == [{"dispatcher": 2, "core": 3, "outcome": "given up"}]
    assert kept["dispatchers"] == [{"dispatcher": 1, "core": 5, "outcome": "virtualised", "to": 4}]
    assert kept["patience_ns"] == 2_000_000 and kept["took_ns"] >= 2_000_000
    assert left == [{"id": 1, "name": "work_stealing", "can_spare": 1, "wants": 0, "may_be_asked_for": [2]}]
