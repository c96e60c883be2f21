"""Programs of the user's own, as the shell runs them: what they do, and every way in which they can be wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PILOTFISH = Path(sys.executable).with_name("pilotfish")
pytestmark = pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")

COUNTER = '''
from kernel.programming import Code, Compute, Environment, Lock, Unlock, program

@program("counter", "count together", arguments="[TIMES]")
def counter(environment: Environment) -> Code:
    mutex = environment.mutex("counter")
    for _ in range(int(environment.arguments[0])):
        yield Lock(mutex)
        yield Compute(500)
        yield Unlock(mutex)
        environment.count()
'''


def run(folder: Path, *commands: str, json_: bool = False) -> subprocess.CompletedProcess[str]:
    words = [word for command in commands for word in ("-c", command)]
    form = ["--json"] if json_ else []
    return subprocess.run([str(PILOTFISH), *form, *words], capture_output=True, text=True, timeout=60, cwd=folder)


def test_a_program_of_ones_own_is_spawned_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(COUNTER)
    done = run(tmp_path, "spawn -n 3 ./mine.py 40", "run 10ms", "ps", json_=True)
    spawned, _, listed = (json.loads(line) for line in done.stdout.splitlines())
    assert spawned["result"] == {"id": 1, "name": "counter", "cores": [0, 1, 2]}
    (domain,) = listed["result"]
    assert (domain["program"], domain["state"], domain["progress"]) == ("counter", "exited", 120)


def test_a_file_with_a_main_is_enough_and_is_read_anew_each_time(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("from kernel.programming import Sleep\ndef main(e):\n    e.count(5)\n    yield Sleep(1000)\n")
    script = "spawn mine.py\nrun 1ms\nexpect mine.progress == 5\n"
    first = subprocess.run([str(PILOTFISH), "-"], input=script, capture_output=True, text=True, cwd=tmp_path)
    mine.write_text(mine.read_text().replace("5", "6"))
    second = subprocess.run([str(PILOTFISH), "-"], input=script, capture_output=True, text=True, cwd=tmp_path)
    assert (first.returncode, second.returncode) == (0, 1)
    assert "mine.progress is 6" in second.stderr


def test_an_exception_is_a_trap_with_its_own_line_and_the_kernel_goes_on(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"{COUNTER}    divide(environment)\n\ndef divide(e):\n    1 / (e.size - 1)\n")
    done = run(
        tmp_path, "spawn ./mine.py 30", "run 10ms", "spawn cpu_bound", "run 10ms", "expect cpu_bound.progress > 0"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "counter trapped: mine.py:15: ZeroDivisionError: division by zero\n" in done.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def main(e):\n    yield 3\n", "mine.py:2: yields 3, which is no operation"),
        (
            "from kernel.programming import *\ndef main(e):\n    yield from deeper(e)\n\n"
            'def deeper(e):\n    yield Unlock(e.mutex("m"))\n',
            "mine.py:6: unlocks mutex m, which it does not hold",
        ),
        ("def main(e):\n    while True:\n        yield\n", "mine.py:3: yields None, which is no operation"),
        (
            "from kernel.programming import *\ndef main(e):\n    while True:\n        yield Compute(0)\n",
            "mine.py:4: its program asked for 100000 operations that take no time",
        ),
        ("import json\ndef main(e):\n    json.loads('{')\n    yield\n", "mine.py:3: JSONDecodeError: Expecting"),
    ],
)
def test_what_a_program_must_not_do_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    done = run(tmp_path, "spawn ./mine.py", "run 1ms")
    assert done.stderr == ""
    assert f"mine trapped: {told}" in done.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"def main(e)\n", "mine.py:1: syntax error: expected ':'"),
        (b"import nowhere\n", "mine.py:1: ModuleNotFoundError: No module named 'nowhere'"),
        (b"", "mine.py: no program: it has neither @program(...) nor main(environment)"),
        (b"\xff\xfe", "mine.py: not UTF-8 text: offset 0"),
        (
            b"def main(e):\n    return 3\n",
            "mine.py: main(environment) yields nothing; a program yields what it asks for",
        ),
        (b"main = 3\n", "mine.py: no program: it has neither @program(...) nor main(environment)"),
        (b"raise SystemExit(3)\n", "mine.py: it ended Python (3) while it was loaded"),
        (
            b"from kernel.programming import program\n@program('a', '')\ndef a(e): yield\n"
            b"@program('b', '')\ndef b(e): yield\n",
            "mine.py: it holds several programs (a, b); a file holds one",
        ),
    ],
)
def test_a_file_that_is_no_program_is_refused_and_nothing_runs(tmp_path: Path, text: bytes, told: str) -> None:
    (tmp_path / "mine.py").write_bytes(text)
    done = run(tmp_path, "spawn ./mine.py")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"-c:1: spawn: {told}\n")


def test_programs_that_come_along_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(COUNTER.replace('"counter"', '"barrier"', 1))
    done = run(tmp_path, "spawn ./mine.py 1", "run 1ms", "spawn -n 2 --name theirs barrier", "run 10ms",
               "expect theirs.progress > 100")
    assert (done.returncode, done.stderr) == (0, "")


def test_files_that_are_not_there_are_told(tmp_path: Path) -> None:
    assert run(tmp_path, "spawn ./nowhere.py").stderr == "-c:1: spawn: no file './nowhere.py'\n"
    assert run(tmp_path, "spawn ./").stderr == "-c:1: spawn: './' is a folder\n"


def test_ctrl_c_ends_a_program_that_never_asks_for_anything(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def main(e):\n    while True:\n        pass\n    yield\n")
    child = subprocess.Popen(
        [str(PILOTFISH), "-c", "spawn ./mine.py", "-c", "run 1ms"], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline().startswith("mine: domain 1")
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=20)
    assert child.returncode != 0
    assert "Traceback" not in told and "interrupted" in told
