"""`channels`, `names`, `print_cspace`, `console` and `interface ...` as a user runs them."""

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


def answers(*commands: str) -> list[Any]:
    """What `pilotfish --json` says to each command."""
    words = [word for each in commands for word in ("-c", each)]
    done = subprocess.run([str(PILOTFISH), "--json", *words], capture_output=True, text=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_channels_and_names_are_there_while_their_domains_are() -> None:
    _, _, channels, names, of_one, _, _, after = answers(
        "spawn -c 0-2 pixels 100000", "run 5ms", "channels", "names", "channels pixels", "kill pixels", "run 5ms",
        "channels",
    )  # fmt: skip
    ends = channels["result"]
    assert [end["number"] for end in ends] == [1, 2, 3, 4]
    assert all(end["over"] == "ump" and end["slots"] == 32 for end in ends)
    assert all(next(each for each in ends if each["number"] == end["peer"])["peer"] == end["number"] for end in ends)
    assert of_one["result"] == ends
    assert [(each["name"], each["core"], each["channels"]) for each in names["result"]] == [
        ("pixels.1.1", 1, 1), ("pixels.1.2", 2, 1),
    ]  # fmt: skip
    assert after["result"] == []


def test_a_capability_space_is_shown_by_dispatcher_and_address() -> None:
    _, shown = answers("spawn -c 3,4 cpu_bound", "print_cspace cpu_bound")
    rows = shown["result"]
    assert [(row["dispatcher"], row["address"], row["type"]) for row in rows] == [
        (dispatcher, address, kind)
        for dispatcher in (0, 1)
        for address, kind in (
            ("0", "L2CNode"), ("0.0", "Dispatcher"), ("0.1", "VNode_x86_64_pml4"), ("0.2", "RAM"),
        )
    ]  # fmt: skip
    roots = {row["base"] for row in rows if row["type"] == "VNode_x86_64_pml4"}
    assert len(roots) == 1, "one address space"
    assert {row["owner"] for row in rows if row["type"] == "Dispatcher"} == {3, 4}


def test_what_is_not_there_is_told_in_one_line() -> None:
    said = [answer["error"] for answer in answers("-channels nobody", "-print_cspace 7", "-console")]
    assert said == [
        "no domain 'nobody'; ps lists them", "no domain '7'; ps lists them",
        "no terminal runs; spawn terminald starts one",
    ]  # fmt: skip


def test_a_dialogue_on_the_terminal() -> None:
    *_, console = answers(
        "spawn -c 0 terminald", "spawn -c 2 ask who is there?", "run 5ms", "console -t pilotfish", "run 5ms",
        "console",
    )  # fmt: skip
    assert console["result"] == {"lines": ["who is there?", "< pilotfish", "PILOTFISH"], "waiting": 0}


def test_interfaces_are_listed_checked_and_shown(tmp_path: Path) -> None:
    file = tmp_path / "counter.if"
    file.write_text("interface counter { rpc read(out int64 value); };")
    listed, checked, shown, stubs = answers(
        "interface list", f"interface check {file}", f"interface show {file}", f"interface show --stubs {file}"
    )
    assert "ramfs" in [each["name"] for each in listed["result"]]
    assert checked["result"] == {"name": "counter", "types": 0, "messages": 1}
    assert [(each["number"], each["name"]) for each in shown["result"]["messages"]] == [
        (1, "read_call"), (2, "read_response"),
    ]  # fmt: skip
    assert "class CounterClient(Binding):" in stubs["result"]["stubs"]
    compile(stubs["result"]["stubs"], "stubs", "exec")


def test_what_is_wrong_with_an_interface_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "counter.if"
    file.write_text("interface counter {\n    rpc read(out int65 value);\n};")
    wrong, none, missing = answers(
        f"-interface check {file}", "-interface show nothing", f"-interface check {tmp_path}/none.if"
    )
    assert wrong["error"] == f"{file}:2:24: unknown type 'int65'"
    assert none["error"] == "no interface 'nothing'; interface list has those that come with Pilotfish"
    assert "none.if" in missing["error"] and "\n" not in missing["error"]


WRONG = {
    "calls.retype(Address(TASK_RAM), Retype(T.ENDPOINT_LMP), Address(10))": "SYS_ERR_INVALID_RETYPE",
    "calls.retype(Address(TASK_RAM), Retype(T.FRAME, size=1 << 40), Address(10))": "SYS_ERR_RETYPE_INVALID_COUNT",
    "calls.retype(Address(99), Retype(T.FRAME, size=4096), Address(10))": "SYS_ERR_CAP_NOT_FOUND",
    "calls.copy(Address(TASK_RAM), Address(1 << 20))": "SYS_ERR_L1_CNODE_INDEX",
    "calls.copy(Address(TASK_RAM), Address(TASK_DISPATCHER))": "SYS_ERR_SLOT_IN_USE",
    "calls.copy(Address(TASK_RAM), Address(1 << 40))": "SYS_ERR_CAP_LOOKUP_DEPTH",
    "weak(calls)": "SYS_ERR_ILLEGAL_INVOCATION",
    "calls.allocate(60, Address(10))": "MM_ERR_NOT_FOUND",
    "calls.allocate(3, Address(10))": "MM_ERR_REQUEST_TOO_SMALL",
    "bind(environment, 'nobody', waits=False)": "LIB_ERR_NAMESERVICE_UNKNOWN_NAME",
    "bind(environment, 7 << 16 | 9)": "MON_ERR_INVALID_IREF",
}


def test_the_names_of_errors_are_what_the_shell_prints(tmp_path: Path) -> None:
    """A capability of the wrong type, out of range, without the right; a service that is none."""
    for number, (call, _) in enumerate(WRONG.items()):
        (tmp_path / f"wrong{number}.py").write_text(
            "from kernel.capabilities.capability import Rights\n"
            "from kernel.capabilities.core import TASK_DISPATCHER, TASK_RAM\n"
            "from kernel.capabilities.cspace import Address\n"
            "from kernel.capabilities.operations import Retype\n"
            "from kernel.capabilities.types import ObjectType as T\n"
            "from kernel.programming import bind\n\n\n"
            "def weak(calls):\n"
            "    yield from calls.mint(Address(TASK_RAM), Address(30), Rights.READ)\n"
            "    yield from calls.identify(Address(30))\n\n\n"
            f"def main(environment):\n    calls = environment.capabilities()\n    yield from {call}\n"
        )
    script = "".join(f"-spawn -c 3 {tmp_path}/wrong{number}.py\nrun 20ms\n" for number in range(len(WRONG)))
    done = subprocess.run([str(PILOTFISH), "-"], input=script, capture_output=True, text=True, timeout=100)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "trapped" in line]
    for number, code in enumerate(WRONG.values()):
        assert any(f"wrong{number} trapped" in line and code in line for line in said), (code, said)
    assert "Traceback" not in done.stderr
