"""`machine generate` as a user runs it: what it prints, what it refuses, and that the machine boots afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shell.commands import machine_generate  # noqa: F401 - registers the command
from shell.registry import COMMANDS

PILOTFISH = Path(os.environ.get("PILOTFISH_COMMAND") or Path(sys.executable).parent / "pilotfish")

pytestmark = pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data"), "TERM": "dumb"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "data" / "pilotfish" / "machines"


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def pilotfish(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PILOTFISH), *arguments], capture_output=True, text=True, timeout=120, env=environment,
            stdin=subprocess.DEVNULL,
        )

    return pilotfish


def test_a_machine_is_made_and_boots(run: Run, home: Path) -> None:
    done = run("-c", "machine generate grid --packages 4 --cores 2 --threads 2 --interconnect square "
               "--clock 3GHz --shared 40ns --hop 110ns --next-hop 30ns")  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    said = dict(line.split("  ", 1) for line in done.stdout.splitlines()[1:-1])
    assert said["packages"].strip() == "4, square of 2x2, 4 links, 2 at most in a way"
    assert said["NUMA nodes"].strip() == "4, 4 GiB each"
    assert said["cores"].strip() == "8, 2 a node, 3 GHz"
    assert said["hardware threads"].strip() == "16"
    assert said["message over one link between packages"].strip() == "110 ns (stated)"
    assert done.stdout.splitlines()[-1] == f"{home / 'grid'}; boot it with `pilotfish -m grid`"
    assert sorted(path.name for path in (home / "grid").iterdir()) == [
        "README.md", "acpi.txt", "cpuid.txt", "facts.pl", "machine.toml",
    ]  # fmt: skip

    booted = run("-m", "grid", "-c", "nproc", "-c", "skb distance_ns(0, 6, NS)", "-c", "spawn -n 4 barrier", "-c",
                 "run 10ms", "-c", "ps")  # fmt: skip
    assert (booted.returncode, booted.stderr) == (0, "")
    lines = booted.stdout.splitlines()
    assert lines[0] == "16"
    assert lines[2].strip() == "140"
    assert "running" in lines[-1]


def test_json_has_all_of_it_as_data(run: Run, home: Path) -> None:
    done = run("--json", "-c", "machine generate ring --packages 6 --nodes 2 --interconnect ring --hop 100ns")
    data = json.loads(done.stdout)["result"]
    assert data["path"] == str(home / "ring")
    counts = {"packages": 6, "nodes": 12, "cores": 48, "threads": 48, "links": 6, "most_hops": 3}
    assert {name: data[name] for name in counts} == counts
    assert data["clock_hz"] == 2_500_000_000
    assert data["latencies"]["next_hop"] == {"value": 100, "unit": "ns", "source": "as the first"}
    assert data["latencies"]["shared"]["source"].startswith("dissertation table 2.5")
    assert data["files"] == {path.name: path.stat().st_size for path in (home / "ring").iterdir()}


def test_a_far_message_that_is_faster_than_a_near_one_is_remarked(run: Run) -> None:
    done = run("-c", "machine generate odd --packages 2 --hop 50ns")
    assert done.returncode == 0
    assert done.stderr == (
        "a message over one link between packages takes 50 ns, less than one between cores that share a cache, "
        "179.2 ns; --shared states that\n"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bad --packages 0", "--packages: 0; 1 to 4,096"),
        ("bad --cores 5000", "--cores: 5000; 1 to 4,096"),
        ("bad --packages 6 --interconnect hypercube",
         "--interconnect: a hypercube has 1, 2, 4, 8, ... packages, not 6; 4 and 8 are the nearest"),
        ("bad --clock 2.5", "'2.5' is no clock; write 2.5GHz or 800MHz"),
        ("bad --memory 4", "--memory: '4' is no size; write 32KiB, 1MiB or 4GiB"),
        ("bad --l3 0", "--l3: '0' is no size; write 32KiB, 1MiB or 4GiB, or none"),
        ("bad --l2 x", "--l2: 'x' is no size; write 32KiB, 1MiB or 4GiB"),
        ("bad --packages 2 --hop 5", "--hop: '5' is no latency; write 60ns, 1.5us or 150cycles"),
        ("bad --packages 2 --hop -5ns", "--hop: '-5ns' is no latency; write 60ns, 1.5us or 150cycles"),
        ("amd-4x4", "amd-4x4 is a machine that comes with Pilotfish; take another name"),
        ("../bad", "'../bad' is no name for a machine: letters, digits, '.', '_', '+' and '-', a letter or digit "
         "first, 64 at most"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_nothing_is_written(run: Run, home: Path, line: str, message: str) -> None:
    done = run("-c", f"machine generate {line}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"-c:1: machine generate: {message}\n"
    assert not home.exists()


@pytest.mark.parametrize("line", ["a --packages two", "a --interconnect star", "a --vendor arm", "a --l4 1MiB", ""])
def test_a_line_that_is_no_use_of_it_tells_how_it_is_written(run: Run, home: Path, line: str) -> None:
    done = run("-c", f"machine generate {line}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "; usage: machine generate NAME [--packages P]" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not home.exists()


def test_a_taken_name_says_how_to_replace_and_replacing_does(run: Run, home: Path) -> None:
    run("-c", "machine generate mine --cores 2")
    before = (home / "mine" / "cpuid.txt").read_bytes()
    refused = run("-c", "machine generate mine --cores 3")
    assert refused.stderr == (
        f"-c:1: machine generate: there is a machine mine already, {home / 'mine'}; "
        "--replace puts this one in its place\n"
    )
    assert (home / "mine" / "cpuid.txt").read_bytes() == before
    replaced = run("-c", "machine generate mine --cores 3 --replace", "-c", "machine list")
    assert replaced.returncode == 0
    assert "mine           1 package, 1 node each, 3 cores a node, 1 thread a core, 2.5 GHz." in replaced.stdout


def test_ctrl_c_leaves_a_whole_machine_or_none(environment: dict[str, str], home: Path) -> None:
    line = "machine generate large --packages 64 --cores 64"
    process = subprocess.Popen(
        [str(PILOTFISH), "-c", line], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    left = sorted(path.name for path in home.rglob("*")) if home.exists() else []
    assert left in ([], ["README.md", "acpi.txt", "cpuid.txt", "facts.pl", "large", "machine.toml"])


def test_the_example_of_its_help_works(run: Run) -> None:
    done = run("-c", COMMANDS["machine generate"].example)
    assert (done.returncode, done.stderr) == (0, "")
