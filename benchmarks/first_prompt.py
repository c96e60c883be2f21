"""Time from starting `pilotfish` to its first prompt, the machine booted, on a real pseudo-terminal.

Beside it, in turn in the same run: `python -c pass`, `swipl` started and left, and the imports of
prompt_toolkit alone, which say what of it is not ours. Medians of seven.

    python benchmarks/first_prompt.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pexpect

RUNS = 7
PILOTFISH = Path(sys.executable).parent / "pilotfish"


def prompt() -> float:
    with tempfile.TemporaryDirectory() as data:
        environment = {**os.environ, "XDG_DATA_HOME": data, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        start = time.perf_counter()
        child = pexpect.spawn(str(PILOTFISH), env=environment, encoding="utf-8", timeout=30)
        child.expect("amd-4x4 .*>")
        took = time.perf_counter() - start
        child.close(force=True)
    return took


def process(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    rows: dict[str, list[float]] = {}
    for _ in range(RUNS):
        rows.setdefault("pilotfish to its first prompt", []).append(prompt())
        rows.setdefault("python -c pass", []).append(process(sys.executable, "-c", "pass"))
        imports = "import prompt_toolkit, simpy, click"
        rows.setdefault("python with its libraries", []).append(process(sys.executable, "-c", imports))
        rows.setdefault("swipl -g true -t halt", []).append(process("swipl", "-g", "true", "-t", "halt"))
    for name, times in rows.items():
        print(f"{name:32} {statistics.median(times):6.3f} s")


if __name__ == "__main__":
    main()
