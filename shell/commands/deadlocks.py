"""`deadlocks`: who waits for whom, and who does so for ever."""

from __future__ import annotations

from dataclasses import asdict

import click

from kernel.waiting import waiting
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session


@command("deadlocks", group="domains", summary="the threads that wait, for whom, and which of them can never go on",
         example="deadlocks")
@click.argument("domain", required=False)
def deadlocks(session: Session, domain: str | None) -> Result:
    """A thread goes on when each line it has here is met, which any one of those it waits for can do. Threads that
    sleep, or wait for the SKB or for a service's next client, are not listed: they are woken from outside.
    """
    found = waiting(session.kernel, None if domain is None else session.kernel.find(domain))
    rows = [(w.thread, w.waits_for, _some(w.by), "never" if w.never else "maybe") for w in found.waits]
    lines = "\n".join(each.text for each in found.deadlocks) or "no deadlock"
    table = Table(("thread", "waits for", "of", "goes on"), rows)
    return Result(asdict(found), [table, lines] if rows else lines)


def _some(names: tuple[str, ...]) -> str:
    """The first two, and how many more."""
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more if names else "nobody"
