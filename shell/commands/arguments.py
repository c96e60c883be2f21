"""Arguments that several commands take: durations, lists of cores, domains."""

from __future__ import annotations

import re

from kernel.clock import parse_duration
from kernel.domain import Domain
from shell.errors import ShellError
from shell.session import Session

_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?\Z")


def duration(text: str) -> int:
    """A duration as picoseconds."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ShellError(str(error)) from None


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
