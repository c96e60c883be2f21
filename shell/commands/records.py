"""Commands on records (Octopus): what programs find and wait for each other by.

The user takes part like any domain: watches, waits, locks. What a watch brings is printed after the command that
caused it. Only commands that wait let time pass.
"""

from __future__ import annotations

from typing import Literal

import click

from kernel.clock import format_duration
from shell.commands import arguments
from shell.errors import ShellError
from shell.events import record_data
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session
from skb.records import USER, Blocked, Record, Watch

_PATIENCE = "10s"
"""How long commands wait if not told otherwise: simulated time, so that a batch cannot hang."""

_as_domain = click.option("--as", "domain", metavar="DOMAIN",
                          help="on behalf of that domain: what it does is undone when the domain ends")
_patience = click.option("--for", "patience_ps", metavar="DURATION", default=_PATIENCE,
                         callback=lambda _context, _option, text: arguments.duration(text),
                         help=f"how much simulated time may pass meanwhile; {_PATIENCE} if not said otherwise")
_revision = click.option("--revision", type=int, metavar="N",
                         help="only if the record still is what it was at that revision (--json shows it)")


@command("oct get", group="knowledge", summary="the first record that matches a query",
         example="oct get _ { weight >= 10 }", raw="QUERY")
def oct_get(session: Session, text: str) -> Result:
    """QUERY is a name, `_` (any name) or r'regular expression', and in braces what attributes must be:

        spawn.3    _ { weight >= 10, kind: 'gang' }    r'^hw\\.pci' { vendor: _, name: r'^eth' }

    with : == != < <= > >=, `_` for any value. Values are identifiers, 'text', numbers, true and false. The first is
    the first by name, in which numbers count as such: x2 before x10. Without a match the command fails.
    """
    return _shown(session.kernel.records.get(_query(text, "oct get")))


@command("oct names", group="knowledge", summary="the names of all records, or of those that match a query",
         example="oct names r'^spawn[.]' { iref: _ }", raw="QUERY")
def oct_names(session: Session, text: str) -> Result:
    names = session.kernel.records.names(text or "_")
    return Result(list(names), "\n".join(names) or (f"no record matches {text}" if text else "no records"))


@command("oct exist", group="knowledge", summary="whether a record matches a query", example="oct exist job.1",
         raw="QUERY")
def oct_exist(session: Session, text: str) -> Result:
    found = session.kernel.records.exist(_query(text, "oct exist"))
    return Result(found, "yes" if found else "no")


@command("oct set", group="knowledge", summary="set a record, in place of all that it was",
         example="oct set job.1 { weight: 20, name: 'first' }", raw="RECORD")
@click.option("--sequential", is_flag=True, help="append a number to the name that is never given twice")
@click.option("--new", is_flag=True, help="only if there is no record of that name")
@click.option("--existing", is_flag=True, help="only if there is one")
@_revision
@_as_domain
def oct_set(
    session: Session, sequential: bool, new: bool, existing: bool, revision: int | None, domain: str | None, text: str
) -> Result:
    """RECORD is a name and its attributes in braces. Comparisons among them are conditions on the record as it was;
    if one does not hold, the command fails and nothing changes: `oct set turn { of: 2, of == 1 }`.
    """
    if new + existing + (revision is not None) > 1:
        raise ShellError("--new, --existing and --revision exclude each other")
    only: Literal["any", "new", "existing"] = "new" if new else "existing" if existing else "any"
    record = session.kernel.records.set(
        _record_text(text, "oct set"), owner=_owner(session, domain), sequential=sequential, only=only,
        revision=revision,
    )
    return _shown(record)


@command("oct del", group="knowledge", summary="delete the record of a name, if it matches",
         example="oct del job.1 { weight < 30 }", raw="QUERY")
@_revision
def oct_del(session: Session, revision: int | None, text: str) -> Result:
    record = session.kernel.records.delete(_query(text, "oct del"), revision=revision)
    return Result(record_data(record))


@command("oct wait", group="knowledge", summary="let time pass until a record matches a query",
         example="oct wait --for 80ms job.1 { weight > 10 }", raw="QUERY")
@_patience
@_as_domain
def oct_wait(session: Session, patience_ps: int, domain: str | None, text: str) -> Result:
    """Returns at once if one matches already. Fails when DURATION is over, or no domain runs that could set one;
    Ctrl-C ends it, too. With --as it does not wait: the domain does.
    """
    owner, query = _owner(session, domain), _query(text, "oct wait")
    return _awaited(session, session.kernel.records.wait_for(query, owner=owner), owner, patience_ps,
                    f"no record matches {query}")


