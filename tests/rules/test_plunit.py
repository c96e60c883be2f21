"""Runs each .plt beside this file as one `swipl` process; a failure, a warning, or a choice point left over fails."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parent.glob("*.plt"))


@pytest.mark.skipif(shutil.which("swipl") is None, reason="needs swipl, which is not installed")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_goal_holds_and_leaves_nothing_open(file: Path) -> None:
    done = subprocess.run(
        ["swipl", "-g", "run_tests", "-t", "halt", str(file)],
        capture_output=True, text=True, timeout=120, cwd=file.parent,
    )
    report = done.stdout + done.stderr
    assert done.returncode == 0, report
    assert "succeeded with choicepoint" not in report, report
    assert "Warning" not in report, report
    assert "passed" in report, f"no test ran:\n{report}"
