"""Commands on the cores' timers: whether they are in step, and putting them so."""

from __future__ import annotations

import click

from kernel.clock import PS_PER_NS, format_duration
from kernel.reference_clocks import METHODS, Method
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session


@command("clocks show", group="machine", summary="how far the cores' timers were apart, and how they drift",
         example="clocks show")
def clocks_show(session: Session) -> Result:
    """`offset` is how far a timer was ahead of the first core's when last compared, before it was corrected; `drift`
    what it gains on that one, in parts in a billion, as far as could be told; `set` how long ago it was set.
    """
    kept, now = session.kernel.timekeeping, session.kernel.now
    rows, data = [], []
    for core, timer in sorted(kept.timers.items()):
        drift = "" if timer.drift_ppb is None else str(timer.drift_ppb)
        rows.append((str(core), format_duration(timer.offset_ps), drift, format_duration(now - timer.set_ps)))
        data.append({"core": core, "offset_ns": timer.offset_ps / PS_PER_NS, "drift_ppb": timer.drift_ppb,
                     "set_ns": timer.set_ps // PS_PER_NS, "compared_ns": timer.compared_ps // PS_PER_NS})
    error = kept.error_ps()
    again = session.kb.once("resynchronise_after(Nanoseconds)")
    told: dict[str, object] = {"in_step": kept.in_step, "by": kept.method, "error_ns": error / PS_PER_NS,
                               "resynchronised_every_ns": again and again["Nanoseconds"], "timers": data}
    if not kept.in_step:
        return Result(told, f"the timers are not in step (tried by {kept.method}): no gang is phase-locked")
    line = f"in step by {kept.method}, to within {format_duration(error)}"
    if again is not None:
        line += f"; while a gang runs, again every {format_duration(again['Nanoseconds'] * PS_PER_NS)}"
    return Result(told, [Table(("core", "offset", "drift", "set"), rows, frozenset(("core", "drift"))), line])


@command("clocks sync", group="machine", summary="put the cores' timers in step, without stopping anybody",
         example="clocks sync --by messages")
@click.option("--by", "method", metavar="CLOCK", help="tsc, pit or messages, if not what the SKB says")
def clocks_sync(session: Session, method: str | None) -> Result:
    """The SKB's choice is `reference_clock(Clock)`. If it fails, no gang is phase-locked until one succeeds."""
    chosen: Method | None = next((each for each in METHODS if each == method), None)
    if method is not None and chosen is None:
        raise ShellError(f"no clock '{method}' to go by; it is {', '.join(METHODS[:-1])} or {METHODS[-1]}")
    kernel = session.kernel
    before = kernel.now
    if not kernel.synchronise_timers(chosen):
        raise ShellError("the timers could not be put in step within a second; no gang is phase-locked")
    kept, took = kernel.timekeeping, kernel.now - before
    worst = max((abs(timer.offset_ps) for timer in kept.timers.values()), default=0)
    error = kept.error_ps()
    data = {"by": kept.method, "took_ns": took / PS_PER_NS, "furthest_ns": worst / PS_PER_NS,
            "error_ns": error / PS_PER_NS}  # fmt: skip
    line = f"in step by {kept.method} after {format_duration(took)}, to within {format_duration(error)}; "
    return Result(data, line + f"the furthest was {format_duration(worst)} off")
