"""`machine import` as a user runs it: what it prints, what it refuses, and that the machine boots afterwards."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AMD = ROOT / "machines" / "amd-4x4"
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
    def pilotfish(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PILOTFISH), *arguments], capture_output=True, text=True, timeout=120, env=environment,
            stdin=subprocess.DEVNULL, **options,  # type: ignore[call-overload]
        )

    return pilotfish


def left_in(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*")) if home.exists() else []


def test_an_import_tells_what_each_file_was_and_how_to_boot(run: Run) -> None:
    done = run("-c", f"machine import mine {AMD / 'acpi.txt'} {AMD / 'cpuid.txt'} --clock 2.5GHz")
    assert (done.returncode, done.stderr) == (0, "")
    heading, acpi, cpuid, last = done.stdout.splitlines()
    assert heading.split() == ["imported", "from", "kind", "file", "facts"]
    assert acpi.split() == [str(AMD / "acpi.txt"), "acpi", "acpi.txt", "68"]
    assert cpuid.split() == [str(AMD / "cpuid.txt"), "cpuid", "cpuid.txt", "1264"]
    assert last == (
        "mine: 16 cores, 4 packages, 4 NUMA nodes, 2.500 GHz, 1349 facts; boot it with `pilotfish -m mine`"
    )


def test_an_imported_machine_boots_and_runs(run: Run) -> None:
    assert run("-c", f"machine import mine {AMD}").returncode == 0
    done = run("-m", "mine", "-c", "nproc", "-c", "cpus", "-c", "spawn -n 4 barrier", "-c", "run 100ms", "-c", "ps")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "16"
    assert done.stdout.count("2.500 GHz") == 16
    listed = run("-c", "machine list").stdout
    (line,) = [line for line in listed.splitlines() if line.startswith("mine ")]
    assert "  16 cores, 4 packages, 4 NUMA nodes, 2.500 GHz; imported on " in line


def test_json_has_all_of_it_as_data(run: Run, home: Path, tmp_path: Path) -> None:
    shutil.copytree(AMD, tmp_path / "dumps")
    done = run("--json", "-c", f"machine import mine {tmp_path / 'dumps'}")
    (answer,) = map(json.loads, done.stdout.splitlines())
    result = answer["result"]
    assert answer["ok"] and done.stderr == ""
    assert result["parts"][0] == {
        "origin": f"{tmp_path}/dumps/acpi.txt", "kind": "acpi", "file": "acpi.txt", "facts": 68,
    }
    assert {each["origin"] for each in result["left_out"]} == {
        f"{tmp_path}/dumps/README.md", f"{tmp_path}/dumps/machine.toml",
    }
    assert (result["name"], result["path"]) == ("mine", str(home / "mine"))
    assert {key: result[key] for key in ("cores", "packages", "nodes", "clocks_hz", "contradictions", "remarks")} == {
        "cores": 16, "packages": 4, "nodes": 4, "clocks_hz": [2500000000], "contradictions": 0, "remarks": [],
    }


def test_what_was_assumed_is_remarked_on_standard_error(run: Run) -> None:
    done = run("-c", f"machine import mine {AMD / 'cpuid.txt'}")
    assert done.stderr == (
        "no dump tells the clock of all 16 cores: 1 GHz is assumed, so that a cycle is 1 ns; "
        "--clock 2.5GHz states it\n"
    )
    assert "1.000 GHz" in done.stdout


def test_files_of_folders_that_are_no_dumps_take_one_line(run: Run, tmp_path: Path) -> None:
    shutil.copy(AMD / "cpuid.txt", tmp_path)
    for number in range(8):
        (tmp_path / f"note{number}").write_text("nothing\n")
    done = run("-c", f"machine import mine {tmp_path} --clock 1GHz")
    assert "left out: note0, note1, note2, note3, note4, ...: 8 files of no known kind" in done.stdout.splitlines()


def test_paths_are_sought_here_and_then_beside_the_batch_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "beside").mkdir()
    shutil.copy(AMD / "cpuid.txt", tmp_path / "here")
    shutil.copy(AMD / "acpi.txt", tmp_path / "beside")
    (tmp_path / "beside" / "scenario.fish").write_text("machine import mine cpuid.txt acpi.txt\n")
    done = run("../beside/scenario.fish", cwd=tmp_path / "here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[1:] == ["acpi", "acpi.txt", "68"]


@pytest.mark.skipif(not Path("/sys/devices/system/cpu/cpu0/topology").exists(), reason="this system has no /sys")
def test_the_machine_that_pilotfish_runs_on(run: Run) -> None:
    done = run("-c", "machine import here --host")
    assert done.returncode == 0, done.stderr
    assert run("-m", "here", "-c", "nproc").stdout == f"{len_online()}\n"


def len_online() -> int:
    parts = Path("/sys/devices/system/cpu/online").read_text().strip().split(",")
    ends = [part.split("-") for part in parts]
    return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)


MISTAKES = [
    ("", "missing argument 'NAME'; usage: machine import NAME [PATH]... [--host] [--replace] [--clock CLOCK]"),
    ("mine", "nothing to import: name files or folders, or --host"),
    ("mine nowhere", "no file or folder 'nowhere'"),
    ("mine ~nobody-of-that-name/x", "no file or folder '~nobody-of-that-name/x'"),
    ("mine ''", "an empty PATH; '.' is the current folder"),
    ("mine/.. {amd}", "'mine/..' is no name for a machine"),
    ("amd-4x4 {amd} --replace", "amd-4x4 is a machine that comes with Pilotfish; take another name"),
    ("mine {amd}/README.md", "README.md: no dump of a known kind; recognised are acpidump text"),
    ("mine {amd}/latency.csv", "no cores: there is latency only"),
    ("mine {amd}/acpi.txt {other}", "are both acpi: a machine has one; name one of them"),
    ("mine {amd} --clock fast", "'fast' is no clock; write 2.5GHz or 800MHz"),
    ("mine {amd} --clock 0", "'0' is no clock"),
    ("mine {amd} --clock -1", "'-1' is no clock"),
    ("mine {amd} --clock 999999GHz", "is no clock"),
    ("mine {cut}", "cut.txt:"),
    ("mine --hosts", "no such option"),
]


def test_a_mistake_is_one_line_and_nothing_is_written(run: Run, home: Path, tmp_path: Path) -> None:
    shutil.copy(AMD / "acpi.txt", tmp_path / "other.txt")
    text = (AMD / "acpi.txt").read_text()
    (tmp_path / "cut.txt").write_text(text[: text.index("SRAT") + 200])
    names = {"amd": AMD, "other": tmp_path / "other.txt", "cut": tmp_path / "cut.txt"}
    script = tmp_path / "mistakes.fish"
    script.write_text("".join(f"- machine import {words.format(**names)}\n" for words, _ in MISTAKES) + "nproc\n")
    done = run(str(script))
    assert (done.returncode, done.stdout) == (0, "16\n")
    told = done.stderr.splitlines()
    assert len(told) == len(MISTAKES), "one line each"
    for number, (line, (_, message)) in enumerate(zip(told, MISTAKES, strict=True), 1):
        assert line.startswith(f"{script}:{number}: machine import: ")
        assert message in line
    assert left_in(home) == []


@pytest.mark.parametrize("clock", ["2.5GHz", "2.5 GHz", "2500MHz", "2500mhz", "2500000000", "2500000kHz", "2.5G"])
def test_clocks_are_written_as_people_write_them(run: Run, clock: str) -> None:
    done = run("--json", "-c", f"machine import mine {AMD / 'cpuid.txt'} --clock '{clock}'")
    assert json.loads(done.stdout)["result"]["clocks_hz"] == [2_500_000_000]


def test_a_taken_name_says_how_to_replace_and_replacing_does(run: Run, home: Path) -> None:
    run("-c", f"machine import mine {AMD}")
    before = (home / "mine" / "README.md").read_text()
    refused = run("-c", f"machine import mine {AMD / 'cpuid.txt'}")
    assert refused.returncode == 1
    where = home / "mine"
    assert f"there is a machine mine already, {where}; --replace puts this one in its place" in refused.stderr
    assert (home / "mine" / "README.md").read_text() == before
    assert run("-c", f"machine import mine {AMD / 'cpuid.txt'} --replace").returncode == 0
    assert left_in(home) == ["mine", "mine/README.md", "mine/cpuid.txt", "mine/facts.pl"]


def test_the_booted_machine_can_be_replaced_and_reset(run: Run) -> None:
    run("-c", f"machine import mine {AMD}")
    few = f"machine import mine {AMD / 'cpuid.txt'} --replace --clock 1GHz"
    done = run("-m", "mine", "-c", few, "-c", "skb clock_hz(0, H)", "-c", "reset", "-c", "skb clock_hz(0, H)")
    assert [line.strip() for line in done.stdout.splitlines()[-4:]] == ["H, Hz", "2500000000", "H, Hz", "1000000000"]


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="this system limits no files")
def test_a_file_that_cannot_grow_leaves_the_machine_before_in_place(run: Run, home: Path) -> None:
    """A limit on the size of files fails writes as a full disk does, in the middle."""
    run("-c", f"machine import mine {AMD / 'acpi.txt'}")
    before = left_in(home)
    done = run(
        "-c", f"machine import mine {AMD} --replace",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert done.returncode == 1
    assert done.stderr == f"-c:1: machine import: {home / 'mine'}: not written: file too large; nothing was written\n"
    assert left_in(home) == before


def test_ctrl_c_leaves_a_whole_machine_or_none(environment: dict[str, str], home: Path, tmp_path: Path) -> None:
    chance = random.Random(4)
    outcomes = set()
    for _ in range(8):
        shutil.rmtree(tmp_path / "data", ignore_errors=True)
        process = subprocess.Popen(
            [str(PILOTFISH), "-c", "echo up", "-c", f"machine import mine {AMD}"], env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        assert process.stdout
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.25))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors
        assert "internal error" not in errors
        there = [path for path in left_in(home) if "/" not in path]
        assert there in ([], ["mine"])
        if there:
            assert {"mine/README.md", "mine/acpi.txt", "mine/cpuid.txt", "mine/facts.pl"} <= set(left_in(home))
        outcomes.add((process.returncode, bool(there)))
    assert (130, False) in outcomes, "none was interrupted in time; the test must be mended"


def test_help_says_what_is_recognised(run: Run) -> None:
    told = run("-c", "help machine import").stdout
    for what in ("acpidump", "lspci", "CPUID", "hwloc-gather-topology", "/proc/cpuinfo", "lstopo", "latencies"):
        assert what in told
    for flag in ("--host", "--replace", "--clock CLOCK"):
        assert flag in told
