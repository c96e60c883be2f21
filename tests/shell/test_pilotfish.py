"""The installed command as a user runs it: batch files, pipes, JSON, exit statuses, errors."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import shell.commands  # noqa: F401  (fills the registry)
from shell.registry import named

PILOTFISH = Path(os.environ.get("PILOTFISH_COMMAND") or Path(sys.executable).parent / "pilotfish")

pytestmark = pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")


def pilotfish(*arguments: str | bytes, stdin: str | None = "", **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TERM": "dumb"}
    return subprocess.run(
        [str(PILOTFISH), *arguments], input=stdin, capture_output=True, text=True, timeout=120, env=environment,
        **options,  # type: ignore[call-overload]
    )


def results(*arguments: str, stdin: str | None = "") -> list[dict[str, object]]:
    """The JSON objects that `pilotfish --json` prints."""
    return [json.loads(line) for line in pilotfish("--json", *arguments, stdin=stdin).stdout.splitlines()]


def test_the_demo_shows_what_a_gang_is_good_for() -> None:
    """§3.1.2: the whole scenario, through the installed command."""
    demo = Path(__file__).resolve().parents[2] / "shell" / "scenarios" / "demo.fish"
    done = pilotfish("--json", str(demo))
    assert (done.returncode, done.stderr) == (0, "")
    listings = [o["result"] for o in map(json.loads, done.stdout.splitlines()) if o["command"] == "ps"]
    assert len(listings) == 2
    best_effort, gang = ({d["name"]: d["progress"] for d in listing} for listing in listings)
    assert gang["barrier"] > 100 * best_effort["barrier"] > 0
    assert best_effort["cpu_bound"] > 0
    assert gang["cpu_bound"] > 0


def test_questions_are_answered_by_rules() -> None:
    assert results("-c", "skb 'shares_cache(0,X,3)'") == [
        {"command": "skb", "ok": True, "result": [{"X": 1}, {"X": 2}, {"X": 3}]}
    ]
    assert results("-c", "?- distance(0,12,D).")[0]["result"] == [{"D": 558}]


def test_plain_text_is_aligned_and_without_colour() -> None:
    done = pilotfish("-c", "skb core(X), X < 3")
    assert done.stdout == "X\n0\n1\n2\n"


def test_a_batch_file_takes_arguments_and_stops_at_the_first_error(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.fish"
    scenario.write_text("#!/usr/bin/env pilotfish\necho $1 of $#\n- kill 99\n\nspawn foo\necho never\n")
    done = pilotfish(str(scenario), "one")
    assert done.returncode == 1
    assert done.stdout == "one of 1\n"
    assert done.stderr.splitlines()[-1] == f"{scenario}:5: spawn: no program 'foo'; programs lists them"


MISTAKES = [
    ("spwan barrier", "did you mean spawn?"),
    ("spawn foo", "no program 'foo'; programs lists them"),
    ("spawn -x barrier", "no such option"),
    ("spawn", "missing argument"),
    ("spawn -n 0 barrier", "at least one dispatcher"),
    ("spawn -n x barrier", "not a valid integer"),
    ("spawn -c 99 barrier", "no core 99; cores are 0-15"),
    ("spawn -c 3-0 barrier", "runs backwards"),
    ("spawn -c zero barrier", "no list of cores"),
    ("spawn -m nowhere.manifest barrier", "no file 'nowhere.manifest'"),
    ("kill 7", "no domain '7'; ps lists them"),
    ("phase nobody 1", "no domain 'nobody'"),
    ("run forever", "no duration"),
    ("run 99999999s", "longer than"),
    ("schedule --from 5s --to 1s", "nothing lies"),
    ("schedule 77", "no core 77"),
    ("skb foo(X", "syntax error"),
    ("skb repeat, fail", "stopped after 20,000,000 inferences"),
    ("skb nosuch(X)", "no predicate nosuch/1"),
    ("assert nosuch(1)", "no fact nosuch/1"),
    ("retract core_load(99, _)", "no fact matches"),
    ("facts cpu_treads", "no fact cpu_treads"),
    ("machine show nomachine", "no machine 'nomachine'"),
    ("policy use nopolicy", "nopolicy"),
    ("help spwan", "did you mean spawn?"),
    ("src nowhere.fish", "no file 'nowhere.fish'"),
    ("setenv 1x 2", "no name for a variable"),
    ("echo $NOWHERE", "NOWHERE is not set"),
    ("echo 'open", "is not closed"),
    ("expect distance(0, 12, D), D > 1000", "which does not hold"),
    ("expect", "which goal or test?"),
    ("expect nobody.progress > 1", "no domain 'nobody'"),
    ("expect time < 1us", "but time is"),
    ("skb", "which goal?"),
    ("skb --limit 0 core(X)", "0 is not in the range"),
    ("skb numlist(1, 20000, L), foldl([_, A, f(A)]>>true, L, z, R)", "nested too deeply"),
    ("consult nowhere.pl", "no file 'nowhere.pl'"),
    ("consult /", "'/' is a folder"),
    ("oncore x cpu_bound", "no list of cores"),
    ("oncore 0-3 cpu_bound", "spawn -c 0-3 cpu_bound takes them all"),
    ("machine mend", "no machine mend; there is machine list, machine show"),
    ("policy", "policy what; there is policy list, policy use"),
    ("manifest 3", "no domain '3'"),
    ("explain 3", "no domain '3'"),
    ("explain", "which domain, or which goal?"),
    ("explain shell(ls)", "may not be called from here"),
    ("explain no_such(X)", "no predicate no_such/1"),
    ("explain core(X", "syntax error"),
    ("explain true), shell(ls), (true", "syntax error"),
    ("domain nobody", "no domain 'nobody'"),
    ("ps now", "unexpected extra argument"),
    ("printenv NOWHERE", "NOWHERE is not set"),
    ("src", "missing argument"),
]


@pytest.fixture(scope="module")
def mistaken() -> tuple[subprocess.CompletedProcess[str], list[dict[str, object]]]:
    """One batch that makes every mistake, as text and as JSON."""
    script = "".join(f"- {command}\nnproc\n" for command, _ in MISTAKES)
    return pilotfish("-", stdin=script), results("-", stdin=script)


@pytest.mark.parametrize(("number", "command", "message"), [(n, *each) for n, each in enumerate(MISTAKES)])
def test_a_mistake_is_told_in_one_line_and_the_session_goes_on(
    mistaken: tuple[subprocess.CompletedProcess[str], list[dict[str, object]]],
    number: int, command: str, message: str,
) -> None:
    done, objects = mistaken
    assert done.returncode == 0
    assert done.stdout == "16\n" * len(MISTAKES)
    told = done.stderr.splitlines()
    assert len(told) == len(MISTAKES), "one line each"
    where, name = f"-:{2 * number + 1}", named(command)
    assert told[number].startswith(f"{where}: {name}: ")
    assert re.search(message, told[number])
    failed, after = objects[2 * number : 2 * number + 2]
    assert failed == {
        "command": name, "ok": False, "where": where,
        "error": told[number].removeprefix(f"{where}: {name}: "),
    }
    assert after == {"command": "nproc", "ok": True, "result": 16}


def test_a_domain_of_absurd_size_is_refused_in_words() -> None:
    assert "dispatchers" in pilotfish("-c", "spawn -n 99999999999 barrier").stderr


def test_rules_that_were_consulted_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "late.pl").write_text("late(Core) :- core(Core), Core > 13.\n")
    answers = results("-c", f"consult {tmp_path / 'late.pl'}", "-c", "skb late(X)")[-1]
    assert answers["result"] == [{"X": 14}, {"X": 15}]


def test_a_malformed_manifest_names_file_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "bad.manifest").write_text("B 1\nH 80 x\n")
    done = pilotfish("-c", f"spawn -m {tmp_path / 'bad.manifest'} barrier", "-c", "ps")
    assert done.returncode == 1
    assert f"{tmp_path / 'bad.manifest'}:2:6" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--nonsense",), "no such option"),
        (("-m", "nomachine"), "no machine 'nomachine'"),
        (("-m", "amd-4x5"), "did you mean amd-4x4?"),
        (("nowhere.fish",), "no file 'nowhere.fish'"),
        (("--seed", "x"), "not a valid integer"),
        (("-p", "nopolicy"), "nopolicy"),
        (("ps",), "a command is given with -c 'ps'"),
        (("/",), "'/' is a folder"),
        (("-c", b"echo \xff"), "-c: not UTF-8 text"),
    ],
)
def test_pilotfish_called_wrongly_exits_with_2(arguments: tuple[str | bytes, ...], message: str) -> None:
    done = pilotfish(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_truncated_table_is_named_with_its_place(tmp_path: Path) -> None:
    machine = tmp_path / "cut"
    shutil.copytree(Path(__file__).resolve().parents[2] / "machines" / "amd-4x4", machine)
    text = (machine / "acpi.txt").read_text().splitlines()
    start = next(i for i, line in enumerate(text) if line.startswith("SRAT"))
    (machine / "acpi.txt").write_text("\n".join(text[: start + 6]) + "\n")
    done = pilotfish("-m", str(machine), "-c", "nproc")
    assert done.returncode == 2
    assert f"{machine / 'acpi.txt'}:" in done.stderr
    assert "SRAT" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_input_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    done = subprocess.run([str(PILOTFISH), "-"], input=b"echo hi\necho \xff\n", capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"hi\n", b"-:2: not UTF-8 text\n")
    scenario = tmp_path / "scenario.fish"
    scenario.write_bytes(b"echo hi\r\necho \xff\r\n")
    told = pilotfish(str(scenario))
    assert (told.returncode, told.stdout, told.stderr) == (1, "", f"{scenario}:2: not UTF-8 text\n")


def test_input_with_a_mark_and_carriage_returns_is_read(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.fish"
    scenario.write_bytes("\ufeff# Windows\r\necho zwölf \\\r\n  Kerne\r\n".encode())
    assert pilotfish(str(scenario)).stdout == "zwölf Kerne\n"


def test_a_failed_batch_file_may_fail_where_it_is_run(tmp_path: Path) -> None:
    (tmp_path / "inner.fish").write_text("echo in\nspawn foo\necho never\n")
    outer = tmp_path / "outer.fish"
    outer.write_text("- src inner.fish\necho after\nsrc inner.fish\necho never\n")
    failure = f"{tmp_path / 'inner.fish'}:2: spawn: no program 'foo'; programs lists them"
    done = pilotfish(str(outer))
    assert (done.returncode, done.stdout) == (1, "in\nafter\nin\n")
    assert done.stderr.splitlines() == [failure, failure]
    failed = [(o["command"], o["where"], o["error"]) for o in results(str(outer)) if not o["ok"]]
    assert failed[:2] == [
        ("spawn", f"{tmp_path / 'inner.fish'}:2", "no program 'foo'; programs lists them"),
        ("src", f"{outer}:1", failure),
    ]


def test_a_batch_file_that_runs_itself_is_stopped(tmp_path: Path) -> None:
    loop = tmp_path / "loop.fish"
    loop.write_text("src loop.fish\n")
    done = pilotfish(str(loop))
    assert done.returncode == 1
    assert "20 deep" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_commands_and_a_file_are_one_session_in_order(tmp_path: Path) -> None:
    (tmp_path / "then.fish").write_text("echo $N $1\n")
    done = pilotfish("-c", "setenv N 3\necho first", "-c", "echo second", str(tmp_path / "then.fish"), "one")
    assert done.stdout == "first\nsecond\n3 one\n"
    assert pilotfish("-c", "nproc\n", "-c", "nope").stderr == "-c:3: nope: no command 'nope'; help lists them\n"


def test_files_are_sought_here_and_then_beside_the_batch_file(tmp_path: Path) -> None:
    for folder, text in ((tmp_path / "here", "here"), (tmp_path / "beside", "beside")):
        folder.mkdir()
        (folder / "both.fish").write_text(f"echo {text}\n")
    (tmp_path / "beside" / "one.fish").write_text("echo one\n")
    (tmp_path / "beside" / "scenario.fish").write_text("src both.fish\nsrc one.fish\n")
    done = pilotfish("../beside/scenario.fish", cwd=tmp_path / "here")
    assert done.stdout == "here\none\n"


def test_a_pipe_is_answered_line_by_line() -> None:
    """Another program can hold a conversation, without closing its end."""
    pipe = subprocess.Popen([str(PILOTFISH)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert pipe.stdin and pipe.stdout
    for question, answer in (("nproc", "16\n"), ("echo $#", "0\n")):
        pipe.stdin.write(question + "\n")
        pipe.stdin.flush()
        assert pipe.stdout.readline() == answer
    pipe.stdin.close()
    assert pipe.wait(60) == 0


def test_output_that_cannot_be_written_is_no_crash() -> None:
    for redirection, status in ((">&-", 0), (">/dev/full", 1), ("<&-", 0)):
        done = subprocess.run(
            ["sh", "-c", f'"$0" -c "- spawn foo" -c nproc {redirection}', str(PILOTFISH)],
            capture_output=True, text=True, timeout=60,
        )
        assert done.returncode == status
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr


def test_an_error_of_our_own_is_one_line_that_says_where() -> None:
    broken = (
        "import sys, shell.main, shell.session\n"
        "def fail(*_): raise ZeroDivisionError('by design')\n"
        "shell.session.Session.execute = fail\n"
        "sys.argv = ['pilotfish', '-c', 'nproc']\n"
        "shell.main.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr == "-c:1: nproc: internal error: ZeroDivisionError: by design; please report it\n"


def test_answers_cannot_drive_the_terminal() -> None:
    done = pilotfish("-c", r"skb X = 'a\x1b\[2J', Y = 日本", "-c", r"skb write('\x1b\[2J')", "-c", "echo \x1b[2J")
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[:2] == ["X         Y", "a\\x1b[2J  日本"]


def test_any_locale_can_show_any_answer() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([str(PILOTFISH), "-c", "echo é"], capture_output=True, timeout=60, env=environment)
    assert (done.returncode, done.stdout) == (0, b"\\xe9\n")


def test_cores_named_have_a_dispatcher_each() -> None:
    asked = ("spawn -c 4-6,1 cpu_bound", "spawn -n 2 -c 4-6 cpu_bound", "oncore 7 cpu_bound")
    spawned = results("-c", "\n".join(asked))
    assert [o["result"]["cores"] for o in spawned] == [[4, 5, 6, 1], [4, 5], [7]]  # type: ignore[index]


def test_help_ends_with_the_example_and_tells_the_options() -> None:
    told = pilotfish("-c", "help spawn").stdout
    assert told.startswith("spawn [-n N] [-c CORES] [-m MANIFEST] [--name NAME] PROGRAM [ARG]...\n")
    assert told.endswith("example:\n    spawn -n 4 -c 0-3 barrier\n")
    (answer,) = results("-c", "help spawn")
    options = answer["result"]["options"]  # type: ignore[index]
    assert [(o["option"], o["value"]) for o in options] == [
        ("-n", "N"), ("-c", "CORES"), ("-m", "MANIFEST"), ("--name", "NAME"),
    ]
    assert all(o["summary"] for o in options)


def test_json_has_plain_data_with_units_in_names() -> None:
    """The shapes that scripts rely on."""
    objects = results(
        "-c", "spawn -n 2 --name two barrier", "-c", "run 80ms", "-c", "ps", "-c", "schedule 0-1 --from 0ms",
        "-c", "time", "-c", "top", "-c", "cpus", "-c", "machine list", "-c", "domain two", "-c", "manifest two",
        "-c", "explain two", "-c", "programs", "-c", "policy list", "-c", "facts ht_link/2", "-c", "skb core(99)",
        "-c", "skb core(0)", "-c", "?- X = f(Y, 1.5), Z = [a, 'B c'].",
    )
    assert all(o["ok"] for o in objects)
    result = {str(o["command"]): o["result"] for o in objects}
    (row,) = result["ps"]
    assert list(row)[:7] == ["id", "name", "program", "cores", "state", "phase", "progress"]
    assert {**row, "progress": 0, "cpu_time_ns": 0} == {
        "id": 1, "name": "two", "program": "barrier", "cores": [0, 1], "state": "running", "phase": 0,
        "progress": 0, "deadline_misses": 0, "cpu_time_ns": 0,
    }
    assert row["cpu_time_ns"] > 100_000_000
    assert row["progress"] > 0
    assert result["time"] == {"time_ns": result["run"]["time_ns"]}
    assert all(set(s) == {"core", "domain", "name", "start_ns", "end_ns"} for s in result["schedule"])
    assert {s["name"] for s in result["schedule"]} >= {"two"}
    assert {c["core"] for c in result["cpus"]} == set(range(16))
    assert result["spawn"] == {"id": 1, "name": "two", "cores": [0, 1]}
    assert [d["core"] for d in result["domain"]["dispatchers"]] == [0, 1]
    assert result["manifest"] == [{"phase": 0, "kind": "best_effort", "weight": 1}]
    assert [r["dispatcher"] for r in result["explain"]] == [0, 1]
    assert {"barrier", "cpu_bound"} <= {p["name"] for p in result["programs"]}
    assert [p["name"] for p in result["policy list"] if p["in_use"]] == ["load_balance"]
    assert {"arguments": [0, 1], "source": "a_priori"} in result["facts"]
    assert [o["result"] for o in objects[-3:]] == [[], [{}], [{"X": "f(_, 1.5)", "Y": "_", "Z": ["a", "B c"]}]]
    assert "_ps" not in json.dumps(objects)


def test_a_closed_pipe_ends_quietly() -> None:
    pipe = subprocess.Popen(
        [str(PILOTFISH), "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert pipe.stdin and pipe.stdout and pipe.stderr
    pipe.stdin.write("facts\n" * 2000)
    pipe.stdin.close()
    pipe.stdout.readline()
    pipe.stdout.close()
    assert pipe.stderr.read() == ""
    assert pipe.wait(60) == 0


def test_ctrl_c_in_a_batch_ends_it_with_130() -> None:
    process = subprocess.Popen(
        [str(PILOTFISH), "-c", "echo up", "-c", "skb repeat, fail", "-c", "run 1000000s"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    assert process.stdout
    process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_the_same_batch_gives_the_same_transcript() -> None:
    commands = "spawn -n 3 barrier\nspawn -n 9 cpu_bound\nrun 300ms\nps\ntop\ncpus\nschedule\nexplain barrier\n"
    first, second = (pilotfish("--seed", "3", stdin=commands).stdout for _ in range(2))
    assert first == second
    assert "barrier" in first


def test_every_example_of_help_works(tmp_path: Path) -> None:
    (tmp_path / "rules.pl").write_text("twice(X, Y) :- Y is 2 * X.\n")
    (tmp_path / "near.pl").write_text(':- policy(close, "low cores").\ncost(_, Core, Core).\n')
    setting = "reset\nsetenv N 8\ncore offline 15\n"
    setting += "spawn -n 4 -m gang.manifest barrier\nassert core_load(3, 50)\nrun 400ms\n"
    setting += "oct set job.1 { weight: 20 }\noct watch job.1\noct lock print\noct enter start 1\noct semaphore 1\n"
    setting += "replicate config 0,4,8\nreplica set config scheduler rbed\n"
    setting += "spawn -c 0 terminald\nrun 400ms\n"
    listing = results("-c", "help")[0]["result"]
    assert isinstance(listing, list)
    asked = results(*(word for entry in listing for word in ("-c", f"help {entry['name']}")))
    examples = [answer["result"]["example"] for answer in asked]  # type: ignore[index]
    examples.sort(key=lambda example: example == "quit")
    # That one boots the machine anew, and what it chooses stays.
    alone = {each: f"reset\n{each}\nscheduler use rbed" for each in examples if each.startswith("scheduler use")}
    script = "".join(f"{setting}{alone.get(example, example)}\n" for example in examples)
    done = pilotfish("-", stdin=script + "echo not reached\n", cwd=tmp_path)
    assert [line for line in done.stderr.splitlines() if line.startswith("-:")] == []
    assert done.returncode == 0
    assert "not reached" not in done.stdout


@pytest.mark.parametrize("name", ["amd-4x4", "scc-host"])
def test_a_machine_is_shown_as_its_own_questions_answer(name: str) -> None:
    (shown,) = results("-c", f"machine show {name}")
    told = shown["result"]
    cores, packages, nodes = (each["result"] for each in results(
        "-m", name, "-c", "nproc", "-c", "skb setof(P, C^package_of(C, P), Ps), length(Ps, Count)",
        "-c", "skb setof(N, C^node_of(C, N), Ns), length(Ns, Count)",
    ))  # fmt: skip
    assert (told["cores"], told["packages"], told["nodes"]) == (cores, packages[0]["Count"], nodes[0]["Count"])
    assert told["files"]["cpuid"] == ["cpuid.txt"]
    assert f"cores            {told['cores']} in " in pilotfish("-c", f"machine show {name}").stdout
