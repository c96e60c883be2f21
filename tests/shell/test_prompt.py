"""The prompt on a real pseudo-terminal, its screen kept by pyte: what is typed, completed, interrupted, left."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pexpect = pytest.importorskip("pexpect", reason="pexpect is not installed")
pyte = pytest.importorskip("pyte", reason="pyte is not installed")

PILOTFISH = Path(os.environ.get("PILOTFISH_COMMAND") or Path(sys.executable).parent / "pilotfish")
PROMPT = r"amd-4x4 [\d.]+ \w+>"

pytestmark = pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")


class Terminal:
    """A terminal of 120 by 50 with pilotfish in it."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.child = pexpect.spawn(
            str(PILOTFISH), list(arguments), dimensions=(50, 120), timeout=1,
            env={**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", **environment},
        )
        self.screen = pyte.Screen(120, 50)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def read(self) -> bool:
        """Take in what has been written; False if the other side has gone."""
        try:
            data = self.child.read_nonblocking(65536, timeout=0.1)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.written += data
        self._stream.feed(data)
        return True

    def wait_for(self, pattern: str, seconds: float = 30) -> None:
        """Until a line of the screen matches."""
        end = time.monotonic() + seconds
        while not any(re.search(pattern, line) for line in self.lines()):
            assert time.monotonic() < end, f"no {pattern!r} on the screen:\n" + "\n".join(self.lines())
            self.read()

    def ready(self) -> None:
        """Until the last line is an empty prompt."""
        end = time.monotonic() + 30
        while not (self.lines() and re.fullmatch(PROMPT, self.lines()[-1])):
            assert time.monotonic() < end, "no prompt:\n" + "\n".join(self.lines())
            self.read()

    def enter(self, text: str) -> None:
        """Type a line at a prompt."""
        self.ready()
        self.child.send(text + "\r")

    def end(self) -> int:
        """Wait until pilotfish has left; its exit status."""
        end = time.monotonic() + 30
        while self.read():
            assert time.monotonic() < end, "it did not leave:\n" + "\n".join(self.lines())
        self.child.wait()
        return int(self.child.exitstatus)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(XDG_DATA_HOME=str(tmp_path))
    made.ready()
    yield made
    made.child.close(force=True)


def test_a_command_is_carried_out_and_the_prompt_tells_the_time(terminal: Terminal) -> None:
    terminal.enter("run 2s")
    terminal.wait_for(r"amd-4x4 2\.000 s>")
    terminal.enter("nproc")
    terminal.wait_for("^16$")


def test_an_error_is_one_red_line_and_the_session_goes_on(terminal: Terminal) -> None:
    terminal.enter("spwan barrier")
    terminal.wait_for("^spwan: no command 'spwan'; did you mean spawn")
    terminal.enter("nproc")
    terminal.wait_for("^16$")
    assert b"\x1b[31mspwan: no command" in terminal.written


def test_commands_and_programs_complete_with_tab(terminal: Terminal) -> None:
    terminal.child.send("oncor\t")
    terminal.wait_for("> oncore$")
    terminal.child.send(" 3 cpu_b\t")
    terminal.wait_for("> oncore 3 cpu_bound$")
    terminal.child.send("\r")
    terminal.wait_for("domain 1 on cores? 3")


def test_a_query_lasts_until_its_dot(terminal: Terminal) -> None:
    terminal.enter("?- core(X),")
    terminal.wait_for(r"^\.\.\.")
    terminal.child.send("X > 14.\r")
    terminal.wait_for("15")
    terminal.ready()


def test_answers_come_one_by_one(terminal: Terminal) -> None:
    terminal.enter("?- shares_cache(0, X, 3), distance(0, X, D).")
    terminal.wait_for(r"^X = 1, D = 448 cycles$")
    terminal.child.send(";")
    terminal.wait_for(r"^X = 1, D = 448 cycles ;$")
    terminal.wait_for(r"^X = 2, D = 448 cycles$")
    terminal.child.send("\r")
    terminal.wait_for(r"^X = 2, D = 448 cycles \.$")
    terminal.enter("?- between(1, 300, X).")
    terminal.wait_for(r"^X = 1$")
    terminal.child.send("a")
    terminal.wait_for(r"^X = 300\.$")
    terminal.enter("?- hops(0, 15, 7).")
    terminal.wait_for(r"^false\.$")
    terminal.enter("?- hops(0, 15, 2).")
    terminal.wait_for(r"^true\.$")
    terminal.enter("?- no_such(1).")
    terminal.wait_for(r"no predicate no_such/1")
    terminal.enter("?- core(X).")
    terminal.wait_for(r"^X = 0$")
    terminal.child.sendintr()
    terminal.wait_for("interrupted")
    terminal.enter("nproc")
    terminal.wait_for(r"^16$")


def test_a_backslash_continues_a_command(terminal: Terminal) -> None:
    terminal.enter("echo one \\")
    terminal.wait_for(r"^\.\.\.")
    terminal.child.send("two # three\r")
    terminal.wait_for("^one two$")


def test_ctrl_c_stops_a_run_and_keeps_the_session(terminal: Terminal) -> None:
    for number in range(1, 5):
        terminal.enter("spawn -n 16 cpu_bound")
        terminal.wait_for(f"domain {number} on cores")
    terminal.enter("run 900000s")
    terminal.wait_for("run 900000s$")
    time.sleep(0.3)
    terminal.child.sendintr()
    terminal.wait_for("^interrupted at")
    terminal.enter("nproc")
    terminal.wait_for("^16$")


def test_ctrl_c_stops_a_query_and_keeps_the_session(terminal: Terminal) -> None:
    terminal.enter("skb between(1, inf, X), Y is 7 ** (X * 1000000), fail")
    terminal.wait_for("fail$")
    time.sleep(0.3)
    terminal.child.sendintr()
    terminal.wait_for("interrupted|stopped")
    terminal.enter("nproc")
    terminal.wait_for("^16$")


def test_ctrl_c_at_the_prompt_drops_the_line(terminal: Terminal) -> None:
    terminal.child.send("echo half")
    terminal.wait_for("echo half$")
    terminal.child.sendintr()
    terminal.ready()
    terminal.enter("echo whole")
    terminal.wait_for("^whole$")


def test_ctrl_d_leaves(terminal: Terminal) -> None:
    terminal.child.sendeof()
    assert terminal.end() == 0


def test_history_lasts_over_sessions(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter("echo remembered")
    terminal.wait_for("^remembered$")
    terminal.enter("quit")
    assert terminal.end() == 0
    later = Terminal(XDG_DATA_HOME=str(tmp_path))
    try:
        later.ready()
        later.child.send("\x1b[A\x1b[A")  # up, up: past quit
        later.wait_for("> echo remembered$")
    finally:
        later.child.close(force=True)


@pytest.mark.parametrize("how", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, "--no-color"])
def test_no_colour_where_none_is_wanted(tmp_path: Path, how: dict[str, str] | str) -> None:
    arguments, environment = ((how,), {}) if isinstance(how, str) else ((), how)
    terminal = Terminal(*arguments, XDG_DATA_HOME=str(tmp_path), **environment)
    try:
        for command, answer in (("spwan", "no command"), ("ps", "id +name")):
            terminal.enter(command)
            terminal.wait_for(answer)
        terminal.ready()
        assert not re.search(rb"\x1b\[[\d;]*[34][0-8](;|m)", terminal.written)
    finally:
        terminal.child.close(force=True)
