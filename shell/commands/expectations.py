"""`expect`: a scenario checks itself, so that a batch file can be a test."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from kernel.clock import format_duration
from shell.commands import arguments
from shell.errors import ShellError
from shell.output import Result
from shell.registry import command
from shell.session import Session

_TEST = re.compile(r"(time|[\w.]+\.[a-z_]+)\s*(==|!=|>=|<=|>|<)\s*(\S.*)")
_FIELD = re.compile(r"([\w.]+)\.([a-z_]+)\Z")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}
_FIELDS = ("cpu_time", "deadline_misses", "dispatchers", "phase", "program", "progress", "state")

Value = int | float | str


@command("expect", group="shell", summary="fail unless a Prolog goal, or a test of a domain or the time, holds",
         example="expect barrier.progress > 1000", raw="GOAL-or-TEST")
def expect(session: Session, text: str) -> Result:
    """A TEST compares (== != < <= > >=) a field of a domain, or the time, with a number, a duration, a word
    or another field: expect barrier.progress > cpu_bound.progress; expect time >= 80ms. The fields are
    cpu_time, deadline_misses, dispatchers, phase, program, progress and state. Anything else is a GOAL, as
    for skb: expect distance(0, 12, D), D > 500
    """
    if not text:
        raise ShellError("which goal or test? such as: expect barrier.progress > 1000")
    if (test := _TEST.fullmatch(text)) is not None:
        left, right = _value(test[1], session), _value(test[3].strip(), session)
        if not _compare(left, test[2], right):
            raise ShellError(f"expected {text}, but {test[1]} is {_shown(test[1], left)}")
    elif not session.kb.ask(text, limit=1).answers:
        raise ShellError(f"expected {text}, which does not hold")
    return Result(True)


def _value(text: str, session: Session) -> Value:
    """What stands on one side of a comparison; durations are picoseconds."""
    if text == "time":
        return session.kernel.now
    try:
        return float(text)
    except ValueError:
        pass
    field = _FIELD.match(text)
    if field is None:
        return arguments.duration(text) if text[0].isdigit() else text
    found = arguments.domain(field[1], session)
    status = next(status for status in session.kernel.domains() if status.id == found.id)
    match field[2]:
        case "cpu_time":
            return status.cpu_time_ps
        case "dispatchers":
            return len(status.cores)
        case name if name in _FIELDS:
            value: Value = getattr(status, name)
            return value
        case name:
            raise ShellError(f"a domain has no field '{name}'; there are {', '.join(_FIELDS)}")


def _compare(left: Value, sign: str, right: Value) -> bool:
    if isinstance(left, str) != isinstance(right, str):
        raise ShellError(f"{left} cannot be compared with {right}: a word with a number")
    return _OPERATORS[sign](left, right)


def _shown(subject: str, value: Value) -> str:
    return format_duration(int(value)) if subject == "time" or subject.endswith(".cpu_time") else str(value)
