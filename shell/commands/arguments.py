"""Arguments that several commands take: durations, lists of cores, domains."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kernel.clock import parse_duration
from kernel.domain import Domain
from shell.errors import ShellError
from shell.session import Session

_CLOCK = re.compile(r"([0-9]{1,10}(?:\.[0-9]{1,9})?) ?([KMG]?)(?:Hz)?\Z", re.IGNORECASE)
_HERTZ = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_SLOWEST_HZ, _FASTEST_HZ = 10**6, 10**11
_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6})(?::(\d{1,6}))?)?\Z")
_STRIDES = 4
"""So many numbers, evenly spaced, are written as `0-6:2`."""


def duration(text: str) -> int:
    """A duration as picoseconds."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ShellError(str(error)) from None


def clock_hz(text: str) -> int:
    """A clock as Hz."""
    match = _CLOCK.match(text.strip())
    hertz = round(float(match[1]) * _HERTZ[match[2].upper()]) if match else 0
    if not _SLOWEST_HZ <= hertz <= _FASTEST_HZ:
        raise ShellError(f"'{text}' is no clock; write 2.5GHz or 800MHz")
    return hertz


def count(text: str) -> int:
    """A number of cores."""
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise ShellError(f"'{text}' is no number of cores")
    return int(text)


def cores(text: str, session: Session) -> tuple[int, ...]:
    """The cores in `0-3,8` or `0-6:2`, as taskset takes them; each must be there."""
    known = session.kernel.drivers
    found: list[int] = []
    for part in text.split(","):
        match = _RANGE.match(part.strip())
        if match is None:
            raise ShellError(f"'{text}' is no list of cores; write 3, 0-3, 0-3,8 or 0-6:2")
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if step == 0:
            raise ShellError(f"'{part.strip()}' takes no steps; write {first}-{last}:2 for every second core")
        if last < first:
            raise ShellError(f"'{part.strip()}' runs backwards; write {last}-{first}")
        for core in range(first, last + 1, step):
            if core not in known:
                raise ShellError(f"no core {core}; cores are {min(known)}-{max(known)}")
            found.append(core)
    return tuple(dict.fromkeys(found))


def domain(text: str, session: Session) -> Domain:
    """A domain by number or name."""
    return session.kernel.find(text)


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as a list of ranges that `cores` reads: `0-3,8`, `0-14:2`."""
    left = sorted(set(numbers))
    pieces: list[str] = []
    while left:
        step = left[1] - left[0] if len(left) > 1 else 1
        length = next((i for i in range(1, len(left)) if left[i] - left[i - 1] != step), len(left))
        if step > 1 and length < _STRIDES:
            length = 1
        taken, left = left[:length], left[length:]
        end = f"-{taken[-1]}" if length > 1 else ""
        pieces.append(f"{taken[0]}{end}" + (f":{step}" if step > 1 and length > 1 else ""))
    return ",".join(pieces)
