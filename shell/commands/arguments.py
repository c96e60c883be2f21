"""Arguments that several commands take: durations, lists of cores, domains."""

from __future__ import annotations

import re

from kernel.clock import parse_duration
from kernel.domain import Domain
from shell.errors import ShellError
from shell.session import Session

_CLOCK = re.compile(r"([0-9]{1,10}(?:\.[0-9]{1,9})?) ?([KMG]?)(?:Hz)?\Z", re.IGNORECASE)
_HERTZ = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_SLOWEST_HZ, _FASTEST_HZ = 10**6, 10**11
_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?\Z")


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


def cores(text: str, session: Session) -> tuple[int, ...]:
    """The cores in `0-3,8`; each must be there."""
    known = session.kernel.drivers
    found: list[int] = []
    for part in text.split(","):
        match = _RANGE.match(part.strip())
        if match is None:
            raise ShellError(f"'{text}' is no list of cores; write 3, 0-3 or 0-3,8")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ShellError(f"'{part.strip()}' runs backwards; write {last}-{first}")
        for core in range(first, last + 1):
            if core not in known:
                raise ShellError(f"no core {core}; cores are {min(known)}-{max(known)}")
            found.append(core)
    return tuple(dict.fromkeys(found))


def domain(text: str, session: Session) -> Domain:
    """A domain by number or name."""
    return session.kernel.find(text)


def ranges(numbers: tuple[int, ...]) -> str:
    """Numbers as a list of ranges: `0-3,8`."""
    ordered = sorted(set(numbers))
    pieces: list[str] = []
    start = previous = None
    for number in [*ordered, None]:
        if previous is not None and number == previous + 1:
            previous = number
            continue
        if start is not None:
            pieces.append(str(start) if start == previous else f"{start}-{previous}")
        start = previous = number
    return ",".join(pieces)
