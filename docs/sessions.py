"""The sessions that the documentation shows are real ones: this runs them, and writes down what they print.

    python docs/sessions.py [PAGE.md]...        every page, if none is named

In a page, a block that begins with ```pilotfish holds commands (`> COMMAND`), each followed by what it prints, errors
too. Blocks of code whose first line names a file (`%  even.pl: ...`, `#  mine.py: ...`, `//  mine.if: ...`) are
written to the folder in which all sessions of the page run. tests/test_docs.py holds every page to what is printed
now.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PILOTFISH = Path(sys.executable).parent / "pilotfish"

_SESSION = re.compile(r"```pilotfish\n(.*?)```", re.DOTALL)
_FILE = re.compile(r"```\w+\n((?:%|#|//)  ([\w-]+\.\w+):? .*?\n.*?)```", re.DOTALL)
_HOME = "/home/you/pilotfish"
_MARK = "@@@ {} @@@"


def transcript(commands: list[str], page: str, folder: Path) -> str:
    """What a session of the page looks like, run in `folder`: each command, and below it what it printed."""
    for match in _FILE.finditer(page):
        (folder / match[2]).write_text(match[1])
    script = "".join(f"echo {_MARK.format(number)}\n{command}\n" for number, command in enumerate(commands))
    done = subprocess.run(
        [str(PILOTFISH), "-"], input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
        cwd=folder, env={**os.environ, "XDG_DATA_HOME": str(folder)},
    )  # fmt: skip
    printed = done.stdout.replace(f"{folder}/", "").replace(str(ROOT), _HOME)
    printed = re.sub(r"^-:\d+: ", "", printed, flags=re.MULTILINE)
    return "".join(_told(commands, printed))


def _told(commands: list[str], printed: str) -> Iterator[str]:
    for number, command in enumerate(commands):
        mark, after = _MARK.format(number) + "\n", _MARK.format(number + 1) + "\n"
        yield f"> {command}\n"
        yield printed.partition(mark)[2].partition(after)[0]


def filled(page: str) -> str:
    """The page with every session as it is now."""

    def session(match: re.Match[str]) -> str:
        commands = [line[2:] for line in match[1].splitlines() if line.startswith("> ")]
        with tempfile.TemporaryDirectory() as folder:
            return f"```pilotfish\n{transcript(commands, page, Path(folder))}```"

    return _SESSION.sub(session, page)


if __name__ == "__main__":
    for path in [Path(name) for name in sys.argv[1:]] or PAGES:
        path.write_text(filled(path.read_text()))
