"""The sessions that the documentation shows: every command in them runs and prints what is shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from skb import vocabulary
from skb.knowledge import KnowledgeBase

ROOT = Path(__file__).resolve().parents[1]
PILOTFISH = Path(sys.executable).parent / "pilotfish"

SESSIONS = [
    pytest.param(match[1], id=f"{page.name}-{number}")
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for number, match in enumerate(re.finditer(r"```pilotfish\n(.*?)```", page.read_text(), re.DOTALL), 1)
]


def form(line: str) -> str:
    """A line without its measures: simulated time counts inferences, and versions of Prolog differ in them."""
    line = re.sub(r"\d+\.\d+|\d{3,}", "N", line)
    return re.sub(r"([^\w\s]|[bcm.])\1+", r"\1", " ".join(line.split()))


@pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")
@pytest.mark.parametrize("session", SESSIONS)
def test_a_session_in_the_documentation_is_a_real_one(session: str) -> None:
    commands = [line[2:] for line in session.splitlines() if line.startswith("> ")]
    shown = [line for line in session.splitlines() if not line.startswith("> ")]
    done = subprocess.run(
        [str(PILOTFISH), "-"], input="\n".join(commands) + "\n", capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert [form(line) for line in done.stdout.splitlines()] == [form(line) for line in shown]


def test_the_vocabulary_s_page_says_what_is_declared(kb: KnowledgeBase) -> None:
    assert (ROOT / "docs" / "vocabulary.md").read_text() == vocabulary.page(kb), "make docs makes it anew"


def test_the_readme_names_every_folder_and_no_other() -> None:
    named = set(re.findall(r"^\| `(\w+)/`", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert named == {"machines", "rules", "skb", "kernel", "shell", "tests"}
    assert all((ROOT / folder).is_dir() for folder in named)
