"""What a core's scheduler schedules, and what a CPU driver asks of one.

The parameters of the three kinds of task (manifests' B, S and H lines, dissertation §3.5), the task that
a dispatcher is to its scheduler, and the `Scheduler` that both variants of RBED are: `rbed.py`, the sound
one, and `rbed_barrelfish.py`, Barrelfish's own. Times are integers of any one unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Protocol

from kernel.admission import NEVER
from kernel.errors import KernelError

BEST_EFFORT: Final = 0
SOFT: Final = 1
HARD: Final = 2

BEFORE: Final = -NEVER
"""An instant before all others."""


class ParameterError(KernelError, ValueError):
    """Scheduling parameters that contradict themselves."""


class Overcommitted(KernelError):
    """A task that the core has no room for: shares of the processor asked for and available."""

    def __init__(self, asked: Fraction, available: Fraction, reason: str = "") -> None:
        super().__init__(
            f"overcommitted: asked for {float(asked):.3f} of the core, {float(available):.3f} is available"
            + (f"; {reason}" if reason else "")
        )
        self.asked = asked
        self.available = available


@dataclass(frozen=True, slots=True)
class BestEffort:
    """A share, in proportion to `weight`, of what real time leaves."""

    weight: int = 1

    def __post_init__(self) -> None:
        if self.weight < 1:
            raise ParameterError(f"best effort: weight {self.weight} is not positive")


@dataclass(frozen=True, slots=True)
class Soft:
    """`wcet` in every `period`; deadlines may be missed, which is counted. `slack` as in Hard."""

    wcet: int
    period: int
    slack: int = 0

    def __post_init__(self) -> None:
        _check_slack(self.slack)
        if not 0 < self.wcet <= self.period:
            raise ParameterError(
                f"soft real time: need 0 < WCET <= period, got {self.wcet} and {self.period}"
            )


@dataclass(frozen=True, slots=True)
class Hard:
    """`wcet` in every `period`, by `deadline` after each release, guaranteed once admitted.

    Beyond that a task with `slack` shares what real time leaves as best effort of that weight does; 0: it does not.
    """

    wcet: int
    period: int
    deadline: int
    slack: int = 0

    def __post_init__(self) -> None:
        _check_slack(self.slack)
        if not 0 < self.wcet <= min(self.period, self.deadline):
            raise ParameterError(
                f"hard real time: need 0 < WCET <= period and deadline, "
                f"got {self.wcet}, {self.period} and {self.deadline}"
            )


def _check_slack(weight: int) -> None:
    if weight < 0:
        raise ParameterError(f"real time: the weight for slack, {weight}, is negative")


TaskParameters = BestEffort | Soft | Hard


class Task:
    """What one dispatcher is to its core's scheduler; belongs to at most one scheduler at a time.

    Others read `id`, `parameters`, `runnable` and the statistics: `executed` (time run), `jobs` (periods of
    a real-time task that came to their end), `misses` (jobs that did not get their budget by their
    deadline though the task was runnable throughout), `release_time` (of the current job; best
    effort: since when it waits for, or has, its turn). The rest is the scheduler's own.
    """

    __slots__ = (
        "budget", "deadline", "due", "etime", "executed", "given", "id", "jobs", "kind", "last_dispatch",
        "late", "misses", "parameters", "period", "queued", "release_time", "runnable", "sharing", "slept",
        "stride", "urged", "virtual", "want", "wcet", "weight",
    )  # fmt: skip

    def __init__(self, id: int, parameters: TaskParameters = BestEffort()) -> None:
        self.id = id
        self.parameters = parameters
        self.runnable = False
        self.executed = self.jobs = self.misses = 0
        self.kind = BEST_EFFORT
        self.release_time = 0
        self.wcet = self.period = self.deadline = 0
        self.weight = 1
        # sound variant: absolute deadline (BEFORE: no job yet), budget left and granted, demand of a soft job
        self.due = BEFORE
        self.budget = self.given = self.want = 0
        self.slept = False
        self.sharing = False  # takes part in what real time leaves, when it is runnable
        self.urged = False  # of best effort: has whatever hard real time leaves until it blocks
        self.virtual = self.stride = 0
        # Barrelfish's variant
        self.etime = self.last_dispatch = 0
        self.queued = False
        self.late = BEFORE

    def __repr__(self) -> str:
        return f"Task({self.id}, {self.parameters})"


class Scheduler(Protocol):
    """What a CPU driver asks of a scheduler. All instants are on one clock that only goes forward.

    The driver calls `dispatch` at the latest when `next_decision` says, and at the same instant after every other
    call. `add` and `change` raise Overcommitted, having changed nothing; so does `check`, which never changes
    anything: whether a task of this core could have other parameters from `release` on. With `set_clock` all that is
    planned moves with the clock; with `correct_clock`, by which a clock that is wrong by little is put right, what is
    to be released is released when the clock says so.
    """

    @property
    def running(self) -> Task | None: ...

    def add(self, task: Task, parameters: TaskParameters, now: int, release: int | None = None) -> None: ...

    def change(
        self, task: Task, parameters: TaskParameters, now: int, release: int | None = None
    ) -> None: ...

    def check(self, task: Task, parameters: TaskParameters, now: int, release: int) -> None: ...

    def remove(self, task: Task, now: int) -> None: ...

    def block(self, task: Task, now: int) -> None: ...

    def unblock(self, task: Task, now: int) -> None: ...

    def yield_(self, task: Task, now: int) -> None: ...

    def urge(self, task: Task, now: int) -> None: ...

    def set_clock(self, now: int, reads: int) -> None: ...

    def correct_clock(self, now: int, reads: int) -> None: ...

    def dispatch(self, now: int) -> Task | None: ...

    def next_decision(self, now: int) -> int | None: ...