@command("oct watch", group="knowledge", summary="tell of changes of records that match a query",
         example="oct watch r'^job[.]' { weight > 10 }", raw="QUERY")
@click.option("--once", is_flag=True, help="only of the first")
@click.option("--existing", is_flag=True, help="first of each that exists")
@click.option("--on", type=click.Choice(["set", "del"]), metavar="set|del", help="only of settings, or of deletions")
@_as_domain
def oct_watch(
    session: Session, once: bool, existing: bool, on: str | None, domain: str | None, text: str
) -> Result:
    """Each change is told once, after the result of the command in which it came about, as

        watch 1: set job.2 { weight: 20 }

    and with --json in that command's object, as `events`. `oct unwatch 1` ends it.
    """
    if once and existing:
        raise ShellError("--once and --existing exclude each other")
    events = (on,) if on else ("set", "del")
    records, owner, query = session.kernel.records, _owner(session, domain), _query(text, "oct watch")
    if existing:
        number = records.watch_existing(query, events, owner=owner)
    else:
        number = records.watch(query, events, lasting=not once, owner=owner)
    return Result({"watch": number}, f"watch {number}")


@command("oct subscribe", group="knowledge", summary="tell of published records that match a query",
         example="oct subscribe _ { age > 9 }", raw="QUERY")
@_as_domain
def oct_subscribe(session: Session, domain: str | None, text: str) -> Result:
    """They are told as those of `oct watch`; `oct unwatch` ends it."""
    query = _query(text, "oct subscribe")
    number = session.kernel.records.subscribe(query, owner=_owner(session, domain))
    return Result({"watch": number}, f"watch {number}")


@command("oct publish", group="knowledge", summary="tell those who subscribed of a record that nobody keeps",
         example="oct publish news { age: 10 }", raw="RECORD")
def oct_publish(session: Session, text: str) -> Result:
    count = session.kernel.records.publish(_record_text(text, "oct publish"))
    return Result({"subscriptions": count}, f"{count} subscription{'s' if count != 1 else ''}")


@command("oct watches", group="knowledge", summary="all that is watched, subscribed to and waited for",
         example="oct watches")
def oct_watches(session: Session) -> Result:
    found = session.kernel.records.watches()
    rows = [(str(w.number), _whose(session, w.owner), _kind(w), w.of) for w in found]
    data = [{"watch": w.number, "owner": w.owner, "kind": w.what, "lasting": w.lasting, "of": w.of} for w in found]
    return Result(data, Table(("watch", "whose", "kind", "of"), rows, frozenset(("watch",))))


@command("oct unwatch", group="knowledge", summary="end a watch, a subscription, or a domain's waiting",
         example="oct unwatch 1")
@click.argument("number", type=int, metavar="WATCH")
def oct_unwatch(session: Session, number: int) -> Result:
    records = session.kernel.records
    owner = next((w.owner for w in records.watches() if w.number == number), USER)
    records.remove(number, owner=owner)
    return Result({"watch": number})


# -- locks, barriers, semaphores -------------------------------------------------------------------


@command(
    "oct lock", group="knowledge", summary="take a lock; let time pass until it is free", example="oct lock disk"
)
@_patience
@_as_domain
@click.argument("name", metavar="LOCK")
def oct_lock(session: Session, patience_ps: int, domain: str | None, name: str) -> Result:
    """A lock is free until someone takes it; whoever waits longest gets it next, also when its holder ends. It is a
    record for each in line: `oct names _ { lock: 'disk' }`.
    """
    owner = _owner(session, domain)
    return _awaited(session, session.kernel.records.lock(name, owner=owner), owner, patience_ps,
                    f"lock {name} is not free")


@command("oct unlock", group="knowledge", summary="let the next in line have the lock", example="oct unlock print")
@_as_domain
@click.argument("name", metavar="LOCK")
def oct_unlock(session: Session, domain: str | None, name: str) -> Result:
    session.kernel.records.unlock(name, owner=_owner(session, domain))
    return Result({"lock": name})


@command("oct enter", group="knowledge", summary="enter a barrier; let time pass until COUNT have",
         example="oct enter end 1")
