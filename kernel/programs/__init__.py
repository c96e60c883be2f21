"""The programs that come with Pilotfish; importing this package registers them."""

from kernel.program import PROGRAMS, Program
from kernel.programs import (
    barrier,
    cpu_bound,
    fork_join,
    gc,
    hello,
    pipeline,
    pixels,
    stressor,
    work_stealing,
)

__all__ = [
    "PROGRAMS", "Program", "barrier", "cpu_bound", "fork_join", "gc", "hello", "pipeline", "pixels", "stressor",
    "work_stealing",
]  # fmt: skip
