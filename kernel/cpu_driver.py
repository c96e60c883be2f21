"""The CPU driver: one a core, event-driven, non-preemptable, sharing nothing (dissertation §2.5.1).

It dispatches its core's dispatchers by RBED on the core's own clock, charges what mechanisms cost,
and accounts for every picosecond. Between two instants at which something reaches the core, nothing is
simulated: `settle` charges the whole stretch at once. A core with nothing to run is halted, and an interrupt
wakes it. The timer interrupt that ends a timeslice costs nothing by itself: it is part of what was measured as
the cost of a context switch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel.capabilities.shootdown import Tlb
from kernel.clock import PS_PER_MS, LocalClock
from kernel.dispatch_state import Event
from kernel.errors import KernelError
from kernel.hardware import Core, Hardware
from kernel.rbed import Hard, Overcommitted, Scheduler, TaskParameters
from kernel.threads import ENDLESS, Thread, ThreadState
from kernel.timeline import Priority, Timeline
from kernel.trace import ScheduleLog

if TYPE_CHECKING:
    import simpy

    from kernel.dispatcher import Dispatcher
    from kernel.messaging.endpoint import Endpoint
    from kernel.messaging.notification import Notifications

_STEPS_AT_ONE_INSTANT = 100_000  # a program that asks for no time so often in a row never will


@dataclass(slots=True)
class Account:
    """Where a core's time went, in picoseconds; the five sum to the time that passed."""

    user: int = 0
    kernel: int = 0
    switch: int = 0
    interrupt: int = 0
    idle: int = 0


@dataclass(frozen=True, slots=True)
class _Coming:
    """From `at` on the local clock, `dispatcher` has these parameters."""

    at: int
    dispatcher: Dispatcher
    parameters: TaskParameters
    release: int | None


