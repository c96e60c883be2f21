"""The interactive prompt: a line at a time, with history, completion, and Ctrl-C that stops only what runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application.current import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from kernel.clock import format_duration
from shell.completion import CommandCompleter
from shell.session import BatchFailed, Quit, Session


def converse(session: Session, no_color: bool = False) -> None:
    """Read commands and carry them out until the user leaves (quit, or Ctrl-D)."""
    reader: PromptSession[str] = PromptSession(
        history=_history(),
        completer=CommandCompleter(session),
        auto_suggest=AutoSuggestFromHistory(),
        complete_while_typing=False,
        key_bindings=_keys(),
        multiline=True,
        prompt_continuation="... ",
    )
    while True:
        try:
            text = reader.prompt(f"{session.machine_name} {format_duration(session.kernel.now)}> ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if not text:
            continue
        try:
            for line in text.splitlines() if not text.startswith("?-") else [" ".join(text.splitlines())]:
                if line.strip() and not line.lstrip().startswith("#"):
                    session.perform(line.strip(), "")
        except Quit:
            return
        except BatchFailed:
            continue
        except KeyboardInterrupt:
            print(f"interrupted at {format_duration(session.kernel.now)}", file=sys.stderr)
        except Exception as error:
            if os.environ.get("PILOTFISH_DEBUG"):
                raise
            session.printer.error("", "", f"internal error: {type(error).__name__}: {error}; please report it")


def _keys() -> KeyBindings:
    """Enter carries a command out; within a Prolog query that has no dot yet it starts a new line."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = get_app().current_buffer
        text = buffer.text.strip()
        if text.startswith("?-") and not text.endswith(".") and not buffer.text.endswith("\n"):
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
