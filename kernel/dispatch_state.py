"""The states of a dispatcher, and where its registers are kept: figures 2.9 and 2.10 as one table.

A dispatcher runs or does not, and is enabled (a thread of its program runs, or was interrupted) or disabled
(its own code runs: it has been entered by the CPU driver, schedules its threads, or handles a fault). A
disabled one is told apart by how it came to be so, because that says what it will do next. `TRANSITIONS`
has every transition there is, with the save area that it stores registers to or takes them from; whatever
is not in it is a fault of whoever asked for it, and raises `IllegalTransition`. The figures leave out traps
and page faults; those follow the text (dissertation §2.5.2) and Barrelfish's specification.

To load a thread's registers and to be enabled is one step, though two instructions: between them the dispatcher is
in its critical section, and is resumed there when it was preempted there. As resuming a thread takes no simulated
time, nothing ever reaches a simulated dispatcher in that state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from kernel.errors import KernelError

FAULTS_WHILE_DISABLED = 2
"""Page faults while disabled, without having been enabled in between, that a dispatcher survives (Barrelfish)."""


class IllegalTransition(KernelError):
    """Something happened to a dispatcher that cannot happen in its state."""


class SaveArea(IntEnum):
    """Where the CPU driver, or the dispatcher itself, stores a full copy of the registers."""

    ENABLED = 0
    DISABLED = 1
    TRAP = 2


class Event(IntEnum):
    """What happens to a dispatcher: from SCHEDULE to REMOVE by the CPU driver, the rest by its own code."""

    SCHEDULE = 0  # the scheduler has chosen it
    LMP = 1  # a local message for it has been delivered, and it is switched to
    PREEMPT = 2  # another is dispatched
    PAGE_FAULT = 3  # it has touched a page that is not mapped
    TRAP = 4  # it has raised an exception
    SYSTEM_CALL = 5  # it enters the kernel, and returns
    YIELD = 6  # the system call that gives the processor away: what ran is not to be resumed
    REMOVE = 7  # it ends, is killed, or has faulted too often: it is not run again
    RESUME = 8  # what is in a save area goes on
    PREEMPT_THREAD = 9  # the thread that runs gives way to the dispatcher's own code
    ENABLE = 10  # in the critical section: the disabled word is zero, the thread's registers not yet loaded


@dataclass(frozen=True, slots=True)
class Transition:
    """What an event leads to; `saves` and `restores` say through which area the registers go."""

    after: State
    saves: SaveArea | None = None
    restores: SaveArea | None = None


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A state; `entry` is the entry point it was entered at, `on` what each event leads to, None: it cannot be."""

    name: str
    running: bool
    disabled: bool
    entry: str = ""
    on: list[Transition | None] = field(default_factory=lambda: [None] * len(Event), repr=False)

    def transition(self, event: Event) -> Transition:
        """What `event` leads to; IllegalTransition where it cannot happen."""
        found = self.on[event]
        if found is None:
            what = event.name.lower().replace("_", " ")
            raise IllegalTransition(f"{what} cannot happen to a dispatcher that is {self.name}")
        return found

    def __str__(self) -> str:
        return self.name


ENTRY_POINTS = ("Run", "PageFault", "PageFault_Disabled", "Trap", "LMP")
"""Where the CPU driver enters a dispatcher, unless it goes on with what was disabled."""

RUNNING = State("running", running=True, disabled=False)
NOT_RUNNING = State("not running", running=False, disabled=False)
UNRUNNABLE = State("unrunnable", running=False, disabled=True)

# Disabled: at an entry point, in the dispatcher's own code, or between its last two instructions.
AT_RUN, AT_PAGE_FAULT, AT_PAGE_FAULT_DISABLED, AT_TRAP, AT_LMP = _ENTERED = tuple(
    State(f"at {entry}", running=True, disabled=True, entry=entry) for entry in ENTRY_POINTS
)
AT_TRAP_DISABLED = State("at Trap, disabled before", running=True, disabled=True, entry="Trap")
SCHEDULING = State("scheduling its threads", running=True, disabled=True)
CRITICAL = State("in its critical section", running=True, disabled=True)
_RUNNING_DISABLED = (*_ENTERED, AT_TRAP_DISABLED, SCHEDULING, CRITICAL)
_PREEMPTED = {state: State(f"preempted {state.name}", False, True) for state in _RUNNING_DISABLED}

START = _PREEMPTED[SCHEDULING]
"""A new dispatcher: not running, and disabled, so that it is first resumed, not entered."""

STATES = (RUNNING, NOT_RUNNING, UNRUNNABLE, *_RUNNING_DISABLED, *_PREEMPTED.values())


def _define() -> None:
    def on(state: State, event: Event, transition: Transition) -> None:
        state.on[event] = transition

    area = SaveArea
    on(NOT_RUNNING, Event.SCHEDULE, Transition(AT_RUN))
    on(NOT_RUNNING, Event.LMP, Transition(AT_LMP))
    on(RUNNING, Event.PREEMPT, Transition(NOT_RUNNING, saves=area.ENABLED))
    on(RUNNING, Event.PREEMPT_THREAD, Transition(SCHEDULING, saves=area.ENABLED))
    on(RUNNING, Event.SYSTEM_CALL, Transition(RUNNING))
    on(RUNNING, Event.PAGE_FAULT, Transition(AT_PAGE_FAULT, saves=area.ENABLED))
    on(RUNNING, Event.TRAP, Transition(AT_TRAP, saves=area.TRAP))
    for state, preempted in _PREEMPTED.items():
        on(state, Event.PREEMPT, Transition(preempted, saves=area.DISABLED))
        on(preempted, Event.SCHEDULE, Transition(state, restores=area.DISABLED))
        on(state, Event.PAGE_FAULT, Transition(AT_PAGE_FAULT_DISABLED, saves=area.TRAP))
        on(state, Event.TRAP, Transition(AT_TRAP_DISABLED, saves=area.TRAP))
        if state is not CRITICAL:  # it holds nothing but the instructions that load the registers
            on(state, Event.SYSTEM_CALL, Transition(state))
            on(state, Event.YIELD, Transition(NOT_RUNNING))
    for state in (AT_RUN, AT_LMP, AT_PAGE_FAULT, SCHEDULING):
        on(state, Event.RESUME, Transition(RUNNING, restores=area.ENABLED))
        on(state, Event.ENABLE, Transition(CRITICAL))
    on(CRITICAL, Event.RESUME, Transition(RUNNING, restores=area.ENABLED))
    on(AT_TRAP, Event.RESUME, Transition(RUNNING, restores=area.TRAP))
    for state in (AT_PAGE_FAULT_DISABLED, AT_TRAP_DISABLED):  # it was the dispatcher's own code, which is disabled
        on(state, Event.RESUME, Transition(SCHEDULING, restores=area.TRAP))
    for state in STATES:
        if state is not UNRUNNABLE:
            on(state, Event.REMOVE, Transition(UNRUNNABLE))


_define()


def follow(state: State, *events: Event) -> State:
    """Where these events lead, one after the other; IllegalTransition where one of them cannot happen."""
    for event in events:
        state = state.transition(event).after
    return state


TRANSITIONS = {
    (state, event): transition
    for state in STATES
    for event in Event
    if (transition := state.on[event]) is not None
}
"""Every transition there is, by state and event."""
