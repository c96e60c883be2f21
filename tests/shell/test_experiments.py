"""`experiment` as a user runs it: tables, JSON, folders that are whole and never overwritten, errors in one line."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pexpect
import pytest

from kernel.experiments import ExperimentError, Parameter, Plot, experiments
from shell import plots

PILOTFISH = Path(os.environ.get("PILOTFISH_COMMAND") or Path(sys.executable).parent / "pilotfish")
SVG = "{http://www.w3.org/2000/svg}"

installed = pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")


def pilotfish(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TERM": "dumb"}
    return subprocess.run(
        [str(PILOTFISH), *arguments], capture_output=True, text=True, timeout=120, cwd=folder, env=environment
    )


@installed
def test_a_run_prints_its_table_and_keeps_everything_in_a_folder(tmp_path: Path) -> None:
    run = "experiment run rbed-soundness --set sets=5 --set seed=2"
    done = pilotfish(tmp_path, "-c", run)
    assert done.returncode == 0
    folder = tmp_path / "results" / "rbed-soundness-1"
    names = ["command.sh", "plot.png", "plot.svg", "results.csv", "smallest-barrelfish.cfg"]
    assert done.stderr == f"in results/rbed-soundness-1: {', '.join(names)}\n"
    assert sorted(os.listdir(folder)) == names
    assert os.listdir(tmp_path / "results") == ["rbed-soundness-1"]
    rows = list(csv.DictReader((folder / "results.csv").open()))
    shown = [line.split("  ") for line in done.stdout.splitlines()[1:7]]
    assert [cells[0] for cells in shown] == [row["family"] for row in rows]
    assert all(row["sets"] == "5" for row in rows)
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    text = " ".join(ElementTree.parse(folder / "plot.svg").getroot().itertext())
    assert "sets with a missed deadline (%" in text
    assert "barrelfish" in text
    # The case that it kept is one that schedsim panics on, as it said.
    said = next(line for line in done.stdout.splitlines() if line.startswith("schedsim"))
    again = pilotfish(folder, "-c", said.split(": ")[0])
    assert again.returncode == 1
    assert again.stderr.strip().endswith(said.split(": ", 1)[1])


@installed
def test_the_command_in_the_folder_makes_the_same_again_beside_it(tmp_path: Path) -> None:
    assert pilotfish(tmp_path, "--seed", "6", "-c", "experiment run rbed-soundness --set sets=3").returncode == 0
    first = tmp_path / "results" / "rbed-soundness-1"
    assert "--set=seed=6" in (first / "command.sh").read_text()
    environment = {**os.environ, "PATH": f"{PILOTFISH.parent}:{os.environ['PATH']}"}
    subprocess.run([str(first / "command.sh")], cwd=tmp_path, env=environment, check=True, capture_output=True)
    second = tmp_path / "results" / "rbed-soundness-2"
    assert sorted(os.listdir(first)) == sorted(os.listdir(second))
    for name in os.listdir(first):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


@installed
def test_json_has_the_rows_with_units_in_their_keys(tmp_path: Path) -> None:
    done = pilotfish(tmp_path, "--json", "-c", "experiment run rbed-soundness --set sets=3 --out here")
    result = json.loads(done.stdout)["result"]
    assert (result["name"], result["folder"], done.stderr) == ("rbed-soundness", "here", "")
    assert result["parameters"]["sets"] == 3
    assert {row["variant"]: row["misses"] for row in result["rows"]}["sound"] == 0
    assert {"miss_rate_percent", "low_95_percent", "high_95_percent"} <= result["rows"][0].keys()


@installed
def test_a_folder_with_something_in_it_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    done = pilotfish(tmp_path, "-c", "experiment run rbed-soundness --set sets=3 --out mine")
    assert done.returncode == 1
    assert done.stderr.endswith("--out mine: is there already and not an empty folder; name another\n")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"
    assert os.listdir(tmp_path) == ["mine"]


@installed
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run rbed-sound", "no experiment 'rbed-sound'; did you mean rbed-soundness?"),
        ("run elections", "no experiment 'elections'; experiment list lists them"),
        ("run rbed-soundness --set colour=red", "no key 'colour'; rbed-soundness takes sets (integer from 1 to"),
        ("run rbed-soundness --set sets", "'sets' is not KEY=VALUE; rbed-soundness takes sets (integer"),
        ("run rbed-soundness --set sets=0", "sets: '0' is no integer from 1 to 100000"),
        ("run rbed-soundness --set sets=many", "sets: 'many' is no integer from 1 to 100000"),
        ("run rbed-soundness --set utilisation=nan", "utilisation: 'nan' is no number from 0.1 to 0.9"),
        ("run rbed-soundness --out ''", "an empty FOLDER"),
        ("run rbed-soundness --out /dev/null/x", "/dev/null: cannot be written to: "),
    ],
)
def test_a_wrong_call_is_one_clear_line_and_leaves_nothing_behind(
    tmp_path: Path, arguments: str, message: str
) -> None:
    done = pilotfish(tmp_path, "-c", f"experiment {arguments}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"-c:1: experiment run: {message}")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@installed
def test_a_bar_shows_progress_on_a_terminal_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "TERM": "xterm-256color"}
    line = "experiment run rbed-soundness --set sets=100000"
    shell = pexpect.spawn(str(PILOTFISH), ["-c", line], cwd=tmp_path, env=environment, timeout=60, encoding="utf-8")  # type: ignore[arg-type]
    shell.expect(r"\d+/300000")
    assert [name[:16] for name in os.listdir(tmp_path / "results")] == [".rbed-soundness-"]
    time.sleep(0.2)
    shell.sendintr()
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 130
    assert os.listdir(tmp_path / "results") == []


@installed
def test_a_list_names_every_experiment_and_one_tells_its_facts_and_keys(tmp_path: Path) -> None:
    listed, one = map(json.loads, pilotfish(
        tmp_path, "--json", "-c", "experiment list", "-c", "experiment list rbed-soundness"
    ).stdout.splitlines())  # fmt: skip
    assert {each["name"] for each in listed["result"]} == set(experiments())
    assert {each["key"] for each in one["result"]["parameters"]} >= {"sets", "seed"}


@pytest.mark.parametrize("name", experiments())
def test_every_experiment_lists_the_facts_that_it_rests_on(name: str) -> None:
    experiment = experiments()[name]
    assert re.search(r"^Facts it rests on", experiment.details, re.MULTILINE)
    assert experiment.plots
    assert experiment.values([]) == {each.name: each.value(str(each.default)) for each in experiment.parameters}


def test_parameters_say_what_they_take() -> None:
    assert Parameter("cores", 4, "", at_least=1).type == "integer of at least 1"
    assert Parameter("share", 0.5, "", at_most=1).type == "number of at most 1"
    policy = Parameter("policy", "near", "", choices=("near", "spread"))
    assert (policy.type, policy.value("spread")) == ("near or spread", "spread")
    with pytest.raises(ExperimentError, match=r"^policy: 'far' is not near or spread$"):
        policy.value("far")


ROWS = [
    {"cores": cores, "policy": policy, "median_cycles": 100.0 * cores, "low_cycles": 80.0 * cores,
     "high_cycles": 130.0 * cores}
    for policy in ("near", "spread") for cores in (2, 4, 8)
]  # fmt: skip


@pytest.mark.parametrize("kind", ["bars", "lines"])
def test_the_same_rows_make_the_same_plot_with_its_axes_named(kind: str) -> None:
    plot = Plot(
        kind, "cores", "median_cycles", "policy", "A phase change", "cores", "median (cycles)",  # type: ignore[arg-type]
        low="low_cycles", high="high_cycles", x_scale="log", y_scale="linear",
    )  # fmt: skip
    files = plots.draw(plot, ROWS)
    assert files == plots.draw(plot, ROWS)
    texts = [element.text for element in ElementTree.fromstring(files["svg"]).iter(f"{SVG}text")]
    assert {"cores", "median (cycles)", "near", "spread", "A phase change", "2", "8"} <= set(texts)
