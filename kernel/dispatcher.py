"""Dispatchers: what a CPU driver schedules, one for each core a domain runs on.

A dispatcher multiplexes its share of one core among the domain's threads there. The CPU driver enters it at
one of five entry points; what it may do next, and where its registers are, the table of `kernel.dispatch_state`
says (dissertation §2.5.2). At Run and LMP it resumes its threads round robin (§3.6.5); at PageFault,
PageFault_Disabled and Trap it runs the handler that its program has installed, disabled, and without one it
does not go on: the domain traps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kernel import activation
from kernel.activation import Activation
from kernel.dispatch_state import (
    FAULTS_WHILE_DISABLED,
    NOT_RUNNING,
    RUNNING,
    START,
    Event,
    SaveArea,
    State,
    follow,
)
from kernel.rbed import Task
from kernel.threads import ENDLESS, Code, Thread, ThreadState

if TYPE_CHECKING:
    from kernel.cpu_driver import CpuDriver
    from kernel.domain import Domain

# A context switch makes these transitions and no others, so it looks them up once and for all.
_ENTERED_AND_RESUMED = follow(NOT_RUNNING, Event.SCHEDULE, Event.RESUME)
_PREEMPTED = RUNNING.transition(Event.PREEMPT).after

Handler = Callable[[Any], Code]
"""What an entry point runs, given the page that is not mapped, or what was raised."""


@dataclass(slots=True)
class _Upcall:
    """A handler at work; `area` has what it interrupted, unless it is `lost`: overwritten since."""

    thread: Thread
    area: SaveArea
    lost: bool = False


class Dispatcher:
    """Dispatcher `index` of `domain`, on the core of `driver`."""

    def __init__(self, domain: Domain, index: int, driver: CpuDriver, task_id: int) -> None:
        self.domain = domain
        self.index = index
        self.driver = driver
        self.task = Task(task_id)
        self.state = START
        self.save_areas: list[Thread | None] = [None] * len(SaveArea)  # whose registers are in each
        self.handlers: dict[str, Handler] = {}  # by entry point
        self.allocation_changes = 0  # of what the page shows as allocated
        self.asked_until_ps: int | None = None  # by when it is asked to give up its core
        self.awaiting: list[Thread] = []  # threads that wait for the next change
        self.deallocations = 0  # how often the core was taken away (the page of `kernel.activation` shows it)
        self.page_table = 0  # where the root page table of its address space is, 0 for the system's own
        self.dispatched_ps = 0  # when its timeslice began
        self.run_queue: deque[Thread] = deque()
        self.threads: list[Thread] = []
        self.cpu_time_ps = 0
        self.timeslices = 0
        self.looped_ps = 0  # user time spent in a loop without a barrier; progress is counted from it
        self.looped_iteration_ps = 0
        self._upcalls: list[_Upcall] = []
        self._faults_while_disabled = 0

    @property
    def core(self) -> int:
        return self.driver.core.number

    @property
    def scheduled(self) -> bool:
        """Whether the CPU driver knows this dispatcher: from its creation to its removal."""
        return self.task.id in self.driver.dispatchers

    @property
    def haswork(self) -> bool:
        """Whether the CPU driver should consider this dispatcher eligible to run (table 2.3)."""
        return bool(self.run_queue or self._upcalls)

    @property
    def page(self) -> Activation:
        """The page that its domain may read: what it is allocated, and whether it runs."""
        return activation.page(self)

    @property
    def current_thread(self) -> Thread | None:
        """What runs when this dispatcher does: a handler, else the thread whose turn it is."""
        if self._upcalls:
            return self._upcalls[-1].thread
        return self.run_queue[0] if self.run_queue else None

    def start(self, code: Code) -> Thread:
        """Create a thread; it runs when the dispatcher is next resumed."""
        thread = Thread(self, code)
        self.threads.append(thread)
        self.run_queue.append(thread)
        self.domain.thread_started()
        return thread

    # -- state -------------------------------------------------------------------------------------

    def take(self, event: Event) -> State:
        """Go where `event` leads, registers through the save area it says; IllegalTransition if nowhere."""
        transition = self.state.on[event] or self.state.transition(event)
        if transition.saves is not None:
            self.save_areas[transition.saves] = self.current_thread
        self.state = transition.after
        return self.state

    def enter(self, now: int, event: Event = Event.SCHEDULE) -> None:
        """The CPU driver lets it run: what was interrupted while disabled goes on, else a thread is chosen."""
        self.dispatched_ps = now
        if self.state is NOT_RUNNING and event is Event.SCHEDULE:
            self.state = _ENTERED_AND_RESUMED
            self._next_turn()
            return
        self.take(event)
        if event is Event.LMP:
            self.take(Event.RESUME)
        elif not self._upcalls:  # else a handler goes on
            self._next_turn()
            self.take(Event.RESUME)

    def _next_turn(self) -> None:
        """At Run: a new timeslice, the next runnable thread's turn."""
        self.timeslices += 1
        if len(self.run_queue) > 1:
            self.run_queue.rotate(-1)

    def preempted(self) -> None:
        """The core is given to another, or left idle."""
        if self.state is RUNNING:
            self.save_areas[SaveArea.ENABLED] = self.run_queue[0]
            self.state = _PREEMPTED
        elif self.state.running:
            self.take(Event.PREEMPT)
        self.deallocations += 1

    def _thread_gives_way(self) -> None:
        """The thread that ran is off the run queue: the next goes on, or the processor is given back."""
        self.take(Event.PREEMPT_THREAD)
        self.take(Event.RESUME if self.run_queue else Event.YIELD)

    # -- threads -----------------------------------------------------------------------------------

    def spend(self, user_ps: int) -> None:
        """The current thread ran for `user_ps`."""
        thread = self._upcalls[-1].thread if self._upcalls else self.run_queue[0]
        if thread.work < ENDLESS:
            thread.work -= user_ps
        if thread.loop_iteration_ps:
            self.looped_ps += user_ps
            self.looped_iteration_ps = thread.loop_iteration_ps

    @property
    def iterations(self) -> int:
        """Iterations of a loop without a barrier completed here."""
        return self.looped_ps // self.looped_iteration_ps if self.looped_iteration_ps else 0

    def thread_blocked(self, thread: Thread) -> None:
        if self._upcalls and self._upcalls[-1].thread is thread:
            now = self.driver.now
            thread.fault(f"the handler at {self._entry} waits, which a disabled dispatcher must not", now)
            return
        self._off_queue(thread)
        self.driver.work_changed(self)

    def thread_runnable(self, thread: Thread, now: int) -> None:
        self.run_queue.append(thread)
        self.driver.work_arrived(self, now)

    def thread_left(self, thread: Thread, now: int) -> None:
        if self._upcalls and self._upcalls[-1].thread is thread:
            self._handled(now)
            return
        self._off_queue(thread)
        self.threads.remove(thread)
        self.driver.work_changed(self)
        self.domain.thread_ended(now)

    def _off_queue(self, thread: Thread) -> None:
        ran = self.state is RUNNING and thread is self.run_queue[0]
        self.run_queue.remove(thread)
        if ran:
            self._thread_gives_way()

    def gives_up_processor(self) -> None:
        """The system call yield: at the next upcall it is the next thread's turn."""
        self.take(Event.PREEMPT_THREAD)
        self.take(Event.YIELD)

    def thread_yields(self, thread: Thread) -> bool:
        """`thread` gives way to one that has not yet done so in this timeslice; False if all have.

        That is Barrelfish's thread_yield; then there is nobody left to give way to but other dispatchers.
        """
        thread.yield_epoch = self.timeslices
        for turn, other in enumerate(self.run_queue):
            if other.yield_epoch != self.timeslices:
                self.run_queue.rotate(-turn)
                self.take(Event.PREEMPT_THREAD)
                self.take(Event.RESUME)
                return True
        return False

    def emigrate(self, thread: Thread, to: Dispatcher) -> None:
        """`thread`, which runs, goes to another dispatcher of its domain; it is blocked until it has arrived."""
        thread.block()
        self.threads.remove(thread)
        to.threads.append(thread)
        thread.dispatcher = to

    def prefer(self, thread: Thread) -> None:
        """At LMP the thread that has the message is resumed, whoever's turn it is."""
        self.run_queue.remove(thread)
        self.run_queue.appendleft(thread)

    @property
    def takes_messages(self) -> bool:
        """Whether a local message may enter it: it does not run, and was enabled when it last did."""
        return self.state is NOT_RUNNING

    def move_to(self, driver: CpuDriver) -> None:
        """It was taken off its core, and goes on where `driver` is, in so many cycles as it had to go."""
        before, after = self.driver.core.rate_hz, driver.core.rate_hz
        self.driver = driver
        for thread in (*self.threads, *(upcall.thread for upcall in self._upcalls)):
            if thread.barrier is not None:
                thread.barrier.moved(thread, before, after)
            if thread.work < ENDLESS:
                thread.work = thread.work * before // after
            thread.loop_iteration_ps = thread.loop_iteration_ps * before // after
        self.looped_ps = self.looped_ps * before // after
        self.looped_iteration_ps = self.looped_iteration_ps * before // after
        self.ask(None, driver.now)

    def end(self) -> None:
        """It is no more: its threads and handlers go no further."""
        self.take(Event.REMOVE)
        for thread in (*self.threads, *(upcall.thread for upcall in self._upcalls)):
            thread.state = ThreadState.EXITED
            thread.code.close()
        self.run_queue.clear()
        self._upcalls.clear()
        self.save_areas = [None] * len(SaveArea)

    # -- what is allocated -------------------------------------------------------------------------

    def allocation_changed(self, now: int) -> None:
        """Its parameters or core are others now, or it is asked for the core: the page says so, who waits is told."""
        self.allocation_changes += 1
        awaiting, self.awaiting = self.awaiting, []
        for thread in awaiting:
            thread.unblock(now)

    def ask(self, until_ps: int | None, now: int) -> None:
        """It is asked to give up its core until then; or, with None, no longer."""
        self.asked_until_ps = until_ps
        self.allocation_changed(now)

    # -- faults ------------------------------------------------------------------------------------

    def page_fault(self, thread: Thread, page: int, again: Callable[[int], None], now: int) -> None:
        """`thread` touched a page that is not mapped; once that is handled, it does `again`.

        While disabled a dispatcher survives FAULTS_WHILE_DISABLED of them.
        """
        if self.state.disabled:
            self._faults_while_disabled += 1
            if self._faults_while_disabled > FAULTS_WHILE_DISABLED:
                thread.fault(
                    f"page fault at page {page}: one too many while disabled, at most {FAULTS_WHILE_DISABLED}", now
                )
                return
        self._fault(Event.PAGE_FAULT, thread, page, f"page fault at page {page}", again, now)

    def exception(self, thread: Thread, what: str, again: Callable[[int], None], now: int) -> None:
        """`thread` raised an exception; if that is handled, it does `again`."""
        self._fault(Event.TRAP, thread, what, what, again, now)

    def trapped(self, what: str, now: int) -> None:
        """A thread did what it must not, and nothing can be done about it."""
        if self.state.running and self.scheduled:
            self.take(Event.TRAP)
        self.domain.trap(what, now)

    @property
    def _entry(self) -> str:
        return self.state.entry or "its entry point"

    def _fault(
        self, event: Event, thread: Thread, argument: object, what: str, again: Callable[[int], None], now: int
    ) -> None:
        area = self.state.transition(event).saves
        assert area is not None
        entry = self.take(event).entry
        handler = self.handlers.get(entry)
        if handler is None:
            thread.fault(f"{what}, and the program handles none at {entry}", now)
            return
        if area is SaveArea.TRAP:
            for upcall in self._upcalls:
                upcall.lost = upcall.lost or upcall.area is area
        thread.compute(0, again)
        self._upcalls.append(_Upcall(Thread(self, _run(handler, argument)), area))
        self.driver.activate(now)

    def _handled(self, now: int) -> None:
        """A handler has come to its end: what it interrupted goes on."""
        done = self._upcalls.pop()
        if done.lost:
            self._upcalls.append(done)
            done.thread.fault("a fault while disabled overwrote what the one before it had saved", now)
            return
        if self.take(Event.RESUME) is RUNNING:
            self._faults_while_disabled = 0


def _run(handler: Handler, argument: object) -> Code:
    """A handler as a thread's code, so that what is wrong with it shows when it runs."""
    yield from handler(argument)
