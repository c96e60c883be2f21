"""Domains: a program running as one dispatcher on each of its cores (dissertation §2.5.2).

A domain shares an address space among its dispatchers (a spanned domain, §2.5.5), which is where its
barriers live. What the planners need to know of it came with its placement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from kernel.barrier import Barrier
from kernel.dispatcher import Dispatcher
from kernel.program import Environment, Program
from kernel.shared_memory import SharedObject
from kernel.threads import Code
from skb.placement import Assignment, BestEffort, Hard, Placement


class DomainState(Enum):
    STARTING = "starting"
    RUNNING = "running"
    EXITED = "exited"
    KILLED = "killed"
    TRAPPED = "trapped"


class Domain:
    """One domain; `ended(domain, now)` is called once, when the last of it is to go."""

    def __init__(
        self, number: int, name: str, program: Program, arguments: tuple[str, ...],
        placement: Placement, ended: Callable[[Domain, int], None],
    ) -> None:
        self.id = number
        self.name = name
        self.program = program
        self.arguments = arguments
        self.placement = placement
        self.home = placement.assignments[0].core  # where dispatcher 0 was made, and its page table is
        self.state = DomainState.STARTING
        self.phase = 0
        self.agreed_phase = 0  # the one that planners were told of last, which may still be to begin
        self.fault = ""  # why it trapped
        self.dispatchers: dict[int, Dispatcher] = {}  # by index; created ones only
        self.barriers: dict[str, Barrier] = {}
        self.shared: dict[tuple[type, str], SharedObject] = {}  # what else its threads synchronise by
        self.tally: dict[int, int] = {}  # what its dispatchers have counted as done, by index
        self.memory: dict[str, object] = {}  # what its program keeps in its address space
        self.starts: dict[int, Callable[[Environment], Code]] = {}  # of dispatchers that do not start the program
        self.pages: set[int] = set()  # mapped in the address space that its dispatchers share
        self.pinned = False  # the user has said on which cores it runs
        self.left: set[int] = set()  # cores it was on before, where its memory and capabilities may still be
        self._ended = ended
        self._threads = 0  # started and not ended

    @property
    def coordinator(self) -> int:
        """The core whose planner coordinates this domain's phase changes: that of dispatcher 0."""
        return self.placement.assignments[0].core

    @property
    def cores(self) -> tuple[int, ...]:
        """The cores it runs on, each once, in the order of its dispatchers."""
        return tuple(dict.fromkeys(assignment.core for assignment in self.placement.assignments))

    @property
    def known_on(self) -> tuple[int, ...]:
        """The cores whose monitors may know anything of it."""
        return tuple(dict.fromkeys((*self.cores, *sorted(self.left))))

    @property
    def has_phases(self) -> bool:
        """Whether it is anything but best effort for good."""
        each = [assignment.phases for assignment in self.placement.assignments]
        return len(each[0]) > 1 or not all(isinstance(phases[0], BestEffort) for phases in each)

    @property
    def ganged(self) -> bool:
        """Whether its manifest says of its present phase that its dispatchers run as a gang."""
        present = (each.phases[self.phase] for each in self.placement.assignments if self.phase < len(each.phases))
        return any(isinstance(each, Hard) and each.gang for each in present)

    @property
    def alive(self) -> bool:
        return self.state in (DomainState.STARTING, DomainState.RUNNING)

    @property
    def gone(self) -> bool:
        """Whether no CPU driver knows a dispatcher of this domain any more."""
        return not any(dispatcher.scheduled for dispatcher in self.dispatchers.values())

    def placed(self, assignment: Assignment) -> None:
        """A dispatcher has another place or other parameters; or there is one more, numbered next."""
        number = assignment.dispatcher
        assignments = {each.dispatcher: each for each in self.placement.assignments}
        if number in assignments:
            self.left.add(assignments[number].core)
        assignments[number] = assignment
        self.placement = replace(self.placement, assignments=tuple(assignments.values()), changed=())

    def assignment(self, index: int) -> Assignment | None:
        """The place of dispatcher `index`; None if it has given that up, or never had one."""
        return next((each for each in self.placement.assignments if each.dispatcher == index), None)

    def without(self, index: int) -> None:
        """Dispatcher `index` has ended: it is placed nowhere any more."""
        kept = tuple(each for each in self.placement.assignments if each.dispatcher != index)
        self.left.update(each.core for each in self.placement.assignments if each.dispatcher == index)
        self.placement = replace(self.placement, assignments=kept, changed=())

    @property
    def complete(self) -> bool:
        """Whether all of its dispatchers are there: one that is still to come may do anything."""
        return all(each.dispatcher in self.dispatchers for each in self.placement.assignments)

    def progress(self, now: int) -> int:
        """What the program counts itself, else rounds of its barriers, or iterations of all its threads."""
        if self.tally:
            return sum(self.tally.values())
        rounds = sum(barrier.progress(now) for barrier in self.barriers.values())
        return rounds + sum(dispatcher.iterations for dispatcher in self.dispatchers.values())

    def thread_started(self) -> None:
        self._threads += 1

    def thread_ended(self, now: int) -> None:
        """When the last thread has ended, and no dispatcher is still to come, the domain has."""
        self._threads -= 1
        if self._threads == 0 and self.complete and self.alive:
            self.end(DomainState.EXITED, now)

    def trap(self, fault: str, now: int) -> None:
        """The program did what it must not; the domain ends, the kernel goes on."""
        if self.alive:
            self.fault = fault
            self.end(DomainState.TRAPPED, now)

    def end(self, state: DomainState, now: int) -> None:
        self.state = state
        self._ended(self, now)
