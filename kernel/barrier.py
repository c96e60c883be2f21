"""Barriers, and the tight compute-and-barrier loop, exact and yet without an event an iteration.

The barrier is the spin-then-block barrier of OpenMP run-times (dissertation §3.1.2, §3.3.3): a thread
that arrives takes the counter's cache line and adds one; the last to arrive opens the barrier; the others
spin on the line for a while and then block. The cost of an arrival is the transfer of the line from the
core that last had it; a waiter sees the opening when the line has come to it.

Two ways of advancing give the same result. Event by event: each arrival, opening and time-out is an
instant. Carried: while every member runs undisturbed, what follows an opening depends on nothing but
which member opened it, so the sequence of openings repeats and whole rounds are computed in closed form;
the first disturbance (a preemption, an interrupt, a kill) puts every member back into the middle of the
round that the instant falls into. tests/kernel/test_barrier.py holds the two against each other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel.errors import KernelError
from kernel.threads import ENDLESS, Thread, ThreadState

if TYPE_CHECKING:
    from kernel.cpu_driver import CpuDriver


@dataclass(frozen=True, slots=True)
class _Round:
    """What follows an opening by one member, as offsets from it; lists are by member."""

    released: tuple[int, ...]  # sees the opening, starts to compute
    computed: tuple[int, ...]  # asks for the counter's line
    arrived: tuple[int, ...]  # has added one, starts to spin
    order: tuple[int, ...]  # members as they arrive; the last opens the next round
    length: int


class Barrier:
    """A barrier for `parties` threads.

    `spin_ps` is how long a waiter spins before it blocks; `wake_ps` what it costs a blocked thread to
    block and resume, paid when it resumes (§3.2.5); `line_ps(a, b)` moves a cache line from core a to b;
    `message_ps(a, b)` is the wake-up message between cores.
    """

    carry = True
    """Whether rounds may pass in closed form; the tests switch it off to compare."""

    def __init__(
        self,
        parties: int,
        spin_ps: int,
        wake_ps: Callable[[int], int],
        line_ps: Callable[[int, int], int],
        message_ps: Callable[[int, int], int],
    ) -> None:
        self.parties = parties
        self.spin_ps = spin_ps
        self.wake_ps = wake_ps
        self.line_ps = line_ps
        self.message_ps = message_ps
        self.rounds = 0  # openings so far, those being carried not counted
        self._members: list[Thread] = []
        self._enrolled: set[Thread] = set()  # the members
        self._compute_ps: dict[Thread, int] = {}
        self._holder: int | None = None  # the core that has the counter's line
        self._line_free = 0  # when the line may move on
        self._waiting: list[Thread] = []
        self._carried_since: int | None = None
        self._path: list[int] = []  # openers, from the one at _carried_since on, until they repeat
        self._times: list[int] = []  # offsets of their openings
        self._repeat = 0  # where in the path the repetition starts
        self._rounds: dict[int, _Round] = {}

    # -- the loop, event by event ------------------------------------------------------------------

    def join(self, thread: Thread, compute_ps: int, now: int) -> None:
        """`thread` starts the loop: compute for `compute_ps`, arrive, and so on without end."""
        self._enrol(thread)
        thread.barrier = self
        self._compute_ps[thread] = compute_ps
        self._start_round(thread, now)

    def wait(self, thread: Thread, now: int) -> None:
        """`thread` arrives once; its program goes on when all have."""
        self._enrol(thread)
        if self._compute_ps.pop(thread, None) is not None:
            thread.barrier = None
        self._take_line(thread, now)

    def progress(self, now: int) -> int:
        """Rounds completed by `now`."""
        if self._carried_since is None:
            return self.rounds
        return self.rounds + self._position(now - self._carried_since)[0]

    @property
    def waiters(self) -> list[Thread]:
        """Who has arrived, and spins or is blocked until all have."""
        return [thread for thread in self._waiting if thread.state is not ThreadState.EXITED]

    @property
    def members(self) -> list[Thread]:
        """Who has ever arrived, and may again: of those that have not ended at most as many as there are parties."""
        return [thread for thread in self._members if thread.state is not ThreadState.EXITED]

    def moved(self, thread: Thread, before_hz: int, after_hz: int) -> None:
        """`thread` is on another core now, perhaps of another speed; rounds are not what they were."""
        self._rounds.clear()
        if thread in self._compute_ps:
            self._compute_ps[thread] = self._compute_ps[thread] * before_hz // after_hz

    def _enrol(self, thread: Thread) -> None:
        if thread in self._enrolled:
            return
        if len(self._members) == self.parties:
            self._members = [member for member in self._members if member.state is not ThreadState.EXITED]
            self._enrolled.intersection_update(self._members)
            if len(self._members) == self.parties:
                raise KernelError(f"a barrier for {self.parties} threads was joined by one more")
        self._enrolled.add(thread)
        self._members.append(thread)

    def _start_round(self, thread: Thread, _now: int) -> None:
        thread.compute(self._compute_ps[thread], lambda now: self._take_line(thread, now))

    def _take_line(self, thread: Thread, now: int) -> None:
        core = thread.dispatcher.core
        holder = core if self._holder is None else self._holder
        arrived = max(now, self._line_free) + self.line_ps(holder, core)
        self._line_free, self._holder = arrived, core
        thread.compute(arrived - now, lambda now: self._arrive(thread, now))

    def _arrive(self, thread: Thread, now: int) -> None:
        if len(self._waiting) + 1 < self.parties:
            self._waiting.append(thread)
            thread.compute(self.spin_ps, lambda _: thread.block())
        else:
            self._open(thread, now)

    def _open(self, opener: Thread, now: int) -> None:
        self.rounds += 1
        core = opener.dispatcher.core
        self._holder, self._line_free = core, now  # it writes the line to open, whoever asked for it last
        waiting, self._waiting = self._waiting, []
        all_running = _running(opener)
        for thread in waiting:
            all_running = all_running and _running(thread)
            seen_ps = self.line_ps(core, thread.dispatcher.core)
            if thread.state is ThreadState.BLOCKED:
                woken = self.wake_ps(thread.dispatcher.core) + seen_ps
                thread.compute(woken, self._starter(thread))
                thread.dispatcher.driver.notify(
                    thread, now + self.message_ps(core, thread.dispatcher.core)
                )
            else:
                thread.dispatcher.driver.settle(now)
                thread.compute(seen_ps, self._starter(thread))
                thread.dispatcher.driver.plan(now)
        self._starter(opener)(now)
        if all_running and self.carry and len(self._compute_ps) == self.parties:
            self._carry(opener, now)

    def _starter(self, thread: Thread) -> Callable[[int], None]:
        """What `thread` does once it has seen the opening: the next round, or its program."""
        if thread in self._compute_ps:
            return lambda now: self._start_round(thread, now)
        return thread.resume

    # -- the loop, carried -------------------------------------------------------------------------

    def _carry(self, opener: Thread, now: int) -> None:
        """All members run, `opener` opened at `now`: let rounds pass in closed form from here on."""
        first = self._members.index(opener)
        path, times = [first], [0]
        while True:
            this = self._round_after(path[-1])
            if max(this.length - arrived for arrived in this.arrived) > self.spin_ps:
                return  # somebody would block: that has to be played out
            times.append(times[-1] + this.length)
            if this.order[-1] in path:
                break
            path.append(this.order[-1])
        self._path, self._times, self._repeat = path, times, path.index(this.order[-1])
        self._carried_since = now
        for thread in self._members:
            thread.dispatcher.driver.settle(now)
            thread.work = ENDLESS
            thread.dispatcher.driver.plan(now)

    def disturb(self, now: int, by: CpuDriver) -> None:
        """Something is about to happen to a member on `by`: leave the closed form, if it was in use.

        Every member is put where it is at `now`; all drivers but `by` plan anew.
        """
        if self._carried_since is None:
            return
        rounds, at, offset = self._position(now - self._carried_since)
        this = self._round_after(self._path[at])
        opened = now - offset
        self.rounds += rounds
        self._carried_since = None
        self._holder = self._members[self._path[at]].dispatcher.core
        self._line_free = opened
        self._waiting = []
        for member in this.order:
            if this.computed[member] <= offset:
                self._holder = self._members[member].dispatcher.core
                self._line_free = opened + this.arrived[member]
            if this.arrived[member] <= offset:
                self._waiting.append(self._members[member])
        for member, thread in enumerate(self._members):
            driver = thread.dispatcher.driver
            driver.settle(now)
            self._put(thread, this, member, offset)
            if driver is not by:
                driver.plan(now)

    def _put(self, thread: Thread, this: _Round, member: int, offset: int) -> None:
        """Set the work of one member as it is `offset` after the opening that `this` follows."""
        if offset < this.released[member]:
            thread.compute(this.released[member] - offset, self._starter(thread))
        elif offset < this.computed[member]:
            thread.compute(this.computed[member] - offset, lambda now: self._take_line(thread, now))
        elif offset < this.arrived[member]:
            thread.compute(this.arrived[member] - offset, lambda now: self._arrive(thread, now))
        else:
            thread.compute(self.spin_ps - (offset - this.arrived[member]), lambda _: thread.block())

    def _position(self, elapsed: int) -> tuple[int, int, int]:
        """After `elapsed` ps of carrying: rounds opened, place in the path, time since that opening."""
        start, period = self._times[self._repeat], self._times[-1] - self._times[self._repeat]
        laps = 0
        if elapsed >= self._times[-1]:
            laps, inside = divmod(elapsed - start, period)
            elapsed = start + inside
        at = bisect_right(self._times, elapsed) - 1
        return laps * (len(self._path) - self._repeat) + at, at, elapsed - self._times[at]

    def _round_after(self, opener: int) -> _Round:
        """The round that follows an opening by member `opener`, all members running."""
        cached = self._rounds.get(opener)
        if cached is not None:
            return cached
        cores = [thread.dispatcher.core for thread in self._members]
        released = tuple(self.line_ps(cores[opener], core) for core in cores)
        computed = tuple(
            start + self._compute_ps[thread] for start, thread in zip(released, self._members, strict=True)
        )
        order = sorted(range(len(cores)), key=lambda member: (computed[member], cores[member]))
        arrived = [0] * len(cores)
        holder, free = cores[opener], 0
        for member in order:
            free = max(computed[member], free) + self.line_ps(holder, cores[member])
            arrived[member], holder = free, cores[member]
        made = _Round(released, computed, tuple(arrived), tuple(order), free)
        self._rounds[opener] = made
        return made


def _running(thread: Thread) -> bool:
    """Whether the thread is on its core at this instant, nothing owed to the kernel."""
    driver = thread.dispatcher.driver
    return driver.runs(thread.dispatcher) and thread.dispatcher.current_thread is thread
