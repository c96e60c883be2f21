"""RBED exactly as Barrelfish ships it (kernel/schedule_rbed.c), its defects included.

One queue in the order of deadlines; best effort gets deadlines and budgets lazily, whenever it comes to
the front. Kept to compare with: it misses deadlines of feasible sets, which docs/rbed.md explains and
measures. Where the kernel panics, this counts or refuses and goes on; with `strict` it raises
SchedulerPanic in the kernel's words, which is what `schedsim.py` wants. Names are the C file's.
"""

from __future__ import annotations

from fractions import Fraction

from kernel.admission import NEVER
from kernel.errors import KernelError
from kernel.scheduling import (
    BEFORE,
    BEST_EFFORT,
    HARD,
    BestEffort,
    Hard,
    Overcommitted,
    ParameterError,
    Soft,
    Task,
    TaskParameters,
)

SPECTRUM = 1_000_000
"""One processor, in the kernel's fixed point."""

BETA = SPECTRUM // 10
"""The part of it that is reserved for best effort."""

WEIGHT_LIMIT = 4294
"""Best-effort weights must stay below this (the kernel asserts weight < UINT_MAX / SPECTRUM)."""


class SchedulerPanic(KernelError):
    """The kernel's scheduler panics here; `str(error)` is what it says."""


def u_target(task: Task) -> int:
    """The processor share of a real-time task in SPECTRUM, rounded down."""
    return task.wcet * SPECTRUM // task.period


