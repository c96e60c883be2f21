"""What came about beside a command's result: told after the command.

A domain that traps is told of, and why: the file and line of a user's own program. So is one whose threads wait
for each other in a circle, or for one that has ended, and when that came about; it is left as it is.

Watches of the user and of domains for which the user acts (`--as`) tell of changes of records, locks granted and
barriers opened; whatever a command's doing or the time it let pass brought is printed after its result, once and in
order, or stands in its JSON object as `events`.
"""

from __future__ import annotations

from typing import Any

from kernel.clock import PS_PER_NS
from kernel.domain import Domain
from kernel.multikernel import Multikernel
from kernel.ownership import Found
from kernel.waiting import take_deadlocks
from shell.output import Aside
from skb.placement import Replacement
from skb.records import USER, Notice, Record


def brought(kernel: Multikernel) -> list[Aside]:
    """What has come about since the last time this was asked: traps, deadlocks, and what watches brought."""
    traps = [
        Aside(f"{each.name} trapped: {each.fault}", {"trapped": each.id, "name": each.name, "fault": each.fault})
        for each in kernel.take_trapped()
    ]
    stuck = [
        Aside(f"{domain.name}: {found.text}", _found_data(domain, found))
        for domain, found in take_deadlocks(kernel)
    ]
    unlocked = [
        Aside(f"{each.name} is best effort: the timers are not in step, so no gang is phase-locked",
              {"unlocked": each.id, "name": each.name})
        for each in kernel.take_unlocked()
    ]
    moved = [Aside(*_moved(kernel, each)) for each in kernel.take_replaced()]
    notices = [Aside(_line(kernel, notice), _data(notice)) for notice in kernel.records.take()]
    return traps + stuck + unlocked + moved + notices


def _moved(kernel: Multikernel, found: Replacement) -> tuple[str, dict[str, Any]]:
    move, name = found.move, kernel.name_of(found.move.domain)
    text = f"{name}: dispatcher {move.dispatcher} goes from core {found.before} to {move.core}, better off there"
    data = {"moved": move.domain, "name": name, "dispatcher": move.dispatcher, "from": found.before, "to": move.core,
            "gain_ns": found.gain_ns, "cost_ns": found.cost_ns}  # fmt: skip
    return text, data


def _found_data(domain: Domain, found: Found) -> dict[str, Any]:
    at = {} if found.at_ps is None else {"at_ns": found.at_ps // PS_PER_NS}
    return {"deadlock": domain.id, "name": domain.name, "text": found.text, **at}


def record_data(record: Record) -> dict[str, Any]:
    """A record as JSON has it; `text` tells identifiers from quoted text."""
    return {"name": record.name, "attributes": dict(record.attributes), "owner": record.owner,
            "revision": record.revision, "text": str(record)}


def _line(kernel: Multikernel, notice: Notice) -> str:
    """`watch 1: set job.2 { weight: 20 }`, and whose watch it is if not the user's."""
    whose = "" if notice.owner == USER else f" of {kernel.name_of(notice.owner)}"
    return f"watch {notice.watch}{whose}: {notice.event}" + (f" {notice.record}" if notice.record else "")


def _data(notice: Notice) -> dict[str, Any]:
    return {"watch": notice.watch, "owner": notice.owner, "event": notice.event,
            "record": record_data(notice.record) if notice.record else None, "over": notice.over}
