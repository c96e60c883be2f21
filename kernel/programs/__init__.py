"""The programs that come with Pilotfish; importing this package registers them."""

from kernel.program import PROGRAMS, Program
from kernel.programs import (
    barrier,
    cpu_bound,
    files,
    fork_join,
    gc,
    hello,
    loopback,
    pipeline,
    pixels,
    stressor,
    terminal,
    web,
    work_stealing,
)

__all__ = [
    "PROGRAMS", "Program", "barrier", "cpu_bound", "files", "fork_join", "gc", "hello", "loopback", "pipeline",
    "pixels", "stressor", "terminal", "web", "work_stealing",
]  # fmt: skip