class CpuDriver:
    """The CPU driver of `core`."""

    monitor: Endpoint
    """Where the core's monitor takes local messages."""
    notifications: Notifications
    """The notification driver, where the core has a message-passing buffer."""
    tlb: Tlb
    """What the core has cached of the loaded address space's page tables."""

    def __init__(
        self, core: Core, hardware: Hardware, timeline: Timeline, clock: LocalClock,
        scheduler: Scheduler, log: ScheduleLog,
    ) -> None:
        self.core = core
        self.hardware = hardware
        self.clock = clock
        self.scheduler = scheduler
        scheduler.set_clock(0, clock.local(timeline.now))
        self.account = Account()
        self.context_switches = 0
        self.current: Dispatcher | None = None
        self.dispatchers: dict[int, Dispatcher] = {}  # by task id
        self.timeline = timeline
        self._log = log
        self._settled = timeline.now
        self._owed: list[list[object]] = []  # [kind, ps] of kernel work to be done before user code goes on
        self._wake: simpy.Event | None = None
        self._wake_at = -1
        self._dispatch_at: int | None = None  # when a dispatch is due, if one is
        self._held_until = timeline.now
        self._coming: list[_Coming] = []  # changes of parameters, the first one first
        self.postponed = 0  # how often such a change had to wait for what others had left to consume
        self._donation: tuple[Dispatcher, Dispatcher] | None = None  # whose time it is, and who has it
        self._message_for: Dispatcher | None = None  # is to be entered at LMP by the dispatch that is due
        self.online = True
        self._timer_woke = False  # the core was halted until its timer fired
        self._timeslice_over = False  # the dispatch that is due is because the scheduler decides anew
        self.wakeups = 0  # how often the core was halted and woke
        self._switch_ps = hardware.cost_ps("context_switch", core.number)
        self._interrupt_ps = hardware.cost_ps("interrupt", core.number)
        self._system_call_ps = hardware.cost_ps("system_call", core.number)
        self.timeslice_ps = round(hardware.cost("timeslice").value * PS_PER_MS)
        self.fpu: Thread | None = None  # whose state the floating-point registers hold
        self._fpu_save_ps = hardware.cost_ps("fpu_save", core.number)
        self._fpu_restore_ps = hardware.cost_ps("fpu_restore", core.number)
        self._fpu_trap_ps = 0 if hardware.eager_fpu else hardware.cost_ps("trap", core.number)
        self._activation_ps = hardware.cost_ps("activation", core.number)

    # -- system calls and interrupts ---------------------------------------------------------------

    def add(self, dispatcher: Dispatcher, parameters: TaskParameters, release: int | None = None) -> None:
        """Make a dispatcher schedulable here; `release` is on the local clock. May raise Overcommitted."""
        now = self._enter()
        self.scheduler.add(dispatcher.task, parameters, self.clock.local(now), release)
        self.dispatchers[dispatcher.task.id] = dispatcher
        if not dispatcher.haswork:
            self.scheduler.block(dispatcher.task, self.clock.local(now))

    def change(self, dispatcher: Dispatcher, parameters: TaskParameters, release: int | None = None) -> None:
        """Give a dispatcher other scheduling parameters. May raise Overcommitted, changing nothing."""
        now = self._enter()
        self.scheduler.change(dispatcher.task, parameters, self.clock.local(now), release)
        dispatcher.allocation_changed(now)

    def change_at(
        self, at: int, dispatcher: Dispatcher, parameters: TaskParameters, release: int | None = None
    ) -> None:
        """Give a dispatcher other scheduling parameters from `at` on, released first at `release`, both local times.

        Overcommitted where there would be no room by what is known now; nothing is changed then.
        """
        now = self._enter()
        local = self.clock.local(now)
        self.scheduler.check(dispatcher.task, parameters, local, at if release is None else release)
        self._coming.append(_Coming(max(at, local), dispatcher, parameters, release))
        self._coming.sort(key=lambda coming: coming.at)

    def forget_changes(self, dispatcher: Dispatcher, since: int = 0) -> bool:
        """Drop the changes that are still to come to a dispatcher, from `since` on; whether there were any."""
        before = len(self._coming)
        self._coming = [
            coming for coming in self._coming if coming.dispatcher is not dispatcher or coming.at < since
        ]
        return len(self._coming) < before

    def _change_what_is_due(self, now: int) -> None:
        """Carry out the changes whose time has come.

        One that finds others still entitled to what they have begun waits for its next release.
        """
        local = self.clock.local(now)
        while self._coming and self._coming[0].at <= local:
            coming = self._coming.pop(0)
            try:
                self.scheduler.change(coming.dispatcher.task, coming.parameters, local, coming.release)
            except Overcommitted:
                assert isinstance(coming.parameters, Hard)
                self.postponed += 1
                release = (local if coming.release is None else coming.release) + coming.parameters.period
                self._coming.append(_Coming(release, coming.dispatcher, coming.parameters, release))
                self._coming.sort(key=lambda coming: coming.at)
            else:
                coming.dispatcher.allocation_changed(now)

    def remove(self, dispatcher: Dispatcher) -> None:
        """The dispatcher is gone."""
        now = self._enter()
        self.forget_changes(dispatcher)
        if self.current is dispatcher:
            self._leave(now)
        for thread in dispatcher.threads:
            if thread.barrier is not None:
                thread.barrier.disturb(now, self)
        dispatcher.end()
        self.scheduler.remove(dispatcher.task, self.clock.local(now))
        del self.dispatchers[dispatcher.task.id]

    def take_off(self, dispatcher: Dispatcher) -> None:
        """The dispatcher goes to another core, as it is."""
        now = self._enter()
        self.forget_changes(dispatcher)
        if self.current is dispatcher:
            self._leave(now)
        self.scheduler.remove(dispatcher.task, self.clock.local(now))
        del self.dispatchers[dispatcher.task.id]

    def stop(self) -> None:
        """The core goes off line: nothing runs here, and nothing reaches it, until `start`."""
        now = self._enter()
        self.online = False
        for dispatcher in self.dispatchers.values():
            self.scheduler.block(dispatcher.task, self.clock.local(now))

    def start(self, now: int) -> None:
        """The interrupt that starts the core has arrived: its timer counts from 0, and what has work runs."""
        self.online = True
        self.interrupt(now)
        self.reset_timer(0)
        for dispatcher in self.dispatchers.values():
            if dispatcher.haswork:
                self.scheduler.unblock(dispatcher.task, self.clock.local(now))

    def work_arrived(self, dispatcher: Dispatcher, now: int) -> None:
        """A thread of the dispatcher became runnable."""
        if dispatcher.scheduled and self.online:
            self._enter()
            self.scheduler.unblock(dispatcher.task, self.clock.local(now))

    def work_changed(self, dispatcher: Dispatcher) -> None:
        """A thread of the dispatcher blocked or ended; with none runnable the dispatcher blocks."""
        now = self._enter()
        if not dispatcher.haswork and dispatcher.scheduled:
            self.scheduler.block(dispatcher.task, self.clock.local(now))

    def notify(self, thread: Thread, when: int) -> None:
        """An inter-processor interrupt reaches this core at `when`, for a thread that is blocked."""

        def arrive(now: int) -> None:
            if thread.state is ThreadState.BLOCKED:
                thread.dispatcher.driver.interrupt(now)  # where it is now: it may have been moved
                thread.unblock(now)

        self.timeline.at(when, Priority.MESSAGE, self.core.number, arrive)

    def urge(self, dispatcher: Dispatcher, now: int) -> None:
        """A message that cannot wait has arrived for a dispatcher: it runs as soon as hard real time leaves the core.

        Where it waits for its turn the message comes with an interrupt; if it was blocked, one has woken it anyway.
        """
        if not self.online or not dispatcher.haswork:
            return
        if self._donation is not None and self._donation[0] is dispatcher:
            self._donation = None
        if self.current is not dispatcher and self._dispatch_at is None:
            self.interrupt(now)
        self._enter()
        self.scheduler.urge(dispatcher.task, self.clock.local(now))

    def reschedule(self, change: Callable[[int], None]) -> None:
        """Let `change(local time)` alter what the scheduler chooses by, and let it choose."""
        change(self.clock.local(self._enter()))

    def interrupt(self, now: int) -> None:
        """Take an interrupt: what runs here is held up for what it costs. A core that is off line takes none."""
        if not self.online:
            return
        self.settle(now)
        self._disturb_current(now)
        self._owed.append(["interrupt", self._interrupt_ps])
        self._dispatch_soon(now)

    def system_call(self, now: int, cost_ps: int | None = None) -> None:
        """The running thread has entered the kernel and left it again, which took `cost_ps` if it is known."""
        self.settle(now)
        if self.current is not None and self.current.state.running:
            self.current.take(Event.SYSTEM_CALL)
        self._owed.append(["kernel", self._system_call_ps if cost_ps is None else cost_ps])

    def kernel_done(self, now: int) -> int:
        """When the kernel work that is owed by now will be done: what else the kernel is to do begins then."""
        self.settle(now)
        return now + self._owed_ps()

    def hold(self, now: int, duration_ps: int) -> None:
        """Stay in the kernel for so long: it is not preemptable, nothing is dispatched meanwhile."""
        self.settle(now)
        self._owed.append(["kernel", duration_ps])
        self._held_until = now + duration_ps

    def yield_(self, dispatcher: Dispatcher, to: Dispatcher | None = None) -> None:
        """The system call: `dispatcher`, which runs, gives the processor to any other, or to one.

        To any: a real-time job is over, best effort has its next turn after all others. To one: it runs in
        the yielder's time, for as long as that lasts and it has work. (Barrelfish charges nobody until
        the next scheduling decision; then budgets would be exceeded.) One without work is no better than any.
        """
        if to is not None and to.driver is not self:
            raise KernelError(f"core {self.core.number} cannot yield to a dispatcher on core {to.core}")
        now = self._enter()
        dispatcher.gives_up_processor()
        if to is None or to is dispatcher or not (to.scheduled and to.haswork):
            self._donation = None
            self.scheduler.yield_(dispatcher.task, self.clock.local(now))
        else:
            self._donate(dispatcher, to)

    def local_message(self, sender: Dispatcher, waiting: Thread) -> None:
        """The end of the system call LMP: a message was delivered to a thread that was waiting for it.

        It is switched to at once, in the sender's time, if it can be entered; what that costs is part of
        what the message costs (dissertation §2.6.2). Else it finds the message when it next runs; so it does
        where the sender was urged, whose priority is its own.
        """
        receiver = waiting.dispatcher
        if sender.task.urged:
            return
        if receiver.driver is not self or self.current is not sender:
            return  # one of them was moved to another core since
        if receiver is not sender and receiver.takes_messages:
            receiver.prefer(waiting)
            self._enter()
            self._donate(sender, receiver)
            self._message_for = receiver

    def _donate(self, giver: Dispatcher, taker: Dispatcher) -> None:
        if self._donation is not None and self._donation[1] is giver:
            giver = self._donation[0]  # it has nothing of its own to give
        self._donation = giver, taker

    def _after_donation(self, chosen: Dispatcher | None) -> Dispatcher | None:
        """Who runs where the scheduler has chosen: whom the chosen one gave its time to, while that has work."""
        assert self._donation is not None
        giver, taker = self._donation
        if chosen is giver and taker.driver is self and taker.scheduled and taker.haswork:
            return taker
        self._donation = None
        return chosen

    def activate(self, now: int) -> None:
        """The running dispatcher is entered at one of its entry points for faults."""
        self.settle(now)
        self._disturb_current(now)
        self._owed.append(["kernel", self._activation_ps])

    def reset_timer(self, local_ps: int) -> None:
        """Make the APIC timer read `local_ps` from this instant on."""
        now = self._enter()
        self.scheduler.set_clock(self.clock.local(now), local_ps)
        self.clock.reset(now, local_ps)

    def correct_timer(self, by_ps: int) -> None:
        """Put the APIC timer forward, or back, by as much as it was found wrong: the schedule follows the clock."""
        now = self._enter()
        local = self.clock.local(now)
        self.scheduler.correct_clock(local, local + by_ps)
        self.clock.reset(now, local + by_ps)

    # -- time --------------------------------------------------------------------------------------

    def settle(self, now: int) -> None:
        """Charge the time since the last settling to whoever had it."""
        left = now - self._settled
        if left == 0:
            return
        self._settled = now
        while self._owed and left:
            kind, owed = self._owed[0]
            assert isinstance(owed, int)
            part = min(owed, left)
            setattr(self.account, str(kind), getattr(self.account, str(kind)) + part)
            left -= part
            if part == owed:
                self._owed.pop(0)
            else:
                self._owed[0][1] = owed - part
        if self.current is None:
            self.account.idle += left
        else:
            self.current.cpu_time_ps += left
            self.account.user += left
            if left:
                self.current.spend(left)

    def plan(self, now: int) -> None:
        """Set the core's timer to the next instant at which something happens here by itself."""
        wanted = self._next_decision(now)
        if self.current is not None:
            thread = self.current.current_thread
            if thread is not None and thread.floats and thread is not self.fpu:
                self._claim_fpu(thread)
            if thread is not None and thread.work < ENDLESS:
                done = now + self._owed_ps() + thread.work
                wanted = done if wanted is None else min(wanted, done)
        if wanted == self._wake_at and self._wake is not None:
            return
        if self._wake is not None:
            self.timeline.cancel(self._wake)
            self._wake = None
        if wanted is not None:
            self._wake = self.timeline.at(wanted, Priority.TIMER, self.core.number, self._on_wake)
            self._wake_at = wanted

    @property
    def state(self) -> str:
        """`running`, `halted` while there is nothing to run, or `off line`."""
        return "off line" if not self.online else "halted" if self.current is None else "running"

    @property
    def now(self) -> int:
        """Simulated time, ps."""
        return self.timeline.now

    def timeslice_end(self) -> int | None:
        """When the scheduler decides anew, if nothing happens before; None: never."""
        return self._next_decision(self.now)

    def runs(self, dispatcher: Dispatcher) -> bool:
        """Whether `dispatcher` executes user code here at this instant."""
        return self.current is dispatcher and not self._owed

    def _owed_ps(self) -> int:
        return sum(int(owed) for _, owed in self._owed)  # type: ignore[call-overload]

    def _next_decision(self, now: int) -> int | None:
        local = self.scheduler.next_decision(self.clock.local(now))
        if self._coming and (local is None or self._coming[0].at < local):
            local = self._coming[0].at
        return None if local is None else max(now, self._held_until, self.clock.reference(local))

    def _on_wake(self, now: int) -> None:
        self._wake = None
        self.settle(now)
        self._timer_woke = self.current is None
        self._finish_work(now)
        decision = self._next_decision(now)
        if decision is not None and decision <= now:
            self._timeslice_over = True
            self._dispatch_soon(now)
        if self._dispatch_at != now:
            self.plan(now)

    def _finish_work(self, now: int) -> None:
        """Let the running thread go on from what it has just completed."""
        if self._owed:
            return
        thread = None
        for _ in range(_STEPS_AT_ONE_INSTANT):
            current = self.current
            if current is None or not current.state.running:  # it has just yielded, or blocked
                return
            thread = current.current_thread
            if thread is None or thread.work > 0 or self._owed:
                return
            thread.finish(now)
        assert thread is not None
        thread.fault(f"its program asked for {_STEPS_AT_ONE_INSTANT} operations that take no time", now)

    # -- dispatching -------------------------------------------------------------------------------

    def _enter(self) -> int:
        """Something changes what the scheduler knows: settle, and dispatch when the instant is over."""
        now = self.timeline.now
        self.settle(now)
        self._dispatch_soon(now)
        return now

    def _dispatch_soon(self, now: int) -> None:
        if self._dispatch_at is None:
            self._dispatch_at = max(now, self._held_until)
            self.timeline.at(self._dispatch_at, Priority.DISPATCH, self.core.number, self._dispatch)

    def _dispatch(self, now: int) -> None:
        self._dispatch_at = None
        if now < self._held_until:
            self._dispatch_soon(now)
            return
        self.settle(now)
        if self._coming:
            self._change_what_is_due(now)
        task = self.scheduler.dispatch(self.clock.local(now))
        chosen = None if task is None else self.dispatchers[task.id]
        if self._donation is not None:
            chosen = self._after_donation(chosen)
        before = self.current
        if chosen is not before:
            if before is not None:
                self._leave(now)
            if chosen is not None:
                if before is None:
                    self._wake_up()
                self.current = chosen
                self.context_switches += 1
                self.tlb.load(chosen.page_table)
                if chosen is self._message_for:
                    chosen.enter(now, Event.LMP)
                else:
                    self._owed.append(["switch", self._switch_ps])
                    chosen.enter(now)
            self._log.record(self.core.number, now, None if chosen is None else chosen.domain.id)
        elif chosen is not None and not chosen.state.running:  # it yielded, or blocked for no time
            chosen.enter(now)
        elif chosen is not None and self._timeslice_over and len(chosen.run_queue) > 1:
            # Nobody else is to run, but its other threads are: it is interrupted, and entered anew.
            self._disturb_current(now)
            chosen.preempted()
            self._owed.append(["kernel", self._activation_ps])
            chosen.enter(now)
        self._timeslice_over = False
        self._message_for = None
        self._timer_woke = False
        self._finish_work(now)
        if self._dispatch_at != now:
            self.plan(now)

    def _wake_up(self) -> None:
        """The core was halted; what wakes it is an interrupt, and one of its own timer has to be paid yet."""
        self.wakeups += 1
        if self._timer_woke:
            self._owed.append(["interrupt", self._interrupt_ps])

    def _claim_fpu(self, thread: Thread) -> None:
        """`thread` computes with the floating-point unit, which has another's state, or none.

        Lazily that is found out by a trap, and the other's state saved only now (dissertation §2.5.5); eagerly
        it was saved when the other was preempted.
        """
        cost_ps = self._fpu_trap_ps + self._fpu_restore_ps
        if self.fpu is not None and self.fpu.state is not ThreadState.EXITED:
            cost_ps += self._fpu_save_ps
        self._owed.append(["kernel", cost_ps])
        self.fpu = thread

    def _leave(self, now: int) -> None:
        """The current dispatcher stops running."""
        self._disturb_current(now)
        if self.current is not None:
            if self.hardware.eager_fpu and self.fpu is not None and self.fpu.dispatcher is self.current:
                self._owed.append(["switch", self._fpu_save_ps])
                self.fpu = None
            self.current.preempted()
        self.current = None

    def _disturb_current(self, now: int) -> None:
        thread = self.current.current_thread if self.current is not None else None
        if thread is not None and thread.barrier is not None:
            thread.barrier.disturb(now, self)

