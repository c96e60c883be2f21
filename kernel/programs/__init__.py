"""The programs that come with Pilotfish; importing this package registers them."""

from kernel.program import PROGRAMS, Program
from kernel.programs import barrier, cpu_bound

__all__ = ["PROGRAMS", "Program", "barrier", "cpu_bound"]