class BarrelfishRbed:
    """Barrelfish's variant, a `Scheduler`. Soft real time is refused: the kernel has not implemented it.

    Not the kernel's, because a panic would end the simulation: admission counts blocked tasks too, so that
    a wake-up cannot overload; a release in the past becomes now; a missed hard deadline is counted once a
    job, and the job goes on; a round of budgets that are all 0 gives the first of them 1 (livelock).
    """

    __slots__ = (
        "_decision", "_since", "_tasks", "current", "idle", "lastdisp", "n_be", "queue", "strict",
        "timeslice", "u_hrt", "w_be",
    )  # fmt: skip

    def __init__(self, timeslice: int, now: int = 0, strict: bool = False) -> None:
        if timeslice < 1:
            raise ParameterError(f"timeslice {timeslice} is not positive")
        self.timeslice = timeslice
        self.strict = strict
        self.idle = 0
        self.queue: list[Task] = []
        self.u_hrt = self.w_be = self.n_be = 0
        self.lastdisp: Task | None = None  # whose budget the time since the last decision is charged to
        self.current: Task | None = None  # who runs: the kernel's dcb_current
        self._tasks: dict[int, Task] = {}
        self._since = now
        self._decision = BEFORE

    @property
    def running(self) -> Task | None:
        """Who runs, unless it has blocked or left since the last dispatch."""
        return self.current if self.current is not None and self.current.queued else None

    # -- the kernel's functions --------------------------------------------------------------------

    def queue_insert(self, task: Task) -> None:
        """Put a task into the queue: by deadline, but best effort behind all released no later."""
        due = task.release_time + task.deadline
        release = task.release_time if task.kind == BEST_EFFORT else BEFORE
        task.queued = True
        for index, other in enumerate(self.queue):
            if release < other.release_time and due < other.release_time + other.deadline:
                self.queue.insert(index, task)
                return
        self.queue.append(task)

    def make_runnable(self, task: Task, now: int) -> None:
        """Admit or unblock a task; nothing if it is in the queue."""
        if task.queued:
            return
        self._decision = BEFORE
        if task.kind == BEST_EFFORT:
            task.weight = task.weight or 1
            self.w_be += task.weight
            self.n_be += 1
            task.deadline = task.period = self.n_be * self.timeslice
            task.release_time = now
        else:
            self.u_hrt += u_target(task)
        if self.u_hrt + BETA > SPECTRUM and self.strict:
            loaded = (self.u_hrt + BETA) // (SPECTRUM // 100)
            raise SchedulerPanic(f"RBED scheduler overload (loaded {loaded}%)!")
        if task.release_time < now:
            if self.strict:
                raise SchedulerPanic(
                    f"Released in the past! now = {now}, release_time = {task.release_time}"
                )
            task.release_time = now
        task.etime = 0
        self.queue_insert(task)

    def scheduler_remove(self, task: Task) -> None:
        """Block a task; nothing if it is not in the queue. What it has executed is not looked at."""
        if not task.queued:
            return
        self._unlink(task)
        if task.kind == BEST_EFFORT:
            self.w_be -= task.weight
            self.n_be -= 1
        else:
            self.u_hrt -= u_target(task)

    def scheduler_yield(self, task: Task, now: int) -> None:
        """Give up the rest of this period or turn; nothing before the release."""
        if not task.queued or task.release_time > now:
            return
        self._unlink(task)
        if task.kind == BEST_EFFORT:
            task.release_time = now
        else:
            task.release_time += task.period
            task.jobs += 1
        task.etime = 0
        self.lastdisp = None
        self.queue_insert(task)

    def schedule(self, now: int) -> Task | None:
        """Choose who runs: the first in the queue that is released and within its budget."""
        last = self.lastdisp
        if last is not None and last.release_time <= now:
            last.etime += now - max(last.last_dispatch, last.release_time)
        queue = self.queue
        fruitless = 0
        while True:
            wake = NEVER  # the first release of those passed over
            chosen: Task | None = None
            for task in queue:
                release = task.release_time
                if release <= now:
                    chosen = task
                    break
                if release < wake:
                    wake = release
            if chosen is None:
                self.lastdisp = None
                self._decision = wake
                return None
            if chosen.kind == BEST_EFFORT:
                self._allocate(chosen, now)
                if fruitless > len(queue):
                    if self.strict:
                        raise SchedulerPanic(f"livelock: no task has a budget at {now}; the kernel hangs")
                    chosen.wcet = max(1, chosen.wcet)
            elif now > chosen.release_time + chosen.deadline:
                self._missed(chosen, now)
            left = chosen.wcet - chosen.etime
            if left > 0:
                chosen.last_dispatch = now
                due = chosen.release_time + chosen.deadline
                # Past its deadline best effort is re-released and hard real time late: one look each.
                late = due + 1 if due >= now else NEVER
                self._decision = min(wake, now + left, late)
                if self.lastdisp is chosen and self.current is not None and self.current.queued:
                    return self.current
                self.lastdisp = chosen
                return chosen
            self._unlink(chosen)
            fruitless += 1
            if chosen.kind == BEST_EFFORT:
                chosen.release_time = now
            elif now > chosen.release_time:
                chosen.release_time += chosen.period
                chosen.jobs += 1
                fruitless = 0
            elif self.strict and fruitless > len(queue) + 1:
                raise SchedulerPanic(f"livelock: no task has a budget at {now}; the kernel hangs")
            chosen.etime = 0
            self.queue_insert(chosen)
            self.lastdisp = None

    def _allocate(self, task: Task, now: int) -> None:
        """Give a best-effort task its deadline and budget, from the tasks there are at this moment."""
        if task.weight >= WEIGHT_LIMIT:
            raise SchedulerPanic(f"assertion failed: weight {task.weight} < {WEIGHT_LIMIT}")
        share = max(BETA, SPECTRUM - self.u_hrt) * task.weight // self.w_be
        task.deadline = task.period = self.n_be * self.timeslice
        task.wcet, rest = divmod(self.n_be * self.timeslice * share, SPECTRUM)
        if rest > SPECTRUM // 2:  # to the nearest; a half goes down
            task.wcet += 1
        if task.release_time + task.deadline < now:
            task.release_time = now

    def _missed(self, task: Task, now: int) -> None:
        if self.strict:
            due = task.release_time + task.deadline
            raise SchedulerPanic(f"Missed hard deadline: now = {now}, deadline = {due}")
        if task.late != task.release_time:
            task.late = task.release_time
            task.misses += 1

    def _unlink(self, task: Task) -> None:
        self.queue.remove(task)
        task.queued = False

    # -- as a Scheduler ----------------------------------------------------------------------------

    def add(self, task: Task, parameters: TaskParameters, now: int, release: int | None = None) -> None:
        """Take in a runnable task. Raises Overcommitted, and ValueError for an id that is here already."""
        if task.id in self._tasks:
            raise ValueError(f"task {task.id} is on this core already")
        self._admit(task, parameters)
        self._charge(now)
        self._tasks[task.id] = task
        self._set(task, parameters, now, release)
        task.runnable = True
        self.make_runnable(task, now)

    def change(self, task: Task, parameters: TaskParameters, now: int, release: int | None = None) -> None:
        """New parameters from `now` on. A blocked task stays blocked (the kernel would wake it)."""
        self._admit(task, parameters)
        self._charge(now)
        self.scheduler_remove(task)
        self._set(task, parameters, now, release)
        if task.runnable:
            self.make_runnable(task, now)

    def remove(self, task: Task, now: int) -> None:
        """The task is gone for good."""
        self._charge(now)
        self.scheduler_remove(task)
        if self.lastdisp is task:
            self.lastdisp = None
        del self._tasks[task.id]
        task.runnable = False

    def block(self, task: Task, now: int) -> None:
        """The task cannot run."""
        self._charge(now)
        self.scheduler_remove(task)
        task.runnable = False

    def unblock(self, task: Task, now: int) -> None:
        """The task can run again, with a whole budget."""
        self._charge(now)
        task.runnable = True
        self.make_runnable(task, now)

    def yield_(self, task: Task, now: int) -> None:
        """Real time: until the next release. Best effort: to the end of the queue."""
        self._charge(now)
        self.scheduler_yield(task, now)

    def check(self, task: Task, parameters: TaskParameters, now: int, release: int) -> None:
        """Raise Overcommitted where the task could not have these parameters."""
        self._admit(task, parameters)

    def urge(self, task: Task, now: int) -> None:
        """Barrelfish knows no such thing: it waits for its turn."""

    def set_clock(self, now: int, reads: int) -> None:
        """The clock that reads `now` is set to `reads`: all are released then (scheduler_reset_time)."""
        self._charge(now)
        self._since = reads
        for task in self.queue:
            task.release_time = task.last_dispatch = reads
            task.etime = 0
            task.late = BEFORE
        self.lastdisp = None

    def correct_clock(self, now: int, reads: int) -> None:
        """The clock that reads `now` is put right: releases stay at its instants. (Barrelfish cannot do that.)"""
        self._charge(now)
        self._since = reads
        for task in self._tasks.values():
            task.last_dispatch += reads - now

    def dispatch(self, now: int) -> Task | None:
        """Charge the time since the last call, and choose who runs from now on."""
        self._charge(now)
        self.current = self.schedule(now)
        return self.current

    def next_decision(self, now: int) -> int | None:
        """When `dispatch` is due if nothing else happens; None: never."""
        return None if self._decision >= NEVER else max(now, self._decision)

    def _charge(self, now: int) -> None:
        elapsed = now - self._since
        self._since = now
        self._decision = BEFORE
        if self.current is None:
            self.idle += elapsed
        else:
            self.current.executed += elapsed

    def _admit(self, task: Task, parameters: TaskParameters) -> None:
        if isinstance(parameters, BestEffort):
            if parameters.weight >= WEIGHT_LIMIT:
                raise ParameterError(
                    f"best effort: Barrelfish takes weights below {WEIGHT_LIMIT}, got {parameters.weight}"
                )
            return
        if parameters.slack:
            raise ParameterError("real time: Barrelfish's RBED gives slack to best effort only, leave slack at 0")
        asked = Fraction(parameters.wcet, parameters.period)
        if isinstance(parameters, Soft):
            raise Overcommitted(asked, Fraction(0), "Barrelfish's RBED has no soft real time")
        taken = sum(u_target(t) for t in self._tasks.values() if t.kind == HARD and t is not task)
        if taken + parameters.wcet * SPECTRUM // parameters.period + BETA > SPECTRUM:
            raise Overcommitted(asked, Fraction(max(0, SPECTRUM - BETA - taken), SPECTRUM))

    def _set(self, task: Task, parameters: TaskParameters, now: int, release: int | None) -> None:
        task.parameters = parameters
        task.release_time = now if release is None else release
        task.late = BEFORE
        if isinstance(parameters, Hard):
            task.kind = HARD
            task.wcet = parameters.wcet
            task.period = parameters.period
            task.deadline = parameters.deadline
        elif isinstance(parameters, BestEffort):
            task.kind = BEST_EFFORT
            task.weight = parameters.weight
