"""Dispatchers: what a CPU driver schedules, one for each core a domain runs on.

A dispatcher multiplexes its share of one core among the domain's threads there. It is entered at the
Run upcall and resumes its threads round robin (dissertation §2.5.2, §3.6.5).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from kernel.rbed import Task
from kernel.threads import ENDLESS, Code, Thread, ThreadState

if TYPE_CHECKING:
    from kernel.cpu_driver import CpuDriver
    from kernel.domain import Domain


class Dispatcher:
    """Dispatcher `index` of `domain`, on the core of `driver`."""

    def __init__(self, domain: Domain, index: int, driver: CpuDriver, task_id: int) -> None:
        self.domain = domain
        self.index = index
        self.driver = driver
        self.task = Task(task_id)
        self.run_queue: deque[Thread] = deque()
        self.threads: list[Thread] = []
        self.cpu_time_ps = 0
        self.timeslices = 0
        self.looped_ps = 0  # user time spent in a loop without a barrier; progress is counted from it
        self.looped_iteration_ps = 0

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
        return bool(self.run_queue)

    @property
    def current_thread(self) -> Thread | None:
        """The thread that runs when this dispatcher does."""
        return self.run_queue[0] if self.run_queue else None

    def start(self, code: Code) -> Thread:
        """Create a thread; it runs when the dispatcher is next resumed."""
        thread = Thread(self, code)
        self.threads.append(thread)
        self.run_queue.append(thread)
        return thread

    def run_upcall(self) -> None:
        """Entered at Run: a new timeslice, the next runnable thread's turn."""
        self.timeslices += 1
        if len(self.run_queue) > 1:
            self.run_queue.rotate(-1)

    def spend(self, user_ps: int) -> None:
        """The current thread ran for `user_ps`."""
        thread = self.run_queue[0]
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
        self.run_queue.remove(thread)
        self.driver.work_changed(self)

    def thread_runnable(self, thread: Thread, now: int) -> None:
        self.run_queue.append(thread)
        self.driver.work_arrived(self, now)

    def thread_left(self, thread: Thread, now: int) -> None:
        self.run_queue.remove(thread)
        self.driver.work_changed(self)
        if all(other.state is ThreadState.EXITED for other in self.threads):
            self.domain.dispatcher_done(self, now)
