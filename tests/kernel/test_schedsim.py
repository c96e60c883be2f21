"""Barrelfish's scheduler simulator: the cases of its own repository, and its rough edges."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernel.schedsim import ConfigError, SimulationPanic, read, simulate, unreached

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
CASES = sorted((SHARED / "data" / "schedsim").glob("*.cfg"))


@pytest.mark.skipif(not CASES, reason="Barrelfish's scheduler cases are not here")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_schedule_is_byte_for_byte_barrelfishs(case: Path) -> None:
    expected = case.with_suffix(".txt").read_bytes()
    assert simulate(case.read_text(), name=case.name).encode() == expected


def rows(schedule: str) -> list[str]:
    return [line[5:] for line in schedule.splitlines()[4:]]


def test_a_schedule_is_four_rulers_and_two_rows_a_task() -> None:
    assert simulate("0 H 4 10 3\n0 B 1\n", runtime=12).splitlines() == [
        "     0           ",
        "     0           ",
        "     0         1 ",
        "     012345678901",
        "h 0: ####      ##",
        "     r         r ",
        "b 1:     ######  ",
        "     r           ",
    ]


def test_a_task_not_there_yet_shows_a_release_at_tick_0() -> None:
    assert rows(simulate("3 B 1\n", runtime=6)) == ["   ###", "r  r  "]


def test_half_a_tick_of_budget_is_rounded_down() -> None:
    # A share of 1 - 79/160 of a timeslice of 80 is 40.5 ticks.
    assert rows(simulate("0 B 1\n0 H 79 160 1\n", runtime=80))[0] == "#" * 40 + " " * 40


def test_between_quanta_only_events_decide() -> None:
    assert rows(simulate("0 H 2 10 1\n3 B 1\n", runtime=12, quantum=5))[0] == "###       ##"


def test_a_switch_runs_a_task_without_asking_the_scheduler() -> None:
    quantum_ends = rows(simulate("0 B 1\n0 B 1\n2 d 1\n3 c 1\n", runtime=8, quantum=5))
    assert quantum_ends[0] == "###  ###"
    assert quantum_ends[2] == "   ##   "


def test_a_panic_names_its_tick_and_keeps_the_schedule_before_it() -> None:
    with pytest.raises(SimulationPanic) as panic:
        simulate("0 H 4 24 0\n0 B 1\n")
    assert str(panic.value) == (
        "scheduler panic at tick 241: Missed hard deadline: now = 241, deadline = 240"
    )
    assert panic.value.schedule == simulate("0 H 4 24 0\n0 B 1\n", runtime=241)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 H 60 100 1\n0 H 31 100 1\n", "RBED scheduler overload (loaded 101%)!"),
        ("0 S 4 10\n", "Unimplemented!"),
        ("0 B 4294\n", "assertion failed: weight 4294 < 4294"),
        ("0 H 0 10 1\n", "livelock: no task has a budget at 0; the kernel hangs"),
    ],
)
def test_what_barrelfish_cannot_do_panics_as_there(text: str, message: str) -> None:
    with pytest.raises(SimulationPanic) as panic:
        simulate(text)
    assert str(panic.value) == f"scheduler panic at tick 0: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# a comment\n\n0 H 4 10\n", "x.cfg:3: '0 H 4 10' is no event: expected TIME H"),
        ("0 B\n", "x.cfg:1: '0 B' is no event"),
        ("zero B 1\n", "x.cfg:1: 'zero B 1' is no event"),
        ("0 B -1\n", "x.cfg:1: '0 B -1' is no event"),
        ("0 H 4 10 12 -1\n", "x.cfg:1: '0 H 4 10 12 -1' is no event"),
        ("0 H 4 0 1\n", "x.cfg:1: a period of 0"),
        ("0 B 1\n5 d 1\n", "x.cfg:2: there is no task 1 at tick 5"),
        ("0 c 10\n", "x.cfg:1: there is no task 10"),
        ("0 B 1\n" * 11, "x.cfg:11: more than 10 tasks"),
    ],
)
def test_a_bad_line_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        simulate(text, name="x.cfg")
    assert str(error.value).startswith(message)


def test_what_follows_the_numbers_is_not_looked_at() -> None:
    assert read("0 B 1 # the editor\n") == read("0 B 1\n")


def test_numbers_are_read_as_sscanf_reads_them() -> None:
    plain = read("0 H 4 10 3 8\n5 B 12\n")
    assert read("+0H+4 10\t3 8x\r\n 5B12\r\n") == plain
    assert read("0 H 4 10 3 x\n")[0].numbers == (4, 10, 3)
    assert read("0 H 4 10 31\n")[0].numbers == (4, 10, 31)


def test_a_line_out_of_order_stops_all_that_follow() -> None:
    text = "0 B 1\n9 d 0\n5 r 0\n12 r 0\n"
    assert rows(simulate(text, runtime=20))[0].rstrip() == "#" * 9
    late = unreached(read(text))
    assert late is not None
    assert late.line == 3


def test_the_sound_variant_meets_the_deadline_that_barrelfish_misses() -> None:
    schedule = rows(simulate("0 H 4 24 0\n0 B 1\n", runtime=2400, variant="sound"))
    assert all(schedule[0][t : t + 24].count("#") == 4 for t in range(0, 2400, 24))
    assert schedule[2].count("#") == 2000


def test_the_sound_variant_knows_soft_real_time_and_no_directed_switch() -> None:
    schedule = rows(simulate("0 S 4 10\n0 B 1\n5 d 1\n7 r 1\n8 y 1\n", runtime=10, variant="sound"))
    assert schedule[0] == "####      "
    assert schedule[2] == "    #  ###"
    with pytest.raises(ConfigError, match="part of Barrelfish's variant only"):
        simulate("0 B 1\n0 c 0\n", variant="sound")
    with pytest.raises(ConfigError, match=r"cfg:2: overcommitted: asked for 0\.500"):
        simulate("0 H 5 10 0\n0 H 5 10 0\n", variant="sound")


def test_a_variant_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="no variant 'cfs': barrelfish or sound"):
        simulate("0 B 1\n", variant="cfs")
    with pytest.raises(ValueError, match="must be positive"):
        simulate("0 B 1\n", quantum=0)
