"""The picture of a schedule: it shows what the text shows, and where deadlines are missed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shell.commands  # noqa: F401 - registers the commands
from kernel.rbed import Rbed
from kernel.schedsim import TIMESLICE, SimulationPanic, read, simulate
from kernel.scheduling import BestEffort, Hard, Soft, Task, TaskParameters
from shell.errors import ShellError
from shell.output import Printer
from shell.registry import COMMANDS
from shell.schedule_svg import Lane, lanes, picture
from shell.session import Session

SVG = "{http://www.w3.org/2000/svg}"


def drawn(text: str, ticks: int, variant: str = "sound", quantum: int = 1) -> list[Lane]:
    return lanes(simulate(text, ticks, quantum, variant), read(text), variant)


def test_a_lane_has_the_marks_of_a_hard_task() -> None:
    hard, best_effort = drawn("0 H 4 10 0 6\n3 B 2\n", 26)
    assert (hard.kind, hard.parameters) == ("hard", "4 of 10 ticks by 6")
    assert hard.runs == ((0, 4), (10, 14), (20, 24))
    assert (hard.releases, hard.deadlines, hard.misses) == ((0, 10, 20), (6, 16, 26), ())
    assert (best_effort.kind, best_effort.parameters, best_effort.came) == ("best effort", "weight 2", 3)
    assert best_effort.runs == ((4, 10), (14, 20), (24, 26))
    assert best_effort.releases == (3,), "the simulator's release at tick 0 is of a task not there yet"


def test_the_miss_at_which_barrelfish_panics_is_marked() -> None:
    text = "0 H 4 24 0\n0 B 1\n"
    with pytest.raises(SimulationPanic) as panic:
        simulate(text)
    hard, best_effort = lanes(panic.value.schedule, read(text), "barrelfish")
    assert hard.misses == (240,)
    assert best_effort.misses == ()


def test_a_job_that_blocked_or_yielded_is_not_judged() -> None:
    text = "0 H 4 10 0\n1 d 0\n12 r 0\n22 y 0\n"
    (lane,) = drawn(text, 40)
    assert lane.blocked == ((1, 12),)
    assert lane.misses == ()
    assert lane.deadlines == (10, 20, 30, 40)


def test_events_that_the_simulator_never_comes_to_are_not_drawn() -> None:
    (lane,) = drawn("0 B 1\n30 d 0\n20 B 1\n25 r 0\n", 40)
    assert lane.blocked == ((30, 40),)


@st.composite
def tasks(draw: st.DrawFn) -> tuple[int, TaskParameters]:
    period = draw(st.sampled_from([8, 10, 20, 24, 50]))
    wcet = draw(st.integers(1, period // 2))
    kinds: list[TaskParameters] = [Soft(wcet, period), BestEffort(draw(st.integers(1, 5)))]
    return draw(st.integers(0, 40)), draw(st.sampled_from([*kinds, Hard(max(1, wcet // 4), period, period)]))


@settings(max_examples=60, deadline=None)
@given(st.lists(tasks(), min_size=1, max_size=6), st.sampled_from([1, 7]))
def test_misses_and_times_are_those_that_the_scheduler_counts(
    arrivals: list[tuple[int, TaskParameters]], quantum: int
) -> None:
    arrivals = sorted(arrivals, key=lambda arrival: arrival[0])
    ticks = 301
    text = ""
    scheduler = Rbed(TIMESLICE)
    made = []
    for now in range(ticks):
        for at, parameters in arrivals:
            if at == now:
                made.append(Task(len(made)))
                scheduler.add(made[-1], parameters, now)
                match parameters:
                    case Hard(wcet, period, _):
                        text += f"{at} H {wcet} {period} 0\n"
                    case Soft(wcet, period):
                        text += f"{at} S {wcet} {period}\n"
                    case BestEffort(weight):
                        text += f"{at} B {weight}\n"
                scheduler.dispatch(now)
        if now % quantum == 0:
            scheduler.dispatch(now)
    scheduler.dispatch(ticks)  # what is due by then is counted by then
    rows = drawn(text, ticks, quantum=quantum)
    for lane, task in zip(rows, made, strict=True):
        assert sum(end - start for start, end in lane.runs) == task.executed
        if isinstance(task.parameters, Soft) and quantum == 1:
            assert len(lane.misses) == task.misses
        if isinstance(task.parameters, Hard) and quantum == 1:
            assert lane.misses == ()


def test_the_svg_is_well_formed_and_says_what_it_shows() -> None:
    text = "0 H 4 24 0\n0 B 1\n"
    with pytest.raises(SimulationPanic) as panic:
        simulate(text)
    rows = lanes(panic.value.schedule, read(text), "barrelfish")
    root = ElementTree.fromstring(picture(rows, 241, "<a&b\x07>.cfg", str(panic.value)))
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "<a&b\\x07>.cfg"
    description = root.findtext(f"{SVG}desc") or ""
    assert "Task 0, hard, 4 of 24 ticks, came at 0 and ran 40 ticks, 1 of 10 deadlines missed: 240." in description
    texts = "".join(root.itertext())
    assert "time (ticks)" in texts
    assert "Missed hard deadline: now = 241, deadline = 240" in texts


@pytest.mark.parametrize("ticks", [1, 3, 40, 1000, 20_000])
def test_everything_is_within_the_picture_however_long_the_schedule(ticks: int) -> None:
    rows = drawn("0 H 4 10 0\n0 B 1\n", ticks)
    root = ElementTree.fromstring(picture(rows, ticks, "long"))
    width = float(root.get("width", 0))
    assert width < 4500
    for path in root.iter(f"{SVG}path"):
        assert all(0 <= float(x) <= width for x in re.findall(r"[MH](-?[\d.]+)", path.get("d", "")))


def test_boxes_are_as_wide_as_the_runs_are_long() -> None:
    root = ElementTree.fromstring(picture(drawn("0 H 4 10 0\n", 20), 20, "to scale"))
    box = next(p.get("d", "") for p in root.iter(f"{SVG}path") if p.get("fill") == "#0072B2")
    (first, first_end), (second, second_end) = (
        (float(a), float(b)) for a, b in re.findall(r"M([\d.]+) \d+v-\d+H([\d.]+)", box)
    )
    assert first_end - first == second_end - second == pytest.approx(0.4 * (second - first))


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(Printer(), "amd-4x4", "load_balance", 0)


def test_schedsim_draws_into_a_file_and_prints_as_without(session: Session, tmp_path: Path) -> None:
    configuration = tmp_path / "x.cfg"
    configuration.write_text("0 H 4 10 0\n0 B 1\n")
    result = COMMANDS["schedsim"].call(session, f"--svg {tmp_path}/x.svg {configuration} 40", {})
    assert result.show == simulate(configuration.read_text(), 40)
    assert result.remark == f"drawn in {tmp_path}/x.svg"
    assert (tmp_path / "x.svg").read_text().startswith("<svg ")


def test_a_panic_is_drawn_up_to_where_it_happened(session: Session, tmp_path: Path) -> None:
    configuration = tmp_path / "x.cfg"
    configuration.write_text("0 H 4 24 0\n0 B 1\n")
    with pytest.raises(ShellError, match=r"scheduler panic at tick 241: .*; .*x\.svg shows what was before$"):
        COMMANDS["schedsim"].call(session, f"--svg {tmp_path}/x.svg {configuration}", {})
    assert "Missed hard deadline" in (tmp_path / "x.svg").read_text()
    configuration.write_text("0 S 4 24\n")
    with pytest.raises(ShellError, match=r"scheduler panic at tick 0: Unimplemented!$"):
        COMMANDS["schedsim"].call(session, f"--svg {tmp_path}/y.svg {configuration}", {})
    assert not (tmp_path / "y.svg").exists()


def test_the_configuration_itself_is_never_drawn_over(session: Session, tmp_path: Path) -> None:
    configuration = tmp_path / "x.cfg"
    configuration.write_text("0 B 1\n")
    with pytest.raises(ShellError, match="is the configuration itself; name another file"):
        COMMANDS["schedsim"].call(session, f"--svg {configuration} {configuration}", {})
    assert configuration.read_text() == "0 B 1\n"