@_patience
@_as_domain
@click.argument("name", metavar="BARRIER")
@click.argument("count", type=click.IntRange(min=1))
def oct_enter(session: Session, patience_ps: int, domain: str | None, name: str, count: int) -> Result:
    owner = _owner(session, domain)
    return _awaited(session, session.kernel.records.enter(name, count, owner=owner), owner, patience_ps,
                    f"not all {count} have entered {name}")


@command("oct leave", group="knowledge", summary="leave a barrier; let time pass until all have",
         example="oct leave start")
@_patience
@_as_domain
@click.argument("name", metavar="BARRIER")
def oct_leave(session: Session, patience_ps: int, domain: str | None, name: str) -> Result:
    owner = _owner(session, domain)
    return _awaited(session, session.kernel.records.leave(name, owner=owner), owner, patience_ps,
                    f"not all have left {name}")


@command("oct semaphore", group="knowledge", summary="a new semaphore that VALUE may pass, 0 if not said otherwise",
         example="oct semaphore 2")
@_as_domain
@click.argument("value", type=click.IntRange(min=0), default=0)
def oct_semaphore(session: Session, domain: str | None, value: int) -> Result:
    number = session.kernel.records.new_semaphore(value, owner=_owner(session, domain))
    return Result({"semaphore": number}, f"semaphore {number}")


@command("oct post", group="knowledge", summary="let one more pass a semaphore", example="oct post 0")
@click.argument("semaphore", type=int)
def oct_post(session: Session, semaphore: int) -> Result:
    session.kernel.records.post(semaphore)
    return Result({"semaphore": semaphore})


@command("oct acquire", group="knowledge", summary="pass a semaphore; let time pass until one may",
         example="oct acquire 0")
@_patience
@_as_domain
@click.argument("semaphore", type=int)
def oct_acquire(session: Session, patience_ps: int, domain: str | None, semaphore: int) -> Result:
    owner = _owner(session, domain)
    return _awaited(session, session.kernel.records.acquire(semaphore, owner=owner), owner, patience_ps,
                    f"nobody may pass semaphore {semaphore}")


# -- waiting ---------------------------------------------------------------------------------------


def _awaited(
    session: Session, outcome: Record | Blocked | None, owner: int, patience_ps: int, trouble: str
) -> Result:
    """The record that an operation brings, if need be after some time; what a domain waits for is left to it."""
    if not isinstance(outcome, Blocked):
        return _shown(outcome)
    if owner != USER:
        return Result({"watch": outcome.watch}, f"{_whose(session, owner)} waits (watch {outcome.watch})")
    kernel, records = session.kernel, session.kernel.records
    try:
        kernel.run_until(lambda: not records.waits(outcome) or not kernel.at_work, patience_ps)
        in_vain = records.waits(outcome)
    except BaseException:
        _give_up(session, outcome)
        raise
    if in_vain:
        _give_up(session, outcome)
        if kernel.at_work:
            raise ShellError(f"{trouble}, after {format_duration(patience_ps)}; --for DURATION waits longer")
        raise ShellError(f"{trouble}, and no domain runs that could change that")
    notice = records.outcome(outcome)
    if notice is None or notice.event == "removed":
        raise ShellError(f"{trouble}, and what it would take is no more")
    return _shown(notice.record)


def _give_up(session: Session, blocked: Blocked) -> None:
    """Nobody waits for it any more, of which nobody need be told."""
    if session.kernel.records.waits(blocked):
        session.kernel.records.remove(blocked.watch)
    session.kernel.records.outcome(blocked)


# -- what is shown ---------------------------------------------------------------------------------


def _shown(record: Record | None) -> Result:
    return Result(record_data(record), str(record)) if record else Result()


def _kind(watch: Watch) -> str:
    return "watch, once" if watch.what == "watch" and not watch.lasting else watch.what


def _whose(session: Session, owner: int) -> str:
    return "user" if owner == USER else session.kernel.name_of(owner)


def _owner(session: Session, domain: str | None) -> int:
    """The number of a domain that runs, or the user's."""
    if domain is None:
        return USER
    found = arguments.domain(domain, session)
    if not found.alive:
        raise ShellError(f"domain {found.id} ({found.name}) is not running: {found.state.value}")
    return found.id


def _query(text: str, name: str) -> str:
    if not text:
        raise ShellError(f"which record? such as: {name} job.1")
    return text


def _record_text(text: str, name: str) -> str:
    if not text:
        raise ShellError(f"which record? such as: {name} job.1 {{ weight: 20 }}")
    return text
