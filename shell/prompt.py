"""The interactive prompt: a line at a time, with history, completion, and Ctrl-C that stops only what runs.

What is typed is a small batch file, so that `#`, `\\` and `-` mean here what they mean there. Only a query
that began with `?-` may go over several lines without more ado: it lasts until its dot. Its answers come one by one.
"""

from __future__ import annotations

import os
import sys
import termios
import tty
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application.current import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth

from kernel.clock import format_duration
from shell import batch
from shell.commands.knowledge import answer_line
from shell.completion import CommandCompleter
from shell.session import FAILURES, Quit, Session


def converse(session: Session, no_color: bool = False) -> None:
    """Read commands and carry them out until the user leaves (quit, or Ctrl-D)."""
    reader: PromptSession[str] = PromptSession(
        history=_history(),
        completer=CommandCompleter(session),
        auto_suggest=AutoSuggestFromHistory(),
        complete_while_typing=False,
        key_bindings=_keys(),
        multiline=True,
        # None: as the terminal can, or black and white with NO_COLOR.
        color_depth=ColorDepth.DEPTH_1_BIT if no_color or os.environ.get("NO_COLOR") else None,
        prompt_continuation="... ",
    )
    while True:
        try:
            text = reader.prompt(f"{session.machine_name} {format_duration(session.kernel.now)}> ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        try:
            for line in commands(text):
                if line.startswith("?-") and len(line) > 2 and not session.printer.as_json:
                    _stream(session, line.removeprefix("?-"))
                else:
                    session.perform(line, "")
        except Quit:
            return
        except KeyboardInterrupt:
            # The terminal has echoed ^C; the line that says so is one of its own.
            print(f"\ninterrupted at {format_duration(session.kernel.now)}", file=sys.stderr)
        except BrokenPipeError:
            raise
        except Exception as error:
            if os.environ.get("PILOTFISH_DEBUG"):
                raise
            session.printer.error("", "", f"internal error: {type(error).__name__}: {error}; please report it")


def _stream(session: Session, goal: str) -> None:
    """A query's answers one by one: `;` or the space bar asks for the next, `a` for all, anything else is enough."""
    all_of_them = False
    try:
        units = session.kb.units(goal)
        answered = False
        for answer, output, more in session.kb.stream(goal):
            answered = True
            session.printer.text(output, end="")
            session.printer.text(answer_line(answer, units), end="" if more else ".\n")
            if more and not all_of_them:
                key = _key()
                all_of_them = key == "a"
                if not all_of_them and key not in "; ":
                    session.printer.text(" .\n", end="")
                    return
            if more:
                session.printer.text(" ;\n", end="")
        if not answered:
            session.printer.text("false.\n", end="")
    except FAILURES as error:
        session.printer.error("?-", "", str(error))


def _key() -> str:
    """The next key that is pressed, without Enter."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        return os.read(terminal, 1).decode(errors="replace")
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def commands(text: str) -> list[str]:
    """The commands in what was typed or pasted; a query over several lines is one."""
    if text.startswith("?-"):
        return [text]
    return [line.text for line in batch.lines(text)]


def unfinished(text: str) -> bool:
    """Whether a new line is wanted: a query without its dot, or a `\\` at the end. An empty line ends both."""
    if text.endswith("\n"):
        return False
    written = text.strip()
    return written.endswith("\\") or (written.startswith("?-") and not written.endswith("."))


def _keys() -> KeyBindings:
    """Enter carries a command out, or starts a new line where the command is unfinished."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = get_app().current_buffer
        if unfinished(buffer.text):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    return keys


def _history() -> History:
    """History over sessions, in the user's data folder; in memory where that cannot be written."""
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    path = Path(data).expanduser() / "pilotfish" / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
