"""The `pilotfish` command: options, and which of prompt, batch file and pipe is meant.

Exit status: 0 when all went well, 1 when a command failed, 2 when pilotfish itself was called wrongly, 70 on
an error of its own, 130 after Ctrl-C in a batch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from shell.session import Session


@click.command(
    context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]},
    epilog="No argument: the prompt. FILE, '-' or piped input: a batch file, one command a line.",
)
@click.option("-m", "machine", metavar="MACHINE", default="amd-4x4", show_default=True,
              help="the machine to boot, by name or folder")
@click.option("-p", "policy", metavar="POLICY", default="load_balance", show_default=True,
              help="the placement policy")
@click.option("--seed", type=int, default=0, metavar="N", help="the seed of what is random")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object a command")
@click.option("--no-color", is_flag=True, help="print no colours")
@click.option("-c", "commands", multiple=True, metavar="COMMANDS", help="commands to run; may be repeated")
@click.argument("file", required=False)
@click.argument("argument", metavar="[ARG]...", nargs=-1)
@click.version_option(package_name="pilotfish")
def pilotfish(
    machine: str, policy: str, seed: int, as_json: bool, no_color: bool, commands: tuple[str, ...],
    file: str | None, argument: tuple[str, ...],
) -> None:
    """A System Knowledge Base with a simulated multikernel attached."""
    try:
        status = run(machine, policy, seed, as_json, no_color, commands, file, argument)
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell. (Click would make it a failure.)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    raise SystemExit(status)


def run(
    machine: str, policy: str, seed: int, as_json: bool, no_color: bool, commands: Sequence[str],
    file: str | None, argument: Sequence[str],
) -> int:
    """Start a session and run what was asked for; the exit status."""
    import shell.commands  # noqa: F401 - registers the commands
    from shell.output import Printer
    from shell.session import FAILURES, Session

    printer = Printer(as_json, no_color)
    for wrong in _misuse(commands, file):
        printer.error("pilotfish", "", wrong)
        return 2
    try:
        session = Session(printer, machine, policy, seed)
    except FAILURES as error:
        printer.error("pilotfish", "", str(error))
        return 2
    if not commands and file is None and sys.stdin.isatty() and sys.stdout.isatty():
        from shell.prompt import converse

        converse(session, no_color)
        return 0
    return _batch(session, commands, file, argument)


def _misuse(commands: Sequence[str], file: str | None) -> list[str]:
    """What is wrong with what was asked for, seen before a machine is booted for it."""
    from shell.registry import first_words

    wrong = []
    if any("\ud800" <= char <= "\udfff" for text in commands for char in text):  # how Python keeps stray bytes
        wrong.append("-c: not UTF-8 text")
    if file is not None and file != "-":
        if Path(file).is_dir():
            wrong.append(f"'{file}' is a folder; a batch file is wanted")
        elif not Path(file).exists():
            hint = f"; a command is given with -c '{file}'" if file in first_words() else ""
            wrong.append(f"no file '{file}'{hint}")
        elif not os.access(file, os.R_OK):
            wrong.append(f"{file}: cannot be read: permission denied")
    return wrong


def _batch(session: Session, commands: Sequence[str], file: str | None, argument: Sequence[str]) -> int:
    from shell.errors import TextError
    from shell.session import FAILURES, BatchFailed, Place, Quit, decoded_lines

    try:
        session.run_text("\n".join(commands), Place("-c", None, tuple(argument)))
        if file is not None and file != "-":
            session.run_file(file, argument)
        elif file == "-" or not commands:
            session.run_text(decoded_lines(sys.stdin.buffer, "-"), Place("-", None, tuple(argument)))
    except Quit:
        return 0
    except BatchFailed:
        return 1
    except TextError as error:
        session.printer.error("", error.where, "not UTF-8 text")
        return 1
    except FAILURES as error:
        session.printer.error("pilotfish", "", str(error))
        return 1
    return 0


def main() -> None:
    """The entry point: whatever happens, the user sees words and never a traceback."""
    _open_streams()
    try:
        pilotfish.main(standalone_mode=False)
        status = 0
    except click.ClickException as error:
        message = error.format_message().rstrip(".")
        print(f"pilotfish: {message[:1].lower()}{message[1:]}; pilotfish --help says how", file=sys.stderr)
        status = 2
    except (click.exceptions.Abort, KeyboardInterrupt):
        print("pilotfish: interrupted", file=sys.stderr)
        status = 130
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except OSError as error:
        print(f"pilotfish: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        status = 1
    except Exception as error:
        place = "".join(f"{note}: " for note in getattr(error, "__notes__", ()))
        print(f"{place or 'pilotfish: '}internal error: {type(error).__name__}: {error}; please report it",
              file=sys.stderr)
        if os.environ.get("PILOTFISH_DEBUG"):
            raise
        status = 70
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # there is nowhere to write to, which has been said or cannot be
            status = status or 1
    os._exit(status)  # Prolog's threads need no farewell, and its exit hooks would print one


def _open_streams() -> None:
    """Standard streams that are there and take any text, whatever the caller closed and the locale is."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
