"""Durations as people write them, and clocks that drift."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import PS_PER_S, LocalClock, cycles_to_ps, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "ps"),
    [("20us", 20_000_000), ("80ms", 80_000_000_000), ("1.5 ms", 1_500_000_000), ("0s", 0)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, ps: int) -> None:
    assert parse_duration(text) == ps


@pytest.mark.parametrize("text", ["", "80", "ms", "-1s", "1e3s", "80 mss", "0.5ps", "9" * 30 + "s", "١s" * 2])
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|picosecond"):
        parse_duration(text)


def test_durations_are_shown_in_the_unit_that_suits_them() -> None:
    assert [format_duration(ps) for ps in (0, 7, 4_000_000, 80_000_000_000, 2 * PS_PER_S)] == [
        "0 s", "7 ps", "4.000 us", "80.000 ms", "2.000 s",
    ]


def test_cycles_take_their_time() -> None:
    assert cycles_to_ps(558, 2_500_000_000) == 223_200


@given(
    offset=st.integers(-(10**12), 10**12),
    drift=st.integers(-100_000, 100_000),
    local=st.integers(0, 10**15),
)
def test_the_reference_instant_is_the_first_at_which_the_timer_has_reached_a_reading(
    offset: int, drift: int, local: int
) -> None:
    clock = LocalClock(offset, drift)
    instant = clock.reference(local)
    assert clock.local(instant) >= local > clock.local(instant - 1)


@given(drift=st.integers(-100_000, 100_000), now=st.integers(0, 10**15), reading=st.integers(0, 10**15))
def test_a_reset_timer_reads_what_it_was_set_to(drift: int, now: int, reading: int) -> None:
    clock = LocalClock(12345, drift)
    clock.reset(now, reading)
    assert clock.local(now) == reading
