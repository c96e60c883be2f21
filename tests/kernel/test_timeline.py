"""The order of events at one instant, and stopping between events."""

import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.timeline import Priority, Timeline

EVENTS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(list(Priority)[1:]), st.integers(0, 5)))


@given(EVENTS)
def test_events_come_by_time_then_priority_then_core_then_sequence(
    events: list[tuple[int, Priority, int]],
) -> None:
    timeline = Timeline()
    seen: list[tuple[int, int, int, int]] = []
    for sequence, (when, priority, core) in enumerate(events):
        timeline.at(
            when, priority, core,
            lambda now, key=(priority, core, sequence): seen.append((now, *key)),
        )
    timeline.run(10)
    assert seen == sorted((w, p, c, n) for n, (w, p, c) in enumerate(events))
    assert timeline.now == 10


def test_a_cancelled_event_does_not_happen() -> None:
    timeline = Timeline()
    seen: list[int] = []
    timeline.cancel(timeline.at(5, Priority.TIMER, 0, seen.append))
    timeline.at(6, Priority.TIMER, 0, seen.append)
    timeline.run(10)
    assert seen == [6]


def test_time_runs_until_what_was_waited_for_has_happened() -> None:
    timeline = Timeline(-100)
    seen: list[int] = []
    for when in (-50, 0, 50):
        timeline.at(when, Priority.TIMER, 0, seen.append)
    assert timeline.run(None, lambda: len(seen) == 2)
    assert (timeline.now, seen) == (0, [-50, 0])
    assert not timeline.run(None, lambda: False), "nothing is left that could happen"


def test_ctrl_c_stops_between_two_events() -> None:
    timeline = Timeline()
    seen: list[int] = []

    def interrupted(now: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        seen.append(now)

    timeline.at(5, Priority.TIMER, 0, interrupted)
    timeline.at(7, Priority.TIMER, 0, seen.append)
    with pytest.raises(KeyboardInterrupt):
        timeline.run(10)
    assert (timeline.now, seen) == (5, [5])
    timeline.run(10)
    assert seen == [5, 7]
