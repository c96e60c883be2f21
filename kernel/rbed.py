"""RBED, the CPU driver's scheduler: hard and soft real time and best effort on one core.

Rate-based earliest deadline (Brandt, Banachowski, Lin and Bisson, RTSS 2003) with the release times that
Barrelfish added (dissertation §3.6.4), as a pure algorithm on integers of any one time unit. This is the
sound variant: an admitted hard real-time task never misses a deadline, and when it runs depends on the
parameters of the hard tasks alone. `rbed_barrelfish.py` has the algorithm as Barrelfish ships it; both
are a `Scheduler`. The rules and the argument for them: docs/rbed.md.
"""

from __future__ import annotations

import math
from fractions import Fraction
from heapq import heapify, heappop, heappush, heappushpop, heapreplace
from typing import Any

from kernel.admission import CAPACITY, NEVER, Demand, Pending, Rate, share_left, shortfall
from kernel.scheduling import (
    BEFORE,
    BEST_EFFORT,
    HARD,
    SOFT,
    BestEffort,
    Hard,
    Overcommitted,
    ParameterError,
    Scheduler,
    Soft,
    Task,
    TaskParameters,
)

__all__ = [
    "BestEffort", "Hard", "Overcommitted", "ParameterError", "Rbed", "Scheduler", "Soft", "Task",
    "TaskParameters",
]


