"""`export` as a user runs it: from a placement to the file that a real machine takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from skb.export import FORMATS

PILOTFISH = Path(os.environ.get("PILOTFISH_COMMAND") or Path(sys.executable).parent / "pilotfish")

pytestmark = pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")


def pilotfish(*commands: str, options: tuple[str, ...] = (), **more: object) -> subprocess.CompletedProcess[str]:
    words = [word for each in commands for word in ("-c", each)]
    return subprocess.run(
        [str(PILOTFISH), *options, *words], capture_output=True, text=True, timeout=60, **more,  # type: ignore[call-overload]
    )


def test_a_job_goes_from_its_policy_to_a_file(tmp_path: Path) -> None:
    done = pilotfish(
        "policy use scatter", "spawn -n 4 barrier", "export barrier --as slurm --to job.sh -- ./mine --size 3",
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "job.sh: barrier for slurm")
    last = (tmp_path / "job.sh").read_text().splitlines()[-1]
    assert "--cpu-bind=map_cpu:0,4,8,12 --mem-bind=map_mem:0,1,2,3 " in last
    assert last.endswith(" ./mine --size 3")


@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset is not installed")
def test_a_placement_on_this_computer_is_taken_by_its_taskset(tmp_path: Path) -> None:
    """Import the computer, place a job on it, and start one as the setting says."""
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    core = max(os.sched_getaffinity(0))
    if pilotfish("machine import here --host", env=environment).returncode:
        pytest.skip("this computer does not tell what it is")
    done = pilotfish(
        f"spawn -c {core} barrier",
        "export barrier --as taskset --to start.sh -- grep Cpus_allowed_list /proc/self/status",
        options=("-m", "here"), cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    started = subprocess.run(["sh", "start.sh"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert started.stdout.split() == ["Cpus_allowed_list:", str(core)]


def test_json_tells_the_text_and_its_fields() -> None:
    exports = (f"export barrier --as {name}" for name in FORMATS)
    done = pilotfish("spawn -c 5,4 barrier", *exports, options=("--json",))
    objects = [json.loads(line)["result"] for line in done.stdout.splitlines()[1:]]
    assert [each["format"] for each in objects] == list(FORMATS)
    assert all(each["cores"] == [5, 4] and each["text"] for each in objects)
    assert objects[2]["setting"]["OMP_PLACES"] == "{5},{4}"


def test_the_current_phase_is_exported_and_a_shorter_period_has_priority(tmp_path: Path) -> None:
    for name, period in (("short", 50), ("long", 400)):
        (tmp_path / name).write_text(f"B 1\nH 10 {period}\n")
    done = pilotfish(
        "spawn -n 2 -m short --name short cpu_bound", "spawn -n 2 -m long --name long cpu_bound",
        "export short --as systemd", "phase short 1", "phase long 1",
        "export short --as systemd", "export long --as systemd", cwd=tmp_path,
    )
    found = [line for line in done.stdout.splitlines() if line.startswith(("CPUWeight", "CPUSchedulingPriority"))]
    assert found == ["CPUWeight=100", "CPUSchedulingPriority=2", "CPUSchedulingPriority=1"]


@pytest.mark.parametrize(
    ("machine", "spawned", "command", "said"),
    [
        ("amd-4x4", "spawn barrier", "export nobody --as omp", "no domain 'nobody'"),
        ("amd-4x4", "spawn barrier", "export barrier --as taskset2", "no format 'taskset2'; did you mean taskset?"),
        ("amd-4x4", "spawn barrier", "export barrier --as windows", "no format 'windows'; there are taskset,"),
        ("amd-4x4", "spawn barrier", "export barrier", "missing option '--as'"),
        ("amd-4x4", "spawn barrier", "export barrier --as systemd ./mine", "absolute path, not './mine'"),
        ("amd-4x4", "spawn barrier", "export barrier --as omp --to /nowhere/x", "/nowhere/x: cannot be written"),
        ("amd-4x4", "spawn -n 16 barrier", "export barrier --as kubelet", "barrier takes every CPU there is"),
        ("scc", "spawn -c 1,2 barrier", "export barrier --as taskset", "cores 1 and 2 have no coherent caches"),
    ],
)
def test_what_cannot_be_exported_is_told_in_a_line(machine: str, spawned: str, command: str, said: str) -> None:
    done = pilotfish(spawned, command, options=("-m", machine))
    assert done.returncode != 0
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_domain_that_has_ended_is_placed_nowhere() -> None:
    done = pilotfish("spawn barrier", "kill barrier", "export 1 --as omp")
    assert done.stderr.splitlines()[-1].endswith("barrier is killed: it is placed nowhere")
