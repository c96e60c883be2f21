"""The order of events: SimPy's queue, with the instants ordered as the kernel's contract says.

All events of one instant are applied by named priority, then core number, then sequence; then each
core that something happened to dispatches once. So equal inputs give equal runs, and no core is
dispatched on half of what an instant brought.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from enum import IntEnum
from types import FrameType

import simpy

from kernel.threads import ProgramInterrupted, in_users_code

_CORES = 1 << 16  # room for core numbers below a named priority


class Priority(IntEnum):
    """What comes first at one instant."""

    STOP = 0
    TIMER = 1
    MESSAGE = 2
    DISPATCH = 9


class Timeline:
    """Simulated time: `at` puts a callback at an instant, `run` carries callbacks out.

    Times are picoseconds. A handle returned by `at` can be given to `cancel`.
    """

    def __init__(self, start_ps: int = 0) -> None:
        self._env = simpy.Environment(initial_time=start_ps)
        self.events = 0

    @property
    def now(self) -> int:
        return int(self._env.now)

    def at(
        self, when_ps: int, priority: Priority, core: int, callback: Callable[[int], None]
    ) -> simpy.Event:
        """Call `callback(now)` at `when_ps` (not before now), in the order the module states."""
        event = simpy.Event(self._env)
        event._ok = True
        event._value = None
        env = self._env

        def fire(_: simpy.Event) -> None:
            callback(int(env.now))

        assert event.callbacks is not None
        event.callbacks.append(fire)
        env.schedule(event, priority * _CORES + core, when_ps - env.now)  # type: ignore[arg-type]
        return event

    @staticmethod
    def cancel(event: simpy.Event) -> None:
        """The event's callback will not be called."""
        if event.callbacks is not None:
            event.callbacks.clear()

    def run(self, until_ps: int | None, done: Callable[[], bool] | None = None) -> bool:
        """Carry events out until `until_ps` is reached or `done()` holds; True if `done()` holds.

        With `until_ps` None it goes on while there are events. Ctrl-C stops between two events, never
        in the middle of one: KeyboardInterrupt is raised with the whole system consistent at `now`. Only a
        user's own code is left in the middle; its domain traps.
        """
        reached = False

        def stop(_: int) -> None:
            nonlocal reached
            reached = True

        marker = None if until_ps is None else self.at(until_ps, Priority.STOP, 0, stop)
        with _Interrupts() as interrupts:
            step, queue = self._env.step, self._env._queue
            while not reached:
                if done is not None and done():
                    if marker is not None:
                        self.cancel(marker)
                    return True
                if not queue:
                    return False
                step()
                self.events += 1
                if interrupts.seen:
                    if marker is not None:
                        self.cancel(marker)
                    raise KeyboardInterrupt
        return done is not None and done()


class _Interrupts:
    """While entered on the main thread, SIGINT is noted in `seen` and not raised, unless in a user's code."""

    def __init__(self) -> None:
        self.seen = False
        self._main = threading.current_thread() is threading.main_thread()

    def _note(self, _signal: int, frame: FrameType | None) -> None:
        self.seen = True
        if in_users_code(frame):  # which may never come to an end by itself
            raise ProgramInterrupted

    def __enter__(self) -> _Interrupts:
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)
