"""The sessions that the documentation shows: every command in them runs and prints what is shown."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

from skb import vocabulary
from skb.knowledge import KnowledgeBase

ROOT = Path(__file__).resolve().parents[1]
PILOTFISH = Path(sys.executable).parent / "pilotfish"

sys.path.insert(0, str(ROOT / "docs"))
documentation = importlib.import_module("sessions")

SESSIONS = [
    pytest.param(path.read_text(), session, id=f"{path.name}-{number}")
    for path in documentation.PAGES
    for number, session in enumerate(re.findall(r"```pilotfish\n(.*?)```", path.read_text(), re.DOTALL), 1)
]


def form(line: str) -> str:
    """A line without its measures: simulated time counts inferences, and versions of Prolog differ in them."""
    line = re.sub(r"\d+\.\d+|\d{3,}", "N", line)
    return re.sub(r"([^\w\s]|[bcm.])\1+", r"\1", " ".join(line.split()))


@pytest.mark.skipif(not PILOTFISH.exists(), reason="pilotfish is not installed beside this Python")
@pytest.mark.parametrize(("page", "session"), SESSIONS)
def test_a_session_in_the_documentation_is_a_real_one(page: str, session: str, tmp_path: Path) -> None:
    commands = [line[2:] for line in session.splitlines() if line.startswith("> ")]
    printed = documentation.transcript(commands, page, tmp_path)
    assert [form(line) for line in printed.splitlines()] == [form(line) for line in session.splitlines()]


def test_the_vocabulary_s_page_says_what_is_declared(kb: KnowledgeBase) -> None:
    assert (ROOT / "docs" / "vocabulary.md").read_text() == vocabulary.page(kb), "make docs makes it anew"


def test_every_link_in_the_documentation_leads_somewhere() -> None:
    for path in documentation.PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / link).exists(), f"{path.name}: {link}"


def test_the_readme_names_every_folder_and_no_other() -> None:
    named = set(re.findall(r"^\| `(\w+)/`", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert named == {"machines", "rules", "skb", "kernel", "shell", "tests"}
    assert all((ROOT / folder).is_dir() for folder in named)


def test_every_package_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = set(project["tool"]["setuptools"]["packages"])
    there = {".".join(init.parent.relative_to(ROOT).parts) for top in ("skb", "kernel", "shell") for init in
             (ROOT / top).rglob("__init__.py")}  # fmt: skip
    assert named - {"rules", "machines"} == there
