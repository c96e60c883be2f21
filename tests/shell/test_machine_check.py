"""`machine check` as a user runs it: tables, lines, JSON, and what stops a batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("PILOTFISH_SHARED", ROOT / ".." / "shared"))
SNAPSHOT = SHARED / "data" / "sysfs" / "hwloc" / "16amd64-8n2c"
needs_snapshot = pytest.mark.skipif(not SNAPSHOT.is_dir(), reason="no snapshots beside the checkout (shared/data)")


Done = subprocess.CompletedProcess[str]


def pilotfish(*arguments: str, stdin: str | None = None, folder: Path | None = None) -> Done:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return subprocess.run(
        [sys.executable, "-m", "shell.main", *arguments], input=stdin, capture_output=True, text=True, timeout=60,
        cwd=folder, env={**os.environ, "PYTHONPATH": path, "XDG_DATA_HOME": str(folder or ROOT / "nowhere")},
    )  # fmt: skip


def result(*commands: str, folder: Path | None = None) -> dict[str, Any]:
    """The JSON object of the last command."""
    done = pilotfish("--json", *(word for command in commands for word in ("-c", command)), folder=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["result"]
    return found


def test_a_sound_machine_is_told_in_two_lines() -> None:
    done = pilotfish("-c", "machine check intel-2x4")
    assert done.returncode == 0
    first, last = done.stdout.splitlines()
    assert first.startswith("intel-2x4: 8 cores; facts: a_priori ")
    assert last == "no contradictions, no errors, no warnings, no notes"


def test_a_contradiction_names_both_sources_and_a_finding_its_severity(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    shipped = ROOT / "machines" / "intel-2x4"
    (folder / "cpuid.txt").write_bytes((shipped / "cpuid.txt").read_bytes())
    (folder / "facts.pl").write_text("cpu_clock(0, 1000000000).\nht_link(0, 9).\n")
    done = pilotfish("-c", f"machine check {folder}")
    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "believed source overruled source"
    assert lines[1].startswith("cpu_clock(0,1000000000) a_priori cpu_clock(0,")
    assert lines[1].endswith(" cpuid")
    assert "error link_to_nowhere package 9: an ht_link is stated, but no core is there" in lines
    assert lines[-1] == "1 contradiction, 1 error, 2 warnings, no notes"
    data = result(f"machine check {folder}")
    assert data["counts"] == {"contradictions": 1, "errors": 1, "warnings": 2, "notes": 0}
    assert data["contradictions"][0]["source"] == "a_priori"
    assert {each["rule"] for each in data["findings"]} == {
        "link_to_nowhere", "clocks_differ_in_kind", "package_unreachable",
    }  # fmt: skip


def test_the_booted_machine_is_checked_with_what_was_asserted_and_expect_stops_a_batch() -> None:
    sound = "expect \\+ finding(error, _, _)\n"
    done = pilotfish("-", stdin=f"{sound}assert ht_link(0, 77)\nmachine check\n{sound}")
    assert done.returncode == 1
    assert "package 77: an ht_link is stated" in done.stdout
    assert "expected \\+ finding(error, _, _), which does not hold" in done.stderr


def test_many_of_a_kind_are_counted_and_all_lists_them(tmp_path: Path) -> None:
    facts = "".join(f"cpu_clock({core}, {core + 1}000000000).\n" for core in range(8))
    (tmp_path / "cpuid.txt").write_bytes((ROOT / "machines" / "intel-2x4" / "cpuid.txt").read_bytes())
    (tmp_path / "facts.pl").write_text(facts)
    few = pilotfish("-c", f"machine check {tmp_path}").stdout
    every = pilotfish("-c", f"machine check {tmp_path} --all").stdout
    hidden = int(few.partition(" more of cpu_clock, a_priori and cpuid")[0].split()[-1])
    assert hidden and " more of " not in every
    assert every.count("cpu_clock(") - few.count("cpu_clock(") == 2 * hidden


@needs_snapshot
def test_a_real_machine_is_equal_to_what_lstopo_says_of_it() -> None:
    tree, reference = SNAPSHOT / "16amd64-8n2c.tar.bz2", SNAPSHOT / "lstopo-2.9-whole.xml"
    done = pilotfish("-c", f"machine check {tree} --against {reference}")
    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "what machine reference equal"
    assert "packages 8 8 yes" in lines and "NUMA nodes 8 8 yes" in lines and "NUMA distances 64 64 yes" in lines
    assert lines[-1] == "equal in all 160 objects that both state"
    data = result(f"machine check {tree} --against {reference}")
    assert (data["equal"], data["differences"]) == (True, 0)
    assert {each["what"]: each["reference"] for each in data["kinds"]}["hardware threads"] == 16


@needs_snapshot
def test_what_differs_is_listed_line_by_line(tmp_path: Path) -> None:
    xml = (SNAPSHOT / "lstopo-2.9-whole.xml").read_text()
    (tmp_path / "changed.xml").write_text(xml.replace('cache_size="1048576"', 'cache_size="2097152"', 1))
    tree = SNAPSHOT / "16amd64-8n2c.tar.bz2"
    done = pilotfish("-c", f"machine check {tree} --against changed.xml", folder=tmp_path)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert "L2 cache of CPU 0: 1 MiB, 2 MiB in the reference" in lines
    assert lines[-1] == "1 difference"
    data = result(f"machine check {tree} --against changed.xml", folder=tmp_path)
    (kind,) = [each for each in data["kinds"] if not each["equal"]]
    assert kind["different"] == [{"what": "L2 cache of CPU 0", "machine": "1 MiB", "reference": "2 MiB"}]


MISTAKES = [
    ("machine check nowhere", "no machine 'nowhere'"),
    ("machine check amd-4x5", "did you mean amd-4x4?"),
    ("machine check --against nowhere.xml", "no file 'nowhere.xml'; lstopo nowhere.xml makes one"),
    ("machine check --against .", "'.' is a folder"),
    ("machine check --against ''", "an empty FILE"),
    ("machine check --against broken.xml", "broken.xml:1:"),
    ("machine check empty", "empty: no"),
    ("machine check two", "are both hwloc: a machine has one; name one of them"),
    ("machine check bad", "facts.pl:1: no fact cpu_tread/4; did you mean cpu_thread/4?"),
]


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "broken.xml").write_text("<html/>")
    for name in ("empty", "two", "bad"):
        (folder / name).mkdir()
    for name in ("a.xml", "b.xml"):
        (folder / "two" / name).write_text(
            f'<topology version="2.0"><object type="PU" os_index="0" cpuset="0x1" name="{name}"/></topology>'
        )
    (folder / "bad" / "facts.pl").write_text("cpu_tread(0, 0, 0, 0).\n")
    return pilotfish("-", stdin="".join(f"- {command}\n" for command, _ in MISTAKES), folder=folder)


@pytest.mark.parametrize(("number", "message"), [(n, message) for n, (_, message) in enumerate(MISTAKES)])
def test_a_mistake_is_told_in_one_line(
    mistaken: Done, number: int, message: str
) -> None:
    lines = mistaken.stderr.splitlines()
    assert len(lines) == len(MISTAKES), mistaken.stderr
    assert message in lines[number]
    assert f"-:{number + 1}: " in lines[number]
