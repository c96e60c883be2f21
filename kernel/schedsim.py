"""Barrelfish's scheduler simulator (tools/schedsim): its configurations in, its text schedule out.

One core, ticks of one time unit, timeslices of 80 of them. With Barrelfish's variant the schedule is byte
for byte what the original prints, which is the proof that `rbed_barrelfish.py` is Barrelfish's algorithm;
with the sound variant the same picture shows what the mended rules do. A configuration has one event a
line, in the order of time:

    T H wcet period blocktime [deadline]    a hard real-time task comes (blocktime is read and not used)
    T S wcet period                         a soft real-time task comes
    T B weight                              a best-effort task comes
    T d ID | T r ID | T y ID | T c ID       a task blocks, is released again, yields, is switched to
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from kernel.errors import KernelError
from kernel.rbed import Rbed
from kernel.rbed_barrelfish import BarrelfishRbed, SchedulerPanic
from kernel.scheduling import HARD, SOFT, BestEffort, Hard, Soft, Task

TIMESLICE = 80
"""Ticks of a best-effort quantum (kernel_timeslice in simulator.c)."""

TASKS_AT_MOST = 10
"""MAXTASKS in simulator.c."""

_N = r"\s*(\+?\d++)"
_FORMS = (  # as the original's sscanf takes them: what follows the last number is not looked at
    # (It reads a negative number, too, as one near 2^64. Here that is no event, in the place of the deadline, too.)
    ("H", re.compile(rf"{_N}\s*H{_N}\s{_N}\s{_N}(?:\s{_N}|(?!\s*-\d))")),
    ("S", re.compile(rf"{_N}\s*S{_N}\s{_N}")),
    *((kind, re.compile(rf"{_N}\s*{kind}{_N}")) for kind in "Bdryc"),
)


class ConfigError(KernelError):
    """A configuration that cannot be read or carried out; `str(error)` begins with file:line."""

    def __init__(self, name: str, line: int, what: str) -> None:
        super().__init__(f"{name}:{line}: {what}")
        self.line = line


class SimulationPanic(KernelError):
    """Barrelfish's scheduler panics at tick `at`; `schedule` is the text of the ticks before."""

    def __init__(self, at: int, message: str, schedule: str) -> None:
        super().__init__(f"scheduler panic at tick {at}: {message}")
        self.at = at
        self.schedule = schedule


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a configuration: at tick `time`, `kind` happens with these numbers."""

    line: int
    time: int
    kind: str
    numbers: tuple[int, ...]


def read(text: str, name: str = "cfg") -> list[Event]:
    """The events of a configuration, in the order of its lines. Raises ConfigError for a malformed line."""
    events = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        for kind, form in _FORMS:
            if match := form.match(line):
                time, *numbers = (int(group) for group in match.groups() if group is not None)
                events.append(Event(number, time, kind, tuple(numbers)))
                break
        else:
            raise ConfigError(
                name, number, f"{line.strip()!r} is no event: expected TIME H WCET PERIOD BLOCKTIME "
                "[DEADLINE], TIME S WCET PERIOD, TIME B WEIGHT, or TIME d|r|y|c TASK"
            )  # fmt: skip
        if kind in "HS" and events[-1].numbers[1] == 0:
            raise ConfigError(name, number, "a period of 0")
    return events


def unreached(events: list[Event]) -> Event | None:
    """The first event behind a later one: the simulator waits for its tick for ever, with all after it."""
    return next((late for before, late in pairwise(events) if late.time < before.time), None)


def simulate(
    text: str, runtime: int = 1000, quantum: int = 1, variant: str = "barrelfish", name: str = "cfg"
) -> str:
    """The schedule of a configuration over `runtime` ticks, in the text form of Barrelfish's simulator.

    The scheduler decides after every event and at every multiple of `quantum`. Raises ConfigError, and
    SimulationPanic where Barrelfish's scheduler panics (the original then prints no schedule at all).
    """
    if runtime < 1 or quantum < 1:
        raise ValueError(f"runtime and quantum must be positive, got {runtime} and {quantum}")
    if variant not in _VARIANTS:
        raise ValueError(f"no variant {variant!r}: {' or '.join(_VARIANTS)}")
    simulation = _VARIANTS[variant](name)
    events = iter(read(text, name))
    event = next(events, None)
    for now in range(runtime):
        try:
            while event is not None and event.time == now:
                simulation.apply(event, now)
                event = next(events, None)
            if now % quantum == 0:
                simulation.decide(now)
        except SchedulerPanic as panic:
            raise SimulationPanic(now, str(panic), simulation.drawing(now)) from None
        simulation.record(now)
    return simulation.drawing(runtime)


class _Simulation(ABC):
    """A run of the simulator: its tasks by number, and the two rows of each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tasks: list[Task] = []
        self.rows: list[tuple[dict[int, str], dict[int, str]]] = []  # '#' and 'r' by tick
        self.current: Task | None = None

    def come(self, event: Event, now: int) -> Task:
        """A task comes, with the next number."""
        if len(self.tasks) == TASKS_AT_MOST:
            raise ConfigError(self.name, event.line, f"more than {TASKS_AT_MOST} tasks")
        task = Task(len(self.tasks))
        self.tasks.append(task)
        # The original's picture has zeros where a task was not there yet: it shows a release at tick 0.
        self.rows.append(({}, {0: "r"} if now > 0 else {}))
        return task

    def task(self, event: Event) -> Task:
        """The task an event is about."""
        number = event.numbers[0]
        if number >= len(self.tasks):
            raise ConfigError(self.name, event.line, f"there is no task {number} at tick {event.time}")
        return self.tasks[number]

    @abstractmethod
    def apply(self, event: Event, now: int) -> None:
        """Carry out an event, and decide."""

    @abstractmethod
    def decide(self, now: int) -> None:
        """Let the scheduler choose."""

    def record(self, now: int) -> None:
        """Note what the picture of this tick shows."""
        for task, (running, released) in zip(self.tasks, self.rows, strict=True):
            if task is self.current:
                running[now] = "#"
            if task.release_time == now:
                released[now] = "r"

    def drawing(self, ticks: int) -> str:
        """The picture of the first `ticks` ticks."""
        rulers = [
            "     " + "".join(str(t // step % 10) if t % step == 0 else " " for t in range(ticks))
            for step in (1000, 100, 10, 1)
        ]
        rows = []
        for number, (task, (running, released)) in enumerate(zip(self.tasks, self.rows, strict=True)):
            letter = "h" if task.kind == HARD else "s" if task.kind == SOFT else "b"
            rows.append(f"{letter}{number:2d}: " + "".join(running.get(t, " ") for t in range(ticks)))
            rows.append("     " + "".join(released.get(t, " ") for t in range(ticks)))
        return "\n".join(rulers + rows) + "\n"


class _Barrelfish(_Simulation):
    """By Barrelfish's variant, on the kernel's own functions and unchecked numbers, as simulator.c does."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.scheduler = BarrelfishRbed(TIMESLICE, strict=True)

    def apply(self, event: Event, now: int) -> None:
        scheduler = self.scheduler
        numbers = event.numbers
        if event.kind == "c":
            # Nothing is decided here, and a task that is not there yet is nobody.
            if numbers[0] >= TASKS_AT_MOST:
                raise ConfigError(self.name, event.line, f"there is no task {numbers[0]}")
            self._switch(self.tasks[numbers[0]] if numbers[0] < len(self.tasks) else None)
            return
        if event.kind in "HSB":
            task = self.come(event, now)
            if event.kind == "S":
                raise SchedulerPanic("Unimplemented!")
            if event.kind == "H":
                task.kind = HARD
                task.wcet, task.period = numbers[:2]
                task.deadline = numbers[3] if len(numbers) == 4 else task.period
                task.release_time = now
            else:
                task.weight = numbers[0] & 0xFFFF  # an unsigned short in the kernel
            scheduler.make_runnable(task, now)
        else:
            task = self.task(event)
            if event.kind == "d":
                scheduler.scheduler_remove(task)
            elif event.kind == "y":
                scheduler.scheduler_yield(task, now)
            else:
                if task.kind == HARD:
                    task.release_time = now  # in the queue or not; its place there stays
                scheduler.make_runnable(task, now)
        self.decide(now)

    def decide(self, now: int) -> None:
        self._switch(self.scheduler.schedule(now))

    def _switch(self, task: Task | None) -> None:
        self.current = self.scheduler.current = task


class _Sound(_Simulation):
    """By the sound variant. `r` wakes a task; a real-time one stays on the grid of its first release."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.scheduler = Rbed(TIMESLICE)

    def apply(self, event: Event, now: int) -> None:
        scheduler = self.scheduler
        numbers = event.numbers
        try:
            if event.kind == "H":
                deadline = numbers[3] if len(numbers) == 4 else numbers[1]
                scheduler.add(self.come(event, now), Hard(numbers[0], numbers[1], deadline), now)
            elif event.kind == "S":
                scheduler.add(self.come(event, now), Soft(numbers[0], numbers[1]), now)
            elif event.kind == "B":
                scheduler.add(self.come(event, now), BestEffort(numbers[0] or 1), now)
            elif event.kind == "c":
                raise ConfigError(
                    self.name, event.line, "a directed switch (c) is part of Barrelfish's variant only"
                )
            else:
                calls: dict[str, Callable[[Task, int], None]] = {
                    "d": scheduler.block, "r": scheduler.unblock, "y": scheduler.yield_,
                }  # fmt: skip
                calls[event.kind](self.task(event), now)
        except ConfigError:
            raise
        except KernelError as error:
            raise ConfigError(self.name, event.line, str(error)) from None
        self.decide(now)

    def decide(self, now: int) -> None:
        self.current = self.scheduler.dispatch(now)


_VARIANTS: dict[str, type[_Barrelfish] | type[_Sound]] = {"barrelfish": _Barrelfish, "sound": _Sound}
