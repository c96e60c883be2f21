"""Commands that look at messages and capabilities: channels, the services they lead to, capability spaces."""

from __future__ import annotations

from dataclasses import asdict

import click

from kernel.replication.replicas import PROTOCOLS
from shell.commands import arguments
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session


@command("channels", group="domains", summary="the channels between domains, both ends of each; or those of one",
         example="channels")
@click.argument("domain", required=False)
def channels(session: Session, domain: str | None) -> Result:
    """`unacked` are messages in the ring that the receiver has not acknowledged, of so many slots; `waiting` those
    that have found no room. A local message is delivered when it is sent: it has neither.
    """
    found = session.kernel.channels(None if domain is None else session.kernel.find(domain))
    columns = ("channel", "domain", "core", "to", "domain", "core", "over", "service", "sent", "unacked", "waiting")
    rows = [
        (str(c.number), c.name, str(c.core), str(c.peer), c.peer_name, str(c.peer_core), c.over, str(c.iref),
         str(c.sent), "-" if c.slots is None else f"{c.unacknowledged} of {c.slots}", str(c.waiting))
        for c in found
    ]
    return Result([asdict(c) for c in found], Table(columns, rows, frozenset(("channel", "core", "to", "sent"))))


@command("names", group="domains", summary="the services that can be bound to, with their references and channels",
         example="names")
@click.option("--replicate", metavar="CORES", help="have names looked up on these cores themselves, from now on")
@click.option("--how", metavar="PROTOCOL", default="group", help=f"{', '.join(PROTOCOLS)}; group if not said")
def names(session: Session, replicate: str | None, how: str) -> Result:
    """Programs on a core with a replica look names up there; what a replica does not know yet they ask the SKB.
    `replica show nameservice` has the state of each. The protocols are told in `help replicate`.
    """
    if replicate is not None:
        session.kernel.replicate_names(arguments.cores(replicate, session), how)
    found = session.kernel.services()
    rows = [(s.name or "-", str(s.iref), s.domain_name, str(s.core), str(s.channels)) for s in found]
    columns = ("name", "iref", "domain", "core", "channels")
    return Result([asdict(s) for s in found], Table(columns, rows, frozenset(("iref", "core", "channels"))))


@command("print_cspace", group="domains", summary="the capabilities of a domain's dispatchers, by address",
         example="print_cspace barrier")
@click.argument("domain")
def print_cspace(session: Session, domain: str) -> Result:
    """An address is the slot of the root CNode, then that of the CNode in it. `owner` is the core that owns the
    object, `copies` how many capabilities to it there are on the dispatcher's core.
    """
    spaces = session.kernel.capability_spaces(session.kernel.find(domain))
    data = [{"dispatcher": index, **asdict(entry)} for index, entries in spaces.items() for entry in entries]
    rows = [
        (str(index), e.address, e.type, f"{e.base:#x}", str(e.size_bytes), e.rights, str(e.owner), str(e.copies))
        for index, entries in spaces.items()
        for e in entries
    ]
    columns = ("dispatcher", "address", "type", "base", "bytes", "rights", "owner", "copies")
    return Result(data, Table(columns, rows, frozenset(("dispatcher", "base", "bytes", "owner", "copies"))))
