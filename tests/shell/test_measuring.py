"""`bench` and `measure` as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import shell.commands  # the commands register themselves
from shell.errors import ShellError
from shell.output import Printer
from shell.session import FAILURES, Session
from skb.knowledge import KnowledgeBase

PILOTFISH = Path(os.environ.get("PILOTFISH_COMMAND") or Path(sys.executable).parent / "pilotfish")

pytestmark = pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")


@pytest.fixture
def session(kb: KnowledgeBase) -> Session:
    assert shell.commands
    return Session(Printer(as_json=True), "amd-4x4", "load_balance", 0)


def answers(*commands: str) -> list[dict[str, Any]]:
    """What `pilotfish --json` says to each command."""
    words = [word for each in commands for word in ("-c", each)]
    done = subprocess.run([str(PILOTFISH), "--json", *words], capture_output=True, text=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_relation_of_cores_is_timed() -> None:
    ump, lmp = answers("bench ump --count 20", "bench lmp --count 20")
    assert [(row["relation"], row["latency_cycles"]) for row in ump["result"]] == [
        ("shared L3", 448.0), ("1 hop", 545.0), ("2 hops", 558.0),
    ]  # fmt: skip
    assert all(row["sigma_cycles"] == 0 and row["messages_per_kcycle"] > 0 for row in ump["result"])
    assert lmp["result"][0]["latency_cycles"] == 1463.0


def test_calls_and_multicasts_are_timed_too() -> None:
    short, long, multicast = answers(
        "bench rpc --to 12 --count 10", "bench rpc --to 12 --count 10 --length 1000", "bench multicast --count 5"
    )
    assert short["result"][0]["messages_per_kcycle"] is None
    assert long["result"][0]["latency_ns"] > short["result"][0]["latency_ns"]
    assert multicast["result"]["cores"] == 15
    assert multicast["result"]["latency_ns"] > 0


def test_what_was_measured_is_the_users_word(session: Session) -> None:
    measured = session.execute("measure 0,4 --count 5").data
    assert measured["facts"] == 6
    assert [(pair["from"], pair["to"], pair["latency_cycles"]) for pair in measured["pairs"]] == [
        (0, 4, 545.0), (4, 0, 545.0),
    ]  # fmt: skip
    assert {source for _, source in session.kb.facts("message_rate")} == {"user"}
    session.reset()
    assert session.kb.facts("message_rate") == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bench smoke", "'smoke' is not one of 'lmp', 'ump', 'rpc', 'multicast'"),
        ("bench ump --from 0-3", "'0-3' are several cores; a message is between two"),
        ("bench ump --from 4 --to 4", "--from and --to are both core 4; bench lmp times messages on one core"),
        ("bench lmp --to 3", "a local message stays on its core; bench ump --from 0 --to 3 does not"),
        ("bench multicast --to 3", "a multicast goes to all cores"),
        ("bench ump --to 99", "no core 99; cores are 0-15"),
        ("bench ump --count 1", "--count is a number of messages from 2 to 100,000, not 1"),
        ("bench ump --length 8", "--length is for rpc, from 0 to 65,536 bytes"),
        ("bench rpc --length -1", "--length is for rpc, from 0 to 65,536 bytes"),
        ("bench lmp --prefetch", "--prefetch is for ump and rpc"),
        ("measure 3", "a latency is between two cores; name at least two, such as 0-3 or 0,8"),
        ("measure 0-2 --count 0", "--count is a number of messages from 2 to 100,000, not 0"),
        ("measure zero", "'zero' is no list of cores"),
    ],
)
def test_bad_input_is_refused_in_one_line(session: Session, line: str, said: str) -> None:
    with pytest.raises(FAILURES) as refused:
        session.execute(line)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_core_that_is_off_line_is_not_measured(session: Session) -> None:
    session.execute("core offline 4")
    for line in ("measure 0,4", "bench ump --to 4", "bench lmp --from 4"):
        with pytest.raises(ShellError, match="core 4 is off line; core online 4 brings it back"):
            session.execute(line)
    measured = session.execute("measure --count 2").data
    assert {pair["to"] for pair in measured["pairs"]} == set(range(16)) - {4}


@pytest.mark.slow
def test_ctrl_c_half_way_is_the_end_of_it() -> None:
    running = subprocess.Popen(
        [str(PILOTFISH), "-c", "measure 0-15 --count 20000"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )
    time.sleep(4)
    running.send_signal(signal.SIGINT)
    printed, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert printed.strip() == "pilotfish: interrupted"
