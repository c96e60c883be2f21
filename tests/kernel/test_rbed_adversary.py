"""The sound variant against an adversary: calls in any order at any time, and a referee that shares no code.

The referee plays earliest deadline first over the hard jobs by single ticks, from nothing but the parameters that
were let in, the first releases, and who left, changed or yielded. It says who holds the core at every tick, and
sees itself whether a job is late.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from kernel.rbed import BestEffort, Hard, Overcommitted, Rbed, Soft, Task, TaskParameters

QUANTUM = 6
MOVES = ("submit", "submit", "remove", "again", "block", "unblock", "unblock", "yield", "clock", "run", "run")
PERIODS = (5, 8, 10, 12, 15, 20, 24, 30, 36)


@dataclass
class Job:
    release: int
    due: int
    left: int


class World:
    """A core, whatever happens to it, and the referee."""

    def __init__(self) -> None:
        self.scheduler = Rbed(QUANTUM)
        self.now = 0  # in the referee's time
        self.offset = 0  # what the core's clock reads above that
        self.tasks: dict[int, Task] = {}
        self.grids: dict[int, tuple[int, Hard]] = {}  # next release
        self.jobs: dict[int, Job] = {}
        self.missed: dict[int, int] = {}  # what those that are hard now missed when they were soft
        self.admitted = self.refused = self.lent = 0
        self.shared: dict[int, int] = {}  # ticks of best effort and slack had
        self.gaps: dict[tuple[int, int], tuple[Fraction, Fraction]] = {}

    @property
    def clock(self) -> int:
        return self.now + self.offset

    def submit(self, number: int, parameters: TaskParameters, wait: int | None) -> None:
        """Add a task or change it."""
        self.settle()
        release = None if wait is None else self.clock + wait
        task = self.tasks.get(number)
        try:
            if task is None:
                task = Task(number)
                self.scheduler.add(task, parameters, self.clock, release)
                self.tasks[number] = task
            else:
                self.scheduler.change(task, parameters, self.clock, release)
        except Overcommitted as error:
            assert error.asked > error.available or "; " in str(error)
            self.refused += 1
            return
        self.admitted += 1
        self.forget(number)
        if isinstance(parameters, Hard):
            first = task.release_time - self.offset
            assert first >= self.now
            self.grids[number] = (first, parameters)
            self.missed[number] = task.misses
            self.arrive()

    def arrive(self) -> None:
        for number, (release, hard) in self.grids.items():
            if release <= self.now:
                assert number not in self.jobs, "a job is late"
                self.jobs[number] = Job(release, release + min(hard.deadline, hard.period), hard.wcet)
                self.grids[number] = (release + hard.period, hard)

    def forget(self, number: int) -> None:
        self.grids.pop(number, None)
        self.jobs.pop(number, None)
        self.restart(number)

    def restart(self, number: int) -> None:
        """What `number` had is no longer compared with what the others had."""
        self.gaps = {pair: gap for pair, gap in self.gaps.items() if number not in pair}

    def remove(self, number: int) -> None:
        if number in self.tasks:
            self.settle()
            self.scheduler.remove(self.tasks.pop(number), self.clock)
            self.forget(number)

    def block(self, number: int) -> None:
        self.call(number, self.scheduler.block)

    def unblock(self, number: int) -> None:
        self.call(number, self.scheduler.unblock)

    def yield_(self, number: int) -> None:
        self.call(number, self.scheduler.yield_)
        self.jobs.pop(number, None)

    def call(self, number: int, what: Callable[[Task, int], None]) -> None:
        if number in self.tasks:
            self.settle()
            what(self.tasks[number], self.clock)
            self.restart(number)

    def set_clock(self, by: int) -> None:
        self.settle()
        self.scheduler.set_clock(self.clock, self.clock + by)
        self.offset += by

    def settle(self) -> None:
        """What holds before every call (which need no dispatch)."""
        for number in self.grids:
            assert self.tasks[number].misses == self.missed[number]

    def run(self, ticks: int) -> None:
        """Let time go by, the core deciding no oftener than it says it must."""
        chosen = self.scheduler.dispatch(self.clock)
        for _ in range(ticks):
            decision = self.scheduler.next_decision(self.clock)
            if decision is not None and decision <= self.clock:
                chosen = self.scheduler.dispatch(self.clock)
            self.judge(chosen)
            self.now += 1
            self.arrive()
        self.scheduler.dispatch(self.clock)

    def judge(self, chosen: Task | None) -> None:
        """One tick."""
        holder = min(self.jobs, key=lambda n: (self.jobs[n].due, self.jobs[n].release, n), default=None)
        slot = holder is not None and self.tasks[holder].runnable
        if holder is not None:
            job = self.jobs[holder]
            if slot:
                assert chosen is self.tasks[holder], "the job due first has the core"
            else:
                self.lent += 1
            job.left -= 1
            if job.left == 0:
                del self.jobs[holder]
        for job in self.jobs.values():
            assert self.now + 1 + job.left <= job.due, "a hard job cannot end in time"
        if slot:
            return
        if chosen is None:
            assert not any(t.runnable and isinstance(t.parameters, BestEffort) for t in self.tasks.values())
            return
        assert chosen.runnable
        if isinstance(chosen.parameters, Hard):
            assert chosen.parameters.slack, "nothing beyond its budget without a rule"
        if not isinstance(chosen.parameters, Soft):
            self.shared[chosen.id] = self.shared.get(chosen.id, 0) + 1
        self.compare()

    def compare(self) -> None:
        """Best effort that could run all the time has had its share by weight, within two quanta."""
        ready = [t for t in self.tasks.values() if t.runnable and isinstance(t.parameters, BestEffort)]
        had = {task.id: Fraction(self.shared.get(task.id, 0), task.weight) for task in ready}
        for one in ready:
            for other in ready:
                if one.id < other.id:
                    gap = had[one.id] - had[other.id]
                    low, high = self.gaps.get((one.id, other.id), (gap, gap))
                    low, high = self.gaps[one.id, other.id] = min(low, gap), max(high, gap)
                    assert high - low <= 4 * QUANTUM, "the rest goes by weight"


def hard(rng: random.Random) -> Hard:
    period = rng.choice(PERIODS)
    wcet = rng.randint(1, max(1, period // 2))
    deadline = rng.choice((period, period, rng.randint(wcet, period), period + 7))
    return Hard(wcet, period, deadline, rng.choice((0, 0, 1, 3)))


def soft(rng: random.Random) -> Soft:
    period = rng.choice(PERIODS)
    return Soft(rng.randint(1, period), period, rng.choice((0, 0, 1, 3)))


def any_parameters(rng: random.Random) -> TaskParameters:
    return rng.choice((hard, hard, soft, lambda rng: BestEffort(rng.randint(1, 7))))(rng)


def act(world: World, rng: random.Random) -> None:
    """One thing that an adversary does, and often a while of nothing."""
    number = rng.randrange(8)
    what = rng.choice(MOVES)
    if what == "submit":
        world.submit(number, any_parameters(rng), rng.choice((None, 0, rng.randint(-20, 40))))
    elif what == "remove":
        world.remove(number)
    elif what == "again" and number in world.tasks:
        parameters = world.tasks[number].parameters
        for _ in range(rng.randint(1, 12)):
            world.run(1 if isinstance(parameters, BestEffort) else parameters.wcet)
            world.remove(number)
            world.submit(number, parameters, None)
    elif what == "block":
        world.block(number)
    elif what == "unblock":
        world.unblock(number)
    elif what == "yield":
        world.yield_(number)
    elif what == "clock":
        world.set_clock(rng.randint(-50, 50))
    else:
        world.run(rng.randint(1, 12))


def play(seed: int, steps: int) -> World:
    rng = random.Random(seed)
    world = World()
    for _ in range(steps):
        act(world, rng)
    return world


seeds = st.integers(0, 2**32).map(random.Random)
numbers = st.integers(0, 6)


class Adversary(RuleBasedStateMachine):
    """The same world, its events chosen by hypothesis, which makes a counterexample small."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(
        number=numbers, wait=st.one_of(st.none(), st.integers(-20, 40)),
        parameters=st.one_of(
            st.sampled_from(PERIODS).flatmap(lambda period: st.builds(
                lambda wcet, shorter, slack: Hard(wcet, period, max(wcet, period - shorter), slack),
                st.integers(1, max(1, period // 2)), st.sampled_from((0, 0, 1, 4, 9)), st.integers(0, 2),
            )),
            st.sampled_from(PERIODS).flatmap(
                lambda period: st.builds(Soft, st.integers(1, period), st.just(period), st.integers(0, 2))
            ),
            st.builds(BestEffort, st.integers(1, 7)),
        ),
    )  # fmt: skip
    def submit(self, number: int, parameters: TaskParameters, wait: int | None) -> None:
        self.world.submit(number, parameters, wait)

    @rule(number=numbers)
    def remove(self, number: int) -> None:
        self.world.remove(number)

    @rule(number=numbers, wake=st.booleans())
    def block(self, number: int, wake: bool) -> None:
        (self.world.unblock if wake else self.world.block)(number)

    @rule(number=numbers)
    def yield_(self, number: int) -> None:
        self.world.yield_(number)

    @rule(by=st.integers(-50, 50))
    def set_clock(self, by: int) -> None:
        self.world.set_clock(by)

    @rule(ticks=st.integers(1, 30))
    def run(self, ticks: int) -> None:
        self.world.run(ticks)


TestAdversary = Adversary.TestCase
TestAdversary.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_no_sequence_of_calls_makes_a_hard_job_late_or_best_effort_poor() -> None:
    worlds = [play(seed, 400) for seed in range(25)]
    assert sum(world.admitted for world in worlds) > 800
    assert sum(world.refused for world in worlds) > 200  # the core is full most of the time
    assert sum(world.lent for world in worlds) > 500


@pytest.mark.parametrize("rule", ["shortfall", "share_left", "_consumed"])
def test_the_referee_sees_what_a_weaker_rule_does(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Admission without the demand of intervals, without the rates, or that forgets what leavers have consumed."""
    if rule == "shortfall":
        monkeypatch.setattr("kernel.rbed.shortfall", lambda demands, pending, now: "")
    elif rule == "share_left":
        monkeypatch.setattr("kernel.rbed.share_left", lambda rates, start: Fraction(10))
    else:
        monkeypatch.setattr(Rbed, "_consumed", lambda self, task, now: None)
    with pytest.raises(AssertionError, match=r"late|in time"):
        for seed in range(50):
            play(seed, 400)


@pytest.mark.slow
def test_no_sequence_of_hundreds_of_thousands_of_calls_does() -> None:
    for seed in range(1000, 1200):
        play(seed, 1500)
