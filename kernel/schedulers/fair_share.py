"""Linux's completely fair scheduler on one core, as of 2.6.32 (kernel/sched_fair.c): to compare RBED with.

Who has had the least of the processor, by weight, runs. It is preempted at the first tick that finds it has had its
share of a period in which all have theirs, or by one that wakes up and has had less by more than a granularity; who
slept is put back by half a period at most. It knows neither deadlines nor what runs on other cores: real time is
best effort here, of its weight for slack, or of weight 1.

Before all that come the fixed priorities that Linux has as well: who is urged, then who is raised to the real-time
class; and who is suspended (SIGSTOP) does not run at all. Those two are how a user-level gang scheduler
(dissertation §3.3.3) and Slurm have cores do things together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from kernel.admission import NEVER
from kernel.scheduling import BEFORE, BEST_EFFORT, BestEffort, Task, TaskParameters

_UNIT = 1 << 20
"""Virtual time goes by so much for a task of weight 1 in one unit of time."""


@dataclass(frozen=True, slots=True)
class FairShare:
    """The tunables, in units of time: everybody runs once in `latency`, unless that gave less than `granularity`
    to each; a wake-up preempts by more than `wakeup`; preemption is looked at every `tick`, on each core at an
    instant of its own, `skew` later than on the one before it, lest they all want the same lock.
    """

    latency: int
    granularity: int
    wakeup: int
    tick: int
    skew: int = 0


class Cfs:
    """One core's scheduler, a `Scheduler`. Nothing is ever refused. `idle` counts the time nobody ran.

    `position` is the core's among all, from 0. `dispatched` is called whenever somebody has been chosen, or nobody:
    the load balancer's cue.
    """

    __slots__ = (
        "_again", "_current", "_decision", "_dispatched", "_phase", "_raised", "_ran", "_running", "_sequence",
        "_share", "_since", "_suspended", "_tasks", "_urged", "_virtual", "_waiting", "idle",
    )  # fmt: skip

    def __init__(
        self, share: FairShare, now: int = 0, position: int = 0, dispatched: Callable[[], None] = lambda: None
    ) -> None:
        self._share = share
        self._phase = position * share.skew
        self._dispatched = dispatched
        self.idle = 0
        self._tasks: dict[int, Task] = {}
        self._urged: list[Task] = []  # in the order in which they were
        self._raised: dict[int, tuple[int, Task]] = {}  # by number, in the order of their turns: priority and task
        self._suspended: set[int] = set()
        self._waiting: list[tuple[int, int, Task]] = []  # virtual time, sequence: all who can run but who does
        self._current: Task | None = None  # of the fair class: whose time it is, though another may have it now
        self._ran = 0  # how much of it that has had without a break
        self._virtual = 0  # the least virtual time of all that can run; it never goes back
        self._sequence = 0
        self._running: Task | None = None
        self._since = now
        self._decision = BEFORE
        self._again = True  # somebody else may have to be chosen before that

    # -- what the load balancer and the gang schedulers ask -----------------------------------------

    @property
    def running(self) -> Task | None:
        """Who was chosen last, unless it has blocked or left since."""
        return self._running

    @property
    def load(self) -> int:
        """The weights of all that can run, raised ones included."""
        return sum(task.weight for task in self._tasks.values() if self._can_run(task))

    @property
    def waits(self) -> bool:
        """Whether anybody of the fair class can run and does not."""
        return bool(self._waiting)

    @property
    def waiting(self) -> list[Task]:
        """Who of the fair class can run and does not, who has had least first."""
        return [task for _, _, task in sorted(self._waiting)]

    def raise_(self, task: Task, now: int, priority: int = 1) -> None:
        """Put a task into the real-time class: before everybody of the fair one and those of less priority.

        Of the same priority they take turns at each yield.
        """
        if task.id in self._raised:
            return
        self._charge(now)
        self._dequeue(task)
        self._raised[task.id] = priority, task
        self._again = True

    def lower(self, task: Task, now: int) -> None:
        """Put it back into the fair class."""
        if task.id not in self._raised:
            return
        self._charge(now)
        del self._raised[task.id]
        if self._can_run(task):
            self._enqueue(task, now)
        self._again = True

    def suspend(self, task: Task, now: int) -> None:
        """It does not run until `resume`, whatever wakes it."""
        self._charge(now)
        self._suspended.add(task.id)
        self._stop(task)

    def resume(self, task: Task, now: int) -> None:
        """It runs again, if it can."""
        if task.id not in self._suspended:
            return
        self._charge(now)
        self._suspended.discard(task.id)
        if task.runnable and task.id not in self._raised:
            self._wake(task, now)
        self._again = True

    # -- choosing ----------------------------------------------------------------------------------

    def dispatch(self, now: int) -> Task | None:
        """Charge the time since the last call to who ran, and choose who runs from now on."""
        self._charge(now)
        if self._again or now >= self._decision:
            if now >= self._decision:
                self._put_back(now)
            self._running = self._choose(now)
            self._again = False
        self._decision = self._next_preemption(now)
        self._dispatched()
        return self._running

    def _choose(self, now: int) -> Task | None:
        first = self._urged[0] if self._urged else None
        if first is None:
            ready = [each for each in self._raised.values() if self._can_run(each[1])]
            first = max(ready, key=lambda each: each[0])[1] if ready else None
        if first is not None:
            self._put_back(now)
            return first
        if self._current is None and self._waiting:
            self._current = heappop(self._waiting)[2]
            self._ran = 0
        return self._current

    def _next_preemption(self, now: int) -> int:
        """The first tick at which the fair task that runs has had its share, or is ahead of the others by as much."""
        current = self._current
        if current is None or self._running is not current or not self._waiting:
            return NEVER
        total = current.weight + sum(task.weight for _, _, task in self._waiting)
        many = (len(self._waiting) + 1) * self._share.granularity
        slice_ = max(self._share.latency, many) * current.weight // total
        ahead = (current.virtual - self._waiting[0][0]) // _UNIT
        left = min(slice_ - self._ran, max(self._share.granularity - self._ran, (slice_ - ahead) * current.weight))
        at = now + max(left, 1)
        return at + (self._phase - at) % self._share.tick

    def next_decision(self, now: int) -> int | None:
        """When `dispatch` is due if nothing else happens; None: never."""
        return None if self._decision >= NEVER else max(self._decision, now)

    def _charge(self, now: int) -> None:
        elapsed = now - self._since
        if elapsed < 0:
            raise ValueError(f"the clock read {self._since} before and {now} now; set_clock tells of a change")
        self._since = now
        running = self._running
        if running is None:
            self.idle += elapsed
            return
        running.executed += elapsed
        running.last_dispatch = now
        if running is self._current:
            self._ran += elapsed
            running.virtual += elapsed * _UNIT // running.weight
            least = running.virtual if not self._waiting else min(running.virtual, self._waiting[0][0])
            self._virtual = max(self._virtual, least)

    # -- coming, changing, going -------------------------------------------------------------------

    def add(self, task: Task, parameters: TaskParameters, now: int, release: int | None = None) -> None:
        """Take in a runnable task. One that ran on another core keeps its distance from the others there."""
        if task.id in self._tasks:
            raise ValueError(f"task {task.id} is on this core already")
        self._charge(now)
        self._tasks[task.id] = task
        task.runnable = True
        task.kind = BEST_EFFORT
        self._weigh(task, parameters)
        self._again = True
        if task.executed:
            task.virtual += self._virtual
            self._wake(task, now)
        else:
            # A new one does not come before those that have waited: it starts where its first turn would end.
            task.virtual = self._virtual + self._share.latency * _UNIT // self.load
            self._enqueue(task, now)

    def change(self, task: Task, parameters: TaskParameters, now: int, release: int | None = None) -> None:
        """Give a task another weight."""
        self._charge(now)
        self._weigh(task, parameters)
        self._again = True

    def check(self, task: Task, parameters: TaskParameters, now: int, release: int) -> None:
        """Everything can be had."""

    def remove(self, task: Task, now: int) -> None:
        """The task is gone, for good or to another core."""
        self._charge(now)
        self._stop(task)
        if task.urged:
            self._calm(task)
        self._raised.pop(task.id, None)
        self._suspended.discard(task.id)
        task.virtual -= self._virtual
        task.runnable = False
        del self._tasks[task.id]

    def _weigh(self, task: Task, parameters: TaskParameters) -> None:
        task.weight = parameters.weight if isinstance(parameters, BestEffort) else max(parameters.slack, 1)
        task.parameters = BestEffort(task.weight)

    # -- blocking and yielding ---------------------------------------------------------------------

    def block(self, task: Task, now: int) -> None:
        """The task cannot run."""
        if not task.runnable:
            return
        self._charge(now)
        if task.urged:
            self._calm(task)
        self._stop(task)
        task.runnable = False

    def unblock(self, task: Task, now: int) -> None:
        """The task can run again; whether at once, is seen from how much it has had."""
        if task.runnable:
            return
        self._charge(now)
        task.runnable = True
        if task.id in self._raised:
            self._again = True
        elif task.id not in self._suspended:
            self._wake(task, now)

    def yield_(self, task: Task, now: int) -> None:
        """Who has had least runs, which may be the same again; of the real-time class, who is next."""
        self._charge(now)
        if task.urged:
            self._calm(task)
            if self._can_run(task):
                self._enqueue(task, now)
        if task.id in self._raised:
            self._raised[task.id] = self._raised.pop(task.id)
        self._put_back(now)
        self._again = True

    def urge(self, task: Task, now: int) -> None:
        """Before everybody, until it blocks or yields: a task that can run."""
        if self._can_run(task) and not task.urged:
            self._charge(now)
            self._dequeue(task)
            task.urged = True
            self._urged.append(task)
            self._again = True

    def set_clock(self, now: int, reads: int) -> None:
        """The clock that reads `now` is set to `reads`."""
        self._charge(now)
        self._since = reads
        for task in self._tasks.values():
            task.release_time += reads - now
        self._decision = NEVER
        self._again = True

    def correct_clock(self, now: int, reads: int) -> None:
        """The clock that reads `now` is put right: nothing here depends on what it reads."""
        self.set_clock(now, reads)

    # -- the queue ---------------------------------------------------------------------------------

    def _can_run(self, task: Task) -> bool:
        return task.runnable and task.id not in self._suspended

    def _calm(self, task: Task) -> None:
        self._urged.remove(task)
        task.urged = False

    def _enqueue(self, task: Task, now: int) -> None:
        if task.urged or task.id in self._raised:
            return
        task.release_time = now
        self._sequence += 1
        heappush(self._waiting, (task.virtual, self._sequence, task))

    def _wake(self, task: Task, now: int) -> None:
        """Queue one that has slept: it has missed half a period at most. It preempts if it has had much less."""
        task.virtual = max(task.virtual, self._virtual - self._share.latency // 2 * _UNIT)
        self._enqueue(task, now)
        current = self._current
        if current is None or current is not self._running:
            self._again = True
        elif current.virtual - task.virtual > self._share.wakeup * _UNIT // task.weight:
            self._put_back(now)
            self._again = True

    def _put_back(self, now: int) -> None:
        """The fair task whose time it was is one of those that wait."""
        if self._current is not None:
            task, self._current = self._current, None
            self._enqueue(task, now)

    def _dequeue(self, task: Task) -> None:
        if self._current is task:
            self._current = None
        else:
            left = [entry for entry in self._waiting if entry[2] is not task]
            if len(left) < len(self._waiting):
                self._waiting = left
                heapify(left)

    def _stop(self, task: Task) -> None:
        self._dequeue(task)
        if self._running is task:
            self._running = None
        self._again = True