class Rbed:
    """The sound variant.

    `timeslice` is the quantum of best effort, `now` what the clock reads at first. `idle` counts the time
    nobody ran; `soft_granted` is the part of its demand that a soft job is granted, less than 1 where soft
    real time is over-committed.
    """

    __slots__ = (
        "_decision", "_hard", "_left", "_next_release", "_past", "_releases", "_running", "_scale",
        "_sequence", "_shared", "_since", "_soft", "_tasks", "_turn", "_urged", "_virtual", "_waiting", "idle",
        "soft_granted", "timeslice",
    )  # fmt: skip

    def __init__(self, timeslice: int, now: int = 0) -> None:
        if timeslice < 1:
            raise ParameterError(f"timeslice {timeslice} is not positive")
        self.timeslice = timeslice
        self.idle = 0
        self._tasks: dict[int, Task] = {}
        self._running: Task | None = None
        self._since = now  # the instant up to which time is charged
        self._decision = BEFORE
        # Heaps. Hard: exactly the jobs with budget left, blocked or not. Soft: those that are runnable, too.
        self._releases: list[tuple[int, int, Task]] = []  # next release, id
        self._next_release = NEVER
        self._hard: list[tuple[int, int, int, Task]] = []  # deadline, release, id
        self._soft: list[tuple[int, int, int, Task]] = []
        self.soft_granted = Fraction(1)
        self._urged: list[Task] = []  # in the order in which they were
        # What those who left have consumed: rate, kind, whether the deadline is shorter than the period.
        self._past: list[tuple[Rate, int, bool]] = []
        # Best effort and real time with slack: whether who runs does so as one of them, whose turn it is, what
        # is left of it, who waits, and virtual times in 1/scale.
        self._shared = False
        self._turn: Task | None = None
        self._left = 0
        self._waiting: list[tuple[int, int, Task]] = []  # virtual time, sequence
        self._sequence = 0
        self._virtual = 0
        self._scale = 1

    @property
    def running(self) -> Task | None:
        """Who was chosen last, unless it has blocked or left since."""
        return self._running

    # -- the hot path ------------------------------------------------------------------------------

    def dispatch(self, now: int) -> Task | None:
        """Charge the time since the last call to who ran, and choose who runs from now on."""
        self._advance(now)
        if now < self._decision:
            return self._running
        hard = self._hard
        slot: Task | None = None
        chosen: Task | None = None
        until = NEVER
        if hard:
            due, _, _, slot = hard[0]
            until = now + slot.budget
            if slot.runnable:
                self._running = slot
                self._shared = False
                release = self._next_release
                if release < until:
                    for release, _, task in self._releases:
                        if release < until and task.kind == HARD and release + task.deadline < due:
                            until = release
                self._decision = until
                return slot
        # No hard task wants this time: it is who was urged's, then soft real time's, then best effort's.
        shared = False
        if self._urged:
            chosen = self._urged[0]
            end = NEVER
        elif self._soft:
            chosen = self._soft[0][3]
            end = now + chosen.budget
        else:
            chosen = self._turn
            waiting = self._waiting
            if chosen is None:
                if waiting:
                    chosen = heappop(waiting)[2]
                    self._begin_turn(chosen)
            elif self._left == 0:
                if chosen.kind == BEST_EFFORT:
                    chosen.release_time = now
                if waiting:
                    self._sequence += 1
                    chosen = heappushpop(waiting, (chosen.virtual, self._sequence, chosen))[2]
                self._begin_turn(chosen)
            end = now + self._left if waiting else NEVER
            shared = chosen is not None
            if chosen is None and self.soft_granted < 1:
                chosen = self._short_soft()
                end = NEVER if chosen is None else now + chosen.want
        if end < until:
            until = end
        if self._next_release < until:
            until = self._next_release
        self._running = chosen
        self._shared = shared
        self._decision = until
        return chosen

    def next_decision(self, now: int) -> int | None:
        """When `dispatch` is due if nothing else happens; None: never."""
        decision = self._decision
        if decision >= NEVER:
            return None
        return decision if decision > now else now

    def _begin_turn(self, task: Task) -> None:
        self._turn = task
        self._left = self.timeslice
        self._virtual = task.virtual

    def _short_soft(self) -> Task | None:
        """Of the soft jobs whose demand was granted in part only, the one due first that wants more."""
        short = [t for t in self._tasks.values() if t.kind == SOFT and t.runnable and t.want > 0]
        return min(short, key=lambda task: (task.due, task.id), default=None)

    def _advance(self, now: int) -> None:
        """Charge the time up to `now`, and let the jobs end and begin that do so by then."""
        at = self._since
        elapsed = now - at
        if elapsed > 0:
            self._since = now
            running = self._running
            if running is None:
                self.idle += elapsed
            else:
                running.executed += elapsed
                if self._shared:
                    running.virtual += elapsed * running.stride
                    left = self._left - elapsed
                    if left < 0:
                        # Alone, it went from quantum to quantum without a decision; else the call came late.
                        left = 0 if self._waiting else left % self.timeslice
                        self._virtual = running.virtual - (self.timeslice - left) * running.stride
                    self._left = left
                if running.kind == SOFT:
                    self._charge_soft(running, elapsed)
        elif elapsed < 0:
            raise ValueError(f"the clock read {at} before and {now} now; set_clock tells of a change")
        hard = self._hard
        release = self._next_release
        if not hard and now < release:
            return
        # The job with the earliest deadline holds the core, whether its task can run or not: its budget
        # drains all the same, so that when others run does not depend on who blocks.
        while True:
            until = release if release < now else now
            if hard:
                slot = hard[0][3]
                if at + slot.budget <= until:
                    until = at + slot.budget
                slot.budget -= until - at
                if slot.budget == 0:
                    heappop(hard)
                    slot.jobs += 1
                while hard and hard[0][0] <= until:
                    self._miss(heappop(hard)[3])
            at = until
            if release <= at:
                self._release(at)
                release = self._next_release
            if at >= now:
                return

    def _release(self, now: int) -> None:
        """Begin the jobs that are released by `now`."""
        releases = self._releases
        while releases[0][0] <= now:
            release, number, task = releases[0]
            heapreplace(releases, (release + task.period, number, task))
            if task.kind == SOFT:
                self._end_soft(task)
                task.release_time = release
                task.due = release + task.period
                self._begin_soft(task)
            else:
                task.release_time = release
                task.due = due = release + task.deadline
                task.budget = task.given = task.wcet
                heappush(self._hard, (due, release, number, task))
            if task.stride and not task.sharing:
                task.sharing = True
                if task.runnable:
                    self._wait(task, release)
        self._next_release = releases[0][0]

    def _miss(self, task: Task) -> None:
        """A hard job that is due has budget left: admission has failed it (nothing else can)."""
        task.misses += 1
        task.jobs += 1
        task.given -= task.budget
        task.budget = 0

    # -- soft real time ----------------------------------------------------------------------------

    def _charge_soft(self, task: Task, elapsed: int) -> None:
        task.want = max(0, task.want - elapsed)
        if task.budget > 0:
            task.budget = max(0, task.budget - elapsed)
            if task.budget == 0:
                _discard(self._soft, task)

    def _begin_soft(self, task: Task) -> None:
        if self._past and self._past[0][0].end <= task.release_time:
            self._grant_soft(task.release_time)
        task.want = task.wcet
        task.slept = not task.runnable
        task.budget = task.given = self._grant(task)
        if task.runnable and task.budget > 0:
            heappush(self._soft, (task.due, task.release_time, task.id, task))

    def _end_soft(self, task: Task) -> None:
        if task.due == BEFORE:
            return
        task.jobs += 1
        if task.want > 0 and not task.slept:
            task.misses += 1
        if task.budget > 0 and task.runnable:
            _discard(self._soft, task)
        task.budget = task.want = 0

    def _grant(self, task: Task) -> int:
        part = self.soft_granted
        return task.wcet if part >= 1 else task.wcet * part.numerator // part.denominator

    def _grant_soft(self, now: int) -> None:
        """Set what part of its demand a soft job is granted, so that best effort keeps its reserve."""
        self._past = sorted((p for p in self._past if p[0].end > now), key=lambda p: p[0].end)
        rates = [Fraction(0), Fraction(0), Fraction(0)]
        for task in self._tasks.values():
            if task.kind != BEST_EFFORT:
                rates[task.kind] += Fraction(task.wcet, task.period)
        for rate, kind, _ in self._past:
            rates[kind] += rate.share
        available = max(Fraction(0), CAPACITY - rates[HARD])
        granted = Fraction(1) if rates[SOFT] <= available else available / rates[SOFT]
        if granted == self.soft_granted:
            return
        self.soft_granted = granted
        for task in self._tasks.values():
            if task.kind == SOFT and task.want > 0:  # jobs under way, too: what they have had stays theirs
                consumed = task.given - task.budget
                if task.budget > 0 and task.runnable:
                    _discard(self._soft, task)
                task.budget = min(task.want, max(0, self._grant(task) - consumed))
                task.given = consumed + task.budget
                if task.budget > 0 and task.runnable:
                    heappush(self._soft, (task.due, task.release_time, task.id, task))

    # -- coming, changing, going -------------------------------------------------------------------

    def add(self, task: Task, parameters: TaskParameters, now: int, release: int | None = None) -> None:
        """Take in a runnable task. A release that is past is moved on along its own grid.

        Raises Overcommitted, and ValueError where a task of that id is here already; nothing is changed then.
        """
        if task.id in self._tasks:
            raise ValueError(f"task {task.id} is on this core already")
        self._advance(now)
        first = self._admit(task, parameters, now, release)
        self._tasks[task.id] = task
        task.runnable = True
        task.virtual = 0
        self._enter(task, parameters, now, first)

    def change(self, task: Task, parameters: TaskParameters, now: int, release: int | None = None) -> None:
        """Give a task other parameters from `now` on; it stays blocked or runnable.

        Where what it has had in its present period leaves too little for the new ones, their first release
        moves to the end of that period (on the grid of `release`, if given). Raises Overcommitted, and
        nothing is changed then.
        """
        self._advance(now)
        first = self._admit(task, parameters, now, release)
        if task.kind == BEST_EFFORT and isinstance(parameters, BestEffort):
            # Its turn goes on and its place stays: only the pace of its virtual time differs.
            task.parameters = parameters
            self._weigh(task, parameters.weight)
            self._decision = BEFORE
            return
        self._leave(task, now)
        self._enter(task, parameters, now, first)

    def check(self, task: Task, parameters: TaskParameters, now: int, release: int) -> None:
        """Raise Overcommitted where the task could not have these parameters from `release` on."""
        self._advance(now)
        self._admit(task, parameters, now, release)

    def remove(self, task: Task, now: int) -> None:
        """The task is gone for good."""
        self._advance(now)
        if task.sharing:
            # Else one who left after a turn could come back before those who still wait for theirs.
            self._virtual = max(self._virtual, task.virtual)
        self._leave(task, now)
        del self._tasks[task.id]
        task.runnable = False
        self._grant_soft(now)

    def _admit(self, task: Task, parameters: TaskParameters, now: int, release: int | None) -> int:
        """The first release of `task` under `parameters`, or Overcommitted."""
        first = _first_release(parameters, now, release)
        if not isinstance(parameters, Hard):
            return first
        asked = Fraction(parameters.wcet, parameters.period)
        own = self._consumed(task, now) if task.id in self._tasks else None
        past = [p for p in (*self._past, own) if p is not None and p[1] == HARD]
        rates = [p[0] for p in past]
        deadline = min(parameters.deadline, parameters.period)
        demands = []
        pending = []
        short = any(p[2] for p in past) or deadline < parameters.period
        for following, _, other in self._releases:
            if other.kind == HARD and other is not task:
                start = following if other.due == BEFORE else now
                rates.append(Rate(start, NEVER, Fraction(other.wcet, other.period)))
                demands.append(Demand(following, other.wcet, other.period, other.deadline))
                pending.append(Pending(other.due, other.budget))
                short = short or other.deadline < other.period
        available = share_left(rates, first)
        if asked > available and own is not None and own[1] == HARD:
            end = own[0].end
            first = end if release is None else _first_release(parameters, end, first)
            available = share_left(rates, first)
        if asked > available:
            raise Overcommitted(asked, available)
        # With deadlines at the periods' ends, rates that fit at every instant are proof enough.
        demands.append(Demand(first, parameters.wcet, parameters.period, deadline))
        if short and (reason := shortfall(demands, pending, now)):
            raise Overcommitted(asked, available, reason)
        return first

    def _consumed(self, task: Task, now: int) -> tuple[Rate, int, bool] | None:
        """The bandwidth that a task leaving now still counts for until its period ends."""
        end = task.release_time + task.period
        consumed = task.given - task.budget
        if task.kind == BEST_EFFORT or consumed == 0 or end <= now:
            return None
        rate = Rate(task.release_time, end, Fraction(consumed, task.period))
        return rate, task.kind, task.deadline < task.period

    def _enter(self, task: Task, parameters: TaskParameters, now: int, first: int) -> None:
        task.parameters = parameters
        task.release_time = first
        task.due = BEFORE
        task.budget = task.given = task.want = 0
        if isinstance(parameters, BestEffort):
            task.kind = BEST_EFFORT
            self._weigh(task, parameters.weight)
            task.sharing = True
            if task.runnable:
                self._wait(task, now)
        else:
            task.stride = 0
            if parameters.slack:
                self._weigh(task, parameters.slack)
            task.kind = SOFT if isinstance(parameters, Soft) else HARD
            task.wcet = parameters.wcet
            task.period = task.deadline = parameters.period
            if isinstance(parameters, Hard):
                task.deadline = min(parameters.deadline, parameters.period)
            heappush(self._releases, (first, task.id, task))
            self._next_release = self._releases[0][0]
        self._grant_soft(now)
        self._decision = BEFORE
        if self._next_release <= now:
            self._release(now)

    def _leave(self, task: Task, now: int) -> None:
        self._stop(task)
        if task.urged:
            self._calm(task)
            task.sharing = False
        if task.sharing:
            self._leave_turn(task)
            task.sharing = False
        if task.kind == BEST_EFFORT:
            return
        if (past := self._consumed(task, now)) is not None:
            self._past.append(past)
        if task.budget > 0:
            _discard(self._hard if task.kind == HARD else self._soft, task)
        _discard(self._releases, task)
        self._next_release = self._releases[0][0] if self._releases else NEVER

    def _weigh(self, task: Task, weight: int) -> None:
        """Set a task's weight in what real time leaves; every weight divides the unit of virtual times."""
        scale = math.lcm(self._scale, weight)
        if scale != self._scale:
            factor = scale // self._scale
            self._scale = scale
            self._virtual *= factor
            for other in self._tasks.values():
                other.virtual *= factor
                other.stride *= factor
            self._waiting = [(virtual * factor, sequence, t) for virtual, sequence, t in self._waiting]
        task.weight = weight
        task.stride = scale // weight

    # -- blocking and yielding ---------------------------------------------------------------------

    def block(self, task: Task, now: int) -> None:
        """The task cannot run. A hard one keeps its slot, whose time is lent to soft and best effort."""
        if not task.runnable:
            return
        self._advance(now)
        if task.urged:
            self._calm(task)
        elif task.sharing:
            self._leave_turn(task)
        if task.kind == SOFT and task.budget > 0:
            _discard(self._soft, task)
        task.runnable = False
        task.slept = True
        self._stop(task)

    def unblock(self, task: Task, now: int) -> None:
        """The task can run again: a real-time one with what its present job has left."""
        if task.runnable:
            return
        self._advance(now)
        task.runnable = True
        if task.sharing:
            self._wait(task, now)
        if task.kind == SOFT and task.budget > 0:
            heappush(self._soft, (task.due, task.release_time, task.id, task))
        self._decision = BEFORE

    def yield_(self, task: Task, now: int) -> None:
        """Real time: the present job is over, on slack too. Best effort: everyone runnable has a turn first."""
        self._advance(now)
        if task.kind == BEST_EFFORT:
            if task.runnable:
                if task.urged:
                    self._calm(task)
                else:
                    self._leave_turn(task)
                task.virtual = max(task.virtual, *(entry[0] for entry in self._waiting), 0)
                self._wait(task, now)
        else:
            if task.budget > 0:
                if task.kind == HARD:
                    _discard(self._hard, task)
                    task.jobs += 1
                elif task.runnable:
                    _discard(self._soft, task)
            task.given -= task.budget
            task.budget = task.want = 0
            if task.sharing:
                self._leave_turn(task)
                task.sharing = False
        self._decision = BEFORE

    def urge(self, task: Task, now: int) -> None:
        """Before everybody but hard real time, until it blocks or yields: a best-effort task that can run.

        It is the fixed priority that planners need for a phase change (dissertation §3.5.5).
        """
        if task.kind == BEST_EFFORT and task.runnable and not task.urged:
            self._advance(now)
            self._leave_turn(task)
            task.sharing = False
            task.urged = True
            self._urged.append(task)
            self._decision = BEFORE

    def _calm(self, task: Task) -> None:
        """It is best effort like others again, and to be queued if it can run."""
        self._urged.remove(task)
        task.urged = False
        task.sharing = True

    def set_clock(self, now: int, reads: int) -> None:
        """The clock that reads `now` is set to `reads`: everything planned moves with it."""
        self._advance(now)
        by = reads - now
        self._since += by
        self._releases = [(release + by, number, task) for release, number, task in self._releases]
        self._next_release = self._releases[0][0] if self._releases else NEVER
        self._hard = [(due + by, release + by, number, task) for due, release, number, task in self._hard]
        self._soft = [(due + by, release + by, number, task) for due, release, number, task in self._soft]
        self._past = [
            (Rate(rate.start + by, rate.end + by, rate.share), kind, short)
            for rate, kind, short in self._past
        ]
        for task in self._tasks.values():
            task.release_time += by
            if task.due != BEFORE:
                task.due += by
        self._decision = BEFORE

    def correct_clock(self, now: int, reads: int) -> None:
        """The clock that reads `now` is put right: releases and deadlines stay where they are on it.

        What a correction forward takes away is lost to the hard jobs under way, which then get what fits.
        """
        self._advance(now)
        self._since = reads
        if self._next_release <= reads:
            self._release(reads)
        busy = reads
        for due, _, _, task in sorted(self._hard, key=lambda entry: entry[:3]):
            lost = max(0, task.budget - max(0, due - busy))
            task.budget -= lost
            task.given -= lost
            busy += task.budget
            task.jobs += task.budget == 0
        self._hard = [entry for entry in self._hard if entry[3].budget > 0]
        heapify(self._hard)
        self._decision = BEFORE

    def _stop(self, task: Task) -> None:
        if self._running is task:
            self._running = None
        self._decision = BEFORE

    def _wait(self, task: Task, now: int) -> None:
        """Queue a task for its turn; time that it did not ask for is not made up to it."""
        if task.kind == BEST_EFFORT:
            task.release_time = now
        if task.virtual < self._virtual:
            task.virtual = self._virtual
        self._sequence += 1
        heappush(self._waiting, (task.virtual, self._sequence, task))

    def _leave_turn(self, task: Task) -> None:
        if self._turn is task:
            self._turn = None
            if not self._waiting:
                self._virtual = max(self._virtual, task.virtual)
        elif task.runnable:
            _discard(self._waiting, task)


def _first_release(parameters: TaskParameters, now: int, release: int | None) -> int:
    """The first release not before `now`: a task told late stays in step with those told in time."""
    if release is None or isinstance(parameters, BestEffort):
        return now
    late = now - release
    return release if late <= 0 else release + -(-late // parameters.period) * parameters.period


def _discard(heap: list[Any], task: Task) -> None:
    """Take the entry of `task` out of a heap."""
    for index, entry in enumerate(heap):
        if entry[-1] is task:
            last = heap.pop()
            if last is not entry:
                heap[index] = last
                heapify(heap)
            return
